//! One running handler, polled where its request was read or as a task of its own.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{self, Poll};

use rpc_codec::Compression;
use tokio::time::Instant;

use super::Returned;
use super::answering::{Running, Served};
use crate::context::Context;
use crate::request::Response;
use crate::service::BoxFuture;
use crate::status::{Code, Executed, Origin, Status};

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

/// A running handler. Whatever becomes of it, dropping this answers its call and frees its place.
pub(super) struct Execution {
    shared: Arc<Served>,
    call: u64,
    run: Option<Run>,
    result: Option<Result<Response, Status>>,
    is_task: bool,
    _credit: Option<Returned>,
}

impl Execution {
    pub(super) fn new(shared: &Arc<Served>, call: u64, credit: Option<Returned>, run: Run) -> Self {
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
    pub(super) fn begin(mut self) {
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

/// What a call is answered whose caller no longer waits.
pub(super) fn cancelled(code: u32) -> Status {
    if code == Code::DeadlineExceeded as u32 {
        Status::deadline_exceeded("the time was over before the handler was done")
    } else {
        Status::cancelled("the call was cancelled")
    }
}
