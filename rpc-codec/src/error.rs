//! What can be wrong with bytes.

use std::fmt;

use crate::frame::Kind;
use crate::limits::MAX_HEAD_BYTES;

/// Bytes that are no frame, or a frame that this end must not take.
#[derive(Debug)]
#[non_exhaustive]
pub enum FrameError {
    /// The payload is longer than this end takes.
    TooLarge {
        /// What the header says.
        bytes: u32,
        /// What is taken.
        max: u32,
    },
    /// The head is longer than the payload, or than any head may be.
    BadHeadLength {
        /// What the header says.
        head: u16,
        /// The payload's length.
        payload: u32,
    },
    /// A kind of frame this end does not know and must not skip.
    UnknownKind(Kind),
    /// A flag this end does not know and must not skip.
    UnknownFlag(u8),
    /// A call id of the kind that is kept for servers.
    ReservedCall(u64),
    /// The checksum is not that of the bytes.
    Checksum {
        /// What the frame says.
        expected: u32,
        /// What its bytes give.
        found: u32,
    },
    /// The stream of bytes broke.
    Io(std::io::Error),
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { bytes, max } => {
                write!(f, "a frame of {bytes} bytes, expected at most {max}")
            }
            Self::BadHeadLength { head, payload } => write!(
                f,
                "a head of {head} bytes in a payload of {payload}, expected at most \
                 {MAX_HEAD_BYTES} and no more than the payload"
            ),
            Self::UnknownKind(kind) => {
                write!(f, "unknown critical frame kind {}", kind.0)
            }
            Self::UnknownFlag(flag) => write!(f, "unknown critical frame flag {flag:#04x}"),
            Self::ReservedCall(call) => {
                write!(f, "call id {call:#x} has its highest bit set, which is kept for servers")
            }
            Self::Checksum { expected, found } => {
                write!(f, "the frame's checksum is {expected:#010x}, its bytes give {found:#010x}")
            }
            Self::Io(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for FrameError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            _ => None,
        }
    }
}

impl From<std::io::Error> for FrameError {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error)
    }
}

/// A head that does not fit in a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadTooLarge {
    /// Its length.
    pub bytes: usize,
}

impl fmt::Display for HeadTooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "method, metadata and details take {} bytes, expected at most {MAX_HEAD_BYTES}",
            self.bytes
        )
    }
}

impl std::error::Error for HeadTooLarge {}

/// A head that can't be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HeadError {
    /// It ends in the middle of a field.
    Truncated,
    /// A number longer than ten bytes, or too large for its field.
    BadNumber {
        /// The field's number.
        field: u32,
    },
    /// A field has a wire type that proto3 does not have, so that its length is not known.
    BadWireType {
        /// The field's number.
        field: u32,
        /// Its type.
        wire_type: u8,
    },
    /// A text that is not UTF-8.
    NotText {
        /// The field's number.
        field: u32,
    },
    /// A field's value is not one it may have.
    Invalid {
        /// The field's number.
        field: u32,
        /// What was expected.
        expected: &'static str,
    },
}

impl fmt::Display for HeadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => f.write_str("it ends in the middle of a field"),
            Self::BadNumber { field } => write!(f, "field {field} is no number that fits"),
            Self::BadWireType { field, wire_type } => {
                write!(f, "field {field} has wire type {wire_type}, expected 0, 1, 2 or 5")
            }
            Self::NotText { field } => write!(f, "field {field} is not UTF-8"),
            Self::Invalid { field, expected } => write!(f, "field {field}: expected {expected}"),
        }
    }
}

impl std::error::Error for HeadError {}
