//! Calls that make no sense. They are answered, and the connection lives where it can.

use super::*;

/// A bad peer that is well greeted, and a good one beside it.
struct Caller {
    world: World,
    bystander: Bystander,
    raw: Raw,
}

impl Caller {
    async fn new() -> Self {
        let world = world().await;
        let bystander = Bystander::beside(&world).await;
        let raw = world.raw().await.greet().await;
        Self { world, bystander, raw }
    }

    /// Sends a bad call between two good ones and checks what each is answered.
    async fn call(&mut self, head: &(dyn Head + Sync), body: &[u8], code: Code, says: &str) {
        good_call(&mut self.raw).await;
        let id = self.raw.next_id();
        self.raw.send(Kind::REQUEST, Flags::END, id, head, body).await;
        let (answered, got, message, _) = self.raw.response().await;
        assert_eq!((answered, got), (id, code), "{message}");
        assert!(message.contains(says), "{message}");
        good_call(&mut self.raw).await;
    }

    async fn finish(self) {
        // One is the bystander's, which may be in flight.
        assert!(self.world.server.in_flight() <= 1);
        self.bystander.finish().await;
        assert_eq!(self.world.server.in_flight(), 0);
    }
}

fn head(method: &'static str, format: &'static str) -> RequestHead<'static> {
    let mut head = RequestHead::new(method);
    head.format = format;
    head
}

/// A good head for `echo`, and bytes behind it.
fn head_and(bytes: &[u8]) -> Garbage {
    let mut encoded = BytesMut::new();
    head(ECHO, "json").encode(&mut encoded);
    encoded.extend_from_slice(bytes);
    Garbage(encoded.to_vec())
}

const ECHO: &str = "test.Lab/echo";

