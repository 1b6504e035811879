//! `retry(..)` and `hedge(..)`: when there is a further attempt.

use syn::LitStr;

use crate::checks::defaults;
use crate::checks::values::{self, known, nested};
use crate::mistakes::Mistakes;
use crate::model::{After, Hedge, Retry};
use crate::parse::Entry;
use crate::{duration, measure};

const RETRY_KEYS: [&str; 3] = ["attempts", "backoff", "max_backoff"];
const HEDGE_KEYS: [&str; 2] = ["after", "max"];

/// More would be a slip: a call that failed so often fails.
const MAX_ATTEMPTS: u32 = 100;

/// Each one is a call more for the servers.
const MAX_HEDGES: u32 = 10;

pub(super) fn retry(entry: &Entry, mistakes: &mut Mistakes) -> Option<Retry> {
    let entries = nested(entry, &RETRY_KEYS, "`retry()` or `retry(attempts = 3)`", mistakes)?;
    let mut retry = Retry::default();
    let said = known(&entries, &RETRY_KEYS, mistakes);
    for (key, entry) in &said {
        match *key {
            "attempts" => retry.attempts = values::number(entry, "3", MAX_ATTEMPTS, mistakes),
            "backoff" => retry.backoff = values::some_time(entry, "\"10ms\"", mistakes),
            _ => retry.max_backoff = values::some_time(entry, "\"1s\"", mistakes),
        }
    }
    let is_ordered = values::ordered(
        (&mut retry.backoff, defaults::BACKOFF),
        (&mut retry.max_backoff, defaults::MAX_BACKOFF),
    );
    if let (Some(backoff), Some(entry)) =
        (retry.backoff.filter(|_| !is_ordered), values::find(&said, "max_backoff"))
    {
        mistakes.add(
            values::at(entry),
            format!("the longest pause can't be shorter than the first, `backoff`: expected at least {backoff:?}"),
        );
    }
    Some(retry)
}

pub(super) fn hedge(entry: &Entry, mistakes: &mut Mistakes) -> Option<Hedge> {
    let entries = nested(entry, &HEDGE_KEYS, "`hedge()` or `hedge(after = \"20ms\")`", mistakes)?;
    let mut hedge = Hedge::default();
    for (key, entry) in known(&entries, &HEDGE_KEYS, mistakes) {
        match key {
            "after" => {
                hedge.after = values::text(entry, "\"20ms\"", mistakes)
                    .and_then(|text| after(&text, mistakes));
            }
            _ => hedge.max = values::number(entry, "1", MAX_HEDGES, mistakes),
        }
    }
    Some(hedge)
}

fn after(text: &LitStr, mistakes: &mut Mistakes) -> Option<After> {
    let said = text.value();
    let read = if said.starts_with('p') {
        measure::percentile(&said).map(After::Percentile)
    } else {
        duration::parse_some(&said).map(After::Delay).map_err(|refusal| {
            format!("{refusal}; or a percentile of the time that answers take, as in \"p95\"")
        })
    };
    read.map_err(|refusal| mistakes.add(text, refusal)).ok()
}
