//! The trait's object-safe companion, whose methods return boxed futures.
//!
//! ```text
//! pub mod inventory {
//!     use super::*;
//!     pub trait Dyn: Send + Sync + 'static {
//!         fn price<'a>(&'a self, sku: String) -> BoxFuture<'a, Result<u64, Status>>;
//!     }
//!     impl<S: super::Inventory> Dyn for S { .. }
//! }
//! impl Inventory for dyn inventory::Dyn { .. }
//! ```
//!
//! The module sees its parent's names by `use super::*`; what a user's types say of the parent
//! (`self::`, `super::`) is said from one step below.

use proc_macro2::TokenStream;
use quote::quote;
use syn::visit_mut::{self, VisitMut};
use syn::{Ident, Path, PathSegment, Token, TypePath, VisRestricted, Visibility, parse_quote};

use super::forward;
use crate::model::{Method, Service};
use crate::names;

/// The companion's module, and the trait implemented for the companion.
pub(super) fn items(service: &Service) -> TokenStream {
    let (vis, trait_) = (&service.vis, &service.ident);
    let inner_vis = one_step_below(vis);
    let module = names::module(trait_);
    let doc = format!("The object-safe companion of [`{trait_}`].");
    let dyn_doc = format!(
        "[`{trait_}`](super::{trait_}) as an object: `Arc<dyn {module}::Dyn>` implements it."
    );
    let below: Vec<Method> = service.methods.iter().map(method_below).collect();
    let declared = below.iter().map(|method| {
        let signature = boxed(method);
        let doc = format!("See [`{0}::{1}`](super::{0}::{1}).", trait_, method.ident);
        quote!(#[doc = #doc] #signature;)
    });
    let implemented = below.iter().map(|method| {
        let (ident, signature, args) = (&method.ident, boxed(method), forward::args(method));
        quote! {
            #signature {
                ::std::boxed::Box::pin(<__S as super::#trait_>::#ident(self, #args))
            }
        }
    });
    let passed_on = service.methods.iter().map(|method| {
        let (ident, signature) = (&method.ident, forward::signature(method));
        let args = forward::args(method);
        quote!(#signature { #module::Dyn::#ident(self, #args) })
    });
    quote! {
        #[doc = #doc]
        #vis mod #module {
            #[allow(unused_imports)]
            use super::*;

            #[doc = #dyn_doc]
            #[allow(clippy::all, deprecated, non_snake_case, private_interfaces)]
            #inner_vis trait Dyn: ::core::marker::Send + ::core::marker::Sync + 'static {
                #(#declared)*
            }

            #[allow(deprecated)]
            impl<__S: super::#trait_> Dyn for __S {
                #(#implemented)*
            }
        }

        #[allow(deprecated)]
        impl #trait_ for dyn #module::Dyn {
            #(#passed_on)*
        }
    }
}

fn boxed(method: &Method) -> TokenStream {
    let (ident, output, params) = (&method.ident, &method.output, forward::params(method));
    quote!(fn #ident<'a>(&'a self, #params) -> ::rpc_core::__private::BoxFuture<'a, #output>)
}

/// The method with its types as the companion's module has to write them.
fn method_below(method: &Method) -> Method {
    let mut method = method.clone();
    for arg in &mut method.args {
        Below.visit_type_mut(&mut arg.ty);
    }
    Below.visit_type_mut(&mut method.output);
    method
}

/// The same visibility, said in a module within the one where `vis` was written.
fn one_step_below(vis: &Visibility) -> Visibility {
    match vis {
        Visibility::Inherited => parse_quote!(pub(super)),
        Visibility::Restricted(VisRestricted { path, .. }) => {
            let mut path = path.clone();
            step(&mut path);
            parse_quote!(pub(in #path))
        }
        public => public.clone(),
    }
}

struct Below;

impl VisitMut for Below {
    fn visit_type_path_mut(&mut self, ty: &mut TypePath) {
        match &mut ty.qself {
            // `<T>::Name` begins with a type, not with a module.
            Some(qself) if qself.position == 0 => {}
            Some(qself) => qself.position += step(&mut ty.path),
            None => _ = step(&mut ty.path),
        }
        visit_mut::visit_type_path_mut(self, ty);
    }

    fn visit_expr_path_mut(&mut self, expr: &mut syn::ExprPath) {
        if expr.qself.is_none() {
            step(&mut expr.path);
        }
        visit_mut::visit_expr_path_mut(self, expr);
    }
}

/// Says `path` from one module below; returns by how many segments it grew.
fn step(path: &mut Path) -> usize {
    if path.leading_colon.is_some() {
        return 0;
    }
    let Some(first) = path.segments.first_mut() else { return 0 };
    let up = Ident::from(Token![super](first.ident.span()));
    if first.ident == "self" {
        first.ident = up;
        return 0;
    }
    // A user's own `Dyn` would be taken for the companion.
    if first.ident != "super" && first.ident != "Dyn" {
        return 0;
    }
    path.segments.insert(0, PathSegment::from(up));
    1
}

#[cfg(test)]
mod tests {
    use quote::ToTokens;
    use syn::Type;

    use super::*;

    #[test]
    fn types_said_from_below() {
        for (ty, below) in [
            (quote!(Order), quote!(Order)),
            (quote!(self::Order), quote!(super::Order)),
            (quote!(super::Order), quote!(super::super::Order)),
            (quote!(crate::Order), quote!(crate::Order)),
            (quote!(::shop::Order), quote!(::shop::Order)),
            (quote!(Dyn), quote!(super::Dyn)),
            (quote!(shop::Dyn), quote!(shop::Dyn)),
            (
                quote!(Result<Vec<self::Order>, super::Status>),
                quote!(Result<Vec<super::Order>, super::super::Status>),
            ),
            (
                quote!(<self::Shop as super::Catalogue>::Order),
                quote!(<super::Shop as super::super::Catalogue>::Order),
            ),
            (quote!(<self::Shop>::Order), quote!(<super::Shop>::Order)),
            (quote!([u8; self::SIZE]), quote!([u8; super::SIZE])),
        ] {
            let mut ty: Type = syn::parse2(ty).expect("a type");
            Below.visit_type_mut(&mut ty);
            assert_eq!(ty.into_token_stream().to_string(), below.to_string());
        }
    }

    #[test]
    fn visibility_said_from_below() {
        for (vis, below) in [
            (quote!(), quote!(pub(super))),
            (quote!(pub), quote!(pub)),
            (quote!(pub(crate)), quote!(pub(in crate))),
            (quote!(pub(self)), quote!(pub(in super))),
            (quote!(pub(super)), quote!(pub(in super::super))),
            (quote!(pub(in crate::shop)), quote!(pub(in crate::shop))),
        ] {
            let vis: Visibility = syn::parse2(vis).expect("a visibility");
            assert_eq!(one_step_below(&vis).into_token_stream().to_string(), below.to_string());
        }
    }
}
