//! Limits that tell callers apart, and what a caller's claims are worth.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rpc_core::{Priority, Server};
use tokio::time::sleep;

use crate::world::{BULK, Desk, DeskClient, World, ask, hold, ms, settle};

const BY_CALLER: &str =
    "[server.\"shop.Desk\"]\nlimit = { rate = \"1/h\", burst = 1, key = \"caller\" }";

#[tokio::test(start_paused = true)]
async fn a_limit_by_caller_is_one_for_each_name() {
    let world = World::new(BY_CALLER).await;
    for name in ["till", "web"] {
        let desk = world.builder().name(name).connect("mem://desk").await.unwrap();
        assert!(ask(&desk).await.is_ok());
        assert!(ask(&desk).await.is_err());
    }
    let again = world.builder().name("web").connect("mem://desk").await.unwrap();
    assert!(ask(&again).await.is_err(), "over another connection it is the same one");
}

#[tokio::test(start_paused = true)]
async fn a_caller_without_a_name_has_no_new_limit_with_each_connection() {
    let world = World::new(BY_CALLER).await;
    assert!(ask(&world.client().await).await.is_ok());
    assert!(ask(&world.client().await).await.is_err(), "a port is easily had");
}

#[tokio::test]
async fn a_caller_without_a_name_has_no_new_limit_with_each_port() {
    let world = World::new("").await;
    let desk = crate::world::DeskServer::from_arc(world.clerk.clone());
    let server = Server::builder().add(desk).rules(BY_CALLER).listen("127.0.0.1:0").await.unwrap();
    let address = server.address().to_string();
    assert!(ask(&DeskClient::connect(&address).await.unwrap()).await.is_ok());
    assert!(ask(&DeskClient::connect(&address).await.unwrap()).await.is_err());
}

/// The turn of a call for which there was no place was given back, and so who asked ten times as often as its
/// limit had ten chances where another had one.
#[tokio::test(start_paused = true)]
async fn who_asks_more_often_than_its_limit_gets_no_more_of_a_full_server() {
    let limit = "limit = { rate = \"100/s\", burst = 1, key = \"caller\" }";
    let world = World::new(&format!("[server.\"shop.Desk\"]\nconcurrency = 1\n{limit}")).await;
    let caller = async |name, every| {
        let desk = world.builder().name(name).connect("mem://desk").await.unwrap();
        let counted = Arc::new(AtomicUsize::new(0));
        let served = counted.clone();
        let calls = tokio::spawn(async move {
            loop {
                let (desk, served) = (desk.clone(), served.clone());
                tokio::spawn(async move {
                    let answered = desk.hold().await.is_ok();
                    served.fetch_add(answered.into(), Ordering::SeqCst);
                });
                sleep(every).await;
            }
        });
        (counted, calls)
    };
    let (modest, modest_calls) = caller("modest", ms(11)).await;
    let (greedy, greedy_calls) = caller("greedy", ms(1)).await;
    for _ in 0..1_000 {
        sleep(ms(13)).await;
        world.clerk.let_go(1);
    }
    modest_calls.abort();
    greedy_calls.abort();
    let (modest, greedy) = (modest.load(Ordering::SeqCst), greedy.load(Ordering::SeqCst));
    assert!(modest + greedy > 900, "{modest} and {greedy}");
    assert!(modest * 3 > greedy * 2, "{modest} and {greedy}");
}

#[tokio::test(start_paused = true)]
async fn a_limit_by_metadata_is_one_for_each_tenant() {
    let world = World::new(
        "[server.\"shop.Desk\"]\nlimit = { rate = \"1/h\", burst = 1, key = \"tenant\" }",
    )
    .await;
    let desk = world.client().await;
    for tenant in ["eu", "us"] {
        let desk = desk.with_metadata("tenant", tenant);
        assert!(ask(&desk).await.is_ok());
        assert!(ask(&desk).await.is_err());
    }
    assert!(ask(&desk).await.is_ok(), "and one for those without");
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_tenants_keeps_its_memory_and_the_busy_ones_limit() {
    let world = World::new(
        "[server.\"shop.Desk\"]\nlimit = { rate = \"1/h\", burst = 1, key = \"tenant\" }",
    )
    .await;
    let desk = world.client().await;
    let busy = desk.with_metadata("tenant", "busy");
    ask(&busy).await.unwrap();
    for index in 0..20_000 {
        let _ = ask(&desk.with_metadata("tenant", format!("made up {index}"))).await;
        if index % 100 == 0 {
            assert!(ask(&busy).await.is_err(), "{index}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_claim_of_priority_is_worth_no_more_than_the_rule_says() {
    let world = World::new("[server.\"shop.Desk\"]\npriority = \"normal\"").await;
    let desk = world.client().await;
    for (claimed, worth) in [
        (Priority::Critical, "Normal"),
        (Priority::Normal, "Normal"),
        (Priority::Sheddable, "Sheddable"),
        (Priority::Bulk, "Bulk"),
    ] {
        assert_eq!(desk.with_priority(claimed).priority().await.unwrap(), worth);
    }
}

#[tokio::test(start_paused = true)]
async fn who_claims_too_much_is_refused_with_what_it_is_worth() {
    let world = World::new("[server.\"shop.Desk\"]\nconcurrency = 10\npriority = \"bulk\"").await;
    let desk = world.client().await.with_priority(Priority::Critical);
    let held: Vec<_> = (0..10).map(|_| hold(&desk)).collect();
    settle().await;
    assert!(world.clerk.served() < 10, "bulk may not take all of it");
    world.clerk.let_go(10);
    for call in held {
        let _ = call.await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn what_matters_least_is_refused_first() {
    let world = World::new("[server.\"shop.Desk\"]\nconcurrency = 10").await;
    let desk = world.client().await;
    let held: Vec<_> = (0..8).map(|_| hold(&desk)).collect();
    settle().await;
    let refused = desk.with_priority(BULK).hold().await.unwrap_err();
    assert!(refused.message().contains("bulk"), "{refused}");
    let more = hold(&desk);
    settle().await;
    assert_eq!(world.clerk.served(), 9);
    world.clerk.let_go(9);
    for call in held {
        call.await.unwrap().unwrap();
    }
    more.await.unwrap().unwrap();
}
