//! Circuit breakers: to admit a call and to settle it, where all is well, and to refuse one.
//!
//! The time window of `tower-resilience` is not here: it keeps a record of each call and adds them all up at each
//! call, so at this rate it would never come to an end.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use failsafe::{CircuitBreaker as _, Config, StateMachine, backoff, clock, failure_policy};
use rpc_core::governance::Moment;
use rpc_core::governance::breaker::{Breaker, Verdict};
use rpc_core::governance::outcome::Outcome;
use rpc_core::governance::rules::{BreakerKind, BreakerRule, Share, Window};
use tower::Layer;
use tower_resilience::circuitbreaker::{CircuitBreakerLayer, FailureModel};

use super::rate::passes;
use crate::service::{Answers, Call, call};
use crate::suite::{Clock, Suite};

/// What a call took.
const TOOK: Duration = Duration::from_micros(200);
/// An opening that outlasts the benchmark.
const LONG: Duration = Duration::from_secs(1_000_000);
const SEED: u64 = 7;

const CONSECUTIVE: BreakerRule =
    BreakerRule { failure_rate: None, consecutive: Some(5), ..BreakerRule::DEFAULT };
const LAST_CALLS: BreakerRule = BreakerRule { window: Window::Calls(100), ..BreakerRule::DEFAULT };
const EVERYTHING: BreakerRule = BreakerRule {
    consecutive: Some(5),
    slow_rate: Some(Share::from_percent(50)),
    ..BreakerRule::DEFAULT
};
const THROTTLE: BreakerRule = BreakerRule { kind: BreakerKind::Throttle, ..BreakerRule::DEFAULT };

pub(super) fn rows(suite: &mut Suite) {
    let what = "breaker closed, consecutive";
    ours(suite, what, &CONSECUTIVE);
    let policy = failure_policy::consecutive_failures(5, backoff::constant(LONG));
    let failsafe = Config::new().failure_policy(policy).build();
    suite.bench(what, "failsafe", Clock::Needless, move |_| {
        failsafe.call(|| black_box(Ok::<_, ()>(()))).expect("it is closed");
    });
    let resilience = CircuitBreakerLayer::builder()
        .failure_model(FailureModel::ConsecutiveFailures { k: 5 })
        .build();
    let resilience = resilience.expect("it is valid").layer(Answers);
    suite.bench(what, "tower-resilience (service)", Clock::Own, passes(resilience));

    let what = "breaker closed, rate in 10 s";
    ours(suite, what, &BreakerRule::DEFAULT);
    let failsafe = failsafe_by_rate();
    suite.bench_windows_alone(what, "failsafe", Clock::Frozen, move |calls| {
        clock::freeze(|_| {
            for _ in 0..calls {
                failsafe.call(|| black_box(Ok::<_, ()>(()))).expect("it is closed");
            }
        });
    });
    let failsafe = failsafe_by_rate();
    suite.bench(what, "failsafe, by its clock", Clock::Own, move |_| {
        failsafe.call(|| black_box(Ok::<_, ()>(()))).expect("it is closed");
    });

    let what = "breaker closed, rate of 100";
    ours(suite, what, &LAST_CALLS);
    let resilience = CircuitBreakerLayer::standard().build().expect("it is valid").layer(Answers);
    suite.bench(what, "tower-resilience (service)", Clock::Own, passes(resilience));

    ours(suite, "breaker closed, all thresholds", &EVERYTHING);
    ours(suite, "throttle", &THROTTLE);
    refusals(suite);
}

fn ours(suite: &mut Suite, what: &'static str, rule: &BreakerRule) {
    let breaker = Arc::new(Breaker::new(rule, suite.now(), SEED));
    suite.bench(what, "ours", Clock::Told, move |now| {
        let permit = Breaker::admit(&*breaker, now).expect("it is closed");
        let change = permit.settle_outcome(black_box(Outcome::Success), true, black_box(TOOK), now);
        assert!(change.is_none(), "all is well");
    });
}

/// An open breaker makes its refusal, and nothing of it is formatted.
fn refusals(suite: &mut Suite) {
    let what = "breaker open, refusal";
    let rule =
        BreakerRule { consecutive: Some(1), open: LONG, max_open: LONG, ..BreakerRule::DEFAULT };
    let breaker = Arc::new(Breaker::new(&rule, suite.now(), SEED));
    let permit = Breaker::admit(&*breaker, suite.now()).expect("it is closed");
    let failure = Verdict::Failure(Outcome::TransportFailure);
    permit.settle(failure, TOOK, suite.now()).expect("one is enough");
    suite.bench(what, "ours", Clock::Told, move |now: Moment| {
        let refusal = Breaker::admit(&*breaker, now).expect_err("it is open");
        black_box(refusal.retry_after());
    });

    let policy = failure_policy::consecutive_failures(1, backoff::constant(LONG));
    let failsafe = Config::new().failure_policy(policy).build();
    failsafe.call(|| Err::<(), _>(())).expect_err("it fails");
    suite.bench_windows(what, "failsafe", Clock::Frozen, move |calls| {
        clock::freeze(|_| {
            for _ in 0..calls {
                failsafe.call(|| black_box(Ok::<_, ()>(()))).expect_err("it is open");
            }
        });
    });

    let resilience = CircuitBreakerLayer::builder()
        .failure_model(FailureModel::ConsecutiveFailures { k: 1 })
        .wait_duration_in_open(LONG);
    let mut resilience = resilience.build().expect("it is valid").layer(Answers);
    call(&mut resilience, Call::Fails).expect_err("it fails");
    // Two threads that meet at its lock sleep for a millisecond.
    suite.bench_alone(what, "tower-resilience (service)", Clock::Own, move |_| {
        call(&mut resilience, Call::Works).expect_err("it is open");
    });
}

fn failsafe_by_rate()
-> StateMachine<failure_policy::SuccessRateOverTimeWindow<backoff::Constant>, ()> {
    let pauses = backoff::constant(LONG);
    let policy =
        failure_policy::success_rate_over_time_window(0.5, 20, Duration::from_secs(10), pauses);
    Config::new().failure_policy(policy).build()
}
