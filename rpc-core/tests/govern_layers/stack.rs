//! All of them around one service, in the order that the module's docs give.

use std::sync::Arc;
use std::time::Duration;

use rpc_core::Status;
use rpc_core::governance::adaptive::Adaptive;
use rpc_core::governance::breaker::{Breaker, State};
use rpc_core::governance::layer::{
    AdaptiveLayer, BreakerLayer, ConcurrencyLayer, Degradations, FallbackLayer, HedgeLayer,
    RateLimitLayer, RetryLayer, TimeoutLayer,
};
use rpc_core::governance::limit::RateLimiter;
use rpc_core::governance::limit::concurrency::Concurrency;
use rpc_core::governance::retry::{Budget, BudgetSettings};
use rpc_core::governance::rules::{HedgeAfter, HedgeRule, LimitRule, RetryRule};
use tokio::time::Instant;
use tower_layer::Layer;
use tower_service::Service;

use crate::backend::*;
use crate::breaking::{OPEN, rule};
use crate::limiting::per_second;

const FALLBACK: u32 = 1000;

/// The machines of a stack, as a test sees them.
struct Machines {
    rate: Arc<RateLimiter>,
    at_a_time: Arc<Concurrency>,
    adaptive: Arc<Adaptive>,
    breaker: Arc<Breaker>,
    degradations: Arc<Degradations>,
}

fn stack(
    backend: &Arc<Backend>,
) -> (impl Service<u32, Response = u32, Error = Status, Future: Send> + Clone + use<>, Machines) {
    let budget = Arc::new(Budget::new(BudgetSettings::DEFAULT, now()));
    let hedging = HedgeRule { after: HedgeAfter::Delay(20 * MS), max: 1 };
    let waiting = LimitRule { wait: 50 * MS, ..per_second(100, 2) };
    let queue = Concurrency::new(3).with_queue(4, 50 * MS);

    let fallback =
        FallbackLayer::new(|request: &u32| *request, |kept, _| async move { Ok(FALLBACK + kept) });
    let total = TimeoutLayer::new(200 * MS);
    let breaker = BreakerLayer::new(&rule());
    let rate = RateLimitLayer::new(&waiting);
    let at_a_time = ConcurrencyLayer::new(queue);
    let retry = RetryLayer::new(RetryRule::DEFAULT, budget.clone()).idempotent();
    let hedge = HedgeLayer::within_retry(hedging, budget);
    let adaptive = AdaptiveLayer::client();
    let each = TimeoutLayer::new(80 * MS);

    let service = adaptive.layer(each.layer(backend.service()));
    let service = retry.layer(hedge.layer(service));
    let service = at_a_time.layer(breaker.layer(service));
    let service = breaker.gate().layer(rate.layer(service));
    let service = fallback.layer(total.layer(service));
    let machines = Machines {
        rate: rate.limiter().clone(),
        at_a_time: at_a_time.limit().clone(),
        adaptive: adaptive.limit().clone(),
        breaker: breaker.breaker().clone(),
        degradations: fallback.degradations().clone(),
    };
    (service, machines)
}

#[tokio::test(start_paused = true)]
async fn an_outage_from_the_first_failure_to_the_last_fallback() {
    let down = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let backend = Backend::new({
        let down = down.clone();
        move |_| match down.load(std::sync::atomic::Ordering::SeqCst) {
            true => Step::Fail,
            false => Step::Answer(7),
        }
    });
    let (mut service, machines) = stack(&backend);
    for asked in 0..2 {
        assert_eq!(call(&mut service, asked).await.expect("the fallback"), FALLBACK + asked);
    }
    assert_eq!(backend.calls(), 6, "three attempts each");
    assert_eq!(machines.breaker.state(now()), State::Open, "two calls failed in a row");

    let before = machines.rate.snapshot(now()).available;
    assert_eq!(call(&mut service, 5).await.expect("the fallback"), FALLBACK + 5);
    assert_eq!(backend.calls(), 6);
    assert_eq!(machines.rate.snapshot(now()).available, before, "nothing was spent on it");

    down.store(false, std::sync::atomic::Ordering::SeqCst);
    tokio::time::advance(2 * OPEN).await;
    while machines.breaker.state(now()) != State::Closed {
        assert_eq!(call(&mut service, 1).await.expect("the answer"), 7);
    }
    assert_eq!((machines.degradations.answered(), machines.degradations.failed()), (3, 0));
}

#[tokio::test(start_paused = true)]
async fn more_than_it_lets_in_wait_and_more_than_may_wait_get_the_fallback() {
    let backend = Backend::new(|_| Step::After(15 * MS, 7));
    let (service, machines) = stack(&backend);
    let calls: Vec<_> = (0..30)
        .map(|_| {
            let mut service = service.clone();
            tokio::spawn(async move { call(&mut service, 1).await })
        })
        .collect();
    let mut answered = 0;
    for call in calls {
        match call.await.expect("it does not panic").expect("some answer") {
            7 => answered += 1,
            other => assert_eq!(other, FALLBACK + 1),
        }
    }
    // A burst of two, and five more within 50 ms at 100/s.
    assert_eq!((answered, backend.calls()), (7, 7));
    assert_eq!(machines.degradations.answered(), 23);
    assert_eq!(machines.breaker.counts().failures, 0, "refusals are no failures");
}

/// Whatever it was waiting for: a turn, a place, an answer, a pause, a hedge.
#[tokio::test(start_paused = true)]
async fn a_call_dropped_at_any_point_frees_everything() {
    let backend = Backend::new(|number| match number % 5 {
        0 => Step::Never,
        1 => Step::FailAfter(3 * MS),
        2 => Step::After(30 * MS, 7),
        3 => Step::Fail,
        _ => Step::After(5 * MS, 7),
    });
    let (service, machines) = stack(&backend);
    for dropped_after in 0..150 {
        let mut calls = Vec::new();
        for _ in 0..6 {
            let mut service = service.clone();
            ready(&mut service).await.expect("ready");
            calls.push(Box::pin(service.call(1)));
        }
        for _ in 0..dropped_after {
            calls.retain_mut(|call| poll_once(call).is_pending());
            tokio::time::advance(MS).await;
        }
        drop(calls);
        assert_eq!(backend.under_way(), 0, "after {dropped_after} ms");
        assert_eq!((machines.at_a_time.in_use(), machines.at_a_time.waiting()), (0, 0));
        assert_eq!((machines.adaptive.in_use(), machines.adaptive.waiting()), (0, 0));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(machines.rate.snapshot(now()).available, 2, "turns that had not come");
    }
}

#[tokio::test(start_paused = true)]
async fn the_whole_takes_no_longer_than_its_time_limit() {
    let backend = Backend::new(|_| Step::Never);
    let (mut service, machines) = stack(&backend);
    let began = Instant::now();
    assert_eq!(call(&mut service, 1).await.expect("the fallback"), FALLBACK + 1);
    let took = began.elapsed();
    assert!(took >= 200 * MS && took < 205 * MS, "{took:?}");
    assert_eq!((backend.under_way(), machines.at_a_time.in_use()), (0, 0));
    let counts = machines.breaker.counts();
    assert_eq!((counts.abandoned, counts.failures), (1, 0), "the total is outside of the breaker");
}
