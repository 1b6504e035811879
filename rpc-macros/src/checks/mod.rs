//! Turns a trait into the model of a service, and collects what is wrong on the way.

mod keys;
mod method;

use std::collections::HashSet;

use syn::ext::IdentExt;
use syn::{ItemTrait, Lifetime, TraitBound, TraitItem, TypeParamBound};

use crate::mistakes::Mistakes;
use crate::model::{Body, Method, Service};
use crate::names;
use crate::parse::Entry;

pub(crate) use keys::SERVICE_KEYS;

/// The service that `item` declares; to be used if there were no mistakes.
pub(crate) fn service(entries: &[Entry], item: &ItemTrait, mistakes: &mut Mistakes) -> Service {
    let settings = keys::settings(entries, &item.ident, mistakes);
    check_trait(item, mistakes);

    let mut methods = Vec::new();
    for item in &item.items {
        match item {
            TraitItem::Fn(function) => {
                methods.extend(method::method(function, &settings, mistakes));
            }
            other => mistakes.add(
                other,
                "a service has methods only: put this into a trait of its own, or beside it",
            ),
        }
    }
    tell_bodies_apart(&mut methods);
    Service {
        vis: item.vis.clone(),
        ident: item.ident.clone(),
        name: settings.name,
        formats: settings.formats,
        methods,
    }
}

fn check_trait(item: &ItemTrait, mistakes: &mut Mistakes) {
    for attr in item.attrs.iter().filter(|attr| attr.path().is_ident("cfg")) {
        mistakes.add(
            attr,
            "put `#[cfg(..)]` above `#[service]`, so that it holds for all that the service is made of",
        );
    }
    if let Some(token) = &item.unsafety {
        mistakes.add(
            token,
            "write `trait` alone: a call is checked on its way, there is nothing to promise",
        );
    }
    if let Some(token) = &item.modifiers.auto_token {
        mistakes.add(token, "write `trait` alone: a service is implemented by hand");
    }
    if !item.generics.params.is_empty() {
        mistakes.add(
            &item.generics,
            "a service has no parameters, for its name on the wire has none: name the types in its methods",
        );
    }
    if let Some(clause) = &item.generics.where_clause {
        mistakes.add(
            clause,
            "a service has no `where`, for its client could not keep it: bound what uses the service",
        );
    }
    for bound in item.supertraits.iter().filter(|bound| !holds_for_clients(bound)) {
        mistakes.add(
            bound,
            "a service is `Send + Sync + 'static` and nothing else, for its client could not be: \
             bound what uses the service, as in `impl Inventory + Debug`",
        );
    }
}

/// Whether a supertrait is one that every service has anyway.
pub(crate) fn holds_for_clients(bound: &TypeParamBound) -> bool {
    match bound {
        TypeParamBound::Trait(TraitBound { path, .. }) => {
            path.segments.last().is_some_and(|last| last.ident == "Send" || last.ident == "Sync")
        }
        TypeParamBound::Lifetime(Lifetime { ident, .. }) => ident == "static",
        _ => false,
    }
}

/// `foo_bar` and `fooBar` would carry structs of one name.
fn tell_bodies_apart(methods: &mut [Method]) {
    let mut taken = HashSet::new();
    for (index, method) in methods.iter_mut().enumerate() {
        if let Body::Struct(ident) = &mut method.body
            && !taken.insert(ident.unraw().to_string())
        {
            *ident = names::generated(&format!("{ident}{index}"), &method.ident);
        }
    }
}
