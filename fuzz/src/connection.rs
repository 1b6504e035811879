//! Whole connections, on a network in memory and in paused time: one end is this crate's, the other
//! says what the data tells it. Beside it a good client goes on calling a good server.
//!
//! The first byte of the data chooses how the rest is read: as bytes from the very first on, as bytes
//! after a good greeting, or as a script of frames, most of which make sense.

use std::collections::HashSet;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::BytesMut;
use rpc_codec::{
    Cancel, Compression, Credit, Flags, FrameCodec, Goaway, Head, Hello, Kind, NoHead, RequestHead,
    ResponseHead, floor, preface, put_frame,
};
use rpc_core::testing::Network;
use rpc_core::transport::{Connect, Io, Listen};
use rpc_core::{Limits, Server, ServerHandle, ServerLimits, Status, service};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::time::{sleep, timeout};
use tokio_util::codec::Decoder;

/// A target's name, and what it does with bytes.
pub type Target = (&'static str, fn(&[u8]));

/// Every target here.
pub const TARGETS: &[Target] =
    &[("server_connection", server_connection), ("client_connection", client_connection)];

/// What is served, with a handler of each sort.
#[service(name = "fuzz.Lab")]
pub trait Lab {
    /// The same again.
    async fn echo(&self, text: String) -> Result<String, Status>;
    /// As long as is asked for, within reason.
    async fn text(&self, bytes: u32) -> Result<String, Status>;
    /// What has depth and many elements.
    async fn list(&self, list: Vec<Option<Vec<()>>>) -> Result<usize, Status>;
    /// Takes a little while.
    async fn nap(&self) -> Result<(), Status>;
    /// Takes for ever, if it is let.
    #[rpc(idempotent)]
    async fn wait(&self) -> Result<(), Status>;
    /// Is not answered.
    #[rpc(oneway)]
    async fn note(&self, text: String) -> Result<(), Status>;
}

const METHODS: [&str; 8] = [
    "fuzz.Lab/echo",
    "fuzz.Lab/text",
    "fuzz.Lab/list",
    "fuzz.Lab/nap",
    "fuzz.Lab/wait",
    "fuzz.Lab/note",
    "fuzz.Lab/none",
    "none",
];

struct Worker;

impl Lab for Worker {
    async fn echo(&self, text: String) -> Result<String, Status> {
        Ok(text)
    }

    async fn text(&self, bytes: u32) -> Result<String, Status> {
        Ok("x".repeat(bytes.min(100_000) as usize))
    }

    async fn list(&self, list: Vec<Option<Vec<()>>>) -> Result<usize, Status> {
        Ok(list.len())
    }

    async fn nap(&self) -> Result<(), Status> {
        sleep(Duration::from_millis(10)).await;
        Ok(())
    }

    async fn wait(&self) -> Result<(), Status> {
        std::future::pending().await
    }

    async fn note(&self, _: String) -> Result<(), Status> {
        Ok(())
    }
}

/// Limits that little data can meet.
fn small() -> Limits {
    Limits {
        max_message_bytes: 90_000,
        connection_credit: 100_000,
        max_calls: 32,
        max_queued_bytes: 150_000,
        max_pings_per_second: 2,
        max_cancels_per_second: 20,
        max_empty_frames_per_second: 50,
        ..Limits::default()
    }
}

fn run(whole: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime")
        .block_on(whole);
}

/// Lets every other task run until all wait for something.
async fn settle() {
    sleep(Duration::from_millis(1)).await;
}

async fn serve(net: &Network, name: &str, connection: Limits) -> ServerHandle {
    let limits = ServerLimits { connection, ..ServerLimits::default() };
    let server = Server::builder().add(LabServer::new(Worker)).limits(limits).name(name);
    server.listen_on(net.listen(name).expect("a free name")).await.expect("a server")
}

/// A good client: it loses nothing, whatever others do.
struct Bystander(LabClient);

impl Bystander {
    async fn of(net: &Network, name: &str) -> Self {
        let builder = LabClient::builder().network(net);
        Self(builder.connect(&format!("mem://{name}")).await.expect("a good address"))
    }

    async fn calls(&self) {
        let answer = timeout(Duration::from_secs(1), self.0.echo("good".into())).await;
        assert_eq!(answer.expect("an answer in time").expect("a good answer"), "good");
    }
}

/// The data, read bit by bit; zeros once there is no more.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn is_over(&self) -> bool {
        self.0.is_empty()
    }

    fn byte(&mut self) -> u8 {
        let Some((&byte, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        byte
    }

    fn number(&mut self) -> u64 {
        let bytes: [u8; 8] = std::array::from_fn(|_| self.byte());
        u64::from_be_bytes(bytes)
    }

    fn bytes(&mut self) -> &'a [u8] {
        let len = usize::from(self.byte()).min(self.0.len());
        let (bytes, rest) = self.0.split_at(len);
        self.0 = rest;
        bytes
    }
}

