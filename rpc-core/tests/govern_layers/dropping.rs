//! Dropping a call is an outcome, and frees all that it held.

use std::sync::Arc;
use std::time::Duration;

use rpc_core::governance::layer::{
    BreakerLayer, ConcurrencyLayer, HedgeLayer, OwnedSlot, RateLimitLayer, TimedOut, TimeoutLayer,
};
use rpc_core::governance::limit::concurrency::Concurrency;
use rpc_core::governance::retry::Budget;
use rpc_core::governance::rules::{BreakerRule, HedgeAfter, HedgeRule, LimitRule, Rate, Share};
use rpc_core::{Code, Executed, Status};
use tower_layer::Layer;

use crate::backend::*;
use crate::breaking::rule;

#[tokio::test(start_paused = true)]
async fn a_dropped_call_was_abandoned_and_says_how_long_it_waited() {
    let backend = Backend::new(|_| Step::Never);
    let with_slow = BreakerRule { slow_rate: Some(Share::from_percent(90)), ..rule() };
    let slow = BreakerRule { slow: 10 * MS, ..with_slow };
    let layer = BreakerLayer::new(&slow);
    let mut service = layer.layer(backend.service());
    let call = started(&mut service, 1).await;
    tokio::time::advance(20 * MS).await;
    drop(call);
    drop(started(&mut service, 1).await);
    let counts = layer.breaker().counts();
    assert_eq!((counts.abandoned, counts.failures, counts.abandoned_slow), (2, 0, 1), "{counts:?}");
}

#[tokio::test(start_paused = true)]
async fn a_place_is_free_once_its_call_is_dropped_under_way_or_waiting() {
    let backend = Backend::new(|_| Step::Never);
    let limit = Arc::new(Concurrency::new(1).with_queue(5, 1000 * MS));
    let mut service = ConcurrencyLayer::new(limit.clone()).layer(backend.service());
    let running = started(&mut service, 1).await;
    let waiting = started(&mut service, 1).await;
    let last = started(&mut service, 1).await;
    assert_eq!((limit.in_use(), limit.waiting(), backend.calls()), (1, 2, 1));
    drop(waiting);
    assert_eq!((limit.in_use(), limit.waiting()), (1, 1));
    drop(running);
    assert_eq!((limit.in_use(), limit.waiting(), backend.under_way()), (1, 0, 0), "the last one's");
    drop(last);
    assert_eq!((limit.in_use(), limit.waiting(), backend.calls()), (0, 0, 1));
}

