//! `limit(..)` and `concurrency`: how many calls, per time and at a time.

use std::time::Duration;

use syn::Lit;

use crate::checks::values::{self, known, nested, refuse};
use crate::measure;
use crate::mistakes::Mistakes;
use crate::model::{Concurrency, Limit, Variant};
use crate::parse::{Entry, Value};

const LIMIT_KEYS: [&str; 5] = ["rate", "burst", "kind", "wait", "key"];
const LIMIT_KINDS: [(&str, Variant); 4] =
    [("token", "Token"), ("leaky", "Leaky"), ("fixed", "Fixed"), ("sliding", "Sliding")];
const CONCURRENCY_KEYS: [&str; 3] = ["max", "queue", "wait"];

pub(super) fn limit(entry: &Entry, mistakes: &mut Mistakes) -> Option<Limit> {
    let entries = nested(entry, &LIMIT_KEYS, "`limit(rate = \"100/s\")`", mistakes)?;
    let (mut rate, mut burst, mut kind, mut wait, mut key) = (None, None, None, None, None);
    let said = known(&entries, &LIMIT_KEYS, mistakes);
    for (name, entry) in &said {
        match *name {
            "rate" => rate = values::parsed(entry, "\"100/s\"", measure::rate, mistakes),
            "burst" => burst = values::number(entry, "20", u32::MAX, mistakes),
            "kind" => kind = values::word(entry, &LIMIT_KINDS, mistakes),
            "wait" => wait = values::time(entry, "\"50ms\"", mistakes),
            _ => key = values::key(entry, mistakes),
        }
    }
    let find = |wanted: &str| values::find(&said, wanted);
    if find("rate").is_none() {
        mistakes.add(&entry.key, "say the `rate`, as in `limit(rate = \"100/s\")`");
    }
    if let (Some(burst), Some("Fixed" | "Sliding")) = (find("burst"), kind) {
        mistakes.add(
            &burst.key,
            "leave `burst` out: windows save nothing up, so only the kinds \"token\" and \"leaky\" have one",
        );
    }
    rate.map(|rate| Limit { rate, burst, kind, wait, key })
}

pub(super) fn concurrency(entry: &Entry, mistakes: &mut Mistakes) -> Option<Concurrency> {
    let expected = "expected a number, \"adaptive\", \"off\" or settings, as in `concurrency = 64` or \
                    `concurrency(max = 64, queue = 100, wait = \"50ms\")`";
    match (&entry.value, values::literal(entry)) {
        (Value::List(_), _) => queued(entry, mistakes),
        (_, Some(Lit::Int(number))) => {
            let max = values::whole(number, 1, u32::MAX, mistakes)?;
            Some(Concurrency::Fixed { max, queue: 0, wait: Duration::ZERO })
        }
        (_, Some(Lit::Str(text))) if text.value() == "adaptive" => Some(Concurrency::Adaptive),
        _ => refuse(entry, expected, mistakes),
    }
}

fn queued(entry: &Entry, mistakes: &mut Mistakes) -> Option<Concurrency> {
    let entries = nested(entry, &CONCURRENCY_KEYS, "`concurrency(max = 64)`", mistakes)?;
    let (mut max, mut queue, mut wait) = (None, None, None);
    let said = known(&entries, &CONCURRENCY_KEYS, mistakes);
    for (name, entry) in &said {
        match *name {
            "max" => max = values::number(entry, "64", u32::MAX, mistakes),
            "queue" => queue = values::number_or_zero(entry, "100", mistakes),
            _ => wait = values::time(entry, "\"50ms\"", mistakes),
        }
    }
    if values::find(&said, "max").is_none() {
        mistakes.add(&entry.key, "say how many at a time, as in `concurrency(max = 64)`");
    }
    // One without the other would let nobody wait, whatever it says.
    let queues = queue.is_some_and(|queue| queue > 0);
    let waits = wait.is_some_and(|wait| !wait.is_zero());
    let other = |name: &str| values::find(&said, name).is_some();
    let lacking = match (queues, waits) {
        (true, false) if wait.is_some() || !other("wait") => Some(("queue", "wait = \"50ms\"")),
        (false, true) if queue.is_some() || !other("queue") => Some(("wait", "queue = 100")),
        _ => None,
    };
    if let Some((key, example)) = lacking
        && let Some(entry) = values::find(&said, key)
    {
        let without =
            format!("`{key}` needs the other half, as in `{example}`: nobody waits without");
        mistakes.add(&entry.key, without);
    }
    max.map(|max| Concurrency::Fixed {
        max,
        queue: queue.unwrap_or_default(),
        wait: wait.unwrap_or_default(),
    })
}
