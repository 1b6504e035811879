//! The value of each key: what it may be, and what contradicts itself.

use std::borrow::Cow;
use std::time::Duration;

use rpc_codec::Metadata;

use super::super::document::{Field, Node, Value};
use super::super::keys::{Side, names};
use super::super::mistake::Wrong;
use super::super::suggest::{all_of, listed, nearest};
use super::super::types::{
    BreakerKind, BreakerRule, ConcurrencyRule, FallbackRule, HedgeAfter, HedgeRule, Key, Keys,
    LimitKind, LimitRule, Rate, RetryRule, RuleKey, Rules, Setting, Share, Window,
};
use super::super::units::{
    A_HEDGE_DELAY, A_RATE, Written, parse_duration, parse_percentile, parse_rate, parse_share,
    quoted,
};
use super::super::words::{PRIORITIES, priority_name};
use super::reader::{Reader, Table, described, one_of};

/// More would be a slip: a call that failed so often fails.
const MAX_ATTEMPTS: u32 = 100;

/// Each one is a call more for the servers.
const MAX_HEDGES: u32 = 10;

/// The outcomes of so many calls are kept by each breaker: what it can look back on at most.
const MAX_WINDOW_CALLS: u32 = 65_536;

const MAX_PROBES: u32 = 1_000;

/// What the values of these are made of.
const RETRY: [&str; 3] = ["attempts", "backoff", "max_backoff"];
const HEDGE: [&str; 2] = ["after", "max"];
const LIMIT: [&str; 5] = ["rate", "burst", "kind", "wait", "key"];
const CONCURRENCY: [&str; 3] = ["max", "queue", "wait"];
const BREAKER: [&str; 11] = [
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
const LAST_GOOD: [&str; 3] = ["last_good", "max", "vary"];

/// Reads the value of `key` into `rules`. What is wrong is noted, and left out.
pub(super) fn read(
    reader: &mut Reader<'_>,
    side: Side,
    key: RuleKey,
    node: &Node,
    rules: &mut Rules,
) {
    let off = matches!(&node.value, Value::Text(text) if text == "off");
    macro_rules! setting {
        ($read:expr) => {
            if off { Some(Setting::Off) } else { $read.map(Setting::On) }
        };
    }
    match key {
        RuleKey::Timeout => rules.timeout = setting!(reader.some_time(node)),
        RuleKey::PerTry => rules.per_try = setting!(reader.some_time(node)),
        RuleKey::Retry => rules.retry = setting!(retry(reader, node)),
        RuleKey::Hedge => rules.hedge = setting!(hedge(reader, node)),
        RuleKey::Limit => rules.limit = setting!(limit(reader, node)),
        RuleKey::Concurrency => rules.concurrency = setting!(concurrency(reader, node)),
        RuleKey::Breaker => rules.breaker = setting!(breaker(reader, node)),
        RuleKey::Fallback => rules.fallback = setting!(fallback(reader, node)),
        RuleKey::Degrade => {
            rules.degrade = if off { Some(Setting::Off) } else { degrade(reader, node) }
        }
        RuleKey::Optional => rules.optional = setting!(level(reader, node, 1)),
        RuleKey::Priority => {
            let words = PRIORITIES.map(|priority| (priority_name(priority), priority));
            rules.priority = setting!(reader.word(node, "priority", &words));
        }
        RuleKey::Dark => rules.dark = setting!(dark(reader, side, node)),
    }
}

/// Reads the cap of `key` into `rules`: the part of its value that has a more and a less.
pub(super) fn read_cap(
    reader: &mut Reader<'_>,
    side: Side,
    key: RuleKey,
    node: &Node,
    rules: &mut Rules,
) {
    let only = |reader: &mut Reader<'_>, all: &[&str], bounded: &[&str]| {
        let Value::Table(fields) = &node.value else { return true };
        let unbounded = |name: &str| all.contains(&name) && !bounded.contains(&name);
        let mut only = true;
        for field in fields.iter().filter(|field| unbounded(&field.name)) {
            let wrong = Wrong::new("a cap can't bound this").expected(listed(bounded));
            reader.inside(&field.name, |reader| reader.refuse(field.place, wrong));
            only = false;
        }
        only
    };
    if matches!(&node.value, Value::Text(text) if text == "off") {
        let wrong = Wrong::new("a cap can't be \"off\": to have none, leave the key out");
        return reader.refuse(node.place, wrong);
    }
    let fits = match key {
        RuleKey::Retry => only(reader, &RETRY, &["attempts"]),
        RuleKey::Hedge => match &node.value {
            Value::Table(fields) if forbids(fields) => {
                rules.hedge = Some(Setting::On(HedgeRule { max: 0, ..HedgeRule::DEFAULT }));
                false
            }
            _ => only(reader, &HEDGE, &["max"]),
        },
        RuleKey::Limit => only(reader, &LIMIT, &["rate", "burst"]),
        RuleKey::Concurrency => match &node.value {
            Value::Text(text) if text == "adaptive" => {
                let wrong = Wrong::new("\"adaptive\" is no bound").expected("a number, as in 64");
                reader.refuse(node.place, wrong);
                false
            }
            _ => only(reader, &CONCURRENCY, &["max"]),
        },
        _ => true,
    };
    if fits {
        read(reader, side, key, node, rules);
    }
}

