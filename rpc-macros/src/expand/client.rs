//! The client: a stub, for which the trait is implemented by calling a server.
//!
//! ```text
//! pub struct InventoryClient { stub: Stub }
//! impl Client for InventoryClient { const METHODS: &'static [Method] = &__METHODS; .. }
//! impl Inventory for InventoryClient {
//!     fn price(&self, sku: String) -> impl Future<Output = Result<u64, Status>> + Send {
//!         unary::<__Formats, __PriceArgs, Result<u64, Status>>(&self.stub, 0, __PriceArgs { sku })
//!     }
//! }
//! ```

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote};

use super::{forward, methods};
use crate::model::{Body, Method, Service};
use crate::names::generated;

/// `InventoryClient`.
pub(super) fn ident(service: &Service) -> Ident {
    generated(&format_ident!("{}Client", service.ident).to_string(), &service.ident)
}

/// The client and what it has of its own.
pub(super) fn items(service: &Service) -> TokenStream {
    let (vis, client) = (&service.vis, ident(service));
    let doc = format!("Calls [`{}`] on a server.", service.ident);
    quote! {
        #[doc = #doc]
        ///
        /// It is cheap to clone, and all clones share their connections. A future borrows the client
        /// it was made by, so a task that is spawned needs a clone of its own: `let client =
        /// client.clone();` and then `async move { client. .. .await }`.
        #[derive(::core::clone::Clone, ::core::fmt::Debug)]
        #vis struct #client {
            stub: ::rpc_core::__private::Stub,
        }

        ::rpc_core::__client_methods! { #client }
    }
}

/// What the client calls: a service of these methods.
pub(super) fn identity(service: &Service, methods: &TokenStream) -> TokenStream {
    let (client, name) = (ident(service), &service.name);
    quote! {
        impl ::rpc_core::__private::Client for #client {
            const SERVICE: &'static str = #name;
            const METHODS: &'static [::rpc_core::__private::Method] = #methods;

            fn from_stub(stub: ::rpc_core::__private::Stub) -> Self {
                Self { stub }
            }
        }
    }
}

/// The trait, implemented by calls.
pub(super) fn calls(service: &Service) -> TokenStream {
    let (trait_, client) = (&service.ident, ident(service));
    let calls = service.methods.iter().enumerate().map(|(index, method)| {
        let signature = forward::signature(method);
        let call = call(index, method);
        quote!(#signature { #call })
    });
    let identity = identity(service, &quote!(&__METHODS));
    quote! {
        #identity

        impl #trait_ for #client {
            #(#calls)*
        }
    }
}

fn call(index: usize, method: &Method) -> TokenStream {
    let how = if method.rules.oneway { quote!(oneway) } else { quote!(unary) };
    let (body, output) = (methods::body_type(method), &method.output);
    let names = method.args.iter().map(|arg| &arg.ident);
    let args = match &method.body {
        Body::Struct(ident) => quote!(#ident { #(#names),* }),
        Body::Argument => quote!(#(#names)*),
    };
    quote! {
        ::rpc_core::__private::#how::<__Formats, #body, #output>(&self.stub, #index, #args)
    }
}
