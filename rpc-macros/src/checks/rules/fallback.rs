//! `fallback`: what is answered instead.

use syn::{Expr, Lit};

use crate::checks::values::{self, known, nested, refuse};
use crate::mistakes::Mistakes;
use crate::model::Fallback;
use crate::parse::{Entry, Value};
use crate::suggest::nearest;

const KEYS: [&str; 3] = ["last_good", "max", "vary"];

pub(super) fn fallback(entry: &Entry, mistakes: &mut Mistakes) -> Option<Fallback> {
    let expected = "expected the path of a function, \"default\", \"off\" or settings, as in \
                    `fallback = last_known_price` or `fallback(last_good = \"30s\")`";
    match &entry.value {
        Value::Is(Expr::Path(path)) => Some(Fallback::Function(path.clone())),
        Value::List(_) => last_good(entry, mistakes),
        _ => match values::literal(entry) {
            Some(Lit::Str(text)) if text.value() == "default" => {
                Some(Fallback::Default(text.clone()))
            }
            Some(Lit::Str(text)) if nearest(&text.value(), &["default"]).is_some() => {
                let text = text.value();
                let meant =
                    format!("{text:?} is no fallback, did you mean \"default\"? {expected}");
                refuse(entry, &meant, mistakes)
            }
            Some(Lit::Str(text)) if syn::parse_str::<syn::Path>(&text.value()).is_ok() => {
                let path = text.value();
                let expected = format!("a function is named without quotes: `fallback = {path}`");
                refuse(entry, &expected, mistakes)
            }
            _ => refuse(entry, expected, mistakes),
        },
    }
}

fn last_good(entry: &Entry, mistakes: &mut Mistakes) -> Option<Fallback> {
    let entries = nested(entry, &KEYS, "`fallback(last_good = \"30s\")`", mistakes)?;
    let (mut ttl, mut max, mut vary) = (None, None, Vec::new());
    let said = known(&entries, &KEYS, mistakes);
    for (key, entry) in &said {
        match *key {
            "last_good" => ttl = values::some_time(entry, "\"30s\"", mistakes),
            "max" => max = values::number(entry, "1000", u32::MAX, mistakes),
            _ => {
                let names = values::texts(entry, "[\"tenant\"]", mistakes).unwrap_or_default();
                let names = names.iter().filter_map(|name| values::metadata_name(name, mistakes));
                vary = names.collect();
            }
        }
    }
    if said.iter().all(|(key, _)| *key != "last_good") {
        mistakes.add(
            &entry.key,
            "say how old a good answer may be, as in `fallback(last_good = \"30s\")`",
        );
    }
    ttl.map(|ttl| Fallback::LastGood { ttl, max, vary })
}
