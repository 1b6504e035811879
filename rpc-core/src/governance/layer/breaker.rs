//! Refusing while what is called fails; see [`breaker`](crate::governance::breaker).

use std::borrow::Cow;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::again::Oneshot;
use super::ending::{ByError, Classify, Ending};
use super::gate::GateLayer;
use super::pick::{ByKey, One, Pick};
use crate::governance::Moment;
use crate::governance::breaker::{Breaker, CircuitOpen, Permit};
use crate::governance::limit::Keyed;
use crate::governance::rules::BreakerRule;

/// Refuses calls with [`CircuitOpen`] while what is called fails.
///
/// While it is open it does not ask the service inside whether it is ready, so that one that can't
/// connect is left alone, and a call is refused although that is not ready. A call that is dropped was
/// abandoned: its place is free, and it says that calls take at least so long.
#[derive(Clone, Debug)]
pub struct BreakerLayer<C = ByError, P = One<Breaker>> {
    breakers: P,
    classify: C,
}

/// A service with a [`BreakerLayer`].
#[derive(Debug)]
pub struct BreakerService<S, C = ByError, P = One<Breaker>> {
    inner: S,
    /// Whether the service inside said so since it was last called; never of its clones.
    is_ready: bool,
    breakers: P,
    classify: C,
}

pin_project! {
    /// The call of a [`BreakerService`].
    #[must_use = "futures do nothing unless polled"]
    pub struct BreakerFuture<S, R, C>
    where
        S: Service<R>,
    {
        #[pin]
        state: State<S, R, S::Future>,
        admitted: Option<Admitted>,
        classify: C,
    }
}

pin_project! {
    #[project = StateProject]
    enum State<S, R, F>
    where
        S: Service<R>,
    {
        Refused { refusal: Option<CircuitOpen> },
        Calling {
            #[pin]
            future: F,
        },
        // It was open when it was asked whether it is ready, and lets this one pass.
        Readying {
            #[pin]
            call: Oneshot<S, R>,
        },
    }
}

/// A permit that knows since when, so that a drop can say for how long the caller waited.
struct Admitted {
    permit: Option<Permit<Arc<Breaker>>>,
    since: Moment,
}

impl BreakerLayer {
    /// One breaker for all, as the rule says.
    pub fn new(rule: &BreakerRule) -> Self {
        Self::sharing(Arc::new(new_breaker(rule)))
    }

    /// A breaker that others use too.
    pub fn sharing(breaker: Arc<Breaker>) -> Self {
        Self::picking(One(breaker))
    }
}

impl<F> BreakerLayer<ByError, ByKey<Breaker, F>> {
    /// A breaker each for what `key` tells apart, tenants or shards, as the rule says; at most
    /// [`Keyed::DEFAULT_MAX`].
    pub fn keyed<R>(rule: &BreakerRule, key: F) -> Self
    where
        F: for<'r> Fn(&'r R) -> Cow<'r, str>,
    {
        let rule = rule.clone();
        Self::picking(ByKey::new(Arc::new(Keyed::new()), key, move || new_breaker(&rule)))
    }
}

impl<C, F> BreakerLayer<C, ByKey<Breaker, F>> {
    /// The breakers.
    pub fn breakers(&self) -> &Arc<Keyed<Breaker>> {
        self.breakers.machines()
    }
}

impl<C> BreakerLayer<C, One<Breaker>> {
    /// The breaker: to see how it stands, to force it, or to change it.
    pub fn breaker(&self) -> &Arc<Breaker> {
        &self.breakers.0
    }
}

impl<P> BreakerLayer<ByError, P> {
    /// The breaker that `breakers` picks.
    pub fn picking(breakers: P) -> Self {
        Self { breakers, classify: ByError }
    }
}

impl<C, P> BreakerLayer<C, P> {
    /// What the end of a call is; without this, [`ByError`].
    #[must_use]
    pub fn with_classify<D>(self, classify: D) -> BreakerLayer<D, P> {
        BreakerLayer { breakers: self.breakers, classify }
    }