#[tokio::test(start_paused = true)]
async fn who_gives_up_waiting_gives_its_turn_back() {
    let backend = Backend::new(|_| Step::Answer(7));
    let rate = Rate { permits: 10, per: Duration::from_secs(1) };
    let rule = LimitRule { burst: Some(1), wait: 250 * MS, ..LimitRule::to(rate) };
    let mut service = RateLimitLayer::new(&rule).layer(backend.service());
    call(&mut service, 1).await.expect("the first one");
    let (first, second) = (started(&mut service, 1).await, started(&mut service, 1).await);
    let refusal = call(&mut service, 1).await.expect_err("it would wait for 300 ms");
    assert_eq!(refusal.code(), Code::ResourceExhausted);
    drop(second);
    let third = started(&mut service, 1).await;
    assert_eq!(first.await.expect("its turn"), 7);
    assert_eq!(third.await.expect("the turn of the second"), 7);
    assert_eq!(backend.calls(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_time_limit_drops_what_it_gives_up_even_if_the_finished_future_is_kept() {
    let backend = Backend::new(|_| Step::Never);
    let limit = Arc::new(Concurrency::new(1));
    let inside = ConcurrencyLayer::new(limit.clone()).layer(backend.service());
    let mut service = TimeoutLayer::new(100 * MS).layer(inside);
    let mut late = started(&mut service, 1).await;
    let status: Status = late.as_mut().await.expect_err("it never answers");
    assert_eq!((status.code(), status.executed()), (Code::DeadlineExceeded, Executed::Maybe));
    assert_eq!((limit.in_use(), backend.under_way()), (0, 0), "the future is still there");
    drop(late);

    let mut boxing = TimeoutLayer::new(100 * MS).layer(backend.boxing());
    let error = call(&mut boxing, 1).await.expect_err("it never answers");
    let timed_out = error.downcast_ref::<TimedOut>().expect("the limit's own");
    assert_eq!(timed_out.timeout(), 100 * MS);
    let mut never = TimeoutLayer::new(Duration::MAX).layer(backend.service());
    drop(started(&mut never, 1).await);
}

/// linkerd2-proxy#751: a finished future may lie about for long.
#[tokio::test(start_paused = true)]
async fn a_finished_future_that_is_kept_holds_no_place() {
    let backend = Backend::new(|_| Step::After(MS, 7));
    let limit = Arc::new(Concurrency::new(1));
    let mut service = ConcurrencyLayer::new(limit.clone()).layer(backend.service());
    let mut kept = started(&mut service, 1).await;
    assert_eq!(kept.as_mut().await.expect("an answer"), 7);
    assert_eq!(limit.in_use(), 0);
    drop(kept);
    assert_eq!(limit.in_use(), 0);
}

/// tonic#2711: the response is only the beginning of a stream.
#[tokio::test(start_paused = true)]
async fn a_stream_holds_its_place_until_it_ends_or_is_dropped() {
    struct Stream {
        _beginning: u32,
        _slot: OwnedSlot,
    }
    let backend = Backend::new(|number| if number == 1 { Step::Fail } else { Step::Answer(7) });
    let limit = Arc::new(Concurrency::new(1));
    let layer = ConcurrencyLayer::new(limit.clone())
        .with_slot_kept(|beginning, slot| Stream { _beginning: beginning, _slot: slot });
    let mut service = layer.layer(backend.service());
    let stream = call(&mut service, 1).await.expect("a stream");
    assert_eq!(limit.in_use(), 1);
    assert!(call(&mut service, 1).await.is_err(), "there is no room beside it");
    drop(stream);
    assert_eq!(limit.in_use(), 0);
    assert!(call(&mut service, 1).await.is_err(), "an error has no stream");
    assert_eq!((limit.in_use(), backend.calls()), (0, 2));
}

#[tokio::test(start_paused = true)]
async fn all_attempts_of_a_hedged_call_are_dropped_with_it() {
    let backend = Backend::new(|_| Step::Never);
    let rule = HedgeRule { after: HedgeAfter::Delay(10 * MS), max: 2 };
    let mut service = HedgeLayer::new(rule, Budget::default()).layer(backend.service());
    let mut call = started(&mut service, 1).await;
    for joined in 1..=2 {
        tokio::time::advance(11 * MS).await;
        assert!(poll_once(&mut call).is_pending());
        assert_eq!(backend.under_way(), 1 + joined);
    }
    tokio::time::advance(Duration::from_secs(1)).await;
    assert!(poll_once(&mut call).is_pending());
    assert_eq!(backend.under_way(), 3, "no more than the rule says");
    drop(call);
    assert_eq!(backend.under_way(), 0);
}

/// Drop reads the clock, and must not need a runtime for it.
#[test]
fn a_call_may_outlive_its_runtime() {
    let runtime =
        || tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let backend = Backend::new(|_| Step::Never);
    let limit = Arc::new(Concurrency::new(1).with_queue(1, Duration::from_secs(1)));
    let breaker = BreakerLayer::new(&rule());
    let hedge = HedgeLayer::new(HedgeRule::DEFAULT, Budget::default());
    let rate = Rate { permits: 1, per: Duration::from_secs(1) };
    let turn = LimitRule { burst: Some(1), wait: Duration::from_secs(9), ..LimitRule::to(rate) };
    let rate = RateLimitLayer::new(&turn);
    let inside = hedge.layer(breaker.layer(backend.service()));
    let mut service = rate.layer(ConcurrencyLayer::new(limit.clone()).layer(inside));
    let calls = runtime()
        .block_on(async { (started(&mut service, 1).await, started(&mut service, 1).await) });
    assert_eq!((limit.in_use(), backend.under_way()), (1, 1));
    drop(calls);
    assert_eq!((limit.in_use(), backend.under_way()), (0, 0));
    assert_eq!(breaker.breaker().counts().abandoned, 1);
}
