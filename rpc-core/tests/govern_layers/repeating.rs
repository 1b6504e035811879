//! Retries, hedges and the budget that both are paid from.

use std::sync::Arc;
use std::time::Duration;

use rpc_core::Status;
use rpc_core::governance::layer::{
    BoxError, BreakerLayer, Ending, HedgeLayer, RetryLayer, TimeoutLayer,
};
use rpc_core::governance::outcome::Outcome;
use rpc_core::governance::retry::{Budget, BudgetSettings};
use rpc_core::governance::rules::{HedgeAfter, HedgeRule, RetryRule, Share};
use tokio::time::Instant;
use tower_layer::Layer;

use crate::backend::*;
use crate::breaking::rule;

const RULE: RetryRule = RetryRule { attempts: 3, ..RetryRule::DEFAULT };

fn budget() -> Arc<Budget> {
    Arc::new(Budget::new(BudgetSettings::DEFAULT, now()))
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_followed_by_another_attempt_after_a_pause() {
    let backend = Backend::new(|number| if number < 2 { Step::Fail } else { Step::Answer(7) });
    let mut service = RetryLayer::new(RULE, budget()).idempotent().layer(backend.service());
    let began = Instant::now();
    assert_eq!(call(&mut service, 1).await.expect("the third attempt"), 7);
    assert!(began.elapsed() >= RULE.backoff);
    assert_eq!(backend.calls(), 3);
}

#[tokio::test(start_paused = true)]
async fn what_may_have_run_is_not_sent_again_unless_it_does_no_harm() {
    let backend = Backend::new(|_| Step::Fail);
    let mut service = RetryLayer::new(RULE, budget()).layer(backend.service());
    call(&mut service, 1).await.expect_err("once");
    assert_eq!(backend.calls(), 1);

    let backend = Backend::new(|_| Step::Fail);
    let layer =
        RetryLayer::new(RULE, budget()).with_classify(|end: Result<&u32, &BoxError>| match end {
            Ok(_) => Ending::new(Outcome::Success),
            Err(_) => Ending::new(Outcome::Overload).not_executed(),
        });
    let mut service = layer.layer(backend.boxing());
    call(&mut service, 1).await.expect_err("all attempts");
    assert_eq!(backend.calls(), 3, "it provably ran nowhere");
}

#[tokio::test(start_paused = true)]
async fn a_request_that_cannot_be_cloned_is_sent_once() {
    let backend = Backend::new(|_| Step::Fail);
    let layer = RetryLayer::new(RULE, budget()).idempotent();
    let layer = layer.with_clone(|request: &u32| (*request != 13).then_some(*request));
    let mut service = layer.layer(backend.service());
    call(&mut service, 13).await.expect_err("once");
    assert_eq!(backend.calls(), 1);
    call(&mut service, 1).await.expect_err("three times");
    assert_eq!(backend.calls(), 4);
}

#[tokio::test(start_paused = true)]
async fn our_own_refusals_are_not_retried() {
    let backend = Backend::new(|_| Step::Fail);
    let breaker = BreakerLayer::new(&rule());
    let retries = RetryLayer::new(RULE, budget()).idempotent();
    let mut service = retries.layer(breaker.layer(backend.service()));
    call(&mut service, 1).await.expect_err("two attempts, and a refusal");
    assert_eq!(backend.calls(), 2, "it opened after two");
    let began = Instant::now();
    call(&mut service, 1).await.expect_err("a refusal");
    assert_eq!((backend.calls(), began.elapsed()), (2, Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn retries_end_when_the_budget_is_spent() {
    let backend = Backend::new(|_| Step::Fail);
    let layer = RetryLayer::new(RULE, budget()).idempotent();
    let service = layer.layer(backend.service());
    for _ in 0..100 {
        call(&mut service.clone(), 1).await.expect_err("it is down");
    }
    let retries = backend.calls() - 100;
    assert!((10..=35).contains(&retries), "10 saved, one in five calls, one a second: {retries}");
}

#[tokio::test(start_paused = true)]
async fn between_attempts_nothing_of_the_first_is_held() {
    let backend = Backend::new(|_| Step::Fail);
    let mut service = RetryLayer::new(RULE, budget()).idempotent().layer(backend.service());
    let _pausing = started(&mut service, 1).await;
    assert_eq!((backend.calls(), backend.under_way()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_takes_too_long_is_followed_by_another() {
    let backend = Backend::new(|number| if number == 0 { Step::Never } else { Step::Answer(7) });
    let attempt = TimeoutLayer::new(50 * MS).layer(backend.boxing());
    let mut service = RetryLayer::new(RULE, budget()).idempotent().layer(attempt);
    assert_eq!(call(&mut service, 1).await.expect("the second attempt"), 7);
    assert_eq!((backend.calls(), backend.under_way()), (2, 0));
}

fn after(delay: Duration) -> HedgeRule {
    HedgeRule { after: HedgeAfter::Delay(delay), max: 1 }
}

/// The loser of a hedge is no failure of anyone.
#[tokio::test(start_paused = true)]
async fn a_hedge_loser_that_is_dropped_is_neutral() {
    let backend = Backend::new(|number| if number == 0 { Step::Never } else { Step::After(MS, 7) });
    let breaker = BreakerLayer::new(&rule());
    let mut service =
        HedgeLayer::new(after(20 * MS), budget()).layer(breaker.layer(backend.service()));
    let began = Instant::now();
    let mut kept = started(&mut service, 1).await;
    assert_eq!(kept.as_mut().await.expect("the hedge"), 7);
    assert!(began.elapsed() < 30 * MS);
    assert_eq!((backend.calls(), backend.under_way()), (2, 0), "the loser is gone at once");
    let counts = breaker.breaker().counts();
    assert_eq!((counts.successes, counts.abandoned, counts.failures), (1, 1, 0), "{counts:?}");
}

#[tokio::test(start_paused = true)]
async fn a_fast_call_is_not_hedged_and_a_failed_one_waits_for_the_other() {
    let backend = Backend::new(|number| match number {
        0 => Step::After(10 * MS, 1),
        1 => Step::FailAfter(30 * MS),
        _ => Step::After(20 * MS, 7),
    });
    let layer = HedgeLayer::new(after(20 * MS), budget());
    let mut service = layer.layer(backend.service());
    assert_eq!(call(&mut service, 1).await.expect("the first"), 1);
    assert_eq!(backend.calls(), 1);
    assert_eq!(call(&mut service, 1).await.expect("the hedge"), 7);
    assert_eq!(backend.calls(), 3);

    let backend = Backend::new(|number| match number {
        0 => Step::FailAfter(30 * MS),
        _ => Step::FailAfter(20 * MS),
    });
    let mut service = HedgeLayer::new(after(20 * MS), budget()).layer(backend.service());
    let status: Status = call(&mut service, 1).await.expect_err("both fail");
    assert_eq!((status.message(), backend.calls()), ("down", 2));
}

#[tokio::test(start_paused = true)]
async fn hedges_are_paid_from_the_budget_that_retries_share() {
    let backend =
        Backend::new(
            |number| {
                if number % 2 == 0 { Step::After(50 * MS, 1) } else { Step::After(MS, 7) }
            },
        );
    let none = BudgetSettings { share: Share::ZERO, per_second: 0, saved: Duration::from_secs(1) };
    let broke = Arc::new(Budget::new(none, now()));
    let mut service = HedgeLayer::new(after(20 * MS), broke).layer(backend.service());
    assert_eq!(call(&mut service, 1).await.expect("the first"), 1, "nobody pays for another");
    assert_eq!(backend.calls(), 1);

    let shared = budget();
    let backend = Backend::new(|_| Step::Answer(7));
    let hedged = HedgeLayer::within_retry(after(20 * MS), shared.clone());
    let mut service = RetryLayer::new(RULE, shared.clone()).layer(hedged.layer(backend.service()));
    for _ in 0..100 {
        call(&mut service, 1).await.expect("an answer");
    }
    assert_eq!(shared.balance(now()), 20, "a call pays in once");
}