    /// A layer that refuses as this breaker would and takes nothing: to stand before limits, so that
    /// what an open circuit will refuse does not wait nor spend anything first.
    pub fn gate(&self) -> GateLayer<P>
    where
        P: Clone,
    {
        GateLayer::new(self.breakers.clone())
    }
}

/// The refusal of a breaker that lets no call pass at present.
pub(super) fn refusal(breaker: &Breaker) -> Option<CircuitOpen> {
    // Told no later moment it goes by the last one it knows. A closed one needs none, which saves a look
    // at the clock; an open one may let pass again by now.
    breaker.peek(Moment::default()).err()?;
    breaker.peek(Moment::now()).err()
}

fn new_breaker(rule: &BreakerRule) -> Breaker {
    Breaker::new(rule, Moment::now(), fastrand::u64(..))
}

impl<S, C: Clone, P: Clone> Layer<S> for BreakerLayer<C, P> {
    type Service = BreakerService<S, C, P>;

    fn layer(&self, inner: S) -> Self::Service {
        let (breakers, classify) = (self.breakers.clone(), self.classify.clone());
        BreakerService { inner, is_ready: false, breakers, classify }
    }
}

impl<S: Clone, C: Clone, P: Clone> Clone for BreakerService<S, C, P> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            is_ready: false,
            breakers: self.breakers.clone(),
            classify: self.classify.clone(),
        }
    }
}

impl<S, C, P, R> Service<R> for BreakerService<S, C, P>
where
    S: Service<R, Error: From<CircuitOpen>> + Clone,
    C: Classify<S::Response, S::Error> + Clone,
    P: Pick<R, Breaker>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = BreakerFuture<S, R, C>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        if self.is_ready || self.breakers.only().is_some_and(|only| refusal(only).is_some()) {
            return Poll::Ready(Ok(()));
        }
        ready!(self.inner.poll_ready(cx))?;
        self.is_ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: R) -> Self::Future {
        let since = Moment::now();
        let (state, admitted) = match Breaker::admit(self.breakers.pick(&request), since) {
            Err(refusal) => (State::Refused { refusal: Some(refusal) }, None),
            Ok(permit) => {
                let admitted = Admitted { permit: Some(permit), since };
                let state = if mem::take(&mut self.is_ready) {
                    State::Calling { future: self.inner.call(request) }
                } else {
                    let unready = self.inner.clone();
                    let inner = mem::replace(&mut self.inner, unready);
                    State::Readying { call: Oneshot::new(inner, request) }
                };
                (state, Some(admitted))
            }
        };
        BreakerFuture { state, admitted, classify: self.classify.clone() }
    }
}

impl<S, R, C> Future for BreakerFuture<S, R, C>
where
    S: Service<R, Error: From<CircuitOpen>>,
    C: Classify<S::Response, S::Error>,
{
    type Output = Result<S::Response, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let result = match this.state.project() {
            StateProject::Refused { refusal } => {
                let refusal = refusal.take().expect("polled after it was done");
                return Poll::Ready(Err(refusal.into()));
            }
            StateProject::Calling { future } => ready!(future.poll(cx)),
            StateProject::Readying { call } => ready!(call.poll(cx)),
        };
        let admitted = this.admitted.take().expect("polled after it was done");
        admitted.settle(this.classify.classify(result.as_ref()));
        Poll::Ready(result)
    }
}

impl Admitted {
    fn settle(mut self, ending: Ending) {
        let Some(permit) = self.permit.take() else { return };
        let now = Moment::now();
        let took = now.since(self.since);
        // Who wants to know of a transition asks the breaker for its last ones.
        let _ = permit.settle_outcome(ending.outcome(), ending.had_own_time(), took, now);
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        // A permit that a panic drops says that by itself.
        if let Some(permit) = self.permit.take_if(|_| !std::thread::panicking()) {
            let now = Moment::now();
            let _ = permit.abandon(now.since(self.since), now);
        }
    }
}
