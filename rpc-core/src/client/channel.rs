//! The way to the nodes of a service: which there are, and what stands around a call to them.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{self, Poll};
use std::time::Duration;

use rpc_codec::Hello;

use super::builder::{ChannelBuilder, Parts};
use super::call;
use super::node::Node;
use crate::address::Address;
use crate::clock::Now;
use crate::connection::Limits;
use crate::context::Context;
use crate::control::{About, ClientMethod, ClientSteps, Governance};
use crate::governance::Moment;
use crate::governance::outcome::{Degradation, Outcome};
use crate::governance::retry::is_never;
use crate::governance::rules::{RuleKey, RuleSet};
use crate::observe::{Counters, Ledger, MethodStats};
use crate::request::{Request, Response};
use crate::service::{BoxFuture, BoxService};
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
    governance: Governance,
    /// The addresses that were connected to: calls to them share limits, breakers and budgets.
    target: Arc<str>,
    /// What the builder says of rules.
    rules: Arc<RuleSet>,
    /// Methods that are called by their paths alone.
    by_path: Mutex<HashMap<Cow<'static, str>, Arc<Bound>>>,
}

/// What a channel keeps of a method.
#[derive(Debug)]
pub(super) struct Bound {
    pub(super) counters: Arc<Counters>,
    pub(super) method: Arc<ClientMethod>,
}

impl Bound {
    /// A fallback was asked.
    pub(super) fn degrade(&self, degradation: Degradation, why: &Status) {
        self.counters.degrade(degradation);
        self.method.count_degraded(degradation, why);
    }
}

/// Paths that are kept; calls of further ones look theirs up each time.
const MAX_PATHS: usize = 1024;

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

    pub(super) fn new(parts: Parts, addresses: Vec<Address>) -> Self {
        let target = addresses.iter().map(Address::to_string).collect::<Vec<_>>().join(",");
        let Parts { config, call_layers, attempt_layers, governance, rules } = parts;
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
        Self(Arc::new(Inner {
            core,
            layered,
            ledger: Ledger::default(),
            governance,
            target: target.into(),
            rules: Arc::new(rules),
            by_path: Mutex::default(),
        }))
    }

    /// Makes one call.
    ///
    /// # Errors
    /// Whatever the call ends with.
    ///
    /// # Cancel safety
    /// Dropping it cancels the call, on the server too.
    pub async fn call(&self, mut request: Request) -> Result<Response, Status> {
        let bound = self.bound_by_path(request.method.clone());
        self.call_bound(&mut request, &bound).await
    }

    /// Makes one call of a method, counts it however it ends, and answers it otherwise if it failed
    /// and an earlier good answer may be given instead.
    pub(super) async fn call_bound(
        &self,
        request: &mut Request,
        bound: &Bound,
    ) -> Result<Response, Status> {
        let begun = Begun { bound, at: Now::read(), ended: false };
        let result = match &self.0.layered {
            None => {
                // Made where it is awaited, so that it is not moved.
                let call = pin!(call::call(&self.0.core, &bound.method, request, begun.at));
                call.await
            }
            Some(layered) => {
                let mut request = request.clone();
                request.governed = Some(bound.method.clone());
                layered.handle(request).await
            }
        };
        let outcome = begun.end(&result);
        pass_on(&result);
        match bound.method.keeps_answers() {
            None => result,
            Some(steps) => last_good(bound, &steps, request, outcome, result),
        }
    }

    /// What became of the calls of each method so far, by path.
    pub fn stats(&self) -> Vec<MethodStats> {
        self.0.ledger.snapshot()
    }

    /// What this channel keeps of a method.
    pub(super) fn bind(&self, about: About) -> Arc<Bound> {
        let Inner { ledger, governance, target, rules, .. } = &*self.0;
        let counters = ledger.of(about.path.clone());
        let method = governance.client(target, about, rules);
        method.set_default_timeout(self.0.core.config.timeout);
        Arc::new(Bound { counters, method })
    }

    fn bound_by_path(&self, path: Cow<'static, str>) -> Arc<Bound> {
        let mut known = self.0.by_path.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bound) = known.get(&path) {
            return bound.clone();
        }
        let bound = self.bind(About::path(path.clone()));
        if known.len() < MAX_PATHS {
            known.insert(path, bound.clone());
        }
        bound
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

/// What a handler that makes this call owes its own caller, whatever its rules: to say that its answer
/// rests on a degraded one, and that who is called does not want to be asked again.
fn pass_on(result: &Result<Response, Status>) {
    match result {
        Ok(response) if response.degraded => Context::current().set_degraded(),
        Err(failed) if failed.retry_after().is_some_and(is_never) => {
            Context::current().silence_retries();
        }
        _ => {}
    }
}

/// Keeps a good answer, or gives the one that was kept in place of a failure. What the call was
/// counted as does not change by that.
fn last_good(
    bound: &Bound,
    steps: &ClientSteps,
    request: &Request,
    outcome: Outcome,
    result: Result<Response, Status>,
) -> Result<Response, Status> {
    let Some(step) = &steps.last_good else { return result };
    let now = Moment::now();
    match result {
        Ok(response) => {
            step.keep(request, outcome, &response, now);
            Ok(response)
        }
        Err(failed) if !outcome.asks_fallback() => Err(failed),
        Err(failed) => {
            let Some(answer) = step.instead(request, now) else {
                bound.degrade(Degradation::Failed, &failed);
                return Err(failed);
            };
            if steps.dark.contains(RuleKey::Fallback) {
                // Only counted: this is what it would have been asked for.
                return bound
                    .method
                    .refused(steps, RuleKey::Fallback, failed.clone(), now)
                    .and(Err(failed));
            }
            bound.degrade(Degradation::Answered, &failed);
            Context::current().set_degraded();
            if let Some(report) = &request.report {
                report.degrade();
            }
            Ok(answer)
        }
    }
}

/// A call that has begun; dropped before its end it counts as cancelled.
struct Begun<'a> {
    bound: &'a Bound,
    at: Now,
    ended: bool,
}

impl Begun<'_> {
    fn end(mut self, result: &Result<Response, Status>) -> Outcome {
        let arrived = result.as_ref().ok().and_then(|response| response.arrived);
        let took = arrived.unwrap_or_else(Moment::now).since(self.at.moment);
        let outcome = self.bound.method.about.outcome(result);
        self.bound.counters.record(outcome, took, 1);
        self.ended = true;
        outcome
    }
}

impl Drop for Begun<'_> {
    fn drop(&mut self) {
        if !self.ended {
            let waited = Moment::now().since(self.at.moment);
            self.bound.counters.record(Outcome::Cancelled, waited, 1);
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
        // Only first attempts take turns: if others did too, every call might begin at the same node.
        let first = match tried.last() {
            None => self.next.fetch_add(1, Ordering::Relaxed),
            Some(last) => last + 1,
        };
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

    fn poll_ready(&mut self, _: &mut task::Context<'_>) -> Poll<Result<(), Status>> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn paths_made_at_run_time_do_not_pile_up() {
        let channel = Channel::connect("mem://nowhere").await.unwrap();
        for number in 0..MAX_PATHS + 100 {
            channel.bound_by_path(format!("s.S/m{number}").into());
        }
        let known = channel.0.by_path.lock().unwrap().len();
        assert_eq!(known, MAX_PATHS);
    }
}
