//! What is in force for a method and what it has refused, for a person at three in the morning.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::sync::Arc;

use super::breakers::BreakerStep;
use super::client::ClientMethod;
use super::concurrency::ConcurrencyStep;
use super::further::Further;
use super::governance::Governance;
use super::refusals::{Refusals, shortened};
use super::server::ServerMethod;
use super::slips;
use super::source::Trouble;
use super::steps::RateStep;
use super::wall::wall;
use crate::governance::breaker::{CircuitOpen, Mode, State};
use crate::governance::limit::KeyLimited;
use crate::governance::outcome::Degradation;
use crate::governance::rules::{
    FallbackRule, Live, Resolved, RuleKey, Rules, Setting, Side, explain, in_words, nearest, quoted,
};
use crate::governance::{Moment, Rough};
use crate::status::Status;

/// Everything about this path, of a method or of a service; of all there is, if it is empty.
pub(super) fn explained(governance: &Governance, path: &str, now: Moment) -> String {
    let mut text: String =
        methods_of(governance, path).iter().map(|path| method(governance, path, now)).collect();
    if text.is_empty() {
        text = match path {
            "" => "nobody in this process calls or serves anything\n".to_owned(),
            path => format!(
                "{path}: nobody in this process calls or serves it{}\n",
                instead(governance, path)
            ),
        };
    }
    if let Some((level, origin)) = governance.level().filter(|(level, _)| *level > 0) {
        let expires = origin.expiry(now);
        text.push_str(&format!("the level of this process is {level}: {origin}{expires}\n"));
    }
    for slip in slips::all(governance) {
        text.push_str(&format!("without effect: {slip}\n"));
    }
    for (source, version) in governance.gone_back() {
        let (again, by) = (version.again.unwrap_or(version.number), version.by);
        text.push_str(&format!("{source} was rolled back to version {again} by {by}\n"));
    }
    for (trouble, has_rules) in governance.troubled() {
        text.push_str(&troubled(&trouble, has_rules));
    }
    text
}

/// What it means that a source is in trouble, which has said something before or not.
fn troubled(trouble: &Trouble, has_rules: bool) -> String {
    let before =
        if has_rules { "; what it said before is" } else { ", and it said nothing before" };
    match trouble {
        Trouble::Refused(mistakes) => {
            let source = mistakes.iter().next().map_or("", |first| &*first.source);
            let wrong = mistakes.to_string().replace('\n', "\n  ");
            format!("not in force: {source} as it is now{before}. Wrong:\n  {wrong}\n")
        }
        Trouble::Unreadable { .. } => format!("not in force: {trouble}{before}\n"),
        Trouble::NotKept { .. } => format!("in force, but {trouble}\n"),
    }
}

/// The methods that are known of a service, or the one of this path.
fn methods_of(governance: &Governance, path: &str) -> BTreeSet<String> {
    if path.contains('/') {
        return BTreeSet::from([path.to_owned()]);
    }
    paths(governance).filter(|known| path.is_empty() || service_of(known) == path).collect()
}

/// Of all that this process calls or serves.
fn paths(governance: &Governance) -> impl Iterator<Item = String> {
    [Side::Client, Side::Server].into_iter().flat_map(|side| governance.paths(side))
}

fn service_of(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(service, _)| service)
}

/// A method as it is called, at each target, and as it is served, by each server.
fn method(governance: &Governance, path: &str, now: Moment) -> String {
    let mut text = String::new();
    let clients = governance.clients_of(path);
    for method in &clients {
        let at_target = || clients.iter().filter(|other| other.target == method.target);
        if clients.len() > 1 {
            text.push_str(&format!("at {}: ", method.target));
        }
        if at_target().count() > 1 {
            let number = at_target().position(|other| Arc::ptr_eq(other, method)).unwrap_or(0) + 1;
            let of = at_target().count();
            text.push_str(&format!("as builder {number} of {of} has it: "));
        }
        let resolved = governance.resolve_client(method);
        text.push_str(&explain(&resolved, now, &of_client(method, &resolved, now)));
    }
    let servers = governance.served().of(path);
    for (at, method) in &servers {
        if servers.len() > 1 {
            text.push_str(&format!("at {at}: "));
        }
        text.push_str(&explain(&governance.resolve_server(method), now, &of_server(method, now)));
    }
    text
}

/// What was meant by a path that is unknown, probably.
fn instead(governance: &Governance, path: &str) -> String {
    let known: Vec<_> = paths(governance).collect();
    let whole = path.contains('/');
    let known = known.iter().map(|known| if whole { known } else { service_of(known) });
    let known: Vec<_> = known.collect();
    nearest(path, &known).map(|meant| format!("; did you mean {meant}?")).unwrap_or_default()
}