/// `{ max = 0 }`: a cap that lets no hedge begin.
fn forbids(fields: &[Field]) -> bool {
    matches!(fields, [only] if only.name == "max" && matches!(only.node.value, Value::Whole(0)))
}

/// `level = 2`, or the `n` of `optional = n`, which is above the level of an ordinary day.
pub(super) fn level(reader: &mut Reader<'_>, node: &Node, least: u32) -> Option<u8> {
    reader.count(node, least, 255).and_then(|level| u8::try_from(level).ok())
}

/// The fields of a rule that is a table, or what it was meant to be.
fn table<'n>(
    reader: &mut Reader<'_>,
    node: &'n Node,
    what: &str,
    known: &[&str],
    meant: impl FnOnce(&Value) -> Option<String>,
) -> Option<Table<'n>> {
    if let Value::Table(fields) = &node.value {
        return Some(reader.table(fields, known));
    }
    let meant = match &node.value {
        Value::Flag(false) => Some("\"off\"".to_owned()),
        other => meant(other),
    };
    let wrong = Wrong::new(format!("{} is no {what}", described(&node.value)))
        .meant(meant)
        .expected(format!("a table of {}, or \"off\"", all_of(known)));
    reader.refuse(node.place, wrong);
    None
}

/// Notes that a key which has to be there is not.
fn lacking(reader: &mut Reader<'_>, node: &Node, what: &str, name: &str, example: &str) {
    let problem = format!("a {what} needs `{name}`, as in {{ {name} = {example} }}");
    reader.refuse(node.place, Wrong::new(problem));
}

fn retry(reader: &mut Reader<'_>, node: &Node) -> Option<RetryRule> {
    let table = table(reader, node, "retry", &RETRY, |value| match value {
        Value::Whole(attempts @ 1..=100) => Some(format!("{{ attempts = {attempts} }}")),
        _ => None,
    })?;
    let anyway = RetryRule::DEFAULT;
    let attempts = reader.field(&table, "attempts", |r, node| r.count(node, 1, MAX_ATTEMPTS));
    let backoff = reader.field(&table, "backoff", Reader::some_time);
    let max_backoff = reader.field(&table, "max_backoff", Reader::some_time);
    let backoff = backoff.unwrap_or(anyway.backoff.min(max_backoff.unwrap_or(anyway.backoff)));
    if let Some(max) = max_backoff.filter(|max| *max < backoff) {
        let problem =
            format!("{} is less than `backoff`, which is {}", Written(max), Written(backoff));
        reader.refuse_field(&table, "max_backoff", Wrong::new(problem));
    }
    Some(RetryRule {
        attempts: attempts.unwrap_or(anyway.attempts),
        backoff,
        max_backoff: max_backoff.unwrap_or(anyway.max_backoff.max(backoff)),
    })
}

