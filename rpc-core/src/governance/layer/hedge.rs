//! A further attempt beside a slow one; see [`hedge`](crate::governance::hedge).

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use pin_project_lite::pin_project;
use tokio::time::Sleep;
use tower_layer::Layer;
use tower_service::Service;

use super::again::{CloneRequest, Cloned, Oneshot};
use super::ending::{ByError, Classify, Ending};
use crate::governance::Moment;
use crate::governance::hedge::Hedge;
use crate::governance::outcome::Sample;
use crate::governance::retry::Budget;
use crate::governance::rules::HedgeRule;

/// Sends a call once more beside itself when it is slow; the first answer wins, the others are dropped.
///
/// Only for calls that may run twice. A failure that another attempt might not have does not win as long
/// as one is under way. Each further attempt is paid from the [`Budget`], which retries share.
#[derive(Clone, Debug)]
pub struct HedgeLayer<C = ByError, K = Cloned> {
    settings: Settings<C, K>,
}

/// A service with a [`HedgeLayer`].
#[derive(Clone, Debug)]
pub struct Hedged<S, C = ByError, K = Cloned> {
    inner: S,
    settings: Settings<C, K>,
}

#[derive(Clone, Debug)]
struct Settings<C, K> {
    hedge: Arc<Hedge>,
    budget: Arc<Budget>,
    pays_in: bool,
    classify: C,
    copy: K,
}

pin_project! {
    /// The call of a [`Hedged`].
    #[must_use = "futures do nothing unless polled"]
    pub struct HedgeFuture<S, R, C, K>
    where
        S: Service<R>,
    {
        #[pin]
        first: Option<S::Future>,
        timing: Timing,
        joined: Vec<(Pin<Box<Oneshot<S, R>>>, Timing)>,
        // How many have joined so far, those that failed included.
        joins: u32,
        // What the next one is made of; none if there is none.
        spare: Option<(S, R)>,
        delay: Duration,
        #[pin]
        sleep: Option<Sleep>,
        settings: Settings<C, K>,
    }
}

/// How long an attempt takes; one that is dropped took at least so long.
struct Timing {
    hedge: Arc<Hedge>,
    since: Moment,
    is_told: bool,
}

impl HedgeLayer {
    /// As the rule says, and paid from this budget, into which each call pays.
    pub fn new(rule: HedgeRule, budget: impl Into<Arc<Budget>>) -> Self {
        let hedge = Arc::new(Hedge::new(rule, Moment::now()));
        let settings = Settings {
            hedge,
            budget: budget.into(),
            pays_in: true,
            classify: ByError,
            copy: Cloned,
        };
        Self { settings }
    }

    /// The same inside of a [`RetryLayer`](super::RetryLayer) with this budget: that one pays in.
    pub fn within_retry(rule: HedgeRule, budget: impl Into<Arc<Budget>>) -> Self {
        let mut layer = Self::new(rule, budget);
        layer.settings.pays_in = false;
        layer
    }
}

impl<C, K> HedgeLayer<C, K> {
    /// What the end of an attempt is; without this, [`ByError`].
    #[must_use]
    pub fn with_classify<D>(self, classify: D) -> HedgeLayer<D, K> {
        let Settings { hedge, budget, pays_in, copy, .. } = self.settings;
        HedgeLayer { settings: Settings { hedge, budget, pays_in, classify, copy } }
    }

    /// How a request is sent once more; without this, its clone.
    #[must_use]
    pub fn with_clone<L>(self, copy: L) -> HedgeLayer<C, L> {
        let Settings { hedge, budget, pays_in, classify, .. } = self.settings;
        HedgeLayer { settings: Settings { hedge, budget, pays_in, classify, copy } }
    }

    /// What decides when, to change it.
    pub fn hedge(&self) -> &Arc<Hedge> {
        &self.settings.hedge
    }
}

impl<S, C: Clone, K: Clone> Layer<S> for HedgeLayer<C, K> {
    type Service = Hedged<S, C, K>;

