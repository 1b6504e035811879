//! As many calls at a time as turn out not to slow each other down; see
//! [`adaptive`](crate::governance::adaptive).

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::ending::{ByError, Classify};
use super::queued::{self, Entered, Inherited, Place, Prioritize, Queued};
use crate::governance::Moment;
use crate::governance::adaptive::{Adaptive, Entering, Kind, Sample, Slot};
use crate::governance::limit::concurrency::Overloaded;

/// Refuses calls above a number at a time that it finds out, or lets them wait for a place, with
/// [`Overloaded`].
///
/// It learns from how long each call takes, counted from when it has its place: on a client it stands
/// inside of retries and hedges. A call that is dropped would have taken at least so long.
#[derive(Clone, Debug)]
pub struct AdaptiveLayer<C = ByError, P = Inherited> {
    limit: Arc<Adaptive>,
    classify: C,
    priority: P,
}

/// A service with an [`AdaptiveLayer`].
#[derive(Clone, Debug)]
pub struct AdaptiveLimit<S, C = ByError, P = Inherited> {
    inner: S,
    limit: Arc<Adaptive>,
    classify: C,
    priority: P,
}

pin_project! {
    /// The call of an [`AdaptiveLimit`].
    #[must_use = "futures do nothing unless polled"]
    pub struct AdaptiveFuture<S, R, C>
    where
        S: Service<R>,
    {
        #[pin]
        state: State<S, R, S::Future>,
        classify: C,
    }
}

pin_project! {
    #[project = StateProject]
    enum State<S, R, F> {
        Refused { refusal: Option<Overloaded> },
        Waiting {
            #[pin]
            queued: Queued<Entering<Arc<Adaptive>>, S, R>,
        },
        Calling {
            #[pin]
            future: F,
            entered: Timed,
        },
    }
}

/// A slot that knows since when, so that a drop can say for how long the caller waited.
struct Timed {
    slot: Option<Slot<Arc<Adaptive>>>,
    since: Moment,
}

impl AdaptiveLayer {
    /// This limit for all; keep a clone of it to see how it stands, or to tell it of the CPU.
    pub fn new(limit: impl Into<Arc<Adaptive>>) -> Self {
        Self { limit: limit.into(), classify: ByError, priority: Inherited }
    }

    /// For calls to a service: follows their latency.
    pub fn client() -> Self {
        Self::new(Adaptive::client(Moment::now()))
    }

    /// For calls to this server: follows their latency too, until someone
    /// [tells](Adaptive::observe_cpu) it how busy the CPU is.
    pub fn server() -> Self {
        Self::new(Adaptive::server(Moment::now()))
    }
}

impl<C, P> AdaptiveLayer<C, P> {
    /// What the end of a call is; without this, [`ByError`].
    #[must_use]
    pub fn with_classify<D>(self, classify: D) -> AdaptiveLayer<D, P> {
        AdaptiveLayer { limit: self.limit, classify, priority: self.priority }
    }

    /// How much each request matters; without this it is [`Inherited`].
    #[must_use]
    pub fn with_priority<Q>(self, priority: Q) -> AdaptiveLayer<C, Q> {
        AdaptiveLayer { limit: self.limit, classify: self.classify, priority }
    }

    /// The limit.
    pub fn limit(&self) -> &Arc<Adaptive> {
        &self.limit
    }
}

impl<S, C: Clone, P: Clone> Layer<S> for AdaptiveLayer<C, P> {
    type Service = AdaptiveLimit<S, C, P>;

    fn layer(&self, inner: S) -> Self::Service {
        let (classify, priority) = (self.classify.clone(), self.priority.clone());
        AdaptiveLimit { inner, limit: Arc::clone(&self.limit), classify, priority }
    }
}

impl<S, C, P, R> Service<R> for AdaptiveLimit<S, C, P>
where
    S: Service<R, Error: From<Overloaded>> + Clone,
    C: Classify<S::Response, S::Error> + Clone,
    P: Prioritize<R>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = AdaptiveFuture<S, R, C>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: R) -> Self::Future {
        let (priority, now) = (self.priority.priority(&request), Moment::now());
        let place = Adaptive::enter(Arc::clone(&self.limit), priority, now);
        let state = match queued::enter(place, &mut self.inner, request, now) {
            Entered::In(slot, request) => {
                let entered = Timed { slot: Some(slot), since: now };
                State::Calling { future: self.inner.call(request), entered }
            }
            Entered::Refused(refusal) => State::Refused { refusal: Some(refusal) },
            Entered::Waits(queued) => State::Waiting { queued },
        };
        AdaptiveFuture { state, classify: self.classify.clone() }
    }
}

impl<S, R, C> Future for AdaptiveFuture<S, R, C>
where
    S: Service<R, Error: From<Overloaded>>,
    C: Classify<S::Response, S::Error>,
{
    type Output = Result<S::Response, S::Error>;

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
                    let entered = Timed { slot: Some(slot), since: Moment::now() };
                    state.set(State::Calling { future, entered });
                }
                StateProject::Calling { future, entered } => {
                    let result = ready!(future.poll(cx));
                    let ending = this.classify.classify(result.as_ref());
                    entered.end(|took| Sample::of(ending.outcome(), took));
                    return Poll::Ready(result);
                }
            }
        }
    }
}

impl Timed {
    fn end(&mut self, sample: impl FnOnce(Duration) -> Sample) {
        let Some(slot) = self.slot.take() else { return };
        let now = Moment::now();
        slot.settle(sample(now.since(self.since)), now);
    }
}

impl Drop for Timed {
    fn drop(&mut self) {
        // What a panic cut short says nothing of how long calls take.
        if !std::thread::panicking() {
            self.end(|waited| Sample::new(Kind::Abandoned, waited));
        }
    }
}

impl Place for Entering<Arc<Adaptive>> {
    type Slot = Slot<Arc<Adaptive>>;

    fn deadline(&self) -> Option<Moment> {
        self.deadline()
    }

    fn give_up(self, now: Moment) -> Result<Self::Slot, Overloaded> {
        self.give_up(now)
    }
}
