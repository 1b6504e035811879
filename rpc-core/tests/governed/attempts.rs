//! Attempts after the first, and beside it.

use std::sync::atomic::Ordering;
use std::time::Duration;

use rpc_core::testing::Network;
use rpc_core::transport::{Connect, Io};
use rpc_core::{Address, BoxFuture, CallReport, Code, Executed, Status};
use tokio::time::{Instant, sleep};

use crate::world::{Act, Inventory, World, broken, ms, price};

const RETRY: &str = r#"[client."shop.Inventory"]
    retry = { attempts = 3, backoff = "10ms" }"#;

#[tokio::test(start_paused = true)]
async fn a_retry_lands_on_another_node() {
    let world = World::of(2).await;
    let shop = world.client(RETRY).await;
    world.nodes[0].does(broken());
    for _ in 0..10 {
        let report = CallReport::new();
        assert_eq!(price(&shop.with_report(&report)).await.unwrap(), 1995);
        assert_eq!(report.node().unwrap().to_string(), "mem://node-1");
        sleep(Duration::from_secs(1)).await;
    }
    assert!(world.nodes[0].calls() >= 4, "half of the calls begin there");
    assert_eq!(world.nodes[1].retries.load(Ordering::SeqCst), world.nodes[0].calls());
}

#[tokio::test(start_paused = true)]
async fn a_method_that_may_not_run_twice_is_not_repeated() {
    let world = World::of(2).await;
    let shop = world.client(RETRY).await;
    world.all_do(&broken());
    let failed = shop.reserve("A-17".into()).await.unwrap_err();
    assert_eq!((failed.code(), world.calls()), (Code::Unavailable, 1));
    price(&shop).await.unwrap_err();
    assert_eq!(world.calls(), 1 + 3, "an idempotent one is, three times in all");
}

