//! Who shares what with whom, and for how long.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rpc_core::control::Governance;
use tokio::time::Instant;

use crate::world::{Act, InventoryClient, World, broken, ms, price};

const ONE: &str = r#"[client."shop.Inventory/price"]
    limit = { rate = "1/h", burst = 1 }"#;

/// Whether its limit, which may have been spent, lets a call pass.
async fn passes(shop: &InventoryClient) -> bool {
    price(shop).await.is_ok()
}

#[tokio::test(start_paused = true)]
async fn channels_to_one_address_share_with_one_governance_and_not_with_two() {
    let world = World::of(1).await;
    let (one, other) = (world.client(ONE).await, world.client(ONE).await);
    assert!(passes(&one).await && !passes(&other).await);
    let apart = world.builder().governance(&Governance::new()).rules(ONE);
    assert!(passes(&apart.connect(&world.address()).await.unwrap()).await);
}

#[tokio::test(start_paused = true)]
async fn clones_of_a_client_share_its_breaker() {
    let world = World::of(1).await;
    let rules = "[client.defaults]\nbreaker = { consecutive = 4, open = \"1h\" }";
    let shop = world.client(rules).await;
    world.all_do(&broken());
    for _ in 0..4 {
        price(&shop.clone().with_metadata("a", "clone")).await.unwrap_err();
    }
    assert!(price(&world.client(rules).await).await.unwrap_err().is_refusal());
}

#[tokio::test(start_paused = true)]
async fn what_was_counted_is_forgotten_with_the_last_client() {
    let world = World::of(1).await;
    let shop = world.client(ONE).await;
    let clone = shop.clone();
    assert!(passes(&shop).await);
    drop(shop);
    assert!(!passes(&clone).await, "one is left");
    drop(clone);
    assert!(passes(&world.client(ONE).await).await);
}

#[tokio::test(start_paused = true)]
async fn a_thousand_targets_that_nobody_calls_any_more_are_forgotten() {
    let world = World::of(1).await;
    for index in 0..1_000 {
        let address = format!("mem://node-0,mem://gone-{index}");
        let shop = world.builder().rules(ONE).connect(&address).await.unwrap();
        assert!(passes(&shop).await, "{index}: its own limit");
    }
    let told = world.governance.explain("shop.Inventory/price");
    assert!(told.contains("nobody in this process"), "{told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn clones_on_many_threads_never_exceed_a_concurrency_limit() {
    let world = Arc::new(World::of(1).await);
    world.all_do(&Act::After(ms(1), 7));
    for rule in ["3", "{ max = 3, queue = 1000, wait = \"60s\" }"] {
        let governed = world.builder().governance(&Governance::new());
        let rules = format!("[client.defaults]\ntimeout = \"60s\"\nconcurrency = {rule}");
        let shop = governed.rules(&rules).connect(&world.address()).await.unwrap();
        let before = world.calls();
        let callers: Vec<_> = (0..32)
            .map(|caller| {
                let shop = shop.clone();
                tokio::spawn(async move {
                    let mut answered = 0;
                    for call in 0..50 {
                        // Some go away at any time.
                        if (caller + call) % 7 == 0 {
                            let hurry = Duration::from_micros(call * 20);
                            let _ = tokio::time::timeout(hurry, price(&shop)).await;
                        } else {
                            answered += usize::from(price(&shop).await.is_ok());
                        }
                    }
                    answered
                })
            })
            .collect();
        let mut answered = 0;
        for caller in callers {
            answered += caller.await.unwrap();
        }
        assert!(answered > 0 && world.calls() - before >= answered);
        // A cancelled one may run on for as long as its CANCEL is on the way, and be in flight until that is
        // answered.
        let in_flight = || (world.in_flight(), shop.channel().in_flight());
        let until = Instant::now() + Duration::from_secs(20);
        while in_flight() != (0, 0) && Instant::now() < until {
            tokio::task::yield_now().await;
        }
        assert_eq!(in_flight(), (0, 0));
        let all = tokio::join!(price(&shop), price(&shop), price(&shop));
        assert!(all.0.is_ok() && all.1.is_ok() && all.2.is_ok(), "three places are free");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_more_calls_run_at_a_node_than_the_limit_of_all_its_clients() {
    let world = Arc::new(World::of(1).await);
    world.all_do(&Act::After(ms(1), 7));
    let rules = "[client.defaults]\nconcurrency = { max = 3, queue = 1000, wait = \"9s\" }";
    let mut callers = Vec::new();
    for _ in 0..16 {
        let shop = world.client(rules).await;
        callers.push(tokio::spawn(async move {
            let mut answered = 0;
            for _ in 0..20 {
                // Under overload those that have waited longest are refused.
                answered += usize::from(price(&shop).await.is_ok());
            }
            answered
        }));
    }
    let mut answered = 0;
    for caller in callers {
        answered += caller.await.unwrap();
    }
    assert_eq!(world.calls(), answered);
    let most = world.nodes[0].most.load(Ordering::SeqCst);
    assert!(most <= 3, "{most} at a time");
}
