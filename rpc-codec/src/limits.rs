//! Sizes that the protocol fixes.

/// A message of at most this many body bytes travels in one frame and without credit; a bigger one
/// is cut in pieces of at most this many, which interleave with other frames.
pub const BIG_MESSAGE_BYTES: usize = 32_768;
/// Largest head of a frame. With a piece of a message and a checksum it fits the floor below.
pub const MAX_HEAD_BYTES: usize = 24_576;
/// Longest method path.
pub const MAX_METHOD_BYTES: usize = 255;

/// What a client may use before the server has said HELLO, and the least a HELLO may offer.
pub mod floor {
    /// Largest frame payload, in bytes.
    pub const MAX_FRAME_BYTES: u32 = 65_536;
    /// Calls in flight.
    pub const MAX_CALLS: u32 = 32;
    /// Credit of a stream, in bytes.
    pub const STREAM_CREDIT: u64 = 65_536;
}
