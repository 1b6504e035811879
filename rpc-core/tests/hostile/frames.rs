//! Bytes that are no frames, come in drops, or stop in the middle.

use super::*;

#[tokio::test(start_paused = true)]
async fn frames_that_are_none_end_their_connection_only() {
    let request = RequestHead::new("test.Lab/echo");
    let big = vec![0; 32_769];
    for (what, bytes, says) in [
        ("oversized length", header(u32::MAX, 2, 0, 0, 1 << 20), "expected at most 65536"),
        ("a byte too long", header(65_537, 2, 0, 0, 1 << 20), "expected at most 65536"),
        ("too long to skip", header(65_537, 0x90, 0, 0, 0), "expected at most 65536"),
        ("a head too long", header(30_000, 2, 0, 24_577, 1 << 20), "expected at most 24576"),
        ("head beyond payload", header(4, 2, 0, 5, 1 << 20), "a head of 5 bytes in a payload of 4"),
        ("unknown critical kind", header(0, 0x1F, 0, 0, 0), "unknown critical frame kind 31"),
        (
            "unknown critical flag",
            header(0, 2, 0x08, 0, 1 << 20),
            "unknown critical frame flag 0x08",
        ),
        ("a server's call id", header(0, 2, 0, 0, 1 << 63), "kept for servers"),
        ("no room for its checksum", header(3, 2, 0x04, 0, 1 << 20), "a head of 0 bytes"),
        ("a second HELLO", frame(Kind::HELLO, Flags::NONE, 0, &hello(), b""), "a second HELLO"),
        (
            "a RESPONSE to a server",
            frame(Kind::RESPONSE, Flags::END, 1 << 20, &NoHead, b""),
            "a server got a RESPONSE",
        ),
        (
            "a ping of 3 bytes",
            frame(Kind::PING, Flags::NONE, 0, &NoHead, b"123"),
            "PING has 8 bytes",
        ),
        (
            "a body that should be cut",
            frame(Kind::REQUEST, Flags::END, 1 << 20, &request, &big),
            "cut in pieces",
        ),
        (
            "credit beyond reason",
            frame(Kind::CREDIT, Flags::NONE, 0, &Credit { bytes: u64::MAX }, b""),
            "more than anyone can send",
        ),
        (
            "garbage as CREDIT",
            frame(Kind::CREDIT, Flags::NONE, 0, &Garbage(vec![0xFF]), b""),
            "bad CREDIT",
        ),
        (
            "garbage as GOAWAY",
            frame(Kind::GOAWAY, Flags::NONE, 0, &Garbage(vec![0xFF]), b""),
            "bad GOAWAY",
        ),
        ("call id 0", frame(Kind::REQUEST, Flags::END, 0, &request, b""), "call ids increase"),
    ] {
        let goaway = refused(&bytes).await;
        assert_eq!(goaway.code, PROTOCOL, "{what}");
        assert!(goaway.message.contains(says), "{what}: {}", goaway.message);
    }
}

