//! The dumps in `docs/PROTOCOL.md` are what this crate writes, to the byte and to the comment.
//!
//! `BLESS=1 cargo test -p rpc-codec --test protocol_page` writes those that are there anew.

use std::borrow::Cow;
use std::fmt::Write;
use std::path::Path;
use std::sync::LazyLock;
use std::{env, fs};

use bytes::{Buf, Bytes, BytesMut};
use prost_reflect::DescriptorPool;
use rpc_codec::format::{Format, Json, MessagePack};
use rpc_codec::{
    Cancel, Code, Credit, Detail, Executed, Flags, Frame, FrameCodec, Goaway, HEADER_LEN, Head,
    Header, Hello, Kind, Load, Metadata, NoHead, Origin, RequestHead, ResponseHead, preface,
    put_frame,
};
use serde::{Deserialize, Serialize};
use tokio_util::codec::Decoder;

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/PROTOCOL.md");

/// The first, second, .. call of the page's connection. Each is over when the next begins, and so
/// all have slot 0.
const fn call(sequence: u64) -> u64 {
    sequence << 20
}

/// Every block of the page, in its order there.
fn blocks() -> Vec<(&'static str, Dump)> {
    vec![
        ("preface", Dump::Bytes(preface::encode(preface::VERSION).to_vec())),
        ("client-hello", client_hello()),
        ("server-hello", server_hello()),
        ("request-json", request_json(false)),
        ("response-ok", response_ok()),
        ("request-msgpack", request_msgpack()),
        ("response-loaded", response_loaded()),
        ("request-metadata", request_metadata()),
        ("response-error", response_error()),
        ("response-typed-error", response_typed_error()),
        ("response-refused", response_refused()),
        ("request-oneway", request_oneway()),
        ("request-big", request_big()),
        ("response-big", response_big()),
        ("credit", one(Kind::CREDIT, Flags::NONE, 0, &Credit { bytes: 40_000 }, b"")),
        ("stream-items", stream_items()),
        ("stream-end", one(Kind::RESPONSE, Flags::END, call(9), &ResponseHead::default(), b"")),
        ("stream-credit", one(Kind::CREDIT, Flags::NONE, call(9), &Credit { bytes: 8 }, b"")),
        ("cancel", one(Kind::CANCEL, Flags::NONE, call(7), &Cancel { code: 1 }, b"")),
        ("response-cancelled", response_cancelled()),
        ("request-checksum", request_json(true)),
        ("ping", one(Kind::PING, Flags::NONE, 0, &NoHead, b"12345678")),
        ("pong", one(Kind::PONG, Flags::NONE, 0, &NoHead, b"12345678")),
        ("goaway", goaway()),
        ("version", version()),
        ("ignorable", ignorable()),
    ]
}

fn client_hello() -> Dump {
    let hello = Hello {
        version: 1,
        max_frame_bytes: 65_536,
        max_message_bytes: 4 << 20,
        connection_credit: 16 << 20,
        stream_credit: 65_536,
        max_calls: 1024,
        compressions: vec!["lz4".to_owned(), "zstd".to_owned()],
        peer_name: "checkout-1".to_owned(),
        service: "shop.Inventory".to_owned(),
        ..Hello::default()
    };
    one(Kind::HELLO, Flags::NONE, 0, &hello, b"")
}

fn server_hello() -> Dump {
    let hello = Hello {
        version: 1,
        max_frame_bytes: 65_536,
        max_message_bytes: 4 << 20,
        connection_credit: 16 << 20,
        stream_credit: 65_536,
        max_calls: 1024,
        formats: vec!["msgpack".to_owned(), "json".to_owned()],
        peer_name: "shop-1".to_owned(),
        ..Hello::default()
    };
    one(Kind::HELLO, Flags::NONE, 0, &hello, b"")
}

#[derive(Serialize, Deserialize)]
struct PriceArgs {
    sku: String,
}

fn price_args<F: Format<PriceArgs>>() -> Bytes {
    encoded::<F, _>(&PriceArgs { sku: "A-17".to_owned() })
}

fn encoded<F: Format<T>, T>(value: &T) -> Bytes {
    let mut body = BytesMut::new();
    F::encode(value, &mut body).expect("it can be written");
    body.freeze()
}

