//! The breaker of a rule, whichever kind that asks for.

use std::ops::Deref;
use std::sync::OnceLock;
use std::time::Duration;

use crate::governance::Moment;
use crate::governance::outcome::{Judgement, Outcome};
use crate::governance::rules::{BreakerKind, BreakerRule};
use crate::governance::sync::atomic::{AtomicBool, Ordering};

use super::counts::Counts;
use super::machine::CircuitBreaker;
use super::open::CircuitOpen;
use super::permit::{Machine, Permit, Token, sealed};
use super::settings::BreakerSettings;
use super::snapshot::Snapshot;
use super::throttle::Throttle;
use super::verdict::Verdict;
use super::why::{Mode, State, Transition};

/// A [`CircuitBreaker`] or a [`Throttle`], as the rule says.
#[derive(Debug)]
pub struct Breaker {
    is_throttle: AtomicBool,
    trip: OnceLock<CircuitBreaker>,
    throttle: OnceLock<Throttle>,
    seed: u64,
}

/// The one in force.
enum Kind<'a> {
    Trip(&'a CircuitBreaker),
    Throttle(&'a Throttle),
}

impl Breaker {
    /// A closed one. The seed decides how openings are spread and whom a throttle refuses: a number
    /// of its own for each.
    pub fn new(rule: &BreakerRule, now: Moment, seed: u64) -> Self {
        let breaker = Self {
            is_throttle: AtomicBool::new(rule.kind == BreakerKind::Throttle),
            trip: OnceLock::new(),
            throttle: OnceLock::new(),
            seed,
        };
        match rule.kind {
            BreakerKind::Trip => {
                breaker.trip_or_new(rule, now);
            }
            BreakerKind::Throttle => {
                breaker.throttle_or_new(rule, now);
            }
        }
        breaker
    }

    /// Whether a call may be let pass; takes no probe.
    ///
    /// # Errors
    ///
    /// The refusal, if a circuit is open, or half-open and enough probes are under way.
    #[inline]
    pub fn peek(&self, now: Moment) -> Result<(), CircuitOpen> {
        match self.kind() {
            Kind::Trip(breaker) => breaker.peek(now),
            Kind::Throttle(throttle) => throttle.peek(now),
        }
    }

    /// Lets a call pass, which then owes a verdict.
    ///
    /// # Errors
    ///
    /// The refusal, of an open circuit or of a throttle.
    #[inline]
    pub fn admit<D: Deref<Target = Self>>(
        breaker: D,
        now: Moment,
    ) -> Result<Permit<D>, CircuitOpen> {
        if let Some(token) = breaker.pass(now) {
            return Ok(Permit::new(breaker, token));
        }
        let token = match breaker.kind() {
            Kind::Trip(breaker) => breaker.take(now),
            Kind::Throttle(throttle) => throttle.take(now),
        };
        token.map(|token| Permit::new(breaker, token))
    }

    /// Lets a call pass where all do; nothing is counted before its end.
    #[inline]
    pub(crate) fn admit_at_once<D: Deref<Target = Self>>(
        breaker: D,
        now: Moment,
    ) -> Option<Permit<D>> {
        let token = breaker.pass(now)?;
        Some(Permit::new(breaker, token))
    }

    #[inline]
    fn pass(&self, now: Moment) -> Option<Token> {
        match self.kind() {
            Kind::Trip(breaker) => breaker.pass(now),
            Kind::Throttle(throttle) => throttle.pass(now),
        }
    }

    /// The state at this moment; a throttle that is not forced is closed.
    pub fn state(&self, now: Moment) -> State {
        match self.kind() {
            Kind::Trip(breaker) => breaker.state(now),
            Kind::Throttle(throttle) => throttle.snapshot(now).state,
        }
    }

    /// What is counted, as of when it was last used.
    pub fn counts(&self) -> Counts {
        match self.kind() {
            Kind::Trip(breaker) => breaker.counts(),
            Kind::Throttle(throttle) => throttle.counts(),
        }
    }

    /// The server asks to be left alone for so long; see [`CircuitBreaker::push_back`].
    pub fn push_back(&self, wait: Duration, now: Moment) {
        if let Kind::Trip(breaker) = self.kind() {
            breaker.push_back(wait, now);
        }
    }

    /// What someone wants it to do from now on.
    pub fn force(&self, mode: Mode, now: Moment) -> Option<Transition> {
        match self.kind() {
            Kind::Trip(breaker) => breaker.force(mode, now),
            Kind::Throttle(throttle) => {
                throttle.force(mode, now);
                None
            }
        }
    }

    /// Another rule from now on. State and counts stay, as far as they mean anything to it: one of
    /// another kind begins anew, but what was forced stays forced.
    pub fn reconfigure(&self, rule: &BreakerRule, now: Moment) -> Option<Transition> {
        match (self.kind(), rule.kind) {
            (Kind::Trip(breaker), BreakerKind::Trip) => {
                breaker.reconfigure(BreakerSettings::from(rule), now)
            }
            (Kind::Throttle(throttle), BreakerKind::Throttle) => {
                throttle.reconfigure(rule, now);
                None
            }
            (Kind::Trip(breaker), BreakerKind::Throttle) => {
                let throttle = self.throttle_or_new(rule, now);
                throttle.restart(rule, now);
                throttle.force(breaker.mode(), now);
                self.is_throttle.store(true, Ordering::Release);
                None
            }
            (Kind::Throttle(throttle), BreakerKind::Trip) => {
                let breaker = self.trip_or_new(rule, now);
                breaker.restart(BreakerSettings::from(rule), now);
                breaker.force(throttle.mode(), now);
                self.is_throttle.store(false, Ordering::Release);
                None
            }
        }
    }

    /// Its transitions after that one, of which it remembers the last few.
    pub fn transitions_after(&self, number: u64) -> Vec<Transition> {
        match self.kind() {
            Kind::Trip(breaker) => breaker.transitions_after(number),
            Kind::Throttle(_) => Vec::new(),
        }
    }

    /// All of it, for people.
    pub fn snapshot(&self, now: Moment) -> Snapshot {
        match self.kind() {
            Kind::Trip(breaker) => breaker.snapshot(now),
            Kind::Throttle(throttle) => throttle.snapshot(now),
        }
    }

    #[inline]
    fn kind(&self) -> Kind<'_> {
        if self.is_throttle.load(Ordering::Acquire) {
            Kind::Throttle(self.throttle.get().expect(MADE))
        } else {
            Kind::Trip(self.trip.get().expect(MADE))
        }
    }

    fn trip_or_new(&self, rule: &BreakerRule, now: Moment) -> &CircuitBreaker {
        let new = || CircuitBreaker::new(BreakerSettings::from(rule), now, self.seed);
        self.trip.get_or_init(new)
    }

    fn throttle_or_new(&self, rule: &BreakerRule, now: Moment) -> &Throttle {
        self.throttle.get_or_init(|| Throttle::new(rule, now, self.seed))
    }
}

const MADE: &str = "a kind is made before it is the one in force";

impl Machine for Breaker {}

impl sealed::Settles for Breaker {
    #[inline]
    fn settle(
        &self,
        token: Token,
        verdict: Verdict,
        took: Duration,
        now: Moment,
    ) -> Option<Transition> {
        // To the one that let it pass, also if that is no longer in force.
        if token.is_of_throttle() {
            self.throttle.get()?.settle(token, verdict, took, now)
        } else {
            self.trip.get()?.settle(token, verdict, took, now)
        }
    }

    #[inline]
    fn judge(&self, token: Token, outcome: Outcome, had_own_time: bool) -> Judgement {
        if token.is_of_throttle() {
            outcome.judged_by_throttle(had_own_time)
        } else {
            outcome.judged(had_own_time)
        }
    }
}
