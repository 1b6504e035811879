//! What travels between the typed ends: a [`Request`] and a [`Response`], both with the message as
//! bytes. These are what a user's tower layer sees, on the client and on the server.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rpc_codec::format::DecodeLimits;
use rpc_codec::{Compression, Load, Metadata, Priority};
use tokio::time::Instant;

use crate::context::Trace;
use crate::control::ClientMethod;
use crate::governance::Moment;
use crate::report::CallReport;
use crate::service::BoxFuture;
use crate::status::{Code, Executed, Origin, Status};

/// One call on its way to its handler.
///
/// Cloning is cheap: the body is shared.
#[derive(Clone, Debug)]
pub struct Request {
    pub(crate) method: Cow<'static, str>,
    pub(crate) format: Cow<'static, str>,
    pub(crate) compression: Compression,
    pub(crate) body: Bytes,
    pub(crate) metadata: Metadata,
    pub(crate) timeout: Option<Duration>,
    pub(crate) deadline: Option<Instant>,
    /// How long the call had when it began; zero until then.
    pub(crate) given: Duration,
    /// The deadline is that of one attempt, which ends before the call's.
    pub(crate) is_per_try: bool,
    /// Whoever waits for the answer is polled then, though it has not come: another attempt may join.
    pub(crate) nudge: Option<Instant>,
    pub(crate) priority: Option<Priority>,
    pub(crate) oneway: bool,
    pub(crate) attempt: u32,
    pub(crate) retried_upstream: bool,
    pub(crate) trace: Option<Arc<Trace>>,
    pub(crate) decode: DecodeLimits,
    pub(crate) report: Option<CallReport>,
    pub(crate) destination: Option<Arc<dyn Destination>>,
    /// What governs it, carried through a user's layers.
    pub(crate) governed: Option<Arc<ClientMethod>>,
}

impl Request {
    /// A call of `method` (`shop.Inventory/price`) whose arguments are `body`, encoded in `format`.
    pub fn new(
        method: impl Into<Cow<'static, str>>,
        format: impl Into<Cow<'static, str>>,
        body: impl Into<Bytes>,
    ) -> Self {
        Self {
            method: method.into(),
            format: format.into(),
            compression: Compression::None,
            body: body.into(),
            metadata: Metadata::new(),
            timeout: None,
            deadline: None,
            given: Duration::ZERO,
            is_per_try: false,
            nudge: None,
            priority: None,
            oneway: false,
            attempt: 0,
            retried_upstream: false,
            trace: None,
            decode: DecodeLimits::default(),
            report: None,
            destination: None,
            governed: None,
        }
    }

    /// Limits how long the call may take, from when it is made.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Asks for no answer.
    #[must_use]
    pub fn with_oneway(mut self) -> Self {
        self.oneway = true;
        self
    }

    /// The method's path, `shop.Inventory/price`.
    pub fn method(&self) -> &str {
        &self.method
    }

    /// The format's name, `msgpack`.
    pub fn format(&self) -> &str {
        &self.format
    }

    /// The encoded arguments (not compressed).
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// Replaces the encoded arguments.
    pub fn set_body(&mut self, body: impl Into<Bytes>) {
        self.body = body.into();
    }

    /// What the caller says beside the arguments.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// The same, to be changed.
    pub fn metadata_mut(&mut self) -> &mut Metadata {
        &mut self.metadata
    }

    /// When the call is over, once that is settled: on a client from the first attempt on, on a
    /// server always.
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// How much it matters.
    pub fn priority(&self) -> Priority {
        self.priority.unwrap_or(Priority::Normal)
    }

    /// Whether nobody waits for an answer.
    pub fn is_oneway(&self) -> bool {
        self.oneway
    }

    /// 0 for the first attempt, 1 for the next, ..
    pub fn attempt(&self) -> u32 {
        self.attempt
    }
}

/// Where an attempt goes once its node is chosen; carried by its request through a user's layers.
pub(crate) trait Destination: fmt::Debug + Send + Sync {
    /// Sends the request there.
    fn send(self: Arc<Self>, request: Request) -> BoxFuture<'static, Result<Response, Status>>;
}

/// A handler's answer: a value, or the method's own error. A [`Status`] is the other way to answer.
#[derive(Clone, Debug, Default)]
pub struct Response {
    pub(crate) body: Bytes,
    pub(crate) app_error: Option<Box<AppErrorHead>>,
    pub(crate) metadata: Metadata,
    pub(crate) degraded: bool,
    pub(crate) load: Option<Load>,
    /// When a client had read it.
    pub(crate) arrived: Option<Moment>,
}

/// What a client sees of a typed error that it can't decode.
#[derive(Clone, Debug)]
pub(crate) struct AppErrorHead {
    pub(crate) code: Code,
    pub(crate) message: String,
}

impl AppErrorHead {
    pub(crate) fn into_status(self) -> Status {
        Status::new(self.code, self.message).from(Origin::Handler, Executed::Yes)
    }
}

impl Response {
    /// An answer whose value is `body`, encoded in the format of the request.
    pub fn new(body: impl Into<Bytes>) -> Self {
        Self { body: body.into(), ..Self::default() }
    }

    /// The encoded value, or the encoded error if [`Response::is_app_error`].
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// What the handler says beside its answer.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// The same, to be changed.
    pub fn metadata_mut(&mut self) -> &mut Metadata {
        &mut self.metadata
    }

    /// Whether this is the method's own error rather than its value.
    pub fn is_app_error(&self) -> bool {
        self.app_error.is_some()
    }

    /// Whether there is nothing to say beside the value.
    pub(crate) fn is_plain(&self) -> bool {
        self.app_error.is_none()
            && self.metadata.is_empty()
            && !self.degraded
            && self.load.is_none()
    }

    /// Whether a fallback gave this answer.
    pub fn is_degraded(&self) -> bool {
        self.degraded
    }

    /// What the server said of its load, if it did.
    pub fn load(&self) -> Option<Load> {
        self.load
    }
}
