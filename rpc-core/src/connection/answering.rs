//! The calls of a served connection: which run as tasks, and how each is answered.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use bytes::Bytes;
use rpc_codec::{BIG_MESSAGE_BYTES, Compression, Metadata, NoHead, ResponseHead};
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::Limits;
use super::compressed::deflate;
use super::outbox::Outbox;
use crate::context::Context;
use crate::governance::rules::RuleKey;
use crate::request::Response;
use crate::status::{Executed, Origin, Status};

/// What the connection's task and its handlers share.
pub(super) struct Served {
    pub(super) outbox: Arc<Outbox>,
    pub(super) running: Mutex<Table>,
    /// Handlers that run as tasks, and answers that wait for credit.
    pub(super) in_flight: AtomicUsize,
    /// Bytes of the latter.
    waiting_bytes: AtomicUsize,
    /// Calls whose answer has yet to be queued; what [`Unanswered`] counts.
    unanswered: AtomicUsize,
    /// Told when there is none left.
    pub(super) idle: Notify,
    /// The largest message that the client takes, once it has said so.
    pub(super) client_takes: OnceLock<u64>,
    /// The server has no time left for what runs.
    is_ending: AtomicBool,
    pub(super) limits: Limits,
}

/// A call whose answer has yet to be queued: until then its connection is not idle, and does not end
/// by itself.
pub(super) struct Unanswered(Arc<Served>);

impl Unanswered {
    pub(super) fn new(served: &Arc<Served>) -> Self {
        served.unanswered.fetch_add(1, Ordering::AcqRel);
        Self(served.clone())
    }
}

impl Drop for Unanswered {
    fn drop(&mut self) {
        if self.0.unanswered.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.idle.notify_one();
        }
    }
}

/// A big answer that waits for its client's credit. Until it is sent its call counts as one in flight,
/// and its bytes as ones that wait to be read.
struct Waiting {
    unanswered: Unanswered,
    bytes: usize,
}

impl Waiting {
    fn new(served: &Arc<Served>, bytes: usize) -> Self {
        served.in_flight.fetch_add(1, Ordering::AcqRel);
        served.waiting_bytes.fetch_add(bytes, Ordering::AcqRel);
        Self { unanswered: Unanswered::new(served), bytes }
    }

    fn served(&self) -> &Served {
        &self.unanswered.0
    }

    /// Its place is free before the answer leaves; its connection still waits for that.
    fn end(self) -> Unanswered {
        Unanswered::new(&self.unanswered.0)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let served = self.served();
        served.in_flight.fetch_sub(1, Ordering::AcqRel);
        served.waiting_bytes.fetch_sub(self.bytes, Ordering::AcqRel);
    }
}

/// The handlers that run as tasks.
#[derive(Default)]
pub(super) struct Table {
    pub(super) calls: HashMap<u64, Running>,
    /// No deadline of theirs passes before this.
    pub(super) earliest: Option<Instant>,
}

/// A handler that runs as a task.
pub(super) struct Running {
    pub(super) context: Context,
    pub(super) deadline: Option<Instant>,
    pub(super) idempotent: bool,
    pub(super) task: Option<AbortHandle>,
}

impl Running {
    /// The caller waits no longer.
    pub(super) fn cancel(&self) {
        self.context.cancel();
        if self.idempotent {
            self.task.iter().for_each(AbortHandle::abort);
        }
    }
}

impl Table {
    pub(super) fn insert(&mut self, call: u64, running: Running) {
        if let Some(deadline) = running.deadline {
            self.earliest = Some(self.earliest.map_or(deadline, |first| first.min(deadline)));
        }
        self.calls.insert(call, running);
    }

    /// Cancels the handlers whose time is over.
    pub(super) fn expire(&mut self, now: Instant) {
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

impl Served {
    pub(super) fn new(outbox: Arc<Outbox>, limits: Limits) -> Arc<Self> {
        Arc::new(Self {
            outbox,
            running: Mutex::default(),
            in_flight: AtomicUsize::new(0),
            waiting_bytes: AtomicUsize::new(0),
            unanswered: AtomicUsize::new(0),
            idle: Notify::new(),
            client_takes: OnceLock::new(),
            is_ending: AtomicBool::new(false),
            limits,
        })
    }

    pub(super) fn is_ending(&self) -> bool {
        self.is_ending.load(Ordering::Acquire)
    }

    /// Bytes of answers that the client has yet to read or to give credit for.
    pub(super) fn unread_bytes(&self) -> usize {
        self.outbox.queued_bytes() + self.waiting_bytes.load(Ordering::Acquire)
    }

    /// Whether calls wait for their answer.
    pub(super) fn is_busy(&self) -> bool {
        self.unanswered.load(Ordering::Acquire) > 0
    }

    /// The server ends, whatever still runs.
    pub(super) fn abort(&self) {
        self.is_ending.store(true, Ordering::Release);
        for running in self.lock().calls.values() {
            running.context.cancel();
            running.task.iter().for_each(AbortHandle::abort);
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Table> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends the answer to a call, which is the last word on it.
    pub(super) fn answer(
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
        let waiting = Waiting::new(self, response.body.len());
        tokio::spawn(async move {
            if waiting.served().outbox.take_credit(bytes).await.is_ok() {
                let unanswered = waiting.end();
                unanswered.0.answer_response(call, &response, compression);
            }
        });
    }

    /// Compresses the answer if the call asked for it, and checks that the peer takes its size.
    pub(super) fn fit(
        &self,
        mut response: Response,
        asked: Compression,
    ) -> Result<(Response, Compression), Status> {
        let (body, used) = deflate(response.body, asked).map_err(|error| {
            Status::internal(error.to_string()).from(Origin::Server, Executed::Yes)
        })?;
        response.body = body;
        let max = self.client_takes.get().copied().unwrap_or(0);
        let bytes = response.body.len();
        let fits = u32::try_from(bytes).is_ok_and(|bytes| u64::from(bytes) <= max);
        if bytes > BIG_MESSAGE_BYTES && !fits {
            let why = format!("the answer takes {bytes} bytes, the client takes at most {max}");
            return Err(Status::resource_exhausted(why).from(Origin::Server, Executed::Yes));
        }
        Ok((response, used))
    }

    pub(super) fn answer_response(&self, call: u64, response: &Response, compression: Compression) {
        if compression == Compression::None && response.is_plain() {
            // Without a head it fits.
            let _ = self.outbox.push_response(call, &NoHead, &response.body);
            return;
        }
        let mut head = ResponseHead {
            compression,
            metadata: Cow::Borrowed(&response.metadata),
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

    pub(super) fn answer_status(&self, call: u64, status: &Status, said: &Metadata) {
        let mut head = ResponseHead {
            metadata: Cow::Borrowed(said),
            code: status.code(),
            message: status.message().into(),
            details: Cow::Borrowed(status.details()),
            retry_after_us: status
                .retry_after()
                .map(|wait| u64::try_from(wait.as_micros()).unwrap_or(u64::MAX)),
            executed: status.executed(),
            origin: match status.origin() {
                Origin::Handler => rpc_codec::Origin::Handler,
                _ => rpc_codec::Origin::Framework,
            },
            refused_by: status.refused_by().map_or("", RuleKey::name).into(),
            ..ResponseHead::default()
        };
        if self.outbox.push_response(call, &head, &Bytes::new()).is_err() {
            head.details = Cow::Borrowed(&[]);
            head.message = "the message and details of this status are too large to be sent".into();
            // A fixed text and no details: it fits.
            let _ = self.outbox.push_response(call, &head, &Bytes::new());
        }
    }
}
