//! The trait itself: its methods return `Send` futures, so that a server can run them anywhere.
//!
//! ```text
//! pub trait Inventory {                                   pub trait Inventory: Send + Sync + 'static {
//!     #[rpc(idempotent)]
//!     async fn price(&self, #[serde(default)] sku: ..)        fn price(&self, sku: ..)
//!         -> Result<u64, Status>;                 becomes         -> impl Future<Output = Result<u64, Status>> + Send;
//! }                                                       }
//! ```

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::{
    FnArg, ItemTrait, ReturnType, TraitItem, TraitItemFn, TypeParamBound, parse_quote,
    parse_quote_spanned,
};

use crate::checks::is_lint_level;

/// The trait as it is after expansion. It need not be in order.
pub(super) fn item(mut declared: ItemTrait) -> TokenStream {
    let every: [TypeParamBound; 3] = [
        parse_quote!(::core::marker::Send),
        parse_quote!(::core::marker::Sync),
        parse_quote!('static),
    ];
    let written: Vec<TypeParamBound> = declared.supertraits.into_iter().collect();
    declared.colon_token.get_or_insert_default();
    declared.supertraits = every.into_iter().chain(written).collect();
    for item in &mut declared.items {
        if let TraitItem::Fn(function) = item {
            desugar(function);
        }
    }
    declared.into_token_stream()
}

fn desugar(function: &mut TraitItemFn) {
    function.attrs.retain(|attr| !attr.path().is_ident("rpc"));
    for arg in &mut function.sig.inputs {
        if let FnArg::Typed(typed) = arg {
            typed.attrs.retain(is_lint_level);
        }
    }
    let Some(asyncness) = function.sig.asyncness.take() else { return };
    let output = match &function.sig.output {
        ReturnType::Default => quote!(()),
        ReturnType::Type(_, output) => output.to_token_stream(),
    };
    // Of the macro's making, and shown where the user wrote `async`.
    let here = Span::mixed_site().located_at(asyncness.span);
    function.sig.output = parse_quote_spanned! {here=>
        -> impl ::core::future::Future<Output = #output> + ::core::marker::Send
    };
    if let Some(body) = &mut function.default {
        let block = quote_spanned!(asyncness.span=> async move #body);
        *body = parse_quote_spanned!(asyncness.span=> { #block });
    }
}
