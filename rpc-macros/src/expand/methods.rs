//! What is known of each method: a constant, and the struct that its arguments travel in.
//!
//! ```text
//! type __Formats = (MessagePack, Json);
//! static __METHODS: [Method; 1] = [Method::new("shop.Inventory", "price", "shop.Inventory/price").idempotent()];
//! #[derive(Serialize, Deserialize)] struct __PriceArgs { sku: String }
//! ```

use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::Type;

use super::rules;
use crate::model::{Body, Method, Service};

/// The formats, the constants and the structs of all methods.
pub(super) fn methods(service: &Service) -> TokenStream {
    let formats = &service.formats;
    let count = service.methods.len();
    let constants = service.methods.iter().map(|method| constant(service, method));
    let structs = service.methods.iter().filter_map(|method| args_struct(service, method));
    let has_rules = |method: &&Method| rules::constant(&method.rules).is_some();
    let rules = service.methods.iter().find(has_rules).map(|_| {
        quote!(
            use ::rpc_core::__private::rules as __rules;
        )
    });
    quote! {
        #rules
        type __Formats = (#(#formats,)*);
        static __METHODS: [::rpc_core::__private::Method; #count] = [#(#constants),*];
        #(#structs)*
    }
}

/// The type that a method's arguments travel as.
pub(super) fn body_type(method: &Method) -> TokenStream {
    match &method.body {
        Body::Struct(ident) => quote!(#ident),
        Body::Argument => {
            let types = method.args.iter().map(|arg| &arg.ty);
            quote!(#(#types)*)
        }
    }
}

/// The fields of a method's arguments, which are in `args`.
pub(super) fn given(method: &Method, args: &Ident) -> TokenStream {
    let fields = method.args.iter().map(|arg| &arg.ident);
    match &method.body {
        Body::Struct(_) => quote!(#(#args.#fields),*),
        Body::Argument => quote!(#args),
    }
}

/// What a closure calls a method's arguments.
pub(super) fn args_ident(method: &Method) -> Ident {
    Ident::new(if method.args.is_empty() { "_args" } else { "args" }, Span::mixed_site())
}

fn constant(service: &Service, method: &Method) -> TokenStream {
    let (service, name) = (&service.name, &method.name);
    let path = format!("{service}/{name}");
    let rules = &method.rules;
    let idempotent = rules.idempotent.then(|| quote!(.idempotent()));
    let oneway = rules.oneway.then(|| quote!(.oneway()));
    let classify = rules.classify.as_ref().map(|path| quote!(.with_classify(#path)));
    let rules = rules::constant(rules).map(|rules| quote!(.with_rules(#rules)));
    quote! {
        ::rpc_core::__private::Method::new(#service, #name, #path) #idempotent #oneway #classify #rules
    }
}

fn args_struct(service: &Service, method: &Method) -> Option<TokenStream> {
    let Body::Struct(ident) = &method.body else { return None };
    let expecting = format!("the arguments of {}/{}", service.name, method.name);
    let fields = method.args.iter().map(|arg| {
        let (serde, ident, ty): (_, _, &Type) = (&arg.serde, &arg.ident, &arg.ty);
        quote!(#(#serde)* #ident: #ty)
    });
    Some(quote_spanned! {ident.span()=>
        #[derive(::rpc_core::__private::serde::Serialize, ::rpc_core::__private::serde::Deserialize)]
        #[serde(crate = "::rpc_core::__private::serde", expecting = #expecting)]
        struct #ident { #(#fields),* }
    })
}
