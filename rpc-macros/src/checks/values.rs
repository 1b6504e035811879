//! What stands behind a key: read into a value, or refused at the user's token with what was
//! expected there.

use std::time::Duration;

use quote::ToTokens;
use syn::ext::IdentExt;
use syn::{Expr, ExprLit, ExprPath, Lit, LitInt, LitStr};

use crate::mistakes::Mistakes;
use crate::model::{Key, Setting, Variant};
use crate::parse::{self, Entry, Value};
use crate::suggest::{listed, nearest, unknown_key};
use crate::{duration, measure, names};

/// The entries whose key is one of `keys`, each key once.
pub(super) fn known<'a>(
    entries: &'a [Entry],
    keys: &'static [&'static str],
    mistakes: &mut Mistakes,
) -> Vec<(&'static str, &'a Entry)> {
    let mut found: Vec<(&'static str, &Entry)> = Vec::new();
    for entry in entries {
        let word = entry.key.unraw().to_string();
        match keys.iter().find(|key| **key == word) {
            None => mistakes.add(&entry.key, unknown_key(&word, keys)),
            Some(key) if found.iter().any(|(earlier, _)| earlier == key) => {
                mistakes.add(&entry.key, format!("`{key}` is there already: say it once"));
            }
            Some(key) => found.push((key, entry)),
        }
    }
    found
}

/// The entry of this key, if there is one.
pub(super) fn find<'a>(said: &[(&str, &'a Entry)], wanted: &str) -> Option<&'a Entry> {
    said.iter().find(|(key, _)| *key == wanted).map(|(_, entry)| *entry)
}

/// The entries in the parentheses of an entry, which looks like `example` (in backticks) if it is in order.
pub(super) fn nested(
    entry: &Entry,
    keys: &'static [&'static str],
    example: &str,
    mistakes: &mut Mistakes,
) -> Option<Vec<Entry>> {
    match &entry.value {
        Value::List(list) => Some(parse::entries(list.clone(), keys, mistakes)),
        _ => refuse(entry, &format!("expected settings, as in {example}, or \"off\""), mistakes),
    }
}

/// `"off"`, or what `read` makes of the entry.
pub(super) fn setting<T>(
    entry: &Entry,
    mistakes: &mut Mistakes,
    read: impl FnOnce(&Entry, &mut Mistakes) -> Option<T>,
) -> Option<Setting<T>> {
    match literal(entry) {
        Some(Lit::Str(text)) if text.value() == "off" => Some(Setting::Off),
        _ => read(entry, mistakes).map(Setting::On),
    }
}

/// A key that is on where it stands.
pub(super) fn flag(entry: &Entry, mistakes: &mut Mistakes) -> bool {
    if !matches!(entry.value, Value::Nothing) {
        let key = &entry.key;
        mistakes.add(
            at(entry),
            format!("write `{key}` alone: it is on where it stands, and off without"),
        );
    }
    true
}

/// A text, such as `example`.
pub(super) fn text(entry: &Entry, example: &str, mistakes: &mut Mistakes) -> Option<LitStr> {
    match literal(entry) {
        Some(Lit::Str(text)) => Some(text.clone()),
        _ => {
            let expected =
                format!("expected a string in quotes, as in `{} = {example}`", entry.key);
            refuse(entry, &expected, mistakes)
        }
    }
}

/// A time above zero.
pub(super) fn some_time(entry: &Entry, example: &str, mistakes: &mut Mistakes) -> Option<Duration> {
    parsed(entry, example, duration::parse_some, mistakes)
}

/// A time, which may be none at all.
pub(super) fn time(entry: &Entry, example: &str, mistakes: &mut Mistakes) -> Option<Duration> {
    parsed(entry, example, duration::parse, mistakes)
}

/// A share above zero, in millionths.
pub(super) fn share(entry: &Entry, mistakes: &mut Mistakes) -> Option<u32> {
    parsed(entry, "\"50%\"", measure::share, mistakes)
}

/// A text of which `parse` makes a value.
pub(super) fn parsed<T>(
    entry: &Entry,
    example: &str,
    parse: impl FnOnce(&str) -> Result<T, String>,
    mistakes: &mut Mistakes,
) -> Option<T> {
    let text = text(entry, example, mistakes)?;
    parse(&text.value()).map_err(|refusal| mistakes.add(text, refusal)).ok()
}

/// A whole number from 1 to `max`.
pub(super) fn number(
    entry: &Entry,
    example: &str,
    max: u32,
    mistakes: &mut Mistakes,
) -> Option<u32> {
    match literal(entry) {
        Some(Lit::Int(number)) => whole(number, 1, max, mistakes),
        _ => refuse_number(entry, 1, max, example, mistakes),
    }
}

/// The same, or zero.
pub(super) fn number_or_zero(entry: &Entry, example: &str, mistakes: &mut Mistakes) -> Option<u32> {
    match literal(entry) {
        Some(Lit::Int(number)) => whole(number, 0, u32::MAX, mistakes),
        _ => refuse_number(entry, 0, u32::MAX, example, mistakes),
    }
}

/// A literal, as a whole number from `min` to `max`.
pub(super) fn whole(number: &LitInt, min: u32, max: u32, mistakes: &mut Mistakes) -> Option<u32> {
    let value = number.base10_parse::<u32>().ok().filter(|value| (min..=max).contains(value));
    if value.is_none() {
        mistakes.add(number, format!("{number} is out of range: expected {min} to {max}"));
    }
    value
}

