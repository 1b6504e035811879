//! A service that has been checked: nothing in it can be wrong any more.

mod rules;

use proc_macro2::Ident;
use syn::{Attribute, Path, Type, Visibility};

pub(crate) use rules::{
    After, Breaker, Concurrency, Fallback, Hedge, Key, Limit, Retry, Rules, Setting, Variant,
    Window,
};

/// A service.
pub(crate) struct Service {
    pub(crate) vis: Visibility,
    pub(crate) ident: Ident,
    /// What it is called on the wire.
    pub(crate) name: String,
    /// What it speaks, the default first.
    pub(crate) formats: Vec<Path>,
    pub(crate) methods: Vec<Method>,
}

/// One of its methods.
#[derive(Clone)]
pub(crate) struct Method {
    pub(crate) ident: Ident,
    /// What it is called on the wire, where it has no `r#`.
    pub(crate) name: String,
    pub(crate) args: Vec<Arg>,
    pub(crate) body: Body,
    /// What it returns: a `Result`, or an alias of one.
    pub(crate) output: Type,
    pub(crate) rules: Rules,
}

/// An argument.
#[derive(Clone)]
pub(crate) struct Arg {
    /// What is said of the field that it travels in.
    pub(crate) serde: Vec<Attribute>,
    pub(crate) ident: Ident,
    pub(crate) ty: Type,
}

/// What a request carries.
#[derive(Clone)]
pub(crate) enum Body {
    /// A struct of this name, which has the arguments as fields.
    Struct(Ident),
    /// The only argument itself.
    Argument,
}
