//! Peers that speak something else, say hello wrongly or never, or look for another server.

use super::*;

#[tokio::test(start_paused = true)]
async fn http_is_answered_in_http() {
    let world = world().await;
    let bystander = Bystander::beside(&world).await;
    let mut raw = world.raw().await;
    raw.write(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    let mut answer = String::new();
    raw.io.reader.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert!(answer.ends_with("this port speaks the rpc-core protocol and not HTTP/1.1\n"));
    bystander.finish().await;
}

#[tokio::test(start_paused = true)]
async fn other_protocols_are_hung_up_on() {
    for bytes in
        [&b"\x16\x03\x01\x02\x00\x01"[..], b"PRI * HTTP/2.0\r\n\r\n", b"\xF2XYZ", b"\0\0\0\0"]
    {
        let world = world().await;
        let bystander = Bystander::beside(&world).await;
        let mut raw = world.raw().await;
        raw.write(bytes).await;
        let mut answer = Vec::new();
        let _ = raw.io.reader.read_to_end(&mut answer).await;
        assert!(answer.is_empty(), "{answer:?}");
        bystander.finish().await;
    }
}

#[tokio::test(start_paused = true)]
async fn another_version_is_told_ours() {
    let world = world().await;
    let mut raw = world.raw().await;
    raw.write(&preface::encode(9)).await;
    raw.expect_preface().await;
    let goaway = raw.goaway().await;
    assert_eq!(goaway.code, VERSION);
    assert!(goaway.message.contains("version 9"), "{}", goaway.message);
}

#[tokio::test(start_paused = true)]
async fn a_first_frame_that_is_no_hello_is_refused() {
    let mut bytes = preface::encode(1).to_vec();
    bytes.extend(frame(Kind::PING, Flags::NONE, 0, &NoHead, b"12345678"));
    let world = world().await;
    let mut raw = world.raw().await;
    raw.write(&bytes).await;
    raw.expect_preface().await;
    let goaway = raw.goaway().await;
    assert_eq!(goaway.code, PROTOCOL);
    assert!(goaway.message.contains("the first frame is PING, expected HELLO"));
}

#[tokio::test(start_paused = true)]
async fn a_hello_below_the_floors_is_refused() {
    let world = world().await;
    let mut raw = world.raw().await;
    raw.write(&preface::encode(1)).await;
    let poor = Hello { max_calls: 31, ..hello() };
    raw.send(Kind::HELLO, Flags::NONE, 0, &poor, b"").await;
    raw.expect_preface().await;
    let goaway = raw.goaway().await;
    assert!(goaway.message.contains("max_calls of at least 32"), "{}", goaway.message);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_never_says_hello_is_hung_up_on_in_time() {
    for first in [&b""[..], &b"\xF2RP"[..], &preface::encode(1)[..]] {
        let world = world().await;
        let bystander = Bystander::beside(&world).await;
        let start = tokio::time::Instant::now();
        let mut raw = world.raw().await;
        raw.write(first).await;
        raw.expect_preface().await;
        let goaway = raw.goaway().await;
        assert_eq!(goaway.code, SILENT);
        let waited = start.elapsed();
        assert!(
            waited >= Duration::from_secs(10) && waited < Duration::from_secs(11),
            "{waited:?}"
        );
        bystander.finish().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_reached_by_mistake_refuses() {
    let world = world().await;
    let mut raw = world.raw().await;
    raw.write(&preface::encode(1)).await;
    let lost = Hello { service: "some.Other".into(), ..hello() };
    raw.send(Kind::HELLO, Flags::NONE, 0, &lost, b"").await;
    let mut head = RequestHead::new("test.Lab/hold");
    head.format = "json";
    raw.send(Kind::REQUEST, Flags::END, 1 << 20, &head, b"{}").await;
    raw.expect_greeting().await;
    let goaway = raw.goaway().await;
    assert_eq!((goaway.code, goaway.last_call), (WRONG_PEER, 0), "nothing was executed");
    assert_eq!(world.server.in_flight(), 0);
}
