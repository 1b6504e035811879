//! Limits of calls per time and at a time.

use std::future::Future;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use rpc_core::governance::adaptive::Adaptive;
use rpc_core::governance::layer::{AdaptiveLayer, ConcurrencyLayer, RateLimitLayer};
use rpc_core::governance::limit::concurrency::Concurrency;
use rpc_core::governance::rules::{LimitRule, Rate};
use rpc_core::{Code, Priority};
use tokio::time::Instant;
use tower_layer::Layer;
use tower_service::Service;

use crate::backend::*;

pub(crate) fn per_second(permits: u32, burst: u32) -> LimitRule {
    let rate = Rate { permits, per: Duration::from_secs(1) };
    LimitRule { burst: Some(burst), ..LimitRule::to(rate) }
}

#[tokio::test(start_paused = true)]
async fn calls_above_a_rate_are_refused_and_told_when_to_come_back() {
    let backend = Backend::new(|_| Step::Answer(7));
    let layer = RateLimitLayer::new(&per_second(10, 2));
    let mut service = layer.layer(backend.service());
    let mut clone = service.clone();
    call(&mut service, 1).await.expect("within the burst");
    call(&mut clone, 1).await.expect("within the burst");
    let refusal = call(&mut service, 1).await.expect_err("the clones share one limit");
    assert_eq!(refusal.code(), Code::ResourceExhausted);
    assert_eq!(refusal.retry_after(), Some(100 * MS));
    layer.limiter().reconfigure(&per_second(1000, 2), now());
    tokio::time::advance(MS).await;
    call(&mut service, 1).await.expect("by the new rate");
}

