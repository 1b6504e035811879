//! Peers that speak something else, say hello wrongly or never, or look for another server.

use std::sync::atomic::Ordering;

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
        [&b"\x16\x03\x01\x02\x00\x01"[..], b"PRI * HTTP/2.0\r\n\r\n", b"\0\0\0\0", b"\n", b"\xFF"]
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

/// The magic is judged byte by byte: nobody waits for the rest of one that is wrong already.
#[tokio::test(start_paused = true)]
async fn a_wrong_magic_is_hung_up_on_at_its_first_wrong_byte() {
    let world = world().await;
    let bystander = Bystander::beside(&world).await;
    let right = preface::encode(preface::VERSION);
    for wrong in 0..preface::MAGIC.len() {
        let start = tokio::time::Instant::now();
        let mut raw = world.raw().await;
        for byte in &right[..wrong] {
            raw.write(&[*byte]).await;
            settle().await;
        }
        raw.write(&[right[wrong] ^ 1]).await;
        let mut answer = Vec::new();
        let _ = raw.io.reader.read_to_end(&mut answer).await;
        assert!(answer.is_empty(), "{answer:?}");
        assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    }
    bystander.finish().await;
}

#[tokio::test(start_paused = true)]
async fn another_version_is_told_ours() {
    let world = world().await;
    let bystander = Bystander::beside(&world).await;
    let mut raw = world.raw().await;
    raw.write(&preface::encode(9)).await;
    raw.expect_preface().await;
    let goaway = raw.goaway().await;
    assert_eq!(goaway.code, VERSION);
    assert!(goaway.message.contains("version 9"), "{}", goaway.message);
    bystander.finish().await;
}

/// What GOAWAY a peer gets whose preface is good, and followed by `bytes`.
async fn refused_at_once(bytes: &[u8]) -> Goaway {
    let world = world().await;
    let bystander = Bystander::beside(&world).await;
    let mut raw = world.raw().await;
    raw.write(&preface::encode(1)).await;
    raw.write(bytes).await;
    raw.expect_preface().await;
    let goaway = raw.goaway().await;
    assert_eq!(world.server.in_flight(), 0, "nothing was executed");
    bystander.finish().await;
    goaway
}

#[tokio::test(start_paused = true)]
async fn a_first_frame_that_is_no_hello_is_refused() {
    let mut request = RequestHead::new("test.Lab/hold");
    request.format = "json";
    for (first, name) in [
        (frame(Kind::PING, Flags::NONE, 0, &NoHead, b"12345678"), "PING"),
        (frame(Kind::REQUEST, Flags::END, 1 << 20, &request, b"{}"), "REQUEST"),
        (frame(Kind::CREDIT, Flags::NONE, 0, &Credit { bytes: 1 }, b""), "CREDIT"),
        (frame(Kind::DATA, Flags::MORE, 1 << 20, &NoHead, b"x"), "DATA"),
    ] {
        let goaway = refused_at_once(&first).await;
        assert_eq!(goaway.code, PROTOCOL);
        let says = format!("the first frame is {name}, expected HELLO");
        assert!(goaway.message.contains(&says), "{}", goaway.message);
    }
}

#[tokio::test(start_paused = true)]
async fn a_hello_that_is_none_or_offers_too_little_or_too_much_is_refused() {
    let names = |count: usize, bytes: usize| vec!["x".repeat(bytes); count];
    let long = || "x".repeat(256);
    for (hello, says) in [
        (Hello { max_frame_bytes: 65_535, ..hello() }, "max_frame_bytes of at least 65536"),
        (Hello { max_message_bytes: 32_767, ..hello() }, "max_message_bytes of at least 32768"),
        (
            Hello { connection_credit: (4 << 20) - 1, ..hello() },
            "connection_credit of at least max_message_bytes",
        ),
        (Hello { stream_credit: 65_535, ..hello() }, "stream_credit of at least 65536"),
        (Hello { max_calls: 31, ..hello() }, "max_calls of at least 32"),
        (Hello { connection_credit: u64::MAX, ..hello() }, "more than anyone can send"),
        (Hello { connection_credit: (1 << 40) + 1, ..hello() }, "more than anyone can send"),
        (Hello { formats: names(33, 1), ..hello() }, "at most 32 names of at most 64 bytes"),
        (Hello { compressions: names(1, 65), ..hello() }, "at most 32 names of at most 64 bytes"),
        (Hello { peer_name: long(), ..hello() }, "a name of at most 255 bytes"),
        (Hello { service: long(), ..hello() }, "a name of at most 255 bytes"),
        (Hello { instance: long(), ..hello() }, "a name of at most 255 bytes"),
    ] {
        let goaway = refused_at_once(&frame(Kind::HELLO, Flags::NONE, 0, &hello, b"")).await;
        assert_eq!(goaway.code, PROTOCOL);
        assert!(goaway.message.contains(says), "{says}: {}", goaway.message);
    }
    for garbage in [&b"\xFF"[..], b"", b"\x0A\xFF", &[0xC3; 300]] {
        let garbage = Garbage(garbage.to_vec());
        let goaway = refused_at_once(&frame(Kind::HELLO, Flags::NONE, 0, &garbage, b"")).await;
        assert_eq!(goaway.code, PROTOCOL);
        assert!(goaway.message.contains("bad HELLO"), "{}", goaway.message);
    }
}

