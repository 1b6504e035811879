//! Limits: how many calls per time, and how many at a time.

use std::time::Duration;

use rpc_core::{Code, Origin, Priority};
use tokio::time::{Instant, sleep};

use crate::world::{Act, Inventory, World, ms, price};

#[tokio::test(start_paused = true)]
async fn a_limit_refuses_and_says_when_to_come_back() {
    let world = World::of(1).await;
    let shop = world
        .client(
            r#"[client."shop.Inventory/price"]
        limit = { rate = "10/s", burst = 2 }"#,
        )
        .await;
    assert_eq!(price(&shop).await.unwrap(), 1995);
    assert_eq!(price(&shop).await.unwrap(), 1995);
    let refused = price(&shop).await.unwrap_err();
    assert_eq!((refused.code(), refused.origin()), (Code::ResourceExhausted, Origin::Client));
    assert!(refused.is_refusal() && refused.is_safe_to_retry());
    assert_eq!(refused.message(), "limit of 10/s (burst 2): retry in 100ms");
    assert_eq!(world.calls(), 2, "it was not sent");
    sleep(refused.retry_after().unwrap()).await;
    assert_eq!(price(&shop).await.unwrap(), 1995);
    assert_eq!(shop.reserve("A-17".into()).await.unwrap(), 1995, "another method has its own");
}

#[tokio::test(start_paused = true)]
async fn a_limit_may_let_calls_wait_but_not_past_their_deadline() {
    let world = World::of(1).await;
    let shop = world
        .client(
            r#"[client."shop.Inventory/price"]
        limit = { rate = "10/s", burst = 1, wait = "10s" }"#,
        )
        .await;
    let begun = Instant::now();
    price(&shop).await.unwrap();
    price(&shop).await.unwrap();
    assert_eq!(begun.elapsed(), ms(100));
    let refused = price(&shop.with_timeout(ms(50))).await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted);
    assert_eq!(begun.elapsed(), ms(100), "at once, and not when the deadline is over");
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_goes_away_while_it_waits_gives_its_turn_back() {
    let world = World::of(1).await;
    let shop = world
        .client(
            r#"[client."shop.Inventory/price"]
        limit = { rate = "10/s", burst = 1, wait = "10s" }"#,
        )
        .await;
    price(&shop).await.unwrap();
    let begun = Instant::now();
    let waiting = tokio::time::timeout(ms(20), price(&shop)).await;
    assert!(waiting.is_err());
    price(&shop).await.unwrap();
    assert_eq!(begun.elapsed(), ms(100), "the next one has that turn");
}

#[tokio::test(start_paused = true)]
async fn so_many_calls_at_a_time_and_the_next_is_refused_not_queued() {
    let world = World::of(1).await;
    world.all_do(&Act::After(ms(50), 7));
    let shop = world
        .client(
            r#"[client."shop.Inventory/price"]
        concurrency = 2"#,
        )
        .await;
    let (one, two, three) = tokio::join!(price(&shop), price(&shop), price(&shop));
    assert_eq!((one.unwrap(), two.unwrap()), (7, 7));
    let refused = three.unwrap_err();
    assert!(refused.message().starts_with("concurrency limit: 2 of 2"), "{refused}");
    assert_eq!(price(&shop).await.unwrap(), 7, "their places are free again");
}

#[tokio::test(start_paused = true)]
async fn a_bounded_queue_lets_some_wait_and_refuses_the_rest() {
    let world = World::of(1).await;
    world.all_do(&Act::After(ms(50), 7));
    let shop = world
        .client(
            r#"[client."shop.Inventory/price"]
        concurrency = { max = 1, queue = 1, wait = "1s" }"#,
        )
        .await;
    let begun = Instant::now();
    let (one, two, three) = tokio::join!(price(&shop), price(&shop), price(&shop));
    assert_eq!((one.unwrap(), two.unwrap()), (7, 7));
    assert!(three.unwrap_err().message().contains("1 waiting"));
    assert_eq!(begun.elapsed(), ms(100));
}

