//! A tower service from [`Request`] to [`Response`], with its type erased: the one box that stands
//! between user layers and the rest.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::{fmt, mem};

use tokio_util::sync::ReusableBoxFuture;
use tower_service::Service;

use crate::request::{Request, Response};
use crate::status::Status;

/// A boxed future that can change threads.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A handler at work. The next one may have its memory.
pub(crate) type Handling = ReusableBoxFuture<'static, Result<Response, Status>>;

/// What a user's layer wraps and what it becomes: `Service<Request, Response = Response,
/// Error = Status>`. Cheap to clone, always ready.
#[derive(Clone)]
pub struct BoxService(Arc<dyn Erased>);

trait Erased: Send + Sync {
    fn call(&self, request: Request) -> BoxFuture<'static, Result<Response, Status>>;
}

impl BoxService {
    /// Erases `service`'s type.
    pub fn new<S>(service: S) -> Self
    where
        S: Service<Request, Response = Response, Error = Status> + Clone + Send + 'static,
        S::Future: Send,
    {
        Self(Arc::new(Shell(Mutex::new(service))))
    }

    /// Handles one request.
    ///
    /// # Errors
    /// Whatever the service answers.
    pub fn handle(&self, request: Request) -> BoxFuture<'static, Result<Response, Status>> {
        self.0.call(request)
    }
}

impl Service<Request> for BoxService {
    type Response = Response;
    type Error = Status;
    type Future = BoxFuture<'static, Result<Response, Status>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        self.handle(request)
    }
}

impl fmt::Debug for BoxService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BoxService")
    }
}

/// The mutex only lends out clones, so that services need not be `Sync`.
struct Shell<S>(Mutex<S>);

impl<S> Erased for Shell<S>
where
    S: Service<Request, Response = Response, Error = Status> + Clone + Send + 'static,
    S::Future: Send,
{
    fn call(&self, request: Request) -> BoxFuture<'static, Result<Response, Status>> {
        let mut service = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Box::pin(async move {
            poll_fn(|cx| service.poll_ready(cx)).await?;
            let answer = service.call(request);
            // A clone that stays ready for nothing would hold what readiness reserved.
            mem::drop(service);
            answer.await
        })
    }
}

/// A tower layer that fits around calls: every [`tower_layer::Layer`] whose service takes a
/// [`Request`], answers a [`Response`] and fails with a [`Status`]. One that fails with another error
/// (tower's own timeout does) needs a `map_err` around it.
pub trait CallLayer: Send + 'static {
    /// The layer's service around `inner`.
    fn around(self, inner: BoxService) -> BoxService;
}

impl<L> CallLayer for L
where
    L: tower_layer::Layer<BoxService> + Send + 'static,
    L::Service: Service<Request, Response = Response, Error = Status> + Clone + Send + 'static,
    <L::Service as Service<Request>>::Future: Send,
{
    fn around(self, inner: BoxService) -> BoxService {
        BoxService::new(self.layer(inner))
    }
}

/// A stack of layers to be put around a service once it is there; the first added is outermost.
#[derive(Default)]
pub(crate) struct Layers(Vec<Box<dyn FnOnce(BoxService) -> BoxService + Send>>);

impl Layers {
    pub(crate) fn push(&mut self, layer: impl CallLayer) {
        self.0.push(Box::new(move |inner| layer.around(inner)));
    }

    /// `inner` inside all layers; `None` without any, so that a call pays for no box.
    pub(crate) fn around(self, inner: impl FnOnce() -> BoxService) -> Option<BoxService> {
        if self.0.is_empty() {
            return None;
        }
        Some(self.0.into_iter().rev().fold(inner(), |inner, layer| layer(inner)))
    }
}

impl fmt::Debug for Layers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Layers({})", self.0.len())
    }
}
