//! What is refused, how, and what that leaves behind: nothing.

use rpc_core::control::Switch;
use rpc_core::governance::rules::Side;
use rpc_core::{Code, Executed, Origin, Request, Status};
use tokio::time::sleep;

use crate::world::{Desk, World, ask, hold, ms, settle};

const TWO: &str = "[server.\"shop.Desk\"]\nconcurrency = 2";
const ONE_A_SECOND: &str = "[server.\"shop.Desk\"]\nlimit = { rate = \"1/s\", burst = 1 }";

/// It is the server's, nothing has run, and it says when to come back.
fn is_a_refusal(refused: &Status) {
    assert_eq!((refused.code(), refused.origin()), (Code::ResourceExhausted, Origin::Server));
    assert_eq!(refused.executed(), Executed::No, "{refused}");
    assert!(refused.is_refusal() && refused.is_safe_to_retry());
    assert!(refused.retry_after().is_some(), "{refused}");
}

#[tokio::test(start_paused = true)]
async fn a_refusal_says_that_nothing_ran_who_refused_and_when_to_come_back() {
    let world = World::new(ONE_A_SECOND).await;
    let desk = world.client().await;
    assert_eq!(ask(&desk).await.unwrap(), "time");
    let refused = ask(&desk).await.unwrap_err();
    is_a_refusal(&refused);
    assert_eq!(world.clerk.served(), 1);
    sleep(refused.retry_after().unwrap()).await;
    assert_eq!(ask(&desk).await.unwrap(), "time", "it was told the truth");
}

