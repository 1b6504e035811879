//! The breaker, and what it must not be told.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use rpc_core::governance::breaker::{Breaker, CircuitOpen, Mode, State};
use rpc_core::governance::layer::{
    BoxError, BreakerLayer, ConcurrencyLayer, Failure, OutcomeTable, RateLimitLayer,
};
use rpc_core::governance::limit::concurrency::Concurrency;
use rpc_core::governance::outcome::Outcome;
use rpc_core::governance::rules::{BreakerRule, LimitRule, Rate};
use rpc_core::{Code, Origin};
use tower_layer::Layer;
use tower_service::Service;

use crate::backend::*;

pub(crate) const OPEN: Duration = Duration::from_secs(5);

/// Opens at two failures in a row.
pub(crate) fn rule() -> BreakerRule {
    BreakerRule { consecutive: Some(2), failure_rate: None, open: OPEN, ..BreakerRule::DEFAULT }
}

fn state(breaker: &Breaker) -> State {
    breaker.state(now())
}

#[tokio::test(start_paused = true)]
async fn it_opens_refuses_probes_and_closes() {
    let backend = Backend::new(|number| if number < 2 { Step::Fail } else { Step::Answer(7) });
    let layer = BreakerLayer::new(&rule());
    let mut service = layer.layer(backend.service());
    for _ in 0..2 {
        call(&mut service, 1).await.expect_err("it is down");
    }
    assert_eq!(state(layer.breaker()), State::Open);
    let refusal = call(&mut service, 1).await.expect_err("it is open");
    assert_eq!((refusal.code(), refusal.origin()), (Code::Unavailable, Origin::Client));
    assert!(refusal.retry_after().is_some() && refusal.is_safe_to_retry());
    assert_eq!(backend.calls(), 2);
    tokio::time::advance(2 * OPEN).await;
    assert_eq!(call(&mut service, 1).await.expect("the probe"), 7);
    assert_eq!(state(layer.breaker()), State::Closed);
}

