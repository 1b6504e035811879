//! Calls that wait for their turn or their place, on the server.

use rpc_core::{Code, Executed, Origin};
use tokio::time::{Instant, sleep};

use crate::world::{Desk, World, ask, hold, ms, settle};

const QUEUE: &str = "[server.\"shop.Desk\"]\nconcurrency = { max = 1, queue = 1, wait = \"1s\" }";

#[tokio::test(start_paused = true)]
async fn a_queue_lets_some_wait_and_refuses_the_rest() {
    let world = World::new(QUEUE).await;
    let desk = world.client().await;
    let (one, two) = (hold(&desk), hold(&desk));
    settle().await;
    assert_eq!((world.clerk.served(), world.server.in_flight()), (1, 2));
    let refused = desk.hold().await.unwrap_err();
    assert!(refused.message().contains("1 waiting"), "{refused}");
    world.clerk.let_go(2);
    one.await.unwrap().unwrap();
    two.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn who_waited_too_long_is_refused_and_nothing_has_run() {
    let world = World::new(QUEUE).await;
    let desk = world.client().await;
    let one = hold(&desk);
    settle().await;
    let begun = Instant::now();
    let refused = desk.hold().await.unwrap_err();
    assert_eq!((refused.code(), refused.origin()), (Code::ResourceExhausted, Origin::Server));
    assert_eq!((refused.executed(), begun.elapsed()), (Executed::No, ms(1_000)));
    assert!(refused.retry_after().is_some(), "{refused}");
    world.clerk.let_go(1);
    one.await.unwrap().unwrap();
    settle().await;
    assert_eq!((world.clerk.served(), world.server.in_flight()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn who_goes_away_while_it_queues_frees_its_place_and_never_runs() {
    let world = World::new(QUEUE).await;
    let desk = world.client().await;
    let one = hold(&desk);
    settle().await;
    // Whether it may run twice does not matter: it has not run at all.
    let two = hold(&desk);
    settle().await;
    two.abort();
    settle().await;
    assert_eq!(world.server.in_flight(), 1, "its caller is gone, and so is it");
    let three = hold(&desk);
    settle().await;
    assert_eq!(world.server.in_flight(), 2, "that place in the queue is free");
    world.clerk.let_go(2);
    one.await.unwrap().unwrap();
    three.await.unwrap().unwrap();
    settle().await;
    assert_eq!((world.clerk.served(), world.server.in_flight()), (2, 0));
    assert_eq!(desk.channel().in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn who_goes_away_while_it_waits_for_its_turn_gives_it_back() {
    let world =
        World::new("[server.\"shop.Desk\"]\nlimit = { rate = \"1/s\", burst = 1, wait = \"9s\" }")
            .await;
    let desk = world.client().await;
    world.clerk.let_go(9);
    let begun = Instant::now();
    desk.hold().await.unwrap();
    let gone = hold(&desk);
    sleep(ms(10)).await;
    gone.abort();
    settle().await;
    assert_eq!(world.server.in_flight(), 0, "its caller is gone, and so is it");
    desk.hold().await.unwrap();
    assert!(begun.elapsed() < ms(1_100), "the next one has that turn: {:?}", begun.elapsed());
    assert_eq!(world.clerk.served(), 2);
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_its_turn_holds_no_place_meanwhile() {
    let world = World::new(
        r#"[server."shop.Desk"]
        limit = { rate = "1/s", burst = 1, wait = "9s", key = "tenant" }
        concurrency = 1"#,
    )
    .await;
    let desk = world.client().await;
    let slow = desk.with_metadata("tenant", "slow");
    ask(&slow).await.unwrap();
    let waiting = tokio::spawn(async move { ask(&slow).await });
    settle().await;
    assert_eq!(world.server.in_flight(), 1);
    ask(&desk.with_metadata("tenant", "other")).await.unwrap();
    waiting.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_turn_is_given_back_by_who_gets_no_place_in_time() {
    let world = World::new(
        r#"[server."shop.Desk"]
        limit = { rate = "1/h", burst = 2 }
        concurrency = { max = 1, queue = 1, wait = "1s" }"#,
    )
    .await;
    let desk = world.client().await;
    let one = hold(&desk);
    settle().await;
    desk.hold().await.unwrap_err();
    world.clerk.let_go(2);
    one.await.unwrap().unwrap();
    desk.hold().await.unwrap();
    assert!(desk.hold().await.unwrap_err().message().starts_with("the server's limit of"));
}

#[tokio::test(start_paused = true)]
async fn nothing_waits_past_its_deadline() {
    for rules in [
        QUEUE.replace("1s", "9s"),
        "[server.\"shop.Desk\"]\nlimit = { rate = \"1/h\", burst = 1, wait = \"9h\" }".into(),
    ] {
        let world = World::new(&rules).await;
        let desk = world.client().await;
        let one = hold(&desk);
        settle().await;
        let begun = Instant::now();
        desk.with_timeout(ms(50)).hold().await.unwrap_err();
        assert!(begun.elapsed() <= ms(50), "{:?}", begun.elapsed());
        sleep(ms(2)).await;
        assert_eq!(world.server.in_flight(), 1, "{rules}");
        world.clerk.let_go(1);
        one.await.unwrap().unwrap();
        settle().await;
        assert_eq!((world.clerk.served(), world.server.in_flight()), (1, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_connection_takes_its_queued_calls_along() {
    let world = World::new(
        "[server.\"shop.Desk\"]\nconcurrency = { max = 1, queue = 100, wait = \"60s\" }",
    )
    .await;
    let desk = world.client().await;
    let held: Vec<_> = (0..50).map(|_| hold(&desk)).collect();
    settle().await;
    assert_eq!((world.clerk.served(), world.server.in_flight()), (1, 50));
    world.network.cut("desk");
    settle().await;
    assert_eq!(world.server.in_flight(), 1, "only the one that runs");
    world.clerk.let_go(50);
    for call in held {
        assert!(call.await.unwrap().is_err());
    }
    settle().await;
    assert_eq!((world.clerk.served(), world.server.in_flight()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_drain_lets_who_queues_finish_and_an_end_does_not() {
    for is_drained in [true, false] {
        let world = World::new(QUEUE).await;
        let desk = world.client().await;
        let held = [hold(&desk), hold(&desk)];
        settle().await;
        let server = world.server.clone();
        let ending = tokio::spawn(async move {
            if is_drained { server.drain().await } else { server.shutdown().await }
        });
        settle().await;
        world.clerk.let_go(2);
        for call in held {
            assert_eq!(call.await.unwrap().is_ok(), is_drained);
        }
        ending.await.unwrap();
    }
}
