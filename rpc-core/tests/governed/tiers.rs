//! Tiers that call each other: what one knows of its own trouble travels to those before it.

use std::sync::atomic::Ordering;
use std::time::Duration;

use rpc_core::governance::retry::is_never;
use rpc_core::{CallReport, Code};
use tokio::time::sleep;

use crate::world::{Act, Inventory, InventoryClient, World, broken, ms, price};

const RETRY: &str = r#"[client."shop.Inventory"]
    retry = { attempts = 3, backoff = "1ms" }"#;

#[tokio::test(start_paused = true)]
async fn a_call_made_while_serving_a_retry_is_not_itself_retried() {
    let world = World::of(1).await;
    world.all_do(&broken());
    let top = world.tier("middle", world.client(RETRY).await, RETRY).await;
    price(&top).await.unwrap_err();
    assert_eq!(world.calls(), 3 + 1 + 1, "nine if each tier made its three");
    let retries = world.nodes[0].retries.load(Ordering::SeqCst);
    assert_eq!(retries, 4, "the leaf is told, over both hops");
}

/// `count` calls at a hundred a second.
async fn load(top: &InventoryClient, count: usize) {
    let calls: Vec<_> = (0..count)
        .map(|index| {
            let top = top.clone();
            tokio::spawn(async move {
                sleep(ms(index as u64 * 10)).await;
                let _ = price(&top).await;
            })
        })
        .collect();
    for call in calls {
        call.await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn three_tiers_over_a_leaf_that_fails_do_not_multiply_its_load() {
    let world = World::of(1).await;
    world.all_do(&broken());
    let bottom = world.client(RETRY).await;
    let middle = world.tier("bottom", bottom, RETRY).await;
    let top = world.tier("middle", middle, RETRY).await;
    load(&top, 1_000).await;
    assert!(
        world.calls() <= 1_500,
        "{} for 1,000; 27 times that if each tried thrice",
        world.calls()
    );
}

/// Fails until its retries are not paid for, and what a call brings has just been spent as well.
async fn spend_its_budget(world: &World, client: &InventoryClient) {
    let mut was_spent = false;
    loop {
        let before = world.calls();
        price(client).await.unwrap_err();
        match world.calls() - before {
            1 => was_spent = true,
            2 if was_spent => return,
            _ => {}
        }
    }
}

#[tokio::test(start_paused = true)]
async fn who_has_spent_its_budget_tells_its_callers_not_to_retry() {
    let world = World::of(1).await;
    world.all_do(&broken());
    let bottom = world.client(RETRY).await;
    spend_its_budget(&world, &bottom).await;
    let top = world.tier("bottom", bottom, RETRY).await;
    let before = world.calls();
    let failed = price(&top).await.unwrap_err();
    assert!(failed.retry_after().is_some_and(is_never), "{failed}");
    assert_eq!(world.calls() - before, 1);
}

#[tokio::test(start_paused = true)]
async fn never_again_travels_through_a_tier_that_does_not_retry() {
    for rules in ["", "[client.defaults]\nconcurrency = 9"] {
        let world = World::of(1).await;
        world.all_do(&broken());
        let bottom = world.client(RETRY).await;
        spend_its_budget(&world, &bottom).await;
        let middle = world.tier("bottom", bottom, rules).await;
        let top = world.tier("middle", middle, RETRY).await;
        let before = world.calls();
        let failed = price(&top).await.unwrap_err();
        assert!(failed.retry_after().is_some_and(is_never), "{failed}");
        assert_eq!(world.calls() - before, 1, "{rules}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_pushback_for_one_tier_is_not_passed_on_as_if_it_were_the_next_ones() {
    let world = World::of(1).await;
    let busy = rpc_core::Status::resource_exhausted("busy").with_retry_after(ms(300));
    world.all_do(&Act::Fail(busy));
    let top = world.tier("middle", world.client("").await, "").await;
    let failed = price(&top).await.unwrap_err();
    assert_eq!((failed.code(), failed.retry_after()), (Code::ResourceExhausted, None));
}

#[tokio::test(start_paused = true)]
async fn a_degraded_answer_is_marked_through_every_hop() {
    let world = World::of(1).await;
    let bottom = world.tier("bottom", world.client("").await, "").await;
    let middle = world.tier("middle", bottom, "").await;
    let top = world.tier("top", middle, "").await;
    let report = CallReport::new();
    assert_eq!(top.with_report(&report).quote("A-17".into()).await.unwrap(), 1995);
    assert!(!report.is_degraded());
    world.all_do(&broken());
    assert_eq!(top.with_report(&report).quote("A-17".into()).await.unwrap(), 1);
    assert!(report.is_degraded(), "it is the fallback's, three hops away");
    world.all_do(&Act::Answer(7));
    assert_eq!(top.with_report(&report).quote("A-17".into()).await.unwrap(), 7);
    assert!(!report.is_degraded(), "and not for ever");
}

#[tokio::test(start_paused = true)]
async fn a_degraded_answer_from_further_down_is_not_kept_as_a_good_one() {
    let world = World::of(1).await;
    let bottom =
        world.client("[client.\"shop.Inventory/price\"]\nfallback = { last_good = \"30s\" }").await;
    let middle = world.tier("bottom", bottom.clone(), "").await;
    let top = world
        .tier(
            "middle",
            middle,
            "[client.\"shop.Inventory/price\"]\nfallback = { last_good = \"1h\" }",
        )
        .await;
    price(&bottom).await.unwrap();
    world.all_do(&broken());
    let report = CallReport::new();
    assert_eq!(price(&top.with_report(&report)).await.unwrap(), 1995);
    assert!(report.is_degraded());
    sleep(Duration::from_secs(31)).await;
    assert_eq!(price(&top).await.unwrap_err().code(), Code::Unavailable);
}

#[tokio::test(start_paused = true)]
async fn what_is_left_of_the_time_and_what_a_call_matters_travel_down() {
    let world = World::of(1).await;
    world.all_do(&Act::Never);
    let top = world.tier("middle", world.client(RETRY).await, RETRY).await;
    let begun = tokio::time::Instant::now();
    let failed = price(&top.with_timeout(ms(50))).await.unwrap_err();
    assert_eq!((failed.code(), begun.elapsed()), (Code::DeadlineExceeded, ms(50)));
    sleep(ms(1)).await;
    assert_eq!((world.calls(), world.nodes[0].dropped(), world.in_flight()), (1, 1, 0));
}
