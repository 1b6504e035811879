//! Reads what attributes say: the entries of `#[service(..)]` and `#[rpc(..)]`.
//!
//! Only their shape is looked at here. An entry may have any key, so that an unknown one is told by
//! name, together with the others, and does not end the reading.

use proc_macro2::{Ident, TokenStream};
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::{Attribute, Expr, Meta, Token, parenthesized};

use crate::mistakes::Mistakes;
use crate::suggest::listed;

/// One thing an attribute says: `idempotent`, `timeout = "200ms"` or `formats(MessagePack, Json)`.
pub(crate) struct Entry {
    pub(crate) key: Ident,
    pub(crate) value: Value,
}

/// What stands behind an entry's key.
pub(crate) enum Value {
    Nothing,
    Is(Expr),
    List(TokenStream),
}

/// The entries between an attribute's parentheses, where the keys in `known` are expected.
pub(crate) fn entries(tokens: TokenStream, known: &[&str], mistakes: &mut Mistakes) -> Vec<Entry> {
    let mut entries = Vec::new();
    let list = |input: ParseStream<'_>| {
        while !input.is_empty() {
            entries.push(entry(input, known)?);
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        Ok(())
    };
    if let Err(error) = list.parse2(tokens) {
        mistakes.push(error);
    }
    entries
}

fn entry(input: ParseStream<'_>, known: &[&str]) -> syn::Result<Entry> {
    if !input.peek(Ident::peek_any) {
        return Err(input.error(format!("expected a key: {}", listed(known))));
    }
    let key = Ident::parse_any(input)?;
    let value = if input.parse::<Option<Token![=]>>()?.is_some() {
        Value::Is(input.parse()?)
    } else if input.peek(syn::token::Paren) {
        let list;
        parenthesized!(list in input);
        Value::List(list.parse()?)
    } else {
        Value::Nothing
    };
    Ok(Entry { key, value })
}

/// The entries of all the `#[rpc(..)]` among a method's attributes.
pub(crate) fn rpc_entries(
    attrs: &[Attribute],
    known: &[&str],
    mistakes: &mut Mistakes,
) -> Vec<Entry> {
    let mut all = Vec::new();
    for attr in attrs.iter().filter(|attr| attr.path().is_ident("rpc")) {
        match &attr.meta {
            Meta::List(list) => all.extend(entries(list.tokens.clone(), known, mistakes)),
            meta => {
                mistakes.add(meta, format!("expected `#[rpc(..)]` with {} in it", listed(known)))
            }
        }
    }
    all
}