fn request_json(checksum: bool) -> Dump {
    let mut head = RequestHead::new("shop.Inventory/price");
    head.format = "json";
    head.timeout_us = Some(200_000);
    let flags = if checksum { Flags::END | Flags::CHECKSUM } else { Flags::END };
    one(Kind::REQUEST, flags, call(1), &head, &price_args::<Json>())
}

fn response_ok() -> Dump {
    let body = encoded::<Json, _>(&4999u64);
    one(Kind::RESPONSE, Flags::END, call(1), &ResponseHead::default(), &body)
}

fn request_msgpack() -> Dump {
    let head = RequestHead::new("shop.Inventory/price");
    one(Kind::REQUEST, Flags::END, call(2), &head, &price_args::<MessagePack>())
}

fn response_loaded() -> Dump {
    let load = Some(Load { in_flight: 3, utilization_permille: 250 });
    let head = ResponseHead { load, ..ResponseHead::default() };
    one(Kind::RESPONSE, Flags::END, call(2), &head, &encoded::<MessagePack, _>(&4999u64))
}

fn request_metadata() -> Dump {
    let mut metadata = Metadata::new();
    metadata.insert("tenant", "eu").expect("it is a key");
    let mut head = RequestHead::new("shop.Inventory/price");
    head.format = "json";
    head.attempt = 1;
    head.trace_parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    head.metadata = Cow::Owned(metadata);
    one(Kind::REQUEST, Flags::END, call(3), &head, &price_args::<Json>())
}

fn response_error() -> Dump {
    let details = [Detail { type_name: "shop.Sku".to_owned(), value: Bytes::from_static(b"A-17") }];
    let head = ResponseHead {
        code: Code::NotFound,
        message: "no article `A-17`".into(),
        details: Cow::Borrowed(&details),
        executed: Executed::Yes,
        ..ResponseHead::default()
    };
    one(Kind::RESPONSE, Flags::END, call(3), &head, b"")
}

#[derive(Serialize, Deserialize)]
enum ReserveError {
    OutOfStock { left: u32 },
}

fn response_typed_error() -> Dump {
    let head = ResponseHead {
        code: Code::FailedPrecondition,
        message: "out of stock, 2 left".into(),
        typed: true,
        executed: Executed::Yes,
        ..ResponseHead::default()
    };
    let body = encoded::<Json, _>(&ReserveError::OutOfStock { left: 2 });
    one(Kind::RESPONSE, Flags::END, call(4), &head, &body)
}

fn response_refused() -> Dump {
    let head = ResponseHead {
        code: Code::ResourceExhausted,
        message: "the server's limit of 20/s (burst 5): retry in 50ms".into(),
        retry_after_us: Some(50_000),
        executed: Executed::No,
        origin: Origin::Framework,
        refused_by: "limit".into(),
        ..ResponseHead::default()
    };
    one(Kind::RESPONSE, Flags::END, call(5), &head, b"")
}

fn request_oneway() -> Dump {
    let mut head = RequestHead::new("shop.Inventory/viewed");
    head.format = "json";
    head.oneway = true;
    one(Kind::REQUEST, Flags::END, call(6), &head, &price_args::<Json>())
}

fn response_cancelled() -> Dump {
    let head = ResponseHead {
        code: Code::Cancelled,
        message: "the call was cancelled".into(),
        origin: Origin::Framework,
        ..ResponseHead::default()
    };
    one(Kind::RESPONSE, Flags::END, call(7), &head, b"")
}

fn request_big() -> Dump {
    let mut head = RequestHead::new("shop.Pictures/store");
    head.format = "raw";
    let body = vec![b'a'; 40_000];
    let (first, rest) = body.split_at(rpc_codec::BIG_MESSAGE_BYTES);
    Dump::Frames(vec![
        frame(Kind::REQUEST, Flags::MORE, call(8), &head, first),
        frame(Kind::DATA, Flags::END, call(8), &NoHead, rest),
    ])
}

fn response_big() -> Dump {
    let body = vec![b'b'; 40_000];
    let (first, rest) = body.split_at(rpc_codec::BIG_MESSAGE_BYTES);
    Dump::Frames(vec![
        frame(Kind::DATA, Flags::MORE, call(8), &NoHead, first),
        frame(Kind::RESPONSE, Flags::END, call(8), &ResponseHead::default(), rest),
    ])
}

