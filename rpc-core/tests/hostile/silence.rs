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

/// Reading is waited for, but not for ever, however little there is to read.
#[tokio::test(start_paused = true)]
async fn a_peer_that_stops_reading_is_given_up_on_in_time() {
    let world = world().await;
    let bystander = Bystander::beside(&world).await;
    let mut raw = world.raw().await.greet().await;
    good_call(&mut raw).await;
    // A little more than the line holds.
    for _ in 0..3 {
        raw.call("test.Lab/text", r#"{"answer":30000}"#).await;
    }
    let start = tokio::time::Instant::now();
    // It is alive, as its pings say.
    while raw
        .io
        .writer
        .write_all(&frame(Kind::PING, Flags::NONE, 0, &NoHead, &[0; 8]))
        .await
        .is_ok()
    {
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(start.elapsed() < Duration::from_secs(60), "it goes on for ever");
    }
    let waited = start.elapsed();
    assert!(waited >= Duration::from_secs(30) && waited < Duration::from_secs(33), "{waited:?}");
    bystander.finish().await;
}

/// Who reads late is refused meanwhile, and loses nothing.
#[tokio::test(start_paused = true)]
async fn calls_are_refused_while_too_many_answers_wait_to_be_read() {
    let connection = Limits { max_queued_bytes: 200_000, ..Limits::default() };
    let limits = ServerLimits { connection, ..ServerLimits::default() };
    let world = world_with(|server| server.limits(limits)).await;
    let bystander = Bystander::beside(&world).await;
    let mut raw = world.raw().await.greet().await;
    let calls = 20;
    for _ in 0..calls {
        raw.call("test.Lab/text", r#"{"answer":30000}"#).await;
        settle().await;
    }
    let (mut answered, mut refused) = (0, 0);
    for n in 1..=calls {
        let (id, code, message, body) = raw.response().await;
        assert_eq!(id, n << 20, "each is answered, in order");
        match code {
            Code::Ok => {
                assert_eq!(body.len(), 30_002);
                answered += 1;
            }
            Code::ResourceExhausted => {
                assert!(message.contains("bytes of answers wait to be read"), "{message}");
                refused += 1;
            }
            other => panic!("{other:?}: {message}"),
        }
    }
    assert!(answered >= 7 && refused >= 5, "{answered} answered, {refused} refused");
    good_call(&mut raw).await;
    bystander.finish().await;
}

/// One-way calls are not answered, so that only the line can hold up who sends too many.
#[tokio::test(start_paused = true)]
async fn oneway_calls_wait_for_a_server_that_does_not_read() {
    let world = world().await;
    let limits = Limits { max_queued_bytes: 200_000, ..Limits::default() };
    let builder = LabClient::builder().network(&world.net).limits(limits);
    let lab = builder.connect("mem://a").await.unwrap();
    lab.ready().await.unwrap();
    world.net.stall("a");
    let bystander = Bystander::beside(&world).await;
    let note = || lab.note("x".repeat(10_000));
    let mut sent = 0;
    while tokio::time::timeout(Duration::from_millis(10), note()).await.is_ok_and(|it| it.is_ok()) {
        sent += 1;
        assert!(sent < 1_000, "nothing holds it up");
    }
    // What may wait, and as much again that is being written.
    assert!((20..=42).contains(&sent), "{sent}");
    world.net.resume("a");
    note().await.unwrap();
    while world.bench.notes.lock().unwrap().len() <= sent {
        world.bench.noted.notified().await;
    }
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