fn of_client(method: &ClientMethod, resolved: &Resolved, now: Moment) -> Vec<Live> {
    let steps = method.steps();
    let mut live = out_of_place(method, &resolved.rules);
    let usual = Rough::about(method.usual_timeout());
    match &resolved.rules.timeout {
        Some(Setting::On(_)) => {}
        Some(Setting::Off) => {
            live.push(Live::Note(RuleKey::Timeout, format!("which leaves {usual}")))
        }
        None => live.push(Live::Note(RuleKey::Timeout, format!("{usual} by default"))),
    }
    live.extend(steps.limit.as_ref().and_then(kept));
    live.extend(steps.breaker.as_ref().map(|step| of_breaker(step, now)));
    let retries = steps.retry.as_ref().map(|_| RuleKey::Retry);
    let hedges = steps.hedge.as_ref().map(|_| RuleKey::Hedge);
    for (key, further, verb) in
        [(retries, Further::Retried, "retried"), (hedges, Further::Hedged, "hedged")]
    {
        let count = method.further.of_minute(further, now);
        if let Some(key) = key
            && count > 0
        {
            live.push(Live::Note(key, format!("{verb} {} in the last minute", times(count))));
        }
    }
    if let Some(key) = retries.or(hedges) {
        let left = steps.budget.balance(now);
        let note = match method.further.of_minute(Further::Unpaid, now) {
            0 => format!("{left} left in the budget"),
            unpaid => format!("{left} left in the budget, which did not pay {}", times(unpaid)),
        };
        live.push(Live::Note(key, note));
    }
    live.extend(steps.concurrency.as_ref().and_then(under_way));
    for (degradation, verb) in
        [(Degradation::Answered, "answered"), (Degradation::Failed, "had no answer for")]
    {
        let count = method.degraded(degradation);
        if count > 0 {
            live.push(Live::Note(RuleKey::Fallback, format!("{verb} {} so far", calls(count))));
        }
    }
    if let Some((at, why)) = method.last_degraded() {
        let (at, why) = (wall(now.since(at)), shortened(&why.to_string()));
        live.push(Live::Line("instead of".to_owned(), format!("last: {at} {why}")));
    }
    live.extend(refused(&method.refusals, now));
    live.extend(line("servers", "refused attempts: ", &method.of_servers, false, now));
    live
}

/// What its breaker does, or each of its breakers; and who holds them.
fn of_breaker(step: &BreakerStep, now: Moment) -> Live {
    let held = step.forced.as_ref().map_or(String::new(), |forced| {
        format!(" by {}, expires in {}", forced.by, in_words(forced.expires.since(now)))
    });
    let (mut all, mut not_closed, mut only) = (0, Vec::new(), None);
    step.breakers.for_each(|whose, breaker| {
        all += 1;
        match whose {
            None => only = Some(breaker.snapshot(now)),
            Some(whose) if breaker.state(now) != State::Closed => not_closed.push(whose.to_owned()),
            Some(_) => {}
        }
    });
    match (only, &step.forced) {
        (Some(only), _) if only.state == State::Closed => {
            Live::Note(RuleKey::Breaker, format!("{only}{held}"))
        }
        (Some(only), _) => Live::Instead(RuleKey::Breaker, format!("{only}{held}")),
        (None, Some(forced)) => {
            let all_are = match forced.mode {
                Mode::ForcedOpen => "all FORCED OPEN",
                Mode::ForcedClosed => "all forced closed",
                Mode::MetricsOnly | Mode::Automatic => "all counting only",
            };
            Live::Note(RuleKey::Breaker, format!("{all_are}{held}"))
        }
        (None, None) => {
            let some: Vec<_> = not_closed.iter().take(3).map(|whose| quoted(whose)).collect();
            let more = if not_closed.len() > some.len() { ", .." } else { "" };
            let which = if some.is_empty() { "" } else { ": " };
            let some = some.join(", ");
            let note = format!("{} of {all} not closed{which}{some}{more}", not_closed.len());
            Live::Note(RuleKey::Breaker, note)
        }
    }
}

/// How many have a limit of their own by now.
fn kept(step: &RateStep) -> Option<Live> {
    let each = step.keys().map(|count| format!("{count} so far"))?;
    Some(Live::Note(RuleKey::Limit, each))
}

