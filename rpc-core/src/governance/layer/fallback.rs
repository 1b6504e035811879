//! Answering otherwise; see [`fallback`](crate::governance::fallback).

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::ending::{ByError, Classify};
use crate::governance::outcome::Degradation;

/// Asks a function for another answer where the outcome of a call [allows it]: the outermost of all
/// layers, so that every permit is free by then, and so that it answers what the others refuse.
///
/// [allows it]: crate::governance::outcome::Outcome::asks_fallback
///
/// ```
/// use rpc_core::governance::layer::{BoxError, FallbackLayer};
///
/// let layer = FallbackLayer::new(
///     |request: &String| request.len(),
///     |length: usize, _instead_of: Result<usize, BoxError>| async move { Ok::<_, BoxError>(length) },
/// );
/// assert_eq!(layer.degradations().answered(), 0);
/// ```
#[derive(Clone, Debug)]
pub struct FallbackLayer<K, F, C = ByError> {
    keep: K,
    answer: F,
    classify: C,
    counts: Arc<Degradations>,
}

/// A service with a [`FallbackLayer`].
#[derive(Clone, Debug)]
pub struct Fallback<S, K, F, C = ByError> {
    inner: S,
    keep: K,
    answer: F,
    classify: C,
    counts: Arc<Degradations>,
}

/// How often a fallback answered, and how often it failed: a degraded answer must not hide that
/// something is down.
#[derive(Debug, Default)]
pub struct Degradations {
    answered: AtomicU64,
    failed: AtomicU64,
}

pin_project! {
    /// The call of a [`Fallback`].
    #[must_use = "futures do nothing unless polled"]
    pub struct FallbackFuture<T, Kept, F, A, C> {
        #[pin]
        state: State<T, A>,
        kept: Option<Kept>,
        answer: F,
        classify: C,
        counts: Arc<Degradations>,
    }
}

pin_project! {
    #[project = StateProject]
    enum State<T, A> {
        Calling {
            #[pin]
            future: T,
        },
        Answering {
            #[pin]
            future: A,
        },
    }
}

impl<K, F> FallbackLayer<K, F> {
    /// `answer` is asked instead, and told what `keep` took down of the request, and the end of the call.
    pub fn new(keep: K, answer: F) -> Self {
        Self { keep, answer, classify: ByError, counts: Arc::default() }
    }
}

impl<K, F, C> FallbackLayer<K, F, C> {
    /// What the end of a call is; without this, [`ByError`].
    #[must_use]
    pub fn with_classify<D>(self, classify: D) -> FallbackLayer<K, F, D> {
        FallbackLayer { keep: self.keep, answer: self.answer, classify, counts: self.counts }
    }

    /// What became of the fallback so far.
    pub fn degradations(&self) -> &Arc<Degradations> {
        &self.counts
    }
}

impl<S, K: Clone, F: Clone, C: Clone> Layer<S> for FallbackLayer<K, F, C> {
    type Service = Fallback<S, K, F, C>;

    fn layer(&self, inner: S) -> Self::Service {
        Fallback {
            inner,
            keep: self.keep.clone(),
            answer: self.answer.clone(),
            classify: self.classify.clone(),
            counts: Arc::clone(&self.counts),
        }
    }
}

impl<S, K, Kept, F, A, C, R> Service<R> for Fallback<S, K, F, C>
where
    S: Service<R>,
    K: Fn(&R) -> Kept,
    F: Fn(Kept, Result<S::Response, S::Error>) -> A + Clone,
    A: Future<Output = Result<S::Response, S::Error>>,
    C: Classify<S::Response, S::Error> + Clone,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = FallbackFuture<S::Future, Kept, F, A, C>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: R) -> Self::Future {
        FallbackFuture {
            kept: Some((self.keep)(&request)),
            state: State::Calling { future: self.inner.call(request) },
            answer: self.answer.clone(),
            classify: self.classify.clone(),
            counts: Arc::clone(&self.counts),
        }
    }
}

impl<T, Kept, F, A, C, Res, Err> Future for FallbackFuture<T, Kept, F, A, C>
where
    T: Future<Output = Result<Res, Err>>,
    F: Fn(Kept, Result<Res, Err>) -> A,
    A: Future<Output = Result<Res, Err>>,
    C: Classify<Res, Err>,
{
    type Output = Result<Res, Err>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            match this.state.as_mut().project() {
                StateProject::Calling { future } => {
                    let result = ready!(future.poll(cx));
                    if !this.classify.classify(result.as_ref()).outcome().asks_fallback() {
                        return Poll::Ready(result);
                    }
                    let kept = this.kept.take().expect("it is asked once");
                    let future = (this.answer)(kept, result);
                    this.state.set(State::Answering { future });
                }
                StateProject::Answering { future } => {
                    let result = ready!(future.poll(cx));
                    this.counts.count(Degradation::of(&result));
                    return Poll::Ready(result);
                }
            }
        }
    }
}

impl Degradations {
    /// How often the fallback answered.
    pub fn answered(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }

    /// How often it failed too.
    pub fn failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }

    fn count(&self, degradation: Degradation) {
        let count = match degradation {
            Degradation::Answered => &self.answered,
            Degradation::Failed => &self.failed,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }
}
