//! Why a connection ends: for the calls it takes along, and for the peer.

use std::borrow::Cow;
use std::fmt;
use std::io;

use rpc_codec::preface::NotOurs;
use rpc_codec::{FrameError, Goaway};

/// GOAWAY codes, see `docs/PROTOCOL.md`.
pub(super) mod goaway {
    pub(crate) const DRAIN: u32 = 0;
    pub(crate) const PROTOCOL: u32 = 1;
    pub(crate) const LIMIT: u32 = 2;
    pub(crate) const WRONG_PEER: u32 = 3;
    pub(crate) const IDLE: u32 = 4;
    pub(crate) const VERSION: u32 = 5;
    pub(crate) const AGE: u32 = 6;
    pub(crate) const SILENT: u32 = 7;
}

/// Why a connection ended.
#[derive(Debug)]
pub(crate) enum Fault {
    /// All is done and said.
    Finished,
    /// The peer closed it.
    Closed,
    /// The operating system says so.
    Io(io::Error),
    /// It is some other protocol.
    NotOurs(NotOurs),
    /// The bytes are no frames.
    Frame(FrameError),
    /// The frames make no sense.
    Protocol(Cow<'static, str>),
    /// The peer asked for more than it may.
    Limit(Cow<'static, str>),
    /// The peer is not the one that was looked for, or not of this version.
    Mismatch { code: u32, message: String },
    /// The peer does not answer, or does not read.
    Silent(Cow<'static, str>),
    /// Nobody needs it.
    Idle,
    /// The peer said good-bye and why.
    Goaway(Goaway),
}

impl Fault {
    /// What to tell the peer before closing, if it is worth it.
    pub(super) fn goaway_code(&self) -> Option<u32> {
        match self {
            Self::Finished | Self::Closed | Self::Io(_) | Self::NotOurs(_) | Self::Goaway(_) => {
                None
            }
            Self::Frame(_) | Self::Protocol(_) => Some(goaway::PROTOCOL),
            Self::Limit(_) => Some(goaway::LIMIT),
            Self::Mismatch { code, .. } => Some(*code),
            Self::Silent(_) => Some(goaway::SILENT),
            Self::Idle => Some(goaway::IDLE),
        }
    }

    /// Whether it ended only because nobody needed it, and is to be made anew when somebody does.
    pub(super) fn is_unneeded(&self) -> bool {
        match self {
            Self::Finished | Self::Idle => true,
            Self::Goaway(goaway) => goaway.code == goaway::IDLE,
            _ => false,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Finished => f.write_str("the connection was closed by this end"),
            Self::Closed => f.write_str("the peer closed the connection"),
            Self::Io(error) => write!(f, "the connection broke: {error}"),
            Self::NotOurs(what) => what.fmt(f),
            Self::Frame(error) => write!(f, "protocol error: {error}"),
            Self::Protocol(what) => write!(f, "protocol error: {what}"),
            Self::Limit(what) | Self::Silent(what) => f.write_str(what),
            Self::Mismatch { message, .. } => f.write_str(message),
            Self::Idle => f.write_str("the connection was idle"),
            Self::Goaway(goaway) if goaway.message.is_empty() => {
                write!(f, "the peer ended the connection (reason {})", goaway.code)
            }
            Self::Goaway(goaway) => write!(f, "the peer ended the connection: {}", goaway.message),
        }
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<FrameError> for Fault {
    fn from(error: FrameError) -> Self {
        Self::Frame(error)
    }
}

pub(super) fn protocol<T>(what: impl Into<Cow<'static, str>>) -> Result<T, Fault> {
    Err(Fault::Protocol(what.into()))
}
