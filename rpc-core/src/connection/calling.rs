//! The calling role: sends requests and completes the calls that wait for their answers.

use std::borrow::Cow;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use rpc_codec::{
    BIG_MESSAGE_BYTES, Compression, Flags, Goaway, Hello, Kind, ReceivedFrame, RequestHead, floor,
    preface,
};
use tokio::sync::{Notify, Semaphore, SemaphorePermit, watch};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::compressed::deflate;
use super::driver::{Driver, Role};
use super::fault::{self, Fault};
use super::outbox::Outbox;
use super::pending::{Answered, Pending, Piece};
use super::{Limits, Returned};
use crate::governance::Moment;
use crate::request::Request;
use crate::service::BoxFuture;
use crate::status::{Code, Executed, Status};
use crate::transport::Io;

/// A handle on a connection that calls. The connection ends once all of them are dropped and the
/// calls in flight are done.
#[derive(Clone)]
pub(crate) struct Connection(Arc<Handle>);

struct Handle {
    shared: Arc<Shared>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.unwanted.store(true, Ordering::Release);
        self.shared.signal.notify_one();
    }
}

type Calls = Pending<Result<Answer, Status>>;

struct Shared {
    calls: Mutex<Calls>,
    outbox: Arc<Outbox>,
    /// One permit for each call the server lets be in flight.
    slots: Semaphore,
    peer: OnceLock<Hello>,
    state: watch::Sender<State>,
    /// Opens no more calls: the server said good-bye or the connection is over.
    retired: AtomicBool,
    unwanted: AtomicBool,
    signal: Notify,
    limits: Limits,
}

/// How far a connection is in its life.
#[derive(Clone, Debug)]
pub(crate) enum State {
    /// The server has yet to say HELLO; calls may be sent all the same.
    Greeting,
    /// In use.
    Open,
    /// The server takes no further calls on it.
    Retired,
    /// Over, and why.
    Ended { why: Status, then: Sequel },
}

/// What is to follow a connection that has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sequel {
    /// The server said good-bye: another one, at once.
    Replace,
    /// Nobody needed it: another one when somebody does.
    Rest,
    /// It was lost: another one after a pause.
    BackOff,
}

/// An answer as it came: its head is read by whoever waited.
#[derive(Debug)]
pub(crate) struct Answer {
    frame: ReceivedFrame,
    /// When it was read.
    pub(crate) at: Moment,
    /// What a big answer has beside its last frame, which is rare.
    big: Option<Box<Big>>,
}

#[derive(Debug)]
struct Big {
    body: Bytes,
    /// The peer's credit for it, given back when this is dropped.
    _credit: Returned,
}

impl Answer {
    pub(crate) fn head(&self) -> &[u8] {
        self.frame.head()
    }

    pub(crate) fn into_body(self) -> Bytes {
        match self.big {
            None => self.frame.into_body(),
            Some(big) => big.body,
        }
    }
}

/// Starts a connection over `io`. The future is its task and has to be spawned.
pub(crate) fn start(
    io: Io,
    limits: &Limits,
    hello: Hello,
) -> (Connection, impl Future<Output = ()> + Send + use<>) {
    let outbox = Outbox::new(limits.window_bytes());
    let shared = Arc::new(Shared {
        calls: Mutex::new(Pending::new()),
        outbox: outbox.clone(),
        slots: Semaphore::new(floor::MAX_CALLS as usize),
        peer: OnceLock::new(),
        state: watch::Sender::new(State::Greeting),
        retired: AtomicBool::new(false),
        unwanted: AtomicBool::new(false),
        signal: Notify::new(),
        limits: limits.clone(),
    });
    outbox.push_raw(&preface::encode(preface::VERSION));
    // Names are bounded by the builder that made them; a HELLO too large would only be left out,
    // and the server then says what it misses.
    let _ = outbox.push_hello(&hello);
    let driver = Box::new(Driver::new(io, outbox, limits.clone(), Calling::new(&shared)));
    (Connection(Arc::new(Handle { shared })), driver.run())
}

