//! From a request's bytes to a running handler: cheap things first, the arguments last.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rpc_codec::{Hello, RequestHead};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::router::{Route, Router};
use crate::connection::{Accept, Accepted, Incoming, Permit, Run};
use crate::context::{Call, Context};
use crate::request::Request;
use crate::service::BoxService;
use crate::status::{Code, Status};

/// What a server does with a request.
pub(crate) struct Dispatch {
    pub(crate) router: Router,
    /// The router inside the user's layers, if there are any.
    pub(crate) layered: Option<BoxService>,
    pub(crate) calls: Arc<Calls>,
}

/// The calls that run on a server, on all its connections.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    max: usize,
    running: AtomicUsize,
    idle: Notify,
}

impl Calls {
    pub(crate) fn new(max: usize) -> Self {
        Self { max, ..Self::default() }
    }

    fn enter(self: &Arc<Self>) -> Option<Permit> {
        let before = self.running.fetch_add(1, Ordering::AcqRel);
        let place = Place(self.clone());
        (before < self.max).then(|| Permit::new(place))
    }

    pub(crate) fn running(&self) -> usize {
        self.running.load(Ordering::Acquire)
    }

    /// Waits until none runs.
    pub(crate) async fn idle(&self) {
        loop {
            let mut idle = std::pin::pin!(self.idle.notified());
            idle.as_mut().enable();
            if self.running() == 0 {
                return;
            }
            idle.await;
        }
    }
}

/// One running call; dropping it makes room.
struct Place(Arc<Calls>);

impl Drop for Place {
    fn drop(&mut self) {
        if self.0.running.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.idle.notify_waiters();
        }
    }
}

impl Accept for Dispatch {
    fn greet(&self, hello: &Hello) -> Result<(), String> {
        let services = self.router.services();
        if hello.service.is_empty() || services.contains(&hello.service.as_str()) {
            return Ok(());
        }
        Err(format!(
            "this server does not offer `{}`; it offers {}",
            hello.service,
            services.join(", ")
        ))
    }

    fn accept(&self, incoming: Incoming<'_>) -> Accepted {
        let head = match RequestHead::decode(incoming.head) {
            Ok(head) => head,
            Err(error) => {
                let status =
                    Status::refused(Code::InvalidArgument, format!("bad request head: {error}"));
                return Accepted::Refused { status, oneway: false };
            }
        };
        let oneway = head.oneway;
        match self.run(head, &incoming) {
            Ok(run) => Accepted::Run(run),
            Err(status) => Accepted::Refused { status, oneway },
        }
    }
}

impl Dispatch {
    fn run(&self, head: RequestHead<'_>, incoming: &Incoming<'_>) -> Result<Run, Status> {
        let deadline = deadline(&head, incoming)?;
        let permit = self.admit(incoming)?;
        let limits = incoming.limits;
        let body = limits.inflate(&incoming.body, head.compression).map_err(|error| {
            let what = format!("the arguments could not be decompressed: {error}");
            Status::refused(Code::InvalidArgument, what)
        })?;
        let route = self.router.find(head.method);
        let mut request =
            Request::new(Self::method(route, head.method), self.format(head.format), body);
        request.metadata = head.metadata.into_owned();
        request.deadline = deadline;
        request.priority = Some(head.priority);
        request.oneway = head.oneway;
        request.attempt = head.attempt;
        request.retried_upstream = head.retried_upstream;
        request.decode = limits.decode.clone();
        let context = Context::new(Call {
            method: request.method.clone(),
            deadline,
            metadata: request.metadata.clone(),
            peer: incoming.peer.clone(),
            priority: head.priority,
            attempt: head.attempt,
            retried_upstream: head.retried_upstream,
            trace_parent: head.trace_parent.to_owned(),
            trace_state: head.trace_state.to_owned(),
            ..Call::default()
        });
        let handler = match (&self.layered, route) {
            (Some(layered), _) => layered.handle(request),
            (None, Some(route)) => route.handle(request),
            (None, None) => return Err(self.router.unknown(head.method)),
        };
        Ok(Run {
            future: Box::pin(context.clone().scope(handler)),
            context,
            deadline,
            idempotent: route.is_some_and(|route| route.method.is_idempotent()),
            oneway: head.oneway,
            compression: head.compression,
            permit,
        })
    }

    /// The method's name, without a copy if it is one of ours.
    fn method(route: Option<&Route>, path: &str) -> Cow<'static, str> {
        route.map_or_else(|| Cow::Owned(path.to_owned()), |route| route.method.path().into())
    }

    /// The format's name, without a copy if it is one of ours.
    fn format(&self, name: &str) -> Cow<'static, str> {
        match self.router.formats().iter().find(|known| **known == name) {
            Some(known) => Cow::Borrowed(known),
            None => Cow::Owned(name.to_owned()),
        }
    }

    /// Whether there is room for one call more.
    fn admit(&self, incoming: &Incoming<'_>) -> Result<Permit, Status> {
        let full = |what: String| Status::refused(Code::ResourceExhausted, what);
        let limits = incoming.limits;
        if incoming.in_flight >= limits.calls() as usize {
            return Err(full(format!(
                "this connection has {} calls in flight, which is its limit",
                incoming.in_flight
            )));
        }
        if incoming.queued_bytes > limits.max_queued_bytes {
            return Err(full(format!(
                "{} bytes of answers wait to be read on this connection",
                incoming.queued_bytes
            )));
        }
        let max = self.calls.max;
        self.calls.enter().ok_or_else(|| {
            full(format!("this server has {max} calls in flight, which is its limit"))
        })
    }
}

fn deadline(head: &RequestHead<'_>, incoming: &Incoming<'_>) -> Result<Option<Instant>, Status> {
    let max = incoming.limits.max_deadline;
    let left = match head.timeout_us {
        Some(0) => {
            let late = "the call's time was over when it arrived";
            return Err(Status::refused(Code::DeadlineExceeded, late));
        }
        Some(micros) => Duration::from_micros(micros).min(max),
        None => max,
    };
    Ok(incoming.now.checked_add(left))
}
