//! What `#[rpc(..)]` may say of a method: each key read into the model, then what they say together.

mod attempts;
mod breaker;
mod fallback;
mod limits;
mod together;

use syn::Lit;

use super::values::{self, known, setting};
use crate::mistakes::Mistakes;
use crate::model::{Rules, Variant};
use crate::parse::Entry;

/// The keys of `#[rpc(..)]`.
pub(crate) const RPC_KEYS: [&str; 14] = [
    "idempotent",
    "oneway",
    "timeout",
    "per_try",
    "retry",
    "hedge",
    "limit",
    "concurrency",
    "breaker",
    "fallback",
    "optional",
    "priority",
    "dark",
    "classify",
];

const PRIORITIES: [(&str, Variant); 4] =
    [("critical", "Critical"), ("normal", "Normal"), ("sheddable", "Sheddable"), ("bulk", "Bulk")];

/// The keys that can be told to count only. The others do not refuse or change anything that could
/// be counted.
const DARK_KEYS: [(&str, Variant); 9] = [
    ("timeout", "Timeout"),
    ("per_try", "PerTry"),
    ("retry", "Retry"),
    ("hedge", "Hedge"),
    ("limit", "Limit"),
    ("concurrency", "Concurrency"),
    ("breaker", "Breaker"),
    ("fallback", "Fallback"),
    ("degrade", "Degrade"),
];

/// The rules of a method.
pub(super) fn rules(entries: &[Entry], mistakes: &mut Mistakes) -> Rules {
    let mut rules = Rules::default();
    let said = known(entries, &RPC_KEYS, mistakes);
    for (key, entry) in &said {
        read(&mut rules, key, entry, mistakes);
    }
    together::check(&rules, &said, mistakes);
    rules
}

fn read(rules: &mut Rules, key: &str, entry: &Entry, mistakes: &mut Mistakes) {
    match key {
        "idempotent" => rules.idempotent = values::flag(entry, mistakes),
        "oneway" => rules.oneway = values::flag(entry, mistakes),
        "timeout" => rules.timeout = setting(entry, mistakes, time),
        "per_try" => rules.per_try = setting(entry, mistakes, time),
        "retry" => rules.retry = setting(entry, mistakes, attempts::retry),
        "hedge" => rules.hedge = setting(entry, mistakes, attempts::hedge),
        "limit" => rules.limit = setting(entry, mistakes, limits::limit),
        "concurrency" => rules.concurrency = setting(entry, mistakes, limits::concurrency),
        "breaker" => rules.breaker = setting(entry, mistakes, breaker::breaker),
        "fallback" => rules.fallback = setting(entry, mistakes, fallback::fallback),
        "optional" => rules.optional = setting(entry, mistakes, level),
        "priority" => rules.priority = setting(entry, mistakes, priority),
        "dark" => rules.dark = setting(entry, mistakes, dark),
        _ => rules.classify = values::path(entry, "how_bad", mistakes).cloned(),
    }
}

fn time(entry: &Entry, mistakes: &mut Mistakes) -> Option<std::time::Duration> {
    values::some_time(entry, "\"200ms\"", mistakes)
}

fn level(entry: &Entry, mistakes: &mut Mistakes) -> Option<u8> {
    let level = values::number(entry, "2", u8::MAX.into(), mistakes)?;
    u8::try_from(level).ok()
}

fn priority(entry: &Entry, mistakes: &mut Mistakes) -> Option<Variant> {
    values::word(entry, &PRIORITIES, mistakes)
}

fn dark(entry: &Entry, mistakes: &mut Mistakes) -> Option<Vec<Variant>> {
    // The commonest slip: a single key without the brackets.
    let texts = match values::literal(entry) {
        Some(Lit::Str(text)) => {
            let said = text.value();
            let expected = format!("expected a list of keys, as in `dark = [{said:?}]`");
            return values::refuse(entry, &expected, mistakes);
        }
        _ => values::texts(entry, "[\"hedge\"]", mistakes)?,
    };
    let keys = texts.iter().filter_map(|text| values::variant(text, &DARK_KEYS, mistakes));
    Some(keys.collect())
}
