//! Refusing what an open breaker further in would refuse, before it waits or spends anything.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::breaker::refusal;
use super::pick::{One, Pick};
use crate::governance::breaker::{Breaker, CircuitOpen};

/// Refuses as a [`BreakerLayer`](super::BreakerLayer) would, and takes no probe; made by
/// [`gate`](super::BreakerLayer::gate).
#[derive(Clone, Debug)]
pub struct GateLayer<P = One<Breaker>> {
    breakers: P,
}

/// A service with a [`GateLayer`].
#[derive(Clone, Debug)]
pub struct Gate<S, P = One<Breaker>> {
    inner: S,
    breakers: P,
}

pin_project! {
    /// The call of a [`Gate`].
    #[must_use = "futures do nothing unless polled"]
    pub struct GateFuture<F> {
        #[pin]
        future: Option<F>,
        refusal: Option<CircuitOpen>,
    }
}

impl<P> GateLayer<P> {
    pub(super) fn new(breakers: P) -> Self {
        Self { breakers }
    }
}

impl<S, P: Clone> Layer<S> for GateLayer<P> {
    type Service = Gate<S, P>;

    fn layer(&self, inner: S) -> Gate<S, P> {
        Gate { inner, breakers: self.breakers.clone() }
    }
}

impl<S, P, R> Service<R> for Gate<S, P>
where
    S: Service<R, Error: From<CircuitOpen>>,
    P: Pick<R, Breaker>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = GateFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: R) -> Self::Future {
        let refusal = match self.breakers.only() {
            Some(only) => refusal(only),
            None => refusal(&self.breakers.pick(&request)),
        };
        let future = refusal.is_none().then(|| self.inner.call(request));
        GateFuture { future, refusal }
    }
}

impl<F, T, E> Future for GateFuture<F>
where
    F: Future<Output = Result<T, E>>,
    E: From<CircuitOpen>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        match this.future.as_pin_mut() {
            Some(future) => future.poll(cx),
            None => {
                let refusal = this.refusal.take().expect("polled after it was done");
                Poll::Ready(Err(refusal.into()))
            }
        }
    }
}