/// How the data is to be read.
struct Plan<'a> {
    is_small: bool,
    /// The peer does not read.
    is_deaf: bool,
    /// The peer stays when it has said all.
    stays: bool,
    greets: bool,
    script: bool,
    input: Input<'a>,
}

impl<'a> Plan<'a> {
    fn of(data: &'a [u8]) -> Self {
        let mut input = Input(data);
        let how = input.byte();
        Self {
            is_small: how & 1 != 0,
            is_deaf: how & 2 != 0,
            stays: how & 4 != 0,
            greets: how & 0x18 != 0,
            script: how & 0x10 != 0,
            input,
        }
    }

    fn limits(&self) -> Limits {
        if self.is_small { small() } else { Limits::default() }
    }
}

/// What a peer says next, and how long it is silent then.
struct Said {
    bytes: Vec<u8>,
    pause: Duration,
}

fn greeting() -> Vec<u8> {
    let hello = Hello {
        version: 1,
        max_frame_bytes: floor::MAX_FRAME_BYTES,
        max_message_bytes: 70_000,
        connection_credit: 150_000,
        stream_credit: floor::STREAM_CREDIT,
        max_calls: 40,
        compressions: vec!["lz4".into()],
        ..Hello::default()
    };
    let mut bytes = preface::encode(preface::VERSION).to_vec();
    bytes.extend(frame(Kind::HELLO, Flags::NONE, 0, &hello, b""));
    bytes
}

fn frame(kind: Kind, flags: Flags, call: u64, head: &dyn Head, body: &[u8]) -> Vec<u8> {
    let mut bytes = BytesMut::new();
    // A head that is too large leaves nothing.
    let _ = put_frame(&mut bytes, kind, flags, call, head, body, false);
    bytes.to_vec()
}

/// Frames that both sides may send, and those that neither should.
fn any_frame(input: &mut Input<'_>, what: u8, call: u64) -> Vec<u8> {
    match what % 8 {
        0 => frame(Kind::PING, Flags::NONE, 0, &NoHead, b"12345678"),
        1 => frame(Kind::PONG, Flags::NONE, 0, &NoHead, b"12345678"),
        2 => {
            let bytes = input.number() >> (input.byte() % 64);
            frame(Kind::CREDIT, Flags::NONE, 0, &Credit { bytes }, b"")
        }
        3 => {
            let last_call = input.number() >> (input.byte() % 64);
            let goaway = Goaway { last_call, code: u32::from(input.byte()), message: "m".into() };
            frame(Kind::GOAWAY, Flags::NONE, 0, &goaway, b"")
        }
        4 => {
            let flags = if input.byte() & 1 == 0 { Flags::MORE } else { Flags::END };
            let body = vec![b' '; usize::from(input.byte()) * 130];
            frame(Kind::DATA, flags, call, &NoHead, &body)
        }
        // Whatever it is.
        5 => {
            let (kind, flags) = (Kind(input.byte()), Flags(input.byte()));
            let (head, body) = (input.bytes(), input.bytes());
            frame(kind, flags, call, &Encoded(head), body)
        }
        6 => frame(Kind(input.byte() | 0x80), Flags(input.byte()), call, &NoHead, input.bytes()),
        _ => input.bytes().to_vec(),
    }
}

/// A head that is encoded already.
struct Encoded<'a>(&'a [u8]);

impl Head for Encoded<'_> {
    fn encoded_len_hint(&self) -> usize {
        self.0.len()
    }

    fn encode(&self, dst: &mut BytesMut) {
        dst.extend_from_slice(self.0);
    }
}