#[tokio::test(start_paused = true)]
async fn duplicate_and_decreasing_call_ids_end_the_connection() {
    for second in [5 << 20, 4 << 20, 1] {
        let world = world().await;
        let bystander = Bystander::beside(&world).await;
        let mut raw = world.raw().await.greet().await;
        let mut head = RequestHead::new("test.Lab/echo");
        head.format = "json";
        raw.send(Kind::REQUEST, Flags::END, 5 << 20, &head, br#"{"text":"x"}"#).await;
        assert_eq!(raw.response().await.0, 5 << 20, "the good call before it is answered");
        raw.send(Kind::REQUEST, Flags::END, second, &head, br#"{"text":"x"}"#).await;
        let goaway = raw.goaway().await;
        assert_eq!((goaway.code, goaway.last_call), (PROTOCOL, 5 << 20));
        bystander.finish().await;
    }
}

#[tokio::test(start_paused = true)]
async fn unknown_services_methods_and_formats_are_named() {
    let mut peer = Caller::new().await;
    peer.call(&head("x.Y/z", "json"), b"{}", Code::Unimplemented, "unknown service `x.Y`").await;
    peer.call(&head("test.Lab/z", "json"), b"{}", Code::Unimplemented, "unknown method `z`").await;
    let nameless = head("test.Lab", "json");
    peer.call(&nameless, b"{}", Code::Unimplemented, "").await;
    peer.call(&head("/", "json"), b"{}", Code::Unimplemented, "").await;
    peer.call(&head(ECHO, "yaml"), b"text: x", Code::Unimplemented, "unknown format `yaml`").await;
    peer.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_garbage_head_is_the_callers_fault() {
    let mut peer = Caller::new().await;
    let bad = Code::InvalidArgument;
    peer.call(&Garbage(vec![0xFF; 9]), b"", bad, "bad request head").await;
    peer.call(&Garbage(vec![0xFF; 10_000]), b"", bad, "bad request head").await;
    peer.call(&Garbage(vec![0x0A, 0x7F]), b"", bad, "ends in the middle of a field").await;
    peer.call(&Garbage(vec![0x0B]), b"", bad, "wire type 3").await;
    peer.call(&NoHead, b"", bad, "a method path of 1 to 255 bytes").await;
    let long = [&[0x0A, 0x80, 0x02][..], &[b'x'; 256]].concat();
    peer.call(&Garbage(long), b"", bad, "a method path of 1 to 255 bytes").await;
    peer.call(&Garbage(vec![0x0A, 1, 0xFF]), b"", bad, "is not UTF-8").await;
    peer.call(&head_and(&[0x18, 9]), b"", bad, "expected a compression").await;
    peer.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_value_that_fails_to_decode_is_the_callers_fault() {
    let mut peer = Caller::new().await;
    let bad = Code::InvalidArgument;
    peer.call(&head(ECHO, "json"), b"{", bad, "bad json").await;
    peer.call(&head(ECHO, "json"), b"", bad, "bad json").await;
    peer.call(&head(ECHO, "json"), b"{\"text\":7}", bad, "bad json").await;
    peer.call(&head(ECHO, "json"), b"{\"text\":\"x\"} x", bad, "trailing").await;
    peer.call(&head(ECHO, "msgpack"), b"\xC1", bad, "bad msgpack").await;
    peer.call(&head(ECHO, "msgpack"), b"\x81\xA4text\xA1\xFF", bad, "bad msgpack").await;
    // An array that says it has four billion elements.
    let lie = [0x81, 0xA4, b't', b'e', b'x', b't', 0xDD, 0xFF, 0xFF, 0xFF, 0xFF];
    peer.call(&head(ECHO, "msgpack"), &lie, bad, "could not be decoded").await;
    peer.finish().await;
}

#[tokio::test(start_paused = true)]
async fn metadata_over_the_limit_is_the_callers_fault() {
    /// Field 9: a key and a value.
    fn entry(key: &[u8], value_bytes: u16) -> Vec<u8> {
        let low = |number: u16| number.to_le_bytes()[0];
        // Three bytes, whatever the number.
        let varint = |number: u16| [low(number) | 0x80, low(number >> 7) | 0x80, low(number >> 14)];
        let key_bytes = u16::try_from(key.len()).unwrap();
        let mut inside = vec![0x0A];
        inside.extend(varint(key_bytes));
        inside.extend(key);
        inside.push(0x12);
        inside.extend(varint(value_bytes));
        inside.resize(inside.len() + usize::from(value_bytes), b'v');
        let mut entry = vec![0x4A];
        entry.extend(varint(u16::try_from(inside.len()).unwrap()));
        entry.extend(inside);
        entry
    }

    let mut peer = Caller::new().await;
    let says = "metadata of at most 64 entries and 16384 bytes, with keys of 1 to 64 bytes";
    for over in [
        entry(b"k", 0).repeat(65),
        entry(b"k", 8_192).repeat(2),
        entry(b"k", 16_384),
        entry(&[b'k'; 65], 0),
        entry(b"", 1),
        entry(b"Upper", 1),
        entry(b"rpc-own", 1),
    ] {
        peer.call(&head_and(&over), b"{}", Code::InvalidArgument, says).await;
    }
    peer.call(&head_and(&entry(b"\xFF", 1)), b"{}", Code::InvalidArgument, "not UTF-8").await;
    // What just fits is taken.
    for most in [entry(b"k", 1).repeat(64), entry(b"k", 16_383), entry(&[b'k'; 64], 1)] {
        peer.call(&head_and(&most), br#"{"text":"x"}"#, Code::Ok, "").await;
    }
    peer.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_deadline_of_0_is_over_and_one_of_u64_max_is_cut() {
    let mut peer = Caller::new().await;
    let mut over = head(ECHO, "json");
    over.timeout_us = Some(0);
    let late = "over when it arrived";
    peer.call(&over, b"{\"text\":\"x\"}", Code::DeadlineExceeded, late).await;

    for timeout_us in [Some(u64::MAX), Some(u64::MAX - 1), None] {
        let mut endless = head("test.Lab/time_left", "json");
        endless.timeout_us = timeout_us;
        let id = peer.raw.next_id();
        peer.raw.send(Kind::REQUEST, Flags::END, id, &endless, b"{}").await;
        let (_, code, _, body) = peer.raw.response().await;
        assert_eq!((code, &body[..]), (Code::Ok, &b"3600000000"[..]));
    }
    peer.finish().await;
}

/// What peers call that is not there is counted, but no name of theirs is kept.
#[tokio::test(start_paused = true)]
async fn methods_that_peers_make_up_are_not_kept() {
    let mut peer = Caller::new().await;
    let before = peer.world.server.stats().len();
    for n in 0..2_000 {
        let method = format!("test.Lab/made-up-{n}");
        let mut head = RequestHead::new(&method);
        head.format = "json";
        let id = peer.raw.next_id();
        peer.raw.send(Kind::REQUEST, Flags::END, id, &head, b"{}").await;
        assert_eq!(peer.raw.response().await.1, Code::Unimplemented);
    }
    let after = peer.world.server.stats();
    assert!(after.len() <= before + 1, "{} methods", after.len());
    assert!(after.iter().map(|method| method.calls()).sum::<u64>() >= 2_000);
    peer.finish().await;
}
