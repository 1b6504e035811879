//! What the behaviour tests share: a service whose handlers do what a test tells them, a server of
//! it on an in-memory network, and a peer that speaks raw frames.

#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use rpc_codec::{
    Cancel, Credit, Flags, Frame, FrameCodec, Goaway, Head, Hello, Kind, NoHead, RequestHead,
    ResponseHead, floor, preface, put_frame,
};
use rpc_core::server::ServerBuilder;
use rpc_core::testing::Network;
use rpc_core::transport::{Connect, Io};
use rpc_core::{AppError, Context, Error, Server, ServerHandle, Status, service};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{Notify, Semaphore};
use tokio_util::codec::Decoder;

#[service(name = "test.Lab")]
pub trait Lab {
    async fn echo(&self, text: String) -> Result<String, Status>;
    async fn bytes(&self, bytes: Vec<u8>, answer: usize) -> Result<Vec<u8>, Status>;
    /// A text of so many bytes.
    async fn text(&self, answer: usize) -> Result<String, Status>;
    async fn typed(&self, wish: String) -> Result<u32, Error<LabError>>;
    async fn boom(&self) -> Result<(), Status>;
    /// Waits until the test lets it go.
    async fn hold(&self) -> Result<(), Status>;
    /// The same, but may be dropped.
    #[rpc(idempotent)]
    async fn hold_idempotent(&self) -> Result<(), Status>;
    /// Waits until it is told that its caller is gone.
    async fn until_cancelled(&self) -> Result<(), Status>;
    #[rpc(idempotent, timeout = "100ms")]
    async fn impatient(&self) -> Result<(), Status>;
    /// What is left of the caller's time, in microseconds.
    async fn time_left(&self) -> Result<Option<u64>, Status>;
    #[rpc(oneway)]
    async fn note(&self, text: String) -> Result<(), Status>;
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum LabError {
    Odd { by: u32 },
}

impl std::fmt::Display for LabError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("odd")
    }
}

impl std::error::Error for LabError {}
impl AppError for LabError {}

/// Everything a test wants to know of the handlers, and tell them.
#[derive(Debug)]
pub struct Bench {
    pub started: Notify,
    pub release: Semaphore,
    pub finished: AtomicUsize,
    pub dropped: AtomicUsize,
    pub cancelled: Notify,
    pub notes: std::sync::Mutex<Vec<String>>,
    pub noted: Notify,
}

impl Default for Bench {
    fn default() -> Self {
        Self {
            started: Notify::new(),
            release: Semaphore::new(0),
            finished: AtomicUsize::new(0),
            dropped: AtomicUsize::new(0),
            cancelled: Notify::new(),
            notes: std::sync::Mutex::default(),
            noted: Notify::new(),
        }
    }
}

impl Bench {
    pub fn finished(&self) -> usize {
        self.finished.load(Ordering::SeqCst)
    }

    pub fn dropped(&self) -> usize {
        self.dropped.load(Ordering::SeqCst)
    }

    async fn hold(&self) -> Result<(), Status> {
        let mut guard = CountDrop { bench: self, finished: false };
        self.started.notify_one();
        self.release.acquire().await.map_err(|_| Status::aborted("closed"))?.forget();
        guard.finished = true;
        Ok(())
    }
}

struct CountDrop<'a> {
    bench: &'a Bench,
    finished: bool,
}

impl Drop for CountDrop<'_> {
    fn drop(&mut self) {
        let count = if self.finished { &self.bench.finished } else { &self.bench.dropped };
        count.fetch_add(1, Ordering::SeqCst);
    }
}

#[derive(Debug, Clone, Default)]
pub struct Worker(pub Arc<Bench>);

impl Lab for Worker {
    async fn echo(&self, text: String) -> Result<String, Status> {
        Ok(text)
    }

    async fn bytes(&self, bytes: Vec<u8>, answer: usize) -> Result<Vec<u8>, Status> {
        Ok(vec![bytes.first().copied().unwrap_or_default(); answer])
    }

    async fn text(&self, answer: usize) -> Result<String, Status> {
        Ok("x".repeat(answer))
    }

