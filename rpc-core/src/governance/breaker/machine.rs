//! The circuit breaker: its core behind a lock, and one word beside it that says whether calls pass.

use std::fmt;
use std::ops::Deref;
use std::time::Duration;

use crate::governance::Moment;
use crate::governance::outcome::{Judgement, Outcome};
use crate::governance::sync::atomic::{AtomicU64, Ordering};
use crate::governance::sync::{Mutex, lock};

use super::core::Core;
use super::counts::Counts;
use super::open::CircuitOpen;
use super::permit::{Machine, Permit, Token, sealed};
use super::settings::BreakerSettings;
use super::snapshot::Snapshot;
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
    /// The generation in which every call passes without being counted yet, or 0.
    ///
    /// Written under the lock only. It may be out of date by the time it is used, which is as if
    /// the call had come a little earlier: the core compares generations when it ends.
    passing: AtomicU64,
    core: Mutex<Core>,
}

impl CircuitBreaker {
    /// A closed one. The seed decides how openings are spread: a number of its own for each.
    pub fn new(settings: BreakerSettings, now: Moment, seed: u64) -> Self {
        let core = Core::new(settings, now, seed);
        Self { passing: AtomicU64::new(core.passing()), core: Mutex::new(core) }
    }

    /// Whether a call would be let pass; takes no probe.
    ///
    /// # Errors
    ///
    /// The refusal, if the circuit is open, or half-open and enough probes are under way.
    #[inline]
    pub fn peek(&self, now: Moment) -> Result<(), CircuitOpen> {
        if self.passing.load(Ordering::Acquire) != 0 {
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
        let generation = self.passing.load(Ordering::Acquire);
        (generation != 0).then_some(Token { generation, probe: 0, begun: now })
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
        *lock(&self.core).counts()
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

    #[inline]
    fn with<T>(&self, act: impl FnOnce(&mut Core) -> T) -> T {
        let mut core = lock(&self.core);
        let done = act(&mut core);
        // Nearly always unchanged, and a store would take the line from the other cores.
        if self.passing.load(Ordering::Relaxed) != core.passing() {
            self.passing.store(core.passing(), Ordering::Release);
        }
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
        if verdict == Verdict::Success && lock(&self.core).count_success(token, took, now) {
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
        let core = lock(&self.core);
        f.debug_struct("CircuitBreaker")
            .field("state", &core.state())
            .field("generation", &core.generation())
            .field("counts", core.counts())
            .finish()
    }
}
