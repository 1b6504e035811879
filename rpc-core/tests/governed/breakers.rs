//! The breaker of a method.

use std::time::Duration;

use rpc_core::{CallReport, Code, Context, Origin, Status};
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

/// They waited here for most of their time, were late, and opened the breaker of a server that answers in 60 ms.
#[tokio::test(start_paused = true)]
async fn this_clients_own_queue_does_not_trip_it() {
    let world = World::of(1).await;
    let rules = r#"[client."shop.Inventory/price"]
        timeout = "100ms"
        concurrency = { max = 1, queue = 5, wait = "95ms" }
        breaker = { failure_rate = "50%", min_calls = 4 }"#;
    let shop = world.client(rules).await;
    world.all_do(&Act::After(ms(60), 7));
    for _ in 0..10 {
        let report = CallReport::new();
        let reported = shop.with_report(&report);
        let (first, second) = tokio::join!(price(&shop), price(&reported));
        assert_eq!(first.unwrap(), 7);
        let late = second.unwrap_err();
        assert_eq!(report.waited().as_millis(), 60);
        let why = "shop.Inventory/price did not answer within 40ms, what was left of 100ms (mem://node-0)";
        assert_eq!(late.message(), why);
        assert_eq!(report.failure().expect("it failed").message(), why);
    }
    price(&shop).await.expect("the breaker is closed");
}

#[tokio::test(start_paused = true)]
async fn who_swallows_calls_that_wait_a_little_trips_it() {
    let world = World::of(1).await;
    let rules = r#"[client."shop.Inventory/price"]
        timeout = "100ms"
        limit = { rate = "200/s", burst = 1, wait = "50ms" }
        breaker = { failure_rate = "50%", min_calls = 2 }"#;
    let shop = world.client(rules).await;
    world.all_do(&Act::Never);
    let (one, other) = tokio::join!(price(&shop), price(&shop));
    assert!(!one.unwrap_err().is_refusal() && !other.unwrap_err().is_refusal());
    assert!(price(&shop).await.unwrap_err().is_refusal());
}

#[tokio::test(start_paused = true)]
async fn each_tenant_has_its_own_where_the_rule_says_so() {
    let world = World::of(1).await;
    let shop = world
        .client(
            r#"[client."shop.Inventory/price"]
        breaker = { consecutive = 2, open = "1h", key = "tenant" }"#,
        )
        .await;
    let (eu, us) = (shop.with_metadata("tenant", "eu"), shop.with_metadata("tenant", "us"));
    world.all_do(&broken());
    fail(&eu, 2).await;
    world.all_do(&Act::Answer(7));
    assert!(price(&eu).await.unwrap_err().is_refusal());
    assert_eq!((price(&us).await.unwrap(), price(&shop).await.unwrap()), (7, 7));
    let told = world.governance.explain("shop.Inventory/price");
    assert!(told.contains("1 of 3 not closed"), "{told}");
}

#[tokio::test(start_paused = true)]
async fn a_throttle_refuses_a_share_and_lets_all_pass_again_when_it_heals() {
    let world = World::of(1).await;
    let shop = world
        .client(
            r#"[client."shop.Inventory/price"]
        breaker = { kind = "throttle", failure_rate = "50%", min_calls = 10, window = "10s" }"#,
        )
        .await;
    world.all_do(&broken());
    fail(&shop, 500).await;
    let sent = world.calls();
    assert!((10..400).contains(&sent), "{sent} of 500 are sent");
    fail(&shop, 500).await;
    assert!(world.calls() > sent, "some are, always: it would not see it heal");
    world.all_do(&Act::Answer(7));
    for _ in 0..200 {
        sleep(ms(100)).await;
        let _ = price(&shop).await;
    }
    for _ in 0..50 {
        assert_eq!(price(&shop).await.unwrap(), 7);
    }
}

#[tokio::test(start_paused = true)]
async fn a_throttle_heeds_a_server_that_refuses() {
    let world = World::of(1).await;
    let shop = world
        .client(
            r#"[client."shop.Inventory/price"]
        breaker = { kind = "throttle", min_calls = 10 }"#,
        )
        .await;
    world.all_do(&Act::Fail(Status::resource_exhausted("busy")));
    fail(&shop, 500).await;
    assert!(world.calls() < 400, "{}", world.calls());
}

#[tokio::test(start_paused = true)]
async fn a_method_may_see_failures_in_its_own_way() {
    let world = World::of(1).await;
    let shop = world
        .client(
            r#"[client."shop.Inventory/wanted"]
        retry = { attempts = 2, backoff = "1ms" }
        breaker = { consecutive = 2, open = "1h" }"#,
        )
        .await;
    let wanted = || async { shop.wanted("A-17".into()).await };
    world.all_do(&broken());
    for _ in 0..10 {
        assert_eq!(wanted().await.unwrap_err().code(), Code::Unavailable);
    }
    assert_eq!(world.calls(), 10, "to it that is an answer: neither retried nor counted");
    world.all_do(&Act::Fail(Status::not_found("the index is gone")));
    wanted().await.unwrap_err();
    assert_eq!(world.calls(), 12, "and this an outage, which is retried");
    wanted().await.unwrap_err();
    assert!(wanted().await.unwrap_err().is_refusal(), "and counted");
}

#[tokio::test(start_paused = true)]
async fn a_hedge_loser_that_is_dropped_is_neutral() {
    let world = World::of(2).await;
    let shop = world
        .client(
            r#"[client."shop.Inventory/price"]
        breaker = { consecutive = 1, open = "1h" }
        hedge = { after = "10ms" }"#,
        )
        .await;
    world.nodes[0].does(Act::After(ms(100), 7));
    for _ in 0..20 {
        price(&shop).await.unwrap();
        sleep(Duration::from_secs(10)).await;
    }
    assert!(world.nodes[0].dropped() >= 5, "half of them begin there, and lose");
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_panics_is_a_failure_and_keeps_no_place() {
    let world = World::of(1).await;
    let shop = world
        .client(
            r#"[client."shop.Inventory/price"]
        breaker = { consecutive = 5, open = "1s" }
        concurrency = 1"#,
        )
        .await;
    world.all_do(&Act::Panic);
    for _ in 0..5 {
        assert_eq!(price(&shop).await.unwrap_err().code(), Code::Internal);
    }
    assert!(price(&shop).await.unwrap_err().is_refusal(), "it is open");
    assert_eq!((world.in_flight(), shop.channel().in_flight()), (0, 0));
    world.all_do(&Act::Answer(7));
    sleep(Duration::from_secs(2)).await;
    assert_eq!(price(&shop).await.unwrap(), 7);
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_a_later_rule_refuses_is_neutral_and_takes_nobodys_place() {
    let world = World::of(1).await;
    let shop = world
        .client(
            r#"[client."shop.Inventory/price"]
        breaker = { consecutive = 2, open = "1s", probes = 1 }
        limit = { rate = "1/min", burst = 2 }"#,
        )
        .await;
    world.all_do(&broken());
    fail(&shop, 2).await;
    world.all_do(&Act::Answer(7));
    sleep(Duration::from_secs(2)).await;
    for _ in 0..3 {
        let refused = price(&shop).await.unwrap_err();
        assert_eq!(refused.code(), Code::ResourceExhausted, "by the limit: {refused}");
    }
    sleep(Duration::from_secs(60)).await;
    assert_eq!(price(&shop).await.unwrap(), 7, "the probe");
}