/// How many calls are under way, and how many wait.
fn under_way(step: &ConcurrencyStep) -> Option<Live> {
    let note = match step {
        ConcurrencyStep::Adaptive(limit) => {
            format!("{} of {} under way", limit.in_use(), limit.max())
        }
        ConcurrencyStep::Fixed(limit) => match (limit.in_use(), limit.waiting()) {
            (0, 0) => return None,
            (in_use, 0) => format!("{in_use} under way"),
            (in_use, waiting) => format!("{in_use} under way, {waiting} waiting"),
        },
    };
    Some(Live::Note(RuleKey::Concurrency, note))
}

/// Rules that a defaults or a service entry has for many methods, and that can't be for this one, or that are of
/// no use beside what another entry says.
fn out_of_place(method: &ClientMethod, rules: &Rules) -> Vec<Live> {
    let mut live = Vec::new();
    if rules.is_on(RuleKey::Hedge) && !method.about.is_idempotent() {
        let why = "not in force: the method is not idempotent";
        live.push(Live::Note(RuleKey::Hedge, why.to_owned()));
    }
    if rules.fallback == Some(Setting::On(FallbackRule::Default))
        && method.about.attribute().fallback != rules.fallback
    {
        let why = "not in force: its attribute has no `fallback = \"default\"`";
        live.push(Live::Note(RuleKey::Fallback, why.to_owned()));
    }
    if let (Some(Setting::On(per_try)), Some(Setting::On(timeout))) =
        (&rules.per_try, &rules.timeout)
        && per_try >= timeout
    {
        let why = "without effect: the whole call has no more time";
        live.push(Live::Note(RuleKey::PerTry, why.to_owned()));
    }
    if let (Some(Setting::On(limit)), Some(Setting::On(timeout))) = (&rules.limit, &rules.timeout)
        && limit.wait >= *timeout
    {
        let why = "no call waits longer than its timeout";
        live.push(Live::Note(RuleKey::Limit, why.to_owned()));
    }
    live
}

fn of_server(method: &ServerMethod, now: Moment) -> Vec<Live> {
    let steps = method.steps();
    let mut live: Vec<_> = steps.limit.as_ref().and_then(kept).into_iter().collect();
    live.extend(steps.concurrency.as_ref().and_then(under_way));
    live.extend(refused(&method.refusals, now));
    live
}

/// What rules have refused, and whom; and what dark ones would have.
fn refused(refusals: &Refusals, now: Moment) -> impl Iterator<Item = Live> {
    let refused = line("refused", "", refusals, false, now);
    let counted = line("counted", "", refusals, true, now);
    [refused, whom(refusals), counted].into_iter().flatten()
}

/// How many were refused by what, and the last of them; nothing if none ever was.
fn line(
    label: &str,
    of_what: &str,
    refusals: &Refusals,
    is_dark: bool,
    now: Moment,
) -> Option<Live> {
    let last = refusals.last().into_iter().find(|refused| refused.is_dark == is_dark)?;
    let name = |by: Option<RuleKey>| by.map_or("no rule", RuleKey::name);
    let of_minute = refusals.of_minute(is_dark, now);
    let counts = of_minute.iter().map(|(by, count)| format!("{count} by {}", name(*by)));
    let counts = match of_minute.is_empty() {
        true => "none".to_owned(),
        false => counts.collect::<Vec<_>>().join(", "),
    };
    let (at, by, why) = (wall(now.since(last.at)), name(last.by), last.why.message());
    let text = format!("{of_what}{counts} in the last minute; last: {at} {by}, {why}");
    Some(Live::Line(label.to_owned(), text))
}

/// Whose calls the last refusals were, where callers or tenants are told apart.
fn whom(refusals: &Refusals) -> Option<Live> {
    let mut counts = BTreeMap::<String, usize>::new();
    let last = refusals.last();
    let of_key = last.iter().filter_map(|refused| whose(&refused.why));
    of_key.for_each(|whose| *counts.entry(whose.to_owned()).or_default() += 1);
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| Reverse(*count));
    let each: Vec<_> = counts.iter().take(5).map(|(whose, n)| format!("{n} {whose}")).collect();
    let others = if counts.len() > 5 { ", .." } else { "" };
    let text = format!("of the last {}: {}{others}", last.len(), each.join(", "));
    (!each.is_empty()).then(|| Live::Line("whom".to_owned(), text))
}

/// Whose own limit or breaker has refused.
fn whose(why: &Status) -> Option<&str> {
    let source = why.source()?;
    let of_limit = source.downcast_ref::<KeyLimited>().map(KeyLimited::whose);
    of_limit.or_else(|| source.downcast_ref::<CircuitOpen>().and_then(CircuitOpen::whose))
}

fn calls(count: u64) -> String {
    if count == 1 { "1 call".to_owned() } else { format!("{count} calls") }
}

fn times(count: u64) -> String {
    if count == 1 { "once".to_owned() } else { format!("{count} times") }
}
