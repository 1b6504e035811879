//! The circuit breaker: its core behind a lock, and a word beside it that is all a call looks at while all
//! is well.

use std::fmt;
use std::ops::Deref;
use std::time::Duration;

use crate::governance::Moment;
use crate::governance::outcome::{Judgement, Outcome};
use crate::governance::sync::{Mutex, lock};

use super::core::Core;
use super::counts::Counts;
use super::open::CircuitOpen;
use super::permit::{Machine, Permit, Token, sealed};
use super::settings::BreakerSettings;
use super::snapshot::Snapshot;
use super::successes::Successes;
use super::verdict::Verdict;
use super::why::{Mode, State, Transition};

/// A circuit breaker: closed, open, half-open.
///
/// ```
/// use std::time::Duration;
/// use rpc_core::governance::Moment;
/// use rpc_core::governance::breaker::{BreakerSettings, CircuitBreaker, State, Verdict};
/// use rpc_core::governance::outcome::Outcome;
///
/// let mut settings = BreakerSettings::default();
/// settings.consecutive = Some(1);
/// let now = Moment::default();
/// let breaker = CircuitBreaker::new(settings, now, 7);
///
/// let permit = CircuitBreaker::admit(&breaker, now).expect("it is closed");
/// let took = Duration::from_millis(3);
/// let change = permit.settle(Verdict::Failure(Outcome::TransportFailure), took, now);
/// assert_eq!(change.expect("one is enough").to, State::Open);
///
/// let refusal = CircuitBreaker::admit(&breaker, now).expect_err("it is open");
/// let later = now.plus(refusal.retry_after().expect("it opens by itself"));
/// assert!(CircuitBreaker::admit(&breaker, later).is_ok());
/// ```
pub struct CircuitBreaker {
    successes: Successes,
    core: Mutex<Core>,
}

impl CircuitBreaker {
    /// A closed one. The seed decides how openings are spread: a number of its own for each.
    pub fn new(settings: BreakerSettings, now: Moment, seed: u64) -> Self {
        let core = Core::new(settings, now, seed);
        Self { successes: Successes::new(core.terms()), core: Mutex::new(core) }
    }

    /// Whether a call would be let pass; takes no probe.
    ///
    /// # Errors
    ///
    /// The refusal, if the circuit is open, or half-open and enough probes are under way.
    #[inline]
    pub fn peek(&self, now: Moment) -> Result<(), CircuitOpen> {
        if self.successes.is_passing() {
            return Ok(());
        }
        self.with(|core| core.peek(now))
    }

    /// Lets a call pass, which then owes a verdict.
    ///
    /// # Errors
    ///
    /// The refusal, if the circuit is open, or half-open and enough probes are under way.
    #[inline]
    pub fn admit<D: Deref<Target = Self>>(
        breaker: D,
        now: Moment,
    ) -> Result<Permit<D>, CircuitOpen> {
        match breaker.pass(now) {
            Some(token) => Ok(Permit::new(breaker, token)),
            None => breaker.take(now).map(|token| Permit::new(breaker, token)),
        }
    }

    /// Lets a call pass where all do.
    #[inline]
    pub(super) fn pass(&self, now: Moment) -> Option<Token> {
        self.successes.passing(now).map(|era| Token { era, probe: 0, begun: now })
    }

    /// Lets a call pass, or not.
    #[cold]
    pub(super) fn take(&self, now: Moment) -> Result<Token, CircuitOpen> {
        self.with(|core| core.admit(now))
    }

    /// The state at this moment.
    pub fn state(&self, now: Moment) -> State {
        self.with(|core| {
            core.tick(now);
            core.state()
        })
    }

    /// What is counted in this generation, as of when it was last used.
    pub fn counts(&self) -> Counts {
        self.with(|core| *core.counts())
    }

    /// The number of this generation, as of when it was last used: each change of state begins
    /// one, and each end of a fixed window.
    pub fn generation(&self) -> u64 {
        lock(&self.core).generation()
    }

    /// The server asks to be left alone for so long: an opening may last longer for it, within the
    /// longest one. A circuit that is not open stays so.
    pub fn push_back(&self, wait: Duration, now: Moment) {
        self.with(|core| core.push_back(wait, now));
    }

    /// What someone wants it to do from now on. It begins anew, except between working and only
    /// counting what it would do.
    pub fn force(&self, mode: Mode, now: Moment) -> Option<Transition> {
        self.with(|core| core.force(mode, now))
    }

    /// Other settings from now on. Its state stays, and so does what it has counted, as far as the
    /// new window covers that.
    pub fn reconfigure(&self, settings: BreakerSettings, now: Moment) -> Option<Transition> {
        self.with(|core| core.reconfigure(settings, now))
    }

    pub(super) fn restart(&self, settings: BreakerSettings, now: Moment) {
        self.with(|core| core.restart(settings, now));
    }

    pub(super) fn mode(&self) -> Mode {
        lock(&self.core).mode()
    }

    /// Its transitions after that one, of which it remembers the last few. Those that time makes
    /// (open to half-open) are found when it is next used.
    pub fn transitions_after(&self, number: u64) -> Vec<Transition> {
        lock(&self.core).transitions_after(number)
    }

    /// All of it, for people.
    pub fn snapshot(&self, now: Moment) -> Snapshot {
        self.with(|core| {
            core.tick(now);
            core.snapshot()
        })
    }

