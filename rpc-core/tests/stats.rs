//! Counters per method, as callers and as servers see them.

mod common;

use std::time::Duration;

use common::{Lab, LabClient, client, settle, world, world_with};
use rpc_codec::{Flags, Kind, RequestHead};
use rpc_core::governance::outcome::Outcome;
use rpc_core::observe::MethodStats;
use rpc_core::testing::Network;
use rpc_core::{Request, ServerHandle, ServerLimits};

fn of(stats: Vec<MethodStats>, method: &str) -> MethodStats {
    stats.into_iter().find(|stats| stats.method() == method).expect("a method that is counted")
}

fn seen(lab: &LabClient, method: &str) -> MethodStats {
    of(lab.channel().stats(), &format!("test.Lab/{method}"))
}

fn served(server: &ServerHandle, method: &str) -> MethodStats {
    of(server.stats(), method)
}

#[tokio::test(start_paused = true)]
async fn they_read_as_a_line_each() {
    let world = world().await;
    let lab = world.client().await;
    for _ in 0..3 {
        lab.echo("x".into()).await.unwrap();
    }
    lab.boom().await.unwrap_err();
    let stats = lab.channel().stats().into_iter().filter(|stats| stats.calls() > 0);
    let mut lines: Vec<_> = stats.map(|stats| format!("{stats:?}")).collect();
    lines.iter_mut().for_each(|line| line.truncate(line.find(", p50").expect("latencies")));
    let told = ["test.Lab/boom: 1 call, 1 server fault", "test.Lab/echo: 3 calls, 3 success"];
    assert_eq!(lines, told);
}

#[tokio::test(start_paused = true)]
async fn both_ends_count_the_same_calls() {
    let world = world().await;
    let lab = world.client().await;
    for _ in 0..5 {
        lab.echo("x".into()).await.unwrap();
    }
    lab.typed("app".into()).await.unwrap_err();
    lab.typed("status".into()).await.unwrap_err();
    lab.boom().await.unwrap_err();
    lab.note("x".into()).await.unwrap();
    settle().await;
    for (method, outcome, calls) in [
        ("echo", Outcome::Success, 5),
        ("typed", Outcome::BusinessError, 2),
        ("boom", Outcome::ServerFault, 1),
        ("note", Outcome::Success, 1),
        ("hold", Outcome::Success, 0),
    ] {
        let stats = [seen(&lab, method), served(&world.server, &format!("test.Lab/{method}"))];
        for stats in stats {
            assert_eq!((stats.count(outcome), stats.calls()), (calls, calls), "{method}");
        }
    }
    assert_eq!(seen(&lab, "hold").latency(0.5), None);
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_and_a_late_call_are_told_apart() {
    let world = world().await;
    let lab = world.client().await;
    lab.impatient().await.unwrap_err();
    let held = lab.clone();
    let held = tokio::spawn(async move { held.hold_idempotent().await });
    world.bench.started.notified().await;
    settle().await;
    held.abort();
    held.await.unwrap_err();
    settle().await;
    for stats in [seen(&lab, "impatient"), served(&world.server, "test.Lab/impatient")] {
        assert_eq!((stats.count(Outcome::Deadline), stats.calls()), (1, 1));
        let took = stats.latency(1.0).unwrap();
        let limit = Duration::from_millis(100);
        assert!(took >= limit && took < limit.mul_f64(1.15), "{took:?}");
    }
    for stats in [seen(&lab, "hold_idempotent"), served(&world.server, "test.Lab/hold_idempotent")]
    {
        assert_eq!((stats.count(Outcome::Cancelled), stats.calls()), (1, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_call_counts_and_takes_no_time() {
    let limits = ServerLimits { max_calls: 1, ..ServerLimits::default() };
    let world = world_with(|server| server.limits(limits)).await;
    let lab = world.client().await;
    let held = lab.clone();
    let held = tokio::spawn(async move { held.hold().await });
    world.bench.started.notified().await;
    lab.echo("x".into()).await.unwrap_err();
    for stats in [seen(&lab, "echo"), served(&world.server, "test.Lab/echo")] {
        assert_eq!((stats.count(Outcome::Overload), stats.calls()), (1, 1));
        assert_eq!(stats.latency(0.5), None, "nothing ran");
    }
    world.bench.release.add_permits(1);
    held.await.unwrap().unwrap();
}

/// One-way calls are never answered, so that a method the server lacks would be lost without a word.
#[tokio::test(start_paused = true)]
async fn a_oneway_call_that_leads_nowhere_is_counted() {
    let world = world().await;
    let mut raw = world.raw().await.greet().await;
    let mut head = RequestHead::new("test.Lab/nothing");
    head.oneway = true;
    let id = raw.next_id();
    raw.send(Kind::REQUEST, Flags::END, id, &head, b"").await;
    settle().await;
    assert_eq!(served(&world.server, "(unknown)").calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn paths_made_at_run_time_do_not_grow_without_end() {
    let net = Network::new();
    let lab = client(&net, "mem://nobody").await;
    for n in 0..3000 {
        let request = Request::new(format!("made.Up/{n}"), "json", "{}");
        lab.channel().call(request).await.unwrap_err();
    }
    let stats = lab.channel().stats();
    assert!(stats.len() <= 1025, "{}", stats.len());
    assert!(of(stats, "(others)").count(Outcome::TransportFailure) > 1900);
}
