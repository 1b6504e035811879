//! A user's own tower layers, in each of their three places, and what the context passes on.

mod common;

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context as TaskContext, Poll};

use common::{Lab, LabClient, client, serve, world, world_with};
use rpc_core::testing::Network;
use rpc_core::{
    CallReport, Code, Context, Executed, Origin, Priority, Request, Response, Server, Status,
    service,
};

type Log = Arc<Mutex<Vec<String>>>;

/// Notes what passes, or refuses it.
#[derive(Clone)]
struct Note {
    name: &'static str,
    log: Log,
    refuse: bool,
}

#[derive(Clone)]
struct Noting<S> {
    inner: S,
    note: Note,
}

impl<S> tower_layer::Layer<S> for Note {
    type Service = Noting<S>;

    fn layer(&self, inner: S) -> Noting<S> {
        Noting { inner, note: self.clone() }
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

    fn poll_ready(&mut self, cx: &mut TaskContext<'_>) -> Poll<Result<(), Status>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let entry = format!("{} {}", self.note.name, request.method());
        self.note.log.lock().unwrap().push(entry);
        if self.note.refuse {
            return Box::pin(async { Err(Status::unauthenticated("who are you?")) });
        }
        Box::pin(self.inner.call(request))
    }
}

#[tokio::test(start_paused = true)]
async fn a_layer_in_each_place_sees_each_call() {
    let log = Log::default();
    let note = |name| Note { name, log: log.clone(), refuse: false };
    let world = world_with(|server| server.layer(note("server 1")).layer(note("server 2"))).await;
    let lab = LabClient::builder()
        .network(&world.net)
        .layer(note("call"))
        .attempt_layer(note("attempt"))
        .connect("mem://down,a")
        .await
        .unwrap();
    let report = CallReport::new();
    for _ in 0..2 {
        log.lock().unwrap().clear();
        lab.with_report(&report).echo("x".into()).await.unwrap();
        let seen = log.lock().unwrap().clone();
        let mut expected = vec!["call test.Lab/echo"];
        expected.extend(vec!["attempt test.Lab/echo"; report.attempts() as usize]);
        expected.extend(["server 1 test.Lab/echo", "server 2 test.Lab/echo"]);
        assert_eq!(seen, expected, "{} attempts", report.attempts());
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_server_layer_refuses_is_the_servers_word() {
    let log = Log::default();
    let note = Note { name: "guard", log, refuse: true };
    let world = world_with(|server| server.layer(note)).await;
    let status = world.client().await.echo("x".into()).await.unwrap_err();
    assert_eq!((status.code(), status.origin()), (Code::Unauthenticated, Origin::Server));
    assert_eq!(status.executed(), Executed::Maybe, "only the layer knows");
}

#[service]
trait Hop {
    async fn hop(&self) -> Result<String, Status>;
    async fn leaf(&self) -> Result<String, Status>;
}

/// Calls the next one, with nothing said.
struct Relay(Option<HopClient>);

impl Hop for Relay {
    async fn hop(&self) -> Result<String, Status> {
        match &self.0 {
            Some(next) => next.hop().await,
            None => self.leaf().await,
        }
    }

    async fn leaf(&self) -> Result<String, Status> {
        let cx = Context::current();
        cx.set_reply_metadata("served-by", "leaf").map_err(|e| Status::internal(e.to_string()))?;
        let baggage = cx.metadata().get("baggage").unwrap_or("none").to_owned();
        let tenant = cx.metadata().get("tenant").unwrap_or("none").to_owned();
        Ok(format!("{} {:?} {baggage} {tenant} {}", cx.method(), cx.priority(), cx.peer().name()))
    }
}

#[tokio::test(start_paused = true)]
async fn baggage_and_priority_go_all_the_way_and_metadata_one_hop() {
    let net = Network::new();
    let leaf = Server::builder().add(HopServer::new(Relay(None)));
    let _leaf = leaf.listen_on(net.listen("leaf").unwrap()).await.unwrap();
    let next =
        HopClient::builder().network(&net).name("relay").connect("mem://leaf").await.unwrap();
    let relay = Server::builder().add(HopServer::new(Relay(Some(next))));
    let _relay = relay.listen_on(net.listen("relay").unwrap()).await.unwrap();
    let hop = HopClient::builder().network(&net).name("me").connect("mem://relay").await.unwrap();

    let report = CallReport::new();
    let hop = hop
        .with_priority(Priority::Critical)
        .with_metadata("baggage", "user=7")
        .with_metadata("tenant", "eu")
        .with_report(&report);
    assert_eq!(hop.hop().await.unwrap(), "Hop/hop Critical user=7 none relay");
    assert_eq!(hop.leaf().await.unwrap(), "Hop/leaf Critical user=7 eu me");
    assert_eq!(report.metadata().get("served-by"), Some("leaf"));
}

#[tokio::test(start_paused = true)]
async fn a_handlers_word_of_a_downstream_refusal_is_its_own() {
    let net = Network::new();
    let nobody = HopClient::builder().network(&net).connect("mem://nobody").await.unwrap();
    let relay = Server::builder().add(HopServer::new(Relay(Some(nobody))));
    let _relay = relay.listen_on(net.listen("relay").unwrap()).await.unwrap();
    let hop = HopClient::builder().network(&net).connect("mem://relay").await.unwrap();
    let status = hop.hop().await.unwrap_err();
    assert_eq!((status.code(), status.origin()), (Code::Unavailable, Origin::Handler));
    assert_eq!(status.executed(), Executed::Maybe, "the relay ran, whatever its call did");
}

#[tokio::test(start_paused = true)]
async fn a_mock_and_a_dynamic_one_are_implementations_too() {
    let world = world().await;
    let lab: Arc<dyn common::lab::Dyn> = Arc::new(world.client().await);
    async fn helper(lab: impl Lab + Clone) -> String {
        let spawned = tokio::spawn({
            let lab = lab.clone();
            async move { lab.echo("spawned".into()).await }
        });
        spawned.await.unwrap().unwrap()
    }
    assert_eq!(helper(lab).await, "spawned");
    let other = Network::new();
    let (_bench, _server) = serve(&other, "b", |server| server).await;
    assert_eq!(helper(client(&other, "mem://b").await).await, "spawned");
}
