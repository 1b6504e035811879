//! How a call fails: [`Status`] for everything the framework or a handler can say, and [`Error`]
//! for methods that have an error type of their own.
//!
//! A status answers questions (`is_refusal`, `is_safe_to_retry`, ..) instead of asking its reader
//! to downcast, and whether a call may be sent again follows from [`Executed`], never from the code.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
pub use rpc_codec::{Code, Detail, Executed};

use crate::governance::rules::RuleKey;

/// Why a call failed, who says so, and whether its handler may have run.
///
/// One pointer wide and cheap to clone. Build one with the constructor named after its code:
///
/// ```
/// use rpc_core::{Code, Status};
///
/// let status = Status::not_found("no article `A-17`");
/// assert_eq!(status.code(), Code::NotFound);
/// assert_eq!(status.to_string(), "not found: no article `A-17`");
/// ```
#[derive(Clone)]
pub struct Status(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    code: Code,
    message: Cow<'static, str>,
    details: Vec<Detail>,
    origin: Origin,
    executed: Executed,
    retry_after: Option<Duration>,
    /// Came over the wire or from this process's own client: someone else's words. A handler that
    /// returns such a status speaks for itself, see [`Status::said_by_handler`].
    received: bool,
    refused_by: Option<RuleKey>,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

/// Who made a [`Status`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Origin {
    /// The method's own code.
    Handler,
    /// The server's framework: admission, routing, decoding.
    Server,
    /// The connection: it could not be made, or it ended.
    Transport,
    /// This process's own client: a deadline, a bad argument, a limit.
    Client,
}

