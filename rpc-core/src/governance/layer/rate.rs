//! So many calls per time; see [`limit`](crate::governance::limit).

use std::borrow::Cow;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use pin_project_lite::pin_project;
use tokio::time::Sleep;
use tower_layer::Layer;
use tower_service::Service;

use super::pick::{ByKey, One, Pick};
use crate::governance::Moment;
use crate::governance::limit::{Keyed, RateLimited, RateLimiter, Ticket};
use crate::governance::rules::LimitRule;

/// Refuses calls above a rate, or lets them wait for their turn, with [`RateLimited`].
///
/// A call takes its turn when it is made, not when the service is asked whether it is ready: a handle
/// that is ready and idle holds nothing back from the others. Dropped while it waits, it gives its
/// turn back. It never waits longer than the call being served has left.
#[derive(Clone, Debug)]
pub struct RateLimitLayer<P = One<RateLimiter>> {
    limiters: P,
    wait: Duration,
}

/// A service with a [`RateLimitLayer`].
#[derive(Clone, Debug)]
pub struct RateLimit<S, P = One<RateLimiter>> {
    inner: S,
    limiters: P,
    wait: Duration,
}

pin_project! {
    /// The call of a [`RateLimit`].
    #[must_use = "futures do nothing unless polled"]
    pub struct RateLimitFuture<S, R>
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
        Refused { refusal: Option<RateLimited> },
        Waiting {
            #[pin]
            sleep: Sleep,
            turn: Turn,
            inner: S,
            request: Option<R>,
        },
        Calling {
            #[pin]
            future: F,
        },
    }
}

/// A turn that has not come yet.
struct Turn {
    limiter: Arc<RateLimiter>,
    ticket: Option<Ticket>,
}

impl RateLimitLayer {
    /// One limit for all, and how long to wait, as the rule says.
    pub fn new(rule: &LimitRule) -> Self {
        Self::sharing(Arc::new(RateLimiter::new(rule, Moment::now()))).with_wait(rule.wait)
    }

    /// A limit that others use too; nobody waits.
    pub fn sharing(limiter: Arc<RateLimiter>) -> Self {
        Self::picking(One(limiter))
    }

    /// The limit: to see how it stands, or to change it.
    pub fn limiter(&self) -> &Arc<RateLimiter> {
        &self.limiters.0
    }
}

impl<F> RateLimitLayer<ByKey<RateLimiter, F>> {
    /// A limit each for what `key` tells apart, as the rule says; at most [`Keyed::DEFAULT_MAX`].
    pub fn keyed<R>(rule: &LimitRule, key: F) -> Self
    where
        F: for<'r> Fn(&'r R) -> Cow<'r, str>,
    {
        let (rule, wait) = (rule.clone(), rule.wait);
        let make = move || RateLimiter::new(&rule, Moment::now());
        Self::picking(ByKey::new(Arc::new(Keyed::new()), key, make)).with_wait(wait)
    }

    /// The limits.
    pub fn limiters(&self) -> &Arc<Keyed<RateLimiter>> {
        self.limiters.machines()
    }
}

impl<P> RateLimitLayer<P> {
    /// The limit that `limiters` picks; nobody waits.
    pub fn picking(limiters: P) -> Self {
        Self { limiters, wait: Duration::ZERO }
    }

    /// Calls may wait so long for their turn.
    #[must_use]
    pub fn with_wait(self, wait: Duration) -> Self {
        Self { wait, ..self }
    }
}

impl<S, P: Clone> Layer<S> for RateLimitLayer<P> {
    type Service = RateLimit<S, P>;

    fn layer(&self, inner: S) -> RateLimit<S, P> {
        RateLimit { inner, limiters: self.limiters.clone(), wait: self.wait }
    }
}

impl<S, P, R> Service<R> for RateLimit<S, P>
where
    S: Service<R, Error: From<RateLimited>> + Clone,
    P: Pick<R, RateLimiter>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = RateLimitFuture<S, R>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: R) -> Self::Future {
        let limiter = self.limiters.pick(&request);
        let state = match limiter.reserve(1, super::within_time_left(self.wait), Moment::now()) {
            Err(refusal) => State::Refused { refusal: Some(refusal) },
            Ok(ticket) if ticket.wait().is_zero() => {
                State::Calling { future: self.inner.call(request) }
            }
            Ok(ticket) => {
                let unready = self.inner.clone();
                State::Waiting {
                    sleep: tokio::time::sleep(ticket.wait()),
                    turn: Turn { limiter, ticket: Some(ticket) },
                    inner: mem::replace(&mut self.inner, unready),
                    request: Some(request),
                }
            }
        };
        RateLimitFuture { state }
    }
}

impl<S, R> Future for RateLimitFuture<S, R>
where
    S: Service<R, Error: From<RateLimited>>,
{
    type Output = Result<S::Response, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            match state.as_mut().project() {
                StateProject::Refused { refusal } => {
                    let refusal = refusal.take().expect("polled after it was done");
                    return Poll::Ready(Err(refusal.into()));
                }
                StateProject::Waiting { sleep, turn, inner, request } => {
                    ready!(sleep.poll(cx));
                    turn.has_come();
                    let future = inner.call(request.take().expect("it is taken once"));
                    state.set(State::Calling { future });
                }
                StateProject::Calling { future } => return future.poll(cx),
            }
        }
    }
}

impl Turn {
    /// From here on it is used.
    fn has_come(&mut self) {
        self.ticket = None;
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.limiter.cancel(ticket, Moment::now());
        }
    }
}
