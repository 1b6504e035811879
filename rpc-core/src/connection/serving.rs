//! The serving role: takes requests, has their handlers run, and answers them.
//!
//! A handler is polled where its request was read. Most are done at once and cost no task; one that
//! has to wait goes on as a task of its own. Every request that is not one-way is answered exactly
//! once, whatever becomes of its handler.

use std::collections::HashMap;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{self, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use rpc_codec::{
    BIG_MESSAGE_BYTES, Cancel, Compression, Flags, Frame, Goaway, Hello, Kind, Metadata,
    ResponseHead,
};
use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::driver::{Driver, Role};
use super::fault::{self, Fault};
use super::outbox::Outbox;
use super::{Limits, Returned};
use crate::context::{Context, Peer};
use crate::request::Response;
use crate::service::BoxFuture;
use crate::status::{Code, Executed, Origin, Status};
use crate::transport::Io;

/// Smaller bodies are not worth compressing.
const COMPRESS_BYTES: usize = 1024;

/// What stands behind a served connection: everything from admission to the handler.
pub(crate) trait Accept: Send + Sync + 'static {
    /// Looks at a peer's HELLO.
    ///
    /// # Errors
    /// Why this is not the server it looks for.
    fn greet(&self, hello: &Hello) -> Result<(), String>;

    /// Decides on a request, before its arguments are decoded.
    fn accept(&self, incoming: Incoming<'_>) -> Accepted;
}

/// A request as it came.
pub(crate) struct Incoming<'a> {
    pub(crate) head: &'a Bytes,
    pub(crate) body: Bytes,
    pub(crate) peer: &'a Peer,
    pub(crate) now: Instant,
    /// Calls running on this connection.
    pub(crate) in_flight: usize,
    /// Bytes of answers that the peer has yet to take.
    pub(crate) queued_bytes: usize,
    pub(crate) limits: &'a Limits,
}

/// What becomes of a request.
pub(crate) enum Accepted {
    /// It is answered with this, or dropped if it is one-way.
    Refused { status: Status, oneway: bool },
    /// Its handler runs.
    Run(Run),
}

/// A handler about to run, and how it wants to be treated.
pub(crate) struct Run {
    pub(crate) future: BoxFuture<'static, Result<Response, Status>>,
    pub(crate) context: Context,
    pub(crate) deadline: Option<Instant>,
    /// Drop it when its caller goes away or its time is over.
    pub(crate) idempotent: bool,
    pub(crate) oneway: bool,
    pub(crate) compression: Compression,
    /// Held until the handler has ended: a place among the server's calls.
    pub(crate) permit: Permit,
}

/// A place among a server's calls; dropping it frees it.
pub(crate) struct Permit(#[expect(dead_code, reason = "held for its drop")] Box<dyn Send + Sync>);

impl Permit {
    pub(crate) fn new(place: impl Send + Sync + 'static) -> Self {
        Self(Box::new(place))
    }
}

/// How far a server is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Takes calls.
    Serving,
    /// Finishes those it has.
    Draining,
    /// Drops them.
    Stopping,
}

struct Shared {
    outbox: Arc<Outbox>,
    running: Mutex<Table>,
    in_flight: AtomicUsize,
    /// Told when the last call in flight has ended.
    idle: Notify,
    client: OnceLock<Hello>,
    limits: Limits,
}

/// The handlers that run as tasks.
#[derive(Default)]
struct Table {
    calls: HashMap<u64, Running>,
    /// No deadline of theirs passes before this.
    earliest: Option<Instant>,
}

/// A handler that runs as a task.
struct Running {
    context: Context,
    deadline: Option<Instant>,
    idempotent: bool,
    task: Option<AbortHandle>,
}

/// A big request of which the end has yet to come.
struct Partial {
    head: Bytes,
    body: BytesMut,
    credit: Returned,
}

pub(crate) struct Serving {
    shared: Arc<Shared>,
    accept: Arc<dyn Accept>,
    hello: Hello,
    peer: Peer,
    partial: HashMap<u64, Partial>,
    last_call: u64,
    phase: watch::Receiver<Phase>,
    /// When this connection has served long enough.
    age: Option<Instant>,
    goaway: Option<u64>,
    cancels: super::budget::Budget,
}