fn stream_items() -> Dump {
    let item = |price: u64| encoded::<Json, _>(&price);
    Dump::Frames(vec![
        frame(Kind::DATA, Flags::NONE, call(9), &NoHead, &item(4999)),
        frame(Kind::DATA, Flags::NONE, call(9), &NoHead, &item(5100)),
    ])
}

fn ignorable() -> Dump {
    one(Kind(0x8A), Flags::NONE, 0, &NoHead, b"from the future")
}

fn goaway() -> Dump {
    let goaway =
        Goaway { last_call: call(9), code: 6, message: "the connection is old".to_owned() };
    one(Kind::GOAWAY, Flags::NONE, 0, &goaway, b"")
}

fn version() -> Dump {
    let message = "the peer speaks version 2 of the protocol, this end version 1".to_owned();
    one(Kind::GOAWAY, Flags::NONE, 0, &Goaway { last_call: 0, code: 5, message }, b"")
}

/// What a block shows.
enum Dump {
    Bytes(Vec<u8>),
    Frames(Vec<BytesMut>),
}

fn one<H: Head>(kind: Kind, flags: Flags, call: u64, head: &H, body: &[u8]) -> Dump {
    Dump::Frames(vec![frame(kind, flags, call, head, body)])
}

fn frame<H: Head>(kind: Kind, flags: Flags, call: u64, head: &H, body: &[u8]) -> BytesMut {
    let mut bytes = BytesMut::new();
    put_frame(&mut bytes, kind, flags, call, head, body, false).expect("its head is small");
    bytes
}

impl Dump {
    fn render(&self) -> String {
        let mut out = String::new();
        match self {
            Self::Bytes(bytes) => put_line(&mut out, bytes, ""),
            Self::Frames(frames) => frames.iter().for_each(|frame| put_dump(&mut out, frame)),
        }
        out
    }
}

/// One line each for the header and the fields of the head, some for the body.
fn put_dump(out: &mut String, bytes: &[u8]) {
    let (header_bytes, payload) = bytes.split_first_chunk::<HEADER_LEN>().expect("a whole frame");
    let header = Header::parse(header_bytes);
    put_line(out, header_bytes, &describe(&header));
    let (head, body) = payload.split_at(header.head_len.into());
    put_head(out, header.kind, head);
    let checksum_len = if header.flags.contains(Flags::CHECKSUM) { 4 } else { 0 };
    let (body, checksum) = body.split_at(body.len() - checksum_len);
    put_body(out, body);
    put_line(out, checksum, "CRC32C");
}

fn describe(header: &Header) -> String {
    const NAMES: [(Flags, &str); 3] =
        [(Flags::MORE, ", MORE"), (Flags::END, ", END"), (Flags::CHECKSUM, ", CHECKSUM")];
    let set = NAMES.iter().filter(|(flag, _)| header.flags.contains(*flag));
    let flags: String = set.map(|(_, name)| *name).collect();
    let kind = if header.kind.is_known() {
        format!("{:?}", header.kind)
    } else {
        format!("kind {:#x}", header.kind.0)
    };
    let Header { payload_len, head_len, call, .. } = header;
    format!("{kind}{flags}, payload {payload_len}, head {head_len}, call {call:#x}")
}

fn put_head(out: &mut String, kind: Kind, mut head: &[u8]) {
    while !head.is_empty() {
        let start = head;
        let key = varint(&mut head);
        let number = u32::try_from(key >> 3).expect("fields have small numbers");
        let field = field_name(kind, number);
        let comment = match key & 7 {
            0 => format!("{field}: {}", varint(&mut head)),
            2 => {
                let len = usize::try_from(varint(&mut head)).expect("heads are small");
                let value = &head[..len];
                head.advance(len);
                match std::str::from_utf8(value) {
                    Ok(text) if !text.contains(char::is_control) => format!("{field}: \"{text}\""),
                    _ => format!("{field}: a message of {len} bytes"),
                }
            }
            other => panic!("no head has fields of wire type {other}"),
        };
        put_line(out, &start[..start.len() - head.len()], &comment);
    }
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = bytes.get_u8();
        value |= u64::from(byte & 0x7F) << shift;
        if byte & 0x80 == 0 {
            break;
        }
    }
    value
}

