//! Rules that change under a running server, and layers around what they let in.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use rpc_core::{Request, Response, Status};

use crate::world::{Desk, World, ask, hold, ms, settle};

#[tokio::test(start_paused = true)]
async fn rules_come_into_force_and_go_while_it_serves() {
    let world = World::new("").await;
    let desk = world.client().await;
    for _ in 0..10 {
        ask(&desk).await.unwrap();
    }
    world.apply("[server.\"shop.Desk/ask\"]\nlimit = { rate = \"1/h\", burst = 2 }");
    ask(&desk).await.unwrap();
    ask(&desk).await.unwrap();
    ask(&desk).await.unwrap_err();
    world.apply("[server.\"shop.Desk/ask\"]\nlimit = { rate = \"2/h\", burst = 2 }");
    ask(&desk).await.unwrap_err();
    let told = world.explain("ask");
    assert!(told.contains("2/h burst 2") && told.contains("rules.toml:2"), "{told}");
    assert!(told.contains("2 by limit"), "{told}");
    world.apply("[server.\"shop.Desk/ask\"]\nlimit = \"off\"");
    ask(&desk).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_wider_limit_lets_in_who_waits_and_a_narrower_one_drops_nobody() {
    let rule = |max: u32| {
        format!("[server.\"shop.Desk\"]\nconcurrency = {{ max = {max}, queue = 9, wait = \"9s\" }}")
    };
    let world = World::new("").await;
    world.apply(&rule(1));
    let desk = world.client().await;
    let held: Vec<_> = (0..4).map(|_| hold(&desk)).collect();
    settle().await;
    assert_eq!(world.clerk.served(), 1);
    world.apply(&rule(3));
    settle().await;
    assert_eq!(world.clerk.served(), 3);
    world.apply(&rule(1));
    world.clerk.let_go(2);
    settle().await;
    assert_eq!(world.clerk.served(), 3, "three are in, of one");
    world.clerk.let_go(2);
    for call in held {
        call.await.unwrap().unwrap();
    }
    assert_eq!((world.clerk.served(), world.server.in_flight()), (4, 0));
}

#[tokio::test(start_paused = true)]
async fn two_servers_of_one_governance_have_limits_of_their_own() {
    let world = World::new("").await;
    world.apply("[server.\"shop.Desk\"]\nlimit = { rate = \"1/h\", burst = 1 }");
    let second = crate::world::DeskServer::from_arc(world.clerk.clone());
    let second = rpc_core::Server::builder().add(second).governance(&world.governance);
    let _second = second.listen_on(world.network.listen("second").unwrap()).await.unwrap();
    let desk = world.client().await;
    ask(&desk).await.unwrap();
    ask(&desk).await.unwrap_err();
    let other = world.builder().connect("mem://second").await.unwrap();
    ask(&other).await.unwrap();
}

/// Counts what it is asked for, and what goes in.
#[derive(Clone, Default)]
struct Count {
    asked: Arc<AtomicUsize>,
    ended: Arc<AtomicUsize>,
}

#[derive(Clone)]
struct Counting<S>(S, Count);

impl<S> tower_layer::Layer<S> for Count {
    type Service = Counting<S>;

    fn layer(&self, inner: S) -> Counting<S> {
        Counting(inner, self.clone())
    }
}

impl<S> tower_service::Service<Request> for Counting<S>
where
    S: tower_service::Service<Request, Response = Response, Error = Status>,
    S::Future: Send + 'static,
{
    type Response = Response;
    type Error = Status;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Status>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Status>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        self.1.asked.fetch_add(1, Ordering::SeqCst);
        let (answer, ended) = (self.0.call(request), self.1.ended.clone());
        Box::pin(async move {
            let answer = answer.await;
            ended.fetch_add(1, Ordering::SeqCst);
            answer
        })
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_layer_sees_only_what_was_admitted_and_only_then() {
    let count = Count::default();
    let world = World::with(|server| {
        let rules = "[server.\"shop.Desk\"]\nconcurrency = { max = 1, queue = 1, wait = \"1s\" }";
        server.layer(count.clone()).rules(rules)
    })
    .await;
    let seen = || (count.asked.load(Ordering::SeqCst), count.ended.load(Ordering::SeqCst));
    let desk = world.client().await;
    let (one, two) = (hold(&desk), hold(&desk));
    settle().await;
    desk.hold().await.unwrap_err();
    assert_eq!(seen(), (1, 0), "one waits, one was refused, one is in");
    world.clerk.let_go(1);
    settle().await;
    assert_eq!(seen(), (2, 1));
    world.clerk.let_go(1);
    one.await.unwrap().unwrap();
    two.await.unwrap().unwrap();
    assert_eq!(seen(), (2, 2));
    tokio::time::sleep(ms(1)).await;
    assert_eq!(world.server.in_flight(), 0);
}
