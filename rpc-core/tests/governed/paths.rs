//! Calls by their path alone, and layers around calls and attempts, under rules.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use rpc_core::{CallReport, Channel, Code, Request, Response, Status};
use tokio::time::Instant;

use crate::world::{Act, Inventory, World, broken, ms, price};

fn scarce() -> Request {
    Request::new("shop.Inventory/scarce", "json", &br#"{"sku":"A-17"}"#[..])
}

async fn channel(world: &World, rules: &str) -> Channel {
    let channel = Channel::builder().network(&world.network).governance(&world.governance);
    channel.rules(rules).connect(&world.address()).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_call_by_path_is_governed_by_the_rules_of_that_path() {
    let world = World::of(1).await;
    let rules = "[client.\"shop.Inventory/scarce\"]\nlimit = { rate = \"1/h\", burst = 1 }";
    let channel = channel(&world, rules).await;
    channel.call(scarce()).await.unwrap();
    let refused = channel.call(scarce()).await.unwrap_err();
    assert!(refused.is_refusal() && refused.message().starts_with("limit of 1/h"), "{refused}");
    let quote = Request::new("shop.Inventory/quote", "json", &br#"{"sku":"A-17"}"#[..]);
    channel.call(quote).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_is_not_known_to_be_idempotent_is_not_repeated_nor_hedged() {
    let world = World::of(1).await;
    let rules = r#"[client.defaults]
        retry = { attempts = 3, backoff = "1ms" }
        hedge = { after = "10ms" }"#;
    let channel = channel(&world, rules).await;
    world.all_do(&Act::After(ms(50), 7));
    channel.call(scarce()).await.unwrap();
    world.all_do(&broken());
    channel.call(scarce()).await.unwrap_err();
    assert_eq!(world.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_path_that_was_called_first_does_not_take_the_attribute_from_a_stub() {
    let world = World::of(1).await;
    let rules = "[client.defaults]\nretry = { attempts = 3, backoff = \"1ms\" }";
    let channel = channel(&world, rules).await;
    channel.call(scarce()).await.unwrap();
    channel.call(scarce()).await.unwrap();
    let shop = world.client(rules).await;
    shop.scarce("A-17".into()).await.unwrap();
    let refused = shop.scarce("A-17".into()).await.unwrap_err();
    assert!(refused.message().starts_with("limit of 1/min"), "{refused}");
    assert!(channel.call(scarce()).await.unwrap_err().is_refusal(), "it is one limit");
    tokio::time::sleep(std::time::Duration::from_secs(60)).await;
    world.all_do(&broken());
    let before = world.calls();
    shop.scarce("A-17".into()).await.unwrap_err();
    assert_eq!(world.calls() - before, 3, "and it is known to be idempotent");
}

/// Notes what passes.
#[derive(Clone)]
struct Note(&'static str, Arc<Mutex<Vec<String>>>);

#[derive(Clone)]
struct Noting<S>(S, Note);

impl<S> tower_layer::Layer<S> for Note {
    type Service = Noting<S>;

    fn layer(&self, inner: S) -> Noting<S> {
        Noting(inner, self.clone())
    }
}

impl<S> tower_service::Service<Request> for Noting<S>
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
        let Note(name, log) = self.1.clone();
        log.lock().unwrap().push(format!("{name} {}", request.attempt()));
        let answer = self.0.call(request);
        Box::pin(async move {
            let answer = answer.await;
            let how = match &answer {
                Ok(response) if response.is_degraded() => "degraded".into(),
                Ok(_) => "ok".into(),
                Err(status) => format!("{:?}", status.code()),
            };
            log.lock().unwrap().push(format!("{name} {how}"));
            answer
        })
    }
}

/// Holds first attempts for ever.
#[derive(Clone)]
struct Hold<S>(S);

impl<S> tower_service::Service<Request> for Hold<S>
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
        match request.attempt() {
            0 => Box::pin(std::future::pending()),
            _ => Box::pin(self.0.call(request)),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_hedge_joins_a_call_that_a_layer_holds() {
    let world = World::of(1).await;
    let shop = world.builder().attempt_layer(tower_layer::layer_fn(Hold)).rules(
        r#"[client."shop.Inventory/price"]
        hedge = { after = "20ms" }"#,
    );
    let shop = shop.connect(&world.address()).await.unwrap();
    let begun = Instant::now();
    assert_eq!(price(&shop).await.unwrap(), 1995);
    assert!((ms(20)..=ms(21)).contains(&begun.elapsed()), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_call_layer_sees_each_call_once_and_an_attempt_layer_each_attempt() {
    let world = World::of(1).await;
    let log = Arc::<Mutex<Vec<String>>>::default();
    let rules = r#"[client."shop.Inventory/price"]
        retry = { attempts = 3, backoff = "1ms" }
        limit = { rate = "1/h", burst = 1 }
        fallback = { last_good = "1h" }"#;
    let shop = world.builder().rules(rules);
    let shop = shop.layer(Note("call", log.clone())).attempt_layer(Note("attempt", log.clone()));
    let shop = shop.connect(&world.address()).await.unwrap();
    let seen = || std::mem::take(&mut *log.lock().unwrap());
    world.all_do(&broken());
    let report = CallReport::new();
    let failed = price(&shop.with_report(&report)).await.unwrap_err();
    assert_eq!((failed.code(), report.attempts()), (Code::Unavailable, 3));
    assert_eq!(
        seen(),
        [
            "call 0",
            "attempt 0",
            "attempt Unavailable",
            "attempt 1",
            "attempt Unavailable",
            "attempt 2",
            "attempt Unavailable",
            "call Unavailable",
        ],
    );
    price(&shop).await.unwrap_err();
    assert_eq!(seen(), ["call 0", "call ResourceExhausted"], "refused before any attempt");
}
