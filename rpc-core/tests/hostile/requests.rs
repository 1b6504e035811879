//! Calls that make no sense. They are answered, and the connection lives where it can.

use super::*;

#[tokio::test(start_paused = true)]
async fn duplicate_and_decreasing_call_ids_end_the_connection() {
    for second in [5 << 20, 4 << 20, 1] {
        let world = world().await;
        let mut raw = world.raw().await.greet().await;
        let mut head = RequestHead::new("test.Lab/echo");
        head.format = "json";
        raw.send(Kind::REQUEST, Flags::END, 5 << 20, &head, br#"{"text":"x"}"#).await;
        assert_eq!(raw.response().await.0, 5 << 20, "the good call before it is answered");
        raw.send(Kind::REQUEST, Flags::END, second, &head, br#"{"text":"x"}"#).await;
        let goaway = raw.goaway().await;
        assert_eq!((goaway.code, goaway.last_call), (PROTOCOL, 5 << 20));
    }
}

#[tokio::test(start_paused = true)]
async fn bad_calls_are_answered_and_the_connection_lives() {
    let world = world().await;
    let mut raw = world.raw().await.greet().await;
    let mut expect = async |head: &(dyn Head + Sync), body: &[u8], code: Code, says: &str| {
        let id = raw.next_id();
        raw.send(Kind::REQUEST, Flags::END, id, head, body).await;
        let (answered, got, message, _) = raw.response().await;
        assert_eq!((answered, got), (id, code), "{message}");
        assert!(message.contains(says), "{message}");
        // A good call on the same connection.
        let id = raw.call("test.Lab/echo", r#"{"text":"good"}"#).await;
        assert_eq!(
            raw.response().await,
            (id, Code::Ok, "".into(), Bytes::from_static(b"\"good\""))
        );
    };
    let head = |method: &'static str, format: &'static str| {
        let mut head = RequestHead::new(method);
        head.format = format;
        head
    };
    let echo = "test.Lab/echo";
    expect(&Garbage(vec![0xFF; 9]), b"", Code::InvalidArgument, "bad request head").await;
    expect(&NoHead, b"", Code::InvalidArgument, "a method path of 1 to 255 bytes").await;
    expect(&Garbage(vec![0x0A, 1, 0xFF]), b"", Code::InvalidArgument, "is not UTF-8").await;
    expect(&head("x.Y/z", "json"), b"{}", Code::Unimplemented, "unknown service `x.Y`").await;
    expect(&head("test.Lab/z", "json"), b"{}", Code::Unimplemented, "unknown method `z`").await;
    expect(&head(echo, "yaml"), b"text: x", Code::Unimplemented, "unknown format `yaml`").await;
    expect(&head(echo, "json"), b"{", Code::InvalidArgument, "bad json").await;
    expect(&head(echo, "json"), b"{\"text\":\"x\"} x", Code::InvalidArgument, "trailing").await;
    expect(&head(echo, "msgpack"), b"\xC1", Code::InvalidArgument, "bad msgpack").await;
    expect(&head(echo, "msgpack"), &[0x91; 10_000], Code::InvalidArgument, "could not be decoded")
        .await;
    let deep = format!("{{\"text\":{}", "[".repeat(10_000));
    expect(&head(echo, "json"), deep.as_bytes(), Code::InvalidArgument, "could not be decoded")
        .await;
    let mut over = head(echo, "json");
    over.timeout_us = Some(0);
    expect(&over, b"{\"text\":\"x\"}", Code::DeadlineExceeded, "over when it arrived").await;
    // An array that says it has four billion elements.
    let lie = [0x81, 0xA4, b't', b'e', b'x', b't', 0xDD, 0xFF, 0xFF, 0xFF, 0xFF];
    expect(&head(echo, "msgpack"), &lie, Code::InvalidArgument, "could not be decoded").await;
    let mut raw_head = BytesMut::new();
    head(echo, "json").encode(&mut raw_head);
    raw_head.extend_from_slice(&[0x18, 9]); // compression 9
    expect(&Garbage(raw_head.to_vec()), b"", Code::InvalidArgument, "expected a compression").await;
    let mut raw_head = BytesMut::new();
    head(echo, "json").encode(&mut raw_head);
    for _ in 0..65 {
        raw_head.extend_from_slice(&[0x4A, 3, 0x0A, 1, b'k']); // metadata k
    }
    expect(&Garbage(raw_head.to_vec()), b"", Code::InvalidArgument, "at most 64 entries").await;
    assert_eq!(world.server.in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_deadline_of_u64_max_is_cut() {
    let world = world().await;
    let mut raw = world.raw().await.greet().await;
    let mut head = RequestHead::new("test.Lab/time_left");
    head.format = "json";
    head.timeout_us = Some(u64::MAX);
    raw.send(Kind::REQUEST, Flags::END, 1 << 20, &head, b"{}").await;
    let (_, code, _, body) = raw.response().await;
    assert_eq!((code, &body[..]), (Code::Ok, &b"3600000000"[..]));
}