#[tokio::test(start_paused = true)]
async fn a_pushback_is_waited_for_and_one_beyond_the_deadline_ends_the_call_at_once() {
    let world = World::of(1).await;
    let shop = world.client(RETRY).await;
    let busy = Status::resource_exhausted("busy").with_retry_after(ms(300));
    world.all_do(&Act::Fail(busy));
    let begun = Instant::now();
    price(&shop).await.unwrap_err();
    assert!(begun.elapsed() >= ms(600), "{:?}", begun.elapsed());
    let begun = Instant::now();
    let failed = price(&shop.with_timeout(ms(200))).await.unwrap_err();
    assert_eq!((failed.code(), begun.elapsed()), (Code::ResourceExhausted, Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn retries_are_paid_from_one_budget() {
    let world = World::of(2).await;
    let shop = world.client(RETRY).await;
    world.all_do(&broken());
    for _ in 0..100 {
        price(&shop).await.unwrap_err();
    }
    let repeated = world.calls() - 100;
    assert!((10..=32).contains(&repeated), "10 at first, and a fifth: {repeated}");
}

#[tokio::test(start_paused = true)]
async fn each_try_has_its_own_time() {
    let world = World::of(2).await;
    let shop = world
        .client(
            r#"[client."shop.Inventory"]
        timeout = "1s"
        per_try = "100ms"
        retry = { attempts = 2, backoff = "10ms" }"#,
        )
        .await;
    world.nodes[0].does(Act::Never);
    for _ in 0..4 {
        let begun = Instant::now();
        assert_eq!(price(&shop).await.unwrap(), 1995);
        assert!(begun.elapsed() < ms(130));
    }
    assert!(world.nodes[0].calls() >= 2, "some of them begin there");
    assert_eq!(world.nodes[0].calls(), world.nodes[0].dropped());
}

/// It was *cancelled*, as if the caller had gone away: not tried again, and no fallback was asked.
#[tokio::test(start_paused = true)]
async fn a_call_that_its_server_ended_under_is_tried_elsewhere_if_it_may_run_twice() {
    let world = World::of(2).await;
    let shop = world.client("[client.defaults]\nretry = { attempts = 2 }").await;
    world.nodes.iter().for_each(|node| node.does(Act::After(ms(100), 7)));
    let call = |method: &'static str| {
        let shop = shop.clone();
        tokio::spawn(async move {
            match method {
                "price" => shop.price("A-17".into()).await,
                _ => shop.reserve("A-17".into()).await,
            }
        })
    };
    // In turn, so that each method has a call at each node.
    let calls = [call("price"), call("price"), call("reserve"), call("reserve")];
    sleep(ms(50)).await;
    world.servers[0].shutdown().await;
    let mut lost = 0;
    for (number, call) in calls.into_iter().enumerate() {
        match call.await.unwrap() {
            Ok(cents) => assert_eq!(cents, 7),
            Err(status) => {
                lost += 1;
                assert!(number >= 2, "{status}");
                assert_eq!(status.message(), "the server ended before the call was done");
                assert_eq!(
                    (status.code(), status.executed()),
                    (Code::Unavailable, Executed::Maybe)
                );
            }
        }
    }
    assert_eq!((lost, world.nodes[0].dropped()), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn a_try_that_ran_out_of_its_own_time_says_so_and_a_call_that_did_does_not() {
    let world = World::of(1).await;
    let rules = "[client.\"shop.Inventory\"]\ntimeout = \"1s\"\nper_try = \"100ms\"";
    let shop = world.client(rules).await;
    world.all_do(&Act::Never);
    let late = price(&shop).await.unwrap_err();
    let why = "shop.Inventory/price did not answer within 100ms, its time per try (mem://node-0)";
    assert_eq!(late.message(), why);
    let late = price(&shop.with_timeout(ms(50))).await.unwrap_err();
    assert_eq!(late.message(), "shop.Inventory/price did not answer within 50ms (mem://node-0)");
}

#[tokio::test(start_paused = true)]
async fn a_hedge_wins_and_the_loser_is_cancelled_on_its_node() {
    let world = World::of(2).await;
    let shop = world
        .client(
            r#"[client."shop.Inventory/price"]
        hedge = { after = "20ms" }"#,
        )
        .await;
    world.nodes[0].does(Act::Never);
    for _ in 0..2 {
        let begun = Instant::now();
        assert_eq!(price(&shop).await.unwrap(), 1995);
        assert!(begun.elapsed() <= ms(21), "{:?}", begun.elapsed());
    }
    sleep(ms(1)).await;
    assert!(world.nodes[0].calls() >= 1, "one of two begins there");
    assert_eq!(world.nodes[0].calls(), world.nodes[0].dropped());
}

#[tokio::test(start_paused = true)]
async fn a_hedge_joins_a_call_whose_node_is_still_being_dialled() {
    /// The first node never takes a connection.
    struct Tarpit(Network);

    impl Connect for Tarpit {
        fn connect<'a>(&'a self, address: &'a Address) -> BoxFuture<'a, std::io::Result<Io>> {
            match address.to_string().as_str() {
                "mem://node-0" => Box::pin(std::future::pending()),
                _ => self.0.connect(address),
            }
        }
    }

    let world = World::of(2).await;
    let shop = world.builder().connector(Tarpit(world.network.clone()));
    let shop = shop.rules(
        r#"[client."shop.Inventory/price"]
        hedge = { after = "20ms" }"#,
    );
    let shop = shop.connect(&world.address()).await.unwrap();
    for _ in 0..2 {
        let begun = Instant::now();
        assert_eq!(price(&shop).await.unwrap(), 1995);
        assert!(begun.elapsed() <= ms(21), "{:?}", begun.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn a_hedge_that_fails_leaves_the_first_one_its_time() {
    let world = World::of(2).await;
    let shop = world
        .client(
            r#"[client."shop.Inventory/price"]
        hedge = { after = "20ms" }"#,
        )
        .await;
    world.nodes[0].does(Act::After(ms(50), 7));
    world.nodes[1].does(broken());
    let begun = Instant::now();
    let (one, two) = (price(&shop).await, price(&shop).await);
    assert_eq!(one.or(two).unwrap(), 7);
    assert!(begun.elapsed() >= ms(50));
}

#[tokio::test(start_paused = true)]
async fn hedges_are_paid_from_the_same_budget() {
    let world = World::of(2).await;
    let shop = world
        .client(
            r#"[client."shop.Inventory/price"]
        timeout = "100ms"
        hedge = { after = "20ms" }"#,
        )
        .await;
    world.all_do(&Act::Never);
    for _ in 0..100 {
        price(&shop).await.unwrap_err();
    }
    let joined = world.calls() - 100;
    assert!((10..=45).contains(&joined), "{joined}");
}

#[tokio::test(start_paused = true)]
async fn the_time_of_a_try_is_switched_off_for_one_method() {
    let world = World::of(1).await;
    world.all_do(&Act::After(ms(200), 7));
    let shop = world
        .client(
            r#"[client."shop.Inventory"]
        per_try = "100ms"
        [client."shop.Inventory/price"]
        per_try = "off""#,
        )
        .await;
    assert_eq!(price(&shop).await.unwrap(), 7);
    let late = shop.stock("A-17".into()).await;
    assert_eq!(late.unwrap(), 0, "another one ran out of it, and its default answered");
}

#[tokio::test(start_paused = true)]
async fn a_rule_cannot_have_a_method_hedged_that_may_not_run_twice() {
    let world = World::of(2).await;
    world.all_do(&Act::After(ms(200), 7));
    let shop = world
        .client(
            r#"[client."shop.Inventory"]
        hedge = { after = "20ms" }"#,
        )
        .await;
    assert_eq!(shop.reserve("A-17".into()).await.unwrap(), 7);
    assert_eq!(world.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_hedge_does_not_outlive_a_call_whose_time_is_over() {
    let world = World::of(2).await;
    world.all_do(&Act::Never);
    let shop = world
        .client(
            r#"[client."shop.Inventory"]
        timeout = "100ms"
        hedge = { after = "20ms" }"#,
        )
        .await;
    price(&shop).await.unwrap_err();
    sleep(ms(1)).await;
    let dropped: usize = world.nodes.iter().map(|node| node.dropped()).sum();
    assert_eq!((world.calls(), dropped, world.in_flight()), (2, 2, 0));
}

#[tokio::test(start_paused = true)]
async fn retries_and_hedges_take_no_turn_from_first_attempts() {
    let world = World::of(2).await;
    let shop = world.client(RETRY).await;
    world.nodes[0].does(broken());
    for _ in 0..8 {
        price(&shop).await.unwrap();
        sleep(Duration::from_secs(1)).await;
    }
    assert_eq!((world.nodes[0].calls(), world.nodes[1].calls()), (4, 8));
}

#[tokio::test(start_paused = true)]
async fn a_report_counts_a_hedges_loser() {
    let world = World::of(2).await;
    let shop = world
        .client(
            r#"[client."shop.Inventory/price"]
        hedge = { after = "20ms" }"#,
        )
        .await;
    world.nodes[0].does(Act::Never);
    let mut attempts = Vec::new();
    for _ in 0..2 {
        let report = CallReport::new();
        price(&shop.with_report(&report)).await.unwrap();
        assert_eq!(report.node().unwrap().to_string(), "mem://node-1");
        attempts.push(report.attempts());
    }
    attempts.sort_unstable();
    assert_eq!(attempts, [1, 2]);
}
