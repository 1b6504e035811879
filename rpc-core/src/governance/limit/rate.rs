//! The limit of calls per time that a rule asks for, of whatever kind.

use std::time::Duration;

use super::fixed::Fixed;
use super::leaky::Queue;
use super::limited::RateLimited;
use super::quota::Quota;
use super::shared::{Counted, Shared};
use super::sliding::Sliding;
use super::ticket::{Exhausted, Ticket};
use super::token::Tokens;
use crate::governance::Moment;
use crate::governance::moment::nanos;
use crate::governance::rules::{LimitKind, LimitRule};

/// A limit of calls per time, made from a rule and changed with it.
///
/// It refuses, or says how long to wait; the waiting is the caller's. What waits is counted as
/// taken, in the order of asking.
#[derive(Debug)]
pub struct RateLimiter {
    state: Shared<State>,
}

#[derive(Clone, Debug)]
struct State {
    quota: Quota,
    algorithm: Algorithm,
}

#[derive(Clone, Debug)]
enum Algorithm {
    Token(Tokens),
    Leaky(Queue),
    Fixed(Fixed),
    Sliding(Sliding),
}

/// How a limit stands, for people.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RateSnapshot {
    /// What it lets go.
    pub quota: Quota,
    /// How many would go now.
    pub available: u32,
    /// After what time the next single one goes, if nobody else comes; `None` if it never does.
    pub next: Option<Duration>,
}

impl RateLimiter {
    /// A limit as the rule says. The rule's `wait` and `key` are for whoever asks.
    pub fn new(rule: &LimitRule, now: Moment) -> Self {
        let quota = Quota::of(rule);
        let algorithm = Algorithm::new(&quota, now.as_nanos());
        Self { state: Shared::new(State { quota, algorithm }) }
    }

    /// Takes `n` permits for good, if they may go now; says whether they may.
    #[inline]
    pub fn allow(&self, n: u32, now: Moment) -> bool {
        self.state.allows(n, now.as_nanos())
    }

    /// Takes `n` permits, if they may go now.
    ///
    /// # Errors
    ///
    /// If not; nothing is taken then.
    #[inline]
    pub fn try_acquire(&self, n: u32, now: Moment) -> Result<Ticket, RateLimited> {
        self.reserve(n, Duration::ZERO, now)
    }

    /// Takes `n` permits that may go within `max_wait`; the ticket says when.
    ///
    /// # Errors
    ///
    /// If it would take longer, at once; nothing is taken then.
    #[inline]
    pub fn reserve(&self, n: u32, max_wait: Duration, now: Moment) -> Result<Ticket, RateLimited> {
        self.state.take(n, nanos(max_wait), now.as_nanos())
    }

    /// Gives back what was not used: a later step refused, or who waited went away.
    ///
    /// Never more than can be without exceeding the limit, which may be nothing: a leaky bucket only
    /// takes back its newest permits, a window only those it still covers, a token bucket keeps what
    /// it gained since.
    pub fn cancel(&self, ticket: Ticket, now: Moment) {
        self.state.lock().algorithm.give_back(&ticket, now.as_nanos());
    }

    /// Changes it to what the rule says now, without forgetting what has been let go.
    ///
    /// A limit that changes its kind lets go at once no more than it would have before, unless it
    /// was unused. Times that were given stay; what was not used of them is lost with the kind.
    pub fn reconfigure(&self, rule: &LimitRule, now: Moment) {
        let mut state = self.state.lock();
        state.quota = Quota::of(rule);
        let State { quota, algorithm } = &mut *state;
        algorithm.change(quota, now.as_nanos());
    }

    /// How it stands.
    pub fn snapshot(&self, now: Moment) -> RateSnapshot {
        let State { quota, mut algorithm } = self.state.copied();
        let available = whole(algorithm.available(now.as_nanos()));
        let next = match algorithm.take(1, 0, now.as_nanos()) {
            Ok(_) => Some(Duration::ZERO),
            Err(exhausted) => exhausted.retry_after,
        };
        RateSnapshot { quota, available, next }
    }
}

