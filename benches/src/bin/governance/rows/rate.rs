//! Limits of calls per time.

use std::cell::Cell;
use std::hint::black_box;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use governor::nanos::Nanos;
use governor::{Quota, RateLimiter as Governor};
use rpc_core::governance::Moment;
use rpc_core::governance::limit::RateLimiter;
use rpc_core::governance::rules::{LimitKind, LimitRule, Rate};
use tower::Layer;
use tower_resilience::ratelimiter::{RateLimiterLayer, WindowType};

use crate::service::{Answers, Call, call};
use crate::suite::{Clock, Suite};
use crate::wanted::TOKEN_BUCKET;

/// More than a thread can make.
pub(super) const PLENTY: u32 = 1_000_000_000;
const SECOND: Duration = Duration::from_secs(1);
/// As good as never: one call in eleven days.
const RARE: Duration = Duration::from_secs(1_000_000);

pub(super) fn rows(suite: &mut Suite) {
    ours(suite, TOKEN_BUCKET, LimitKind::Token);
    suite.bench(TOKEN_BUCKET, "governor", Clock::Told, governor(quota()));
    let by_its_clock = Arc::new(Governor::direct(quota()));
    suite.bench(TOKEN_BUCKET, "governor, by its clock", Clock::Own, move |_| {
        by_its_clock.check().expect("there is plenty");
    });
    let bucket = RateLimiterLayer::burst(PLENTY as usize, PLENTY as usize);
    let bucket = bucket.build().expect("it is valid").layer(Answers);
    suite.bench(TOKEN_BUCKET, "tower-resilience (service)", Clock::Own, passes(bucket));

    at_its_rate(suite);
    refusals(suite);

    ours(suite, "leaky bucket", LimitKind::Leaky);

    ours(suite, "fixed window", LimitKind::Fixed);
    let mut tower = tower::limit::RateLimit::new(
        Answers,
        tower::limit::rate::Rate::new(u64::from(PLENTY), SECOND),
    );
    suite.bench_alone("fixed window", "tower (service)", Clock::Own, move |_| {
        call(&mut tower, Call::Works).expect("there is plenty");
    });
    let fixed = passes(tower_resilience(WindowType::Fixed).layer(Answers));
    suite.bench("fixed window", "tower-resilience (service)", Clock::Own, fixed);

    ours(suite, "sliding window", LimitKind::Sliding);
    let sliding = passes(tower_resilience(WindowType::SlidingCounter).layer(Answers));
    suite.bench("sliding window", "tower-resilience (service)", Clock::Own, sliding);
}

fn ours(suite: &mut Suite, what: &'static str, kind: LimitKind) {
    let limiter = Arc::new(RateLimiter::new(&LimitRule { kind, ..rule() }, suite.now()));
    suite.bench(what, "ours", Clock::Told, move |now| {
        let ticket = limiter.try_acquire(1, now).expect("there is plenty");
        black_box(ticket.wait());
    });
}

/// A limit that is used up and asked for a little more than it allows: nine of ten calls pass on one
/// thread, and fewer than half on two. Between two calls it gains a part of a permit.
fn at_its_rate(suite: &mut Suite) {
    const WHAT: &str = "token bucket, at its rate";
    let rate = Rate { permits: 900_000, per: SECOND };
    let rule = LimitRule { burst: Some(100), ..LimitRule::to(rate) };
    let limiter = Arc::new(RateLimiter::new(&rule, suite.now()));
    suite.bench(WHAT, "ours", Clock::Told, move |now| {
        black_box(limiter.try_acquire(1, now).is_ok());
    });
    let some = |number| NonZeroU32::new(number).expect("it is not zero");
    let quota = Quota::per_second(some(rate.permits)).allow_burst(some(100));
    let limiter = Arc::new(Governor::direct_with_clock(quota, ToldClock));
    suite.bench(WHAT, "governor", Clock::Told, move |now| {
        ToldClock::tell(now);
        black_box(limiter.check().is_ok());
    });
}

/// A limit that refuses makes its refusal, and nothing of it is formatted.
fn refusals(suite: &mut Suite) {
    let rate = Rate { permits: 1, per: RARE };
    let rule = LimitRule { burst: Some(1), ..LimitRule::to(rate) };
    let limiter = Arc::new(RateLimiter::new(&rule, suite.now()));
    limiter.try_acquire(1, suite.now()).expect("the first one passes");
    suite.bench("token bucket, refusal", "ours", Clock::Told, move |now| {
        let refusal = limiter.try_acquire(1, now).expect_err("it is used");
        black_box(refusal.retry_after());
    });
    let quota = Quota::with_period(RARE).expect("it is not zero");
    let limiter = Governor::direct_with_clock(quota, ToldClock);
    ToldClock::tell(suite.now());
    limiter.check().expect("the first one passes");
    let limiter = Arc::new(limiter);
    suite.bench("token bucket, refusal", "governor", Clock::Told, move |now| {
        ToldClock::tell(now);
        let refusal = limiter.check().expect_err("it is used");
        black_box(refusal.earliest_possible());
    });
}

/// A rule that refuses nobody.
pub(super) fn rule() -> LimitRule {
    let rate = Rate { permits: PLENTY, per: SECOND };
    LimitRule { burst: Some(PLENTY), ..LimitRule::to(rate) }
}

/// Governor's quota that refuses nobody.
pub(super) fn quota() -> Quota {
    Quota::per_second(NonZeroU32::new(PLENTY).expect("it is plenty"))
}

fn governor(quota: Quota) -> impl FnMut(Moment) + Clone + Send + 'static {
    let limiter = Arc::new(Governor::direct_with_clock(quota, ToldClock));
    move |now| {
        ToldClock::tell(now);
        limiter.check().expect("there is plenty");
    }
}

fn tower_resilience(kind: WindowType) -> RateLimiterLayer {
    let builder = RateLimiterLayer::builder().limit_for_period(PLENTY as usize);
    builder.refresh_period(SECOND).window_type(kind).build().expect("it is valid")
}

/// Calls of a service that lets all pass.
pub(super) fn passes<S>(mut service: S) -> impl FnMut(Moment) + Clone + Send + 'static
where
    S: tower::Service<Call, Error: std::fmt::Debug> + Clone + Send + 'static,
{
    move |_| {
        black_box(call(&mut service, black_box(Call::Works)).is_ok());
    }
}

/// A clock for governor that each thread is told: its own `FakeRelativeClock` moves by an atomic
/// operation, which is as dear as the limiter.
#[derive(Clone, Copy, Debug)]
pub(super) struct ToldClock;

thread_local! {
    static NOW: Cell<u64> = const { Cell::new(0) };
}

impl ToldClock {
    #[inline]
    pub(super) fn tell(now: Moment) {
        NOW.set(now.as_nanos());
    }
}

impl governor::clock::Clock for ToldClock {
    type Instant = Nanos;

    #[inline]
    fn now(&self) -> Nanos {
        Nanos::new(NOW.get())
    }
}