fn refuse_number<T>(
    entry: &Entry,
    min: u32,
    max: u32,
    example: &str,
    mistakes: &mut Mistakes,
) -> Option<T> {
    let key = &entry.key;
    let expected =
        format!("expected a whole number from {min} to {max}, as in `{key} = {example}`");
    refuse(entry, &expected, mistakes)
}

/// One of some words, as the variant that it stands for.
pub(super) fn word(
    entry: &Entry,
    words: &[(&'static str, Variant)],
    mistakes: &mut Mistakes,
) -> Option<Variant> {
    let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
    let text = text(entry, &format!("{:?}", known[0]), mistakes)?;
    variant(&text, words, mistakes)
}

/// The variant that a text stands for.
pub(super) fn variant(
    text: &LitStr,
    words: &[(&'static str, Variant)],
    mistakes: &mut Mistakes,
) -> Option<Variant> {
    let said = text.value();
    if let Some((_, variant)) = words.iter().find(|(word, _)| *word == said) {
        return Some(variant);
    }
    let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
    let expected = listed(&known).replace('`', "\"");
    mistakes.add(
        text,
        match nearest(&said, &known) {
            Some(near) => {
                format!("{said:?} is not known, did you mean {near:?}? expected {expected}")
            }
            None => format!("{said:?} is not known: expected {expected}"),
        },
    );
    None
}

/// What tells one caller, tenant or shard from another.
pub(super) fn key(entry: &Entry, mistakes: &mut Mistakes) -> Option<Key> {
    let text = text(entry, "\"caller\"", mistakes)?;
    if text.value() == "caller" {
        return Some(Key::Caller);
    }
    metadata_name(&text, mistakes).map(Key::Metadata)
}

/// The name of an entry of a call's metadata.
pub(super) fn metadata_name(text: &LitStr, mistakes: &mut Mistakes) -> Option<String> {
    let name = text.value();
    match names::check_metadata_name(&name) {
        Ok(()) => Some(name),
        Err(refusal) => {
            mistakes.add(text, refusal);
            None
        }
    }
}

/// A list of texts, such as `example`.
pub(super) fn texts(entry: &Entry, example: &str, mistakes: &mut Mistakes) -> Option<Vec<LitStr>> {
    let expected = format!("expected a list of strings, as in `{} = {example}`", entry.key);
    let Value::Is(Expr::Array(list)) = &entry.value else {
        return refuse(entry, &expected, mistakes);
    };
    let mut texts: Vec<LitStr> = Vec::new();
    for element in &list.elems {
        match element {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => {
                if texts.iter().any(|earlier| earlier.value() == text.value()) {
                    let said = text.value();
                    mistakes.add(text, format!("{said:?} is there already: say it once"));
                } else {
                    texts.push(text.clone());
                }
            }
            other => mistakes.add(other, &expected),
        }
    }
    Some(texts)
}

/// The path of a function.
pub(super) fn path<'a>(
    entry: &'a Entry,
    example: &str,
    mistakes: &mut Mistakes,
) -> Option<&'a ExprPath> {
    match &entry.value {
        Value::Is(Expr::Path(path)) => Some(path),
        _ => {
            let expected =
                format!("expected the path of a function, as in `{} = {example}`", entry.key);
            refuse(entry, &expected, mistakes)
        }
    }
}

/// The literal that an entry is said to be.
pub(super) fn literal(entry: &Entry) -> Option<&Lit> {
    match &entry.value {
        Value::Is(Expr::Lit(ExprLit { lit, .. })) => Some(lit),
        _ => None,
    }
}

/// Refuses what stands behind an entry's key.
pub(super) fn refuse<T>(entry: &Entry, expected: &str, mistakes: &mut Mistakes) -> Option<T> {
    mistakes.add(at(entry), expected);
    None
}

/// Where an entry's mistakes are shown: at its value, or at its key if that stands alone.
pub(super) fn at(entry: &Entry) -> &dyn ToTokens {
    match &entry.value {
        Value::Is(value) => value,
        Value::Nothing | Value::List(_) => &entry.key,
    }
}

/// Two durations of which the second can't be shorter. Where only one is said, the default of the
/// other fits it: what is not said contradicts nothing.
pub(super) fn ordered(
    (first, default_first): (&mut Option<Duration>, Duration),
    (last, default_last): (&mut Option<Duration>, Duration),
) -> bool {
    match (*first, *last) {
        (Some(first), Some(last)) => first <= last,
        (Some(said), None) => {
            *last = (said > default_last).then_some(said);
            true
        }
        (None, Some(said)) => {
            *first = (said < default_first).then_some(said);
            true
        }
        (None, None) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_said_fits_what_is() {
        let secs = |secs: u64| Some(Duration::from_secs(secs));
        for (first, last, is_ordered, fitted) in [
            (None, None, true, (None, None)),
            (secs(5), None, true, (secs(5), None)),
            (secs(90), None, true, (secs(90), secs(90))),
            (None, secs(30), true, (None, secs(30))),
            (None, secs(3), true, (secs(3), secs(3))),
            (secs(3), secs(3), true, (secs(3), secs(3))),
            (secs(4), secs(3), false, (secs(4), secs(3))),
        ] {
            let (mut from, mut to) = (first, last);
            let defaults = (Duration::from_secs(5), Duration::from_secs(60));
            let found = ordered((&mut from, defaults.0), (&mut to, defaults.1));
            assert_eq!((found, (from, to)), (is_ordered, fitted), "{first:?} {last:?}");
        }
    }
}
