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

use std::fmt;
use std::net::SocketAddr;
use std::pin::Pin;

use benches::Note;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::Failure;
use crate::child::Endpoints;
use crate::drive::{self, Outcome};
use crate::plan::{Load, Measurement};

/// One way to carry a call.
pub(crate) trait Peer: 'static {
    const NAME: &'static str;
    const FORMAT: &'static str;
    type Caller: Caller;

    /// Serves on a port that the system chooses, until the runtime is dropped.
    async fn serve() -> Result<SocketAddr, Failure>;

    /// A caller for every call in flight, spread evenly over the connections, which stand.
    async fn connect(server: SocketAddr, load: Load) -> Result<Vec<Self::Caller>, Failure>;
}

/// Who makes one call at a time.
pub(crate) trait Caller: Send + Sync + 'static {
    type Ball: Ball;

    /// The answer to this request, which is to be the same.
    fn call(&self, ball: Self::Ball) -> impl Future<Output = Result<Self::Ball, Failure>> + Send;
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
    serve: fn() -> BoxFuture<Result<SocketAddr, Failure>>,
    drive: fn(Measurement, Endpoints) -> BoxFuture<Result<Outcome, Failure>>,
}

type BoxFuture<T> = Pin<Box<dyn Future<Output = T>>>;

const fn entry<P: Peer>() -> Entry {
    Entry {
        peer: P::NAME,
        format: P::FORMAT,
        serve: || Box::pin(P::serve()),
        drive: |measurement, server| Box::pin(drive::drive::<P>(measurement, server)),
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

/// One of the peers, named `peer/format`.
#[derive(Clone, Copy)]
pub(crate) struct Contender(&'static Entry);

impl Contender {
    pub(crate) fn all() -> Vec<Self> {
        OWN.iter().chain(RIVALS).map(Self).collect()
    }

    /// Those that are meant by `peer` or `peer/format`.
    pub(crate) fn named(name: &str) -> Result<Vec<Self>, Failure> {
        let mut all = Self::all();
        let known: Vec<_> = all.iter().map(ToString::to_string).collect();
        all.retain(|one| name == one.peer() || name == one.to_string());
        if all.is_empty() {
            return Err(format!("no peer `{name}`; there are {}", known.join(", ")).into());
        }
        Ok(all)
    }

    pub(crate) fn peer(self) -> &'static str {
        self.0.peer
    }

    pub(crate) fn format(self) -> &'static str {
        self.0.format
    }

    pub(crate) async fn serve(self) -> Result<SocketAddr, Failure> {
        (self.0.serve)().await
    }

    pub(crate) async fn drive(
        self,
        measurement: Measurement,
        server: Endpoints,
    ) -> Result<Outcome, Failure> {
        (self.0.drive)(measurement, server).await
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
