//! Tower layers have two places on a client, around a call and around each of its attempts, and one
//! on a server, before arguments are decoded.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use rpc_core::{Code, Request, Response, Server, Status, service};
use tower_layer::Layer;
use tower_service::Service;

#[service(name = "shop.Vault")]
trait Vault {
    /// What is inside.
    async fn open(&self) -> Result<String, Status>;
}

struct Safe;

impl Vault for Safe {
    async fn open(&self) -> Result<String, Status> {
        Ok("gold".to_owned())
    }
}

/// Counts what passes, whatever it is put around.
#[derive(Clone, Default)]
struct Count(Arc<AtomicUsize>);

impl Count {
    fn so_far(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl<S> Layer<S> for Count {
    type Service = Counted<S>;

    fn layer(&self, inner: S) -> Counted<S> {
        Counted { inner, count: self.clone() }
    }
}

#[derive(Clone)]
struct Counted<S> {
    inner: S,
    count: Count,
}

impl<S: Service<Request>> Service<Request> for Counted<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> S::Future {
        self.count.0.fetch_add(1, Ordering::SeqCst);
        self.inner.call(request)
    }
}

/// Lets nobody pass without the password. On the server: before the arguments are decoded.
struct Guard;

impl<S> Layer<S> for Guard {
    type Service = Guarded<S>;

    fn layer(&self, inner: S) -> Guarded<S> {
        Guarded(inner)
    }
}

#[derive(Clone)]
struct Guarded<S>(S);

impl<S> Service<Request> for Guarded<S>
where
    S: Service<Request, Response = Response, Error = Status>,
    S::Future: Send + 'static,
{
    type Response = Response;
    type Error = Status;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Status>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Status>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        match request.metadata().get("password") {
            Some("sesame") => Box::pin(self.0.call(request)),
            _ => Box::pin(async { Err(Status::unauthenticated("say the password")) }),
        }
    }
}

/// Adds the password to whatever passes.
#[derive(Clone)]
struct SaysPassword;

impl<S> Layer<S> for SaysPassword {
    type Service = WithPassword<S>;

    fn layer(&self, inner: S) -> WithPassword<S> {
        WithPassword(inner)
    }
}

#[derive(Clone)]
struct WithPassword<S>(S);

impl<S: Service<Request>> Service<Request> for WithPassword<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request) -> S::Future {
        // A short key and a short value: there is room for them beside nothing else.
        let _ = request.metadata_mut().insert("password", "sesame");
        self.0.call(request)
    }
}

#[tokio::main]
async fn main() -> Result<(), Status> {
    let served = Count::default();
    let server = Server::builder()
        .add(VaultServer::new(Safe))
        .layer(served.clone()) // the first one is the outermost
        .layer(Guard)
        .listen("127.0.0.1:0")
        .await?;
    let address = server.address().to_string();

    let stranger = VaultClient::connect(&address).await?;
    let refused = stranger.open().await.expect_err("it does not know the password");
    println!("{refused}");
    assert_eq!(refused.code(), Code::Unauthenticated);

    // Two nodes, and nobody listens on one of them. Calls begin with the nodes in turn, so one of
    // two has to go on to the other node: one call, two attempts.
    let nobody = unused_address().await?;
    let (calls, attempts) = (Count::default(), Count::default());
    let friend = VaultClient::builder()
        .layer(SaysPassword)
        .layer(calls.clone())
        .attempt_layer(attempts.clone())
        .connect(&format!("{nobody},{address}"))
        .await?;
    for _ in 0..2 {
        assert_eq!(friend.open().await?, "gold");
    }
    let (calls, attempts) = (calls.so_far(), attempts.so_far());
    println!("{calls} calls took {attempts} attempts, the server saw {}", served.so_far());
    assert_eq!(calls, 2);
    assert!(attempts > calls, "one of them began with the node that is not there");
    assert_eq!(served.so_far(), 1 + calls, "the stranger's too");
    Ok(())
}

/// An address that was free a moment ago.
async fn unused_address() -> Result<String, Status> {
    let server = Server::builder().listen("127.0.0.1:0").await?;
    let address = server.address().to_string();
    server.shutdown().await;
    Ok(address)
}
