//! What a method of a service may look like.

use syn::ext::IdentExt;
use syn::{Attribute, FnArg, Pat, PatType, Receiver, ReceiverKind, Safety, Signature, TraitItemFn};

use super::keys::Settings;
use super::rules::{self, RPC_KEYS};
use crate::mistakes::Mistakes;
use crate::model::{Arg, Body, Method};
use crate::{names, parse, types};

/// What a client has of its own (`__client_methods!` of `rpc_core`): these would win over the
/// trait's wherever one is called on a client.
const CLIENT_METHODS: [&str; 12] = [
    "connect",
    "builder",
    "new",
    "channel",
    "ready",
    "with_timeout",
    "with_metadata",
    "with_format",
    "with_compression",
    "with_priority",
    "with_report",
    "with_fallback",
];

/// Methods that every client has from a trait of the prelude: a call would be ambiguous.
const PRELUDE_METHODS: [&str; 4] = ["clone", "into", "try_into", "to_owned"];

/// Attributes that may stay on an argument: they are for the compiler alone.
const LINT_LEVELS: [&str; 5] = ["allow", "expect", "warn", "deny", "forbid"];

/// The method that `function` declares, if it can be told in spite of its mistakes.
pub(crate) fn method(
    function: &TraitItemFn,
    settings: &Settings,
    mistakes: &mut Mistakes,
) -> Option<Method> {
    let sig = &function.sig;
    let rules = rules::rules(&parse::rpc_entries(&function.attrs, &RPC_KEYS, mistakes), mistakes);
    check_attrs(&function.attrs, mistakes);
    check_name(sig, &settings.name, mistakes);
    check_shape(sig, mistakes);
    check_receiver(sig, mistakes);
    let args = args(sig, mistakes);
    check_body(sig, &args, settings, mistakes);
    let output = types::check_output(sig, mistakes)?;
    if rules.oneway && !types::is_result_of_nothing(output) {
        mistakes.add(output, "return `Result<(), Status>`: a one-way call is never answered");
    }
    let name = sig.ident.unraw().to_string();
    let body = match settings.unwrapped {
        Some(_) => Body::Argument,
        None => {
            let ident = format!("__{}Args", names::pascal_case(&name));
            Body::Struct(names::generated(&ident, &sig.ident))
        }
    };
    Some(Method { ident: sig.ident.clone(), name, args, body, output: output.clone(), rules })
}

fn check_attrs(attrs: &[Attribute], mistakes: &mut Mistakes) {
    for attr in attrs.iter().filter(|attr| attr.path().is_ident("cfg")) {
        mistakes.add(
            attr,
            "a method is there or it is not, on both ends: put those that are optional into a service \
             of their own, with `#[cfg(..)]` above its `#[service]`",
        );
    }
}

fn check_name(sig: &Signature, service: &str, mistakes: &mut Mistakes) {
    let name = sig.ident.unraw().to_string();
    let known = |names: &[&str]| names.contains(&name.as_str());
    if known(&CLIENT_METHODS) {
        mistakes.add(
            &sig.ident,
            format!("find another name: a client has a `{name}` of its own, which would be called instead"),
        );
    }
    if known(&PRELUDE_METHODS) {
        mistakes.add(
            &sig.ident,
            format!("find another name: everything has a `{name}`, and a call would be ambiguous"),
        );
    }
    if !name.is_ascii() {
        mistakes.add(&sig.ident, "find a name of ASCII letters, digits and `_`: it travels");
    }
    let path = service.len() + 1 + name.len();
    if path > names::MAX_PATH_BYTES {
        mistakes.add(
            &sig.ident,
            format!(
                "find a shorter name: `{service}/{name}` has {path} bytes, and at most {} travel",
                names::MAX_PATH_BYTES
            ),
        );
    }
}

