//! Turns a trait into the model of a service, and collects what is wrong on the way.

mod defaults;
mod keys;
mod method;
mod rules;
mod values;

use std::collections::HashSet;

use syn::ext::IdentExt;
use syn::{ItemTrait, Lifetime, TraitBound, TraitItem, TypeParamBound};

use crate::mistakes::Mistakes;
use crate::model::{Body, Method, Service};
use crate::parse::Entry;
use crate::{names, types};

pub(crate) use keys::SERVICE_KEYS;
pub(crate) use method::is_lint_level;

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
            format!(
                "a service is `Send + Sync + 'static` and nothing else, for its client could not \
                 be: bound what uses the service, as in `impl {} + {}`",
                item.ident,
                types::show(bound),
            ),
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

#[cfg(test)]
mod tests {
    use proc_macro2::TokenStream;
    use quote::{format_ident, quote};

    use super::*;
    use crate::parse;

    /// What is said of `item` with `#[service(args)]`.
    fn refusals(args: TokenStream, item: TokenStream) -> Vec<String> {
        let mut mistakes = Mistakes::default();
        let item = syn::parse2(item).expect("a trait");
        let entries = parse::entries(args, &SERVICE_KEYS, &mut mistakes);
        service(&entries, &item, &mut mistakes);
        mistakes.messages()
    }

    fn check(item: TokenStream, expected: &str) {
        let found = refusals(quote!(), item.clone());
        assert!(found.len() == 1 && found[0].contains(expected), "{item}: {found:?}");
    }

    #[test]
    fn traits_that_are_no_service() {
        let method = quote!(
            async fn price(&self) -> Result<u64, Status>;
        );
        check(quote!(unsafe trait Inventory { #method }), "write `trait` alone");
        check(quote!(trait Inventory where Self: Sized { #method }), "no `where`");
        check(quote!(trait Inventory: 'a { #method }), "`impl Inventory + 'a`");
        check(quote!(trait Größe { #method }), "name it by `#[service(name = \"..\")]`");
        check(quote!(trait Inventory { #method const SIZE: usize; }), "methods only");
        check(quote!(trait Inventory { #method helper!(); }), "methods only");
    }

    #[test]
    fn methods_that_cannot_be_called() {
        for (method, expected) in [
            (
                quote!(
                    async unsafe fn f(&self) -> Result<u8, Status>;
                ),
                "write `async fn` alone",
            ),
            (
                quote!(
                    async extern "C" fn f(&self) -> Result<u8, Status>;
                ),
                "write `async fn` alone",
            ),
            (
                quote!(
                    const fn f(&self) -> Result<u8, Status>;
                ),
                "write `async fn`",
            ),
            (
                quote!(
                    async fn f(&self) -> Result<u8, Status>
                    where
                        Self: Sized;
                ),
                "no `where`",
            ),
            (
                quote!(
                    async fn f(self) -> Result<u8, Status>;
                ),
                "take `&self`",
            ),
            (
                quote!(
                    async fn f(self: Arc<Self>) -> Result<u8, Status>;
                ),
                "take `&self`",
            ),
            (
                quote!(
                    async fn f(&'static self) -> Result<u8, Status>;
                ),
                "take `&self`",
            ),
            (
                quote!(
                    async fn größe(&self) -> Result<u8, Status>;
                ),
                "ASCII letters",
            ),
            (
                quote!(
                    async fn f(&self, ref a: u8) -> Result<u8, Status>;
                ),
                "write `a` alone",
            ),
            (
                quote!(
                    async fn f(&self, (a, b): (u8, u8)) -> Result<u8, Status>;
                ),
                "a name",
            ),
            (
                quote!(
                    async fn f(&self, a: u8, a: u8) -> Result<u8, Status>;
                ),
                "there is a `a`",
            ),
            (
                quote!(
                    async fn f(&self, #[cfg(unix)] a: u8) -> Result<u8, Status>;
                ),
                "`#[serde(..)]`",
            ),
            (
                quote!(
                    #[rpc("1s")]
                    async fn f(&self) -> Result<u8, Status>;
                ),
                "expected a key",
            ),
            (
                quote!(
                    #[rpc(oneway)]
                    async fn f(&self) -> Alias;
                ),
                "never answered",
            ),
        ] {
            check(quote!(trait Inventory { #method }), expected);
        }
    }

    #[test]
    fn a_path_fits_the_wire() {
        let name = "s".repeat(names::MAX_SERVICE_BYTES);
        let longest = names::MAX_PATH_BYTES - names::MAX_SERVICE_BYTES - 1;
        for (length, is_refused) in [(longest, false), (longest + 1, true)] {
            let method = format_ident!("{}", "m".repeat(length));
            let item = quote!(trait S { async fn #method(&self) -> Result<u8, Status>; });
            let found = refusals(quote!(name = #name), item);
            assert_eq!(found.iter().any(|message| message.contains("shorter name")), is_refused);
            assert_eq!(found.len(), usize::from(is_refused), "{found:?}");
        }
    }

    #[test]
    fn lists_of_formats() {
        let item = || {
            quote!(
                trait S {
                    async fn f(&self, a: u8) -> Result<u8, Status>;
                }
            )
        };
        for args in [quote!(), quote!(formats(A, B, C, D, E, F)), quote!(formats(my::Raw,))] {
            assert_eq!(refusals(args, item()), [""; 0]);
        }
        let found = refusals(quote!(formats(A, B, C, D, E, F, G)), item());
        assert_eq!(found, ["a service speaks at most 6 formats"]);
        let found = refusals(quote!(formats("json")), item());
        assert_eq!(found.len(), 1, "{found:?}");
        let found = refusals(
            quote!(formats(Json, Protobuf)),
            quote!(
                trait S {
                    async fn none(&self) -> Result<u8, Status>;
                }
            ),
        );
        assert!(found.len() == 1 && found[0].contains("take one argument"), "{found:?}");
    }
}
