//! An end to waiting. Without one a caller that asks what hangs hangs with it, and so do its callers.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep};
use tower_layer::Layer;
use tower_service::Service;

use crate::status::{Executed, Origin, Status};

/// Gives each call so long, waits inside included, from when it is first waited for.
///
/// When the time is over the call is dropped with all that it holds, and fails with [`TimedOut`].
/// Outside of a retry it bounds the whole, inside each attempt.
#[derive(Clone, Copy, Debug)]
pub struct TimeoutLayer {
    timeout: Duration,
}

/// A service with a [`TimeoutLayer`].
#[derive(Clone, Debug)]
pub struct Timeout<S> {
    inner: S,
    timeout: Duration,
}

pin_project! {
    /// The call of a [`Timeout`].
    #[must_use = "futures do nothing unless polled"]
    pub struct TimeoutFuture<F> {
        // Dropped as soon as there is a result.
        #[pin]
        future: Option<F>,
        // Only made for a call that is not done at once, which needs neither it nor the time.
        #[pin]
        sleep: Option<Sleep>,
        timeout: Duration,
    }
}

/// A call took longer than it may. It may have run, or still be running.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimedOut {
    timeout: Duration,
}

impl TimeoutLayer {
    /// So long for each call.
    pub fn new(timeout: Duration) -> Self {
        Self { timeout }
    }
}

impl<S> Layer<S> for TimeoutLayer {
    type Service = Timeout<S>;

    fn layer(&self, inner: S) -> Timeout<S> {
        Timeout { inner, timeout: self.timeout }
    }
}

impl<S, R> Service<R> for Timeout<S>
where
    S: Service<R, Error: From<TimedOut>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = TimeoutFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: R) -> Self::Future {
        TimeoutFuture { future: Some(self.inner.call(request)), sleep: None, timeout: self.timeout }
    }
}

impl<F, T, E> Future for TimeoutFuture<F>
where
    F: Future<Output = Result<T, E>>,
    E: From<TimedOut>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let future = this.future.as_mut().as_pin_mut().expect("polled after it was done");
        let result = match future.poll(cx) {
            Poll::Ready(result) => result,
            Poll::Pending => {
                if this.sleep.is_none() {
                    let end = Instant::now().checked_add(*this.timeout);
                    let Some(end) = end else { return Poll::Pending }; // in centuries
                    this.sleep.set(Some(tokio::time::sleep_until(end)));
                }
                let sleep = this.sleep.as_mut().as_pin_mut().expect("it was just made");
                match sleep.poll(cx) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(()) => Err(TimedOut { timeout: *this.timeout }.into()),
                }
            }
        };
        this.future.set(None);
        Poll::Ready(result)
    }
}

impl TimedOut {
    #[cfg(test)]
    pub(super) fn new(timeout: Duration) -> Self {
        Self { timeout }
    }

    /// How long it had.
    pub fn timeout(&self) -> Duration {
        self.timeout
    }
}

impl fmt::Display for TimedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "time limit of {:?}: the call was given up", self.timeout)
    }
}

impl Error for TimedOut {}

impl From<TimedOut> for Status {
    fn from(refusal: TimedOut) -> Self {
        Self::deadline_exceeded(refusal.to_string()).from(Origin::Client, Executed::Maybe)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::governance::outcome::Outcome;
    use crate::status::Code;

    #[test]
    fn as_a_status_it_is_a_deadline_that_may_have_run() {
        let status: Status = TimedOut::new(Duration::from_millis(200)).into();
        assert_eq!(
            status.to_string(),
            "deadline exceeded: time limit of 200ms: the call was given up"
        );
        assert_eq!(status.code(), Code::DeadlineExceeded);
        assert_eq!(Outcome::of_status(&status), Outcome::Deadline);
        assert_eq!(status.executed(), Executed::Maybe);
    }
}