fn hedge(reader: &mut Reader<'_>, node: &Node) -> Option<HedgeRule> {
    let table = table(reader, node, "hedge", &HEDGE, |value| match value {
        Value::Text(text) if after_of(text).is_ok() => Some(format!("{{ after = \"{text}\" }}")),
        _ => None,
    })?;
    let anyway = HedgeRule::DEFAULT;
    let after = reader.field(&table, "after", |reader, node| {
        let after = reader.unit(node, after_of, |other| {
            let meant = match other {
                Value::Whole(millis @ 0..) => Some(format!("\"{millis}ms\"")),
                _ => None,
            };
            let problem = format!("{} is neither a time nor a percentile", described(other));
            Wrong::new(problem).meant(meant).expected(A_HEDGE_DELAY)
        })?;
        if after == HedgeAfter::Delay(Duration::ZERO) {
            let wrong = Wrong::new("a hedge after no time doubles every call");
            reader.refuse(node.place, wrong.expected(A_HEDGE_DELAY));
        }
        Some(after)
    });
    let max = reader.field(&table, "max", |reader, node| reader.count(node, 1, MAX_HEDGES));
    Some(HedgeRule { after: after.unwrap_or(anyway.after), max: max.unwrap_or(anyway.max) })
}

fn after_of(text: &str) -> Result<HedgeAfter, super::super::units::Misread> {
    if text.starts_with(['p', 'P']) || text.ends_with(['%', 'h']) && parse_duration(text).is_err() {
        return parse_percentile(text).map(HedgeAfter::Percentile);
    }
    let expected = |misread: super::super::units::Misread| {
        let is_share = text.parse().is_ok_and(|number: u8| (50..100).contains(&number));
        let meant = match is_share {
            true => Some(format!("\"p{text}\" or \"{text}ms\"")),
            false => misread.meant,
        };
        super::super::units::Misread { expected: A_HEDGE_DELAY, meant, ..misread }
    };
    parse_duration(text).map(HedgeAfter::Delay).map_err(expected)
}

fn limit(reader: &mut Reader<'_>, node: &Node) -> Option<LimitRule> {
    let table = table(reader, node, "limit", &LIMIT, |value| match value {
        Value::Text(text) => {
            let rate = match parse_rate(text) {
                Ok(rate) => format!("\"{rate}\""),
                Err(misread) => misread.meant?,
            };
            Some(format!("{{ rate = {rate} }}"))
        }
        Value::Whole(number @ 1..) => Some(format!("{{ rate = \"{number}/s\" }}")),
        _ => None,
    })?;
    let rate = reader.field(&table, "rate", self::rate);
    if !table.has("rate") {
        lacking(reader, node, "limit", "rate", "\"100/s\"");
    }
    let burst = reader.field(&table, "burst", |reader, node| reader.count(node, 1, u32::MAX));
    let kinds = LimitKind::ALL.map(|kind| (kind.name(), kind));
    let kind = reader.field(&table, "kind", |r, node| r.word(node, "kind of limit", &kinds));
    let wait = reader.field(&table, "wait", Reader::time);
    let key = reader.field(&table, "key", self::key);
    let kind = kind.unwrap_or_default();
    if matches!(kind, LimitKind::Fixed | LimitKind::Sliding) {
        let kind = kind.name();
        let problem = format!(
            "a limit of kind \"{kind}\" has no burst, only \"token\" and \"leaky\" have one"
        );
        reader.refuse_field(&table, "burst", Wrong::new(problem));
    }
    let wait = wait.unwrap_or_default();
    Some(LimitRule { rate: rate?, burst, kind, wait, key })
}

fn rate(reader: &mut Reader<'_>, node: &Node) -> Option<Rate> {
    reader.unit(node, parse_rate, |other| {
        let meant = match other {
            Value::Whole(number @ 1..) => Some(format!("\"{number}/s\"")),
            Value::Number(number) => parse_rate(number).err().and_then(|misread| misread.meant),
            _ => None,
        };
        Wrong::new(format!("{} is no rate", described(other))).meant(meant).expected(A_RATE)
    })
}

/// `"caller"`, or the name of a metadata entry.
fn key(reader: &mut Reader<'_>, node: &Node) -> Option<Key> {
    match &node.value {
        Value::Text(text) if text == "caller" => Some(Key::Caller),
        _ => metadata_name(
            reader,
            node,
            "\"caller\" or the name of a metadata entry, as in \"tenant\"",
        )
        .map(|name| Key::Metadata(Cow::Owned(name))),
    }
}

fn metadata_name(reader: &mut Reader<'_>, node: &Node, expected: &str) -> Option<String> {
    let is_name = |text: &str| Metadata::new().insert(text, "").is_ok();
    let wrong = match &node.value {
        Value::Text(text) if is_name(text) => return Some(text.clone()),
        Value::Text(text) => {
            let lower = text.trim().to_lowercase();
            let meant = is_name(&lower).then(|| format!("\"{lower}\""));
            Wrong::new(format!("{} can't name metadata", quoted(text))).meant(meant)
        }
        other => Wrong::new(format!("{} is no name", described(other))),
    };
    reader.refuse(node.place, wrong.expected(expected));
    None
}

