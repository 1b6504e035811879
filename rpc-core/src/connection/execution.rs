//! One running handler: polled where its request was read, or as a task of its own.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{self, Poll};

use rpc_codec::Compression;
use tokio::time::Instant;

use super::Returned;
use super::answering::{Running, Served, Unanswered};
use super::places::Place;
use crate::context::{Call, Context, Peer};
use crate::governance::outcome::Outcome;
use crate::governance::retry;
use crate::observe::Meter;
use crate::request::Response;
use crate::service::Handling;
use crate::status::{Code, Executed, Origin, Status};

/// A handler about to run, and how it wants to be treated.
///
/// The handlers of one read that are done at once use one of these after the other: its memory, its
/// context, and its place, as they never run at the same time.
pub(crate) struct Run {
    pub(crate) handler: Handling,
    pub(crate) context: Context,
    pub(crate) received: Instant,
    pub(crate) deadline: Option<Instant>,
    /// Drop it when its caller goes away or its time is over.
    pub(crate) idempotent: bool,
    pub(crate) oneway: bool,
    pub(crate) compression: Compression,
    /// Held until the handler has ended, or the last that used it.
    pub(crate) place: Option<Place>,
    /// Where the router found the method of the last call.
    pub(crate) last_known: usize,
}

impl Run {
    /// For calls of this peer.
    pub(super) fn new(peer: &Peer, now: Instant) -> Self {
        Self {
            handler: Handling::new(std::future::pending()),
            context: Context::new(Call::by(peer.clone())),
            received: now,
            deadline: None,
            idempotent: false,
            oneway: false,
            compression: Compression::None,
            place: None,
            last_known: 0,
        }
    }

    /// Polls the handler inside its context; a panic is its answer.
    pub(super) fn poll(&mut self, cx: &mut task::Context<'_>) -> Poll<Result<Response, Status>> {
        let polled = catch_unwind(AssertUnwindSafe(|| {
            let _entered = self.context.enter();
            self.handler.poll(cx)
        }));
        match polled {
            Ok(polled) => polled.map(|result| self.marked(result.map_err(Status::said_by_layer))),
            Err(_) => Poll::Ready(Err(panicked(&self.context))),
        }
    }

    /// The same answer, which says what has become of the calls that the handler made.
    fn marked(&self, result: Result<Response, Status>) -> Result<Response, Status> {
        match result {
            Ok(mut response) => {
                response.degraded |= self.context.is_degraded();
                Ok(response)
            }
            Err(status) if self.context.is_silenced() => Err(status.with_retry_after(retry::NEVER)),
            Err(status) => Err(status),
        }
    }

    /// Frees what the handler held, and then answers the call: with `result`, or with why there is
    /// none.
    pub(super) fn finish(
        self,
        served: &Arc<Served>,
        call: u64,
        result: Option<Result<Response, Status>>,
    ) -> Outcome {
        let Self { handler, context, deadline, oneway, compression, place, .. } = self;
        // Its own drop may run user code: before its place is free, and not under a lock.
        let dropped = catch_unwind(AssertUnwindSafe(|| drop(handler)));
        let result = result.unwrap_or_else(|| {
            let is_late = || deadline.is_some_and(|deadline| deadline <= Instant::now());
            Err(match dropped {
                Err(_) => panicked(&context),
                Ok(()) if is_late() => cancelled(Code::DeadlineExceeded as u32),
                Ok(()) if served.is_ending() => ended(),
                Ok(()) => cancelled(0),
            })
        });
        let outcome = Outcome::of(&result);
        // Free before the answer leaves: the client may send its next call right after.
        drop(place);
        if !oneway {
            served.answer(call, result, context.take_reply_metadata(), compression);
        }
        outcome
    }
}

/// A handler that runs as a task. Whatever becomes of it, dropping this answers its call.
pub(super) struct Task {
    served: Arc<Served>,
    _unanswered: Unanswered,
    meter: Arc<Meter>,
    call: u64,
    run: Option<Run>,
    result: Option<Result<Response, Status>>,
    polled: bool,
    _credit: Option<Returned>,
}

impl Task {
    /// Has the handler go on by itself.
    pub(super) fn spawn(
        served: &Arc<Served>,
        meter: &Arc<Meter>,
        call: u64,
        run: Run,
        credit: Option<Returned>,
    ) {
        let running = Running {
            context: run.context.clone(),
            deadline: run.deadline,
            idempotent: run.idempotent,
            task: None,
        };
        served.in_flight.fetch_add(1, Ordering::AcqRel);
        served.lock().insert(call, running);
        let task = tokio::spawn(Self {
            served: served.clone(),
            _unanswered: Unanswered::new(served),
            meter: meter.clone(),
            call,
            run: Some(run),
            result: None,
            polled: false,
            _credit: credit,
        });
        if let Some(running) = served.lock().calls.get_mut(&call) {
            running.task = Some(task.abort_handle());
        }
    }
}

impl Future for Task {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        let Some(run) = &mut this.run else { return Poll::Ready(()) };
        let began = (!this.polled).then(Instant::now);
        let polled = run.poll(cx);
        if let Some(began) = began {
            this.polled = true;
            this.meter.cost.note(began.elapsed());
        }
        match polled {
            Poll::Pending => Poll::Pending,
            Poll::Ready(result) => {
                this.result = Some(result);
                Poll::Ready(())
            }
        }
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        let Some(run) = self.run.take() else { return };
        let received = run.received;
        self.served.lock().calls.remove(&self.call);
        self.served.in_flight.fetch_sub(1, Ordering::AcqRel);
        let outcome = run.finish(&self.served, self.call, self.result.take());
        self.meter.counters.record(outcome, received.elapsed(), 1);
    }
}

fn panicked(context: &Context) -> Status {
    Status::internal(format!("{} panicked", context.method()))
}

/// What a call is answered that the server, which ends, can't wait for: it may run again elsewhere, if it
/// is one that may.
fn ended() -> Status {
    let status = Status::unavailable("the server ended before the call was done");
    status.from(Origin::Server, Executed::Maybe)
}

/// What a call is answered whose caller no longer waits.
pub(super) fn cancelled(code: u32) -> Status {
    let status = if code == Code::DeadlineExceeded as u32 {
        Status::deadline_exceeded("the time was over before the handler was done")
    } else {
        Status::cancelled("the call was cancelled")
    };
    status.from(Origin::Server, Executed::Maybe)
}
