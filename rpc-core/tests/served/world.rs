//! A counter with rules, behind which calls wait until they are let go.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rpc_core::client::ClientBuilder;
use rpc_core::control::Governance;
use rpc_core::governance::rules::{RuleSet, Strength, Syntax};
use rpc_core::server::ServerBuilder;
use rpc_core::testing::Network;
use rpc_core::{Context, Priority, Server, ServerHandle, Status, service};
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinHandle;

#[service(name = "shop.Desk")]
pub(crate) trait Desk {
    /// Answers at once.
    #[rpc(idempotent)]
    async fn ask(&self, what: String) -> Result<String, Status>;
    /// Answers when the test lets it.
    async fn hold(&self) -> Result<(), Status>;
    /// The same, and may be dropped.
    #[rpc(idempotent)]
    async fn hold_idempotent(&self) -> Result<(), Status>;
    #[rpc(oneway)]
    async fn note(&self, what: String) -> Result<(), Status>;
    /// What its caller's claim was worth.
    async fn priority(&self) -> Result<String, Status>;
    async fn doomed(&self) -> Result<(), Status>;
}

#[derive(Default)]
pub(crate) struct Clerk {
    pub(crate) served: AtomicUsize,
    pub(crate) noted: AtomicUsize,
    pub(crate) started: Notify,
    gate: Gate,
}

struct Gate(Semaphore);

impl Default for Gate {
    fn default() -> Self {
        Self(Semaphore::new(0))
    }
}

impl Clerk {
    async fn wait(&self) {
        self.served.fetch_add(1, Ordering::SeqCst);
        self.started.notify_one();
        self.gate.0.acquire().await.unwrap().forget();
    }

    pub(crate) fn let_go(&self, calls: usize) {
        self.gate.0.add_permits(calls);
    }

    pub(crate) fn served(&self) -> usize {
        self.served.load(Ordering::SeqCst)
    }

    pub(crate) fn noted(&self) -> usize {
        self.noted.load(Ordering::SeqCst)
    }
}

impl Desk for Clerk {
    async fn ask(&self, what: String) -> Result<String, Status> {
        self.served.fetch_add(1, Ordering::SeqCst);
        Ok(what)
    }

    async fn hold(&self) -> Result<(), Status> {
        self.wait().await;
        Ok(())
    }

    async fn hold_idempotent(&self) -> Result<(), Status> {
        self.wait().await;
        Ok(())
    }

    async fn note(&self, _: String) -> Result<(), Status> {
        self.noted.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    async fn priority(&self) -> Result<String, Status> {
        Ok(format!("{:?}", Context::current().priority()))
    }

    async fn doomed(&self) -> Result<(), Status> {
        panic!("on purpose")
    }
}

pub(crate) struct World {
    pub(crate) network: Network,
    pub(crate) clerk: Arc<Clerk>,
    pub(crate) server: ServerHandle,
    pub(crate) governance: Governance,
}

impl World {
    /// A server whose builder has these rules.
    pub(crate) async fn new(rules: &str) -> Self {
        Self::with(|server| server.rules(rules)).await
    }

    pub(crate) async fn with(more: impl FnOnce(ServerBuilder) -> ServerBuilder) -> Self {
        let (network, governance) = (Network::new(), Governance::new());
        let clerk = Arc::new(Clerk::default());
        let builder = Server::builder().add(DeskServer::from_arc(clerk.clone()));
        let builder = more(builder.governance(&governance));
        let server = builder.listen_on(network.listen("desk").unwrap()).await.unwrap();
        Self { network, clerk, server, governance }
    }

    pub(crate) async fn client(&self) -> DeskClient {
        self.builder().connect("mem://desk").await.unwrap()
    }

    pub(crate) fn builder(&self) -> ClientBuilder<DeskClient> {
        DeskClient::builder().network(&self.network)
    }

    pub(crate) fn apply(&self, text: &str) {
        let set = RuleSet::parse(Strength::File, "rules.toml", Syntax::Toml, text, None);
        self.governance.apply(set.unwrap());
    }

    /// What the server has to say of a method.
    pub(crate) fn explain(&self, method: &str) -> String {
        self.governance.explain(&format!("shop.Desk/{method}"))
    }
}

/// A call of `hold` that has begun.
pub(crate) fn hold(client: &DeskClient) -> JoinHandle<Result<(), Status>> {
    let client = client.clone();
    tokio::spawn(async move { client.hold().await })
}

pub(crate) async fn ask(client: &DeskClient) -> Result<String, Status> {
    client.ask("time".into()).await
}

/// Everybody has done what they can do now.
pub(crate) async fn settle() {
    tokio::time::sleep(ms(1)).await;
}

pub(crate) fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(crate) const BULK: Priority = Priority::Bulk;