fn concurrency(reader: &mut Reader<'_>, node: &Node) -> Option<ConcurrencyRule> {
    let fixed = |max| ConcurrencyRule::Fixed { max, queue: 0, wait: Duration::ZERO };
    let table = match &node.value {
        Value::Whole(_) => return reader.count(node, 1, u32::MAX).map(fixed),
        Value::Text(text) if text == "adaptive" => return Some(ConcurrencyRule::Adaptive),
        Value::Table(fields) => reader.table(fields, &CONCURRENCY),
        other => {
            let meant = match other {
                Value::Flag(false) => Some("\"off\"".to_owned()),
                Value::Text(text) => match text.trim().parse::<u32>() {
                    Ok(number) => Some(number.to_string()),
                    Err(_) => nearest(text, &["adaptive", "off"]).map(|near| format!("\"{near}\"")),
                },
                _ => None,
            };
            let wrong = Wrong::new(format!("{} is no concurrency", described(other)))
                .meant(meant)
                .expected("64, \"adaptive\", \"off\" or a table of `max`, `queue` and `wait`");
            reader.refuse(node.place, wrong);
            return None;
        }
    };
    let max = reader.field(&table, "max", |reader, node| reader.count(node, 1, u32::MAX));
    let queue = reader.field(&table, "queue", |reader, node| reader.count(node, 0, u32::MAX));
    let wait = reader.field(&table, "wait", Reader::time);
    if !table.has("max") {
        lacking(reader, node, "concurrency", "max", "64");
    }
    if queue.is_some_and(|queue| queue > 0)
        && (!table.has("wait") || wait.is_some_and(|wait| wait.is_zero()))
    {
        let wrong = Wrong::new("a `queue` needs a `wait`, as in wait = \"50ms\"");
        reader.refuse_field(&table, "queue", wrong);
    }
    if wait.is_some_and(|wait| !wait.is_zero()) && (!table.has("queue") || queue == Some(0)) {
        let wrong = Wrong::new("a `wait` needs a `queue`, as in queue = 100");
        reader.refuse_field(&table, "wait", wrong);
    }
    let (queue, wait) = (queue.unwrap_or_default(), wait.unwrap_or_default());
    let wait = if queue == 0 { Duration::ZERO } else { wait };
    Some(ConcurrencyRule::Fixed { max: max?, queue, wait })
}

fn breaker(reader: &mut Reader<'_>, node: &Node) -> Option<BreakerRule> {
    let table = table(reader, node, "breaker", &BREAKER, |value| match value {
        Value::Text(text) => {
            parse_share(text).ok().map(|it| format!("{{ failure_rate = \"{it}\" }}"))
        }
        Value::Whole(number @ 1..=100) => Some(format!("{{ consecutive = {number} }}")),
        _ => None,
    })?;
    let anyway = BreakerRule::DEFAULT;
    let kinds = BreakerKind::ALL.map(|kind| (kind.name(), kind));
    let kind = reader.field(&table, "kind", |r, node| r.word(node, "kind of breaker", &kinds));
    let failure_rate = reader.field(&table, "failure_rate", share_or_off);
    let slow_rate = reader.field(&table, "slow_rate", share_or_off);
    let slow = reader.field(&table, "slow", Reader::some_time);
    let consecutive = reader.field(&table, "consecutive", |r, node| r.count(node, 1, u32::MAX));
    let window = reader.field(&table, "window", self::window);
    let min_calls = reader.field(&table, "min_calls", |r, node| r.count(node, 1, u32::MAX));
    let open = reader.field(&table, "open", Reader::some_time);
    let max_open = reader.field(&table, "max_open", Reader::some_time);
    let probes = reader.field(&table, "probes", |r, node| r.count(node, 1, MAX_PROBES));
    let key = reader.field(&table, "key", self::key);

    let window = window.unwrap_or(anyway.window);
    // What is not said fits what is: ten calls can't hold the twenty that hold anyway.
    let min_calls = min_calls.unwrap_or(match window {
        Window::Calls(calls) => anyway.min_calls.min(calls),
        Window::Time(_) => anyway.min_calls,
    });
    let open = open.unwrap_or(anyway.open.min(max_open.unwrap_or(anyway.open)));
    let rule = BreakerRule {
        kind: kind.unwrap_or(anyway.kind),
        // Who says when it opens has said all of it, as in an attribute.
        failure_rate: failure_rate.unwrap_or_else(|| {
            let is_said = slow_rate.is_some() || consecutive.is_some();
            anyway.failure_rate.filter(|_| !is_said)
        }),
        slow_rate: slow_rate.unwrap_or(anyway.slow_rate),
        slow: slow.unwrap_or(anyway.slow),
        consecutive,
        window,
        min_calls,
        open,
        max_open: max_open.unwrap_or(anyway.max_open.max(open)),
        probes: probes.unwrap_or(anyway.probes),
        key,
    };
    check_breaker(reader, node, &table, &rule);
    Some(rule)
}

