//! The permit of an admitted call: it owes the breaker a verdict, and gives one when it is dropped.

use std::fmt;
use std::ops::Deref;
use std::time::Duration;

use crate::governance::Moment;
use crate::governance::outcome::{Judgement, Outcome};

use super::verdict::Verdict;
use super::why::Transition;

/// A call was let pass. Its end is to be told, once; a permit that is dropped was abandoned, and one
/// that a panic drops has failed.
///
/// `D` is how it holds on to its breaker: `&Breaker`, or `Arc<Breaker>` where it has to outlive the
/// borrow.
#[must_use = "a permit that is dropped counts as an abandoned call"]
pub struct Permit<D: Deref<Target: Machine>> {
    machine: D,
    token: Token,
}

/// What hands out permits.
pub trait Machine: sealed::Settles {}

pub(super) mod sealed {
    use super::{Duration, Judgement, Moment, Outcome, Token, Transition, Verdict};

    #[allow(unreachable_pub)] // it is sealed by that
    pub trait Settles {
        fn settle(
            &self,
            token: Token,
            verdict: Verdict,
            took: Duration,
            now: Moment,
        ) -> Option<Transition>;

        /// What an outcome says to it.
        fn judge(&self, token: Token, outcome: Outcome, had_own_time: bool) -> Judgement;
    }
}

/// What a machine has to know of a call that it let pass.
#[derive(Clone, Copy, Debug)]
#[allow(unreachable_pub)] // part of the sealed trait
pub struct Token {
    /// In which era it was let pass; 0 if nobody wants to know its end.
    pub(super) era: u32,
    pub(super) probe: u64,
    pub(super) begun: Moment,
}

/// No probe has this number.
const THROTTLE: u64 = u64::MAX;

impl Token {
    /// Of a call whose end nobody wants to know.
    pub(super) const UNHEARD: Self = Self { era: 0, probe: 0, begun: Moment::from_nanos(0) };

    /// Of a call that a throttle let pass: it knows no eras.
    pub(super) fn of_throttle(begun: Moment) -> Self {
        Self { era: 1, probe: THROTTLE, begun }
    }

    /// Whether a throttle let it pass.
    pub(super) fn is_of_throttle(self) -> bool {
        self.probe == THROTTLE
    }

    fn is_unheard(self) -> bool {
        self.era == 0
    }
}

impl<D: Deref<Target: Machine>> Permit<D> {
    pub(super) fn new(machine: D, token: Token) -> Self {
        Self { machine, token }
    }

    /// Says what became of the call, which took so long. If that changes the circuit's state, says
    /// how: nothing is locked any more, so whoever is told may ask the breaker.
    #[inline]
    pub fn settle(self, verdict: Verdict, took: Duration, now: Moment) -> Option<Transition> {
        let mut permit = self;
        permit.report(verdict, took, now)
    }

    /// Says how the call ended, and leaves it to the table of outcomes what that means to a breaker
    /// of this kind; `had_own_time` as in [`Outcome::judged`].
    #[inline]
    pub fn settle_outcome(
        self,
        outcome: Outcome,
        had_own_time: bool,
        took: Duration,
        now: Moment,
    ) -> Option<Transition> {
        let mut permit = self;
        permit.report_outcome(outcome, had_own_time, took, now)
    }

    /// The caller went away, or another attempt was faster, after so long.
    ///
    /// As a drop, which knows neither the time nor how long it was.
    pub fn abandon(self, waited: Duration, now: Moment) -> Option<Transition> {
        self.settle(Verdict::Abandoned, waited, now)
    }

    /// The breaker.
    pub fn breaker(&self) -> &D::Target {
        &self.machine
    }

    /// As [`settle_outcome`](Self::settle_outcome), where it is: a call keeps it in its future.
    #[inline]
    pub(crate) fn report_outcome(
        &mut self,
        outcome: Outcome,
        had_own_time: bool,
        took: Duration,
        now: Moment,
    ) -> Option<Transition> {
        let judgement = sealed::Settles::judge(&*self.machine, self.token, outcome, had_own_time);
        self.report(Verdict::of(outcome, judgement), took, now)
    }

    /// The call is not made, and nothing was counted of it: nobody wants to know how it ends.
    pub(crate) fn forget(&mut self) {
        self.token = Token::UNHEARD;
    }

    /// Whether nobody wants to know any more how the call ends.
    #[inline]
    pub(crate) fn is_settled(&self) -> bool {
        self.token.is_unheard()
    }

    /// As [`settle`](Self::settle), where it is; only the first report counts.
    #[inline]
    pub(crate) fn report(
        &mut self,
        verdict: Verdict,
        took: Duration,
        now: Moment,
    ) -> Option<Transition> {
        let token = std::mem::replace(&mut self.token, Token::UNHEARD);
        if token.is_unheard() {
            return None; // of a breaker that is switched off
        }
        sealed::Settles::settle(&*self.machine, token, verdict, took, now)
    }
}

impl<D: Deref<Target: Machine>> Drop for Permit<D> {
    #[inline]
    fn drop(&mut self) {
        if self.token.is_unheard() {
            return;
        }
        let verdict = match std::thread::panicking() {
            true => Verdict::Failure(Outcome::ServerFault),
            false => Verdict::Abandoned,
        };
        // The machine has seen a later moment, if there was one that matters.
        self.report(verdict, Duration::ZERO, self.token.begun);
    }
}

impl<D: Deref<Target: Machine>> fmt::Debug for Permit<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").field("token", &self.token).finish_non_exhaustive()
    }
}
