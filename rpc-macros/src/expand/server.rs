//! The server: an implementation, and the route to each of its methods.
//!
//! ```text
//! pub struct InventoryServer<S: ?Sized> { implementation: Arc<S> }
//! impl<S: Inventory + ?Sized> Serve for InventoryServer<S> {
//!     fn into_service(self) -> Service {
//!         Routes::new("shop.Inventory", self.implementation)
//!             .unary::<__Formats, __PriceArgs, Result<u64, Status>, _, _>(
//!                 &__METHODS[0],
//!                 |service, args| async move { Inventory::price(&*service, args.sku).await },
//!             )
//!             .into_service()
//!     }
//! }
//! ```

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote};

use super::methods;
use crate::model::{Method, Service};
use crate::names::generated;

/// `InventoryServer`.
pub(super) fn ident(service: &Service) -> Ident {
    generated(&format_ident!("{}Server", service.ident).to_string(), &service.ident)
}

/// The server and its constructors.
pub(super) fn items(service: &Service) -> TokenStream {
    let (vis, trait_, server) = (&service.vis, &service.ident, ident(service));
    let name = server.to_string();
    let doc = format!(
        "Serves an implementation of [`{trait_}`]: `Server::builder().add({server}::new(..))`."
    );
    quote! {
        #[doc = #doc]
        #vis struct #server<__S: ?::core::marker::Sized> {
            implementation: ::std::sync::Arc<__S>,
        }

        impl<__S: #trait_> #server<__S> {
            /// Serves `implementation`.
            pub fn new(implementation: __S) -> Self {
                Self { implementation: ::std::sync::Arc::new(implementation) }
            }
        }

        impl<__S: #trait_ + ?::core::marker::Sized> #server<__S> {
            /// Serves an implementation that others hold as well.
            pub fn from_arc(implementation: ::std::sync::Arc<__S>) -> Self {
                Self { implementation }
            }
        }

        impl<__S: ?::core::marker::Sized> ::core::clone::Clone for #server<__S> {
            fn clone(&self) -> Self {
                Self { implementation: ::std::sync::Arc::clone(&self.implementation) }
            }
        }

        impl<__S: ?::core::marker::Sized> ::core::fmt::Debug for #server<__S> {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                f.write_str(#name)
            }
        }
    }
}

/// The way from a request to the implementation's methods.
pub(super) fn routes(service: &Service) -> TokenStream {
    let (trait_, server, name) = (&service.ident, ident(service), &service.name);
    let routes =
        service.methods.iter().enumerate().map(|(index, method)| route(trait_, index, method));
    quote! {
        impl<__S: #trait_ + ?::core::marker::Sized> ::rpc_core::__private::Serve for #server<__S> {
            fn into_service(self) -> ::rpc_core::__private::Service {
                ::rpc_core::__private::Routes::new(#name, self.implementation)
                    #(#routes)*
                    .into_service()
            }
        }
    }
}

fn route(trait_: &Ident, index: usize, method: &Method) -> TokenStream {
    let (ident, body, output) = (&method.ident, methods::body_type(method), &method.output);
    let args = methods::args_ident(method);
    let given = methods::given(method, &args);
    let service = Ident::new("service", Span::mixed_site());
    let how = if method.rules.oneway { quote!(oneway) } else { quote!(unary) };
    quote! {
        .#how::<__Formats, #body, #output, _, _>(
            &__METHODS[#index],
            |#service: ::std::sync::Arc<__S>, #args: #body| async move {
                <__S as #trait_>::#ident(&*#service, #given).await
            },
        )
    }
}