fn check_breaker(reader: &mut Reader<'_>, node: &Node, table: &Table<'_>, rule: &BreakerRule) {
    if let Window::Calls(calls) = rule.window
        && rule.min_calls > calls
    {
        let problem = format!("{} calls never fit into a window of {calls}", rule.min_calls);
        let wrong = Wrong::new(problem).expected(format!("at most {calls}, or a longer window"));
        reader.refuse_field(table, "min_calls", wrong);
    }
    if rule.max_open < rule.open {
        let (max, open) = (Written(rule.max_open), Written(rule.open));
        let wrong = Wrong::new(format!("{max} is less than `open`, which is {open}"));
        reader.refuse_field(table, "max_open", wrong);
    }
    if table.has("slow") && rule.slow_rate.is_none() && rule.kind == BreakerKind::Trip {
        let wrong = Wrong::new("`slow` needs a `slow_rate`, as in slow_rate = \"50%\"");
        reader.refuse_field(table, "slow", wrong);
    }
    match rule.kind {
        BreakerKind::Trip => {
            let conditions = (rule.failure_rate, rule.slow_rate, rule.consecutive);
            if conditions == (None, None, None) && !reader.has_mistakes_here() {
                let wrong = Wrong::new("nothing ever opens this breaker")
                    .expected("`failure_rate`, `slow_rate` or `consecutive`, or breaker = \"off\"");
                reader.refuse(node.place, wrong);
            }
        }
        BreakerKind::Throttle => {
            for name in ["slow_rate", "slow", "consecutive", "open", "max_open", "probes"] {
                let problem = format!(
                    "a breaker of kind \"throttle\" has no `{name}`: it refuses a share of calls, by \
                     `failure_rate` alone"
                );
                reader.refuse_field(table, name, Wrong::new(problem));
            }
            if rule.failure_rate.is_none() && !reader.has_mistakes_here() {
                let wrong = Wrong::new("nothing ever makes this breaker refuse")
                    .expected("`failure_rate`, or breaker = \"off\"");
                reader.refuse(node.place, wrong);
            }
        }
    }
}

fn share_or_off(reader: &mut Reader<'_>, node: &Node) -> Option<Option<Share>> {
    match &node.value {
        Value::Text(text) if text == "off" => Some(None),
        _ => reader.share(node).map(Some),
    }
}

fn window(reader: &mut Reader<'_>, node: &Node) -> Option<Window> {
    match &node.value {
        Value::Whole(_) => reader.count(node, 1, MAX_WINDOW_CALLS).map(Window::Calls),
        Value::Text(_) => reader.some_time(node).map(Window::Time),
        other => {
            let wrong = Wrong::new(format!("{} is no window", described(other)));
            reader.refuse(
                node.place,
                wrong.expected("a time or a number of calls, as in \"10s\" or 100"),
            );
            None
        }
    }
}

