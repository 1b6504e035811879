//! So many calls at a time; see [`concurrency`](crate::governance::limit::concurrency).

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::queued::{self, Entered, Inherited, Prioritize, Queued};
use crate::governance::Moment;
use crate::governance::limit::concurrency::{Concurrency, Entering, Overloaded, Slot};

/// Refuses calls above a number at a time, or lets them wait for a place, with [`Overloaded`].
///
/// A call takes its place when it is made, and has it until there is a result, also if the
/// finished future is kept. Where the response is only the beginning, as with streams, let it [have the
/// slot](Self::with_slot_kept).
#[derive(Clone, Debug)]
pub struct ConcurrencyLayer<P = Inherited, H = UntilResponse> {
    limit: Arc<Concurrency>,
    priority: P,
    hold: H,
}

/// A service with a [`ConcurrencyLayer`].
#[derive(Clone, Debug)]
pub struct ConcurrencyLimit<S, P = Inherited, H = UntilResponse> {
    inner: S,
    limit: Arc<Concurrency>,
    priority: P,
    hold: H,
}

/// A place that outlives the borrow of its limit.
pub type OwnedSlot = Slot<Arc<Concurrency>>;

/// Has the slot once there is a response.
pub trait Hold<Res> {
    /// The response with the slot.
    type Response;

    /// Puts the slot into the response, or drops it.
    fn hold(&self, response: Res, slot: OwnedSlot) -> Self::Response;
}

/// The slot is free as soon as there is a response.
#[derive(Clone, Copy, Debug, Default)]
pub struct UntilResponse;

pin_project! {
    /// The call of a [`ConcurrencyLimit`].
    #[must_use = "futures do nothing unless polled"]
    pub struct ConcurrencyFuture<S, R, H>
    where
        S: Service<R>,
    {
        #[pin]
        state: State<S, R, S::Future>,
        hold: H,
    }
}

pin_project! {
    #[project = StateProject]
    enum State<S, R, F> {
        Refused { refusal: Option<Overloaded> },
        Waiting {
            #[pin]
            queued: Queued<Entering<Arc<Concurrency>>, S, R>,
        },
        Calling {
            #[pin]
            future: F,
            slot: Option<OwnedSlot>,
        },
    }
}

impl ConcurrencyLayer {
    /// This limit for all; keep a clone of it to see how it stands, or to change it.
    pub fn new(limit: impl Into<Arc<Concurrency>>) -> Self {
        Self { limit: limit.into(), priority: Inherited, hold: UntilResponse }
    }
}

impl<P, H> ConcurrencyLayer<P, H> {
    /// How much each request matters; without this it is [`Inherited`].
    #[must_use]
    pub fn with_priority<Q>(self, priority: Q) -> ConcurrencyLayer<Q, H> {
        ConcurrencyLayer { limit: self.limit, priority, hold: self.hold }
    }

    /// What becomes of the slot when there is a response: a function that takes both, and puts the slot
    /// where it is dropped when all is done, beside the stream.
    #[must_use]
    pub fn with_slot_kept<G>(self, hold: G) -> ConcurrencyLayer<P, G> {
        ConcurrencyLayer { limit: self.limit, priority: self.priority, hold }
    }

    /// The limit.
    pub fn limit(&self) -> &Arc<Concurrency> {
        &self.limit
    }
}

impl<S, P: Clone, H: Clone> Layer<S> for ConcurrencyLayer<P, H> {
    type Service = ConcurrencyLimit<S, P, H>;

    fn layer(&self, inner: S) -> Self::Service {
        ConcurrencyLimit {
            inner,
            limit: Arc::clone(&self.limit),
            priority: self.priority.clone(),
            hold: self.hold.clone(),
        }
    }
}

impl<S, P, H, R> Service<R> for ConcurrencyLimit<S, P, H>
where
    S: Service<R, Error: From<Overloaded>> + Clone,
    P: Prioritize<R>,
    H: Hold<S::Response> + Clone,
{
    type Response = H::Response;
    type Error = S::Error;
    type Future = ConcurrencyFuture<S, R, H>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: R) -> Self::Future {
        let (priority, now) = (self.priority.priority(&request), Moment::now());
        let place = Concurrency::enter(Arc::clone(&self.limit), priority, now);
        let state = match queued::enter(place, &mut self.inner, request, now) {
            Entered::In(slot, request) => {
                State::Calling { slot: Some(slot), future: self.inner.call(request) }
            }
            Entered::Refused(refusal) => State::Refused { refusal: Some(refusal) },
            Entered::Waits(queued) => State::Waiting { queued },
        };
        ConcurrencyFuture { state, hold: self.hold.clone() }
    }
}

impl<S, H, R> Future for ConcurrencyFuture<S, R, H>
where
    S: Service<R, Error: From<Overloaded>>,
    H: Hold<S::Response>,
{
    type Output = Result<H::Response, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut state = this.state;
        loop {
            match state.as_mut().project() {
                StateProject::Refused { refusal } => {
                    let refusal = refusal.take().expect("polled after it was done");
                    return Poll::Ready(Err(refusal.into()));
                }
                StateProject::Waiting { queued } => {
                    let (slot, future) = ready!(queued.poll(cx))?;
                    state.set(State::Calling { future, slot: Some(slot) });
                }
                StateProject::Calling { future, slot } => {
                    let result = ready!(future.poll(cx));
                    let slot = slot.take().expect("polled after it was done");
                    return Poll::Ready(result.map(|response| this.hold.hold(response, slot)));
                }
            }
        }
    }
}

impl<Res> Hold<Res> for UntilResponse {
    type Response = Res;

    fn hold(&self, response: Res, _: OwnedSlot) -> Res {
        response
    }
}

impl<Res, T, F: Fn(Res, OwnedSlot) -> T> Hold<Res> for F {
    type Response = T;

    fn hold(&self, response: Res, slot: OwnedSlot) -> T {
        self(response, slot)
    }
}
