//! The items of a service with mistakes: they have the names and the types that other code expects,
//! as far as these can be told, and no way to run, for nothing is compiled from here.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{FnArg, ItemTrait, ReturnType, TraitItem, TraitItemFn, Type, parse_quote, parse2};

use super::{client, server, trait_};
use crate::checks;
use crate::model::Service;

/// The trait as it was written, a client and a server.
pub(super) fn items(service: &Service, declared: ItemTrait) -> TokenStream {
    let is_plain = declared.generics.params.is_empty()
        && declared.generics.where_clause.is_none()
        && declared.unsafety.is_none()
        && declared.supertraits.iter().all(checks::holds_for_clients)
        && declared.items.iter().all(|item| matches!(item, TraitItem::Fn(_)));
    let expanded = trait_::item(declared);
    if !is_plain {
        return expanded;
    }
    let implemented =
        parse2(expanded.clone()).map(|expanded| implementation(service, expanded)).ok();
    let (client, server) = (client::broken(service), server::items(service));
    quote!(#expanded #client #server #implemented)
}

/// The trait, for the client and for what is added to a server.
fn implementation(service: &Service, expanded: ItemTrait) -> TokenStream {
    let (trait_, client, server) = (&service.ident, client::ident(service), server::ident(service));
    let methods = expanded.items.into_iter().filter_map(|item| match item {
        TraitItem::Fn(function) => Some(never(function)),
        _ => None,
    });
    let identity = client::identity(service, &quote!(&[]));
    quote! {
        #identity

        impl #trait_ for #client {
            #(#methods)*
        }

        impl<__S: #trait_ + ?::core::marker::Sized> ::rpc_core::__private::Serve for #server<__S> {
            fn into_service(self) -> ::rpc_core::__private::Service {
                ::core::unreachable!()
            }
        }
    }
}

/// A body that fits any signature.
fn never(mut function: TraitItemFn) -> TokenStream {
    function.attrs.retain(|attr| attr.path().is_ident("cfg"));
    for arg in &mut function.sig.inputs {
        if let FnArg::Typed(typed) = arg {
            typed.attrs.clear();
            *typed.pat = parse_quote!(_);
        }
    }
    let is_future = matches!(&function.sig.output, ReturnType::Type(_, ty) if matches!(**ty, Type::ImplTrait(_)));
    let body = quote!(::core::unreachable!());
    function.semi_token = None;
    function.default = Some(match is_future {
        true => parse_quote!({ async move { #body } }),
        false => parse_quote!({ #body }),
    });
    function.into_token_stream()
}
