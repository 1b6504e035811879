//! What costs a peer nothing and this end something, over and over.

use super::*;

#[tokio::test(start_paused = true)]
async fn floods_that_cost_the_sender_nothing_end_the_connection() {
    let ping = frame(Kind::PING, Flags::NONE, 0, &NoHead, b"12345678");
    let pong = frame(Kind::PONG, Flags::NONE, 0, &NoHead, b"12345678");
    let credit = frame(Kind::CREDIT, Flags::NONE, 0, &Credit { bytes: 0 }, b"");
    let cancel = frame(Kind::CANCEL, Flags::NONE, 1 << 20, &NoHead, b"");
    let data = frame(Kind::DATA, Flags::MORE, 1 << 20, &NoHead, b"");
    let skipped = header(0, 0xEE, 0, 0, 0);
    for (what, one, count, says) in [
        ("pings", ping, 60, "too many pings"),
        ("pongs", pong, 11_000, "frames that carry nothing"),
        ("credits", credit, 11_000, "frames that carry nothing"),
        ("cancels", cancel, 11_000, "too many calls cancelled"),
        ("empty pieces", data, 11_000, "frames that carry nothing"),
        ("made-up frames", skipped, 11_000, "frames that carry nothing"),
    ] {
        let goaway = refused(&one.repeat(count)).await;
        assert_eq!(goaway.code, LIMIT, "{what}");
        assert!(goaway.message.contains(says), "{what}: {}", goaway.message);
    }
}

/// As often as it is allowed a peer may do all that, and its good calls are answered.
#[tokio::test(start_paused = true)]
async fn just_below_the_limits_nothing_is_lost() {
    let world = world().await;
    let bystander = Bystander::beside(&world).await;
    let mut raw = world.raw().await.greet().await;
    let nothing = frame(Kind::CREDIT, Flags::NONE, 0, &Credit { bytes: 0 }, b"");
    let cancel = frame(Kind::CANCEL, Flags::NONE, 1 << 20, &NoHead, b"");
    for second in 0..10 {
        // Ten seconds' worth of pings at first, then a second's. What `raw` sends beside its own
        // frames may be skipped, and counts too.
        for _ in 0..if second == 0 { 50 } else { 5 } {
            raw.ping().await;
            while raw.frame().await.expect("a PONG").kind != Kind::PONG {}
        }
        raw.write(&nothing.repeat(9_900)).await;
        raw.write(&cancel.repeat(9_900)).await;
        good_call(&mut raw).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    bystander.finish().await;
}

/// Calls that are refused one by one cost no more than their answers, which have to be read.
#[tokio::test(start_paused = true)]
async fn a_flood_of_tiny_requests_is_answered_one_by_one() {
    let world = world().await;
    let bystander = Bystander::beside(&world).await;
    let mut raw = world.raw().await.greet().await;
    let request = RequestHead::new("x/y");
    let mut last = 1;
    for _ in 0..100 {
        good_call(&mut raw).await;
        let begin = raw.next_id();
        let calls = 200;
        let flood: Vec<u8> = (0..calls)
            .flat_map(|n| frame(Kind::REQUEST, Flags::END, begin + n, &request, b""))
            .collect();
        raw.write(&flood).await;
        for n in 0..calls {
            let (id, code, ..) = raw.response().await;
            assert_eq!((id, code), (begin + n, Code::Unimplemented));
            assert!(id > last, "once, and in order");
            last = id;
        }
    }
    good_call(&mut raw).await;
    bystander.finish().await;
}

/// Errors are answers like others: who does not read them gets no more of them.
#[tokio::test(start_paused = true)]
async fn a_flood_of_bad_requests_whose_errors_nobody_reads_ends() {
    let connection = Limits { max_queued_bytes: 100_000, ..Limits::default() };
    let limits = ServerLimits { connection, ..ServerLimits::default() };
    let world = world_with(|server| server.limits(limits)).await;
    let bystander = Bystander::beside(&world).await;
    let mut raw = world.raw().await.greet().await;
    let request = RequestHead::new("x/y");
    let mut sent = 0u64;
    loop {
        let bytes = frame(Kind::REQUEST, Flags::END, raw.next_id(), &request, b"");
        if raw.io.writer.write_all(&bytes).await.is_err() {
            break;
        }
        sent += 1;
        assert!(sent < 100_000, "it goes on for ever");
        // On a thread of its own the server would read meanwhile.
        tokio::task::yield_now().await;
    }
    let mut answered = 0;
    while raw.frame().await.is_some() {
        answered += 1;
    }
    // What the line held is all that left the server.
    assert!((500..2_000).contains(&answered) && sent > answered, "{answered} of {sent}");
    bystander.finish().await;
}

/// A call opened and cancelled at once costs its sender two small frames, and this end a handler.
#[tokio::test(start_paused = true)]
async fn calls_opened_and_cancelled_at_once_end_the_connection() {
    let world = world().await;
    let bystander = Bystander::beside(&world).await;
    let mut raw = world.raw().await.greet().await;
    let mut head = RequestHead::new("test.Lab/hold_idempotent");
    head.format = "json";
    let both = |n: u64| {
        let mut bytes = frame(Kind::REQUEST, Flags::END, n << 20, &head, b"{}");
        bytes.extend(frame(Kind::CANCEL, Flags::NONE, n << 20, &NoHead, b""));
        bytes
    };
    let mut n = 0;
    let goaway = loop {
        n += 1;
        raw.write(&both(n)).await;
        match raw.frame().await {
            Some(frame) if frame.kind == Kind::RESPONSE => {
                let head = ResponseHead::decode(&frame.head).unwrap();
                assert_eq!((frame.call, head.code), (n << 20, Code::Cancelled));
            }
            Some(frame) if frame.kind == Kind::GOAWAY => {
                break Goaway::decode(&frame.head).unwrap();
            }
            other => panic!("after {n} calls: {other:?}"),
        }
    };
    assert_eq!((goaway.code, &*goaway.message), (LIMIT, "too many calls cancelled"));
    assert!((10_000..12_000).contains(&n), "{n}");
    settle().await;
    assert!(world.server.in_flight() <= 1, "the bystander's at most");
    bystander.finish().await;
}
