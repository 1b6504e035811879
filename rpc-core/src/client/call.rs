//! The call itself, as a list of steps: settle what it inherits and when it ends, then attempt it,
//! once or, where nothing has run, on another node.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context as TaskContext, Poll};

use bytes::Bytes;
use futures_util::future::Either;
use rpc_codec::ResponseHead;
use tokio::time::Instant;

use super::channel::Core;
use super::governed::governed;
use super::node::Node;
use crate::clock::Now;
use crate::connection::{Answer, Limits, nudged};
use crate::context::{BAGGAGE, Context};
use crate::control::{ClientMethod, ClientSteps};
use crate::governance::Rough;
use crate::governance::outcome::Outcome;
use crate::governance::rules::RuleKey;
use crate::report::{CallReport, Facts};
use crate::request::{AppErrorHead, Destination, Request, Response};
use crate::service::{BoxFuture, BoxService};
use crate::status::{Code, Executed, Origin, Status};

/// A call that nobody has run may be sent again for free, but not for ever: twice to every node of
/// a small set, and never more than this.
const MAX_ATTEMPTS: usize = 8;

/// Makes one call, by the rules of its method.
///
/// What happens seldom is boxed, here and below: a call in flight should not carry room for it.
pub(super) fn call<'a>(
    core: &'a Core,
    method: &'a ClientMethod,
    request: &'a mut Request,
    now: Now,
) -> impl Future<Output = Result<Response, Status>> + Send + use<'a> {
    match (request.report.take(), method.governed()) {
        (None, None) => Either::Left(ungoverned(core, method, request, now, None)),
        (None, Some(steps)) => {
            Either::Right(Either::Left(governed(core, method, steps, request, now, None)))
        }
        (Some(report), steps) => {
            let reported = reported(core, method, steps, request, now, report);
            Either::Right(Either::Right(Box::pin(reported)))
        }
    }
}

/// The same, where somebody wants to know what it went through.
async fn reported(
    core: &Core,
    method: &ClientMethod,
    steps: Option<Arc<ClientSteps>>,
    request: &mut Request,
    now: Now,
    report: CallReport,
) -> Result<Response, Status> {
    let facts = Mutex::default();
    let result = match steps {
        None => ungoverned(core, method, request, now, Some(&facts)).await,
        Some(steps) => governed(core, method, steps, request, now, Some(&facts)).await,
    };
    let mut facts = facts.into_inner().unwrap_or_else(PoisonError::into_inner);
    facts.elapsed = now.instant.elapsed();
    facts.failure = result.as_ref().err().cloned();
    report.set(facts);
    request.report = Some(report);
    result
}

/// A call without rules: it only has a time, and may go elsewhere where nothing has run.
#[expect(clippy::manual_async_fn, reason = "an `async fn` keeps its arguments twice")]
fn ungoverned<'a>(
    core: &'a Core,
    method: &'a ClientMethod,
    request: &'a mut Request,
    now: Now,
    facts: Option<&'a Mutex<Facts>>,
) -> impl Future<Output = Result<Response, Status>> + Send + use<'a> {
    async move {
        let (index, node) = settle(core, method, request, now.instant)?;
        let failed = match attempt(core, node, request, now.instant, facts).await {
            Err(status) if is_free_to_resend(&status) => status,
            result => return ended(method, result),
        };
        Box::pin(elsewhere(core, method, request, index, failed, facts)).await
    }
}

/// What is settled before anything is sent: what the call inherits, when it ends, where it goes first.
fn settle<'a>(
    core: &'a Core,
    method: &ClientMethod,
    request: &mut Request,
    now: Instant,
) -> Result<(usize, &'a Arc<Node>), Status> {
    let context = Context::current();
    inherit(request, &context);
    request.deadline = Some(deadline(core, method, request, &context, now)?);
    core.pick(&[]).ok_or_else(nowhere)
}

pub(super) fn nowhere() -> Status {
    Status::unavailable("no node is left to try").from(Origin::Client, Executed::No)
}

/// What a call made from inside a handler takes over from the call it serves.
pub(super) fn inherit(request: &mut Request, context: &Context) {
    let Some(call) = context.call() else { return };
    request.priority.get_or_insert(call.priority);
    request.retried_upstream = context.is_retry();
    if request.trace.is_none() {
        request.trace = call.trace.clone();
    }
    if let Some(baggage) = call.metadata.get_bytes(BAGGAGE)
        && request.metadata.get_bytes(BAGGAGE).is_none()
    {
        // If there is no room for it beside what the caller says, the caller's words win.
        let _ = request.metadata.insert(BAGGAGE, baggage.clone());
    }
}

