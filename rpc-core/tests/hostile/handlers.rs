//! Handlers that panic, at every point where one can.

use rpc_core::{Server, Status, service};

use super::*;

#[service(name = "test.Rough")]
trait Rough {
    async fn fine(&self, n: u32) -> Result<u32, Status>;
    /// Before it waits for anything: where its request was read.
    async fn at_once(&self) -> Result<(), Status>;
    /// After it has waited: in a task of its own.
    async fn later(&self) -> Result<(), Status>;
    /// When it is dropped, with its answer given.
    async fn in_drop(&self) -> Result<u32, Status>;
    /// When it is dropped because its caller went away.
    #[rpc(idempotent)]
    async fn when_cancelled(&self) -> Result<(), Status>;
    /// With something else than a text.
    async fn with_a_number(&self) -> Result<(), Status>;
}

struct Clumsy;

struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("on purpose, in drop");
    }
}

impl Rough for Clumsy {
    async fn fine(&self, n: u32) -> Result<u32, Status> {
        tokio::time::sleep(Duration::from_millis(u64::from(n % 3))).await;
        Ok(n)
    }

    async fn at_once(&self) -> Result<(), Status> {
        panic!("on purpose, at once");
    }

    async fn later(&self) -> Result<(), Status> {
        tokio::time::sleep(Duration::from_millis(1)).await;
        panic!("on purpose, later");
    }

    async fn in_drop(&self) -> Result<u32, Status> {
        let _bomb = Bomb;
        Ok(7)
    }

    async fn when_cancelled(&self) -> Result<(), Status> {
        let _bomb = Bomb;
        std::future::pending().await
    }

    async fn with_a_number(&self) -> Result<(), Status> {
        std::panic::panic_any(7u8);
    }
}

/// The calls beside it on the same connection, those on other connections, and every place among
/// the calls in flight are as if nothing had happened.
#[tokio::test(start_paused = true)]
async fn a_handler_that_panics_takes_nobody_along() {
    let net = Network::new();
    let server = Server::builder()
        .add(RoughServer::new(Clumsy))
        .add(common::LabServer::new(common::Worker::default()))
        .listen_on(net.listen("a").unwrap())
        .await
        .unwrap();
    let lab = common::client(&net, "mem://a").await;
    let rough = RoughClient::builder().network(&net).connect("mem://a").await.unwrap();

    for round in 0..20 {
        let fine: Vec<_> = (0..20)
            .map(|n| {
                let rough = rough.clone();
                tokio::spawn(async move { rough.fine(n).await })
            })
            .collect();
        let short = rough.with_timeout(Duration::from_millis(2));
        let (at_once, later, in_drop, cancelled, number) = tokio::join!(
            rough.at_once(),
            rough.later(),
            rough.in_drop(),
            short.when_cancelled(),
            rough.with_a_number(),
        );
        for (panicked, method) in [
            (at_once, "test.Rough/at_once"),
            (later, "test.Rough/later"),
            (in_drop.map(|_| ()), "test.Rough/in_drop"),
            (number, "test.Rough/with_a_number"),
        ] {
            let status = panicked.unwrap_err();
            assert_eq!(status.code(), Code::Internal, "{status}");
            assert_eq!(status.message(), format!("{method} panicked"), "what it said stays here");
        }
        assert_eq!(cancelled.unwrap_err().code(), Code::DeadlineExceeded);
        for (n, call) in (0..).zip(fine) {
            assert_eq!(call.await.unwrap().unwrap(), n, "round {round}");
        }
        assert_eq!(lab.echo("x".into()).await.unwrap(), "x");
    }
    settle().await;
    assert_eq!((server.in_flight(), net.connections("a")), (0, 2), "one connection each, as ever");
    assert_eq!(server.drain().await.aborted, 0);
}
