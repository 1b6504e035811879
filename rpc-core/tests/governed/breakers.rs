//! The breaker of a method.

use std::time::Duration;

use rpc_core::{Code, Context, Origin, Status};
use tokio::time::{Instant, sleep};

use crate::world::{Act, Inventory, World, broken, ms, price};

const RULES: &str = r#"[client."shop.Inventory/price"]
    timeout = "100ms"
    breaker = { failure_rate = "50%", min_calls = 4, open = "1s", window = "10s" }"#;

async fn fail(shop: &crate::world::InventoryClient, times: usize) {
    for _ in 0..times {
        price(shop).await.unwrap_err();
    }
}

#[tokio::test(start_paused = true)]
async fn it_opens_on_a_server_that_fails_and_closes_when_that_heals() {
    let world = World::of(1).await;
    let shop = world.client(RULES).await;
    world.all_do(&broken());
    fail(&shop, 4).await;
    let refused = price(&shop).await.unwrap_err();
    assert_eq!((refused.code(), refused.origin()), (Code::Unavailable, Origin::Client));
    assert!(refused.is_refusal() && refused.retry_after().is_some(), "{refused}");
    assert_eq!(world.calls(), 4, "nothing is sent while it is open");

    world.all_do(&Act::Answer(7));
    sleep(Duration::from_secs(2)).await;
    assert_eq!(price(&shop).await.unwrap(), 7, "the probe");
    assert_eq!(price(&shop).await.unwrap(), 7);
}

#[tokio::test(start_paused = true)]
async fn deadlines_count_as_failures_when_the_method_had_its_own_time() {
    let world = World::of(1).await;
    let shop = world.client(RULES).await;
    world.all_do(&Act::Never);
    fail(&shop, 4).await;
    let begun = Instant::now();
    assert_eq!(price(&shop).await.unwrap_err().code(), Code::Unavailable);
    assert_eq!(begun.elapsed(), Duration::ZERO, "refused before anything waits");
}

#[tokio::test(start_paused = true)]
async fn short_inherited_deadlines_trip_nothing() {
    let world = World::of(1).await;
    let shop = world.client(RULES).await;
    world.all_do(&Act::Never);
    let hurried = shop.with_timeout(ms(10));
    fail(&hurried, 50).await;
    world.all_do(&Act::Answer(7));
    assert_eq!(price(&shop).await.unwrap(), 7);
}

#[tokio::test(start_paused = true)]
async fn business_errors_are_no_failures() {
    let world = World::of(1).await;
    let shop = world.client(RULES).await;
    world.all_do(&Act::Fail(Status::not_found("no such article")));
    fail(&shop, 50).await;
    assert_eq!(price(&shop).await.unwrap_err().code(), Code::NotFound);
}

#[tokio::test(start_paused = true)]
async fn refusals_of_its_own_do_not_keep_it_open() {
    let world = World::of(1).await;
    let shop = world.client(RULES).await;
    world.all_do(&broken());
    fail(&shop, 4).await;
    world.all_do(&Act::Answer(7));
    for _ in 0..40 {
        sleep(ms(50)).await;
        let _ = price(&shop).await;
    }
    assert_eq!(price(&shop).await.unwrap(), 7);
}

#[tokio::test(start_paused = true)]
async fn a_probe_whose_caller_went_away_leaves_it_able_to_close() {
    let world = World::of(1).await;
    let shop = world.client(RULES).await;
    world.all_do(&Act::Never);
    fail(&shop, 4).await;
    sleep(Duration::from_secs(2)).await;
    assert!(tokio::time::timeout(ms(10), price(&shop)).await.is_err(), "the probe, dropped");
    world.all_do(&Act::Answer(7));
    assert_eq!(price(&shop).await.unwrap(), 7, "another probe may go");
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_calls_with_little_time_left_does_not_trip_it() {
    let world = World::of(1).await;
    let shop = world.client(RULES).await;
    world.all_do(&Act::Never);
    assert_eq!(Context::current().deadline(), None);
    let hurried = shop.with_timeout(ms(99));
    fail(&hurried, 10).await;
    world.all_do(&Act::Answer(7));
    assert_eq!(shop.price("A-17".into()).await.unwrap(), 7);
}