impl Serving {
    /// Serves a connection; the future is its task.
    pub(crate) fn run(
        io: Io,
        limits: &Limits,
        accept: Arc<dyn Accept>,
        hello: Hello,
        phase: watch::Receiver<Phase>,
        max_age: Option<Duration>,
    ) -> impl Future<Output = ()> + Send + use<> {
        let now = Instant::now();
        let outbox = Outbox::new(limits.window_bytes());
        let shared = Arc::new(Shared {
            outbox: outbox.clone(),
            running: Mutex::default(),
            in_flight: AtomicUsize::new(0),
            idle: Notify::new(),
            client: OnceLock::new(),
            limits: limits.clone(),
        });
        let role = Self {
            shared,
            accept,
            hello,
            peer: Peer { name: "".into(), address: io.peer.clone() },
            partial: HashMap::new(),
            last_call: 0,
            phase,
            age: max_age.and_then(|age| now.checked_add(age)),
            goaway: None,
            cancels: super::budget::Budget::new(
                limits.max_cancels_per_second,
                limits.max_cancels_per_second,
                now,
            ),
        };
        Driver::new(io, outbox, limits.clone(), role).run()
    }

    fn request(&mut self, frame: Frame, now: Instant) -> Result<(), Fault> {
        if frame.call <= self.last_call {
            return fault::protocol(format!(
                "call ids increase, and {} comes after {}",
                frame.call, self.last_call
            ));
        }
        if self.goaway.is_some() {
            return Ok(()); // The client knows from GOAWAY that it is not executed.
        }
        self.last_call = frame.call;
        if !frame.flags.contains(Flags::MORE) {
            self.start(frame.call, &frame.head, frame.body, None, now);
            return Ok(());
        }
        if self.partial.len() >= self.shared.limits.calls() as usize {
            return Err(Fault::Limit("more calls begun than a connection may have".into()));
        }
        self.shared.outbox.receive(frame.body.len())?;
        let credit = Returned::new(&self.shared.outbox, frame.body.len());
        let partial = Partial { head: frame.head, body: BytesMut::from(&frame.body[..]), credit };
        self.partial.insert(frame.call, partial);
        Ok(())
    }

    fn data(&mut self, frame: &Frame, now: Instant) -> Result<(), Fault> {
        self.shared.outbox.receive(frame.body.len())?;
        let Some(partial) = self.partial.get_mut(&frame.call) else {
            // The rest of a request that was cancelled meanwhile.
            self.shared.outbox.give_back(frame.body.len());
            return Ok(());
        };
        partial.body.extend_from_slice(&frame.body);
        partial.credit.add(frame.body.len());
        let max = self.shared.limits.max_message_bytes as usize;
        if partial.body.len() > max.max(BIG_MESSAGE_BYTES) {
            let what = format!("a request of more than {max} bytes");
            return Err(Fault::Limit(what.into()));
        }
        if !frame.flags.contains(Flags::MORE)
            && let Some(Partial { head, body, credit }) = self.partial.remove(&frame.call)
        {
            self.start(frame.call, &head, body.freeze(), Some(credit), now);
        }
        Ok(())
    }

    fn cancel(&mut self, frame: &Frame, now: Instant) -> Result<(), Fault> {
        let cancel = Cancel::decode(&frame.head)
            .map_err(|error| Fault::Protocol(format!("bad CANCEL: {error}").into()))?;
        if !self.cancels.take(now) {
            return Err(Fault::Limit("too many calls cancelled".into()));
        }
        if self.partial.remove(&frame.call).is_some() {
            let status = cancelled(cancel.code).from(Origin::Server, Executed::No);
            self.shared.answer_status(frame.call, &status, &Metadata::new());
        } else if let Some(running) = self.shared.lock().calls.get(&frame.call) {
            running.cancel();
        }
        Ok(())
    }