impl Connection {
    /// Sends a request and waits for its answer.
    ///
    /// # Cancel safety
    /// Dropping it tells the server, and frees all it held.
    pub(crate) fn call<'a>(self, request: &'a Request, now: Instant) -> Exchange<'a> {
        Exchange { connection: self, request, now, stage: Stage::Unsent }
    }

    /// Sends a request that is not answered, once there is room for it.
    ///
    /// # Cancel safety
    /// Dropped before it is ready nothing was sent.
    pub(crate) async fn send(&self, request: &Request, now: Instant) -> Result<(), Status> {
        let shared = &self.0.shared;
        let room = shared.outbox.room(shared.limits.max_queued_bytes);
        bounded(request.deadline, room).await?.map_err(|_| shared.gone())?;
        let (body, compression) = shared.prepare(request).await?;
        let mut calls = shared.lock();
        if self.is_retired() {
            return Err(shared.gone());
        }
        let id = calls.oneway();
        let head = head(request, compression, now);
        shared.outbox.push_request(id, &head, &body).map_err(too_large)?;
        Ok(())
    }

    /// Whether it takes no further calls.
    pub(crate) fn is_retired(&self) -> bool {
        self.0.shared.retired.load(Ordering::Acquire)
    }

    /// How many calls more the server takes on it now.
    pub(crate) fn free_slots(&self) -> usize {
        self.0.shared.slots.available_permits()
    }

    /// Calls the server has yet to answer.
    pub(crate) fn in_flight(&self) -> usize {
        self.0.shared.lock().unanswered()
    }

    /// Follows the connection's life.
    pub(crate) fn watch(&self) -> watch::Receiver<State> {
        self.0.shared.state.subscribe()
    }
}

impl Shared {
    /// The body as it travels, with credit taken for it if it is big.
    async fn prepare(&self, request: &Request) -> Result<(Bytes, Compression), Status> {
        let wanted = Some(request.compression).filter(|wanted| self.peer_takes(*wanted));
        let (body, compression) = deflate(request.body.clone(), wanted.unwrap_or_default())
            .map_err(|error| Status::local(Code::Internal, error.to_string()))?;
        if body.len() > BIG_MESSAGE_BYTES {
            self.await_credit(&body, request.deadline).await?;
        }
        Ok((body, compression))
    }

    async fn await_credit(&self, body: &Bytes, deadline: Option<Instant>) -> Result<(), Status> {
        let mut state = self.state.subscribe();
        let greeted = state.wait_for(|state| !matches!(state, State::Greeting));
        bounded(deadline, greeted).await?.map_err(|_| self.gone())?;
        let max = self.peer.get().map_or(0, |peer| peer.max_message_bytes);
        match u32::try_from(body.len()) {
            Ok(bytes) if u64::from(bytes) <= max => {
                let credit = self.outbox.take_credit(bytes);
                bounded(deadline, credit).await?.map_err(|_| self.gone())
            }
            _ if self.peer.get().is_none() => Err(self.gone()),
            _ => Err(Status::local(
                Code::ResourceExhausted,
                format!(
                    "the arguments take {} bytes, the server takes messages of at most {max}",
                    body.len()
                ),
            )),
        }
    }

    fn peer_takes(&self, compression: Compression) -> bool {
        self.peer
            .get()
            .is_some_and(|peer| peer.compressions.iter().any(|name| name == compression.name()))
    }

    /// Puts a call on the wire, of which `waker` awaits the end; `None` if it has to wait for a slot or
    /// for credit, or has to be compressed first.
    fn open_at_once(
        &self,
        request: &Request,
        now: Instant,
        waker: &Waker,
    ) -> Result<Option<u64>, Status> {
        if request.compression != Compression::None || request.body.len() > BIG_MESSAGE_BYTES {
            return Ok(None);
        }
        let Ok(slot) = self.slots.try_acquire() else { return Ok(None) };
        self.open(slot, request, &request.body, Compression::None, now, waker).map(Some)
    }

    /// The same, and waits for all it needs.
    async fn open_later(&self, request: &Request, now: Instant) -> Result<u64, Status> {
        let slot = bounded(request.deadline, self.slots.acquire()).await?;
        let slot = slot.map_err(|_| self.gone())?;
        let (body, compression) = self.prepare(request).await?;
        // Whoever polls this polls the call next.
        let waker = poll_fn(|cx| Poll::Ready(cx.waker().clone())).await;
        self.open(slot, request, &body, compression, now, &waker)
    }

