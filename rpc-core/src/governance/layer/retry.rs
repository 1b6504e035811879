//! Further attempts where they may help and do no harm; see [`retry`](crate::governance::retry).

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use pin_project_lite::pin_project;
use tokio::time::Sleep;
use tower_layer::Layer;
use tower_service::Service;

use super::again::{CloneRequest, Cloned, Oneshot};
use super::ending::{ByError, Classify, Ending};
use crate::governance::Moment;
use crate::governance::retry::{Budget, Facts, Retry, RetryPolicy};
use crate::governance::rules::RetryRule;
use crate::status::{Code, Origin, Status};

/// Sends a call again after a failure, within a rule and a [`Budget`].
///
/// Without [`idempotent`](Self::idempotent), only what provably has not run is sent again. What
/// layers inside refuse is never: they would refuse the next one too. Between two attempts nothing of
/// the first is held.
#[derive(Clone, Debug)]
pub struct RetryLayer<C = ByError, K = Cloned> {
    settings: Settings<C, K>,
}

/// A service with a [`RetryLayer`].
#[derive(Clone, Debug)]
pub struct Retrying<S, C = ByError, K = Cloned> {
    inner: S,
    settings: Settings<C, K>,
}

#[derive(Clone, Debug)]
struct Settings<C, K> {
    policy: RetryPolicy,
    budget: Arc<Budget>,
    is_idempotent: bool,
    classify: C,
    copy: K,
}

pin_project! {
    /// The call of a [`Retrying`].
    #[must_use = "futures do nothing unless polled"]
    pub struct RetryFuture<S, R, C, K>
    where
        S: Service<R>,
    {
        #[pin]
        state: State<S, R, S::Future>,
        // What the next attempt is made of; none if the request can't be sent twice.
        spare: Option<(S, R)>,
        attempts: u32,
        resends: u32,
        settings: Settings<C, K>,
    }
}

pin_project! {
    #[project = StateProject]
    enum State<S, R, F>
    where
        S: Service<R>,
    {
        First {
            #[pin]
            future: F,
        },
        Pausing {
            #[pin]
            sleep: Sleep,
        },
        Again {
            #[pin]
            call: Oneshot<S, R>,
        },
    }
}

impl RetryLayer {
    /// As the rule says, and paid from this budget: one for all that call the same service.
    pub fn new(rule: RetryRule, budget: impl Into<Arc<Budget>>) -> Self {
        let (policy, budget) = (RetryPolicy::new(rule), budget.into());
        let settings =
            Settings { policy, budget, is_idempotent: false, classify: ByError, copy: Cloned };
        Self { settings }
    }
}

impl<C, K> RetryLayer<C, K> {
    /// A call that may have run is sent again too: it does no harm that it runs twice.
    #[must_use]
    pub fn idempotent(mut self) -> Self {
        self.settings.is_idempotent = true;
        self
    }

    /// What the end of an attempt is; without this, [`ByError`].
    #[must_use]
    pub fn with_classify<D>(self, classify: D) -> RetryLayer<D, K> {
        let Settings { policy, budget, is_idempotent, copy, .. } = self.settings;
        RetryLayer { settings: Settings { policy, budget, is_idempotent, classify, copy } }
    }

    /// How a request is sent once more; without this, its clone. Where this has none the call is made
    /// once.
    #[must_use]
    pub fn with_clone<L>(self, copy: L) -> RetryLayer<C, L> {
        let Settings { policy, budget, is_idempotent, classify, .. } = self.settings;
        RetryLayer { settings: Settings { policy, budget, is_idempotent, classify, copy } }
    }

    /// The budget.
    pub fn budget(&self) -> &Arc<Budget> {
        &self.settings.budget
    }
}

impl<S, C: Clone, K: Clone> Layer<S> for RetryLayer<C, K> {
    type Service = Retrying<S, C, K>;

    fn layer(&self, inner: S) -> Self::Service {
        Retrying { inner, settings: self.settings.clone() }
    }
}

impl<S, C, K, R> Service<R> for Retrying<S, C, K>
where
    S: Service<R> + Clone,
    C: Classify<S::Response, S::Error> + Clone,
    K: CloneRequest<R> + Clone,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = RetryFuture<S, R, C, K>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: R) -> Self::Future {
        self.settings.budget.deposit(Moment::now());
        let copy = self.settings.copy.clone_request(&request);
        RetryFuture {
            spare: copy.map(|copy| (self.inner.clone(), copy)),
            // The ready one, and not its clone.
            state: State::First { future: self.inner.call(request) },
            attempts: 1,
            resends: 0,
            settings: self.settings.clone(),
        }
    }
}

impl<S, R, C, K> Future for RetryFuture<S, R, C, K>
where
    S: Service<R> + Clone,
    C: Classify<S::Response, S::Error>,
    K: CloneRequest<R>,
{
    type Output = Result<S::Response, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            let result = match this.state.as_mut().project() {
                StateProject::First { future } => ready!(future.poll(cx)),
                StateProject::Again { call } => ready!(call.poll(cx)),
                StateProject::Pausing { sleep } => {
                    ready!(sleep.poll(cx));
                    let call = next_call(this.spare, &this.settings.copy);
                    this.state.set(State::Again { call: call.expect("it paused for that") });
                    continue;
                }
            };
            if this.spare.is_none() {
                return Poll::Ready(result);
            }
            let ending = this.settings.classify.classify(result.as_ref());
            let Some(pause) = this.settings.pause(&ending, this.attempts, this.resends) else {
                return Poll::Ready(result);
            };
            drop(result);
            if pause.is_zero() {
                let call = next_call(this.spare, &this.settings.copy);
                this.state.set(State::Again { call: call.expect("it was just there") });
            } else {
                this.state.set(State::Pausing { sleep: tokio::time::sleep(pause) });
            }
        }
    }
}

/// The next attempt, made of the spare request, which is there again if it can be cloned again.
fn next_call<S, R>(spare: &mut Option<(S, R)>, copy: &impl CloneRequest<R>) -> Option<Oneshot<S, R>>
where
    S: Service<R> + Clone,
{
    let (inner, request) = spare.take()?;
    *spare = copy.clone_request(&request).map(|copy| (inner.clone(), copy));
    Some(Oneshot::new(inner, request))
}

impl<C, K> Settings<C, K> {
    /// The pause before another attempt, if there is one; counts it.
    fn pause(&self, ending: &Ending, attempts: &mut u32, resends: &mut u32) -> Option<Duration> {
        if !ending.is_retryable() {
            return None;
        }
        let serving = crate::context::Context::current();
        let facts = Facts {
            attempts: *attempts,
            resends: *resends,
            is_idempotent: self.is_idempotent,
            is_retried_upstream: serving.is_retry(),
            left: serving.time_left().unwrap_or(Duration::MAX),
        };
        let failed = as_status(ending);
        let next = self.policy.next(&failed, ending.outcome(), &facts, fastrand::f64());
        match next.paid_from(&self.budget, Moment::now()) {
            Retry::Stop(_) => None,
            Retry::Go { after, is_free } => {
                *if is_free { resends } else { attempts } += 1;
                Some(after)
            }
        }
    }
}

/// The policy speaks of statuses, and what it asks of one is in an ending too.
fn as_status(ending: &Ending) -> Status {
    let status = Status::new(Code::Unavailable, "").from(Origin::Transport, ending.executed());
    match ending.retry_after() {
        Some(wait) => status.with_retry_after(wait),
        None => status,
    }
}