    fn start(
        &mut self,
        call: u64,
        head: &Bytes,
        body: Bytes,
        credit: Option<Returned>,
        now: Instant,
    ) {
        let shared = &self.shared;
        let incoming = Incoming {
            head,
            body,
            peer: &self.peer,
            now,
            in_flight: shared.in_flight.load(Ordering::Relaxed) + self.partial.len(),
            queued_bytes: shared.outbox.queued_bytes(),
            limits: &shared.limits,
        };
        match self.accept.accept(incoming) {
            Accepted::Refused { oneway: true, .. } => {}
            Accepted::Refused { status, .. } => {
                shared.answer_status(call, &status, &Metadata::new());
            }
            Accepted::Run(run) => Execution::new(shared, call, credit, run).begin(),
        }
    }

    fn drain(&mut self, code: u32, message: &str) {
        if self.goaway.is_none() {
            self.goaway = Some(self.last_call);
            let message = message.to_owned();
            self.shared.outbox.push_goaway(&Goaway { last_call: self.last_call, code, message });
        }
    }
}

impl Role for Serving {
    const ANSWERS: bool = true;

    fn greeted(&mut self, hello: &Hello) -> Result<(), Fault> {
        // Names are bounded by the builder that made them.
        let _ = self.shared.outbox.push_hello(&self.hello);
        self.peer.name = hello.peer_name.as_str().into();
        // The driver takes one HELLO only.
        let _ = self.shared.client.set(hello.clone());
        self.accept
            .greet(hello)
            .map_err(|message| Fault::Mismatch { code: fault::goaway::WRONG_PEER, message })?;
        if *self.phase.borrow() != Phase::Serving {
            self.drain(fault::goaway::DRAIN, "");
        }
        Ok(())
    }

    fn frame(&mut self, frame: Frame, now: Instant) -> Result<(), Fault> {
        match frame.kind {
            Kind::REQUEST => self.request(frame, now)?,
            Kind::DATA => self.data(&frame, now)?,
            Kind::CANCEL => self.cancel(&frame, now)?,
            other => return fault::protocol(format!("a server got a {other:?} frame")),
        }
        let queued = self.shared.outbox.queued_bytes();
        if queued > self.shared.limits.max_queued_bytes.saturating_mul(2) {
            return Err(Fault::Limit("the peer asks and does not read the answers".into()));
        }
        Ok(())
    }

    fn goaway(&mut self, goaway: Goaway) -> Result<(), Fault> {
        Err(Fault::Goaway(goaway))
    }

    fn last_call(&self) -> u64 {
        self.goaway.unwrap_or(self.last_call)
    }

    fn earliest_deadline(&self) -> Option<Instant> {
        let calls = self.shared.lock().earliest;
        let age = self.age.filter(|_| self.goaway.is_none());
        [calls, age].into_iter().flatten().min()
    }

    fn tick(&mut self, now: Instant) {
        self.shared.lock().expire(now);
        if self.age.is_some_and(|age| age <= now) {
            self.drain(fault::goaway::AGE, "the connection is old");
        }
    }

    fn is_busy(&self) -> bool {
        self.shared.in_flight.load(Ordering::Acquire) > 0 || !self.partial.is_empty()
    }

    fn is_finished(&self) -> bool {
        self.goaway.is_some() && !self.is_busy()
    }

    async fn signal(&mut self) {
        tokio::select! {
            // Marks the value as seen only when it returns, so that dropping this loses nothing.
            changed = self.phase.changed() => if changed.is_err() {
                // The server is gone without a word; its connections live on by themselves.
                return std::future::pending().await;
            },
            () = self.shared.idle.notified() => return,
        }
        let phase = *self.phase.borrow();
        match phase {
            Phase::Serving => {}
            Phase::Draining => self.drain(fault::goaway::DRAIN, ""),
            Phase::Stopping => {
                self.drain(fault::goaway::DRAIN, "the server stops");
                self.partial.clear();
                self.shared.abort();
            }
        }
    }

    fn ended(&mut self, _: &Fault, _: u64) {
        self.partial.clear();
        self.shared.outbox.refuse();
        self.shared.lock().calls.values().for_each(Running::cancel);
    }
}