    fn with<T>(&self, act: impl FnOnce(&mut Core) -> T) -> T {
        let mut core = lock(&self.core);
        core.succeed(self.successes.take());
        let done = act(&mut core);
        self.successes.go_on(core.terms());
        done
    }
}

impl Machine for CircuitBreaker {}

impl sealed::Settles for CircuitBreaker {
    #[inline]
    fn settle(
        &self,
        token: Token,
        verdict: Verdict,
        took: Duration,
        now: Moment,
    ) -> Option<Transition> {
        if verdict == Verdict::Success && self.successes.count(token.era, took, now) {
            return None;
        }
        self.with(|core| core.settle(token, verdict, took, now))
    }

    #[inline]
    fn judge(&self, _token: Token, outcome: Outcome, had_own_time: bool) -> Judgement {
        outcome.judged(had_own_time)
    }
}

impl fmt::Debug for CircuitBreaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.with(|core| {
            f.debug_struct("CircuitBreaker")
                .field("state", &core.state())
                .field("generation", &core.generation())
                .field("counts", core.counts())
                .finish()
        })
    }
}

#[cfg(all(test, not(model)))]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::governance::breaker::Lookback;
    use crate::governance::rules::Share;

    const NS: Duration = Duration::from_nanos(1);

    fn settings(window: Lookback, slow_rate: Option<Share>) -> BreakerSettings {
        BreakerSettings {
            failure_rate: Some(Share::from_percent(50)),
            slow_rate,
            slow: NS * 10,
            consecutive: Some(4),
            min_calls: 5,
            window,
            open: NS * 30,
            max_open: NS * 100,
            ..BreakerSettings::default()
        }
    }

    fn windows() -> impl Strategy<Value = Lookback> {
        prop_oneof![
            Just(Lookback::Everything),
            Just(Lookback::Fixed(NS * 50)),
            Just(Lookback::Calls(8)),
            Just(Lookback::Rolling { bucket: NS * 10, buckets: 5 }),
        ]
    }

    #[derive(Clone, Debug)]
    enum Step {
        Begin,
        /// The call of this place among those under way.
        End(usize, Verdict),
        Look,
        Reconfigure(Lookback),
    }

    fn steps() -> impl Strategy<Value = Step> {
        let verdict = prop_oneof![
            6 => Just(Verdict::Success),
            2 => Just(Verdict::Failure(Outcome::ServerFault)),
            1 => Just(Verdict::Abandoned),
            1 => Just(Verdict::Neutral),
        ];
        prop_oneof![
            12 => Just(Step::Begin),
            12 => (any::<prop::sample::Index>(), verdict)
                .prop_map(|(place, verdict)| Step::End(place.index(1 << 16), verdict)),
            2 => Just(Step::Look),
            1 => windows().prop_map(Step::Reconfigure),
        ]
    }

    /// Each call found the window of the one before, was let pass as one of its generation, and ended in
    /// another: nothing was ever counted.
    #[test]
    fn calls_rarer_than_a_fixed_window_are_counted_all_the_same() {
        let mut now = Moment::default();
        let breaker = CircuitBreaker::new(settings(Lookback::Fixed(NS * 50), None), now, 7);
        for _ in 0..3 {
            now = now.plus(NS * 60);
            let permit = CircuitBreaker::admit(&breaker, now).expect("it is closed");
            permit.settle(Verdict::Failure(Outcome::ServerFault), NS, now.plus(NS));
            assert_eq!(breaker.counts().failures, 1);
        }
    }

    proptest! {
        /// To count a success beside the lock is to settle it, whatever comes before and after.
        #[test]
        fn a_success_beside_the_lock_is_one_under_it(
            window in windows(),
            slow_rate in prop::option::of(Just(Share::from_percent(50))),
            steps in prop::collection::vec((0u32..12, steps()), 1..300),
        ) {
            let mut now = Moment::from_nanos(100);
            let new = || CircuitBreaker::new(settings(window, slow_rate), now, 7);
            let (beside, under) = (new(), new());
            let mut calls = Vec::new();
            for (passed, step) in steps {
                now = now.plus(NS * passed);
                match step {
                    Step::Begin => {
                        let one = beside.pass(now).map_or_else(|| beside.take(now), Ok);
                        let other = under.take(now);
                        prop_assert_eq!(one.is_ok(), other.is_ok());
                        calls.extend(one.ok().zip(other.ok()).map(|both| (both, now)));
                    }
                    Step::End(place, verdict) if !calls.is_empty() => {
                        let ((one, other), begun) = calls.swap_remove(place % calls.len());
                        let took = now.since(begun);
                        let got = sealed::Settles::settle(&beside, one, verdict, took, now);
                        let expected = under.with(|core| core.settle(other, verdict, took, now));
                        let to = |change: Option<Transition>| change.map(|change| change.to);
                        prop_assert_eq!(to(got), to(expected));
                    }
                    Step::End(..) => {}
                    Step::Look => {
                        prop_assert_eq!(beside.counts(), under.counts());
                        prop_assert_eq!(beside.state(now), under.state(now));
                        prop_assert_eq!(beside.generation(), under.generation());
                    }
                    Step::Reconfigure(window) => {
                        beside.reconfigure(settings(window, slow_rate), now);
                        under.reconfigure(settings(window, slow_rate), now);
                    }
                }
            }
            prop_assert_eq!(beside.counts(), under.counts());
        }
    }
}
