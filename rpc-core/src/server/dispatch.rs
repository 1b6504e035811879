//! From a request's bytes to a running handler: cheap things first, the arguments last.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use rpc_codec::{Hello, RequestHead};
use tokio::time::Instant;

use super::admission::{self, Admission};
use super::router::{Arguments, Read, Route, Router};
use crate::connection::{Accept, Accepted, Incoming, Place, Places, Run};
use crate::context::Trace;
use crate::observe::{Meter, MethodStats};
use crate::request::Request;
use crate::service::BoxService;
use crate::status::{Code, Status};

/// What a server does with a request.
#[derive(Debug)]
pub(crate) struct Dispatch {
    pub(crate) router: Router,
    /// The router inside the user's layers, if there are any.
    pub(crate) layered: Option<BoxService>,
    pub(crate) places: Arc<Places>,
    /// What becomes of calls that lead nowhere.
    pub(crate) unknown: Arc<Meter>,
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

    fn accept(&self, incoming: Incoming<'_>, run: &mut Run) -> Accepted<'_> {
        let read = self.router.read(incoming.frame.head(), &mut run.last_known);
        let Read { head, route, format } = match read {
            Ok(read) => read,
            Err(error) => {
                let bad = format!("bad request head: {error}");
                let status = Status::refused(Code::InvalidArgument, bad);
                return Accepted::Refused { status, oneway: false, meter: &self.unknown };
            }
        };
        let oneway = head.oneway;
        let meter = route.map_or(&self.unknown, |route| &route.meter);
        let format = format.map_or_else(|| self.format(head.format), Cow::Borrowed);
        let admitted = self.admit(head, route, &incoming, run);
        match admitted.and_then(|admission| self.begin(format, route, incoming, run, admission)) {
            Ok(()) => Accepted::Run(meter),
            Err(status) => Accepted::Refused { status, oneway, meter },
        }
    }
}

impl Dispatch {
    /// What became of the calls so far.
    pub(super) fn stats(&self) -> Vec<MethodStats> {
        let known = self.router.routes().map(|route| (route.method.path(), &route.meter));
        let mut all: Vec<_> = known
            .chain([("(unknown)", &self.unknown)])
            .map(|(path, meter)| meter.counters.snapshot(path.into()))
            .collect();
        all.sort_unstable_by(|one, other| one.method().cmp(other.method()));
        all
    }

    /// Looks at what costs little: the time that is left, whether there is room, and what the method's
    /// rules say. If it may run, `run` knows how the call wants to be treated.
    fn admit(
        &self,
        head: RequestHead<'_>,
        route: Option<&Route>,
        incoming: &Incoming<'_>,
        run: &mut Run,
    ) -> Result<Option<Admission>, Status> {
        let deadline = deadline(&head, incoming)?;
        check_room(incoming)?;
        if run.place.is_none() {
            run.place = Some(self.place()?);
        }
        let priority = route.map_or(head.priority, |route| route.governed.bounded(head.priority));
        run.received = incoming.now;
        run.deadline = deadline;
        run.idempotent = route.is_some_and(|route| route.method.is_idempotent());
        run.oneway = head.oneway;
        run.compression = head.compression;
        run.context.renew(|call| {
            call.method = Self::method(route, head.method);
            call.deadline = deadline;
            call.metadata = head.metadata.into_owned();
            call.priority = priority;
            call.attempt = head.attempt;
            call.retried_upstream = head.retried_upstream;
            call.trace = Trace::of(head.trace_parent, head.trace_state);
        });
        match route.and_then(|route| Some((&route.governed, route.governed.governed()?))) {
            Some((method, steps)) => admission::admit(method, steps, run).map(Some),
            None => Ok(None),
        }
    }

    /// Has the call's handler ready to be polled.
    fn begin(
        &self,
        format: Cow<'static, str>,
        route: Option<&Route>,
        incoming: Incoming<'_>,
        run: &mut Run,
        admission: Option<Admission>,
    ) -> Result<(), Status> {
        let Incoming { frame, big, limits, .. } = incoming;
        let body = big.unwrap_or_else(|| frame.into_body());
        let body = limits.inflate(body, run.compression).map_err(|error| {
            let what = format!("the arguments could not be decompressed: {error}");
            Status::refused(Code::InvalidArgument, what)
        })?;
        let given = Arguments { body, format, limits: limits.decode.clone() };
        match (&self.layered, route, admission) {
            (Some(layered), _, Some(admission)) => {
                run.handler.set(admission.run(layered.handle(request(run, given))));
            }
            (None, Some(route), Some(admission)) => {
                run.handler.set(admission.run(route.handle(given)));
            }
            (Some(layered), _, None) => {
                let handled = layered.handle(request(run, given));
                #[expect(
                    clippy::redundant_async_block,
                    reason = "drops what it awaits at its end"
                )]
                run.handler.set(async move { handled.await });
            }
            (None, Some(route), None) => route.begin(given, &mut run.handler),
            (None, None, _) => return Err(self.router.unknown(run.context.method())),
        }
        Ok(())
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

    /// Room for one call more on this server.
    fn place(&self) -> Result<Place, Status> {
        self.places.take().ok_or_else(|| {
            let max = self.places.max();
            full(format!("this server has {max} calls in flight, which is its limit"))
        })
    }
}

/// Whether there is room for one call more on its connection.
fn check_room(incoming: &Incoming<'_>) -> Result<(), Status> {
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
    Ok(())
}

fn full(what: String) -> Status {
    Status::refused(Code::ResourceExhausted, what)
}

/// The call as a user's layers see it.
fn request(run: &Run, given: Arguments) -> Request {
    let mut request = Request::new("", given.format, given.body);
    request.decode = given.limits;
    request.oneway = run.oneway;
    if let Some(call) = run.context.call() {
        request.method = call.method.clone();
        request.metadata = call.metadata.clone();
        request.deadline = call.deadline;
        request.priority = Some(call.priority);
        request.attempt = call.attempt;
        request.retried_upstream = call.retried_upstream;
        request.trace = call.trace.clone();
    }
    request
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