/// The call's own time, but never later than that of the call it serves.
pub(super) fn deadline(
    core: &Core,
    method: &ClientMethod,
    request: &Request,
    context: &Context,
    now: Instant,
) -> Result<Instant, Status> {
    let over = |what| Err(Status::local(Code::DeadlineExceeded, what));
    let own = method.timeout(request.timeout, core.config.timeout);
    let own = own.min(core.config.limits.max_deadline);
    if own.is_zero() {
        return over("a timeout of zero leaves no time for the call");
    }
    // `max_deadline` may be set beyond what the clock can say; a year will do then.
    let own = now.checked_add(own).unwrap_or(now + std::time::Duration::from_secs(31_536_000));
    match context.deadline() {
        Some(ambient) if ambient <= now => over("the time of the call being served is over"),
        Some(ambient) => Ok(own.min(ambient)),
        None => Ok(own),
    }
}

/// A call that has run nowhere, once more on other nodes.
async fn elsewhere(
    core: &Core,
    method: &ClientMethod,
    request: &Request,
    first: usize,
    mut failed: Status,
    facts: Option<&Mutex<Facts>>,
) -> Result<Response, Status> {
    let mut tried = vec![first];
    for _ in 1..MAX_ATTEMPTS.min(core.node_count() * 2) {
        if tried.len() == core.node_count() {
            // One more round: a node that went away as the call was sent may be back.
            tried.clear();
        }
        let (index, node) = core.pick(&tried).ok_or_else(nowhere)?;
        match attempt(core, node, request, Instant::now(), facts).await {
            Err(status) if is_free_to_resend(&status) => failed = status,
            result => return ended(method, result),
        }
        tried.push(index);
    }
    Err(failed)
}

/// The last attempt of a call has ended like this.
fn ended(method: &ClientMethod, result: Result<Response, Status>) -> Result<Response, Status> {
    result.inspect_err(|failed| method.attempt_failed(failed))
}

fn is_free_to_resend(status: &Status) -> bool {
    Outcome::of_status(status).is_free_to_resend(status)
}

/// Sends a request to a node, through the user's layers around attempts.
pub(super) fn attempt<'a>(
    core: &'a Core,
    node: &'a Arc<Node>,
    request: &'a Request,
    now: Instant,
    facts: Option<&'a Mutex<Facts>>,
) -> impl Future<Output = Result<Response, Status>> + Send + use<'a> {
    match (&core.attempt, facts) {
        (None, None) => Either::Left(send(node, request, now)),
        (layered, facts) => Either::Right(Box::pin(seen(layered, node, request, now, facts))),
    }
}

/// The same, where somebody sees it: a layer, or a report.
async fn seen(
    layered: &Option<BoxService>,
    node: &Arc<Node>,
    request: &Request,
    now: Instant,
    facts: Option<&Mutex<Facts>>,
) -> Result<Response, Status> {
    if let Some(facts) = facts {
        facts.lock().unwrap_or_else(PoisonError::into_inner).begin();
    }
    let result = match layered {
        None => send(node, request, now).await,
        Some(layered) => {
            let mut request = request.clone();
            request.destination = Some(node.clone());
            nudged(request.nudge, layered.handle(request)).await
        }
    };
    if let Some(facts) = facts {
        let mut facts = facts.lock().unwrap_or_else(PoisonError::into_inner);
        facts.attempt(node.address(), &result);
    }
    result
}

/// Sends a request to a node, and reads what it answers.
#[expect(clippy::manual_async_fn, reason = "an `async fn` keeps its arguments twice")]
fn send<'a>(
    node: &'a Node,
    request: &'a Request,
    now: Instant,
) -> impl Future<Output = Result<Response, Status>> + Send + use<'a> {
    async move {
        let connection = match node.up() {
            Some(connection) => connection,
            None => Box::pin(nudged(request.nudge, node.connection(request.deadline))).await?,
        };
        let at = |status| at(status, node, request, now);
        if request.oneway {
            let sent = Box::pin(nudged(request.nudge, connection.send(request, now))).await;
            return sent.map(|()| Response::default()).map_err(at);
        }
        match connection.call(request, now).await {
            Ok(answer) => read(answer, node.limits()),
            Err(status) => Err(at(status)),
        }
    }
}