#[tokio::test(start_paused = true)]
async fn so_many_calls_run_at_a_time_and_one_that_ends_lets_the_next_in() {
    let world = World::new(TWO).await;
    let desk = world.client().await;
    let (one, other) = (hold(&desk), hold(&desk));
    settle().await;
    is_a_refusal(&desk.hold().await.unwrap_err());
    assert_eq!((world.server.in_flight(), world.clerk.served()), (2, 2));
    assert_eq!(ask(&desk).await.unwrap(), "time", "each method has its own");
    world.clerk.let_go(1);
    settle().await;
    let third = hold(&desk);
    settle().await;
    assert_eq!(world.server.in_flight(), 2);
    world.clerk.let_go(2);
    for call in [one, other, third] {
        call.await.unwrap().unwrap();
    }
    assert_eq!((world.server.in_flight(), desk.channel().in_flight()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_body_that_would_not_decode_is_refused_by_the_limit_and_not_by_the_decoder() {
    let world = World::new(ONE_A_SECOND).await;
    let desk = world.client().await;
    let garbage = || Request::new("shop.Desk/ask", "msgpack", &b"\xc1\xc1\xc1"[..]);
    let undecodable = desk.channel().call(garbage()).await.unwrap_err();
    assert_eq!(undecodable.code(), Code::InvalidArgument, "{undecodable}");
    is_a_refusal(&desk.channel().call(garbage()).await.unwrap_err());
}

#[tokio::test(start_paused = true)]
async fn a_refused_call_leaves_in_flight_right() {
    let world = World::new(TWO).await;
    let desk = world.client().await;
    let held = [hold(&desk), hold(&desk)];
    settle().await;
    for _ in 0..100 {
        desk.hold().await.unwrap_err();
        assert_eq!((world.server.in_flight(), desk.channel().in_flight()), (2, 2));
    }
    world.clerk.let_go(2);
    for call in held {
        call.await.unwrap().unwrap();
    }
    settle().await;
    assert_eq!((world.server.in_flight(), desk.channel().in_flight()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_a_later_rule_refuses_takes_nothing_from_an_earlier_one() {
    let world = World::new(
        "[server.\"shop.Desk\"]\nlimit = { rate = \"1/h\", burst = 2 }\nconcurrency = 1",
    )
    .await;
    let desk = world.client().await;
    let one = hold(&desk);
    settle().await;
    let refused = desk.hold().await.unwrap_err();
    assert!(refused.message().starts_with("the server's concurrency limit"), "{refused}");
    world.clerk.let_go(2);
    one.await.unwrap().unwrap();
    desk.hold().await.unwrap();
    assert!(desk.hold().await.unwrap_err().message().starts_with("the server's limit of 1/h"));
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_panics_loses_no_place() {
    for concurrency in ["1", "\"adaptive\""] {
        let world =
            World::new(&format!("[server.\"shop.Desk\"]\nconcurrency = {concurrency}")).await;
        let desk = world.client().await;
        for _ in 0..50 {
            assert_eq!(desk.doomed().await.unwrap_err().code(), Code::Internal);
        }
        assert_eq!(world.server.in_flight(), 0);
        assert!(!world.explain("doomed").contains("refused"), "{}", world.explain("doomed"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_oneway_call_is_limited_too_and_still_not_answered() {
    let world = World::new(ONE_A_SECOND).await;
    let desk = world.client().await;
    for _ in 0..5 {
        desk.note("here".into()).await.unwrap();
    }
    settle().await;
    assert_eq!((world.clerk.noted(), world.server.in_flight()), (1, 0));
    assert!(world.explain("note").contains("4 by limit"), "{}", world.explain("note"));
    ask(&desk).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_is_dark_counts_and_lets_pass() {
    let world = World::new(
        r#"[server."shop.Desk"]
        limit = { rate = "1/h", burst = 1, wait = "2h" }
        concurrency = { max = 1, queue = 1, wait = "1s" }
        dark = ["limit", "concurrency"]"#,
    )
    .await;
    let desk = world.client().await;
    let begun = tokio::time::Instant::now();
    let held = [hold(&desk), hold(&desk), hold(&desk), hold(&desk)];
    settle().await;
    assert_eq!(world.clerk.served(), 4);
    world.clerk.let_go(4);
    for call in held {
        call.await.unwrap().unwrap();
    }
    assert!(begun.elapsed() < ms(10), "nor does anything wait");
    let told = world.explain("hold");
    assert!(told.contains("counted") && told.contains("3 by concurrency"), "{told}");
    assert!(told.contains("3 by limit"), "{told}");
}

#[tokio::test(start_paused = true)]
async fn an_adaptive_limit_lets_calls_in_and_shows_how_wide_it_is() {
    let world = World::new("[server.\"shop.Desk\"]\nconcurrency = \"adaptive\"").await;
    let desk = world.client().await;
    let held: Vec<_> = (0..5).map(|_| hold(&desk)).collect();
    settle().await;
    assert!(world.explain("hold").contains(" 5 of "), "{}", world.explain("hold"));
    world.clerk.let_go(5);
    for call in held {
        call.await.unwrap().unwrap();
    }
    assert!(world.explain("hold").contains(" 0 of "), "{}", world.explain("hold"));
}

/// Its rules stayed as they were then, and its adaptive limits were not told how busy the CPU is.
#[tokio::test(start_paused = true)]
async fn a_governance_that_only_a_server_has_left_goes_on() {
    let world = World::new("").await;
    let desk = world.client().await;
    let World { governance, server: _server, network: _network, .. } = world;
    let switch = Switch {
        side: Side::Server,
        target: "shop.Desk/ask",
        key: "limit",
        value: "{ rate = \"1/h\", burst = 1 }",
        by: "anna",
        lasts: ms(5_000),
    };
    governance.switch(switch).unwrap();
    drop(governance);
    ask(&desk).await.unwrap();
    assert!(ask(&desk).await.unwrap_err().is_refusal());
    sleep(ms(6_000)).await;
    ask(&desk).await.unwrap();
    ask(&desk).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn rules_of_a_builder_that_are_wrong_are_refused_when_it_listens() {
    let network = rpc_core::testing::Network::new();
    let server = rpc_core::Server::builder().rules("[server.defaults]\nlimit = \"fast\"");
    let refused = server.listen_on(network.listen("desk").unwrap()).await.err().unwrap();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(refused.message().starts_with("builder:2:"), "{refused}");
}
