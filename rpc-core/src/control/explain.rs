//! What is in force for a method and what it has refused, for a person at three in the morning.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::client::ClientMethod;
use super::governance::Governance;
use super::refusals::Refusals;
use super::server::ServerMethod;
use crate::governance::Moment;
use crate::governance::breaker::State;
use crate::governance::outcome::Degradation;
use crate::governance::rules::{
    FallbackRule, Live, Resolved, RuleKey, Rules, Setting, Side, explain, nearest,
};

/// Everything about this path, of a method or of a service.
pub(super) fn explained(governance: &Governance, path: &str, now: Moment) -> String {
    let mut text: String =
        methods_of(governance, path).iter().map(|path| method(governance, path, now)).collect();
    if text.is_empty() {
        text = format!(
            "{path}: nobody in this process calls or serves it{}\n",
            instead(governance, path)
        );
    }
    for slip in governance.slips() {
        text.push_str(&format!("without effect: {slip}\n"));
    }
    for trouble in governance.troubles() {
        text.push_str(&format!("not in force: {trouble}\n"));
    }
    text
}

/// The methods that are known of a service, or the one of this path.
fn methods_of(governance: &Governance, path: &str) -> BTreeSet<String> {
    if path.contains('/') {
        return BTreeSet::from([path.to_owned()]);
    }
    paths(governance).filter(|known| service_of(known) == path).collect()
}

/// Of all that this process calls or serves.
fn paths(governance: &Governance) -> impl Iterator<Item = String> {
    [Side::Client, Side::Server].into_iter().flat_map(|side| governance.paths(side))
}

fn service_of(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(service, _)| service)
}

/// A method as it is called, at each target, and as it is served.
fn method(governance: &Governance, path: &str, now: Moment) -> String {
    let mut text = String::new();
    let clients = governance.clients_of(path);
    for method in &clients {
        if clients.len() > 1 {
            text.push_str(&format!("at {}: ", method.target));
        }
        let resolved = governance.resolve_client(method);
        text.push_str(&explain(&resolved, now, &of_client(method, &resolved, now)));
    }
    for method in governance.servers_of(path) {
        text.push_str(&explain(&governance.resolve_server(&method), now, &of_server(&method, now)));
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
    if let Some(step) = &steps.breaker {
        if step.rule.key.is_some() {
            let (mut all, mut not_closed) = (0, 0);
            step.breakers.for_each(|breaker| {
                all += 1;
                not_closed += usize::from(breaker.state(now) != State::Closed);
            });
            let how_many = format!("{not_closed} of {all} not closed");
            live.push(Live::Note(RuleKey::Breaker, how_many));
        } else {
            step.breakers.for_each(|only| {
                let only = only.snapshot(now);
                let text = only.to_string();
                live.push(match only.state {
                    State::Closed => Live::Note(RuleKey::Breaker, text),
                    _ => Live::Instead(RuleKey::Breaker, text),
                });
            });
        }
    }
    let retries = steps.retry.as_ref().map(|_| RuleKey::Retry);
    let hedges = steps.hedge.as_ref().map(|_| RuleKey::Hedge);
    if let Some(key) = retries.or(hedges) {
        let left = format!("{} left in the budget", steps.budget.balance(now));
        live.push(Live::Note(key, left));
    }
    if let Some(limit) = steps.concurrency.as_ref().and_then(|step| step.adaptive()) {
        let now = format!("{} of {} under way", limit.in_use(), limit.max());
        live.push(Live::Note(RuleKey::Concurrency, now));
    }
    let answered = method.degraded(Degradation::Answered);
    let failed = method.degraded(Degradation::Failed);
    if answered > 0 {
        live.push(Live::Note(RuleKey::Fallback, format!("answered {}", calls(answered))));
    }
    if failed > 0 {
        live.push(Live::Note(RuleKey::Fallback, format!("failed for {}", calls(failed))));
    }
    live.extend(refused(&method.refusals, now));
    live
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
    live
}

fn of_server(method: &ServerMethod, now: Moment) -> Vec<Live> {
    let mut live = Vec::new();
    if let Some(limit) = method.steps().concurrency.as_ref().and_then(|step| step.adaptive()) {
        let now = format!("{} of {} under way", limit.in_use(), limit.max());
        live.push(Live::Note(RuleKey::Concurrency, now));
    }
    live.extend(refused(&method.refusals, now));
    live
}

fn refused(refusals: &Refusals, now: Moment) -> Vec<Live> {
    let last = refusals.last();
    let line = |label: &str, is_dark: bool| {
        let count =
            |by| if is_dark { refusals.dark_count(by, now) } else { refusals.count(by, now) };
        let of_minute = RuleKey::ALL.map(|by| (by, count(by).last_minute));
        let of_minute = of_minute.iter().filter(|(_, count)| *count > 0);
        let counts: Vec<_> =
            of_minute.map(|(by, count)| format!("{count} by {}", by.name())).collect();
        let last = last.iter().find(|refused| refused.dark == is_dark)?;
        let counts = if counts.is_empty() { "none".to_owned() } else { counts.join(", ") };
        let (at, by, why) = (wall(now.since(last.at)), last.by.name(), last.why.message());
        Some(Live::Line(
            label.to_owned(),
            format!("{counts} in the last minute; last: {at} {by}, {why}"),
        ))
    };
    [line("refused", false), line("counted", true)].into_iter().flatten().collect()
}

fn calls(count: u64) -> String {
    if count == 1 { "1 call".to_owned() } else { format!("{count} calls") }
}

/// The time of day of so long ago, UTC.
fn wall(ago: Duration) -> String {
    #[expect(clippy::disallowed_methods, reason = "it is for people, who look at wall clocks")]
    let now = SystemTime::now();
    let then = now.checked_sub(ago).unwrap_or(UNIX_EPOCH);
    let since = then.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (seconds, millis) = (since.as_secs() % 86_400, since.subsec_millis());
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    format!("{hours:02}:{minutes:02}:{:02}.{millis:03}Z", seconds % 60)
}
