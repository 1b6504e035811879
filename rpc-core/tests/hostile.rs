//! Peers that mean no good, or nothing at all. Beside each of them a good client goes on calling on
//! another connection, and on the same one where that survives, and loses nothing.

mod common;

use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use common::{Lab, LabClient, Raw, World, hello, settle, world, world_with};
use rpc_codec::{
    Credit, Flags, Goaway, Head, Hello, Kind, NoHead, RequestHead, ResponseHead, preface, put_frame,
};
use rpc_core::testing::Network;
use rpc_core::transport::Listen;
use rpc_core::{Code, Executed, Limits, ServerLimits};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinHandle;

/// Protocol error, limit, silence: the codes of GOAWAY.
const PROTOCOL: u32 = 1;
const LIMIT: u32 = 2;
const WRONG_PEER: u32 = 3;
const IDLE: u32 = 4;
const VERSION: u32 = 5;
const SILENT: u32 = 7;

/// A good client that calls all the time; `finish` says that it lost nothing.
struct Bystander {
    stop: tokio::sync::oneshot::Sender<()>,
    task: JoinHandle<u32>,
}

impl Bystander {
    async fn beside(world: &World) -> Self {
        let lab = world.client().await;
        lab.echo("first".into()).await.unwrap();
        let (stop, mut stopped) = tokio::sync::oneshot::channel();
        let task = tokio::spawn(async move {
            let mut calls = 0;
            while stopped.try_recv().is_err() {
                assert_eq!(lab.echo(format!("{calls}")).await.unwrap(), format!("{calls}"));
                calls += 1;
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            calls
        });
        Self { stop, task }
    }

    async fn finish(self) {
        tokio::time::sleep(Duration::from_millis(5)).await;
        self.stop.send(()).unwrap();
        assert!(self.task.await.unwrap() > 0, "the bystander made calls");
    }
}

/// What GOAWAY a peer gets that says `bytes` after a good greeting.
async fn refused(bytes: &[u8]) -> Goaway {
    let world = world().await;
    let bystander = Bystander::beside(&world).await;
    let mut raw = world.raw().await.greet().await;
    raw.write(bytes).await;
    let goaway = raw.goaway().await;
    drop(raw);
    settle().await;
    assert_eq!(world.net.connections("a"), 1, "only the bystander's is left");
    bystander.finish().await;
    goaway
}

fn frame(kind: Kind, flags: Flags, call: u64, head: &(dyn Head + Sync), body: &[u8]) -> Vec<u8> {
    let mut bytes = BytesMut::new();
    put_frame(&mut bytes, kind, flags, call, head, body, false).unwrap();
    bytes.to_vec()
}

/// A frame whose header says what it likes.
fn header(length: u32, kind: u8, flags: u8, head: u16, call: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.put_u32(length);
    bytes.put_u8(kind);
    bytes.put_u8(flags);
    bytes.put_u16(head);
    bytes.put_u64(call);
    bytes
}

struct Garbage(Vec<u8>);

impl Head for Garbage {
    fn encoded_len_hint(&self) -> usize {
        self.0.len()
    }