/// Numbers as large as they get are as good as any others.
#[tokio::test(start_paused = true)]
async fn a_hello_that_offers_the_most_there_is_is_taken() {
    let most = Hello {
        version: u32::MAX,
        max_frame_bytes: u32::MAX,
        max_message_bytes: 1 << 40,
        connection_credit: 1 << 40,
        stream_credit: u64::MAX,
        max_calls: u32::MAX,
        formats: vec!["x".repeat(64); 32],
        compressions: vec!["x".repeat(64); 32],
        peer_name: "x".repeat(255),
        instance: "x".repeat(255),
        ..Hello::default()
    };
    let world = world().await;
    let bystander = Bystander::beside(&world).await;
    let mut raw = world.raw().await;
    raw.write(&preface::encode(1)).await;
    raw.send(Kind::HELLO, Flags::NONE, 0, &most, b"").await;
    raw.expect_greeting().await;
    good_call(&mut raw).await;
    raw.call("test.Lab/text", r#"{"answer":1000000}"#).await;
    let (_, code, message, last) = raw.response().await;
    assert!(code == Code::Ok && last.len() <= 32_768, "{message}");

    // The same from a server.
    let mut listener = world.net.listen("rich").unwrap();
    let lab = common::client(&world.net, "mem://rich").await;
    for _ in 0..100 {
        let lab = lab.clone();
        tokio::spawn(async move { lab.echo("x".into()).await });
    }
    let mut rich = Raw::over(listener.accept().await.unwrap());
    rich.expect_greeting().await;
    rich.write(&preface::encode(1)).await;
    rich.send(Kind::HELLO, Flags::NONE, 0, &most, b"").await;
    for n in 1..=100 {
        assert_eq!(rich.frame().await.unwrap().kind, Kind::REQUEST, "call {n}");
    }
    bystander.finish().await;
}

/// What may be skipped may be skipped before the HELLO too, but not without end.
#[tokio::test(start_paused = true)]
async fn frames_that_may_be_skipped_do_not_put_off_the_hello() {
    let goaway = refused_at_once(&header(0, 0x90, 0, 0, 0).repeat(11_000)).await;
    assert_eq!(goaway.code, LIMIT);
    assert!(goaway.message.contains("frames that carry nothing"), "{}", goaway.message);

    let world = world().await;
    let start = tokio::time::Instant::now();
    let mut raw = world.raw().await;
    raw.write(&preface::encode(1)).await;
    while world.net.connections("a") > 0 && start.elapsed() < Duration::from_secs(60) {
        raw.write(&header(0, 0x90, 0, 0, 0)).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        if start.elapsed() >= Duration::from_secs(10) {
            break;
        }
    }
    raw.expect_preface().await;
    assert_eq!(raw.goaway().await.code, SILENT);
    assert!(start.elapsed() < Duration::from_secs(12), "{:?}", start.elapsed());
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
    let bystander = Bystander::beside(&world).await;
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
    bystander.finish().await;
}

mod tenant {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use rpc_core::{Status, service};

    /// The service that moves in where another was. Its method is called as one of the other's.
    #[service(name = "test.Tenant")]
    pub(super) trait Tenant {
        async fn echo(&self, text: String) -> Result<String, Status>;
    }

    #[derive(Default)]
    pub(super) struct Any(pub(super) Arc<AtomicUsize>);

    impl Tenant for Any {
        async fn echo(&self, text: String) -> Result<String, Status> {
            self.0.fetch_add(1, Ordering::SeqCst);
            Ok(format!("the tenant says {text}"))
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_address_reused_by_another_service_gets_no_call_of_the_one_before() {
    use tenant::{Any, Tenant, TenantClient, TenantServer};

    let net = Network::new();
    let (_, first) = common::serve(&net, "a", |server| server).await;
    let (_, second) = common::serve(&net, "b", |server| server).await;
    let both = common::client(&net, "mem://a,mem://b").await;
    let only = common::client(&net, "mem://a").await;
    for n in 0..10 {
        assert_eq!(both.echo(format!("{n}")).await.unwrap(), format!("{n}"));
    }
    assert_eq!(only.echo("x".into()).await.unwrap(), "x");

    first.drain().await;
    let listener = net.listen("a").unwrap();
    let counted = Any::default();
    let calls = counted.0.clone();
    rpc_core::Server::builder().add(TenantServer::new(counted)).listen_on(listener).await.unwrap();
    let tenant = TenantClient::builder().network(&net).connect("mem://a").await.unwrap();
    for n in 0..100 {
        // Who knows another node goes there, and loses nothing, nor time.
        let start = tokio::time::Instant::now();
        assert_eq!(both.echo(format!("{n}")).await.unwrap(), format!("{n}"));
        assert!(start.elapsed() < Duration::from_millis(500), "{:?}", start.elapsed());
        // Who is meant by the address now is answered.
        assert_eq!(tenant.echo("hi".into()).await.unwrap(), "the tenant says hi");
        assert_eq!(calls.load(Ordering::SeqCst), n + 1, "nobody else's call ran");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // Who knows none is told that nothing ran, and why.
    let status = only.echo("x".into()).await.unwrap_err();
    assert_eq!((status.code(), status.executed()), (Code::Unavailable, Executed::No), "{status}");
    let why = "does not offer `test.Lab`; it offers test.Tenant";
    assert!(status.message().contains(why), "{status}");
    assert!(status.is_safe_to_retry());
    assert_eq!(second.in_flight(), 0);
}