impl Running {
    /// The caller waits no longer.
    fn cancel(&self) {
        self.context.cancel();
        if self.idempotent {
            self.task.iter().for_each(AbortHandle::abort);
        }
    }
}

impl Table {
    fn insert(&mut self, call: u64, running: Running) {
        if let Some(deadline) = running.deadline {
            self.earliest = Some(self.earliest.map_or(deadline, |first| first.min(deadline)));
        }
        self.calls.insert(call, running);
    }

    /// Cancels the handlers whose time is over.
    fn expire(&mut self, now: Instant) {
        if self.earliest.is_none_or(|earliest| earliest > now) {
            return;
        }
        for running in self.calls.values_mut() {
            if running.deadline.is_some_and(|deadline| deadline <= now) {
                running.deadline = None;
                running.cancel();
            }
        }
        self.earliest = self.calls.values().filter_map(|running| running.deadline).min();
    }
}

impl Shared {
    fn abort(&self) {
        for running in self.lock().calls.values() {
            running.context.cancel();
            running.task.iter().for_each(AbortHandle::abort);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends the answer to a call, which is the last word on it.
    fn answer(
        self: &Arc<Self>,
        call: u64,
        result: Result<Response, Status>,
        said: Metadata,
        compression: Compression,
    ) {
        let result = result.and_then(|response| self.fit(response, compression));
        let (mut response, compression) = match result {
            Ok(fitting) => fitting,
            Err(status) => return self.answer_status(call, &status, &said),
        };
        if response.metadata.is_empty() {
            response.metadata = said;
        }
        // `fit` saw to it that a big one is below four gigabytes.
        let bytes = u32::try_from(response.body.len()).unwrap_or(u32::MAX);
        if response.body.len() <= BIG_MESSAGE_BYTES || self.outbox.try_take_credit(bytes) {
            self.answer_response(call, &response, compression);
            return;
        }
        // Waits for the peer to take what it asked for. Ends with the connection at the latest.
        let shared = self.clone();
        tokio::spawn(async move {
            if shared.outbox.take_credit(bytes).await.is_ok() {
                shared.answer_response(call, &response, compression);
            }
        });
    }

    /// Compresses the answer if the call asked for it, and checks that the peer takes its size.
    fn fit(
        &self,
        mut response: Response,
        asked: Compression,
    ) -> Result<(Response, Compression), Status> {
        let mut used = Compression::None;
        if asked != Compression::None && response.body.len() >= COMPRESS_BYTES {
            response.body = asked.compress(&response.body).map_err(|error| {
                Status::internal(error.to_string()).from(Origin::Server, Executed::Yes)
            })?;
            used = asked;
        }
        let max = self.client.get().map_or(0, |client| client.max_message_bytes);
        let bytes = response.body.len();
        let fits = u32::try_from(bytes).is_ok_and(|bytes| u64::from(bytes) <= max);
        if bytes > BIG_MESSAGE_BYTES && !fits {
            let why = format!("the answer takes {bytes} bytes, the client takes at most {max}");
            return Err(Status::resource_exhausted(why).from(Origin::Server, Executed::Yes));
        }
        Ok((response, used))
    }

    fn answer_response(&self, call: u64, response: &Response, compression: Compression) {
        let mut head = ResponseHead {
            compression,
            metadata: std::borrow::Cow::Borrowed(&response.metadata),
            degraded: response.degraded,
            load: response.load,
            ..ResponseHead::default()
        };
        if let Some(error) = &response.app_error {
            head.code = error.code;
            head.message = error.message.as_str().into();
            head.typed = true;
            head.executed = Executed::Yes;
        }
        if self.outbox.push_response(call, &head, &response.body).is_err() {
            let status = Status::internal("the head of the answer is too large");
            let status = status.from(Origin::Server, Executed::Yes);
            self.answer_status(call, &status, &Metadata::new());
        }
    }

    fn answer_status(&self, call: u64, status: &Status, said: &Metadata) {
        let mut head = ResponseHead {
            metadata: std::borrow::Cow::Borrowed(said),
            code: status.code(),
            message: status.message().into(),
            details: std::borrow::Cow::Borrowed(status.details()),
            retry_after_us: status
                .retry_after()
                .map(|wait| u64::try_from(wait.as_micros()).unwrap_or(u64::MAX)),
            executed: status.executed(),
            origin: match status.origin() {
                Origin::Handler => rpc_codec::Origin::Handler,
                _ => rpc_codec::Origin::Framework,
            },
            ..ResponseHead::default()
        };
        if self.outbox.push_response(call, &head, &Bytes::new()).is_err() {
            head.details = std::borrow::Cow::Borrowed(&[]);
            head.message = "the message and details of this status are too large to be sent".into();
            // A fixed text and no details: it fits.
            let _ = self.outbox.push_response(call, &head, &Bytes::new());
        }
    }
}

/// A running handler. Whatever becomes of it, dropping this answers its call and frees its place.
struct Execution {
    shared: Arc<Shared>,
    call: u64,
    run: Option<Run>,
    result: Option<Result<Response, Status>>,
    is_task: bool,
    _credit: Option<Returned>,
}

impl Execution {
    fn new(shared: &Arc<Shared>, call: u64, credit: Option<Returned>, run: Run) -> Self {
        shared.in_flight.fetch_add(1, Ordering::AcqRel);
        Self {
            shared: shared.clone(),
            call,
            run: Some(run),
            result: None,
            is_task: false,
            _credit: credit,
        }
    }

    /// Polls the handler here; if it has to wait it becomes a task.
    fn begin(mut self) {
        let mut cx = task::Context::from_waker(task::Waker::noop());
        if Pin::new(&mut self).poll(&mut cx).is_ready() {
            return;
        }
        let (shared, call) = (self.shared.clone(), self.call);
        if let Some(run) = &self.run {
            let running = Running {
                context: run.context.clone(),
                deadline: run.deadline,
                idempotent: run.idempotent,
                task: None,
            };
            shared.lock().insert(call, running);
        }
        self.is_task = true;
        // Its first poll there sets the waker that the one above could not.
        let task = tokio::spawn(self);
        if let Some(running) = shared.lock().calls.get_mut(&call) {
            running.task = Some(task.abort_handle());
        }
    }
}

impl Future for Execution {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        let Some(run) = &mut this.run else { return Poll::Ready(()) };
        let polled = catch_unwind(AssertUnwindSafe(|| run.future.as_mut().poll(cx)));
        this.result = Some(match polled {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(result)) => result.map_err(Status::said_by_layer),
            Err(_) => Err(Status::internal(format!("{} panicked", run.context.method()))),
        });
        Poll::Ready(())
    }
}

