//! The client: a stub, for which the trait is implemented by calling a server.
//!
//! ```text
//! pub struct InventoryClient { stub: Stub, standby: Standby<dyn inventory::Dyn> }
//! impl Client for InventoryClient { const METHODS: &'static [Method] = &__METHODS; .. }
//! impl Inventory for InventoryClient {
//!     fn price(&self, sku: String) -> impl Future<Output = Result<u64, Status>> + Send {
//!         unary_or::<__Formats, __PriceArgs, Result<u64, Status>, _, _, _>(
//!             &self.stub,
//!             0,
//!             __PriceArgs { sku },
//!             &self.standby,
//!             |standby, args| inventory::Dyn::price(standby, args.sku),
//!             NoFallback,
//!         )
//!     }
//! }
//! ```

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned;

use super::{forward, methods};
use crate::model::{Body, Fallback, Method, Service, Setting};
use crate::names::{self, generated};

/// `InventoryClient`.
pub(super) fn ident(service: &Service) -> Ident {
    generated(&format_ident!("{}Client", service.ident).to_string(), &service.ident)
}

/// The client and what it has of its own.
pub(super) fn whole(service: &Service) -> TokenStream {
    let module = names::module(&service.ident);
    let fallback = Ident::new("fallback", Span::mixed_site());
    let body = quote! {
        Self {
            stub: self.stub.clone(),
            standby: ::rpc_core::__private::Standby::new(::std::sync::Arc::new(#fallback)),
        }
    };
    items(service, &quote!(dyn #module::Dyn), &fallback, &body)
}

/// The client of a service with mistakes, which has no companion.
pub(super) fn broken(service: &Service) -> TokenStream {
    let fallback = Ident::new("_fallback", Span::mixed_site());
    items(service, &quote!(()), &fallback, &quote!(::core::unreachable!()))
}

fn items(
    service: &Service,
    standby: &TokenStream,
    fallback: &Ident,
    with_fallback: &TokenStream,
) -> TokenStream {
    let (vis, trait_, client) = (&service.vis, &service.ident, ident(service));
    let doc = format!("Calls [`{trait_}`] on a server.");
    quote! {
        #[doc = #doc]
        ///
        /// It is cheap to clone, and all clones share their connections. A future borrows the client
        /// it was made by, so a task that is spawned needs a clone of its own: `let client =
        /// client.clone();` and then `async move { client. .. .await }`.
        #[derive(::core::clone::Clone, ::core::fmt::Debug)]
        #vis struct #client {
            stub: ::rpc_core::__private::Stub,
            standby: ::rpc_core::__private::Standby<#standby>,
        }

        ::rpc_core::__client_methods! { #client }

        impl #client {
            /// The same client, which asks `fallback` where a call fails for another reason than the
            /// method's own, before any fallback that the service names. Its answers are marked as
            /// degraded. One-way calls have none.
            #[must_use]
            pub fn with_fallback(&self, #fallback: impl #trait_) -> Self {
                #with_fallback
            }
        }
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
                Self { stub, standby: ::rpc_core::__private::Standby::NOBODY }
            }
        }
    }
}

/// The trait, implemented by calls.
pub(super) fn calls(service: &Service) -> TokenStream {
    let (trait_, client) = (&service.ident, ident(service));
    let module = names::module(trait_);
    let calls = service.methods.iter().enumerate().map(|(index, method)| {
        let signature = forward::signature(method);
        let call = match method.rules.oneway {
            true => oneway(index, method),
            false => unary(&module, index, method),
        };
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

fn unary(module: &Ident, index: usize, method: &Method) -> TokenStream {
    let (ident, body, output) = (&method.ident, methods::body_type(method), &method.output);
    let (sent, fallback) = (sent(method), fallback(method));
    let args = methods::args_ident(method);
    let given = methods::given(method, &args);
    let standby = Ident::new("standby", Span::mixed_site());
    quote! {
        ::rpc_core::__private::unary_or::<__Formats, #body, #output, _, _, _>(
            &self.stub,
            #index,
            #sent,
            &self.standby,
            |#standby, #args| #module::Dyn::#ident(#standby, #given),
            #fallback,
        )
    }
}

fn oneway(index: usize, method: &Method) -> TokenStream {
    let (body, output, sent) = (methods::body_type(method), &method.output, sent(method));
    quote! {
        ::rpc_core::__private::oneway::<__Formats, #body, #output>(&self.stub, #index, #sent)
    }
}

/// The arguments as they travel.
fn sent(method: &Method) -> TokenStream {
    let names = method.args.iter().map(|arg| &arg.ident);
    match &method.body {
        Body::Struct(ident) => quote!(#ident { #(#names),* }),
        Body::Argument => quote!(#(#names)*),
    }
}

/// What the attribute has for a call that failed. A mistake in it is shown where it is written.
fn fallback(method: &Method) -> TokenStream {
    let (body, output) = (methods::body_type(method), &method.output);
    match method.rules.fallback.as_ref().and_then(Setting::on) {
        Some(Fallback::Function(path)) => {
            let here = Span::mixed_site().located_at(path.span());
            let at_path = |mut ident: Ident| {
                ident.set_span(ident.span().located_at(here));
                ident
            };
            let mut method = method.clone();
            for arg in &mut method.args {
                arg.ident = at_path(arg.ident.clone());
            }
            let (why, args) = (Ident::new("why", here), at_path(methods::args_ident(&method)));
            let given = methods::given(&method, &args);
            let call = quote_spanned!(here=> ::std::boxed::Box::pin(#path(#why, #given)));
            quote!(::rpc_core::__private::Function::new::<#body, #output>(|#why, #args| #call))
        }
        Some(Fallback::Default(word)) => {
            let here = Span::mixed_site().located_at(word.span());
            quote_spanned!(here=> ::rpc_core::__private::ByDefault::<#output>::known())
        }
        _ => quote!(::rpc_core::__private::NoFallback),
    }
}
