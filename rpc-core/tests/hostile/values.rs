//! Values that are small as bytes and large or deep as values, in every format that reads through
//! serde, as arguments and as answers.

use rpc_core::{Server, Status, service};
use serde::{Deserialize, Serialize};

use super::*;

#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Tree {
    Leaf,
    Branch(Vec<Tree>),
    Link { next: Option<Box<Tree>> },
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Empty {}

#[service(name = "test.Values", formats(MessagePack, Json, Cbor, Postcard))]
trait Values {
    async fn tree(&self, tree: Tree) -> Result<(), Status>;
    async fn units(&self, units: Vec<()>) -> Result<u64, Status>;
    async fn empties(&self, empties: Vec<Empty>) -> Result<u64, Status>;
    async fn echo(&self, text: String) -> Result<String, Status>;
    async fn grow(&self) -> Result<Tree, Status>;
    async fn count(&self) -> Result<Vec<Empty>, Status>;
}

/// How often a handler ran that should not have.
#[derive(Default)]
struct Naive(std::sync::atomic::AtomicUsize);

impl Naive {
    fn ran<T>(&self, value: T) -> Result<T, Status> {
        self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        Ok(value)
    }
}

impl Values for Naive {
    async fn tree(&self, _: Tree) -> Result<(), Status> {
        self.ran(())
    }

    async fn units(&self, units: Vec<()>) -> Result<u64, Status> {
        self.ran(units.len() as u64)
    }

    async fn empties(&self, empties: Vec<Empty>) -> Result<u64, Status> {
        self.ran(empties.len() as u64)
    }

    async fn echo(&self, text: String) -> Result<String, Status> {
        Ok(text)
    }

    async fn grow(&self) -> Result<Tree, Status> {
        self.ran(Tree::Leaf)
    }

    async fn count(&self) -> Result<Vec<Empty>, Status> {
        self.ran(Vec::new())
    }
}

/// A message of several frames.
async fn send(raw: &mut Raw, method: &str, format: &str, body: &[u8]) -> u64 {
    let id = raw.next_id();
    let mut head = RequestHead::new(method);
    head.format = format;
    let mut pieces = body.chunks(32_768).peekable();
    let mut kind = Kind::REQUEST;
    while let Some(piece) = pieces.next() {
        let flags = if pieces.peek().is_some() { Flags::MORE } else { Flags::END };
        if kind == Kind::REQUEST {
            raw.send(kind, flags, id, &head, piece).await;
        } else {
            raw.send(kind, flags, id, &NoHead, piece).await;
        }
        kind = Kind::DATA;
    }
    id
}

const MANY: usize = 1_200_000;
const DEEP: usize = 100_000;

/// One argument by the name of `name`, of which `value` is left open.
fn argument(format: &str, name: &str, value: Vec<u8>) -> Vec<u8> {
    let name = name.as_bytes();
    let len = u8::try_from(name.len()).unwrap();
    let before = match format {
        "json" => [b"{\"", name, b"\":"].concat(),
        "msgpack" => [&[0x81, 0xA0 | len], name].concat(),
        "cbor" => [&[0xA1, 0x60 | len], name].concat(),
        _ => Vec::new(), // Postcard has no names.
    };
    [before, value].concat()
}

/// Containers inside containers, a hundred thousand of them.
fn nesting_bombs(format: &str) -> Vec<Vec<u8>> {
    match format {
        "json" => vec![b"{\"Branch\":[".repeat(DEEP), b"{\"Link\":{\"next\":".repeat(DEEP)],
        "msgpack" => vec![
            b"\x81\xA6Branch\x91".repeat(DEEP),
            b"\x81\xA4Link\x81\xA4next".repeat(DEEP),
            vec![0x91; DEEP],
        ],
        "cbor" => vec![
            b"\xA1\x66Branch\x81".repeat(DEEP),
            b"\xA1\x64Link\xA1\x64next".repeat(DEEP),
            vec![0x9F; DEEP],
            vec![0xC6; DEEP],
        ],
        _ => vec![b"\x01\x01".repeat(DEEP), b"\x02\x01".repeat(DEEP)],
    }
}

/// More than a million values that take no room.
fn units(format: &str) -> Vec<u8> {
    let many = u32::try_from(MANY).unwrap().to_be_bytes();
    match format {
        // Five bytes each, of which a message has room for fewer than are allowed: see `empties`.
        "json" => [&b"["[..], &b"null,".repeat(800_000), b"null]}"].concat(),
        "msgpack" => [&[0xDD][..], &many, &[0xC0; MANY]].concat(),
        "cbor" => [&[0x9A][..], &many, &[0x80; MANY]].concat(),
        _ => vec![0xFF, 0xFF, 0xFF, 0xFF, 0x0F],
    }
}

fn empties(format: &str) -> Vec<u8> {
    let many = u32::try_from(MANY).unwrap().to_be_bytes();
    match format {
        "json" => [&b"["[..], &b"{},".repeat(MANY), b"{}]}"].concat(),
        "msgpack" => [&[0xDD][..], &many, &[0x80; MANY]].concat(),
        "cbor" => [&[0x9A][..], &many, &[0xA0; MANY]].concat(),
        _ => vec![0xFF, 0xFF, 0xFF, 0xFF, 0x0F],
    }
}

