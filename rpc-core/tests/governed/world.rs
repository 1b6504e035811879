//! A shop on any number of nodes, each of which does what its test says.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rpc_core::client::ClientBuilder;
use rpc_core::control::Governance;
use rpc_core::governance::outcome::Outcome;
use rpc_core::testing::Network;
use rpc_core::{AppError, Code, Context, Error, Priority, Server, ServerHandle, Status, service};
use serde::{Deserialize, Serialize};
use tokio::time::sleep;

#[service(name = "shop.Inventory")]
pub(crate) trait Inventory {
    /// Price of an article in cents.
    #[rpc(idempotent)]
    async fn price(&self, sku: String) -> Result<u64, Status>;
    /// Takes one out; not to be repeated.
    async fn reserve(&self, sku: String) -> Result<u64, Status>;
    #[rpc(idempotent, fallback = last_known_price)]
    async fn quote(&self, sku: String) -> Result<u64, Status>;
    #[rpc(idempotent, fallback = "default")]
    async fn stock(&self, sku: String) -> Result<u64, Status>;
    /// One a minute, unless rules say otherwise.
    #[rpc(idempotent, limit(rate = "1/min", burst = 1))]
    async fn scarce(&self, sku: String) -> Result<u64, Status>;
    /// Sold out when there is none left.
    #[rpc(idempotent, fallback = from_the_other_shop)]
    async fn take(&self, sku: String) -> Result<u64, Error<SoldOut>>;
    #[rpc(oneway)]
    async fn viewed(&self, sku: String) -> Result<(), Status>;
    #[rpc(idempotent, classify = as_the_shop_sees_it)]
    async fn wanted(&self, sku: String) -> Result<u64, Status>;
}

#[derive(Debug, Serialize, Deserialize, thiserror::Error)]
#[error("sold out")]
pub(crate) struct SoldOut;

impl AppError for SoldOut {}

/// The degraded answer of `take`: has one article, and knows that another is sold out.
async fn from_the_other_shop(why: &Status, sku: String) -> Result<u64, Error<SoldOut>> {
    match sku.as_str() {
        "A-17" => Ok(2),
        "B-4" => Err(Error::App(SoldOut)),
        _ => Err(Error::Status(why.clone())),
    }
}

/// For `wanted` *unavailable* is an answer, and *not found* an outage.
fn as_the_shop_sees_it(status: &Status) -> Option<Outcome> {
    match status.code() {
        Code::Unavailable => Some(Outcome::BusinessError),
        Code::NotFound => Some(Outcome::TransportFailure),
        _ => None,
    }
}

/// The degraded answer of `quote`: knows one article.
async fn last_known_price(why: &Status, sku: String) -> Result<u64, Status> {
    match sku.as_str() {
        "A-17" => Ok(1),
        _ => Err(Status::not_found(format!("no last price of {sku} ({})", why.code()))),
    }
}

/// What a node does with a call.
#[derive(Clone)]
pub(crate) enum Act {
    Answer(u64),
    Fail(Status),
    /// Answers after so long.
    After(Duration, u64),
    Never,
    Panic,
}

/// A node's behaviour, which a test may change at any time, and what it has seen.
pub(crate) struct Node {
    act: Mutex<Act>,
    pub(crate) calls: AtomicUsize,
    /// Handlers that were dropped before they were done.
    pub(crate) dropped: AtomicUsize,
    pub(crate) retries: AtomicUsize,
    /// What the last call mattered.
    pub(crate) priority: Mutex<Option<Priority>>,
    running: AtomicUsize,
    /// Calls that ran at a time, at most.
    pub(crate) most: AtomicUsize,
}

impl Node {
    /// One that answers 1995 at once.
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            act: Mutex::new(Act::Answer(1995)),
            calls: AtomicUsize::new(0),
            dropped: AtomicUsize::new(0),
            retries: AtomicUsize::new(0),
            priority: Mutex::default(),
            running: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
        })
    }

    pub(crate) fn does(&self, act: Act) {
        *self.act.lock().unwrap() = act;
    }

    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    pub(crate) fn dropped(&self) -> usize {
        self.dropped.load(Ordering::SeqCst)
    }

    async fn act(&self) -> Result<u64, Status> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        self.retries.fetch_add(usize::from(Context::current().is_retry()), Ordering::SeqCst);
        *self.priority.lock().unwrap() = Some(Context::current().priority());
        let running = self.running.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(running, Ordering::SeqCst);
        let act = self.act.lock().unwrap().clone();
        let mut watch = CountDrop { node: self, done: false };
        let answer = match act {
            Act::Answer(cents) => Ok(cents),
            Act::Fail(status) => Err(status),
            Act::After(time, cents) => {
                sleep(time).await;
                Ok(cents)
            }
            Act::Never => std::future::pending().await,
            Act::Panic => panic!("on purpose"),
        };
        watch.done = true;
        answer
    }
}

struct CountDrop<'a> {
    node: &'a Node,
    done: bool,
}

