//! The golden expansions in `tests/golden/`: a service before (`input.rs`) and after
//! (`expanded.rs`). `BLESS=1 cargo test -p rpc-macros` writes what is expanded now.

use std::path::{Path, PathBuf};
use std::{env, fs};

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::{Item, Meta};

use crate::expand;

#[test]
fn inventory() {
    check("inventory");
}

#[test]
fn unwrapped() {
    check("unwrapped");
}

#[test]
fn governed() {
    check("governed");
}

#[test]
fn broken() {
    check("broken");
}

fn check(case: &str) {
    let input = read(&file(case, "input.rs"));
    let expanded = format!(
        "// From `input.rs`; `BLESS=1 cargo test -p rpc-macros` writes this file.\n\n{}",
        prettyplease::unparse(&expand_services(
            syn::parse_file(&input).expect("the input is Rust")
        ))
    );
    let golden = file(case, "expanded.rs");
    if env::var_os("BLESS").is_some() {
        fs::write(&golden, &expanded).expect("the golden file can be written");
    }
    assert_eq!(read(&golden), expanded, "{} is not what is expanded now", golden.display());
}

fn file(case: &str, name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(case).join(name)
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Does with each `#[service]` what the compiler does.
fn expand_services(mut file: syn::File) -> syn::File {
    let mut items = Vec::new();
    for mut item in file.items {
        match take_args(&mut item) {
            Some(args) => {
                let expanded = expand::service(args, item.into_token_stream());
                items.extend(syn::parse2::<syn::File>(expanded).expect("items").items);
            }
            None => items.push(item),
        }
    }
    file.items = items;
    file
}

/// Takes `#[service(..)]` off an item, and what is in its parentheses.
fn take_args(item: &mut Item) -> Option<TokenStream> {
    let Item::Trait(declared) = item else { return None };
    let at = declared.attrs.iter().position(|attr| attr.path().is_ident("service"))?;
    match declared.attrs.remove(at).meta {
        Meta::List(list) => Some(list.tokens),
        _ => Some(TokenStream::new()),
    }
}