    fn open(
        &self,
        slot: SemaphorePermit<'_>,
        request: &Request,
        body: &Bytes,
        compression: Compression,
        now: Instant,
        waker: &Waker,
    ) -> Result<u64, Status> {
        let head = head(request, compression, now);
        let mut calls = self.lock();
        if self.retired.load(Ordering::Acquire) {
            return Err(self.gone());
        }
        let id = calls.open(request.deadline, request.nudge, waker.clone());
        match self.outbox.push_request(id, &head, body) {
            Ok(start) => calls.sent(id, start),
            Err(error) => {
                calls.forget(id);
                return Err(too_large(error));
            }
        }
        // From here on the call's slot is given back by its answer.
        slot.forget();
        Ok(id)
    }

    /// Why a call can't be opened: it was not sent.
    fn gone(&self) -> Status {
        match &*self.state.borrow() {
            State::Ended { why, .. } => why.clone().from(why.origin(), Executed::No),
            _ => Status::transport("the server is going away", Executed::No),
        }
    }

    /// Opens no further call and ends those that `doomed` names by id and start.
    fn retire(&self, doomed: impl Fn(u64, u64) -> bool, end: impl Fn(u64) -> Status) {
        let mut calls = self.lock();
        self.retired.store(true, Ordering::Release);
        let (failed, wakers) = calls.fail(doomed, |start| Err(end(start)));
        drop(calls);
        self.slots.add_permits(failed);
        wakers.into_iter().for_each(Waker::wake);
    }

    fn lock(&self) -> MutexGuard<'_, Calls> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `future`, until the call's time is over.
async fn bounded<T>(
    deadline: Option<Instant>,
    future: impl Future<Output = T>,
) -> Result<T, Status> {
    match deadline {
        None => Ok(future.await),
        Some(deadline) => timeout_at(deadline, future).await.map_err(|_| {
            Status::local(Code::DeadlineExceeded, "the time was over before the call could be sent")
        }),
    }
}

/// `future`, which is polled at `nudge` too, though nothing has come of it.
///
/// # Cancel safety
/// As that of `future`.
pub(crate) async fn nudged<F: Future>(nudge: Option<Instant>, future: F) -> F::Output {
    let Some(nudge) = nudge else { return future.await };
    let mut future = pin!(future);
    tokio::select! {
        biased;
        output = &mut future => return output,
        () = sleep_until(nudge) => {}
    }
    future.await
}

fn too_large(error: rpc_codec::HeadTooLarge) -> Status {
    Status::local(Code::InvalidArgument, error.to_string())
}

fn head<'a>(request: &'a Request, compression: Compression, now: Instant) -> RequestHead<'a> {
    let mut head = RequestHead::new(&request.method);
    head.format = &request.format;
    head.compression = compression;
    head.timeout_us = request.deadline.map(|deadline| {
        u64::try_from(deadline.saturating_duration_since(now).as_micros()).unwrap_or(u64::MAX)
    });
    head.priority = request.priority();
    head.attempt = request.attempt;
    head.retried_upstream = request.retried_upstream;
    if let Some(trace) = &request.trace {
        head.trace_parent = &trace.parent;
        head.trace_state = &trace.state;
    }
    head.metadata = Cow::Borrowed(&request.metadata);
    head.oneway = request.oneway;
    head
}

/// A call, from its request to its answer; dropped in between it is cancelled.
pub(crate) struct Exchange<'a> {
    connection: Connection,
    request: &'a Request,
    now: Instant,
    stage: Stage<'a>,
}

enum Stage<'a> {
    Unsent,
    /// Waits for what it needs to be sent.
    Waiting(BoxFuture<'a, Result<u64, Status>>),
    /// On the wire, with this id.
    Sent(u64),
    Done,
}