#[tokio::test(start_paused = true)]
async fn dropped_calls_leave_no_place_taken() {
    let world = World::of(1).await;
    world.all_do(&Act::Never);
    let shop = world
        .client(
            r#"[client."shop.Inventory/price"]
        concurrency = { max = 1, queue = 1, wait = "1s" }"#,
        )
        .await;
    for _ in 0..10 {
        let both = async { tokio::join!(price(&shop), price(&shop)) };
        assert!(tokio::time::timeout(ms(10), both).await.is_err());
    }
    world.all_do(&Act::Answer(7));
    assert_eq!(price(&shop).await.unwrap(), 7);
}

#[tokio::test(start_paused = true)]
async fn what_matters_least_is_refused_first() {
    let world = World::of(1).await;
    world.all_do(&Act::After(ms(50), 7));
    let shop = world
        .client(
            r#"[client."shop.Inventory/price"]
        concurrency = 10"#,
        )
        .await;
    let bulk = shop.with_priority(Priority::Bulk);
    let busy: Vec<_> = (0..6)
        .map(|_| {
            tokio::spawn({
                let shop = shop.clone();
                async move { price(&shop).await }
            })
        })
        .collect();
    sleep(ms(1)).await;
    assert!(price(&bulk).await.unwrap_err().message().contains("bulk"));
    assert_eq!(price(&shop).await.unwrap(), 7);
    for call in busy {
        call.await.unwrap().unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_a_later_step_refuses_gives_back_what_earlier_ones_took() {
    let world = World::of(1).await;
    world.all_do(&Act::After(ms(50), 7));
    let shop = world
        .client(
            r#"[client."shop.Inventory/price"]
        limit = { rate = "1/s", burst = 2 }
        concurrency = 1"#,
        )
        .await;
    let (one, two) = tokio::join!(price(&shop), price(&shop));
    assert!(one.is_ok() && two.unwrap_err().message().starts_with("concurrency limit"));
    assert_eq!(price(&shop).await.unwrap(), 7, "the second one's permit");
    assert!(price(&shop).await.unwrap_err().message().starts_with("limit of 1/s"));
}

#[tokio::test(start_paused = true)]
async fn a_limit_by_metadata_is_one_for_each_tenant() {
    let world = World::of(1).await;
    let shop = world
        .client(
            r#"[client."shop.Inventory/price"]
        limit = { rate = "1/s", burst = 1, key = "tenant" }"#,
        )
        .await;
    for tenant in ["eu", "us"] {
        let shop = shop.with_metadata("tenant", tenant);
        assert!(price(&shop).await.is_ok());
        assert!(price(&shop).await.is_err());
    }
    assert!(price(&shop).await.is_ok(), "and one for those without");
}

#[tokio::test(start_paused = true)]
async fn clients_of_the_same_target_share_a_limit() {
    let world = World::of(1).await;
    let rules = r#"[client."shop.Inventory/price"]
        limit = { rate = "1/s", burst = 1 }"#;
    let (one, other) = (world.client(rules).await, world.client(rules).await);
    assert!(price(&one).await.is_ok());
    assert!(price(&other).await.is_err(), "a limit is this process's");
}

#[tokio::test(start_paused = true)]
async fn wrong_rules_of_a_builder_are_refused_when_it_connects() {
    let world = World::of(1).await;
    let wrong = world.builder().rules("[client.defaults]\ntimeout = \"fast\"");
    let refused = wrong.connect(&world.address()).await.err().unwrap();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(refused.message().starts_with("builder:2:11: client.defaults.timeout:"), "{refused}");
}

#[tokio::test(start_paused = true)]
async fn an_attribute_is_switched_off_by_a_word() {
    let world = World::of(1).await;
    let scarce = async |shop: &crate::world::InventoryClient| shop.scarce("A-17".into()).await;
    let shop = world.client("").await;
    scarce(&shop).await.unwrap();
    let refused = scarce(&shop).await.unwrap_err();
    assert!(refused.message().starts_with("limit of 1/min"), "{refused}");

    let free = world.builder().governance(&rpc_core::control::Governance::new());
    let free = free.rules("[client.\"shop.Inventory/scarce\"]\nlimit = \"off\"");
    let free = free.connect(&world.address()).await.unwrap();
    for _ in 0..10 {
        scarce(&free).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_cap_bounds_what_a_call_matters_whatever_its_caller_says() {
    let world = World::of(1).await;
    let shop = world
        .client(
            r#"[client.caps]
        priority = "sheddable""#,
        )
        .await;
    for (said, worth) in [
        (Priority::Critical, Priority::Sheddable),
        (Priority::Sheddable, Priority::Sheddable),
        (Priority::Bulk, Priority::Bulk),
    ] {
        price(&shop.with_priority(said)).await.unwrap();
        assert_eq!(*world.nodes[0].priority.lock().unwrap(), Some(worth));
    }
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_adapts_narrows_when_the_server_has_too_much_to_do() {
    let world = World::of(1).await;
    let shop = world.client("[client.defaults]\nconcurrency = \"adaptive\"").await;
    let width = || {
        let told = world.governance.explain("shop.Inventory/price");
        let (before, _) = told.split_once(" under way").expect("it is told");
        before.rsplit(' ').next().unwrap().parse::<u32>().unwrap()
    };
    world.all_do(&Act::After(ms(10), 7));
    for _ in 0..20 {
        price(&shop).await.unwrap();
    }
    let calm = width();
    world.all_do(&Act::Fail(rpc_core::Status::resource_exhausted("busy")));
    for _ in 0..20 {
        let all: Vec<_> = (0..calm)
            .map(|_| {
                let shop = shop.clone();
                tokio::spawn(async move { price(&shop).await })
            })
            .collect();
        for one in all {
            one.await.unwrap().unwrap_err();
        }
        sleep(ms(20)).await;
    }
    let narrow = width();
    assert!(narrow < calm, "{narrow} < {calm}");
    world.all_do(&Act::Answer(7));
    sleep(Duration::from_secs(60)).await;
    price(&shop).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn oneway_calls_are_limited_and_hold_no_place_once_they_are_sent() {
    let world = World::of(1).await;
    world.all_do(&Act::Never);
    let shop = world
        .client(
            r#"[client."shop.Inventory/viewed"]
        limit = { rate = "1/h", burst = 5 }
        concurrency = 1
        breaker = { consecutive = 2, open = "1h" }"#,
        )
        .await;
    for _ in 0..5 {
        shop.viewed("A-17".into()).await.unwrap();
    }
    assert!(shop.viewed("A-17".into()).await.unwrap_err().is_refusal());
    sleep(ms(1)).await;
    assert_eq!((world.calls(), shop.channel().in_flight()), (5, 0));
}

#[tokio::test(start_paused = true)]
async fn oneway_calls_that_can_not_be_sent_trip_a_breaker() {
    let world = World::of(1).await;
    let shop = world
        .client(
            r#"[client."shop.Inventory/viewed"]
        breaker = { consecutive = 2, open = "1h" }"#,
        )
        .await;
    shop.viewed("A-17".into()).await.unwrap();
    world.servers[0].shutdown().await;
    for _ in 0..2 {
        let failed = shop.viewed("A-17".into()).await.unwrap_err();
        assert_eq!(failed.origin(), Origin::Transport, "{failed}");
    }
    assert_eq!(shop.viewed("A-17".into()).await.unwrap_err().origin(), Origin::Client);
}

#[tokio::test(start_paused = true)]
async fn what_a_second_builder_says_is_not_lost_on_what_the_first_one_shares() {
    let world = World::of(1).await;
    let (_plain, limited) = (
        world.client("").await,
        world
            .client(
                r#"[client."shop.Inventory/price"]
        limit = { rate = "1/min", burst = 1 }"#,
            )
            .await,
    );
    assert!(price(&limited).await.is_ok());
    assert!(price(&limited).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_cap_bounds_a_limit_that_finds_its_size() {
    let world = World::of(1).await;
    world.all_do(&Act::After(ms(50), 7));
    let shop = world
        .client(
            r#"[client."shop.Inventory/price"]
        concurrency = "adaptive"
        [client.caps]
        concurrency = 2"#,
        )
        .await;
    let (one, two, three) = tokio::join!(price(&shop), price(&shop), price(&shop));
    assert_eq!((one.unwrap(), two.unwrap()), (7, 7));
    assert!(three.unwrap_err().message().contains("2 of 2"));
}

#[tokio::test(start_paused = true)]
async fn a_limit_does_not_shed_a_call_because_its_node_is_not_ready_yet() {
    let world = World::of(1).await;
    world.network.set_latency(ms(100));
    let shop = world
        .client(
            r#"[client."shop.Inventory/price"]
        concurrency = 1"#,
        )
        .await;
    assert_eq!(price(&shop).await.unwrap(), 1995, "it is connected to first");
}
