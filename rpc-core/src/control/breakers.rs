//! The step that asks a breaker: one for a method, or one for each value of a key; and who holds them.

use std::sync::Arc;

use super::steps::{Asking, ByKey, Held};
use crate::governance::Moment;
use crate::governance::breaker::{Breaker, CircuitOpen, Mode, State};
use crate::governance::rules::BreakerRule;

/// The breaker of a method.
#[derive(Debug)]
pub(crate) struct BreakerStep {
    pub(crate) rule: BreakerRule,
    pub(crate) breakers: Arc<ByKey<Breaker>>,
    pub(crate) forced: Option<Arc<Forced>>,
}

/// What a person wants a method's breakers to do, for a while.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Forced {
    pub(crate) mode: Mode,
    pub(crate) by: Arc<str>,
    pub(crate) expires: Moment,
}

impl BreakerStep {
    /// By this rule; what `before` has seen goes on to count.
    pub(super) fn new(
        rule: &BreakerRule,
        forced: Option<Arc<Forced>>,
        before: Option<&Self>,
        now: Moment,
    ) -> Self {
        let mode = mode(forced.as_deref());
        let breakers = ByKey::renewed(
            rule.key.as_ref(),
            before.map(|before| &before.breakers),
            |breaker| {
                breaker.reconfigure(rule, now);
                breaker.force(mode, now);
            },
            || breaker(rule, mode, now),
        );
        Self { rule: rule.clone(), breakers, forced }
    }

    /// The breaker of this call.
    #[inline(always)]
    pub(crate) fn of(&self, asking: &Asking<'_>) -> Held<'_, Breaker> {
        let mode = || mode(self.forced.as_deref());
        self.breakers.of(asking, || breaker(&self.rule, mode(), asking.now))
    }

    /// The same refusal, which says whose breaker it is, and who forces it.
    pub(crate) fn explained(&self, refusal: CircuitOpen, asking: &Asking<'_>) -> CircuitOpen {
        let refusal = refusal.of(self.breakers.whose(asking));
        match &self.forced {
            Some(forced) if refusal.state() == State::ForcedOpen => {
                refusal.forced_by(forced.by.clone(), forced.expires.since(asking.now))
            }
            _ => refusal,
        }
    }
}

fn mode(forced: Option<&Forced>) -> Mode {
    forced.map_or(Mode::Automatic, |forced| forced.mode)
}

/// A breaker whose jitter is its own.
fn breaker(rule: &BreakerRule, mode: Mode, now: Moment) -> Breaker {
    let breaker = Breaker::new(rule, now, fastrand::u64(..));
    breaker.force(mode, now);
    breaker
}
