//! Time: it travels, it is inherited, and it ends calls on both sides.

mod common;

use std::time::Duration;

use common::{Lab, client, serve, settle, world};
use rpc_core::testing::Network;
use rpc_core::{Channel, Code, Executed, Origin, Request, Server, Status, service};
use tokio::time::Instant;

const MS: Duration = Duration::from_millis(1);

#[tokio::test(start_paused = true)]
async fn what_is_left_travels() {
    let world = world().await;
    let lab = world.client().await;
    let left = lab.time_left().await.unwrap().unwrap();
    assert_eq!(left, 10_000_000, "ten seconds unless someone says otherwise");
    let left = lab.with_timeout(50 * MS).time_left().await.unwrap().unwrap();
    assert_eq!(left, 50_000);
}

#[tokio::test(start_paused = true)]
async fn a_call_ends_when_its_time_is_over() {
    let world = world().await;
    let lab = world.client().await;
    let start = Instant::now();
    let status = lab.with_timeout(50 * MS).hold().await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded);
    assert_eq!((status.origin(), status.executed()), (Origin::Client, Executed::Maybe));
    assert!(start.elapsed() < 60 * MS, "{:?}", start.elapsed());
    assert_eq!(status.message(), "test.Lab/hold did not answer within 50ms (mem://a)");
    // A write must not die between debit and credit: the handler runs on, and holds its place.
    settle().await;
    assert_eq!((world.server.in_flight(), world.bench.dropped()), (1, 0));
    world.bench.release.add_permits(1);
    settle().await;
    assert_eq!((world.server.in_flight(), world.bench.finished()), (0, 1));
    assert_eq!(lab.channel().in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_idempotent_handler_is_dropped_when_its_time_is_over() {
    let world = world().await;
    let lab = world.client().await;
    let start = Instant::now();
    let status = lab.impatient().await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded);
    assert!(start.elapsed() >= 100 * MS && start.elapsed() < 110 * MS, "the attribute's 100 ms");
    settle().await;
    assert_eq!((world.server.in_flight(), world.bench.dropped()), (0, 1));
    assert_eq!(lab.channel().in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_timeout_of_zero_is_refused_here() {
    let world = world().await;
    let lab = world.client().await;
    let status = lab.with_timeout(Duration::ZERO).echo("x".into()).await.unwrap_err();
    assert_eq!((status.code(), status.origin()), (Code::DeadlineExceeded, Origin::Client));
    assert!(status.is_safe_to_retry());
    assert_eq!(world.net.connections("a"), 0, "nothing was even dialled");
}

#[tokio::test(start_paused = true)]
async fn the_longest_timeout_there_is_does_not_overflow() {
    let world = world().await;
    let lab = world.client().await;
    let left = lab.with_timeout(Duration::MAX).time_left().await.unwrap().unwrap();
    assert_eq!(left, 3_600_000_000, "an hour is the longest a call may take");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_says_nothing_ends_the_call_in_time() {
    let net = Network::new();
    let _listener = net.listen("a").unwrap(); // accepts nothing
    let lab = client(&net, "mem://a").await;
    let status = lab.with_timeout(200 * MS).echo("x".into()).await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded);
}

#[tokio::test(start_paused = true)]
async fn many_deadlines_on_one_connection_each_end_their_own_call() {
    let world = world().await;
    let lab = world.client().await;
    let start = Instant::now();
    let calls: Vec<_> = (1..=20u32)
        .rev()
        .map(|n| {
            let lab = lab.with_timeout(10 * n * MS);
            tokio::spawn(async move { (n, lab.hold_idempotent().await, start.elapsed()) })
        })
        .collect();
    for call in calls {
        let (n, result, elapsed) = call.await.unwrap();
        assert_eq!(result.unwrap_err().code(), Code::DeadlineExceeded);
        assert!(elapsed >= 10 * n * MS && elapsed <= (10 * n + 3) * MS, "{n}: {elapsed:?}");
    }
}

#[service]
trait Front {
    async fn left_behind(&self) -> Result<Option<u64>, Status>;
    async fn late(&self) -> Result<(), Status>;
}

struct Gateway(common::LabClient);

impl Front for Gateway {
    async fn left_behind(&self) -> Result<Option<u64>, Status> {
        tokio::time::sleep(20 * MS).await;
        // Its own timeout is longer than what the caller has left.
        self.0.with_timeout(Duration::from_secs(5)).time_left().await
    }

    async fn late(&self) -> Result<(), Status> {
        tokio::time::sleep(100 * MS).await;
        self.0.echo("x".into()).await.map(drop)
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_from_a_handler_has_what_is_left() {
    let net = Network::new();
    let (bench, _lab_server) = serve(&net, "lab", |server| server).await;
    let gateway = Gateway(client(&net, "mem://lab").await);
    let _front = Server::builder()
        .add(FrontServer::new(gateway))
        .listen_on(net.listen("front").unwrap())
        .await
        .unwrap();
    let front = FrontClient::builder().network(&net).connect("mem://front").await.unwrap();
    let left = front.with_timeout(100 * MS).left_behind().await.unwrap().unwrap();
    assert!((79_000..=80_000).contains(&left), "{left}");

    // A handler that is late makes no call at all.
    let status = front.with_timeout(50 * MS).late().await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded);
    drop(bench);
}

#[tokio::test(start_paused = true)]
async fn work_that_is_over_is_refused_before_it_is_decoded() {
    let world = world().await;
    let channel = Channel::builder().network(&world.net).connect("mem://a").await.unwrap();
    channel.ready().await.unwrap();
    // Less than a microsecond is zero on the wire; the arguments are garbage that nobody reads.
    let request =
        Request::new("test.Lab/echo", "json", "garbage").with_timeout(Duration::from_nanos(999));
    let status = channel.call(request).await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded);
}