macro_rules! constructors {
    ($($(#[$doc:meta])* $name:ident = $code:ident;)*) => {$(
        $(#[$doc])*
        pub fn $name(message: impl Into<Cow<'static, str>>) -> Self {
            Self::new(Code::$code, message)
        }
    )*};
}

impl Status {
    /// A status with this code, as a handler would return it.
    pub fn new(code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        Self(Arc::new(Inner {
            code,
            message: message.into(),
            details: Vec::new(),
            origin: Origin::Handler,
            executed: Executed::Yes,
            retry_after: None,
            received: false,
            refused_by: None,
            source: None,
        }))
    }

    constructors! {
        /// The caller went away.
        cancelled = Cancelled;
        /// Something failed that has no better name.
        unknown = Unknown;
        /// What was sent makes no sense, whatever the state of the system.
        invalid_argument = InvalidArgument;
        /// Time ran out.
        deadline_exceeded = DeadlineExceeded;
        /// The thing asked for is not there.
        not_found = NotFound;
        /// The thing to be made is there already.
        already_exists = AlreadyExists;
        /// The caller is known and may not.
        permission_denied = PermissionDenied;
        /// A limit, a quota or a queue is full.
        resource_exhausted = ResourceExhausted;
        /// The system is not in the state that the call needs.
        failed_precondition = FailedPrecondition;
        /// A conflict with another call; trying the whole again may help.
        aborted = Aborted;
        /// Past the end of what there is.
        out_of_range = OutOfRange;
        /// There is no such method here.
        unimplemented = Unimplemented;
        /// An invariant is broken: a bug.
        internal = Internal;
        /// Not now; another node or a moment later may do.
        unavailable = Unavailable;
        /// Data is lost or corrupt.
        data_loss = DataLoss;
        /// The caller is not known.
        unauthenticated = Unauthenticated;
    }

    /// Adds a machine-readable detail: a type's name and its encoded value.
    #[must_use]
    pub fn with_detail(mut self, type_name: impl Into<String>, value: impl Into<Bytes>) -> Self {
        let detail = Detail { type_name: type_name.into(), value: value.into() };
        self.inner_mut().details.push(detail);
        self
    }

    /// Asks callers not to come back before `wait` is over.
    #[must_use]
    pub fn with_retry_after(mut self, wait: Duration) -> Self {
        self.inner_mut().retry_after = Some(wait);
        self
    }

    /// Keeps the error that led here; it stays in this process.
    #[must_use]
    pub fn with_source(mut self, source: impl StdError + Send + Sync + 'static) -> Self {
        self.inner_mut().source = Some(Arc::new(source));
        self
    }

    /// What kind of failure it is.
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// What happened, for a person to read.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// What happened, for a program to read.
    pub fn details(&self) -> &[Detail] {
        &self.0.details
    }

    /// Who says so.
    pub fn origin(&self) -> Origin {
        self.0.origin
    }

    /// Whether the handler ran.
    pub fn executed(&self) -> Executed {
        self.0.executed
    }

    /// How long whoever refused the call asks to stay away: the server, or a limit or breaker of this client.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// Someone refused the call before its handler saw it: a limit, a full server, a drain.
    pub fn is_refusal(&self) -> bool {
        self.0.executed == Executed::No && self.0.origin != Origin::Handler
    }

    /// Which rule refused the call: one of this process if its [`origin`](Self::origin) is the client, else
    /// one of the server. `None` if it is no refusal, or not one of a rule: a full server, a drain.
    ///
    /// ```
    /// use rpc_core::governance::rules::RuleKey;
    /// use rpc_core::{Origin, Status};
    ///
    /// fn blame(status: &Status) -> &'static str {
    ///     match (status.refused_by(), status.origin()) {
    ///         (Some(RuleKey::Limit), Origin::Client) => "we call too often",
    ///         (Some(RuleKey::Limit), _) => "they let nobody call so often",
    ///         (Some(_), _) => "some other rule",
    ///         (None, _) => "no rule",
    ///     }
    /// }
    /// assert_eq!(blame(&Status::unavailable("the database is down")), "no rule");
    /// ```
    pub fn refused_by(&self) -> Option<RuleKey> {
        self.0.refused_by
    }

    /// The handler is known to have run.
    pub fn was_executed(&self) -> bool {
        self.0.executed == Executed::Yes
    }

    /// The handler provably did not run, so that any method may be sent again.
    pub fn is_safe_to_retry(&self) -> bool {
        self.0.executed == Executed::No
    }

    /// A failure of the connection.
    pub(crate) fn transport(message: impl Into<Cow<'static, str>>, executed: Executed) -> Self {
        Self::unavailable(message).from(Origin::Transport, executed)
    }

    /// The server's framework refuses: nothing has run.
    pub(crate) fn refused(code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(code, message).from(Origin::Server, Executed::No)
    }

    /// This client refuses: nothing was sent.
    pub(crate) fn local(code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(code, message).from(Origin::Client, Executed::No)
    }

    /// The same failure, said by someone else; it is no longer this process's own handler's.
    pub(crate) fn from(mut self, origin: Origin, executed: Executed) -> Self {
        let inner = self.inner_mut();
        inner.origin = origin;
        inner.executed = executed;
        inner.received = true;
        self
    }

    /// The same refusal, of this rule.
    pub(crate) fn refused_by_rule(mut self, rule: RuleKey) -> Self {
        self.inner_mut().refused_by = Some(rule);
        self
    }

    /// The same failure of a call whose fallback ended with `failure`.
    pub(crate) fn with_failed_fallback(mut self, failure: Self) -> Self {
        // A fallback that has no answer returns the reason it was asked for: that says it all.
        if !Arc::ptr_eq(&self.0, &failure.0) {
            let inner = self.inner_mut();
            inner.message = format!("{}; its fallback failed too: {failure}", inner.message).into();
            inner.source.get_or_insert_with(|| Arc::new(failure));
        }
        self
    }

    /// The refusal of a server's own limit: nothing has run. Its words say whose limit it was, as a client
    /// may have the same.
    pub(crate) fn refused_by_server(mut self) -> Self {
        let inner = self.inner_mut();
        inner.message = format!("the server's {}", inner.message).into();
        self.from(Origin::Server, Executed::No)
    }

    /// What leaves this process when a handler returns `self`.
    ///
    /// Each hop speaks for itself: a status that the handler got from downstream is now the
    /// handler's, which ran; its pushback was meant for this process and goes no further.
    pub(crate) fn said_by_handler(mut self) -> Self {
        let received = self.0.received;
        let inner = self.inner_mut();
        inner.origin = Origin::Handler;
        if received {
            if inner.executed == Executed::No {
                inner.executed = Executed::Maybe;
            }
            inner.retry_after = None;
            inner.refused_by = None;
        }
        inner.received = true;
        self
    }

    /// What leaves this process when a user's server layer returns `self`: what the layer made
    /// itself is the framework's word, and only the layer knows whether the handler has run.
    pub(crate) fn said_by_layer(self) -> Self {
        if self.0.received { self } else { self.from(Origin::Server, Executed::Maybe) }
    }

    fn inner_mut(&mut self) -> &mut Inner {
        Arc::make_mut(&mut self.0)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.message.is_empty() {
            return write!(f, "{}", self.0.code);
        }
        write!(f, "{}: {}", self.0.code, self.0.message)
    }
}

/// As it is displayed, since a `main` that fails with it prints this; and what else it says, in brackets.
impl fmt::Debug for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { origin, executed, refused_by, retry_after, details, source, .. } = &*self.0;
        write!(f, "{self} [origin: {origin:?}, executed: {executed:?}")?;
        if let Some(rule) = refused_by {
            write!(f, ", refused by: {}", rule.name())?;
        }
        if let Some(wait) = retry_after {
            write!(f, ", retry after: {wait:?}")?;
        }
        if !details.is_empty() {
            write!(f, ", details: {details:?}")?;
        }
        // Many a status says all that its source does.
        if let Some(source) = source.as_ref().map(ToString::to_string)
            && !self.0.message.contains(&source)
        {
            write!(f, ", source: {source}")?;
        }
        f.write_str("]")
    }
}