/// A field's name in `wire.proto`.
fn field_name(kind: Kind, number: u32) -> String {
    static WIRE: LazyLock<DescriptorPool> = LazyLock::new(|| {
        let proto = Path::new(env!("CARGO_MANIFEST_DIR")).join("proto");
        let files = protox::compile(["wire.proto"], [proto]).expect("wire.proto compiles");
        DescriptorPool::from_file_descriptor_set(files).expect("wire.proto is whole")
    });
    let message = match kind {
        Kind::HELLO => "Hello",
        Kind::REQUEST => "RequestHead",
        Kind::RESPONSE => "ResponseHead",
        Kind::CREDIT => "Credit",
        Kind::CANCEL => "Cancel",
        Kind::GOAWAY => "Goaway",
        other => panic!("{other:?} has no head"),
    };
    let message = WIRE.get_message_by_name(&format!("rpc.wire.v1.{message}"));
    let field = message.and_then(|message| message.get_field(number));
    field.expect("wire.proto has every field").name().to_owned()
}

/// A body; one of a single repeated byte is written short.
fn put_body(out: &mut String, body: &[u8]) {
    match body.first() {
        Some(first) if body.len() > 100 && body.iter().all(|byte| byte == first) => {
            let short = format!("{first:02x} * {}", body.len());
            writeln!(out, "{short:<COLUMN$}# body").expect("strings take all");
        }
        _ => {
            let text: String = body
                .iter()
                .map(|byte| if (b' '..=b'~').contains(byte) { char::from(*byte) } else { '.' })
                .collect();
            put_line(out, body, &format!("body: {text}"));
        }
    }
}

/// Where comments begin: 16 bytes take 47 columns.
const COLUMN: usize = 49;

fn put_line(out: &mut String, bytes: &[u8], comment: &str) {
    for (at, chunk) in bytes.chunks(16).enumerate() {
        let hex: Vec<String> = chunk.iter().map(|byte| format!("{byte:02x}")).collect();
        let hex = hex.join(" ");
        let comment = if at == 0 && !comment.is_empty() { comment } else { "" };
        let comment = if comment.is_empty() { String::new() } else { format!("# {comment}") };
        writeln!(out, "{}", format!("{hex:<COLUMN$}{comment}").trim_end())
            .expect("strings take all");
    }
}

/// The page's blocks: what stands between "```hex name" and "```".
fn stated(page: &str) -> Vec<(String, String)> {
    let mut blocks: Vec<(String, String)> = Vec::new();
    let mut inside = false;
    for line in page.lines() {
        match (inside, line.strip_prefix("```hex ")) {
            (false, Some(name)) => {
                blocks.push((name.to_owned(), String::new()));
                inside = true;
            }
            (true, _) if line == "```" => inside = false,
            (true, _) => {
                let (_, text) = blocks.last_mut().expect("a block is open");
                text.push_str(line);
                text.push('\n');
            }
            (false, None) => {}
        }
    }
    blocks
}

/// The bytes a block shows, as a reader who knows the notation takes them.
fn read(block: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for line in block.lines() {
        let hex = line.split('#').next().unwrap_or_default().trim();
        let byte = |text: &str| u8::from_str_radix(text, 16).expect("two hex digits");
        match hex.split_once(" * ") {
            Some((one, times)) => {
                let times = times.parse().expect("a number of times");
                bytes.extend(std::iter::repeat_n(byte(one), times));
            }
            None => bytes.extend(hex.split_whitespace().map(byte)),
        }
    }
    bytes
}

#[test]
fn every_dump_of_the_page_is_what_the_code_writes() {
    let page = fs::read_to_string(PATH).expect("docs/PROTOCOL.md is there");
    let expected: Vec<(String, String)> =
        blocks().iter().map(|(name, dump)| ((*name).to_owned(), dump.render())).collect();
    if env::var_os("BLESS").is_some() {
        bless(&page, &expected);
        return;
    }
    let names = |blocks: &[(String, String)]| -> Vec<String> {
        blocks.iter().map(|(name, _)| name.clone()).collect()
    };
    let stated = stated(&page);
    assert_eq!(names(&stated), names(&expected), "the page's blocks and those there should be");
    for ((name, stated), (_, expected)) in stated.iter().zip(&expected) {
        assert_eq!(stated, expected, "block {name}; it should be\n{expected}");
    }
}