fn arguments(method: &str, format: &str, bytes: u8) -> Vec<u8> {
    let count = u32::from(bytes) * u32::from(bytes);
    let text = "x".repeat(count as usize);
    let args = match method {
        "fuzz.Lab/text" => format!("{{\"bytes\":{}}}", count * 4),
        "fuzz.Lab/list" => format!("{{\"list\":[{}[null]]}}", "null,".repeat(count as usize / 8)),
        _ => format!("{{\"text\":\"{text}\"}}"),
    };
    match format {
        "json" => args.into_bytes(),
        // Arguments of the wrong format are one more thing to survive.
        _ if method == "fuzz.Lab/nap" || method == "fuzz.Lab/wait" => vec![0x80],
        _ => args.into_bytes(),
    }
}

/// What a client says next.
fn client_says(input: &mut Input<'_>, sequence: &mut u64) -> Said {
    let what = input.byte();
    let recent = sequence.saturating_sub(u64::from(input.byte() % 8)) << 20;
    let bytes = match what % 16 {
        0..=5 => {
            *sequence += 1;
            let method = METHODS[usize::from(input.byte()) % METHODS.len()];
            let mut head = RequestHead::new(method);
            head.format = if input.byte() & 7 == 0 { "msgpack" } else { "json" };
            head.oneway = method == "fuzz.Lab/note" || input.byte() % 16 == 1;
            head.timeout_us = match input.byte() % 4 {
                0 => None,
                1 => Some(u64::from(input.byte()) * 1_000),
                2 => Some(input.number()),
                _ => Some(5_000_000),
            };
            let mut body = arguments(method, head.format, input.byte());
            if what % 16 == 5 {
                head.compression = Compression::Lz4;
                body = Compression::Lz4.compress(&body).unwrap_or_default().to_vec();
            }
            let call = *sequence << 20;
            let mut pieces = body.chunks(rpc_codec::BIG_MESSAGE_BYTES).peekable();
            let mut bytes = Vec::new();
            let first = pieces.next().unwrap_or_default();
            let flags = |more: bool| if more { Flags::MORE } else { Flags::END };
            let is_cut = what % 16 == 4;
            let more = pieces.peek().is_some() || is_cut;
            bytes.extend(frame(Kind::REQUEST, flags(more), call, &head, first));
            while let Some(piece) = pieces.next() {
                let more = pieces.peek().is_some() || is_cut;
                bytes.extend(frame(Kind::DATA, flags(more), call, &NoHead, piece));
            }
            bytes
        }
        // Arguments or a head that nobody wrote.
        6 => {
            *sequence += 1;
            let mut head = RequestHead::new(METHODS[usize::from(input.byte()) % METHODS.len()]);
            head.format = if input.byte() & 1 == 0 { "msgpack" } else { "json" };
            frame(Kind::REQUEST, Flags::END, *sequence << 20, &head, input.bytes())
        }
        7 => {
            *sequence += 1;
            let head = Encoded(input.bytes());
            frame(Kind::REQUEST, Flags::END, *sequence << 20, &head, input.bytes())
        }
        8 | 9 => {
            let cancel = Cancel { code: u32::from(input.byte()) };
            frame(Kind::CANCEL, Flags::NONE, recent, &cancel, b"")
        }
        _ => {
            let kind = input.byte();
            any_frame(input, kind, recent)
        }
    };
    Said { bytes: often(input, bytes), pause: pause(input) }
}

/// What a server says next to a client that made these calls.
fn server_says(input: &mut Input<'_>, calls: &[u64]) -> Said {
    let what = input.byte();
    let nth = usize::from(input.byte());
    let call = calls.get(nth % calls.len().max(1)).copied().unwrap_or(1 << 20);
    let bytes = match what % 12 {
        0..=2 => {
            let head = ResponseHead {
                code: rpc_codec::Code::from_number(u32::from(input.byte() % 20)),
                typed: input.byte() % 8 == 1,
                executed: rpc_codec::Executed::from_number(u32::from(input.byte() % 4)),
                retry_after_us: (input.byte() & 1 == 1).then_some(u64::MAX),
                degraded: what % 12 == 1,
                ..ResponseHead::default()
            };
            frame(Kind::RESPONSE, Flags::END, call, &head, input.bytes())
        }
        3 => frame(Kind::RESPONSE, Flags::END, call, &NoHead, b"\xA4good"),
        4 => {
            let text = vec![b'x'; usize::from(input.byte()) * 100];
            let compressed = Compression::Lz4.compress(&text).unwrap_or_default();
            let compression = Compression::Lz4;
            let head = ResponseHead { compression, ..ResponseHead::default() };
            frame(Kind::RESPONSE, Flags::END, call, &head, &compressed)
        }
        5 => {
            let head = Encoded(input.bytes());
            frame(Kind::RESPONSE, Flags::END, call, &head, input.bytes())
        }
        _ => {
            let kind = input.byte();
            any_frame(input, kind, call)
        }
    };
    Said { bytes: often(input, bytes), pause: pause(input) }
}

