//! More calls and more connections than there may be.

use super::*;

#[tokio::test(start_paused = true)]
async fn more_calls_than_allowed_are_refused_one_by_one() {
    let connection = Limits { max_calls: 32, ..Limits::default() };
    let limits = ServerLimits { connection, ..ServerLimits::default() };
    let world = world_with(|server| server.limits(limits)).await;
    let bystander = Bystander::beside(&world).await;
    let mut raw = world.raw().await.greet().await;
    for _ in 0..40 {
        raw.call("test.Lab/hold", "{}").await;
    }
    for n in 33..=40u64 {
        let (id, code, message, _) = raw.response().await;
        assert_eq!((id, code), (n << 20, Code::ResourceExhausted));
        assert!(message.contains("32 calls in flight, which is its limit"), "{message}");
    }
    // What takes no place is answered.
    raw.ping().await;
    while raw.frame().await.expect("a PONG").kind != Kind::PONG {}
    world.bench.release.add_permits(32);
    for _ in 0..32 {
        assert_eq!(raw.response().await.1, Code::Ok, "those within the limit lose nothing");
    }
    good_call(&mut raw).await;
    bystander.finish().await;
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
    // All of a memory network's peers have one address, the bystander too.
    let limits = ServerLimits { max_connections_per_peer: 3, ..ServerLimits::default() };
    let world = world_with(|server| server.limits(limits)).await;
    let bystander = Bystander::beside(&world).await;
    let mut first = world.raw().await.greet().await;
    let second = world.raw().await.greet().await;
    let mut third = world.raw().await;
    third.write(&preface::encode(1)).await;
    assert!(third.frame().await.is_none());
    good_call(&mut first).await;
    drop(second);
    settle().await;
    good_call(&mut world.raw().await.greet().await).await;
    bystander.finish().await;
}

/// However many connections call, the server runs so many and says so to the others.
#[tokio::test(start_paused = true)]
async fn more_calls_than_a_server_runs_are_refused_one_by_one() {
    let limits = ServerLimits { max_calls: 20, ..ServerLimits::default() };
    let world = world_with(|server| server.limits(limits)).await;
    let mut peers = Vec::new();
    for _ in 0..5 {
        let mut raw = world.raw().await.greet().await;
        for _ in 0..4 {
            raw.call("test.Lab/hold", "{}").await;
        }
        peers.push(raw);
    }
    settle().await;
    assert_eq!(world.server.in_flight(), 20);
    let lab = world.client().await;
    let status = lab.echo("x".into()).await.unwrap_err();
    assert_eq!((status.code(), status.executed()), (Code::ResourceExhausted, Executed::No));
    assert!(status.message().contains("20 calls in flight, which is its limit"), "{status}");

    world.bench.release.add_permits(20);
    for raw in &mut peers {
        for _ in 0..4 {
            assert_eq!(raw.response().await.1, Code::Ok, "those within the limit lose nothing");
        }
    }
    assert_eq!(lab.echo("x".into()).await.unwrap(), "x");
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
