//! A breaker without states: it refuses a share of the calls, which grows with that of the failures.
//!
//! The adaptive throttling of *Site Reliability Engineering* (Beyer et al. 2016, chapter 21): of so
//! many requests of which `accepts` were answered, it refuses
//! `p = (requests - K * accepts) / (requests + 1)`, if that is more than nothing. It has no cliff,
//! so where one shard of many is ill the calls of the others mostly pass.

use std::fmt;
use std::ops::Deref;
use std::time::Duration;

use crate::governance::Moment;
use crate::governance::outcome::{Judgement, Outcome};
use crate::governance::rules::{BreakerRule, Share};
use crate::governance::sync::atomic::{AtomicBool, Ordering};
use crate::governance::sync::{Mutex, lock};

use super::counts::{Counts, Ending};
use super::open::CircuitOpen;
use super::permit::{Machine, Permit, Token, sealed};
use super::settings::BreakerSettings;
use super::snapshot::Snapshot;
use super::verdict::Verdict;
use super::why::{self, Mode, State, Transition};
use super::window::Window;

/// At most this share is refused: without calls it would not see that it is better.
/// As in failsafe-go.
pub const MAX_REFUSED: Share = Share::from_percent(90);

/// Failures from this share on are refused where no other is said: `K = 2`, as in the book.
const FAILURE_RATE: Share = Share::from_percent(50);

/// Refuses a growing share of calls while many fail.
///
/// `failure_rate` is the share from which on it refuses any: `K = 1 / (1 - failure_rate)`. `min_calls`
/// and `window` mean what they mean for a circuit breaker; the rest of the rule says nothing here.
///
/// Its own refusals are not requests: they don't feed it, so it recovers as its window rolls on
/// (those of go-zero did, and it did not).
pub struct Throttle {
    /// Whether nothing is refused, as of the last verdict: only another one can change that.
    ///
    /// Written under the lock only.
    is_passing: AtomicBool,
    core: Mutex<Core>,
}

struct Core {
    failure_rate: Share,
    min_calls: u32,
    mode: Mode,
    seen: Moment,
    since: Moment,
    window: Window,
    refused: u64,
    random: fastrand::Rng,
}

impl Throttle {
    /// One that has seen nothing. The seed decides whom it refuses.
    pub fn new(rule: &BreakerRule, now: Moment, seed: u64) -> Self {
        let window = BreakerSettings::from(rule).within_bounds().window;
        let core = Core {
            failure_rate: rule.failure_rate.unwrap_or(FAILURE_RATE),
            min_calls: rule.min_calls,
            mode: Mode::Automatic,
            seen: now,
            since: now,
            window: Window::new(window, now),
            refused: 0,
            random: fastrand::Rng::with_seed(seed),
        };
        Self { is_passing: AtomicBool::new(true), core: Mutex::new(core) }
    }

    /// Whether a call may be let pass. That is always possible, if not forced open: who is refused is
    /// drawn when it counts.
    ///
    /// # Errors
    ///
    /// The refusal, if it is forced open.
    pub fn peek(&self, now: Moment) -> Result<(), CircuitOpen> {
        if self.is_passing.load(Ordering::Acquire) {
            return Ok(());
        }
        self.with(|core| core.forced_open(now))
    }

    /// Lets a call pass, which then owes a verdict.
    ///
    /// # Errors
    ///
    /// The refusal of one of many.
    #[inline]
    pub fn admit<D: Deref<Target = Self>>(
        throttle: D,
        now: Moment,
    ) -> Result<Permit<D>, CircuitOpen> {
        match throttle.pass(now) {
            Some(token) => Ok(Permit::new(throttle, token)),
            None => throttle.take(now).map(|token| Permit::new(throttle, token)),
        }
    }

    /// Lets a call pass where all do.
    #[inline]
    pub(super) fn pass(&self, now: Moment) -> Option<Token> {
        self.is_passing.load(Ordering::Acquire).then(|| Token::of_throttle(now))
    }

    /// Lets a call pass, or not.
    #[cold]
    pub(super) fn take(&self, now: Moment) -> Result<Token, CircuitOpen> {
        self.with(|core| core.admit(now))
    }

    /// The share of calls that are refused at this moment.
    pub fn refused_share(&self, now: Moment) -> Share {
        self.with(|core| {
            core.tick(now);
            core.share()
        })
    }

    /// What is counted, as of when it was last used.
    pub fn counts(&self) -> Counts {
        *lock(&self.core).window.total()
    }

    /// What someone wants it to do from now on.
    pub fn force(&self, mode: Mode, now: Moment) {
        self.with(|core| {
            core.tick(now);
            if mode != core.mode {
                (core.mode, core.since) = (mode, core.seen);
            }
        });
    }

    pub(super) fn mode(&self) -> Mode {
        lock(&self.core).mode
    }

