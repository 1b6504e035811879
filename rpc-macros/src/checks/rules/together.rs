//! What the keys of a method say together: each may be in order, and still contradict another.

use std::time::Duration;

use crate::checks::values;
use crate::mistakes::Mistakes;
use crate::model::{After, Concurrency, Hedge, Rules, Setting};
use crate::parse::Entry;

/// Refuses what can't be meant. `said` is where each key stands.
pub(super) fn check(rules: &Rules, said: &[(&str, &Entry)], mistakes: &mut Mistakes) {
    for (key, entry) in said {
        if rules.oneway {
            check_oneway(rules, key, entry, mistakes);
        } else if *key == "hedge" && is_on(&rules.hedge) && !rules.idempotent {
            mistakes.add(
                &entry.key,
                "mark the method `idempotent`, or leave `hedge` out: a hedge runs the call twice",
            );
        }
        check_times(rules, key, entry, mistakes);
        check_tries(rules, key, entry, mistakes);
    }
}

/// A one-way call is over once it is sent: nobody learns what became of it.
fn check_oneway(rules: &Rules, key: &str, entry: &Entry, mistakes: &mut Mistakes) {
    let needs_an_answer = match key {
        "per_try" => is_on(&rules.per_try),
        "retry" => is_on(&rules.retry),
        "hedge" => is_on(&rules.hedge),
        "fallback" => is_on(&rules.fallback),
        _ => false,
    };
    if needs_an_answer {
        mistakes.add(
            &entry.key,
            format!("leave `{key}` out: a one-way call is never answered, so nobody knows whether it is needed"),
        );
    }
}

/// Nothing that belongs to a call lasts longer than the call.
fn check_times(rules: &Rules, key: &str, entry: &Entry, mistakes: &mut Mistakes) {
    let Some(Setting::On(timeout)) = rules.timeout else { return };
    let longer = |part: Option<Duration>| part.filter(|part| *part > timeout);
    let limit_wait = value_of(&rules.limit).and_then(|limit| limit.wait);
    let (what, part) = match key {
        "per_try" => ("an attempt may take", longer(rules.per_try.and_then(value))),
        "limit" => ("a call may wait", longer(limit_wait)),
        "concurrency" => {
            ("a call may wait", longer(rules.concurrency.and_then(value).and_then(wait)))
        }
        // At the very end it would never begin.
        "hedge" => {
            let delay = value_of(&rules.hedge).and_then(delay);
            ("a hedge waits", delay.filter(|delay| *delay >= timeout))
        }
        // It is drawn from half of it on.
        "retry" => {
            let backoff = value_of(&rules.retry).and_then(|retry| retry.backoff);
            ("the pause before a retry is", backoff.filter(|pause| *pause / 2 >= timeout))
        }
        "breaker" => {
            let breaker = value_of(&rules.breaker).filter(|it| it.slow_rate.is_some());
            ("a call is slow from", longer(breaker.and_then(|breaker| breaker.slow)))
        }
        _ => return,
    };
    if let Some(part) = part {
        mistakes.add(
            values::at(entry),
            format!(
                "{what} {part:?}, and the whole call, by its `timeout`, takes {timeout:?} at most"
            ),
        );
    }
}

/// Nothing joins an attempt that is over by then.
fn check_tries(rules: &Rules, key: &str, entry: &Entry, mistakes: &mut Mistakes) {
    let Some(Setting::On(per_try)) = rules.per_try else { return };
    let delay = value_of(&rules.hedge).filter(|_| key == "hedge").and_then(delay);
    let is_whole = matches!(rules.timeout, Some(Setting::On(timeout)) if timeout <= per_try);
    if let Some(delay) = delay.filter(|delay| *delay >= per_try && !is_whole) {
        mistakes.add(
            values::at(entry),
            format!("a hedge waits {delay:?}, and an attempt, by its `per_try`, takes {per_try:?} at most"),
        );
    }
}

fn is_on<T>(setting: &Option<Setting<T>>) -> bool {
    value_of(setting).is_some()
}

fn value_of<T>(setting: &Option<Setting<T>>) -> Option<&T> {
    setting.as_ref().and_then(Setting::on)
}

fn value<T: Copy>(setting: Setting<T>) -> Option<T> {
    setting.on().copied()
}

fn wait(concurrency: Concurrency) -> Option<Duration> {
    match concurrency {
        Concurrency::Adaptive => None,
        Concurrency::Fixed { wait, .. } => Some(wait),
    }
}

fn delay(hedge: &Hedge) -> Option<Duration> {
    match hedge.after? {
        After::Delay(delay) => Some(delay),
        After::Percentile(_) => None,
    }
}