    async fn typed(&self, wish: String) -> Result<u32, Error<LabError>> {
        match wish.as_str() {
            "app" => Err(LabError::Odd { by: 3 }.into()),
            "status" => Err(Status::not_found("nothing").into()),
            _ => Ok(7),
        }
    }

    async fn boom(&self) -> Result<(), Status> {
        panic!("on purpose");
    }

    async fn hold(&self) -> Result<(), Status> {
        self.0.hold().await
    }

    async fn hold_idempotent(&self) -> Result<(), Status> {
        self.0.hold().await
    }

    async fn until_cancelled(&self) -> Result<(), Status> {
        self.0.started.notify_one();
        Context::current().cancelled().await;
        self.0.cancelled.notify_one();
        Ok(())
    }

    async fn impatient(&self) -> Result<(), Status> {
        self.0.hold().await
    }

    async fn time_left(&self) -> Result<Option<u64>, Status> {
        let left = Context::current().time_left();
        Ok(left.map(|left| u64::try_from(left.as_micros()).expect("a test is shorter")))
    }

    async fn note(&self, text: String) -> Result<(), Status> {
        self.0.notes.lock().expect("not poisoned").push(text);
        self.0.noted.notify_one();
        Ok(())
    }
}

/// A network with a server of the lab on it.
pub struct World {
    pub net: Network,
    pub bench: Arc<Bench>,
    pub server: ServerHandle,
}

pub async fn world() -> World {
    world_with(|server| server).await
}

pub async fn world_with(settings: impl FnOnce(ServerBuilder) -> ServerBuilder) -> World {
    let net = Network::new();
    let (bench, server) = serve(&net, "a", settings).await;
    World { net, bench, server }
}

pub async fn serve(
    net: &Network,
    name: &str,
    settings: impl FnOnce(ServerBuilder) -> ServerBuilder,
) -> (Arc<Bench>, ServerHandle) {
    let worker = Worker::default();
    let bench = worker.0.clone();
    let listener = net.listen(name).expect("a free name");
    let server = settings(Server::builder().add(LabServer::new(worker)).name(name));
    (bench, server.listen_on(listener).await.expect("a server"))
}

impl World {
    pub async fn client(&self) -> LabClient {
        client(&self.net, "mem://a").await
    }

    pub async fn raw(&self) -> Raw {
        Raw::dial(&self.net, "a").await
    }
}

pub async fn client(net: &Network, address: &str) -> LabClient {
    LabClient::builder().network(net).connect(address).await.expect("a good address")
}

/// Lets every other task run until all wait for something: paused time only moves on when they do.
pub async fn settle() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

/// A peer that says exactly what a test tells it.
pub struct Raw {
    pub io: Io,
    buffer: BytesMut,
    codec: FrameCodec,
    sequence: u64,
    sent: u64,
}

/// A head with fields that this version does not know.
struct Newer<'a>(&'a (dyn Head + Sync));

impl Head for Newer<'_> {
    fn encoded_len_hint(&self) -> usize {
        self.0.encoded_len_hint() + 8
    }

    fn encode(&self, dst: &mut BytesMut) {
        self.0.encode(dst);
        dst.extend_from_slice(&[0xC2, 0x3E, 2, 7, 7]); // field 1000: two bytes
        dst.extend_from_slice(&[0xC8, 0x3E, 7]); // field 1001: a number
    }
}

pub fn hello() -> Hello {
    Hello {
        version: 1,
        max_frame_bytes: floor::MAX_FRAME_BYTES,
        max_message_bytes: 4 << 20,
        connection_credit: 16 << 20,
        stream_credit: floor::STREAM_CREDIT,
        max_calls: 1000,
        ..Hello::default()
    }
}

impl Raw {
    pub async fn dial(net: &Network, name: &str) -> Self {
        let address = format!("mem://{name}").parse().expect("an address");
        Self::over(net.connect(&address).await.expect("a listener"))
    }

