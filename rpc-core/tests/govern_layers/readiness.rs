//! Between `poll_ready` and `call`. The backend panics if a handle is called that was not ready.

use std::sync::Arc;

use rpc_core::Status;
use rpc_core::governance::layer::{
    BreakerLayer, ConcurrencyLayer, FallbackLayer, HedgeLayer, RateLimitLayer, RetryLayer,
    TimeoutLayer,
};
use rpc_core::governance::limit::concurrency::Concurrency;
use rpc_core::governance::retry::Budget;
use rpc_core::governance::rules::{HedgeAfter, HedgeRule, LimitRule, RetryRule};
use tower_layer::Layer;
use tower_service::Service;

use crate::backend::*;
use crate::breaking::rule;
use crate::limiting::per_second;

/// tower#434, #547: a reservation in an idle handle is one that nobody else has.
#[tokio::test(start_paused = true)]
async fn an_idle_ready_handle_holds_no_reservation() {
    let backend = Backend::new(|_| Step::Answer(7));
    let limit = Arc::new(Concurrency::new(1));
    let rate = RateLimitLayer::new(&per_second(1, 1));
    let layer = ConcurrencyLayer::new(limit.clone());
    let service = rate.layer(layer.layer(backend.service()));
    let mut idle: Vec<_> = (0..10).map(|_| service.clone()).collect();
    for handle in &mut idle {
        ready(handle).await.expect("ready");
        ready(handle).await.expect("and again");
    }
    let _clone_of_a_ready_one = idle[0].clone();
    assert_eq!((limit.in_use(), rate.limiter().snapshot(now()).available), (0, 1));
    let mut other = service;
    call(&mut other, 1).await.expect("nobody has taken anything");
    drop(idle);
}

/// tower-resilience#286, tower#548.
#[tokio::test(start_paused = true)]
async fn the_ready_inner_is_called_and_never_a_fresh_clone() {
    async fn check<S>(name: &str, mut service: S)
    where
        S: Service<u32, Response = u32, Error = Status> + Clone,
    {
        for _ in 0..3 {
            let (mut clone, request) = (service.clone(), 1);
            let (one, two) = tokio::join!(call(&mut service, request), call(&mut clone, request));
            assert_eq!((one.expect(name), two.expect(name)), (7, 7), "{name}");
        }
    }
    let backend = || Backend::new(|_| Step::After(MS, 7)).service();
    let queue = Concurrency::new(1).with_queue(9, 1000 * MS);
    check("waiting for a place", ConcurrencyLayer::new(queue).layer(backend())).await;
    check("a place", ConcurrencyLayer::new(Concurrency::new(9)).layer(backend())).await;
    let wait = LimitRule { wait: 9000 * MS, ..per_second(10, 1) };
    check("waiting for a turn", RateLimitLayer::new(&wait).layer(backend())).await;
    check("a turn", RateLimitLayer::new(&per_second(99, 99)).layer(backend())).await;
    check("breaker", BreakerLayer::new(&rule()).layer(backend())).await;
    check("timeout", TimeoutLayer::new(9 * MS).layer(backend())).await;

    let keep = |_: &u32| ();
    let answer = |(), _| async { Ok(7) };
    let failing = Backend::new(|_| Step::Fail).service();
    check("fallback", FallbackLayer::new(keep, answer).layer(failing)).await;

    let flaky = Backend::new(|number| match number % 4 {
        0 | 1 => Step::Fail,
        _ => Step::Answer(7),
    });
    let retries = RetryLayer::new(RetryRule::DEFAULT, Budget::default()).idempotent();
    check("retry", retries.layer(flaky.service())).await;
    assert_eq!(flaky.calls(), 12);

    let slow = Backend::new(|number| match number % 4 {
        0 | 1 => Step::Never,
        _ => Step::Answer(7),
    });
    let soon = HedgeRule { after: HedgeAfter::Delay(MS), max: 1 };
    check("hedge", HedgeLayer::new(soon, Budget::default()).layer(slow.service())).await;
    assert_eq!(slow.calls(), 12);
}

#[tokio::test(start_paused = true)]
async fn a_further_attempt_waits_until_the_inner_is_ready_for_it() {
    let backend = Backend::new(|number| if number == 0 { Step::Fail } else { Step::Answer(7) });
    let retries = RetryLayer::new(RetryRule::DEFAULT, Budget::default()).idempotent();
    let mut service = retries.layer(backend.service());
    ready(&mut service).await.expect("ready");
    backend.set_ready(false);
    let mut call = Box::pin(service.call(1));
    assert!(poll_once(&mut call).is_pending());
    tokio::time::advance(1000 * MS).await;
    assert!(poll_once(&mut call).is_pending());
    assert_eq!(backend.calls(), 1, "it is not ready");
    backend.set_ready(true);
    assert_eq!(call.await.expect("the second attempt"), 7);
}