    fn layer(&self, inner: S) -> Self::Service {
        Hedged { inner, settings: self.settings.clone() }
    }
}

impl<S, C, K, R> Service<R> for Hedged<S, C, K>
where
    S: Service<R> + Clone,
    C: Classify<S::Response, S::Error> + Clone,
    K: CloneRequest<R> + Clone,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = HedgeFuture<S, R, C, K>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: R) -> Self::Future {
        let now = Moment::now();
        let settings = self.settings.clone();
        if settings.pays_in {
            settings.budget.deposit(now);
        }
        let delay = settings.hedge.after(0, now);
        let copy = delay.and_then(|_| settings.copy.clone_request(&request));
        HedgeFuture {
            spare: copy.map(|copy| (self.inner.clone(), copy)),
            // The ready one, and not its clone.
            first: Some(self.inner.call(request)),
            timing: settings.timing(now),
            joined: Vec::new(),
            joins: 0,
            delay: delay.unwrap_or_default(),
            sleep: None,
            settings,
        }
    }
}

impl<S, R, C, K> Future for HedgeFuture<S, R, C, K>
where
    S: Service<R> + Clone,
    C: Classify<S::Response, S::Error>,
    K: CloneRequest<R>,
{
    type Output = Result<S::Response, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            let ended = match this.first.as_mut().as_pin_mut().map(|first| first.poll(cx)) {
                Some(Poll::Ready(result)) => {
                    this.first.set(None);
                    Some((result, None))
                }
                _ => this.joined.iter_mut().enumerate().find_map(|(at, (call, _))| {
                    match call.as_mut().poll(cx) {
                        Poll::Ready(result) => Some((result, Some(at))),
                        Poll::Pending => None,
                    }
                }),
            };
            if let Some((result, joined)) = ended {
                let ending = this.settings.classify.classify(result.as_ref());
                match joined.map(|at| this.joined.swap_remove(at)) {
                    Some((_, mut timing)) => timing.tell(&ending),
                    None => this.timing.tell(&ending),
                }
                let is_last = this.first.is_none() && this.joined.is_empty();
                if is_last || !ending.is_retryable() {
                    this.first.set(None);
                    this.joined.clear();
                    return Poll::Ready(result);
                }
                continue;
            }
            if this.spare.is_none() {
                return Poll::Pending;
            }
            if this.sleep.is_none() {
                this.sleep.set(Some(tokio::time::sleep(*this.delay)));
            }
            let sleep = this.sleep.as_mut().as_pin_mut().expect("it was just made");
            if sleep.poll(cx).is_pending() {
                return Poll::Pending;
            }
            this.sleep.set(None);
            let now = Moment::now();
            let Some((inner, request)) = this.spare.take() else { return Poll::Pending };
            if !this.settings.budget.withdraw(now) {
                return Poll::Pending; // and no further one is tried
            }
            *this.joins += 1;
            if let Some(delay) = this.settings.hedge.after(*this.joins, now) {
                let copy = this.settings.copy.clone_request(&request);
                *this.spare = copy.map(|copy| (inner.clone(), copy));
                *this.delay = delay;
            }
            let timing = this.settings.timing(now);
            this.joined.push((Box::pin(Oneshot::new(inner, request)), timing));
        }
    }
}

impl<C, K> Settings<C, K> {
    fn timing(&self, since: Moment) -> Timing {
        Timing { hedge: Arc::clone(&self.hedge), since, is_told: false }
    }
}

impl Timing {
    fn tell(&mut self, ending: &Ending) {
        self.record(ending.outcome().sample());
    }

    fn record(&mut self, sample: Sample) {
        self.is_told = true;
        let now = Moment::now();
        self.hedge.record(sample, now.since(self.since), now);
    }
}

impl Drop for Timing {
    fn drop(&mut self) {
        if !self.is_told {
            self.record(Sample::AtLeast);
        }
    }
}