    pub fn over(io: Io) -> Self {
        Self { io, buffer: BytesMut::new(), codec: FrameCodec::new(1 << 20), sequence: 0, sent: 0 }
    }

    /// Preface and HELLO, and the peer's.
    pub async fn greet(mut self) -> Self {
        self.write(&preface::encode(preface::VERSION)).await;
        self.send(Kind::HELLO, Flags::NONE, 0, &hello(), b"").await;
        self.expect_greeting().await;
        self
    }

    pub async fn expect_greeting(&mut self) -> Hello {
        self.expect_preface().await;
        let frame = self.frame().await.expect("a HELLO");
        assert_eq!(frame.kind, Kind::HELLO);
        Hello::decode(&frame.head).expect("a good HELLO")
    }

    pub async fn expect_preface(&mut self) {
        let mut bytes = [0; preface::LEN];
        self.io.reader.read_exact(&mut bytes).await.expect("a preface");
        assert_eq!(preface::parse(&bytes), Ok(preface::VERSION));
    }

    pub async fn write(&mut self, bytes: &[u8]) {
        // The peer may have hung up, which is what many tests are about.
        let _ = self.io.writer.write_all(bytes).await;
    }

    /// Sends a frame, and all that a later version might add to it: flags and head fields that
    /// may be skipped, and now and then a whole frame.
    pub async fn send(
        &mut self,
        kind: Kind,
        flags: Flags,
        call: u64,
        head: &(dyn Head + Sync),
        body: &[u8],
    ) {
        self.sent += 1;
        let mut bytes = BytesMut::new();
        if self.sent.is_multiple_of(7) {
            let made_up = Kind(0x80 | (self.sent % 0x7F) as u8);
            put_frame(&mut bytes, made_up, Flags(0xF0), call, &Newer(head), body, false)
                .expect("a small head");
        }
        let flags = Flags(flags.0 | (self.sent << 4 & 0xF0) as u8);
        put_frame(&mut bytes, kind, flags, call, &Newer(head), body, false).expect("a small head");
        self.write(&bytes).await;
    }

    pub fn next_id(&mut self) -> u64 {
        self.sequence += 1;
        self.sequence << 20
    }

    /// Calls a method with JSON arguments; returns the call's id.
    pub async fn call(&mut self, method: &str, json: &str) -> u64 {
        let id = self.next_id();
        let mut head = RequestHead::new(method);
        head.format = "json";
        self.send(Kind::REQUEST, Flags::END, id, &head, json.as_bytes()).await;
        id
    }

    pub async fn cancel(&mut self, call: u64) {
        self.send(Kind::CANCEL, Flags::NONE, call, &Cancel::default(), b"").await;
    }

    pub async fn ping(&mut self) {
        self.send(Kind::PING, Flags::NONE, 0, &NoHead, b"12345678").await;
    }

    /// The next frame; `None` at the end.
    pub async fn frame(&mut self) -> Option<Frame> {
        loop {
            if let Some(frame) = self.codec.decode(&mut self.buffer).expect("good frames") {
                return Some(frame);
            }
            match self.io.reader.read_buf(&mut self.buffer).await {
                Ok(0) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }

    /// The next RESPONSE: id, code, message, body.
    pub async fn response(&mut self) -> (u64, rpc_core::Code, String, Bytes) {
        loop {
            let frame = self.frame().await.expect("a response before the end");
            if frame.kind == Kind::RESPONSE {
                let head = ResponseHead::decode(&frame.head).expect("a good head");
                return (frame.call, head.code, head.message.to_string(), frame.body);
            }
        }
    }

    /// Reads to the end and returns the GOAWAY that came before it.
    pub async fn goaway(&mut self) -> Goaway {
        let mut last = None;
        while let Some(frame) = self.frame().await {
            if frame.kind == Kind::GOAWAY {
                last = Some(Goaway::decode(&frame.head).expect("a good head"));
            }
        }
        last.expect("a GOAWAY before the end")
    }

    pub async fn credit(&mut self, bytes: u64) {
        self.send(Kind::CREDIT, Flags::NONE, 0, &Credit { bytes }, b"").await;
    }
}
