//! The service that peers are layered on, which is ready and answers at once; and a caller that polls.

use std::fmt;
use std::future::{Ready, ready};
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::thread;

use tower::Service;

/// Answers at once, and fails if it is asked to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answers;

/// It was asked to fail.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Failed;

/// Whether a call should work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Works,
    Fails,
}

impl Service<Call> for Answers {
    type Response = ();
    type Error = Failed;
    type Future = Ready<Result<(), Failed>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Failed>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, call: Call) -> Self::Future {
        ready(match call {
            Call::Works => Ok(()),
            Call::Fails => Err(Failed),
        })
    }
}

/// Makes a call. What has to wait (two threads at one async lock) is polled again at once, which is
/// faster than any runtime would do it.
#[inline]
pub(crate) fn call<S: Service<Call>>(service: &mut S, call: Call) -> Result<S::Response, S::Error> {
    let mut context = Context::from_waker(Waker::noop());
    until_ready(|| service.poll_ready(&mut context))?;
    let mut answer = pin!(service.call(call));
    until_ready(|| answer.as_mut().poll(&mut context))
}

#[inline]
fn until_ready<T>(mut poll: impl FnMut() -> Poll<T>) -> T {
    loop {
        match poll() {
            Poll::Ready(ready) => return ready,
            Poll::Pending => thread::yield_now(),
        }
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("asked to fail")
    }
}

impl std::error::Error for Failed {}
