//! How a layer learns what the end of a call was, whatever the service and its error are.

use std::convert::Infallible;
use std::error::Error as StdError;
use std::time::Duration;

use super::timeout::TimedOut;
use crate::governance::breaker::CircuitOpen;
use crate::governance::fallback::Degraded;
use crate::governance::limit::RateLimited;
use crate::governance::limit::concurrency::Overloaded;
use crate::governance::outcome::Outcome;
use crate::request::Response;
use crate::status::{Executed, Status};

/// The error of services that have no type for it.
pub type BoxError = Box<dyn StdError + Send + Sync>;

/// What the end of a call was: its outcome, and what a retry has to know beside that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ending {
    outcome: Outcome,
    is_retryable: bool,
    executed: Executed,
    retry_after: Option<Duration>,
    had_own_time: bool,
}

/// Says what the end of a call was.
///
/// [`ByError`] is what layers begin with; [`OutcomeTable`] is for services of this crate; a function
/// does too, where an answer may be a failure as well:
///
/// ```
/// use rpc_core::governance::layer::{BoxError, Classify, Failure};
/// use rpc_core::governance::outcome::Outcome;
///
/// fn classify(end: Result<&u16, &BoxError>) -> Outcome {
///     match end {
///         Ok(200..=499) => Outcome::Success,
///         Ok(503) => Outcome::Overload,
///         Ok(_) => Outcome::ServerFault,
///         Err(error) => error.ending().outcome(),
///     }
/// }
/// assert_eq!(classify.classify(Ok(&503)).outcome(), Outcome::Overload);
/// ```
pub trait Classify<Res, Err> {
    /// What this end is.
    fn classify(&self, end: Result<&Res, &Err>) -> Ending;
}

/// An error that says what kind of end it is.
///
/// An error type of one's own, made to take the refusals of layers, should say of them what they say of
/// themselves, so that no breaker counts them as failures and no retry repeats them.
pub trait Failure {
    /// What the call's end was.
    fn ending(&self) -> Ending;
}

/// Every answer is a success, and an error is what it says.
#[derive(Clone, Copy, Debug, Default)]
pub struct ByError;

/// As [`Outcome::of`] says, for calls of this crate.
#[derive(Clone, Copy, Debug, Default)]
pub struct OutcomeTable;

impl Ending {
    /// An end with this outcome.
    ///
    /// Another attempt may help after a lost connection, an overload or a deadline. What was refused
    /// here has run nowhere; of the rest that failed it is not known, unless more is said.
    pub fn new(outcome: Outcome) -> Self {
        let executed = match outcome {
            Outcome::RefusedLocally => Executed::No,
            Outcome::Success | Outcome::BusinessError => Executed::Yes,
            _ => Executed::Maybe,
        };
        let is_retryable =
            matches!(outcome, Outcome::TransportFailure | Outcome::Overload | Outcome::Deadline);
        Self { outcome, is_retryable, executed, retry_after: None, had_own_time: true }
    }

    /// What this status says.
    pub fn of_status(status: &Status) -> Self {
        let outcome = Outcome::of_status(status);
        Self {
            outcome,
            is_retryable: outcome.is_retryable(status),
            executed: status.executed(),
            retry_after: status.retry_after(),
            had_own_time: true,
        }
    }

    /// Callers are asked not to come back before `wait` is over.
    #[must_use]
    pub fn with_retry_after(self, wait: impl Into<Option<Duration>>) -> Self {
        Self { retry_after: wait.into(), ..self }
    }

    /// Nothing has run, so that the call may be sent again whatever it does.
    #[must_use]
    pub fn not_executed(self) -> Self {
        Self { executed: Executed::No, ..self }
    }

    /// Another attempt may help, if it does no harm that this one may have run.
    #[must_use]
    pub fn worth_retrying(self) -> Self {
        Self { is_retryable: true, ..self }
    }

    /// The time that ran out was not the method's own but what a caller had left: a shared breaker must
    /// not trip on it.
    #[must_use]
    pub fn in_inherited_time(self) -> Self {
        Self { had_own_time: false, ..self }
    }

    /// The outcome.
    pub fn outcome(&self) -> Outcome {
        self.outcome
    }

    /// Whether another attempt may help.
    pub fn is_retryable(&self) -> bool {
        self.is_retryable
    }

    /// Whether anything has run.
    pub fn executed(&self) -> Executed {
        self.executed
    }

    /// How long callers are asked to stay away.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// Whether it had all the time that it may take.
    pub fn had_own_time(&self) -> bool {
        self.had_own_time
    }
}

impl From<Outcome> for Ending {
    fn from(outcome: Outcome) -> Self {
        Self::new(outcome)
    }
}

