//! The contenders: ways to carry a call between two processes, all behind one trait.

mod multiplex;
mod ours;
mod raw;
mod raw_msg;

use std::fmt;
use std::net::SocketAddr;

use benches::Note;
use serde::{Deserialize, Serialize};

use crate::Failure;
use crate::child::Endpoints;
use crate::drive::{self, Outcome};
use crate::plan::{Load, Measurement};

/// One way to carry a call.
pub(crate) trait Peer {
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

/// A peer and the format it speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Contender {
    OursProtobuf,
    OursMsgpack,
    Raw,
    RawMsg,
}

const ALL: &[Contender] =
    &[Contender::OursProtobuf, Contender::OursMsgpack, Contender::Raw, Contender::RawMsg];

impl Contender {
    pub(crate) fn all() -> &'static [Self] {
        ALL
    }

    /// Those that are meant by `peer` or `peer/format`.
    pub(crate) fn named(name: &str) -> Result<Vec<Self>, Failure> {
        let meant = |one: &Contender| name == one.peer() || name == one.to_string();
        let found: Vec<_> = Self::all().iter().copied().filter(meant).collect();
        if found.is_empty() {
            let known: Vec<_> = Self::all().iter().map(ToString::to_string).collect();
            return Err(format!("no peer `{name}`; there are {}", known.join(", ")).into());
        }
        Ok(found)
    }

    pub(crate) fn peer(self) -> &'static str {
        match self {
            Self::OursProtobuf | Self::OursMsgpack => "ours",
            Self::Raw => "raw",
            Self::RawMsg => "raw-msg",
        }
    }

    pub(crate) fn format(self) -> &'static str {
        match self {
            Self::OursProtobuf | Self::RawMsg => "protobuf",
            Self::OursMsgpack => "msgpack",
            Self::Raw => "bytes",
        }
    }
}

impl fmt::Display for Contender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.peer(), self.format())
    }
}

pub(crate) async fn serve(contender: Contender) -> Result<SocketAddr, Failure> {
    match contender {
        Contender::OursProtobuf => ours::Protobuf::serve().await,
        Contender::OursMsgpack => ours::Msgpack::serve().await,
        Contender::Raw => raw::Raw::serve().await,
        Contender::RawMsg => raw_msg::RawMsg::serve().await,
    }
}

pub(crate) async fn drive(
    measurement: &Measurement,
    server: Endpoints,
) -> Result<Outcome, Failure> {
    match measurement.contender {
        Contender::OursProtobuf => drive::drive::<ours::Protobuf>(measurement, server).await,
        Contender::OursMsgpack => drive::drive::<ours::Msgpack>(measurement, server).await,
        Contender::Raw => drive::drive::<raw::Raw>(measurement, server).await,
        Contender::RawMsg => drive::drive::<raw_msg::RawMsg>(measurement, server).await,
    }
}