impl Future for Exchange<'_> {
    type Output = Result<Answer, Status>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let shared = &this.connection.0.shared;
        let id = match &mut this.stage {
            Stage::Sent(id) => {
                let Poll::Ready(end) = shared.lock().poll(*id, cx.waker()) else {
                    return Poll::Pending;
                };
                this.stage = Stage::Done;
                return Poll::Ready(end.unwrap_or_else(|| Err(polled_again())));
            }
            Stage::Unsent => match shared.open_at_once(this.request, this.now, cx.waker()) {
                Ok(Some(id)) => Ok(id),
                Ok(None) => {
                    let (shared, request, now) = (shared.clone(), this.request, this.now);
                    let later = async move { shared.open_later(request, now).await };
                    this.stage = Stage::Waiting(Box::pin(nudged(request.nudge, later)));
                    return Pin::new(this).poll(cx);
                }
                Err(status) => Err(status),
            },
            Stage::Waiting(later) => ready!(later.as_mut().poll(cx)),
            Stage::Done => Err(polled_again()),
        };
        // Whoever polls this now is told of the call's end.
        match id {
            Ok(id) => {
                this.stage = Stage::Sent(id);
                Poll::Pending
            }
            Err(status) => {
                this.stage = Stage::Done;
                Poll::Ready(Err(status))
            }
        }
    }
}

fn polled_again() -> Status {
    Status::internal("the call was polled after its end")
        .from(crate::status::Origin::Client, Executed::Maybe)
}

impl Drop for Exchange<'_> {
    fn drop(&mut self) {
        let Stage::Sent(id) = self.stage else { return };
        let shared = &self.connection.0.shared;
        let abandoned = shared.lock().abandon(id);
        shared.outbox.give_back(abandoned.dropped_bytes);
        if abandoned.on_wire {
            shared.outbox.push_cancel(id, Code::Cancelled as u32);
        }
    }
}

/// What the connection's task does for this role.
struct Calling {
    shared: Arc<Shared>,
    /// The answers of one read, to be handed over together.
    answers: Vec<ReceivedFrame>,
    wakers: Vec<Waker>,
}

impl Role for Calling {
    const ANSWERS: bool = false;

    fn greeted(&mut self, hello: &Hello) -> Result<(), Fault> {
        let shared = &self.shared;
        let more = hello.max_calls.min(super::limits::MAX_SLOTS).saturating_sub(floor::MAX_CALLS);
        shared.slots.add_permits(more as usize);
        // The driver takes one HELLO only.
        let _ = shared.peer.set(hello.clone());
        shared.state.send_if_modified(|state| {
            let greeting = matches!(state, State::Greeting);
            if greeting {
                *state = State::Open;
            }
            greeting
        });
        Ok(())
    }

    fn frame(&mut self, frame: ReceivedFrame, now: Instant) -> Result<(), Fault> {
        match frame.kind {
            Kind::RESPONSE if frame.flags.contains(Flags::MORE) => {
                return fault::protocol("a RESPONSE frame says that more follows");
            }
            Kind::RESPONSE => self.answers.push(frame),
            Kind::DATA => {
                self.hand_over(now)?;
                self.piece(&frame)?;
            }
            // A server has no business sending these.
            other => return fault::protocol(format!("a client got a {other:?} frame")),
        }
        Ok(())
    }

    fn read_done(&mut self, now: Instant) -> Result<(), Fault> {
        self.hand_over(now)
    }

    fn goaway(&mut self, goaway: Goaway) -> Result<(), Fault> {
        let last = goaway.last_call;
        let why = if goaway.message.is_empty() {
            "the server is going away".to_owned()
        } else {
            format!("the server is going away: {}", goaway.message)
        };
        self.shared.retire(|id, _| id > last, |_| Status::transport(why.clone(), Executed::No));
        match goaway.code {
            fault::goaway::DRAIN | fault::goaway::AGE => {
                self.shared.state.send_replace(State::Retired);
                Ok(())
            }
            _ => Err(Fault::Goaway(goaway)),
        }
    }

    fn last_call(&self) -> u64 {
        0 // Nobody calls a client.
    }

    fn earliest_deadline(&self) -> Option<Instant> {
        self.shared.lock().earliest()
    }