#[tokio::test(start_paused = true)]
async fn an_open_breaker_must_not_poll_the_inners_readiness() {
    let backend = Backend::new(|_| Step::Answer(7));
    let layer = BreakerLayer::new(&rule());
    let mut service = layer.layer(backend.service());
    layer.breaker().force(Mode::ForcedOpen, now());
    backend.set_ready(false);
    call(&mut service, 1).await.expect_err("it is refused although nothing is ready inside");
    assert_eq!(backend.polls_of_readiness(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_breaker_that_closes_between_ready_and_call_waits_for_the_inner() {
    let backend = Backend::new(|_| Step::Answer(7));
    let layer = BreakerLayer::new(&rule());
    let mut service = layer.layer(backend.service());
    layer.breaker().force(Mode::ForcedOpen, now());
    ready(&mut service).await.expect("ready to refuse");
    layer.breaker().force(Mode::Automatic, now());
    backend.set_ready(false);
    let mut waiting = Box::pin(service.call(1));
    assert!(poll_once(&mut waiting).is_pending());
    assert_eq!(backend.calls(), 0);
    backend.set_ready(true);
    assert_eq!(waiting.await.expect("it is ready now"), 7);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_leaves_the_inner_ready_for_the_next_call() {
    let backend = Backend::new(|_| Step::Answer(7));
    let layer = BreakerLayer::new(&rule());
    let mut service = layer.layer(backend.service());
    ready(&mut service).await.expect("it is closed");
    layer.breaker().force(Mode::ForcedOpen, now());
    service.call(1).await.expect_err("it opened in between");
    layer.breaker().force(Mode::Automatic, now());
    backend.set_ready(false); // the handle has been promised
    assert_eq!(call(&mut service, 1).await.expect("it is ready still"), 7);
}

#[tokio::test(start_paused = true)]
async fn all_clones_share_one_breaker_and_keys_have_one_each() {
    let backend = Backend::new(|number| if number < 2 { Step::Fail } else { Step::Answer(7) });
    let layer = BreakerLayer::new(&rule());
    let mut one = layer.layer(backend.service());
    let (mut two, mut three) = (one.clone(), layer.layer(backend.service()));
    call(&mut one, 1).await.expect_err("it is down");
    call(&mut two, 1).await.expect_err("it is down");
    call(&mut three, 1).await.expect_err("it is open");
    assert_eq!(backend.calls(), 2);

    let backend = Backend::new(|number| if number < 2 { Step::Fail } else { Step::Answer(7) });
    let layer = BreakerLayer::keyed(&rule(), |shard: &u32| shard.to_string().into());
    let mut service = layer.layer(backend.service());
    for _ in 0..3 {
        call(&mut service, 1).await.expect_err("shard 1 is ill");
    }
    assert_eq!(call(&mut service, 2).await.expect("shard 2 is not"), 7);
    assert_eq!((backend.calls(), layer.breakers().len()), (3, 2));
}

/// Sentinel#1638, go-zero#5551: what a later step refuses says nothing of what is called.
#[tokio::test(start_paused = true)]
async fn a_call_admitted_by_one_layer_and_refused_by_the_next_is_neutral_to_the_first() {
    let rate = Rate { permits: 1, per: Duration::from_secs(1000) };
    let rarely = LimitRule { burst: Some(1), ..LimitRule::to(rate) };
    let backend = Backend::new(|_| Step::Answer(7));
    let layer = BreakerLayer::new(&rule());
    let limits = RateLimitLayer::new(&rarely);
    limits.limiter().try_acquire(1, now()).expect("the only one");
    let mut service = layer.layer(limits.layer(backend.service()));
    let mut boxing = layer.layer(limits.layer(backend.boxing()));
    let full = ConcurrencyLayer::new(Concurrency::new(0));
    let mut at_once = layer.layer(full.layer(backend.boxing()));
    for _ in 0..10 {
        call(&mut service, 1).await.expect_err("the limit refuses");
        let refusal = call(&mut boxing, 1).await.expect_err("the limit refuses");
        assert_eq!(refusal.ending().outcome(), Outcome::RefusedLocally);
        call(&mut at_once, 1).await.expect_err("the other limit refuses");
    }
    assert_eq!(state(layer.breaker()), State::Closed);
    let counts = layer.breaker().counts();
    assert_eq!((counts.failures, counts.successes, counts.abandoned), (0, 0, 0), "{counts:?}");
}

/// cc-switch#7207: the end of a call of an earlier era frees no probe that it has not got.
#[tokio::test(start_paused = true)]
async fn a_late_verdict_of_an_older_generation_changes_nothing() {
    let backend = Backend::new(|number| match number {
        0 => Step::After(20 * OPEN, 1),
        1 | 2 => Step::Fail,
        _ => Step::Never,
    });
    let layer = BreakerLayer::new(&BreakerRule { probes: 1, ..rule() });
    let mut service = layer.layer(backend.service());
    let slow = started(&mut service, 1).await;
    for _ in 0..2 {
        call(&mut service, 1).await.expect_err("it is down");
    }
    tokio::time::advance(2 * OPEN).await;
    let probe = started(&mut service, 1).await;
    drop(slow);
    assert_eq!(state(layer.breaker()), State::HalfOpen);
    call(&mut service, 1).await.expect_err("there is one probe, and it is taken");
    drop(probe);
    drop(started(&mut service, 1).await);
}

/// A future that is kept and not polled: its probe must not wedge the breaker.
#[tokio::test(start_paused = true)]
async fn a_probe_that_nobody_polls_is_presumed_lost() {
    let backend = Backend::new(|number| match number {
        0 | 1 => Step::Fail,
        2 => Step::Never,
        _ => Step::Answer(7),
    });
    let layer = BreakerLayer::new(&BreakerRule { probes: 1, ..rule() });
    let mut service = layer.layer(backend.service());
    for _ in 0..2 {
        call(&mut service, 1).await.expect_err("it is down");
    }
    tokio::time::advance(2 * OPEN).await;
    let _kept = started(&mut service, 1).await;
    call(&mut service, 1).await.expect_err("the probe is under way");
    tokio::time::advance(Duration::from_secs(60)).await;
    assert_eq!(call(&mut service, 1).await.expect("another probe"), 7);
}

#[tokio::test(start_paused = true)]
async fn the_gate_refuses_before_a_limit_is_asked_and_takes_no_probe() {
    let backend = Backend::new(|_| Step::Answer(7));
    let layer = BreakerLayer::new(&rule());
    let second = Rate { permits: 1, per: Duration::from_secs(1) };
    let limit = RateLimitLayer::new(&LimitRule { burst: Some(1), ..LimitRule::to(second) });
    let inside = limit.layer(layer.layer(backend.service()));
    let mut service = layer.gate().layer(inside);
    layer.breaker().force(Mode::ForcedOpen, now());
    call(&mut service, 1).await.expect_err("it is open");
    assert_eq!(limit.limiter().snapshot(now()).available, 1, "nothing was spent");
    layer.breaker().force(Mode::Automatic, now());
    assert_eq!(call(&mut service, 1).await.expect("it is closed"), 7);
}

#[tokio::test(start_paused = true)]
async fn an_error_type_of_ones_own_takes_refusals_too() {
    #[derive(Debug)]
    enum Mine {
        Broken(CircuitOpen),
        Down,
    }
    impl From<CircuitOpen> for Mine {
        fn from(refusal: CircuitOpen) -> Self {
            Self::Broken(refusal)
        }
    }
    #[derive(Clone)]
    struct Down;
    impl Service<u32> for Down {
        type Response = u32;
        type Error = Mine;
        type Future = std::future::Ready<Result<u32, Mine>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Mine>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, _: u32) -> Self::Future {
            std::future::ready(Err(Mine::Down))
        }
    }
    let layer = BreakerLayer::new(&rule()).with_classify(|end: Result<&u32, &Mine>| match end {
        Err(Mine::Broken(_)) => Outcome::RefusedLocally,
        Err(Mine::Down) => Outcome::TransportFailure,
        Ok(_) => Outcome::Success,
    });
    let mut service = layer.layer(Down);
    for _ in 0..2 {
        assert!(matches!(call(&mut service, 1).await, Err(Mine::Down)));
    }
    let Err(Mine::Broken(refusal)) = call(&mut service, 1).await else { panic!("it is open") };
    assert_eq!(refusal.state(), State::Open);
}

#[tokio::test(start_paused = true)]
async fn a_failing_answer_can_be_a_failure() {
    let backend = Backend::new(|_| Step::Answer(500));
    let layer =
        BreakerLayer::new(&rule()).with_classify(|end: Result<&u32, &BoxError>| match end {
            Ok(500..) => Outcome::ServerFault.into(),
            Ok(_) => Outcome::Success.into(),
            Err(error) => error.ending(),
        });
    let mut service = layer.layer(backend.boxing());
    for _ in 0..2 {
        assert_eq!(call(&mut service, 1).await.expect("an answer"), 500);
    }
    let refusal = call(&mut service, 1).await.expect_err("it is open");
    assert!(refusal.is::<CircuitOpen>());
}

/// A panic in what is called counts as a failure and loses no permit.
#[tokio::test(start_paused = true)]
async fn a_panic_counts_as_failure_and_must_not_lose_the_permit() {
    let backend = Backend::new(|_| Step::Panic);
    let limit = Arc::new(Concurrency::new(5));
    let layer = BreakerLayer::new(&rule());
    let service = ConcurrencyLayer::new(limit.clone()).layer(layer.layer(backend.service()));
    for _ in 0..2 {
        let mut service = service.clone();
        let task = tokio::spawn(async move { call(&mut service, 1).await });
        assert!(task.await.expect_err("it was told to").is_panic());
    }
    assert_eq!((limit.in_use(), backend.under_way()), (0, 0));
    assert_eq!(state(layer.breaker()), State::Open);
}

#[test]
fn the_table_of_outcomes_is_for_calls_of_this_crate() {
    #[derive(Clone)]
    struct Rpc;
    impl Service<rpc_core::Request> for Rpc {
        type Response = rpc_core::Response;
        type Error = rpc_core::Status;
        type Future = std::future::Pending<Result<rpc_core::Response, rpc_core::Status>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), rpc_core::Status>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, _: rpc_core::Request) -> Self::Future {
            std::future::pending()
        }
    }
    let layer = BreakerLayer::new(&rule()).with_classify(OutcomeTable);
    let mut service = layer.layer(Rpc);
    let mut cx = Context::from_waker(Waker::noop());
    assert!(Service::<rpc_core::Request>::poll_ready(&mut service, &mut cx).is_ready());
}