#[tokio::test(start_paused = true)]
async fn calls_that_may_wait_go_one_after_the_other() {
    let backend = Backend::new(|_| Step::Answer(7));
    let rule = LimitRule { wait: Duration::from_secs(1), ..per_second(10, 1) };
    let service = RateLimitLayer::new(&rule).layer(backend.service());
    let began = Instant::now();
    let calls: Vec<_> = (0..5)
        .map(|_| {
            let mut service = service.clone();
            tokio::spawn(async move { call(&mut service, 1).await })
        })
        .collect();
    for call in calls {
        call.await.expect("it does not panic").expect("its turn comes");
    }
    let took = began.elapsed();
    assert!(took >= 400 * MS && took < 410 * MS, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_wait_past_the_longest_is_refused_at_once() {
    let backend = Backend::new(|_| Step::Answer(7));
    let rule = LimitRule { wait: 50 * MS, ..per_second(10, 1) };
    let mut service = RateLimitLayer::new(&rule).layer(backend.service());
    call(&mut service, 1).await.expect("the first one");
    let began = Instant::now();
    call(&mut service, 1).await.expect_err("its turn is in 100 ms");
    assert_eq!(began.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn each_key_has_a_limit_of_its_own() {
    let backend = Backend::new(|_| Step::Answer(7));
    let layer = RateLimitLayer::keyed(&per_second(1, 1), |tenant: &u32| tenant.to_string().into());
    let mut service = layer.layer(backend.service());
    for tenant in 0..3 {
        call(&mut service, tenant).await.expect("the first one");
        call(&mut service, tenant).await.expect_err("the second one");
    }
    assert_eq!(layer.limiters().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_full_limit_refuses_or_lets_wait_in_order() {
    let backend = Backend::new(|number| Step::After(10 * MS, u32::try_from(number).unwrap()));
    let limit = Arc::new(Concurrency::new(1).with_queue(1, 15 * MS));
    let mut service = ConcurrencyLayer::new(limit.clone()).layer(backend.service());
    let first = started(&mut service, 1).await;
    let second = started(&mut service, 1).await;
    let refusal = call(&mut service, 1).await.expect_err("one waits already");
    assert_eq!(refusal.code(), Code::ResourceExhausted);
    assert!(refusal.retry_after().is_some());
    let (first, second) = tokio::join!(first, second);
    assert_eq!((first.expect("in"), second.expect("in")), (0, 1));

    limit.resize(1, 1, 5 * MS, now());
    let first = started(&mut service, 1).await;
    let second = started(&mut service, 1).await;
    let (first, second) = tokio::join!(first, second);
    first.expect("in");
    second.expect_err("it waited for 5 ms");
    assert_eq!((limit.in_use(), limit.waiting(), backend.calls()), (0, 0, 3));
}

#[tokio::test(start_paused = true)]
async fn what_matters_least_is_refused_first() {
    let backend = Backend::new(|_| Step::Never);
    let limit = Arc::new(Concurrency::new(10));
    let layer = ConcurrencyLayer::new(limit).with_priority(|request: &u32| match request {
        0 => Priority::Bulk,
        _ => Priority::Critical,
    });
    let mut service = layer.layer(backend.service());
    let mut held = Vec::new();
    for _ in 0..6 {
        held.push(started(&mut service, 0).await);
    }
    call(&mut service, 0).await.expect_err("bulk has 60 %");
    for _ in 0..4 {
        held.push(started(&mut service, 1).await);
    }
    call(&mut service, 1).await.expect_err("it is full");
}

/// tower-resilience#365: a limit that is full and wakes its caller until it is not burns a core.
#[tokio::test(start_paused = true)]
async fn no_self_waking_loops_when_full() {
    let backend = Backend::new(|_| Step::Never);
    let limit = Arc::new(Concurrency::new(1).with_queue(9, Duration::from_secs(60)));
    let mut at_a_time = ConcurrencyLayer::new(limit).layer(backend.service());
    let _running = started(&mut at_a_time, 1).await;
    let rule = LimitRule { wait: Duration::from_secs(60), ..per_second(1, 1) };
    let mut per_time = RateLimitLayer::new(&rule).layer(backend.service());
    let _first = started(&mut per_time, 1).await;

    let wakes = Arc::new(Wakes::default());
    let waker = Waker::from(wakes.clone());
    let mut cx = Context::from_waker(&waker);
    ready(&mut at_a_time).await.expect("ready");
    let mut waiting = Box::pin(at_a_time.call(1));
    ready(&mut per_time).await.expect("ready");
    let mut turn = Box::pin(per_time.call(1));
    for _ in 0..10 {
        assert!(waiting.as_mut().poll(&mut cx).is_pending());
        assert!(turn.as_mut().poll(&mut cx).is_pending());
    }
    tokio::time::advance(500 * MS).await;
    assert_eq!(wakes.so_far(), 0);
    tokio::time::advance(600 * MS).await;
    assert_eq!(wakes.so_far(), 1, "its turn has come");
    assert!(matches!(waiting.as_mut().poll(&mut cx), Poll::Pending));
}

#[tokio::test(start_paused = true)]
async fn an_adaptive_limit_learns_from_ends_and_from_drops_but_not_from_its_own_refusals() {
    let backend = Backend::new(|number| match number {
        0..200 => Step::After(10 * MS, 7),
        _ => Step::Never,
    });
    let limit = Arc::new(Adaptive::client(now()).with_initial(4).with_bounds(4, 100));
    let layer = AdaptiveLayer::new(limit.clone());
    let mut service = layer.layer(backend.service());
    for _ in 0..50 {
        let calls: Vec<_> = (0..4)
            .map(|_| {
                let mut service = service.clone();
                tokio::spawn(async move { call(&mut service, 1).await })
            })
            .collect();
        for call in calls {
            call.await.expect("it does not panic").expect("there is room");
        }
    }
    assert_eq!(limit.in_use(), 0);
    let baseline = limit.baseline().expect("it has learnt it");
    assert!(baseline >= 10 * MS && baseline < 12 * MS, "{baseline:?}");
    assert!(limit.max() > 4, "there is no queue, so it may grow: {}", limit.max());

    let mut held = Vec::new();
    for _ in 0..limit.max() {
        held.push(started(&mut service, 1).await);
    }
    let refusal = call(&mut service, 1).await.expect_err("it is full");
    assert_eq!(refusal.code(), Code::ResourceExhausted);
    drop(held);
    assert_eq!((limit.in_use(), backend.under_way()), (0, 0));
}
