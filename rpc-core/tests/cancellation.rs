//! Dropping anything at any point: the other end is told, and nothing is left behind.

mod common;

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Waker};
use std::time::Duration;

use common::{Lab, LabClient, World, settle, world, world_with};
use rpc_core::{Limits, ServerLimits};
use tokio::runtime::Handle;

#[tokio::test(start_paused = true)]
async fn a_dropped_call_drops_an_idempotent_handler() {
    let world = world().await;
    let lab = world.client().await;
    let call = tokio::spawn(async move { lab.hold_idempotent().await });
    world.bench.started.notified().await;
    call.abort();
    settle().await;
    assert_eq!((world.bench.dropped(), world.server.in_flight()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_dropped_call_lets_any_other_handler_finish_and_see_it() {
    let world = world().await;
    let lab = world.client().await;
    let call = tokio::spawn({
        let lab = lab.clone();
        async move { lab.until_cancelled().await }
    });
    world.bench.started.notified().await;
    assert_eq!(world.server.in_flight(), 1);
    call.abort();
    world.bench.cancelled.notified().await;
    settle().await;
    assert_eq!((world.server.in_flight(), lab.channel().in_flight()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_lost_client_cancels_its_calls() {
    let world = world().await;
    let lab = world.client().await;
    let call = tokio::spawn(async move { lab.hold_idempotent().await });
    world.bench.started.notified().await;
    world.net.cut("a");
    assert!(call.await.unwrap().is_err());
    settle().await;
    assert_eq!((world.bench.dropped(), world.server.in_flight()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_call_holds_its_place_until_its_handler_ends() {
    let connection = Limits { max_calls: 32, ..Limits::default() };
    let limits = ServerLimits { connection, ..ServerLimits::default() };
    let world = world_with(|server| server.limits(limits)).await;
    let lab = world.client().await;
    let calls: Vec<_> = (0..32)
        .map(|_| {
            let lab = lab.clone();
            tokio::spawn(async move { lab.hold().await })
        })
        .collect();
    settle().await;
    calls.iter().for_each(|call| call.abort());
    settle().await;
    // The handlers run on, so an open-then-cancel is no way around the limit ..
    let waiting = tokio::spawn({
        let lab = lab.clone();
        async move { lab.echo("x".into()).await }
    });
    settle().await;
    assert_eq!(world.server.in_flight(), 32);
    assert!(!waiting.is_finished());
    // .. and an honest client is not refused either: it waits for a place.
    world.bench.release.add_permits(32);
    assert_eq!(waiting.await.unwrap().unwrap(), "x");
    assert_eq!(lab.channel().in_flight(), 0);
}

/// Drops `make()`'s future after its first poll, after its second, .. until it is ready by then,
/// and checks each time that nothing is left.
async fn at_every_await_point<F, Out>(what: &str, world: &World, lab: &LabClient, make: F)
where
    F: AsyncFn(LabClient) -> Out,
{
    lab.ready().await.unwrap();
    settle().await;
    let tasks = Handle::current().metrics().num_alive_tasks();
    for polls in 0.. {
        assert!(polls < 200, "{what} takes for ever");
        let mut done = false;
        {
            let mut future = pin!(make(lab.clone()));
            for poll in 0..polls {
                if poll == 10 {
                    world.bench.release.add_permits(1); // by now a handler waits for it
                }
                done = future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready();
                if done {
                    break;
                }
                // Let everyone else do one thing more before the next poll.
                tokio::task::yield_now().await;
            }
        }
        world.bench.release.add_permits(1);
        settle().await;
        let left = world.bench.release.available_permits();
        world.bench.release.forget_permits(left);
        assert_eq!(lab.channel().in_flight(), 0, "{what}: a call after {polls} polls");
        assert_eq!(world.server.in_flight(), 0, "{what}: a handler after {polls} polls");
        let now = Handle::current().metrics().num_alive_tasks();
        assert_eq!(now, tasks, "{what}: a task after {polls} polls");
        if done {
            // Credit and slots are all there: what takes all of them still passes.
            assert_eq!(lab.echo("x".repeat(4_000_000)).await.unwrap().len(), 4_000_000);
            let echoes: Vec<_> = (0..100)
                .map(|_| {
                    let lab = lab.clone();
                    tokio::spawn(async move { lab.echo("x".into()).await })
                })
                .collect();
            for echo in echoes {
                echo.await.unwrap().unwrap();
            }
            return;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_left_wherever_a_call_is_dropped() {
    let connection = Limits { connection_credit: 4 << 20, max_calls: 32, ..Limits::default() };
    let limits = ServerLimits { connection: connection.clone(), ..ServerLimits::default() };
    let world = world_with(|server| server.limits(limits)).await;
    let builder = LabClient::builder().network(&world.net).limits(connection);
    let lab = builder.connect("mem://a").await.unwrap();
    at_every_await_point("echo", &world, &lab, async |lab| lab.echo("x".into()).await).await;
    at_every_await_point("hold", &world, &lab, async |lab| lab.hold().await).await;
    at_every_await_point("idempotent", &world, &lab, async |lab| lab.hold_idempotent().await).await;
    at_every_await_point("note", &world, &lab, async |lab| lab.note("x".into()).await).await;
    at_every_await_point("big", &world, &lab, async |lab| lab.echo("x".repeat(200_000)).await)
        .await;
    at_every_await_point("timeout", &world, &lab, async |lab| {
        lab.with_timeout(Duration::from_millis(500)).echo("x".into()).await
    })
    .await;
    at_every_await_point("ready", &world, &lab, async |lab| lab.ready().await).await;
}

#[tokio::test(start_paused = true)]
async fn nothing_is_left_when_everyone_goes() {
    let before = Handle::current().metrics().num_alive_tasks();
    let world = world().await;
    let lab = world.client().await;
    lab.echo("x".into()).await.unwrap();
    drop(lab);
    settle().await;
    assert_eq!(world.net.connections("a"), 0, "the last client takes its connections along");
    world.server.drain().await;
    settle().await;
    assert_eq!(Handle::current().metrics().num_alive_tasks(), before);
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_call_that_waits_for_credit_leaves_the_line() {
    let connection = Limits { connection_credit: 4 << 20, ..Limits::default() };
    let limits = ServerLimits { connection, ..ServerLimits::default() };
    let world = world_with(|server| server.limits(limits)).await;
    let lab = world.client().await;
    lab.ready().await.unwrap();
    let mut calls = Vec::new();
    for n in 0..20 {
        let lab = lab.clone();
        let call = tokio::spawn(async move { lab.echo("x".repeat(3_000_000)).await });
        if n % 2 == 0 {
            tokio::task::yield_now().await;
            call.abort();
        }
        calls.push(call);
    }
    for (n, call) in calls.into_iter().enumerate() {
        match call.await {
            Ok(answer) => assert_eq!(answer.unwrap().len(), 3_000_000),
            Err(aborted) => assert!(aborted.is_cancelled() && n % 2 == 0),
        }
    }
    settle().await;
    assert_eq!((lab.channel().in_flight(), world.server.in_flight()), (0, 0));
}

/// A bug of its first version: an answer half of which was there when its caller went away kept the
/// server's credit for that half, so that big answers came to a halt after a while.
#[tokio::test(start_paused = true)]
async fn credit_of_half_received_answers_comes_back() {
    let world = world().await;
    let limits = Limits { connection_credit: 4 << 20, ..Limits::default() };
    world.net.set_latency(Duration::from_millis(1));
    let builder = LabClient::builder().network(&world.net).limits(limits);
    let lab = builder.connect("mem://a").await.unwrap();
    lab.ready().await.unwrap();
    for _ in 0..10 {
        let call = tokio::spawn({
            let lab = lab.clone();
            async move { lab.text(3_000_000).await }
        });
        // A pipe holds 64 KiB, so that three megabytes take a while: half of them are there ..
        tokio::time::sleep(Duration::from_millis(25)).await;
        call.abort();
        // .. and the other half, which nobody wants, makes way for the next.
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    settle().await;
    assert_eq!(lab.text(4_000_000).await.unwrap().len(), 4_000_000);
    assert_eq!(lab.channel().in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn credit_of_a_big_message_whose_head_is_too_large_comes_back() {
    let world = world().await;
    let lab = world.client().await;
    lab.ready().await.unwrap();
    // Metadata of its largest size fits; this does not fit beside a path of that length.
    let long = rpc_core::Request::new("x".repeat(30_000), "json", vec![b' '; 4_000_000]);
    for _ in 0..20 {
        let status = lab.channel().call(long.clone()).await.unwrap_err();
        assert_eq!(status.code(), rpc_core::Code::InvalidArgument, "{status}");
        assert!(status.message().contains("expected at most 24576"), "{status}");
    }
    assert_eq!(lab.echo("x".repeat(4_000_000)).await.unwrap().len(), 4_000_000);
}