impl Drop for Execution {
    fn drop(&mut self) {
        let Some(mut run) = self.run.take() else { return };
        if self.is_task {
            self.shared.lock().calls.remove(&self.call);
        }
        // The handler's own drop may run user code: before its place is free, and not under a lock.
        let dropped = catch_unwind(AssertUnwindSafe(|| {
            run.future = Box::pin(std::future::pending());
        }));
        let result = match self.result.take() {
            Some(result) => result,
            None if dropped.is_err() => {
                Err(Status::internal(format!("{} panicked", run.context.method())))
            }
            None if run.deadline.is_some_and(|deadline| deadline <= Instant::now()) => {
                Err(cancelled(Code::DeadlineExceeded as u32).from(Origin::Server, Executed::Maybe))
            }
            None => Err(cancelled(0).from(Origin::Server, Executed::Maybe)),
        };
        // Free before the answer leaves: the client may send its next call right after.
        drop(run.permit);
        let before = self.shared.in_flight.fetch_sub(1, Ordering::AcqRel);
        if !run.oneway {
            let said = run.context.take_reply_metadata();
            self.shared.answer(self.call, result, said, run.compression);
        }
        if self.is_task && before == 1 {
            self.shared.idle.notify_one();
        }
    }
}

fn cancelled(code: u32) -> Status {
    if code == Code::DeadlineExceeded as u32 {
        Status::deadline_exceeded("the time was over before the handler was done")
    } else {
        Status::cancelled("the call was cancelled")
    }
}