impl Counted for State {
    type Refusal = RateLimited;

    #[inline]
    fn take(&mut self, n: u32, max_wait: u64, now: u64) -> Result<Ticket, RateLimited> {
        self.algorithm.take(n, max_wait, now).map_err(|Exhausted { retry_after }| RateLimited {
            quota: self.quota,
            asked: n,
            retry_after,
        })
    }

    #[inline]
    fn tokens(&mut self) -> Option<&mut Tokens> {
        match &mut self.algorithm {
            Algorithm::Token(tokens) => Some(tokens),
            Algorithm::Leaky(_) | Algorithm::Fixed(_) | Algorithm::Sliding(_) => None,
        }
    }
}

impl Algorithm {
    fn new(quota: &Quota, now: u64) -> Self {
        let Quota { kind, rate, burst } = *quota;
        match kind {
            LimitKind::Token => Self::Token(Tokens::new(quota.per_second(), burst, now)),
            LimitKind::Leaky => Self::Leaky(Queue::new(quota.every(), burst)),
            LimitKind::Fixed => Self::Fixed(Fixed::new(rate.permits, quota.length(), now)),
            LimitKind::Sliding => Self::Sliding(Sliding::new(rate.permits, quota.length(), now)),
        }
    }

    /// One that lets go no more than `available` now.
    fn with_available(quota: &Quota, available: f64, now: u64) -> Self {
        let Quota { kind, rate, burst } = *quota;
        let (permits, length) = (rate.permits, quota.length());
        match kind {
            LimitKind::Token => {
                Self::Token(Tokens::with_available(quota.per_second(), burst, available, now))
            }
            LimitKind::Leaky => {
                Self::Leaky(Queue::with_available(quota.every(), burst, available, now))
            }
            LimitKind::Fixed => {
                Self::Fixed(Fixed::with_available(permits, length, whole(available), now))
            }
            LimitKind::Sliding => {
                Self::Sliding(Sliding::with_available(permits, length, whole(available), now))
            }
        }
    }

    #[inline]
    fn take(&mut self, n: u32, max_wait: u64, now: u64) -> Result<Ticket, Exhausted> {
        match self {
            Self::Token(tokens) => tokens.take(n, max_wait, now),
            Self::Leaky(queue) => queue.take(n, max_wait, now),
            Self::Fixed(window) => window.take(n, max_wait, now),
            Self::Sliding(windows) => windows.take(n, max_wait, now),
        }
    }

    /// Each kind looks whether the ticket is one of its own.
    fn give_back(&mut self, ticket: &Ticket, now: u64) {
        match self {
            Self::Token(tokens) => tokens.give_back(ticket, now),
            Self::Leaky(queue) => queue.give_back(ticket),
            Self::Fixed(window) => window.give_back(ticket),
            Self::Sliding(windows) => windows.give_back(ticket),
        }
    }

    fn change(&mut self, quota: &Quota, now: u64) {
        match (&mut *self, quota.kind) {
            (Self::Token(tokens), LimitKind::Token) => {
                tokens.set_rate(quota.per_second(), now);
                tokens.set_burst(quota.burst, now);
            }
            (Self::Leaky(queue), LimitKind::Leaky) => queue.set(quota.every(), quota.burst),
            (Self::Fixed(window), LimitKind::Fixed) => {
                window.set(quota.rate.permits, quota.length(), now);
            }
            (Self::Sliding(windows), LimitKind::Sliding) => {
                windows.set(quota.rate.permits, quota.length(), now);
            }
            _ => {
                *self = if self.is_full(now) {
                    Self::new(quota, now)
                } else {
                    Self::with_available(quota, self.available(now), now)
                }
            }
        }
    }

    /// How many may go now; below zero some have been promised.
    fn available(&mut self, now: u64) -> f64 {
        match self {
            Self::Token(tokens) => tokens.available(now),
            Self::Leaky(queue) => queue.available(now),
            Self::Fixed(window) => f64::from(window.available(now)),
            Self::Sliding(windows) => f64::from(windows.available(now)),
        }
    }