impl<Res, Err, F, E> Classify<Res, Err> for F
where
    F: Fn(Result<&Res, &Err>) -> E,
    E: Into<Ending>,
{
    fn classify(&self, end: Result<&Res, &Err>) -> Ending {
        self(end).into()
    }
}

impl<Res, Err: Failure> Classify<Res, Err> for ByError {
    fn classify(&self, end: Result<&Res, &Err>) -> Ending {
        match end {
            Ok(_) => Ending::new(Outcome::Success),
            Err(error) => error.ending(),
        }
    }
}

impl Classify<Response, Status> for OutcomeTable {
    fn classify(&self, end: Result<&Response, &Status>) -> Ending {
        match end {
            Ok(response) if response.is_app_error() => Ending::new(Outcome::BusinessError),
            Ok(_) => Ending::new(Outcome::Success),
            Err(status) => Ending::of_status(status),
        }
    }
}

impl Failure for Status {
    fn ending(&self) -> Ending {
        Ending::of_status(self)
    }
}

/// A refusal of a layer or a [`Status`] is what it is, also as the source of another error; anything
/// else is a transport failure.
impl Failure for BoxError {
    fn ending(&self) -> Ending {
        let mut next: Option<&(dyn StdError + 'static)> = Some(&**self);
        while let Some(error) = next {
            if let Some(ending) = known(error) {
                return ending;
            }
            next = error.source();
        }
        Ending::new(Outcome::TransportFailure)
    }
}

fn known(error: &(dyn StdError + 'static)) -> Option<Ending> {
    fn is<E: StdError + Failure + 'static>(error: &(dyn StdError + 'static)) -> Option<Ending> {
        error.downcast_ref::<E>().map(Failure::ending)
    }
    is::<Status>(error)
        .or_else(|| is::<RateLimited>(error))
        .or_else(|| is::<Overloaded>(error))
        .or_else(|| is::<CircuitOpen>(error))
        .or_else(|| is::<TimedOut>(error))
        .or_else(|| is::<Degraded>(error))
}

impl Failure for RateLimited {
    fn ending(&self) -> Ending {
        Ending::new(Outcome::RefusedLocally).with_retry_after(self.retry_after())
    }
}

impl Failure for Overloaded {
    fn ending(&self) -> Ending {
        Ending::new(Outcome::RefusedLocally).with_retry_after(self.retry_after())
    }
}

impl Failure for CircuitOpen {
    fn ending(&self) -> Ending {
        Ending::new(Outcome::RefusedLocally).with_retry_after(self.retry_after())
    }
}

impl Failure for Degraded {
    fn ending(&self) -> Ending {
        Ending::new(Outcome::RefusedLocally)
    }
}

impl Failure for TimedOut {
    fn ending(&self) -> Ending {
        Ending::new(Outcome::Deadline)
    }
}

impl Failure for Infallible {
    fn ending(&self) -> Ending {
        match *self {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::Code;

    fn degraded() -> Degraded {
        let switched_off = crate::governance::fallback::Degrade { forced: true, optional: None };
        switched_off.check(0).expect_err("it is switched off")
    }

    #[test]
    fn an_error_that_wraps_a_refusal_is_still_a_refusal() {
        #[derive(Debug, thiserror::Error)]
        #[error("calling the shop")]
        struct Calling(#[source] TimedOut);
        let late: BoxError = Box::new(Calling(TimedOut::new(Duration::from_secs(1))));
        assert_eq!(late.ending().outcome(), Outcome::Deadline);
        let degraded: BoxError = Box::new(degraded());
        assert_eq!(degraded.ending().outcome(), Outcome::RefusedLocally);
        assert_eq!(degraded.ending().executed(), Executed::No);
        let unknown: BoxError = "reset by peer".into();
        assert_eq!(unknown.ending().outcome(), Outcome::TransportFailure);
        assert_eq!(unknown.ending().executed(), Executed::Maybe);
    }

    #[test]
    fn a_status_is_what_the_table_says_boxed_or_not() {
        for code in [Code::Unavailable, Code::Internal, Code::NotFound, Code::DeadlineExceeded] {
            let status = Status::new(code, "x").with_retry_after(Duration::from_secs(1));
            let boxed: BoxError = Box::new(status.clone());
            assert_eq!(boxed.ending(), Ending::of_status(&status));
            assert_eq!(status.ending().outcome(), Outcome::of_status(&status));
            assert_eq!(
                status.ending().is_retryable(),
                code == Code::Unavailable || code == Code::DeadlineExceeded
            );
        }
    }

    #[test]
    fn what_was_refused_here_is_not_worth_another_attempt() {
        for outcome in Outcome::ALL {
            let own = Ending::new(outcome);
            let table = Status::unavailable("x").with_retry_after(Duration::ZERO);
            let expected = outcome != Outcome::ServerFault && outcome.is_retryable(&table);
            assert_eq!(own.is_retryable(), expected, "{outcome:?}");
        }
    }
}