    fn encode(&self, dst: &mut BytesMut) {
        dst.put_slice(&self.0);
    }
}

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
async fn frames_that_are_none_end_their_connection_only() {
    let request = RequestHead::new("test.Lab/echo");
    let big = vec![0; 32_769];
    for (what, bytes, says) in [
        ("oversized length", header(u32::MAX, 2, 0, 0, 1 << 20), "expected at most 65536"),
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

#[tokio::test(start_paused = true)]
async fn made_up_frames_flags_and_fields_are_skipped() {
    let world = world().await;
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
}

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

#[tokio::test(start_paused = true)]
async fn more_calls_than_allowed_are_refused_one_by_one() {
    let connection = Limits { max_calls: 32, ..Limits::default() };
    let limits = ServerLimits { connection, ..ServerLimits::default() };
    let world = world_with(|server| server.limits(limits)).await;
    let mut raw = world.raw().await.greet().await;
    for _ in 0..40 {
        raw.call("test.Lab/hold", "{}").await;
    }
    for n in 33..=40u64 {
        let (id, code, message, _) = raw.response().await;
        assert_eq!((id, code), (n << 20, Code::ResourceExhausted));
        assert!(message.contains("32 calls in flight, which is its limit"), "{message}");
    }
    world.bench.release.add_permits(32);
    for _ in 0..32 {
        assert_eq!(raw.response().await.1, Code::Ok, "those within the limit lose nothing");
    }
}

#[tokio::test(start_paused = true)]
async fn more_connections_than_allowed_are_closed() {
    let limits = ServerLimits { max_connections: 3, ..ServerLimits::default() };
    let world = world_with(|server| server.limits(limits)).await;
    let bystander = Bystander::beside(&world).await;
    let mut held = Vec::new();
    for n in 0..5 {
        let mut raw = world.raw().await;
        raw.write(&preface::encode(1)).await;
        raw.send(Kind::HELLO, Flags::NONE, 0, &hello(), b"").await;
        let mut byte = [0];
        let greeted = matches!(raw.io.reader.read(&mut byte).await, Ok(1));
        assert_eq!(greeted, n < 2, "connection {n}");
        held.push(raw);
    }
    drop(held);
    settle().await;
    // There is room again.
    world.raw().await.greet().await;
    bystander.finish().await;
}

#[tokio::test(start_paused = true)]
async fn one_peer_may_not_have_all_connections() {
    let limits = ServerLimits { max_connections_per_peer: 2, ..ServerLimits::default() };
    let world = world_with(|server| server.limits(limits)).await;
    let _first = world.raw().await.greet().await;
    let _second = world.raw().await.greet().await;
    let mut third = world.raw().await;
    third.write(&preface::encode(1)).await;
    assert!(third.frame().await.is_none());
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
async fn a_dribbled_frame_is_given_up_on_and_a_slow_one_is_not() {
    let world = world().await;
    let mut raw = world.raw().await.greet().await;
    let whole = frame(Kind::PING, Flags::NONE, 0, &NoHead, b"12345678");
    // A byte a second takes 24 seconds: slow, but it gets there.
    for byte in &whole {
        raw.write(&[*byte]).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    while raw.frame().await.expect("a PONG").kind != Kind::PONG {}
    for byte in &whole[..20] {
        raw.write(&[*byte]).await;
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
    let goaway = raw.goaway().await;
    assert_eq!((goaway.code, &*goaway.message), (SILENT, "a frame did not arrive whole in time"));
}

#[tokio::test(start_paused = true)]
async fn a_peer_gone_without_a_word_is_noticed() {
    let world = world().await;
    let mut raw = world.raw().await.greet().await;
    raw.call("test.Lab/hold_idempotent", "{}").await;
    world.bench.started.notified().await;
    let start = tokio::time::Instant::now();
    world.net.stall("a");
    while world.server.in_flight() > 0 {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let noticed = start.elapsed();
    assert!(noticed <= Duration::from_secs(17), "10 s of silence and 5 s to answer: {noticed:?}");
    assert_eq!(world.bench.dropped(), 1);
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
    let status = call.await.unwrap().unwrap_err();
    assert_eq!((status.code(), status.executed()), (Code::Unavailable, Executed::Maybe));
    assert!(status.message().contains("the peer does not answer"), "{status}");
    assert!(start.elapsed() < Duration::from_secs(17), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_never_reads_is_given_up_on() {
    let world = world().await;
    let bystander = Bystander::beside(&world).await;
    let mut raw = world.raw().await.greet().await;
    let text = "x".repeat(30_000);
    let args = format!("{{\"text\":\"{text}\"}}");
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
async fn pieces_beyond_the_credit_end_the_connection() {
    let connection =
        Limits { connection_credit: 100_000, max_message_bytes: 90_000, ..Limits::default() };
    let limits = ServerLimits { connection, ..ServerLimits::default() };
    let world = world_with(|server| server.limits(limits.clone())).await;
    let bystander = Bystander::beside(&world).await;
    let mut raw = world.raw().await.greet().await;
    let mut head = RequestHead::new("test.Lab/echo");
    head.format = "json";
    let piece = vec![b' '; 30_000];
    // Two messages half sent, and a third: more than the credit is under way.
    for n in 1..=4u64 {
        raw.send(Kind::REQUEST, Flags::MORE, n << 20, &head, &piece).await;
    }
    let goaway = raw.goaway().await;
    assert_eq!(goaway.code, LIMIT);
    assert!(goaway.message.contains("with credit for 10000 only"), "{}", goaway.message);
    bystander.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_message_longer_than_taken_ends_the_connection() {
    let connection = Limits { max_message_bytes: 50_000, ..Limits::default() };
    let limits = ServerLimits { connection, ..ServerLimits::default() };
    let world = world_with(|server| server.limits(limits.clone())).await;
    let mut raw = world.raw().await.greet().await;
    let head = RequestHead::new("test.Lab/echo");
    raw.send(Kind::REQUEST, Flags::MORE, 1 << 20, &head, &[b' '; 30_000]).await;
    raw.send(Kind::DATA, Flags::END, 1 << 20, &NoHead, &[b' '; 30_000]).await;
    let goaway = raw.goaway().await;
    assert_eq!((goaway.code, &*goaway.message), (LIMIT, "a request of more than 50000 bytes"));
}

#[tokio::test(start_paused = true)]
async fn credit_of_half_sent_and_cancelled_requests_comes_back() {
    let world = world().await;
    let mut raw = world.raw().await.greet().await;
    let head = RequestHead::new("test.Lab/echo");
    // A gigabyte of half-sent requests through 16 MiB of credit.
    for _ in 0..40_000u64 {
        let id = raw.next_id();
        raw.send(Kind::REQUEST, Flags::MORE, id, &head, &[b' '; 30_000]).await;
        raw.cancel(id).await;
        let (answered, code, _, _) = raw.response().await;
        assert_eq!((answered, code), (id, Code::Cancelled));
        tokio::time::sleep(Duration::from_micros(200)).await;
    }
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

/// A listener whose `accept` fails a while, as one does that has run out of descriptors.
struct Failing {
    inner: rpc_core::testing::MemoryListener,
    failures: u32,
}

impl Listen for Failing {
    fn accept(&mut self) -> rpc_core::BoxFuture<'_, std::io::Result<rpc_core::transport::Io>> {
        match self.failures.checked_sub(1) {
            Some(left) => {
                self.failures = left;
                Box::pin(async { Err(std::io::Error::other("too many open files")) })
            }
            None => self.inner.accept(),
        }
    }

    fn address(&self) -> rpc_core::Address {
        self.inner.address()
    }
}

#[tokio::test(start_paused = true)]
async fn a_listener_that_fails_is_tried_again_without_haste() {
    let net = Network::new();
    let listener = Failing { inner: net.listen("a").unwrap(), failures: 9 };
    let start = tokio::time::Instant::now();
    let server = rpc_core::Server::builder()
        .add(common::LabServer::new(common::Worker::default()))
        .listen_on(listener)
        .await
        .unwrap();
    let lab = common::client(&net, "mem://a").await;
    let patient = lab.with_timeout(Duration::from_secs(60));
    assert_eq!(patient.echo("x".into()).await.unwrap(), "x");
    assert!(start.elapsed() > Duration::from_millis(300), "no busy loop: {:?}", start.elapsed());
    // One that fails for ever does not keep the server from ending.
    assert_eq!(server.drain().await.aborted, 0);
}

#[cfg(feature = "lz4")]
mod compressed {
    use super::*;
    use rpc_codec::Compression;

    #[tokio::test(start_paused = true)]
    async fn big_texts_travel_small() {
        let world = world().await;
        let lab = world.client().await.with_compression(Compression::Lz4);
        lab.ready().await.unwrap();
        let text = "all work and no play ".repeat(100_000);
        assert_eq!(lab.echo(text.clone()).await.unwrap(), text);
    }

    #[tokio::test(start_paused = true)]
    async fn a_bomb_is_refused_and_the_connection_lives() {
        let world = world().await;
        let mut raw = world.raw().await.greet().await;
        let mut head = RequestHead::new("test.Lab/echo");
        head.format = "json";
        head.compression = Compression::Lz4;
        // Five megabytes of spaces in a frame of twenty kilobytes.
        let bomb = Compression::Lz4.compress(&vec![b' '; 5 << 20]).unwrap();
        assert!(bomb.len() < 32_768);
        raw.send(Kind::REQUEST, Flags::END, 1 << 20, &head, &bomb).await;
        let (_, code, message, _) = raw.response().await;
        assert_eq!(code, Code::InvalidArgument);
        assert!(message.contains("inflates to more than 4194304 bytes"), "{message}");

        raw.send(Kind::REQUEST, Flags::END, 2 << 20, &head, b"garbage").await;
        let (_, code, message, _) = raw.response().await;
        assert_eq!(code, Code::InvalidArgument);
        assert!(message.contains("could not be decompressed"), "{message}");

        raw.send(Kind::PING, Flags::NONE, 0, &NoHead, b"12345678").await;
        while raw.frame().await.expect("a PONG").kind != Kind::PONG {}
    }
}
