//! Writes what a service is made of: a table of contents, which names what is in `rpc_core`.
//!
//! Generated names that meet a user's in one scope begin with two underscores, paths are absolute,
//! and local variables are hygienic, so that a user's names mean what they mean elsewhere.

mod broken;
mod client;
mod dynamic;
mod forward;
mod methods;
mod rules;
mod server;
mod trait_;

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::{Item, ItemTrait, parse2};

use crate::mistakes::Mistakes;
use crate::model::Service;
use crate::{checks, parse};

/// The expansion of `#[service(args)]` on `item`; if something is wrong with it, what is wrong, and
/// the items all the same, so that code which uses them has no errors of its own.
pub(crate) fn service(args: TokenStream, item: TokenStream) -> TokenStream {
    let mut mistakes = Mistakes::default();
    let declared = match parse2(item.clone()) {
        Ok(Item::Trait(declared)) => declared,
        Ok(_) => {
            mistakes.push(syn::Error::new(
                Span::call_site(),
                "put `#[service]` on a trait: its methods are what the service can do",
            ));
            let errors = mistakes.to_compile_errors();
            return quote!(#errors #item);
        }
        Err(error) => {
            let error = error.to_compile_error();
            return quote!(#error #item);
        }
    };
    let entries = parse::entries(args, &checks::SERVICE_KEYS, &mut mistakes);
    let service = checks::service(&entries, &declared, &mut mistakes);
    match mistakes.to_compile_errors() {
        None => whole(&service, declared),
        Some(errors) => {
            let items = broken::items(&service, declared);
            quote!(#errors #items)
        }
    }
}

/// Everything, for a service that has been found in order.
fn whole(service: &Service, declared: ItemTrait) -> TokenStream {
    let trait_ = trait_::item(declared);
    let client = client::whole(service);
    let server = server::items(service);
    let companion = dynamic::items(service);
    let arc = forward::for_arc(service);
    let methods = methods::methods(service);
    let calls = client::calls(service);
    let routes = server::routes(service);
    quote! {
        #trait_
        #client
        #server
        #companion
        #arc

        #[allow(deprecated, non_snake_case)]
        const _: () = {
            #methods
            #calls
            #routes
        };
    }
}