    /// Another rule from now on; what it has counted stays, as far as the new window covers that.
    pub fn reconfigure(&self, rule: &BreakerRule, now: Moment) {
        self.with(|core| {
            core.tick(now);
            core.failure_rate = rule.failure_rate.unwrap_or(FAILURE_RATE);
            core.min_calls = rule.min_calls;
            let window = BreakerSettings::from(rule).within_bounds().window;
            core.window.change(window, core.seen);
        });
    }

    /// Begins anew, as a new one would.
    pub(super) fn restart(&self, rule: &BreakerRule, now: Moment) {
        self.reconfigure(rule, now);
        self.with(|core| core.window.restart(core.seen));
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
        let is_passing = core.is_passing();
        if self.is_passing.load(Ordering::Relaxed) != is_passing {
            self.is_passing.store(is_passing, Ordering::Release);
        }
        done
    }
}

impl Core {
    #[inline]
    fn tick(&mut self, now: Moment) {
        self.seen = self.seen.max(now);
        self.window.roll(self.seen);
    }

    fn is_passing(&self) -> bool {
        matches!(self.mode, Mode::Automatic | Mode::MetricsOnly) && self.share() == Share::ZERO
    }

    /// The share that is refused, of what is counted now.
    fn share(&self) -> Share {
        let counts = self.window.total();
        if counts.successes == counts.requests && counts.abandoned == 0 {
            return Share::ZERO; // nearly always
        }
        let abandoned =
            if why::is_abandoned(counts, self.min_calls) { counts.abandoned } else { 0 };
        let requests = counts.requests.saturating_add(abandoned);
        if requests < self.min_calls {
            return Share::ZERO;
        }
        let (requests, accepts) = (f64::from(requests), f64::from(counts.successes));
        let kept = 1.0 - self.failure_rate.as_f64();
        // With a failure rate of 100 % any answer is enough.
        let expected = if accepts == 0.0 { 0.0 } else { accepts / kept };
        let share = ((requests - expected) / (requests + 1.0)).clamp(0.0, MAX_REFUSED.as_f64());
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "from 0 to 0.9"
        )]
        let millionths = (share * 1e6) as u32;
        Share::from_millionths(millionths)
    }

    fn forced_open(&mut self, now: Moment) -> Result<(), CircuitOpen> {
        self.tick(now);
        if self.mode != Mode::ForcedOpen {
            return Ok(());
        }
        Err(CircuitOpen::new(State::ForcedOpen, self.seen.since(self.since), None, None))
    }

    fn admit(&mut self, now: Moment) -> Result<Token, CircuitOpen> {
        self.forced_open(now).inspect_err(|_| self.refused += 1)?;
        if self.mode == Mode::ForcedClosed {
            return Ok(Token::UNHEARD);
        }
        let share = self.share();
        if share != Share::ZERO && self.random.u32(0..1_000_000) < share.as_millionths() {
            self.refused += 1;
            return match self.mode {
                Mode::MetricsOnly => Ok(Token::UNHEARD),
                _ => Err(CircuitOpen::throttled(share)),
            };
        }
        Ok(Token::of_throttle(self.seen))
    }

    #[inline]
    fn settle(&mut self, verdict: Verdict, now: Moment) {
        self.tick(now);
        if matches!(self.mode, Mode::Automatic | Mode::MetricsOnly) {
            self.window.end(Ending { verdict, slow: false });
        }
    }

    fn snapshot(&self) -> Snapshot {
        Snapshot {
            state: match self.mode {
                Mode::ForcedOpen => State::ForcedOpen,
                Mode::ForcedClosed => State::ForcedClosed,
                Mode::Automatic | Mode::MetricsOnly => State::Closed,
            },
            is_metrics_only: self.mode == Mode::MetricsOnly,
            since: self.seen.since(self.since),
            retry_after: None,
            counts: *self.window.total(),
            window: self.window.lookback(),
            probes_out: 0,
            probes: 0,
            refused: self.refused,
            transitions: 0,
            opened: None,
            refused_share: Some(self.share()),
        }
    }
}

impl Machine for Throttle {}

impl sealed::Settles for Throttle {
    #[inline]
    fn settle(
        &self,
        _token: Token,
        verdict: Verdict,
        _took: Duration,
        now: Moment,
    ) -> Option<Transition> {
        self.with(|core| core.settle(verdict, now));
        None
    }

    #[inline]
    fn judge(&self, _token: Token, outcome: Outcome, had_own_time: bool) -> Judgement {
        outcome.judged_by_throttle(had_own_time)
    }
}

impl fmt::Debug for Throttle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let core = lock(&self.core);
        let (share, counts) = (core.share(), core.window.total());
        f.debug_struct("Throttle").field("refused_share", &share).field("counts", counts).finish()
    }
}