fn check_shape(sig: &Signature, mistakes: &mut Mistakes) {
    if let Some(token) = &sig.constness {
        mistakes.add(token, "write `async fn`: a call can't be made while compiling");
    } else if sig.asyncness.is_none() {
        mistakes
            .add(sig.fn_token, format!("write `async fn {}`: an answer takes its time", sig.ident));
    }
    if let Safety::Unsafe(token) = &sig.safety {
        mistakes.add(token, "write `async fn` alone: a caller elsewhere can't promise anything");
    }
    if let Some(abi) = &sig.abi {
        mistakes.add(abi, "write `async fn` alone: calls have a protocol of their own");
    }
    if !sig.generics.params.is_empty() {
        mistakes.add(
            &sig.generics,
            "a method has no parameters, for they could not travel: name the types it takes and returns",
        );
    }
    if let Some(clause) = &sig.generics.where_clause {
        mistakes
            .add(clause, "a method has no `where`, for there is nothing to bound: leave it out");
    }
}

fn check_receiver(sig: &Signature, mistakes: &mut Mistakes) {
    match sig.receiver() {
        Some(Receiver { kind: ReceiverKind::Reference(_, None, None), .. }) => {}
        Some(receiver) => mistakes.add(
            receiver,
            "take `&self`: one implementation answers many calls at once, so what changes is kept behind a lock",
        ),
        None => mistakes.add(
            &sig.ident,
            format!("take `&self` first, as in `async fn {}(&self, ..)`", sig.ident),
        ),
    }
}

fn args(sig: &Signature, mistakes: &mut Mistakes) -> Vec<Arg> {
    let mut args: Vec<Arg> = Vec::new();
    for arg in &sig.inputs {
        let FnArg::Typed(typed) = arg else { continue };
        check_arg_attrs(&typed.attrs, mistakes);
        types::check_argument(&typed.ty, mistakes);
        let Some(arg) = named(typed, mistakes) else { continue };
        if args.iter().any(|earlier| earlier.ident == arg.ident) {
            mistakes
                .add(&arg.ident, format!("find another name: there is a `{}` already", arg.ident));
        }
        args.push(arg);
    }
    if let Some(variadic) = &sig.variadic {
        mistakes.add(variadic, "take a `Vec`: the number of arguments is fixed");
    }
    args
}

fn named(typed: &PatType, mistakes: &mut Mistakes) -> Option<Arg> {
    let Pat::Ident(pat) = &*typed.pat else {
        mistakes.add(&typed.pat, "give the argument a name: arguments travel by name");
        return None;
    };
    if pat.by_ref.is_some() || pat.mutability.is_some() || pat.subpat.is_some() {
        mistakes.add(
            pat,
            format!("write `{}` alone: an implementation can bind it as it likes", pat.ident),
        );
    }
    let is_serde = |attr: &&Attribute| attr.path().is_ident("serde");
    Some(Arg {
        serde: typed.attrs.iter().filter(is_serde).cloned().collect(),
        ident: pat.ident.clone(),
        ty: (*typed.ty).clone(),
    })
}

fn check_arg_attrs(attrs: &[Attribute], mistakes: &mut Mistakes) {
    for attr in attrs {
        if attr.path().is_ident("serde") || is_lint_level(attr) {
            continue;
        }
        if attr.path().is_ident("doc") {
            mistakes.add(attr, "say this in the method's documentation: arguments have none");
        } else {
            mistakes
                .add(attr, "an argument carries `#[serde(..)]` only, for the field it travels in");
        }
    }
}

/// Whether an attribute may stay on an argument.
pub(crate) fn is_lint_level(attr: &Attribute) -> bool {
    LINT_LEVELS.iter().any(|level| attr.path().is_ident(level))
}

/// Where an argument is the body itself, there is one.
fn check_body(sig: &Signature, args: &[Arg], settings: &Settings, mistakes: &mut Mistakes) {
    let Some(format) = &settings.unwrapped else { return };
    let typed: Vec<&FnArg> =
        sig.inputs.iter().filter(|arg| matches!(arg, FnArg::Typed(_))).collect();
    match typed.as_slice() {
        [] => mistakes.add(
            &sig.ident,
            format!("take one argument: in a service that speaks `{format}` it is the body, an empty message for one"),
        ),
        [_] => {}
        [_, second, ..] => mistakes.add(
            second,
            format!("take one argument: in a service that speaks `{format}` it is the body; put both into one message"),
        ),
    }
    for attr in args.iter().flat_map(|arg| &arg.serde) {
        mistakes.add(attr, format!("leave this out: in a service that speaks `{format}` the argument is the body, and no field"));
    }
}
