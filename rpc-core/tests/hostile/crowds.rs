//! More calls and more connections than there may be.

use super::*;

#[tokio::test(start_paused = true)]
async fn more_calls_than_allowed_are_refused_one_by_one() {
    let connection = Limits { max_calls: 32, ..Limits::default() };
    let limits = ServerLimits { connection, ..ServerLimits::default() };
    let world = world_with(|server| server.limits(limits)).await;
    let mut raw = world.raw().await.greet().await;
    for _ in 0..40 {
        raw.call("test.Lab/hold", "{}").await;
    }
    for n in 33..=40u64 {
        let (id, code, message, _) = raw.response().await;
        assert_eq!((id, code), (n << 20, Code::ResourceExhausted));
        assert!(message.contains("32 calls in flight, which is its limit"), "{message}");
    }
    world.bench.release.add_permits(32);
    for _ in 0..32 {
        assert_eq!(raw.response().await.1, Code::Ok, "those within the limit lose nothing");
    }
}

#[tokio::test(start_paused = true)]
async fn more_connections_than_allowed_are_closed() {
    let limits = ServerLimits { max_connections: 3, ..ServerLimits::default() };
    let world = world_with(|server| server.limits(limits)).await;
    let bystander = Bystander::beside(&world).await;
    let mut held = Vec::new();
    for n in 0..5 {
        let mut raw = world.raw().await;
        raw.write(&preface::encode(1)).await;
        raw.send(Kind::HELLO, Flags::NONE, 0, &hello(), b"").await;
        let mut byte = [0];
        let greeted = matches!(raw.io.reader.read(&mut byte).await, Ok(1));
        assert_eq!(greeted, n < 2, "connection {n}");
        held.push(raw);
    }
    drop(held);
    settle().await;
    // There is room again.
    world.raw().await.greet().await;
    bystander.finish().await;
}

#[tokio::test(start_paused = true)]
async fn one_peer_may_not_have_all_connections() {
    let limits = ServerLimits { max_connections_per_peer: 2, ..ServerLimits::default() };
    let world = world_with(|server| server.limits(limits)).await;
    let _first = world.raw().await.greet().await;
    let _second = world.raw().await.greet().await;
    let mut third = world.raw().await;
    third.write(&preface::encode(1)).await;
    assert!(third.frame().await.is_none());
}

/// A listener whose `accept` fails a while, as one does that has run out of descriptors.
struct Failing {
    inner: rpc_core::testing::MemoryListener,
    failures: u32,
}

impl Listen for Failing {
    fn accept(&mut self) -> rpc_core::BoxFuture<'_, std::io::Result<rpc_core::transport::Io>> {
        match self.failures.checked_sub(1) {
            Some(left) => {
                self.failures = left;
                Box::pin(async { Err(std::io::Error::other("too many open files")) })
            }
            None => self.inner.accept(),
        }
    }

    fn address(&self) -> rpc_core::Address {
        self.inner.address()
    }
}

#[tokio::test(start_paused = true)]
async fn a_listener_that_fails_is_tried_again_without_haste() {
    let net = Network::new();
    let listener = Failing { inner: net.listen("a").unwrap(), failures: 9 };
    let start = tokio::time::Instant::now();
    let server = rpc_core::Server::builder()
        .add(common::LabServer::new(common::Worker::default()))
        .listen_on(listener)
        .await
        .unwrap();
    let lab = common::client(&net, "mem://a").await;
    let patient = lab.with_timeout(Duration::from_secs(60));
    assert_eq!(patient.echo("x".into()).await.unwrap(), "x");
    assert!(start.elapsed() > Duration::from_millis(300), "no busy loop: {:?}", start.elapsed());
    // One that fails for ever does not keep the server from ending.
    assert_eq!(server.drain().await.aborted, 0);
}
