//! Peers that are gone without a word, do not read, or have nothing to say.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_peer_gone_without_a_word_is_noticed() {
    let world = world().await;
    let mut raw = world.raw().await.greet().await;
    raw.call("test.Lab/hold_idempotent", "{}").await;
    world.bench.started.notified().await;
    let start = tokio::time::Instant::now();
    world.net.stall("a");
    // On another line, which is not stalled.
    let bystander = Bystander::beside(&world).await;
    while world.bench.dropped() == 0 {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let noticed = start.elapsed();
    assert!(noticed <= Duration::from_secs(17), "10 s of silence and 5 s to answer: {noticed:?}");
    settle().await;
    assert_eq!(world.net.connections("a"), 2, "this end is gone, the other knows nothing yet");
    drop(raw);
    bystander.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_client_notices_a_server_gone_without_a_word() {
    let world = world().await;
    let lab = world.client().await;
    let call = tokio::spawn({
        let lab = lab.with_timeout(Duration::from_secs(600));
        async move { lab.hold().await }
    });
    world.bench.started.notified().await;
    let start = tokio::time::Instant::now();
    world.net.stall("a");
    let bystander = Bystander::beside(&world).await;
    let status = call.await.unwrap().unwrap_err();
    assert_eq!((status.code(), status.executed()), (Code::Unavailable, Executed::Maybe));
    assert!(status.message().contains("the peer does not answer"), "{status}");
    assert!(start.elapsed() < Duration::from_secs(17), "{:?}", start.elapsed());
    // The node is found again, and this client's calls with it.
    while let Err(status) = lab.echo("again".into()).await {
        assert_eq!(status.executed(), Executed::No, "{status}");
        assert!(start.elapsed() < Duration::from_secs(30), "{status}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    bystander.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_never_reads_is_given_up_on() {
    let world = world().await;
    let bystander = Bystander::beside(&world).await;
    let mut raw = world.raw().await.greet().await;
    let text = "x".repeat(30_000);
    let args = format!("{{\"text\":\"{text}\"}}");
    good_call(&mut raw).await;
    // Answers of 30 kB each, of which none is read, until the server has had enough.
    let mut sent = 0;
    while world.net.connections("a") > 1 && sent < 3_000 {
        raw.call("test.Lab/echo", &args).await;
        sent += 1;
        tokio::task::yield_now().await;
    }
    tokio::time::sleep(Duration::from_secs(40)).await;
    drop(raw);
    settle().await;
    assert_eq!(world.net.connections("a"), 1, "only the bystander's is left");
    bystander.finish().await;
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_is_ended_and_made_anew_when_needed() {
    let connection = Limits {
        idle_timeout: Duration::from_secs(100),
        keepalive_interval: Duration::from_secs(5),
        ..Limits::default()
    };
    let limits = ServerLimits { connection, ..ServerLimits::default() };
    let world = world_with(|server| server.limits(limits)).await;
    let bystander = Bystander::beside(&world).await;
    let mut raw = world.raw().await.greet().await;
    let lab = world.client().await;
    lab.echo("x".into()).await.unwrap();
    let watch = tokio::spawn(async move {
        loop {
            match raw.frame().await {
                Some(frame) if frame.kind == Kind::PING => {
                    raw.send(Kind::PONG, Flags::NONE, 0, &NoHead, &frame.body).await;
                }
                Some(frame) if frame.kind == Kind::GOAWAY => {
                    return Goaway::decode(&frame.head).unwrap();
                }
                Some(_) => {}
                None => panic!("no GOAWAY"),
            }
        }
    });
    assert_eq!(watch.await.unwrap().code, IDLE);
    settle().await;
    assert_eq!(lab.echo("again".into()).await.unwrap(), "again");
    bystander.finish().await;
}

/// A client's own calls end in time, and those to another node are not held up.
#[tokio::test(start_paused = true)]
async fn a_server_that_never_reads_holds_up_no_other_call() {
    let world = world().await;
    let bystander = Bystander::beside(&world).await;
    let mut listener = world.net.listen("deaf").unwrap();
    let lab = common::client(&world.net, "mem://deaf").await;
    let calls: Vec<_> = (0..32)
        .map(|n| {
            let seconds = if n < 16 { 5 } else { 15 };
            let lab = lab.with_timeout(Duration::from_secs(seconds));
            tokio::spawn(async move { lab.echo("x".repeat(30_000)).await })
        })
        .collect();
    let io = listener.accept().await.unwrap();
    for (n, call) in calls.into_iter().enumerate() {
        let status = call.await.unwrap().unwrap_err();
        let expected = if n < 16 { Code::DeadlineExceeded } else { Code::Unavailable };
        // After 10 s without a HELLO the connection is over.
        assert_eq!(status.code(), expected, "{n}: {status}");
    }
    drop(io);
    bystander.finish().await;
}

/// A good-bye for want of calls is no loss: nobody dials again before there is one.
#[tokio::test(start_paused = true)]
async fn an_idle_goodbye_is_not_dialled_again_until_needed() {
    let connection = Limits {
        idle_timeout: Duration::from_secs(100),
        keepalive_interval: Duration::from_secs(5),
        ..Limits::default()
    };
    let limits = ServerLimits { connection, ..ServerLimits::default() };
    let world = world_with(|server| server.limits(limits)).await;
    let lab = world.client().await;
    lab.echo("x".into()).await.unwrap();
    tokio::time::sleep(Duration::from_secs(99)).await;
    assert_eq!(world.net.connections("a"), 1);
    tokio::time::sleep(Duration::from_secs(50)).await;
    assert_eq!(world.net.connections("a"), 0);
    assert_eq!(lab.echo("again".into()).await.unwrap(), "again");
}
