//! A caller that goes away, wherever its call happens to be: whatever was taken is given back, what
//! was asked of others is taken back, and nothing is stuck.
//!
//! Each case is a call that gets to some place. It is dropped after its first poll, after its second,
//! and so on, until it ends by itself: so it has been dropped at each place where it waits.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use rpc_core::Code;
use tokio::time::sleep;

use crate::world::{Act, Inventory, InventoryClient, World, broken, ms, price};

/// A call that is polled so often, and dropped then.
struct Impatient<F> {
    call: Pin<Box<F>>,
    polls: usize,
}

impl<F: Future> Future for Impatient<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<F::Output>> {
        if self.polls > 0
            && let Poll::Ready(output) = self.call.as_mut().poll(cx)
        {
            return Poll::Ready(Some(output));
        }
        self.polls = self.polls.saturating_sub(1);
        if self.polls == 0 { Poll::Ready(None) } else { Poll::Pending }
    }
}

/// Everything at once.
const RULES: &str = r#"[client."shop.Inventory"]
    timeout = "1s"
    limit = { rate = "100/s", burst = 3, wait = "1s" }
    breaker = { consecutive = 1, open = "1s", probes = 1 }
    retry = { attempts = 3, backoff = "10ms" }
    hedge = { after = "20ms" }
    "#;
const FIXED: &str = "concurrency = { max = 2, queue = 2, wait = \"1s\" }";
const ADAPTIVE: &str = "concurrency = \"adaptive\"";

/// Drops a call of a shop whose nodes do `act`, while `others` are under way, at each place.
async fn check(act: Act, others: usize, concurrency: &str) {
    for polls in 0.. {
        let world = World::of(2).await;
        world.all_do(&act);
        let shop = world.client(&format!("{RULES}{concurrency}")).await;
        let others: Vec<_> = (0..others)
            .map(|_| {
                let shop = shop.clone();
                tokio::spawn(async move { price(&shop).await })
            })
            .collect();
        tokio::task::yield_now().await;
        let ended = Impatient { call: Box::pin(price(&shop)), polls }.await;
        for other in others {
            let _ = other.await.unwrap();
        }
        nothing_is_left(&world, &shop, polls).await;
        if ended.is_some() {
            assert!(polls > 0, "nothing was done before the first poll");
            return;
        }
        assert!(polls < 100, "it never ends");
    }
}

/// Nothing runs, every place is free, and the breaker lets calls pass in the end.
async fn nothing_is_left(world: &World, shop: &InventoryClient, polls: usize) {
    sleep(ms(1)).await;
    assert_eq!((shop.channel().in_flight(), world.in_flight()), (0, 0), "after {polls} polls");
    world.all_do(&Act::After(ms(5), 7));
    sleep(Duration::from_secs(60)).await;
    assert_eq!(price(shop).await.unwrap(), 7, "after {polls} polls: the breaker");
    let (one, two, three) = tokio::join!(price(shop), price(shop), price(shop));
    for one in [one, two, three] {
        assert_eq!(one.unwrap(), 7, "after {polls} polls: its places");
    }
    let told = world.governance.explain("shop.Inventory/price");
    assert!(!told.contains("adaptive") || told.contains(" 0 of "), "after {polls} polls: {told}");
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_goes_away_while_it_connects_or_is_answered_leaves_nothing_behind() {
    check(Act::Answer(7), 0, FIXED).await;
    check(Act::After(ms(10), 7), 0, FIXED).await;
    check(Act::After(ms(10), 7), 0, ADAPTIVE).await;
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_goes_away_while_it_waits_for_its_turn_leaves_nothing_behind() {
    check(Act::Answer(7), 3, ADAPTIVE).await;
    check(Act::After(ms(100), 7), 3, ADAPTIVE).await;
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_goes_away_while_it_queues_leaves_nothing_behind() {
    check(Act::After(ms(100), 7), 2, FIXED).await;
    check(Act::After(ms(100), 7), 3, FIXED).await;
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_goes_away_in_the_pause_before_a_retry_leaves_nothing_behind() {
    check(broken(), 0, FIXED).await;
    check(broken(), 0, ADAPTIVE).await;
    check(broken(), 2, FIXED).await;
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_goes_away_while_its_call_is_hedged_leaves_nothing_behind() {
    check(Act::After(ms(100), 7), 0, FIXED).await;
    check(Act::Never, 0, FIXED).await;
    check(Act::Never, 0, ADAPTIVE).await;
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_goes_away_after_its_hedge_tells_both_nodes() {
    let world = World::of(2).await;
    world.all_do(&Act::Never);
    let shop = world.client(RULES).await;
    assert!(tokio::time::timeout(ms(50), price(&shop)).await.is_err());
    sleep(ms(1)).await;
    let seen = [0, 1].map(|index| (world.nodes[index].calls(), world.nodes[index].dropped()));
    assert_eq!(seen, [(1, 1), (1, 1)]);
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_goes_away_anywhere_leaves_the_breaker_able_to_close() {
    for polls in 0..8 {
        let world = World::of(1).await;
        let shop = world.client(RULES).await;
        world.all_do(&broken());
        shop.reserve("A-17".into()).await.unwrap_err();
        assert!(shop.reserve("A-17".into()).await.unwrap_err().is_refusal(), "it is open");
        sleep(Duration::from_secs(2)).await;
        world.all_do(&Act::Never);
        let probe = Impatient { call: Box::pin(shop.reserve("A-17".into())), polls };
        assert!(
            tokio::time::timeout(ms(500), probe).await.is_ok_and(|ended| ended.is_none())
                || polls > 1
        );
        world.all_do(&Act::Answer(7));
        sleep(Duration::from_secs(10)).await;
        assert_eq!(shop.reserve("A-17".into()).await.unwrap(), 7, "after {polls} polls");
    }
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_was_waited_for_and_then_refused_a_place_is_given_back() {
    let world = World::of(1).await;
    world.all_do(&Act::After(Duration::from_secs(3), 7));
    let shop = world
        .client(
            r#"[client."shop.Inventory"]
        limit = { rate = "1/min", burst = 2 }
        concurrency = { max = 1, queue = 1, wait = "1s" }"#,
        )
        .await;
    let (one, two) = tokio::join!(price(&shop), price(&shop));
    assert!(one.is_ok());
    let refused = two.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted);
    assert!(refused.message().starts_with("concurrency limit"), "{refused}");
    assert!(price(&shop).await.is_ok(), "the second one's turn");
}

#[tokio::test(start_paused = true)]
async fn a_finished_call_that_is_kept_holds_no_place() {
    let world = World::of(1).await;
    let shop = world.client("[client.defaults]\nconcurrency = 1").await;
    let mut first = Box::pin(price(&shop));
    assert_eq!((&mut first).await.unwrap(), 1995);
    assert_eq!(price(&shop).await.unwrap(), 1995);
    drop(first);
}
