//! Servers that mean no good, seen by a client.

use super::*;

/// A server that says exactly what a test tells it, and a client of it.
async fn against(net: &Network) -> (LabClient, impl AsyncFnMut() -> Raw) {
    let mut listener = net.listen("evil").unwrap();
    let lab = common::client(net, "mem://evil").await;
    let accept = async move || {
        let mut raw = Raw::over(listener.accept().await.unwrap());
        raw.expect_greeting().await;
        raw
    };
    (lab, accept)
}

/// A value of the default format.
fn text(text: &str) -> Vec<u8> {
    [&[0xA0 | u8::try_from(text.len()).unwrap()], text.as_bytes()].concat()
}

async fn greet(raw: &mut Raw) {
    raw.write(&preface::encode(1)).await;
    raw.send(Kind::HELLO, Flags::NONE, 0, &hello(), b"").await;
}

/// Answers the next call as a good server does.
async fn answer(raw: &mut Raw) {
    loop {
        let frame = raw.frame().await.expect("a REQUEST");
        if frame.kind == Kind::REQUEST {
            raw.send(Kind::RESPONSE, Flags::END, frame.call, &NoHead, &text("good")).await;
            return;
        }
    }
}

/// Has a server say `bytes` in place of an answer, after a good greeting or before any. Whatever
/// it is, a client of a good server loses nothing, the call fails with a reason, and the next
/// connection to the same server works.
async fn ends(what: &str, greeted: bool, bytes: impl FnOnce(u64) -> Vec<u8>, says: &str) {
    let world = world().await;
    let bystander = Bystander::beside(&world).await;
    let (lab, mut accept) = against(&world.net).await;
    let call = |lab: &LabClient| {
        let lab = lab.clone();
        tokio::spawn(async move { lab.echo("x".into()).await })
    };
    let bad = call(&lab);
    let mut raw = accept().await;
    let request = raw.frame().await.unwrap();
    assert_eq!(request.kind, Kind::REQUEST, "calls come right behind the HELLO");
    if greeted {
        greet(&mut raw).await;
    }
    raw.write(&bytes(request.call)).await;
    raw.io.writer.shutdown().await.unwrap();
    let status = bad.await.unwrap().unwrap_err();
    let maybe = (Code::Unavailable, Executed::Maybe);
    assert_eq!((status.code(), status.executed()), maybe, "{what}: {status}");
    assert!(status.message().contains(says), "{what}: {status}");

    let mut raw = accept().await;
    greet(&mut raw).await;
    let good = call(&lab);
    answer(&mut raw).await;
    assert_eq!(good.await.unwrap().unwrap(), "good", "{what}");
    bystander.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_speaks_something_else_is_told_by_its_first_bytes() {
    for (bytes, says) in [
        (&b"HTTP/1.1 200 OK\r\n"[..], "speaks HTTP/1"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "is the address that of a web server?"),
        (b"\x15\x03\x01\0\x02\x02\x0A", "the peer speaks TLS"),
        (b"\0\0\x12\x04\0\0\0\0\0", "does not speak this protocol"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "does not speak this protocol"),
        (b"", "the peer closed the connection"),
        (b"\xF2R", "the peer closed the connection"),
        (&preface::encode(9), "the peer speaks version 9"),
    ] {
        ends(says, false, |_| bytes.to_vec(), says).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_whose_hello_is_none_is_left() {
    let poor = Hello { max_calls: 31, ..hello() };
    let rich = Hello { connection_credit: u64::MAX, ..hello() };
    for (first, says) in [
        (frame(Kind::HELLO, Flags::NONE, 0, &poor, b""), "max_calls of at least 32"),
        (frame(Kind::HELLO, Flags::NONE, 0, &rich, b""), "more than anyone can send"),
        (frame(Kind::HELLO, Flags::NONE, 0, &Garbage(vec![0xFF]), b""), "bad HELLO"),
        (frame(Kind::PING, Flags::NONE, 0, &NoHead, b"12345678"), "the first frame is PING"),
        (header(u32::MAX, 1, 0, 0, 0), "expected at most 65536"),
    ] {
        let bytes = [&preface::encode(1)[..], &first].concat();
        ends(says, false, |_| bytes, says).await;
    }
    // One that greets well, and answers before.
    let early = |call| {
        let answer = frame(Kind::RESPONSE, Flags::END, call, &NoHead, &text("early"));
        [&preface::encode(1)[..], &answer].concat()
    };
    ends("an early answer", false, early, "the first frame is RESPONSE, expected HELLO").await;
}

#[tokio::test(start_paused = true)]
async fn a_server_whose_frames_are_none_is_left() {
    let nothing: &(dyn Head + Sync) = &NoHead;
    let garbage: &(dyn Head + Sync) = &Garbage(vec![0xFF]);
    for (what, kind, flags, head, body, says) in [
        ("an uncut body", Kind::RESPONSE, Flags::END, nothing, &[0; 40_000][..], "cut in pieces"),
        ("an unknown kind", Kind(0x33), Flags::NONE, nothing, b"", "frame kind 51"),
        ("an unknown flag", Kind::RESPONSE, Flags(8), nothing, b"", "frame flag 0x08"),
        ("a REQUEST", Kind::REQUEST, Flags::END, nothing, b"", "a client got a REQUEST"),
        ("a CANCEL", Kind::CANCEL, Flags::NONE, nothing, b"", "a client got a CANCEL"),
        ("an endless answer", Kind::RESPONSE, Flags::MORE, nothing, b"", "more follows"),
        ("a second HELLO", Kind::HELLO, Flags::NONE, &hello(), b"", "a second HELLO"),
        ("garbage as CREDIT", Kind::CREDIT, Flags::NONE, garbage, b"", "bad CREDIT"),
        ("garbage as GOAWAY", Kind::GOAWAY, Flags::NONE, garbage, b"", "bad GOAWAY"),
        ("a short PING", Kind::PING, Flags::NONE, nothing, b"123", "PING has 8 bytes"),
        (
            "credit beyond reason",
            Kind::CREDIT,
            Flags::NONE,
            &Credit { bytes: u64::MAX },
            b"",
            "more than anyone can send",
        ),
    ] {
        let of_call = matches!(kind, Kind::REQUEST | Kind::RESPONSE | Kind::CANCEL);
        let bytes = |call| frame(kind, flags, if of_call { call } else { 0 }, head, body);
        ends(what, true, bytes, says).await;
    }
    ends("oversized length", true, |call| header(u32::MAX, 3, 2, 0, call), "at most 65536").await;
    ends("a long head", true, |call| header(4, 3, 2, 5, call), "a head of 5 bytes").await;
    ends("a server's call", true, |_| header(0, 3, 2, 0, 1 << 63), "kept for servers").await;
    let cut = |call| header(5, 3, 2, 0, call);
    ends("a truncated answer", true, cut, "the peer closed the connection").await;
    let wrong = |call| {
        let mut bytes = frame(Kind::RESPONSE, Flags::END | Flags::CHECKSUM, call, &NoHead, b"x");
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        bytes
    };
    ends("a wrong checksum", true, wrong, "the frame's checksum is").await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_floods_its_client_is_left() {
    let ping = frame(Kind::PING, Flags::NONE, 0, &NoHead, b"12345678");
    let pong = frame(Kind::PONG, Flags::NONE, 0, &NoHead, b"12345678");
    let credit = frame(Kind::CREDIT, Flags::NONE, 0, &Credit { bytes: 0 }, b"");
    let data = frame(Kind::DATA, Flags::MORE, 1 << 20, &NoHead, b"");
    ends("pings", true, |_| ping.repeat(60), "too many pings").await;
    let nothing = "frames that carry nothing";
    ends("pongs", true, |_| pong.repeat(11_000), nothing).await;
    ends("credits", true, |_| credit.repeat(11_000), nothing).await;
    ends("empty pieces", true, |_| data.repeat(11_000), nothing).await;
    ends("made-up frames", true, |_| header(0, 0xEE, 0, 0, 0).repeat(11_000), nothing).await;
}

/// An answer may take what the client granted and what it takes at most, and not a byte more.
#[tokio::test(start_paused = true)]
async fn a_server_that_sends_more_than_was_granted_is_left() {
    for (limits, says) in [
        (
            Limits { max_message_bytes: 90_000, connection_credit: 200_000, ..Limits::default() },
            "an answer of more than 120000 bytes; this end takes 90000",
        ),
        (
            Limits { max_message_bytes: 40_000, connection_credit: 40_000, ..Limits::default() },
            "came with credit for 10000 only",
        ),
    ] {
        let world = world().await;
        let bystander = Bystander::beside(&world).await;
        let mut listener = world.net.listen("evil").unwrap();
        let builder = LabClient::builder().network(&world.net).limits(limits);
        let lab = builder.connect("mem://evil").await.unwrap();
        let call = tokio::spawn(async move { lab.echo("x".into()).await });
        let mut raw = Raw::over(listener.accept().await.unwrap());
        raw.expect_greeting().await;
        greet(&mut raw).await;
        let id = raw.frame().await.unwrap().call;
        for _ in 0..4 {
            raw.send(Kind::DATA, Flags::MORE, id, &NoHead, &[0; 30_000]).await;
        }
        let status = call.await.unwrap().unwrap_err();
        assert_eq!(status.code(), Code::Unavailable, "{status}");
        assert!(status.message().contains(says), "{status}");
        bystander.finish().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_bad_answer_fails_its_own_call_only() {
    let typed = ResponseHead {
        code: Code::NotFound,
        typed: true,
        message: "m".into(),
        ..ResponseHead::default()
    };
    let world = world().await;
    let bystander = Bystander::beside(&world).await;
    let (lab, mut accept) = against(&world.net).await;
    let first = tokio::spawn({
        let lab = lab.clone();
        async move { lab.echo("x".into()).await }
    });
    let mut raw = accept().await;
    greet(&mut raw).await;
    answer(&mut raw).await;
    assert_eq!(first.await.unwrap().unwrap(), "good");
    for (what, head, body, code, says) in [
        (
            "garbage as a value",
            &NoHead as &(dyn Head + Sync),
            &b"\xC1"[..],
            Code::Internal,
            "the answer could not be decoded",
        ),
        ("no value", &NoHead, b"", Code::Internal, "the answer could not be decoded"),
        ("an unknown typed error", &typed, b"\xC1", Code::NotFound, "m"),
        ("a garbage head", &Garbage(vec![0xFF; 20_000]), b"", Code::Internal, "bad response head"),
        (
            "an unknown compression",
            &Garbage(vec![0x20, 9]),
            b"",
            Code::Internal,
            "expected a compression",
        ),
        (
            "too much metadata",
            &Garbage([0x32, 3, 0x0A, 1, b'k'].repeat(65)),
            b"",
            Code::Internal,
            "at most 64 entries",
        ),
        ("a nesting bomb", &NoHead, &[0x91; 30_000], Code::Internal, "could not be decoded"),
        (
            "a length that lies",
            &NoHead,
            &[0xDB, 0xFF, 0xFF, 0xFF, 0xFF],
            Code::Internal,
            "could not be decoded",
        ),
        // A code of a later version, and a time to stay away that never ends.
        (
            "an unknown code",
            &Garbage([&[0x08, 99, 0x38][..], &[0xFF; 9], &[1]].concat()),
            b"",
            Code::Unknown,
            "",
        ),
    ] {
        let call = |lab: &LabClient| {
            let lab = lab.clone();
            tokio::spawn(async move { lab.echo("x".into()).await })
        };
        let (before, bad, after) = (call(&lab), call(&lab), call(&lab));
        answer(&mut raw).await;
        let id = raw.frame().await.unwrap().call;
        raw.send(Kind::RESPONSE, Flags::END, id, head, body).await;
        answer(&mut raw).await;
        let status = bad.await.unwrap().unwrap_err();
        assert_eq!(status.code(), code, "{what}: {status}");
        assert!(status.message().contains(says), "{what}: {status}");
        // On the same connection.
        assert_eq!(before.await.unwrap().unwrap(), "good", "{what}");
        assert_eq!(after.await.unwrap().unwrap(), "good", "{what}");
    }
    bystander.finish().await;
}

#[tokio::test(start_paused = true)]
async fn answers_to_nobody_are_dropped_and_never_meet_a_newer_call() {
    let net = Network::new();
    let (lab, mut accept) = against(&net).await;
    let first = tokio::spawn({
        let lab = lab.with_timeout(Duration::from_millis(10));
        async move { lab.echo("first".into()).await }
    });
    let mut raw = accept().await;
    raw.write(&preface::encode(1)).await;
    raw.send(Kind::HELLO, Flags::NONE, 0, &hello(), b"").await;
    let old = raw.frame().await.unwrap().call;
    assert_eq!(first.await.unwrap().unwrap_err().code(), Code::DeadlineExceeded);
    let second = tokio::spawn(async move { lab.echo("second".into()).await });
    let new = loop {
        let frame = raw.frame().await.unwrap();
        if frame.kind == Kind::REQUEST {
            break frame.call;
        }
        assert_eq!(frame.kind, Kind::CANCEL, "the server is told of the late call");
    };
    raw.send(Kind::RESPONSE, Flags::END, old, &NoHead, &text("late")).await;
    raw.send(Kind::RESPONSE, Flags::END, 999 << 20, &NoHead, &text("nobody")).await;
    raw.send(Kind::DATA, Flags::MORE, old, &NoHead, &text("late")).await;
    raw.send(Kind::RESPONSE, Flags::END, new, &NoHead, &text("second")).await;
    assert_eq!(second.await.unwrap().unwrap(), "second");
}

#[tokio::test(start_paused = true)]
async fn calls_that_never_left_are_told_from_calls_that_may_have_run() {
    let net = Network::new();
    let (lab, mut accept) = against(&net).await;
    let sent = tokio::spawn({
        let lab = lab.clone();
        async move { lab.echo("sent".into()).await }
    });
    let mut raw = accept().await;
    raw.frame().await.unwrap();
    net.stall("evil");
    // More than the line holds: what comes last is still here when the line breaks.
    let stuck: Vec<_> = (0..20)
        .map(|_| {
            let lab = lab.clone();
            tokio::spawn(async move { lab.echo("x".repeat(30_000)).await })
        })
        .collect();
    settle().await;
    drop(accept);
    net.cut("evil");
    let status = sent.await.unwrap().unwrap_err();
    assert_eq!(status.executed(), Executed::Maybe, "{status}");
    for call in stuck {
        let status = call.await.unwrap().unwrap_err();
        assert_eq!(status.executed(), Executed::No, "{status}");
    }
}

/// A node that never takes the connection costs its time and no more, and another one is asked.
#[tokio::test(start_paused = true)]
async fn a_node_that_never_answers_the_dial_costs_a_bounded_time() {
    struct Tarpit(Network);

    impl rpc_core::transport::Connect for Tarpit {
        fn connect<'a>(
            &'a self,
            address: &'a rpc_core::Address,
        ) -> rpc_core::BoxFuture<'a, std::io::Result<rpc_core::transport::Io>> {
            match address.to_string().as_str() {
                "mem://tarpit" => Box::pin(std::future::pending()),
                _ => self.0.connect(address),
            }
        }
    }

    let world = world().await;
    let builder = || LabClient::builder().connector(Tarpit(world.net.clone()));
    let start = tokio::time::Instant::now();
    let lab = builder().connect("mem://tarpit").await.unwrap();
    let status = lab.echo("x".into()).await.unwrap_err();
    assert_eq!((status.code(), status.executed()), (Code::Unavailable, Executed::No), "{status}");
    assert!(status.message().contains("no answer within 3s"), "{status}");
    assert_eq!(start.elapsed().as_secs(), 3);

    let lab = builder().connect("mem://tarpit,mem://a").await.unwrap();
    for _ in 0..10 {
        assert_eq!(lab.echo("x".into()).await.unwrap(), "x");
    }
}

#[tokio::test(start_paused = true)]
async fn a_name_too_long_for_a_hello_is_told_before_it_is_sent() {
    let world = world().await;
    let name = "x".repeat(129);
    let builder = LabClient::builder().network(&world.net).name(name.clone());
    let status = builder.connect("mem://a").await.unwrap_err();
    assert_eq!(status.message(), "a client's name has at most 128 bytes");
    let listener = world.net.listen("b").unwrap();
    let server = rpc_core::Server::builder().name(name).listen_on(listener);
    assert_eq!(server.await.unwrap_err().message(), "a server's name has at most 128 bytes");
    let builder = LabClient::builder().network(&world.net).name("x".repeat(128));
    builder.connect("mem://a").await.unwrap().echo("x".into()).await.unwrap();
}

/// A call that no node takes is not carried round for ever.
#[tokio::test(start_paused = true)]
async fn a_call_that_no_node_takes_is_tried_a_bounded_number_of_times() {
    let world = world().await;
    let bystander = Bystander::beside(&world).await;
    let nobody = |count: usize| {
        let names: Vec<_> = (0..count).map(|n| format!("mem://nobody-{n}")).collect();
        names.join(",")
    };
    for (nodes, attempts) in [(1, 2), (3, 6), (20, 8)] {
        let report = rpc_core::CallReport::new();
        let lab = common::client(&world.net, &nobody(nodes)).await.with_report(&report);
        let status = lab.echo("x".into()).await.unwrap_err();
        let expected = (Code::Unavailable, Executed::No);
        assert_eq!((status.code(), status.executed()), expected, "{status}");
        assert_eq!(report.attempts(), attempts, "of {nodes} nodes");
    }
    bystander.finish().await;
}

/// Seen in review: answers are handed over once a read, and a fault in the same read came before that.
#[tokio::test(start_paused = true)]
async fn an_answer_in_front_of_garbage_is_not_lost() {
    let net = Network::new();
    let (lab, mut accept) = against(&net).await;
    let calls: Vec<_> = (0..2)
        .map(|_| {
            let lab = lab.clone();
            tokio::spawn(async move { lab.echo("x".into()).await })
        })
        .collect();
    let mut raw = accept().await;
    greet(&mut raw).await;
    let answered = raw.frame().await.unwrap().call;
    raw.frame().await.unwrap();
    let mut bytes = frame(Kind::RESPONSE, Flags::END, answered, &NoHead, &text("good"));
    bytes.extend(frame(Kind(0x33), Flags::NONE, 0, &NoHead, b""));
    raw.write(&bytes).await;
    let mut results = Vec::new();
    for call in calls {
        results.push(call.await.unwrap());
    }
    assert_eq!(results[0].as_ref().unwrap(), "good", "it came before the garbage");
    assert_eq!(results[1].as_ref().unwrap_err().code(), Code::Unavailable);
}