#[tokio::test(start_paused = true)]
async fn a_wrong_checksum_is_noticed_and_a_right_one_taken() {
    let world = world().await;
    let bystander = Bystander::beside(&world).await;
    let mut raw = world.raw().await.greet().await;
    let mut head = RequestHead::new("test.Lab/echo");
    head.format = "json";
    let mut bytes = BytesMut::new();
    put_frame(&mut bytes, Kind::REQUEST, Flags::END, 1 << 20, &head, br#"{"text":"x"}"#, true)
        .unwrap();
    raw.write(&bytes).await;
    assert_eq!(raw.response().await.3, Bytes::from_static(b"\"x\""));

    let mut bytes = BytesMut::new();
    put_frame(&mut bytes, Kind::REQUEST, Flags::END, 2 << 20, &head, br#"{"text":"x"}"#, true)
        .unwrap();
    let last = bytes.len() - 6;
    bytes[last] ^= 1;
    raw.write(&bytes).await;
    assert!(raw.goaway().await.message.contains("checksum"));
    bystander.finish().await;
}

#[tokio::test(start_paused = true)]
async fn who_asks_for_checksums_gets_them() {
    let world = world().await;
    let mut raw = world.raw().await;
    raw.write(&preface::encode(1)).await;
    let careful = Hello { checksum: true, ..hello() };
    raw.send(Kind::HELLO, Flags::NONE, 0, &careful, b"").await;
    raw.expect_greeting().await;
    raw.call("test.Lab/echo", r#"{"text":"x"}"#).await;
    // Header, no head, three bytes of body, four of checksum.
    let mut bytes = [0; 23];
    raw.io.reader.read_exact(&mut bytes).await.unwrap();
    assert_eq!((bytes[3], bytes[4], bytes[5]), (7, Kind::RESPONSE.0, 0x06), "{bytes:?}");

    let limits = Limits { checksum: true, ..Limits::default() };
    let connection = ServerLimits { connection: limits.clone(), ..ServerLimits::default() };
    let world = world_with(|server| server.limits(connection)).await;
    let lab =
        LabClient::builder().network(&world.net).limits(limits).connect("mem://a").await.unwrap();
    assert_eq!(lab.echo("x".repeat(100_000)).await.unwrap().len(), 100_000);
}

#[tokio::test(start_paused = true)]
async fn made_up_frames_flags_and_fields_are_skipped() {
    let world = world().await;
    let bystander = Bystander::beside(&world).await;
    let mut raw = world.raw().await.greet().await;
    for kind in [0x80, 0x8A, 0xFF] {
        raw.write(&header(5, kind, 0xFF, 0xFFFF, u64::MAX)).await;
        raw.write(b"abcde").await;
    }
    let mut known = RequestHead::new("test.Lab/echo");
    known.format = "json";
    let mut head = BytesMut::new();
    known.encode(&mut head);
    head.extend_from_slice(&[0xC2, 0x3E, 3, 1, 2, 3]); // field 1000, bytes
    head.extend_from_slice(&[0xC8, 0x3E, 7]); // field 1001, a number
    head.extend_from_slice(&[0xD1, 0x3E, 0, 0, 0, 0, 0, 0, 0, 0]); // field 1002, 64 bit
    head.extend_from_slice(&[0xDD, 0x3E, 0, 0, 0, 0]); // field 1003, 32 bit
    let flags = Flags(Flags::END.0 | 0xF0);
    raw.send(Kind::REQUEST, flags, 1 << 20, &Garbage(head.to_vec()), br#"{"text":"x"}"#).await;
    let (_, code, _, body) = raw.response().await;
    assert_eq!((code, &body[..]), (Code::Ok, &b"\"x\""[..]));
    bystander.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_dribbled_frame_is_given_up_on_and_a_slow_one_is_not() {
    let world = world().await;
    let bystander = Bystander::beside(&world).await;
    let mut raw = world.raw().await.greet().await;
    let whole = frame(Kind::PING, Flags::NONE, 0, &NoHead, b"12345678");
    // A byte a second takes 24 seconds: slow, but it gets there.
    for byte in &whole {
        raw.write(&[*byte]).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    while raw.frame().await.expect("a PONG").kind != Kind::PONG {}
    good_call(&mut raw).await;
    for byte in &whole[..20] {
        raw.write(&[*byte]).await;
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
    let goaway = raw.goaway().await;
    assert_eq!((goaway.code, &*goaway.message), (SILENT, "a frame did not arrive whole in time"));
    bystander.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_client_dropped_in_the_middle_of_a_write_harms_nobody_else() {
    let world = world().await;
    let bystander = Bystander::beside(&world).await;
    let mut raw = world.raw().await.greet().await;
    let whole = frame(Kind::PING, Flags::NONE, 0, &NoHead, b"12345678");
    raw.io.writer.write_all(&whole[..10]).await.unwrap();
    drop(raw);
    settle().await;
    assert_eq!(world.net.connections("a"), 1);
    bystander.finish().await;
}

/// Calls are whole when their last byte is there, however the bytes come.
#[tokio::test(start_paused = true)]
async fn what_comes_in_drops_is_answered() {
    let world = world().await;
    let bystander = Bystander::beside(&world).await;
    let mut head = RequestHead::new("test.Lab/echo");
    head.format = "json";
    let mut bytes = preface::encode(1).to_vec();
    bytes.extend(frame(Kind::HELLO, Flags::NONE, 0, &hello(), b""));
    for call in 1..=5u64 {
        bytes.extend(frame(Kind::REQUEST, Flags::END, call << 20, &head, br#"{"text":"x"}"#));
        bytes.extend(header(3, 0x90, 0, 0, 0));
        bytes.extend(b"abc");
    }
    let mut raw = world.raw().await;
    for byte in bytes {
        raw.write(&[byte]).await;
        settle().await;
    }
    raw.expect_greeting().await;
    for call in 1..=5u64 {
        let answer = (call << 20, Code::Ok, "".into(), Bytes::from_static(b"\"x\""));
        assert_eq!(raw.response().await, answer);
    }
    bystander.finish().await;
}

/// Wherever the bytes end, the calls that came whole are answered, and half a call is none.
#[tokio::test(start_paused = true)]
async fn a_frame_cut_short_takes_no_call_along() {
    let world = world().await;
    let bystander = Bystander::beside(&world).await;
    let mut head = RequestHead::new("test.Lab/note");
    head.format = "json";
    head.oneway = true;
    let note = |call: u64, text: &str| {
        let body = format!("{{\"text\":\"{text}\"}}");
        frame(Kind::REQUEST, Flags::END, call << 20, &head, body.as_bytes())
    };
    let half = note(9, "half");
    for cut in 0..half.len() {
        let mut raw = world.raw().await.greet().await;
        good_call(&mut raw).await;
        raw.write(&note(2, "whole")).await;
        let id = 3 << 20;
        let mut echo = RequestHead::new("test.Lab/echo");
        echo.format = "json";
        raw.send(Kind::REQUEST, Flags::END, id, &echo, br#"{"text":"last"}"#).await;
        raw.write(&half[..cut]).await;
        raw.io.writer.shutdown().await.unwrap();
        assert_eq!(raw.response().await.0, id, "cut at {cut}");
        assert!(raw.frame().await.is_none(), "cut at {cut}: nothing more is said");
    }
    settle().await;
    assert_eq!(world.net.connections("a"), 1, "only the bystander's is left");
    let notes = world.bench.notes.lock().unwrap().clone();
    assert!(notes.len() == half.len() && notes.iter().all(|note| note == "whole"), "{notes:?}");
    bystander.finish().await;
}

/// A whole client that goes away while a big message is on its way: on a thin line, so that it is
/// caught at another place each time.
#[tokio::test(start_paused = true)]
async fn a_client_dropped_while_it_writes_a_big_message_harms_nobody_else() {
    let world = world().await;
    let bystander = Bystander::beside(&world).await;
    world.net.set_latency(Duration::from_millis(1));
    let text = "x".repeat(1_000_000);
    let mut done = 0;
    for patience in 0..60 {
        let lab = world.client().await;
        let call = lab.echo(text.clone());
        let ended = tokio::time::timeout(Duration::from_millis(patience), call).await;
        done += usize::from(ended.is_ok_and(|answer| answer.unwrap() == text));
        drop(lab);
    }
    assert!((1..50).contains(&done), "some had the time, some had not: {done}");
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert_eq!((world.net.connections("a"), world.server.in_flight()), (1, 0));
    bystander.finish().await;
}
