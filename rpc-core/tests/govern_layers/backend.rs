//! A service that does what it is told, and insists on being asked whether it is ready.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use rpc_core::Status;
use rpc_core::governance::Moment;
use rpc_core::governance::layer::BoxError;
use tokio::time::{Instant, Sleep};
use tower_service::Service;

pub(crate) const MS: Duration = Duration::from_millis(1);

/// What becomes of a call.
pub(crate) enum Step {
    Answer(u32),
    Fail,
    /// Answers after so long.
    After(Duration, u32),
    FailAfter(Duration),
    Never,
    Panic,
}

type Script = Box<dyn FnMut(usize) -> Step + Send>;

/// What is behind all handles of a service, as a test sees it.
pub(crate) struct Backend {
    script: Mutex<Script>,
    calls: AtomicUsize,
    under_way: AtomicUsize,
    polls_of_readiness: AtomicUsize,
    is_ready: AtomicBool,
    wakers: Mutex<Vec<Waker>>,
}

impl Backend {
    /// Does `script` of the number of the call, from 0.
    pub(crate) fn new(script: impl FnMut(usize) -> Step + Send + 'static) -> Arc<Self> {
        Arc::new(Self {
            script: Mutex::new(Box::new(script)),
            calls: AtomicUsize::new(0),
            under_way: AtomicUsize::new(0),
            polls_of_readiness: AtomicUsize::new(0),
            is_ready: AtomicBool::new(true),
            wakers: Mutex::default(),
        })
    }

    /// A handle whose errors are statuses.
    pub(crate) fn service(self: &Arc<Self>) -> Handle<Status> {
        Handle { backend: self.clone(), is_ready: false, fail: || Status::unavailable("down") }
    }

    /// A handle whose errors are boxes.
    pub(crate) fn boxing(self: &Arc<Self>) -> Handle<BoxError> {
        Handle { backend: self.clone(), is_ready: false, fail: || "down".into() }
    }

    pub(crate) fn calls(&self) -> usize {
        self.calls.load(SeqCst)
    }

    pub(crate) fn under_way(&self) -> usize {
        self.under_way.load(SeqCst)
    }

    pub(crate) fn polls_of_readiness(&self) -> usize {
        self.polls_of_readiness.load(SeqCst)
    }

    pub(crate) fn set_ready(&self, is_ready: bool) {
        self.is_ready.store(is_ready, SeqCst);
        std::mem::take(&mut *self.wakers.lock().unwrap()).into_iter().for_each(Waker::wake);
    }
}

/// One handle. It must be ready before it is called, and a clone of a ready one is not.
pub(crate) struct Handle<E> {
    backend: Arc<Backend>,
    is_ready: bool,
    fail: fn() -> E,
}

impl<E> Clone for Handle<E> {
    fn clone(&self) -> Self {
        Self { backend: self.backend.clone(), is_ready: false, fail: self.fail }
    }
}

impl<E> Service<u32> for Handle<E> {
    type Response = u32;
    type Error = E;
    type Future = Call<E>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), E>> {
        self.backend.polls_of_readiness.fetch_add(1, SeqCst);
        if !self.backend.is_ready.load(SeqCst) {
            self.backend.wakers.lock().unwrap().push(cx.waker().clone());
            return Poll::Pending;
        }
        self.is_ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: u32) -> Call<E> {
        assert!(std::mem::take(&mut self.is_ready), "called without being ready");
        let number = self.backend.calls.fetch_add(1, SeqCst);
        let step = (self.backend.script.lock().unwrap())(number);
        self.backend.under_way.fetch_add(1, SeqCst);
        let wait = match step {
            Step::After(wait, _) | Step::FailAfter(wait) => Some(wait),
            _ => None,
        };
        let sleep = wait.map(|wait| Box::pin(tokio::time::sleep(wait)));
        Call { backend: self.backend.clone(), sleep, step, fail: self.fail }
    }
}

pub(crate) struct Call<E> {
    backend: Arc<Backend>,
    sleep: Option<Pin<Box<Sleep>>>,
    step: Step,
    fail: fn() -> E,
}

impl<E> Future for Call<E> {
    type Output = Result<u32, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(sleep) = &mut self.sleep {
            std::task::ready!(sleep.as_mut().poll(cx));
        }
        match self.step {
            Step::Answer(answer) | Step::After(_, answer) => Poll::Ready(Ok(answer)),
            Step::Fail | Step::FailAfter(_) => Poll::Ready(Err((self.fail)())),
            Step::Never => Poll::Pending,
            Step::Panic => panic!("told to"),
        }
    }
}

impl<E> Drop for Call<E> {
    fn drop(&mut self) {
        self.backend.under_way.fetch_sub(1, SeqCst);
    }
}

/// Once this handle is ready, calls it.
pub(crate) async fn call<S: Service<u32>>(
    service: &mut S,
    request: u32,
) -> Result<S::Response, S::Error> {
    ready(service).await?;
    service.call(request).await
}

/// Waits until this handle is ready.
pub(crate) async fn ready<S: Service<u32>>(service: &mut S) -> Result<(), S::Error> {
    std::future::poll_fn(|cx| service.poll_ready(cx)).await
}

/// A call that has been polled so often that only time can bring it on.
pub(crate) async fn started<S>(service: &mut S, request: u32) -> Pin<Box<S::Future>>
where
    S: Service<u32, Response: std::fmt::Debug, Error: std::fmt::Debug>,
{
    ready(service).await.expect("it does not fail here");
    let mut future = Box::pin(service.call(request));
    if let Poll::Ready(result) = poll_once(&mut future) {
        panic!("it is done already: {result:?}");
    }
    future
}

/// Polls once.
pub(crate) fn poll_once<F: Future + ?Sized>(future: &mut Pin<Box<F>>) -> Poll<F::Output> {
    future.as_mut().poll(&mut Context::from_waker(Waker::noop()))
}

pub(crate) fn now() -> Moment {
    Moment::at(Instant::now())
}

/// Counts how often it is woken.
#[derive(Default)]
pub(crate) struct Wakes(AtomicUsize);

impl Wakes {
    pub(crate) fn so_far(&self) -> usize {
        self.0.load(SeqCst)
    }
}

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}