    /// Whether it is as good as unused.
    fn is_full(&mut self, now: u64) -> bool {
        match self {
            Self::Token(tokens) => tokens.is_full(now),
            Self::Leaky(queue) => queue.is_full(now),
            Self::Fixed(window) => window.is_full(now),
            Self::Sliding(windows) => windows.is_full(now),
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a cast saturates, and parts are not permits")]
fn whole(permits: f64) -> u32 {
    permits as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::governance::rules::Rate;
    use crate::status::{Code, Executed, Origin, Status};

    const START: Moment = Moment::from_nanos(0);

    fn limiter(permits: u32, burst: u32) -> RateLimiter {
        let rate = Rate { permits, per: Duration::from_secs(1) };
        RateLimiter::new(&LimitRule { burst: Some(burst), ..LimitRule::to(rate) }, START)
    }

    #[test]
    fn a_refusal_says_who_refused_and_when_to_come_back() {
        let limiter = limiter(500, 50);
        assert!(limiter.try_acquire(50, START).is_ok());
        let refusal = limiter.try_acquire(20, START).expect_err("the burst is used");
        assert_eq!(refusal.to_string(), "limit of 500/s (burst 50): retry in 40ms");
        assert_eq!(refusal.retry_after(), Some(Duration::from_millis(40)));
        let never = limiter.try_acquire(60, START).expect_err("more than the burst");
        assert_eq!(never.to_string(), "limit of 500/s (burst 50): 60 at once never pass");
    }

    #[test]
    fn as_a_status_it_is_a_refusal_of_this_process() {
        let limiter = limiter(1, 1);
        assert!(limiter.try_acquire(1, START).is_ok());
        let refusal = limiter.try_acquire(1, START).expect_err("it is used");
        let status: Status = refusal.into();
        assert_eq!(status.code(), Code::ResourceExhausted);
        assert_eq!(status.origin(), Origin::Client);
        assert_eq!(status.executed(), Executed::No);
        assert_eq!(status.retry_after(), Some(Duration::from_secs(1)));
        assert_eq!(status.message(), "limit of 1/s (burst 1): retry in 1s");
    }

    #[test]
    fn what_is_allowed_is_taken_and_what_is_not_is_left() {
        for kind in [LimitKind::Token, LimitKind::Leaky, LimitKind::Fixed, LimitKind::Sliding] {
            let rate = Rate { permits: 10, per: Duration::from_secs(1) };
            let rule = LimitRule { kind, burst: Some(10), ..LimitRule::to(rate) };
            let (allowing, handing) =
                (RateLimiter::new(&rule, START), RateLimiter::new(&rule, START));
            for n in [1, 4, 20, 4, 4, 1, 1] {
                let allowed = allowing.allow(n, START);
                assert_eq!(allowed, handing.try_acquire(n, START).is_ok(), "{kind:?}, {n}");
                assert_eq!(allowing.snapshot(START), handing.snapshot(START), "{kind:?}, {n}");
            }
        }
    }

    #[test]
    fn a_snapshot_says_how_it_stands() {
        let limiter = limiter(10, 2);
        let at = |millis| START.plus(Duration::from_millis(millis));
        assert_eq!(limiter.snapshot(at(0)).available, 2);
        assert!(limiter.reserve(2, Duration::MAX, at(0)).is_ok());
        assert!(limiter.reserve(1, Duration::MAX, at(0)).is_ok());
        let snapshot = limiter.snapshot(at(50));
        assert_eq!((snapshot.available, snapshot.next), (0, Some(Duration::from_millis(150))));
        assert_eq!(snapshot.quota.to_string(), "10/s (burst 2)");
    }

    #[test]
    fn a_ticket_is_small() {
        assert!(size_of::<Ticket>() <= 48, "{}", size_of::<Ticket>());
    }
}