/// Mostly once, sometimes a flood.
fn often(input: &mut Input<'_>, bytes: Vec<u8>) -> Vec<u8> {
    let times = match input.byte() {
        255 => 100,
        250..255 => 10,
        _ => 1,
    };
    bytes.repeat(times)
}

/// Mostly none, sometimes until something is given up.
fn pause(input: &mut Input<'_>) -> Duration {
    match input.byte() {
        255 => Duration::from_secs(40),
        254 => Duration::from_secs(7),
        200..254 => Duration::from_millis(20),
        _ => Duration::ZERO,
    }
}

/// Says things until the data is over or the other end is gone.
async fn speak(
    plan: &mut Plan<'_>,
    writer: &mut (impl AsyncWriteExt + Unpin),
    mut next: impl FnMut(&mut Input<'_>) -> Said,
    bystander: &Bystander,
) {
    // Long enough for every timeout that there is to pass.
    let patience = Duration::from_secs(200);
    let mut steps = 0;
    if plan.greets {
        let _ = timeout(patience, writer.write_all(&greeting())).await;
        settle().await;
    }
    while !plan.input.is_over() && steps < 60 {
        let said = if plan.script {
            next(&mut plan.input)
        } else {
            let len = usize::from(plan.input.byte()) * 8 + 1;
            let (bytes, rest) = plan.input.0.split_at(len.min(plan.input.0.len()));
            plan.input.0 = rest;
            Said { bytes: bytes.to_vec(), pause: Duration::ZERO }
        };
        match timeout(patience, writer.write_all(&said.bytes)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return,
            Err(_) => panic!("the other end neither reads nor hangs up"),
        }
        settle().await;
        if !said.pause.is_zero() {
            sleep(said.pause).await;
            bystander.calls().await;
        }
        steps += 1;
    }
    bystander.calls().await;
}

/// Everything the other end says; to the end, unless the peer is deaf.
async fn listen(mut reader: Box<dyn AsyncRead + Send + Unpin>, heard: Arc<Mutex<BytesMut>>) {
    let mut piece = BytesMut::with_capacity(65_536);
    while let Ok(1..) = reader.read_buf(&mut piece).await {
        heard.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(&piece);
        piece.clear();
    }
}

/// The frames behind a preface. What this crate says is well-formed, whatever it is answered.
fn read(said: &[u8]) -> Vec<rpc_codec::Frame> {
    let mut bytes = BytesMut::from(said);
    if bytes.is_empty() || bytes.starts_with(b"HTTP/1.1 400 ") {
        return Vec::new();
    }
    let first = bytes.split_to(bytes.len().min(preface::LEN));
    assert_eq!(preface::mismatch(&first), None);
    let mut codec = FrameCodec::new(floor::MAX_FRAME_BYTES);
    let mut frames = Vec::new();
    while let Some(frame) = codec.decode(&mut bytes).expect("good frames") {
        frames.push(frame);
    }
    frames
}

/// A client's bytes to a whole server.
pub fn server_connection(data: &[u8]) {
    run(async {
        let mut plan = Plan::of(data);
        let net = Network::new();
        let server = serve(&net, "a", plan.limits()).await;
        let bystander = Bystander::of(&net, "a").await;
        bystander.calls().await;

        let address = "mem://a".parse().expect("an address");
        let Io { reader, mut writer, .. } = net.connect(&address).await.expect("a listener");
        let heard = Arc::<Mutex<BytesMut>>::default();
        let (ears, listening) = match plan.is_deaf {
            true => (Some(reader), None),
            false => (None, Some(tokio::spawn(listen(reader, heard.clone())))),
        };
        let mut sequence = 0;
        let says = |input: &mut Input<'_>| client_says(input, &mut sequence);
        speak(&mut plan, &mut writer, says, &bystander).await;
        if plan.stays {
            // Until its server has had enough of it.
            sleep(Duration::from_secs(16 * 60)).await;
            bystander.calls().await;
        }
        drop((ears, writer));
        if let Some(listening) = listening {
            let end = timeout(Duration::from_secs(60), listening).await;
            end.expect("the server hangs up in time").expect("no panic");
        }

        let mut answered = HashSet::new();
        let heard = heard.lock().unwrap_or_else(PoisonError::into_inner).split();
        for frame in read(&heard) {
            if frame.kind == Kind::RESPONSE {
                assert!(answered.insert(frame.call), "call {:#x} is answered twice", frame.call);
                ResponseHead::decode(&frame.head).expect("a good head");
            }
        }
        // What naps wakes up, and what waits has been dropped.
        sleep(Duration::from_secs(1)).await;
        bystander.calls().await;
        assert_eq!(server.in_flight(), 0, "calls are left behind");
        drop(bystander);
        sleep(Duration::from_secs(1)).await;
        assert_eq!(net.connections("a"), 0, "connections are left behind");
    });
}

/// A server's bytes to a whole client.
pub fn client_connection(data: &[u8]) {
    run(async {
        let mut plan = Plan::of(data);
        let net = Network::new();
        let _good = serve(&net, "good", Limits::default()).await;
        let bystander = Bystander::of(&net, "good").await;
        bystander.calls().await;

        let mut listener = net.listen("evil").expect("a free name");
        let builder = LabClient::builder().network(&net).limits(plan.limits());
        let lab = builder.connect("mem://evil").await.expect("a good address");
        let calls = calls(&lab);
        let Io { reader, mut writer, .. } = listener.accept().await.expect("a client");
        let heard = Arc::<Mutex<BytesMut>>::default();
        let mut ears = None;
        if plan.is_deaf {
            ears = Some(reader);
        } else {
            tokio::spawn(listen(reader, heard.clone()));
        }
        settle().await;
        let says = |input: &mut Input<'_>| {
            let heard = heard.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let requests = read(&heard).into_iter().filter(|frame| frame.kind == Kind::REQUEST);
            let ids: Vec<_> = requests.map(|frame| frame.call).collect();
            server_says(input, &ids)
        };
        speak(&mut plan, &mut writer, says, &bystander).await;
        // Each has a time of its own, whatever the server does or does not.
        for call in calls {
            let ended = timeout(Duration::from_secs(20), call).await.expect("an end in time");
            ended.expect("no panic");
        }
        read(&heard.lock().unwrap_or_else(PoisonError::into_inner).clone());

        // The server is replaced by a good one, and the same client finds it.
        drop((listener, ears, writer));
        let _better = serve(&net, "evil", Limits::default()).await;
        let found = timeout(Duration::from_secs(60), async {
            while !matches!(lab.echo("good".into()).await.as_deref(), Ok("good")) {
                sleep(Duration::from_millis(100)).await;
            }
        });
        found.await.expect("the client finds the better server");
        bystander.calls().await;
        drop(lab);
        sleep(Duration::from_secs(1)).await;
        assert_eq!(net.connections("evil"), 0, "connections are left behind");
    });
}

/// Calls of every sort, each of which ends within twelve seconds.
fn calls(lab: &LabClient) -> Vec<tokio::task::JoinHandle<()>> {
    let of = |seconds: u64| lab.with_timeout(Duration::from_secs(seconds));
    let (short, long, big, text, list, note) = (of(1), of(12), of(11), of(3), of(4), of(2));
    vec![
        tokio::spawn(async move { drop(short.echo("short".into()).await) }),
        tokio::spawn(async move { drop(long.echo("long".into()).await) }),
        tokio::spawn(async move { drop(big.echo("x".repeat(50_000)).await) }),
        tokio::spawn(async move { drop(text.text(7).await) }),
        tokio::spawn(async move { drop(list.list(vec![None]).await) }),
        tokio::spawn(async move { drop(note.note("note".into()).await) }),
    ]
}
