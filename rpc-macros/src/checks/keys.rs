//! What `#[service(..)]` may say.

use proc_macro2::Ident;
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::{LitStr, Path, Token, parse_quote_spanned};

use super::values::{known, refuse, text};
use crate::mistakes::Mistakes;
use crate::names;
use crate::parse::{Entry, Value};

/// The keys of `#[service(..)]`.
pub(crate) const SERVICE_KEYS: [&str; 2] = ["name", "formats"];

/// The formats of `rpc_core`, which need no `use`.
const OWN_FORMATS: [&str; 6] = ["MessagePack", "Json", "Cbor", "Postcard", "Protobuf", "Raw"];

/// Those whose values are no `serde` types: arguments can't be put into a struct for them.
const UNWRAPPED_FORMATS: [&str; 2] = ["Protobuf", "Raw"];

/// What a service speaks if it does not say: fields travel by name, so old and new get along.
const DEFAULT_FORMATS: [&str; 2] = ["MessagePack", "Json"];

/// `rpc_core` knows lists up to this long.
const MAX_FORMATS: usize = 6;

/// What `#[service(..)]` says.
pub(crate) struct Settings {
    pub(crate) name: String,
    pub(crate) formats: Vec<Path>,
    /// The format, if any, for which an argument is the body itself.
    pub(crate) unwrapped: Option<Ident>,
}

/// The settings of the service that `ident` declares.
pub(crate) fn settings(entries: &[Entry], ident: &Ident, mistakes: &mut Mistakes) -> Settings {
    let mut name = None;
    let mut formats = None;
    for (key, entry) in known(entries, &SERVICE_KEYS, mistakes) {
        match key {
            "name" => name = text(entry, "\"shop.Inventory\"", mistakes),
            _ => formats = Some(format_list(entry, mistakes)),
        }
    }
    let formats = formats.unwrap_or_else(|| {
        DEFAULT_FORMATS.iter().map(|name| own_format(&Ident::new(name, ident.span()))).collect()
    });
    Settings {
        name: service_name(name, ident, mistakes),
        unwrapped: formats.iter().filter_map(last_ident).find(is_unwrapped).cloned(),
        formats,
    }
}

fn service_name(name: Option<LitStr>, ident: &Ident, mistakes: &mut Mistakes) -> String {
    if let Some(name) = name {
        if let Err(refusal) = names::check_service_name(&name.value()) {
            mistakes.add(&name, refusal);
        }
        return name.value();
    }
    let name = ident.unraw().to_string();
    if let Err(refusal) = names::check_service_name(&name) {
        mistakes.add(ident, format!("{refusal}; name it by `#[service(name = \"..\")]`"));
    }
    name
}

fn format_list(entry: &Entry, mistakes: &mut Mistakes) -> Vec<Path> {
    let expected = "expected a list, as in `formats(MessagePack, Json)`";
    let Value::List(list) = &entry.value else {
        return refuse(entry, expected, mistakes).unwrap_or_default();
    };
    let paths = match Punctuated::<Path, Token![,]>::parse_terminated.parse2(list.clone()) {
        Ok(paths) => paths,
        Err(error) => {
            mistakes.push(error);
            return Vec::new();
        }
    };
    if paths.is_empty() {
        mistakes.add(
            &entry.key,
            "a service speaks at least one format, as in `formats(MessagePack, Json)`",
        );
    }
    if let Some(first_too_many) = paths.iter().nth(MAX_FORMATS) {
        mistakes.add(first_too_many, format!("a service speaks at most {MAX_FORMATS} formats"));
    }
    let mut formats: Vec<Path> = Vec::new();
    for path in paths {
        let format = path.get_ident().map_or_else(|| path.clone(), own_format);
        let same = |earlier: &Path| written(earlier) == written(&format);
        if formats.iter().any(same) {
            mistakes.add(path, "this format is there already: name it once");
        } else {
            formats.push(format);
        }
    }
    formats
}

/// Where a format of `rpc_core` is; any other name stays as it is.
fn own_format(ident: &Ident) -> Path {
    match OWN_FORMATS.iter().any(|own| ident == own) {
        true => parse_quote_spanned!(ident.span()=> ::rpc_core::format::#ident),
        false => Path::from(ident.clone()),
    }
}

fn written(path: &Path) -> String {
    path.to_token_stream().to_string()
}

fn last_ident(path: &Path) -> Option<&Ident> {
    path.segments.last().map(|last| &last.ident)
}

fn is_unwrapped(format: &&Ident) -> bool {
    UNWRAPPED_FORMATS.iter().any(|unwrapped| *format == unwrapped)
}