/// The same as an answer: a value without a name before it.
fn alone(format: &str, mut value: Vec<u8>) -> Vec<u8> {
    if format == "json" && value.last() == Some(&b'}') {
        value.pop();
    }
    value
}

const FORMATS: [&str; 4] = ["msgpack", "json", "cbor", "postcard"];

async fn check_arguments(format: &'static str) {
    let net = Network::new();
    let listener = net.listen("a").unwrap();
    let server = Server::builder().add(ValuesServer::new(Naive::default()));
    let server = server.listen_on(listener).await.unwrap();
    let good = ValuesClient::builder().network(&net).format(format).connect("mem://a");
    let good = good.await.unwrap();
    let mut raw = Raw::dial(&net, "a").await.greet().await;

    let deep =
        nesting_bombs(format).into_iter().map(|bomb| ("tree", argument(format, "tree", bomb)));
    let many = [
        ("units", argument(format, "units", units(format))),
        ("empties", argument(format, "empties", empties(format))),
    ];
    for (method, body) in deep.chain(many) {
        let id = send(&mut raw, &format!("test.Values/{method}"), format, &body).await;
        // Beside it, on another connection.
        assert_eq!(good.echo("beside".into()).await.unwrap(), "beside");
        let (answered, code, message, body) = raw.response().await;
        assert_eq!(answered, id);
        if (format, method) == ("json", "units") {
            assert_eq!((code, &body[..]), (Code::Ok, &b"800001"[..]), "{message}");
        } else {
            assert_eq!(code, Code::InvalidArgument, "{format} {method}: {message}");
            assert!(message.contains("could not be decoded"), "{format} {method}: {message}");
        }
        // Behind it, on the same one.
        let args = match format {
            "json" => &b"{\"text\":\"x\"}"[..],
            "msgpack" => b"\x81\xA4text\xA1x",
            "cbor" => b"\xA1\x64text\x61x",
            _ => b"\x01x",
        };
        let id = send(&mut raw, "test.Values/echo", format, args).await;
        let (answered, code, message, _) = raw.response().await;
        assert_eq!((answered, code), (id, Code::Ok), "{message}");
    }
    assert_eq!(server.in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn nesting_bombs_and_zero_size_floods_are_the_callers_fault_in_every_format() {
    for format in FORMATS {
        check_arguments(format).await;
    }
}

async fn check_answers(format: &'static str) {
    let net = Network::new();
    let mut listener = net.listen("evil").unwrap();
    let lab = ValuesClient::builder().network(&net).format(format).connect("mem://evil");
    let lab = lab.await.unwrap();
    let first = tokio::spawn({
        let lab = lab.clone();
        async move { lab.tree(Tree::Leaf).await }
    });
    let mut raw = Raw::over(listener.accept().await.unwrap());
    raw.expect_greeting().await;
    raw.write(&preface::encode(1)).await;
    raw.send(Kind::HELLO, Flags::NONE, 0, &hello(), b"").await;
    // `()` in each format.
    let nothing = match format {
        "json" => &b"null"[..],
        "msgpack" => b"\xC0",
        "cbor" => b"\x80",
        _ => b"",
    };
    let id = raw.frame().await.unwrap().call;
    raw.send(Kind::RESPONSE, Flags::END, id, &NoHead, nothing).await;
    first.await.unwrap().unwrap();

    let deep = nesting_bombs(format).into_iter().map(|bomb| (true, bomb));
    let many = std::iter::once((false, alone(format, empties(format))));
    for (is_tree, bomb) in deep.chain(many) {
        let call = tokio::spawn({
            let lab = lab.clone();
            async move { if is_tree { lab.grow().await.map(drop) } else { lab.count().await.map(drop) } }
        });
        let id = loop {
            let frame = raw.frame().await.unwrap();
            if frame.kind == Kind::REQUEST {
                break frame.call;
            }
        };
        let mut pieces = bomb.chunks(32_768).peekable();
        while let Some(piece) = pieces.next() {
            if pieces.peek().is_some() {
                raw.send(Kind::DATA, Flags::MORE, id, &NoHead, piece).await;
            } else {
                raw.send(Kind::RESPONSE, Flags::END, id, &NoHead, piece).await;
            }
        }
        let status = call.await.unwrap().unwrap_err();
        assert_eq!(status.code(), Code::Internal, "{format}: {status}");
        assert!(status.message().contains("the answer could not be decoded"), "{status}");

        // Behind it, on the same connection.
        let good = tokio::spawn({
            let lab = lab.clone();
            async move { lab.tree(Tree::Leaf).await }
        });
        let id = loop {
            let frame = raw.frame().await.unwrap();
            if frame.kind == Kind::REQUEST {
                break frame.call;
            }
        };
        raw.send(Kind::RESPONSE, Flags::END, id, &NoHead, nothing).await;
        good.await.unwrap().unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn nesting_bombs_and_zero_size_floods_fail_their_own_call_only_in_every_format() {
    for format in FORMATS {
        check_answers(format).await;
    }
}