fn fallback(reader: &mut Reader<'_>, node: &Node) -> Option<FallbackRule> {
    let table = match &node.value {
        Value::Text(text) if text == "default" => return Some(FallbackRule::Default),
        Value::Table(fields) => reader.table(fields, &LAST_GOOD),
        other => {
            let meant = match other {
                Value::Flag(true) => Some("\"default\"".to_owned()),
                Value::Flag(false) => Some("\"off\"".to_owned()),
                Value::Text(text) if parse_duration(text).is_ok() => {
                    Some(format!("{{ last_good = \"{text}\" }}"))
                }
                Value::Text(text) if text == "last_good" => {
                    Some("{ last_good = \"30s\" }".to_owned())
                }
                Value::Text(text) => {
                    nearest(text, &["default", "off"]).map(|near| format!("\"{near}\""))
                }
                _ => None,
            };
            let wrong =
                Wrong::new(format!("{} is no fallback", described(other))).meant(meant).expected(
                    "\"default\", \"off\" or { last_good = \"30s\" }; only the method's attribute \
                     can name a function",
                );
            reader.refuse(node.place, wrong);
            return None;
        }
    };
    let ttl = reader.field(&table, "last_good", Reader::some_time);
    if !table.has("last_good") {
        lacking(reader, node, "fallback", "last_good", "\"30s\"");
    }
    let max = reader.field(&table, "max", |reader, node| reader.count(node, 1, u32::MAX));
    let vary = reader.field(&table, "vary", self::vary);
    let (max, vary) = (max.unwrap_or(FallbackRule::DEFAULT_MAX), vary.unwrap_or_default());
    Some(FallbackRule::LastGood { ttl: ttl?, max, vary: Cow::Owned(vary) })
}

fn vary(reader: &mut Reader<'_>, node: &Node) -> Option<Vec<Cow<'static, str>>> {
    let expected = "names of metadata entries, as in [\"tenant\"]";
    let Value::List(items) = &node.value else {
        let meant = match &node.value {
            Value::Text(text) => Some(format!("[\"{text}\"]")),
            _ => None,
        };
        let wrong = Wrong::new(format!("{} is no list", described(&node.value)));
        reader.refuse(node.place, wrong.meant(meant).expected(expected));
        return None;
    };
    let names = items.iter().map(|item| metadata_name(reader, item, expected).map(Cow::Owned));
    // All are looked at, so that all mistakes are told.
    let names: Vec<Option<Cow<'static, str>>> = names.collect();
    names.into_iter().collect()
}

fn degrade(reader: &mut Reader<'_>, node: &Node) -> Option<Setting<()>> {
    match &node.value {
        Value::Flag(true) => Some(Setting::On(())),
        Value::Flag(false) => Some(Setting::Off),
        other => {
            let meant = match other {
                Value::Text(text) if ["true", "yes", "on"].contains(&&**text) => Some("true"),
                Value::Text(text) if ["false", "no"].contains(&&**text) => Some("false"),
                Value::Whole(1) => Some("true"),
                Value::Whole(0) => Some("false"),
                _ => None,
            };
            let wrong = Wrong::new(format!("{} is neither true nor false", described(other)))
                .meant(meant)
                .expected("true or false, without quotes");
            reader.refuse(node.place, wrong);
            None
        }
    }
}

fn dark(reader: &mut Reader<'_>, side: Side, node: &Node) -> Option<Keys> {
    let known = names(|key| key.can_be_dark() && key.is_for(side));
    let quotes: Vec<String> = known.iter().map(|name| format!("\"{name}\"")).collect();
    let Value::List(items) = &node.value else {
        let meant = match &node.value {
            Value::Text(text) => Some(format!("[\"{text}\"]")),
            _ => None,
        };
        let wrong = Wrong::new(format!("{} is no list", described(&node.value)));
        reader.refuse(node.place, wrong.meant(meant).expected("keys, as in [\"limit\"]"));
        return None;
    };
    let mut keys = Keys::NONE;
    for item in items {
        if reader.has_enough() {
            break;
        }
        let wrong = match &item.value {
            Value::Text(text) => match RuleKey::named(text) {
                Some(key) if key.can_be_dark() && key.is_for(side) => {
                    keys = keys.with(key);
                    continue;
                }
                Some(key) if key.can_be_dark() => {
                    Wrong::new(format!("`{text}` is for clients, this is a {side}'s"))
                }
                Some(RuleKey::Optional) => {
                    Wrong::new("`optional` does nothing by itself").meant(Some("\"degrade\""))
                }
                Some(_) => Wrong::new(format!("`{text}` refuses nothing, so it can't be dark")),
                None => {
                    let near = nearest(text, &known).map(|near| format!("\"{near}\""));
                    Wrong::new(format!("{} is no key", quoted(text))).meant(near)
                }
            },
            other => Wrong::new(format!("{} is no key", described(other))),
        };
        reader.refuse(item.place, wrong.expected(one_of(&quotes)));
    }
    Some(keys)
}
