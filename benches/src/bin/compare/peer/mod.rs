//! The contenders: ways to carry a call between two processes, all behind one trait.

mod multiplex;
mod ours;
mod raw;
mod raw_msg;
mod rest;

#[cfg(feature = "peers")]
mod connectrpc;
#[cfg(feature = "peers")]
mod tarpc;
#[cfg(feature = "peers")]
mod tonic;

pub(crate) use ours::Governed;

use std::fmt;
use std::future::ready;
use std::net::SocketAddr;
use std::pin::Pin;

use benches::Note;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tokio::runtime::Runtime;

use crate::Failure;
use crate::cell::{Cell, Load, Measurement};
use crate::child::Endpoints;
use crate::drive;
use crate::figures::Figures;

/// One way to carry a call.
pub(crate) trait Peer: 'static {
    const NAME: &'static str;
    const FORMAT: &'static str;
    /// Whether its callers can have something computed.
    const COMPUTES: bool = false;
    type Caller: Caller;

    /// Serves on a port that the system chooses, until the runtime is dropped.
    async fn serve(cell: Cell) -> Result<SocketAddr, Failure>;

    /// A caller for every call in flight, spread evenly over the connections, which stand.
    async fn connect(server: SocketAddr, load: Load) -> Result<Vec<Self::Caller>, Failure>;
}

/// Who makes one call at a time.
pub(crate) trait Caller: Send + Sync + 'static {
    type Ball: Ball;

    /// The answer to this request, which is to be the same.
    fn call(&self, ball: Self::Ball) -> impl Future<Output = Result<Self::Ball, Failure>> + Send;

    /// The same, of a handler that computes first.
    fn compute(&self, _: Self::Ball) -> impl Future<Output = Result<Self::Ball, Failure>> + Send {
        ready(Err("this peer computes nothing".into()))
    }
}

/// What goes forth and back.
pub(crate) trait Ball: Send + 'static {
    fn new(id: u64, payload_bytes: usize) -> Self;
    fn id(&self) -> u64;
    fn set_id(&mut self, id: u64);
    fn payload_bytes(&self) -> usize;
}

impl Ball for Note {
    fn new(id: u64, payload_bytes: usize) -> Self {
        Note::new(id, payload_bytes)
    }

    fn id(&self) -> u64 {
        self.id
    }

    fn set_id(&mut self, id: u64) {
        self.id = id;
    }

    fn payload_bytes(&self) -> usize {
        self.payload.len()
    }
}

/// A peer, its type erased.
struct Entry {
    peer: &'static str,
    format: &'static str,
    computes: bool,
    serve: fn(Cell) -> BoxFuture<Result<SocketAddr, Failure>>,
    drive: fn(&Runtime, &Measurement, Endpoints) -> Result<Figures, Failure>,
}

type BoxFuture<T> = Pin<Box<dyn Future<Output = T>>>;

const fn entry<P: Peer>() -> Entry {
    Entry {
        peer: P::NAME,
        format: P::FORMAT,
        computes: P::COMPUTES,
        serve: |cell| Box::pin(P::serve(cell)),
        drive: drive::drive::<P>,
    }
}

static OWN: &[Entry] = &[
    entry::<ours::Protobuf>(),
    entry::<ours::Msgpack>(),
    entry::<raw::Raw>(),
    entry::<raw_msg::RawMsg>(),
    entry::<rest::Http1>(),
    entry::<rest::Http2>(),
];

#[cfg(not(feature = "peers"))]
static RIVALS: &[Entry] = &[];

#[cfg(feature = "peers")]
static RIVALS: &[Entry] =
    &[entry::<tonic::Tonic>(), entry::<tarpc::Tarpc>(), entry::<connectrpc::Connectrpc>()];

/// Those that only the scenario `governed` has.
static BESIDE: &[Entry] = &[entry::<ours::Plain>()];

/// One of the peers, named `peer/format`.
#[derive(Clone, Copy)]
pub(crate) struct Contender(&'static Entry);

impl Contender {
    pub(crate) fn all() -> Vec<Self> {
        OWN.iter().chain(RIVALS).map(Self).collect()
    }

    /// This framework with all rules, and without any.
    pub(crate) fn governed() -> Vec<Self> {
        OWN.iter().take(1).chain(BESIDE).map(Self).collect()
    }

    /// Those that are meant by `peer` or `peer/format`.
    pub(crate) fn named(name: &str) -> Result<Vec<Self>, Failure> {
        let mut all = Self::all();
        all.extend(BESIDE.iter().map(Self));
        let known: Vec<_> = all.iter().map(ToString::to_string).collect();
        all.retain(|one| one.is_named(name));
        if all.is_empty() {
            return Err(format!("no peer `{name}`; there are {}", known.join(", ")).into());
        }
        Ok(all)
    }

    /// Whether `peer` or `peer/format` means it.
    pub(crate) fn is_named(self, name: &str) -> bool {
        name == self.peer() || name == self.to_string()
    }

    pub(crate) fn is(self, other: Self) -> bool {
        self.to_string() == other.to_string()
    }

    pub(crate) fn peer(self) -> &'static str {
        self.0.peer
    }

    pub(crate) fn format(self) -> &'static str {
        self.0.format
    }

    pub(crate) fn computes(self) -> bool {
        self.0.computes
    }

    pub(crate) async fn serve(self, cell: Cell) -> Result<SocketAddr, Failure> {
        (self.0.serve)(cell).await
    }

    pub(crate) fn drive(
        self,
        runtime: &Runtime,
        measurement: &Measurement,
        server: Endpoints,
    ) -> Result<Figures, Failure> {
        (self.0.drive)(runtime, measurement, server)
    }
}

impl fmt::Display for Contender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.peer(), self.format())
    }
}

impl fmt::Debug for Contender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Contender {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Contender {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let name = String::deserialize(from)?;
        let found = Self::named(&name).map_err(D::Error::custom)?;
        Ok(found[0])
    }
}