    fn tick(&mut self, now: Instant) {
        let found = self.shared.lock().look(now, || {
            Err(Status::deadline_exceeded("the answer did not come in time")
                .from(crate::status::Origin::Client, Executed::Maybe))
        });
        found.nudged.into_iter().for_each(Waker::wake);
        for (id, waker) in found.expired {
            self.shared.outbox.push_cancel(id, Code::DeadlineExceeded as u32);
            waker.wake();
        }
    }

    fn is_busy(&self) -> bool {
        self.shared.lock().unanswered() > 0
    }

    fn is_finished(&self) -> bool {
        let over = self.shared.retired.load(Ordering::Acquire)
            || self.shared.unwanted.load(Ordering::Acquire);
        over && !self.is_busy()
    }

    async fn signal(&mut self) {
        self.shared.signal.notified().await;
    }

    fn ended(&mut self, fault: &Fault, written: u64) {
        let why = fault.to_string();
        let then = if matches!(*self.shared.state.borrow(), State::Retired) {
            Sequel::Replace // However it ended: after a good-bye that is no loss.
        } else if fault.is_unneeded() {
            Sequel::Rest
        } else {
            Sequel::BackOff
        };
        let state = State::Ended { why: Status::transport(why.clone(), Executed::Maybe), then };
        self.shared.retire(
            |_, _| true,
            |start| {
                let executed = if start >= written { Executed::No } else { Executed::Maybe };
                Status::transport(why.clone(), executed)
            },
        );
        self.shared.state.send_replace(state);
        self.shared.outbox.refuse();
        self.shared.slots.close();
    }
}

impl Calling {
    fn new(shared: &Arc<Shared>) -> Self {
        Self { shared: shared.clone(), answers: Vec::new(), wakers: Vec::new() }
    }

    /// Hands the answers that have come to those who wait for them: all under one lock.
    fn hand_over(&mut self, now: Instant) -> Result<(), Fault> {
        if self.answers.is_empty() {
            return Ok(());
        }
        let now = Moment::at(now);
        let Self { shared, answers, wakers } = self;
        let mut calls = shared.lock();
        let mut ended = 0;
        let mut result = Ok(());
        for frame in answers.drain(..) {
            let call = frame.call;
            let answered = match shared.answer(frame, &mut calls, now) {
                Ok(answer) => calls.answer(call, Ok(answer)),
                Err(fault) => {
                    result = Err(fault);
                    break;
                }
            };
            ended += usize::from(!matches!(answered, Answered::Unknown));
            if let Answered::Delivered(waker) = answered {
                wakers.push(waker);
            }
        }
        drop(calls);
        shared.slots.add_permits(ended);
        wakers.drain(..).for_each(Waker::wake);
        result
    }

    fn piece(&mut self, frame: &ReceivedFrame) -> Result<(), Fault> {
        let shared = &self.shared;
        shared.outbox.receive(frame.body().len())?;
        let piece = shared.lock().piece(frame.call, frame.body());
        match piece {
            Piece::Kept(bytes) => shared.check_size(bytes),
            Piece::Unwanted => {
                shared.outbox.give_back(frame.body().len());
                Ok(())
            }
        }
    }
}

impl Shared {
    /// A frame as the answer it is, with the pieces that came before it.
    fn answer(
        &self,
        frame: ReceivedFrame,
        calls: &mut Calls,
        now: Moment,
    ) -> Result<Answer, Fault> {
        let Some(mut pieces) = calls.take_pieces(frame.call) else {
            self.check_size(frame.body().len())?;
            return Ok(Answer { frame, at: now, big: None });
        };
        self.outbox.receive(frame.body().len())?;
        pieces.extend_from_slice(frame.body());
        let credit = Returned::new(&self.outbox, pieces.len());
        self.check_size(pieces.len())?;
        let big = Big { body: pieces.freeze(), _credit: credit };
        Ok(Answer { frame, at: now, big: Some(Box::new(big)) })
    }

    fn check_size(&self, bytes: usize) -> Result<(), Fault> {
        let max = self.limits.message_bytes() as usize;
        if bytes > max {
            let what = format!("an answer of more than {bytes} bytes; this end takes {max}");
            return Err(Fault::Limit(what.into()));
        }
        Ok(())
    }
}