/// The same status, which now says where: a connection does not know its node's name.
fn at(status: Status, node: &Node, request: &Request, now: Instant) -> Status {
    let address = node.address();
    let message = match (status.origin(), status.code(), request.deadline) {
        (Origin::Client, Code::DeadlineExceeded, Some(deadline))
            if status.executed() == Executed::Maybe =>
        {
            let given = Rough::about(deadline.saturating_duration_since(now));
            let all = Rough::about(request.given);
            let whose = match request.is_per_try {
                true => ", its time per try".to_owned(),
                false if request.given.is_zero() || all == given => String::new(),
                false => format!(", what was left of {all}"),
            };
            format!("{} did not answer within {given}{whose} ({address})", request.method)
        }
        (Origin::Client, Code::DeadlineExceeded, _) | (Origin::Transport, ..) => {
            format!("{address}: {}", status.message())
        }
        _ => return status,
    };
    Status::new(status.code(), message).from(status.origin(), status.executed())
}

/// What an answer's bytes say.
fn read(answer: Answer, limits: &Limits) -> Result<Response, Status> {
    if answer.head().is_empty() {
        // Nothing is said beside the value, which is the rule.
        let arrived = Some(answer.at);
        return Ok(Response { arrived, ..Response::new(answer.into_body()) });
    }
    let garbled = |what: String| Status::internal(what).from(Origin::Client, Executed::Maybe);
    let head = ResponseHead::decode(answer.head())
        .map_err(|error| garbled(format!("bad response head: {error}")))?;
    if head.code != Code::Ok && !head.typed {
        return Err(status(&head));
    }
    let compression = head.compression;
    let app_error = head
        .typed
        .then(|| Box::new(AppErrorHead { code: head.code, message: head.message.to_string() }));
    let mut response = Response {
        body: Bytes::new(),
        app_error,
        metadata: head.metadata.into_owned(),
        degraded: head.degraded,
        load: head.load,
        arrived: Some(answer.at),
    };
    response.body = limits
        .inflate(answer.into_body(), compression)
        .map_err(|error| garbled(format!("the answer could not be decompressed: {error}")))?;
    Ok(response)
}

fn status(head: &ResponseHead<'_>) -> Status {
    let origin = match head.origin {
        rpc_codec::Origin::Handler => Origin::Handler,
        rpc_codec::Origin::Framework => Origin::Server,
    };
    let mut status = Status::new(head.code, head.message.to_string());
    for detail in head.details.iter() {
        status = status.with_detail(detail.type_name.clone(), detail.value.clone());
    }
    if let Some(micros) = head.retry_after_us {
        status = status.with_retry_after(std::time::Duration::from_micros(micros));
    }
    let status = status.from(origin, head.executed);
    match RuleKey::named(&head.refused_by) {
        Some(rule) => status.refused_by_rule(rule),
        None => status,
    }
}

impl Destination for Node {
    fn send(self: Arc<Self>, request: Request) -> BoxFuture<'static, Result<Response, Status>> {
        Box::pin(async move { send(&self, &request, Instant::now()).await })
    }
}

/// One attempt as a tower service: what the user's attempt layers wrap.
#[derive(Clone)]
pub(super) struct Attempt;

/// A whole call as a tower service: what the user's call layers wrap.
#[derive(Clone)]
pub(super) struct Call(pub(super) Arc<Core>);

impl tower_service::Service<Request> for Attempt {
    type Response = Response;
    type Error = Status;
    type Future = BoxFuture<'static, Result<Response, Status>>;

    fn poll_ready(&mut self, _: &mut TaskContext<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        match request.destination.clone() {
            Some(node) => node.send(request),
            None => Box::pin(async {
                let own = "an attempt layer made a request of its own; pass on the one it got";
                Err(Status::local(Code::Internal, own))
            }),
        }
    }
}

impl tower_service::Service<Request> for Call {
    type Response = Response;
    type Error = Status;
    type Future = BoxFuture<'static, Result<Response, Status>>;

    fn poll_ready(&mut self, _: &mut TaskContext<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        let core = self.0.clone();
        Box::pin(async move {
            let Some(method) = request.governed.take() else {
                let own = "a call layer made a request of its own; pass on the one it got";
                return Err(Status::local(Code::Internal, own));
            };
            call(&core, &method, &mut request, Now::read()).await
        })
    }
}
