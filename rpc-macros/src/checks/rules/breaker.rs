//! `breaker(..)`: when calls are refused because what they call fails.

use syn::Lit;

use crate::checks::defaults;
use crate::checks::values::{self, known, nested, refuse};
use crate::duration;
use crate::mistakes::Mistakes;
use crate::model::{Breaker, Variant, Window};
use crate::parse::Entry;

const KEYS: [&str; 11] = [
    "kind",
    "failure_rate",
    "slow_rate",
    "slow",
    "consecutive",
    "window",
    "min_calls",
    "open",
    "max_open",
    "probes",
    "key",
];
/// What a throttle has no use for.
const TRIP_ONLY: [&str; 6] = ["slow_rate", "slow", "consecutive", "open", "max_open", "probes"];

/// The outcomes of so many calls are kept by each breaker.
const MAX_WINDOW_CALLS: u32 = 65_536;

const MAX_PROBES: u32 = 1_000;

const KINDS: [(&str, Variant); 2] = [("trip", "Trip"), ("throttle", "Throttle")];

pub(super) fn breaker(entry: &Entry, mistakes: &mut Mistakes) -> Option<Breaker> {
    let entries =
        nested(entry, &KEYS, "`breaker()` or `breaker(failure_rate = \"50%\")`", mistakes)?;
    let mut breaker = Breaker::default();
    let said = known(&entries, &KEYS, mistakes);
    for (key, entry) in &said {
        let number = |mistakes: &mut Mistakes| values::number(entry, "5", u32::MAX, mistakes);
        match *key {
            "kind" => breaker.kind = values::word(entry, &KINDS, mistakes),
            "failure_rate" => breaker.failure_rate = values::share(entry, mistakes),
            "slow_rate" => breaker.slow_rate = values::share(entry, mistakes),
            "slow" => breaker.slow = values::some_time(entry, "\"1s\"", mistakes),
            "consecutive" => breaker.consecutive = number(mistakes),
            "window" => breaker.window = window(entry, mistakes),
            "min_calls" => breaker.min_calls = number(mistakes),
            "open" => breaker.open = values::some_time(entry, "\"5s\"", mistakes),
            "max_open" => breaker.max_open = values::some_time(entry, "\"60s\"", mistakes),
            "probes" => breaker.probes = values::number(entry, "1", MAX_PROBES, mistakes),
            _ => breaker.key = values::key(entry, mistakes),
        }
    }
    let find = |wanted: &str| values::find(&said, wanted);
    let is_ordered = values::ordered(
        (&mut breaker.open, defaults::OPEN),
        (&mut breaker.max_open, defaults::MAX_OPEN),
    );
    if let (Some(open), Some(entry)) = (breaker.open.filter(|_| !is_ordered), find("max_open")) {
        mistakes.add(
            values::at(entry),
            format!("the longest time open can't be shorter than the first, `open`: expected at least {open:?}"),
        );
    }
    check_window(&mut breaker, find("min_calls"), mistakes);
    match breaker.kind {
        Some("Throttle") => {
            for entry in TRIP_ONLY.into_iter().filter_map(find) {
                mistakes.add(
                    &entry.key,
                    format!(
                        "leave `{}` out: a breaker of kind \"throttle\" refuses a share of calls, by \
                         `failure_rate` alone",
                        entry.key,
                    ),
                );
            }
        }
        _ => {
            if let (Some(slow), None) = (find("slow"), find("slow_rate")) {
                mistakes.add(
                    &slow.key,
                    "say `slow_rate` beside `slow`, as in `slow_rate = \"50%\"`: nothing counts slow calls without",
                );
            }
        }
    }
    Some(breaker)
}

fn window(entry: &Entry, mistakes: &mut Mistakes) -> Option<Window> {
    match values::literal(entry) {
        Some(Lit::Int(number)) => {
            values::whole(number, 1, MAX_WINDOW_CALLS, mistakes).map(Window::Calls)
        }
        Some(Lit::Str(_)) => {
            values::parsed(entry, "\"10s\"", duration::parse_some, mistakes).map(Window::Time)
        }
        _ => refuse(
            entry,
            "expected a time or a number of calls, as in `window = \"10s\"` or `window = 100`",
            mistakes,
        ),
    }
}

/// A rate over a window that never holds enough calls would never say anything.
fn check_window(breaker: &mut Breaker, min_calls: Option<&Entry>, mistakes: &mut Mistakes) {
    let Some(Window::Calls(calls)) = breaker.window else { return };
    match (breaker.min_calls, min_calls) {
        (Some(min), Some(entry)) if min > calls => mistakes.add(
            values::at(entry),
            format!("{min} calls never fit into a window of {calls}: expected at most {calls}, or a longer `window`"),
        ),
        (None, None) if defaults::MIN_CALLS > calls => breaker.min_calls = Some(calls),
        _ => {}
    }
}
