//! What a layer that sends a request more than once needs: a second request, and a service that is
//! ready for it.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use tower_service::Service;

/// Makes a second request out of the first.
pub trait CloneRequest<R> {
    /// The same request once more; `None` if that can't be, as it holds a stream, or must not be.
    fn clone_request(&self, request: &R) -> Option<R>;
}

/// By its `Clone`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cloned;

impl<R: Clone> CloneRequest<R> for Cloned {
    fn clone_request(&self, request: &R) -> Option<R> {
        Some(request.clone())
    }
}

impl<R, F: Fn(&R) -> Option<R>> CloneRequest<R> for F {
    fn clone_request(&self, request: &R) -> Option<R> {
        self(request)
    }
}

pin_project! {
    /// A call of a service that need not be ready yet.
    pub(super) struct Oneshot<S, R>
    where
        S: Service<R>,
    {
        #[pin]
        state: State<S, R, S::Future>,
    }
}

pin_project! {
    #[project = StateProject]
    enum State<S, R, F> {
        Readying { inner: S, request: Option<R> },
        Calling {
            #[pin]
            future: F,
        },
    }
}

impl<S: Service<R>, R> Oneshot<S, R> {
    pub(super) fn new(inner: S, request: R) -> Self {
        Self { state: State::Readying { inner, request: Some(request) } }
    }
}

impl<S: Service<R>, R> Future for Oneshot<S, R> {
    type Output = Result<S::Response, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            match state.as_mut().project() {
                StateProject::Readying { inner, request } => {
                    ready!(inner.poll_ready(cx))?;
                    let future = inner.call(request.take().expect("it is taken once"));
                    state.set(State::Calling { future });
                }
                StateProject::Calling { future } => return future.poll(cx),
            }
        }
    }
}
