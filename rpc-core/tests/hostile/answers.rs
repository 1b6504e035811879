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

#[tokio::test(start_paused = true)]
async fn a_client_survives_whatever_a_server_says() {
    let nothing: &(dyn Head + Sync) = &NoHead;
    let typed = ResponseHead {
        code: Code::NotFound,
        typed: true,
        message: "m".into(),
        ..ResponseHead::default()
    };
    for (what, greeting, kind, flags, head, body, code, says) in [
        (
            "not our protocol",
            &b"HTTP/1.1 200 OK\r\n"[..],
            Kind(0),
            Flags::NONE,
            nothing,
            &b""[..],
            Code::Unavailable,
            "speaks HTTP/1",
        ),
        (
            "oversized frame",
            b"",
            Kind::RESPONSE,
            Flags::NONE,
            nothing,
            &[0; 40_000],
            Code::Unavailable,
            "cut in pieces",
        ),
        (
            "unknown frame",
            b"",
            Kind(0x33),
            Flags::NONE,
            nothing,
            b"",
            Code::Unavailable,
            "frame kind 51",
        ),
        (
            "a REQUEST",
            b"",
            Kind::REQUEST,
            Flags::END,
            nothing,
            b"",
            Code::Unavailable,
            "a client got a REQUEST",
        ),
        (
            "an answer that goes on",
            b"",
            Kind::RESPONSE,
            Flags::MORE,
            nothing,
            b"",
            Code::Unavailable,
            "more follows",
        ),
        (
            "garbage as a value",
            b"",
            Kind::RESPONSE,
            Flags::END,
            nothing,
            b"\xC1",
            Code::Internal,
            "the answer could not be decoded",
        ),
        (
            "an unknown typed error",
            b"",
            Kind::RESPONSE,
            Flags::END,
            &typed,
            b"\xC1",
            Code::NotFound,
            "m",
        ),
        (
            "a garbage head",
            b"",
            Kind::RESPONSE,
            Flags::END,
            &Garbage(vec![0xFF]),
            b"",
            Code::Internal,
            "bad response head",
        ),
    ] {
        let net = Network::new();
        let (lab, mut accept) = against(&net).await;
        let call = tokio::spawn(async move { lab.echo("x".into()).await });
        let mut raw = accept().await;
        let request = raw.frame().await.unwrap();
        assert_eq!(request.kind, Kind::REQUEST, "calls come right behind the HELLO");
        if greeting.is_empty() {
            raw.write(&preface::encode(1)).await;
            raw.send(Kind::HELLO, Flags::NONE, 0, &hello(), b"").await;
            raw.send(kind, flags, request.call, head, body).await;
        } else {
            raw.write(greeting).await;
        }
        let status = call.await.unwrap().unwrap_err();
        assert_eq!(status.code(), code, "{what}: {status}");
        assert!(status.message().contains(says), "{what}: {status}");
    }
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
    let value =
        |text: &str| [&[0xA0 | u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    raw.send(Kind::RESPONSE, Flags::END, old, &NoHead, &value("late")).await;
    raw.send(Kind::RESPONSE, Flags::END, 999 << 20, &NoHead, &value("nobody")).await;
    raw.send(Kind::DATA, Flags::MORE, old, &NoHead, &value("late")).await;
    raw.send(Kind::RESPONSE, Flags::END, new, &NoHead, &value("second")).await;
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
