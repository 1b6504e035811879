//! The way to the nodes of a service: which there are, and what stands around a call to them.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use rpc_codec::Hello;
use tokio::time::Instant;

use super::builder::ChannelBuilder;
use super::call;
use super::node::Node;
use crate::address::Address;
use crate::connection::Limits;
use crate::governance::outcome::Outcome;
use crate::observe::{Counters, Ledger, MethodStats};
use crate::request::{Request, Response};
use crate::service::{BoxFuture, BoxService, Layers};
use crate::status::Status;
use crate::transport::Connect;

/// The way to the nodes of a service. Cheap to clone; clones share the connections, which end when
/// the last is dropped.
///
/// A tower [`Service`](tower_service::Service) as well.
#[derive(Clone)]
pub struct Channel(Arc<Inner>);

struct Inner {
    core: Arc<Core>,
    /// The call inside the user's layers, if there are any.
    layered: Option<BoxService>,
    ledger: Ledger,
}

/// What lies inside the layers around a call.
pub(super) struct Core {
    pub(super) config: Arc<Config>,
    nodes: Vec<Arc<Node>>,
    next: AtomicUsize,
    /// One attempt inside the user's layers, if there are any.
    pub(super) attempt: Option<BoxService>,
}

pub(super) struct Config {
    pub(super) connector: Arc<dyn Connect>,
    pub(super) limits: Limits,
    pub(super) connections: usize,
    pub(super) connect_timeout: Duration,
    pub(super) timeout: Duration,
    pub(super) name: String,
    pub(super) service: Option<&'static str>,
    pub(super) format: Option<Cow<'static, str>>,
}

impl Config {
    pub(super) fn hello(&self) -> Hello {
        Hello {
            peer_name: self.name.clone(),
            service: self.service.unwrap_or_default().to_owned(),
            ..self.limits.hello()
        }
    }
}

impl Channel {
    /// A channel with default settings; see [`ChannelBuilder::connect`].
    ///
    /// # Errors
    /// *Invalid argument* for a bad address.
    ///
    /// # Cancel safety
    /// It is ready at once.
    pub async fn connect(address: &str) -> Result<Self, Status> {
        Self::builder().connect(address).await
    }

    /// A channel with settings.
    pub fn builder() -> ChannelBuilder {
        ChannelBuilder::new()
    }

    pub(super) fn new(
        config: Config,
        addresses: Vec<Address>,
        call_layers: Layers,
        attempt_layers: Layers,
    ) -> Self {
        let config = Arc::new(config);
        let nodes = addresses.into_iter().map(|address| Node::new(address, config.clone()));
        let core = Arc::new(Core {
            nodes: nodes.collect(),
            config,
            // Clients that start together should not all begin with the same node.
            next: AtomicUsize::new(fastrand::usize(..)),
            attempt: attempt_layers.around(|| BoxService::new(call::Attempt)),
        });
        let layered = call_layers.around(|| BoxService::new(call::Call(core.clone())));
        Self(Arc::new(Inner { core, layered, ledger: Ledger::default() }))
    }

    /// Makes one call.
    ///
    /// # Errors
    /// Whatever the call ends with.
    ///
    /// # Cancel safety
    /// Dropping it cancels the call, on the server too.
    pub async fn call(&self, mut request: Request) -> Result<Response, Status> {
        let counters = self.0.ledger.of(request.method.clone());
        self.call_counted(&mut request, &counters).await
    }

    /// Makes one call of the method that is counted by `counters`.
    pub(super) async fn call_counted(
        &self,
        request: &mut Request,
        counters: &Counters,
    ) -> Result<Response, Status> {
        let begun = Begun { counters, at: Instant::now(), ended: false };
        let result = match &self.0.layered {
            None => call::call(&self.0.core, request, begun.at).await,
            Some(layered) => layered.handle(request.clone()).await,
        };
        begun.end(&result);
        result
    }

    /// What became of the calls of each method so far, by path.
    pub fn stats(&self) -> Vec<MethodStats> {
        self.0.ledger.snapshot()
    }

    /// The counters of a method, to be kept.
    pub(super) fn counters(&self, method: &'static str) -> Arc<Counters> {
        self.0.ledger.of(Cow::Borrowed(method))
    }

    /// Waits until a node has said hello.
    ///
    /// # Errors
    /// Why the last node could not be reached, once each has been tried.
    ///
    /// # Cancel safety
    /// Dropping it leaves the connections being made alone.
    pub async fn ready(&self) -> Result<(), Status> {
        let mut failed = Status::internal("a channel has at least one node");
        for node in &self.0.core.nodes {
            match node.greeted().await {
                Ok(()) => return Ok(()),
                Err(status) => failed = status,
            }
        }
        Err(failed)
    }

    /// Calls that the servers have yet to answer; a cancelled call is one until its server has
    /// said so.
    pub fn in_flight(&self) -> usize {
        self.0.core.nodes.iter().map(|node| node.in_flight()).sum()
    }

    pub(super) fn format(&self) -> Option<Cow<'static, str>> {
        self.0.core.config.format.clone()
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.0.core.config.limits
    }
}

/// A call that has begun; dropped before its end it counts as cancelled.
struct Begun<'a> {
    counters: &'a Counters,
    at: Instant,
    ended: bool,
}

impl Begun<'_> {
    fn end(mut self, result: &Result<Response, Status>) {
        let arrived = result.as_ref().ok().and_then(|response| response.arrived);
        let took = arrived.unwrap_or_else(Instant::now).saturating_duration_since(self.at);
        self.counters.record(Outcome::of(result), took, 1);
        self.ended = true;
    }
}

impl Drop for Begun<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.counters.record(Outcome::Cancelled, self.at.elapsed(), 1);
        }
    }
}

impl Core {
    pub(super) fn node_count(&self) -> usize {
        self.nodes.len()
    }

    /// The next node in turn that was not `tried`; one that is known to be out of reach only if
    /// there is no other.
    pub(super) fn pick(&self, tried: &[usize]) -> Option<(usize, &Arc<Node>)> {
        if let ([only], []) = (self.nodes.as_slice(), tried) {
            return Some((0, only));
        }
        let count = self.nodes.len();
        let first = self.next.fetch_add(1, Ordering::Relaxed);
        let in_turn = (0..count).map(|step| first.wrapping_add(step) % count);
        let mut fallback = None;
        for index in in_turn.filter(|index| !tried.contains(index)) {
            let node = &self.nodes[index];
            if node.is_promising() {
                return Some((index, node));
            }
            fallback.get_or_insert((index, node));
        }
        fallback
    }
}

impl tower_service::Service<Request> for Channel {
    type Response = Response;
    type Error = Status;
    type Future = BoxFuture<'static, Result<Response, Status>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let channel = self.clone();
        Box::pin(async move { Channel::call(&channel, request).await })
    }
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let addresses = self.0.core.nodes.iter().map(|node| node.address().to_string());
        f.debug_tuple("Channel").field(&addresses.collect::<Vec<_>>()).finish()
    }
}
