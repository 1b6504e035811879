//! Implementations of the trait that pass each call on to another one.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;

use crate::model::{Method, Service};

/// A method's head in an implementation of the trait.
pub(super) fn signature(method: &Method) -> TokenStream {
    let (ident, output, params) = (&method.ident, &method.output, params(method));
    // What is wrong with the output is shown there.
    let here = Span::mixed_site().located_at(output.span());
    let future = quote_spanned! {here=>
        impl ::core::future::Future<Output = #output> + ::core::marker::Send
    };
    quote!(fn #ident(&self, #params) -> #future)
}

/// A method's parameters behind its receiver.
pub(super) fn params(method: &Method) -> TokenStream {
    let params = method.args.iter().map(|arg| {
        let (ident, ty) = (&arg.ident, &arg.ty);
        quote!(#ident: #ty)
    });
    quote!(#(#params),*)
}

/// A method's arguments, to be passed on.
pub(super) fn args(method: &Method) -> TokenStream {
    let idents = method.args.iter().map(|arg| &arg.ident);
    quote!(#(#idents),*)
}

/// `impl Inventory for Arc<impl Inventory>`.
pub(super) fn for_arc(service: &Service) -> TokenStream {
    let trait_ = &service.ident;
    let methods = service.methods.iter().map(|method| {
        let (ident, signature, args) = (&method.ident, signature(method), args(method));
        quote!(#signature { <__S as #trait_>::#ident(&**self, #args) })
    });
    quote! {
        #[allow(deprecated)]
        impl<__S: #trait_ + ?::core::marker::Sized> #trait_ for ::std::sync::Arc<__S> {
            #(#methods)*
        }
    }
}