impl Drop for CountDrop<'_> {
    fn drop(&mut self) {
        self.node.running.fetch_sub(1, Ordering::SeqCst);
        if !self.done {
            self.node.dropped.fetch_add(1, Ordering::SeqCst);
        }
    }
}

#[derive(Clone)]
pub(crate) struct Shop(pub(crate) Arc<Node>);

impl Inventory for Shop {
    async fn price(&self, _: String) -> Result<u64, Status> {
        self.0.act().await
    }
    async fn reserve(&self, _: String) -> Result<u64, Status> {
        self.0.act().await
    }
    async fn quote(&self, _: String) -> Result<u64, Status> {
        self.0.act().await
    }
    async fn stock(&self, _: String) -> Result<u64, Status> {
        self.0.act().await
    }
    async fn scarce(&self, _: String) -> Result<u64, Status> {
        self.0.act().await
    }
    async fn take(&self, _: String) -> Result<u64, Error<SoldOut>> {
        match self.0.act().await? {
            0 => Err(Error::App(SoldOut)),
            left => Ok(left),
        }
    }
    async fn viewed(&self, _: String) -> Result<(), Status> {
        self.0.act().await.map(drop)
    }
    async fn wanted(&self, _: String) -> Result<u64, Status> {
        self.0.act().await
    }
}

/// A shop that has nothing of its own and asks another.
pub(crate) struct Relay(pub(crate) InventoryClient);

impl Inventory for Relay {
    async fn price(&self, sku: String) -> Result<u64, Status> {
        self.0.price(sku).await
    }
    async fn reserve(&self, sku: String) -> Result<u64, Status> {
        self.0.reserve(sku).await
    }
    async fn quote(&self, sku: String) -> Result<u64, Status> {
        self.0.quote(sku).await
    }
    async fn stock(&self, sku: String) -> Result<u64, Status> {
        self.0.stock(sku).await
    }
    async fn scarce(&self, sku: String) -> Result<u64, Status> {
        self.0.scarce(sku).await
    }
    async fn take(&self, sku: String) -> Result<u64, Error<SoldOut>> {
        self.0.take(sku).await
    }
    async fn viewed(&self, sku: String) -> Result<(), Status> {
        self.0.viewed(sku).await
    }
    async fn wanted(&self, sku: String) -> Result<u64, Status> {
        self.0.wanted(sku).await
    }
}

/// Some nodes, and what their callers are governed by.
pub(crate) struct World {
    pub(crate) network: Network,
    pub(crate) nodes: Vec<Arc<Node>>,
    pub(crate) servers: Vec<ServerHandle>,
    pub(crate) governance: Governance,
}

impl World {
    /// So many nodes, which answer 1995 at once.
    pub(crate) async fn of(count: usize) -> Self {
        Self::with_rules(count, "").await
    }

    /// The same, whose servers have rules.
    pub(crate) async fn with_rules(count: usize, rules: &str) -> Self {
        let network = Network::new();
        let (mut nodes, mut servers) = (Vec::new(), Vec::new());
        for index in 0..count {
            let node = Node::new();
            let listener = network.listen(format!("node-{index}")).unwrap();
            let shop = InventoryServer::new(Shop(node.clone()));
            servers
                .push(Server::builder().add(shop).rules(rules).listen_on(listener).await.unwrap());
            nodes.push(node);
        }
        Self { network, nodes, servers, governance: Governance::new() }
    }

    /// A client of all nodes, with these rules.
    pub(crate) async fn client(&self, rules: &str) -> InventoryClient {
        self.builder().rules(rules).connect(&self.address()).await.unwrap()
    }

    pub(crate) fn builder(&self) -> ClientBuilder<InventoryClient> {
        InventoryClient::builder().network(&self.network).governance(&self.governance)
    }

    /// A client of a relay of that name, before `next`. Each tier is a process of its own.
    pub(crate) async fn tier(
        &self,
        name: &str,
        next: InventoryClient,
        rules: &str,
    ) -> InventoryClient {
        let listener = self.network.listen(name).unwrap();
        let relay = InventoryServer::new(Relay(next));
        Server::builder().add(relay).listen_on(listener).await.unwrap();
        let client = InventoryClient::builder().network(&self.network).rules(rules);
        client.connect(&format!("mem://{name}")).await.unwrap()
    }

    /// Calls that are under way at any node.
    pub(crate) fn in_flight(&self) -> usize {
        self.servers.iter().map(ServerHandle::in_flight).sum()
    }

    pub(crate) fn address(&self) -> String {
        let addresses = (0..self.nodes.len()).map(|index| format!("mem://node-{index}"));
        addresses.collect::<Vec<_>>().join(",")
    }

    pub(crate) fn all_do(&self, act: &Act) {
        self.nodes.iter().for_each(|node| node.does(act.clone()));
    }

    /// Calls that any node has seen.
    pub(crate) fn calls(&self) -> usize {
        self.nodes.iter().map(|node| node.calls()).sum()
    }
}

pub(crate) fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(crate) fn broken() -> Act {
    Act::Fail(Status::unavailable("the database is down"))
}

pub(crate) async fn price(client: &InventoryClient) -> Result<u64, Status> {
    client.price("A-17".into()).await
}
