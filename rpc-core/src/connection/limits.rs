//! What a peer may make this process do, on one connection.

use std::time::Duration;

use rpc_codec::format::DecodeLimits;
use rpc_codec::{Hello, floor};

use crate::status::{Code, Status};

/// The bounds of one connection, all on by default and the same for both roles.
///
/// ```
/// use rpc_core::Limits;
///
/// let limits = Limits { max_message_bytes: 64 * 1024 * 1024, ..Limits::default() };
/// # assert_eq!(limits.max_calls, 1024);
/// ```
#[derive(Clone, Debug)]
pub struct Limits {
    /// Largest frame payload taken, in bytes. At least 65,536, which is also what it takes to carry
    /// any message: bigger ones travel in pieces. Default 65,536.
    pub max_frame_bytes: u32,
    /// Largest message taken, in bytes, before and after decompression; one of up to 32 KiB is
    /// always taken if it is not compressed. Default 4 MiB.
    pub max_message_bytes: u32,
    /// Bytes of big messages (over 32 KiB) the peer may have under way to this end at a time, from
    /// the first byte until their call is done with them; raised to `max_message_bytes` if less.
    /// Default 16 MiB.
    pub connection_credit: u32,
    /// Calls the peer may have in flight here. At least 32. Default 1,024.
    pub max_calls: u32,
    /// Bytes that may wait to be written, or for credit to be. Above it a server refuses new calls and
    /// a client's one-way calls wait; at twice as much, credit aside, the connection ends. The batch that is being written is
    /// not counted, and is at most as large again. Default 16 MiB.
    pub max_queued_bytes: usize,
    /// Longest time from the connection's begin to the peer's HELLO. Default 10 s.
    pub handshake_timeout: Duration,
    /// Longest time for a frame to arrive whole once it has begun. Default 30 s.
    pub partial_frame_timeout: Duration,
    /// Longest time in which the peer takes none of the bytes that wait. Default 30 s.
    pub write_stall_timeout: Duration,
    /// A connection without calls for this long is ended; a client opens another when it needs one.
    /// Default 15 min.
    pub idle_timeout: Duration,
    /// Silence after which a peer is asked for a sign of life while calls are in flight; six times
    /// that while there are none. Default 10 s.
    pub keepalive_interval: Duration,
    /// How long it has to give one; any byte will do. Default 5 s.
    pub keepalive_timeout: Duration,
    /// Pings taken from a peer per second, with a burst of ten times as many. Default 5.
    pub max_pings_per_second: u32,
    /// Cancelled calls taken per second, with a burst of as many. Default 10,000.
    pub max_cancels_per_second: u32,
    /// Frames that carry nothing (credit, skipped kinds, empty data) per second, with a burst of as
    /// many. Default 10,000.
    pub max_empty_frames_per_second: u32,
    /// Longest time a caller may have its call run; a longer wish is cut to this. Default 1 h.
    pub max_deadline: Duration,
    /// How deep and how many the values in a message may be.
    pub decode: DecodeLimits,
    /// How many times its compressed size a message may inflate to; judged above 1 MiB of output.
    /// Default 1,000.
    pub max_compression_ratio: u32,
    /// Asks the peer for a CRC32C on every frame, for links that TLS does not protect. Default off.
    pub checksum: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_frame_bytes: floor::MAX_FRAME_BYTES,
            max_message_bytes: 4 * 1024 * 1024,
            connection_credit: 16 * 1024 * 1024,
            max_calls: 1024,
            max_queued_bytes: 16 * 1024 * 1024,
            handshake_timeout: Duration::from_secs(10),
            partial_frame_timeout: Duration::from_secs(30),
            write_stall_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(15 * 60),
            keepalive_interval: Duration::from_secs(10),
            keepalive_timeout: Duration::from_secs(5),
            max_pings_per_second: 5,
            max_cancels_per_second: 10_000,
            max_empty_frames_per_second: 10_000,
            max_deadline: Duration::from_secs(60 * 60),
            decode: DecodeLimits::default(),
            max_compression_ratio: 1000,
            checksum: false,
        }
    }
}

/// Messages up to this need no credit, so that no end can offer to take less.
const BIG_MESSAGE_BYTES: u32 = 32_768;
const _: () = assert!(BIG_MESSAGE_BYTES as usize == rpc_codec::BIG_MESSAGE_BYTES);

/// Names travel in the HELLO, which has to stay small.
const MAX_NAME_BYTES: usize = 128;

/// That a client's or server's name is not too long.
pub(crate) fn check_name(whose: &str, name: &str) -> Result<(), Status> {
    if name.len() > MAX_NAME_BYTES {
        let long = format!("a {whose}'s name has at most {MAX_NAME_BYTES} bytes");
        return Err(Status::local(Code::InvalidArgument, long));
    }
    Ok(())
}

/// Call ids carry their slot in 20 bits, of which the last value is kept for one-way calls.
pub(super) const MAX_SLOTS: u32 = (1 << 20) - 1;

impl Limits {
    /// What the settings come to: a HELLO that offers less than the floors is refused.
    pub(super) fn message_bytes(&self) -> u32 {
        self.max_message_bytes.max(BIG_MESSAGE_BYTES)
    }

    pub(super) fn window_bytes(&self) -> u64 {
        u64::from(self.connection_credit.max(self.message_bytes()))
    }

    pub(crate) fn calls(&self) -> u32 {
        self.max_calls.clamp(floor::MAX_CALLS, MAX_SLOTS)
    }

    pub(super) fn frame_bytes(&self) -> u32 {
        self.max_frame_bytes.max(floor::MAX_FRAME_BYTES)
    }

    /// What this end tells its peer.
    pub(crate) fn hello(&self) -> Hello {
        Hello {
            version: u32::from(rpc_codec::preface::VERSION),
            max_frame_bytes: self.frame_bytes(),
            max_message_bytes: u64::from(self.message_bytes()),
            connection_credit: self.window_bytes(),
            stream_credit: floor::STREAM_CREDIT,
            max_calls: self.calls(),
            checksum: self.checksum,
            compressions: rpc_codec::Compression::available()
                .iter()
                .map(|name| (*name).to_owned())
                .collect(),
            ..Hello::default()
        }
    }
}
