//! What is known of each method: a constant, and the struct that its arguments travel in.
//!
//! ```text
//! type __Formats = (MessagePack, Json);
//! static __METHODS: [Method; 1] = [Method::new("shop.Inventory", "price", "shop.Inventory/price").idempotent()];
//! #[derive(Serialize, Deserialize)] struct __PriceArgs { sku: String }
//! ```

use std::time::Duration;

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::Type;

use crate::model::{Body, Method, Service};

/// The formats, the constants and the structs of all methods.
pub(super) fn methods(service: &Service) -> TokenStream {
    let formats = &service.formats;
    let count = service.methods.len();
    let constants = service.methods.iter().map(|method| constant(service, method));
    let structs = service.methods.iter().filter_map(|method| args_struct(service, method));
    quote! {
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

fn constant(service: &Service, method: &Method) -> TokenStream {
    let (service, name) = (&service.name, &method.name);
    let path = format!("{service}/{name}");
    let rules = &method.rules;
    let idempotent = rules.idempotent.then(|| quote!(.idempotent()));
    let oneway = rules.oneway.then(|| quote!(.oneway()));
    let timeout = rules.timeout.map(duration).map(|timeout| quote!(.timeout(#timeout)));
    quote! {
        ::rpc_core::__private::Method::new(#service, #name, #path) #idempotent #oneway #timeout
    }
}

/// The constructor that shows a duration best.
fn duration(duration: Duration) -> TokenStream {
    let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
    let duration = quote!(::core::time::Duration);
    let count = |unit: u64| nanos.is_multiple_of(unit).then(|| nanos / unit);
    if let Some(secs) = count(1_000_000_000) {
        quote!(#duration::from_secs(#secs))
    } else if let Some(millis) = count(1_000_000) {
        quote!(#duration::from_millis(#millis))
    } else {
        quote!(#duration::from_nanos(#nanos))
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