fn bless(page: &str, blocks: &[(String, String)]) {
    let mut page = page.to_owned();
    for (name, text) in blocks {
        let fence = format!("```hex {name}\n");
        let start = page.find(&fence).unwrap_or_else(|| panic!("the page has no block {name}"));
        let start = start + fence.len();
        let end = start + page[start..].find("```").expect("the block ends");
        page.replace_range(start..end, text);
    }
    fs::write(PATH, page).expect("docs/PROTOCOL.md can be written");
}

/// The page's exchange, read from the page alone.
#[test]
fn every_dump_of_the_page_is_read_back() {
    if env::var_os("BLESS").is_some() {
        return; // The page is being written.
    }
    let page = fs::read_to_string(PATH).expect("docs/PROTOCOL.md is there");
    let mut codec = FrameCodec::new(65_536);
    let mut kinds = Vec::new();
    for ((name, text), (_, dump)) in stated(&page).iter().zip(blocks()) {
        let bytes = read(text);
        let Dump::Frames(frames) = dump else {
            let preface = bytes[..].try_into().expect("eight bytes");
            assert_eq!(preface::parse(&preface), Ok(1));
            continue;
        };
        assert!(bytes == frames.concat(), "block {name} is other bytes than it should be");
        let mut bytes = BytesMut::from(&bytes[..]);
        while let Some(frame) = codec.decode(&mut bytes).expect("it is a frame") {
            check_head(&frame);
            kinds.push(frame.kind);
        }
        assert!(bytes.is_empty(), "block {name} ends in the middle of a frame");
    }
    assert_eq!(codec.skipped(), 1, "the ignorable frame");
    for kind in 1..=9 {
        assert!(kinds.contains(&Kind(kind)), "no block shows a {:?}", Kind(kind));
    }
}

fn check_head(frame: &Frame) {
    let head = &frame.head;
    match frame.kind {
        Kind::HELLO => Hello::decode(head).map(drop),
        Kind::REQUEST => RequestHead::decode(head).map(drop),
        Kind::RESPONSE => ResponseHead::decode(head).map(drop),
        Kind::CREDIT => Credit::decode(head).map(drop),
        Kind::CANCEL => Cancel::decode(head).map(drop),
        Kind::GOAWAY => Goaway::decode(head).map(drop),
        _ => {
            assert!(head.is_empty());
            Ok(())
        }
    }
    .expect("its head is read");
}

/// Numbers that the page states in words.
#[test]
fn the_page_states_the_limits_of_the_code() {
    let page = fs::read_to_string(PATH).expect("docs/PROTOCOL.md is there");
    let number = |number: u64| {
        let digits = number.to_string();
        let groups: Vec<&str> = digits
            .as_bytes()
            .rchunks(3)
            .rev()
            .map(|three| std::str::from_utf8(three).expect("digits"))
            .collect();
        groups.join(",")
    };
    for (name, limit) in [
        ("max_frame_bytes", u64::from(rpc_codec::floor::MAX_FRAME_BYTES)),
        ("max_message_bytes", rpc_codec::BIG_MESSAGE_BYTES as u64),
        ("max_calls", u64::from(rpc_codec::floor::MAX_CALLS)),
        ("stream_credit", rpc_codec::floor::STREAM_CREDIT),
    ] {
        let row = format!("| `{name}` | {} |", number(limit));
        assert!(page.contains(&row), "expected a row {row}");
    }
    for (what, limit) in [
        ("a head", rpc_codec::MAX_HEAD_BYTES),
        ("the body of one frame", rpc_codec::BIG_MESSAGE_BYTES),
        ("a method path", rpc_codec::MAX_METHOD_BYTES),
        ("metadata, keys and values together", Metadata::MAX_BYTES),
    ] {
        let row = format!("| {what} | {} bytes |", number(limit as u64));
        assert!(page.contains(&row), "expected a row {row}");
    }
    let row = format!("| metadata entries | {} |", Metadata::MAX_ENTRIES);
    assert!(page.contains(&row), "expected a row {row}");
    for code in 0..=16 {
        let name = Code::from_number(code).name();
        assert!(page.contains(&format!("| {code} | {name} |")), "code {code} {name}");
    }
}
