//! Rules as files: what is read, what is refused, and in which words.

mod broken;
mod valid;
mod watched;

use std::fs;
use std::path::{Path, PathBuf};

use rpc_core::governance::rules::{MethodFacts, Mistakes, RuleSet, Strength, Syntax};

/// The folder of that name beside this file.
fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/rules").join(name)
}

/// The files of a folder that have one of these extensions, in the order of their names.
fn files(folder: &Path, extensions: &[&str]) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("the folder is there");
    let paths = entries.map(|entry| entry.expect("a readable entry").path());
    let mut files: Vec<PathBuf> = paths
        .filter(|path| path.extension().is_some_and(|it| extensions.iter().any(|one| it == *one)))
        .collect();
    files.sort();
    files
}

/// Reads a file by its real name, without its folder: that is what messages show.
fn parse(path: &Path) -> Result<RuleSet, Mistakes> {
    let text = fs::read_to_string(path).expect("a readable file");
    let syntax = match path.extension() {
        Some(extension) if extension == "json" => Syntax::Json,
        _ => Syntax::Toml,
    };
    let name = path.file_name().expect("a name").to_string_lossy().into_owned();
    RuleSet::parse(Strength::File, name, syntax, &text, Some(&facts))
}

/// What the program knows of its methods: that `reserve` can't be hedged, and returns no default.
fn facts(path: &str) -> Option<MethodFacts> {
    let facts =
        |idempotent, oneway| MethodFacts { idempotent, oneway, returns_default: idempotent };
    match path {
        "shop.Inventory/price" => Some(facts(true, false)),
        "shop.Inventory/reserve" => Some(facts(false, false)),
        "shop.Inventory/viewed" => Some(facts(false, true)),
        _ => None,
    }
}