impl StdError for Status {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_ref().map(|source| source.as_ref() as &(dyn StdError + 'static))
    }
}

/// The failure of a method that has an error type of its own: either that, or a [`Status`].
///
/// `?` works on both, so a handler can use its own error and a downstream status side by side. A
/// downstream *typed* error is a decision: map it.
///
/// ```
/// use rpc_core::{AppError, Error, Status};
///
/// #[derive(Debug, thiserror::Error)]
/// #[error("out of stock, {left} left")]
/// struct OutOfStock { left: u32 }
/// impl AppError for OutOfStock {}
///
/// fn take(left: u32) -> Result<u32, OutOfStock> {
///     if left == 0 { Err(OutOfStock { left }) } else { Ok(left - 1) }
/// }
/// fn reserve(open: Result<u32, Status>) -> Result<u32, Error<OutOfStock>> {
///     Ok(take(open?)?)
/// }
/// assert!(matches!(reserve(Ok(0)), Err(Error::App(OutOfStock { left: 0 }))));
/// assert!(matches!(reserve(Err(Status::unavailable("db"))), Err(Error::Status(_))));
/// ```
#[derive(Clone, Debug)]
pub enum Error<E> {
    /// The method's own error: it ran and says no.
    App(E),
    /// Everything else.
    Status(Status),
}

/// Marks a type as a method's own error, and chooses the code that goes out with it.
///
/// The code and the `Display` text are what a client sees that does not know the type (or a newer
/// variant of it).
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an error a method can have of its own",
    note = "write `impl rpc_core::AppError for {Self} {{}}` beside its `std::error::Error`"
)]
pub trait AppError: StdError + Send + Sync + 'static {
    /// The code that goes out with the error; *failed precondition* unless chosen otherwise.
    fn code(&self) -> Code {
        Code::FailedPrecondition
    }
}

impl<E> Error<E> {
    /// The status, if it is one.
    pub fn as_status(&self) -> Option<&Status> {
        match self {
            Self::App(_) => None,
            Self::Status(status) => Some(status),
        }
    }

    /// The method's own error, if it is one.
    pub fn as_app(&self) -> Option<&E> {
        match self {
            Self::App(error) => Some(error),
            Self::Status(_) => None,
        }
    }
}

impl<E: AppError> From<E> for Error<E> {
    fn from(error: E) -> Self {
        Self::App(error)
    }
}

impl<E> From<Status> for Error<E> {
    fn from(status: Status) -> Self {
        Self::Status(status)
    }
}

impl<E: fmt::Display> fmt::Display for Error<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::App(error) => error.fmt(f),
            Self::Status(status) => status.fmt(f),
        }
    }
}

impl<E: StdError + 'static> StdError for Error<E> {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::App(error) => error.source(),
            Self::Status(status) => status.source(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_one_pointer_wide() {
        assert_eq!(size_of::<Status>(), size_of::<usize>());
    }

    #[test]
    fn a_handlers_own_status_keeps_its_pushback() {
        let own = Status::resource_exhausted("busy").with_retry_after(Duration::from_secs(1));
        let sent = own.said_by_handler();
        assert_eq!(sent.retry_after(), Some(Duration::from_secs(1)));
        assert_eq!(sent.executed(), Executed::Yes);
    }

    #[test]
    fn a_main_that_fails_with_it_prints_what_a_person_can_read() {
        let lost = std::io::Error::other("the cable is out");
        let status = Status::transport("tcp://127.0.0.1:7000: lost", Executed::Maybe);
        assert_eq!(
            format!("{:?}", status.with_source(lost)),
            "unavailable: tcp://127.0.0.1:7000: lost [origin: Transport, executed: Maybe, source: the \
             cable is out]"
        );
        let full = Status::refused(Code::ResourceExhausted, "full").refused_by_rule(RuleKey::Limit);
        assert_eq!(
            format!("{:?}", full.with_retry_after(Duration::from_secs(1))),
            "resource exhausted: full [origin: Server, executed: No, refused by: limit, retry after: 1s]"
        );
    }

    #[test]
    fn a_failed_fallback_is_told_beside_the_failure() {
        let failed = Status::transport("reset", Executed::Maybe)
            .with_failed_fallback(Status::not_found("no stale price"));
        assert_eq!(
            failed.to_string(),
            "unavailable: reset; its fallback failed too: not found: no stale price"
        );
        assert_eq!((failed.origin(), failed.executed()), (Origin::Transport, Executed::Maybe));
        let source = failed.source().expect("the fallback's status");
        assert_eq!(source.to_string(), "not found: no stale price");

        let declined = Status::unavailable("down");
        assert_eq!(
            declined.clone().with_failed_fallback(declined).to_string(),
            "unavailable: down"
        );
    }

    #[test]
    fn a_downstream_refusal_does_not_say_not_executed_upstream() {
        let downstream = Status::refused(Code::ResourceExhausted, "full")
            .refused_by_rule(RuleKey::Limit)
            .with_retry_after(Duration::from_secs(1));
        assert!(downstream.is_refusal() && downstream.is_safe_to_retry());

        let sent = downstream.said_by_handler();
        assert_eq!(sent.origin(), Origin::Handler);
        assert_eq!(sent.executed(), Executed::Maybe);
        assert_eq!((sent.retry_after(), sent.refused_by()), (None, None));
        assert!(!sent.is_safe_to_retry() && !sent.is_refusal());
    }

    #[test]
    fn an_app_error_that_has_a_status_inside_is_not_mistaken_for_one() {
        let error: Error<Status> = Error::Status(Status::internal("x"));
        assert!(error.as_app().is_none());
    }
}
