//! Frames: a header of 16 bytes, a head, a body.
//!
//! | offset | bytes | what |
//! |---|---|---|
//! | 0 | 4 | payload length, big-endian: head, body and checksum |
//! | 4 | 1 | kind; with the highest bit set it may be skipped by who does not know it |
//! | 5 | 1 | flags; the high four may be skipped |
//! | 6 | 2 | head length |
//! | 8 | 8 | call id; 0 is the connection itself |

use std::fmt;
use std::mem;
use std::ops::BitOr;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio_util::codec::{Decoder, Encoder};

use crate::checksum;
use crate::error::{FrameError, HeadTooLarge};
use crate::head::Head;
use crate::limits::MAX_HEAD_BYTES;

/// Length of a frame's header in bytes.
pub const HEADER_LEN: usize = 16;
/// Length of a checksum in bytes.
const CHECKSUM_LEN: usize = 4;
/// The bit of a call id that is kept for calls which a server may start one day.
const SERVER_BIT: u64 = 1 << 63;

/// What a frame is for.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Kind(pub u8);

impl Kind {
    /// The first frame of each side: what it takes and who it is.
    pub const HELLO: Self = Self(1);
    /// Begins a call.
    pub const REQUEST: Self = Self(2);
    /// Ends a call.
    pub const RESPONSE: Self = Self(3);
    /// A further piece of a message, or an item of a stream.
    pub const DATA: Self = Self(4);
    /// More may be sent.
    pub const CREDIT: Self = Self(5);
    /// The caller waits no longer.
    pub const CANCEL: Self = Self(6);
    /// Are you there?
    pub const PING: Self = Self(7);
    /// Yes.
    pub const PONG: Self = Self(8);
    /// No further calls are taken.
    pub const GOAWAY: Self = Self(9);

    /// Whether one that does not know it may skip it.
    pub fn is_ignorable(self) -> bool {
        self.0 & 0x80 != 0
    }

    /// Whether this crate knows it.
    pub fn is_known(self) -> bool {
        (Self::HELLO.0..=Self::GOAWAY.0).contains(&self.0)
    }
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const NAMES: [&str; 9] =
            ["HELLO", "REQUEST", "RESPONSE", "DATA", "CREDIT", "CANCEL", "PING", "PONG", "GOAWAY"];
        match NAMES.get(usize::from(self.0).wrapping_sub(1)) {
            Some(name) => f.write_str(name),
            None => write!(f, "Kind({})", self.0),
        }
    }
}

/// What is special about a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Flags(pub u8);

impl Flags {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// The message goes on in the call's next DATA frame.
    pub const MORE: Self = Self(1);
    /// The sender has no further message for this call.
    pub const END: Self = Self(2);
    /// The payload ends with a CRC32C of header and payload.
    pub const CHECKSUM: Self = Self(4);

    const KNOWN: u8 = 7;
    const CRITICAL: u8 = 0x0F;

    /// Whether all of `other` is set.
    pub fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The flags that are neither known nor may be skipped.
    pub fn unknown_critical(self) -> Option<u8> {
        let unknown = self.0 & Self::CRITICAL & !Self::KNOWN;
        (unknown != 0).then_some(unknown)
    }
}

impl BitOr for Flags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// A frame's first 16 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Length of head, body and checksum together.
    pub payload_len: u32,
    /// What the frame is for.
    pub kind: Kind,
    /// What is special about it.
    pub flags: Flags,
    /// Length of the head.
    pub head_len: u16,
    /// The call it belongs to; 0 is the connection itself.
    pub call: u64,
}

impl Header {
    /// Its bytes on the wire.
    pub fn encode(&self) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        let mut out = &mut bytes[..];
        out.put_u32(self.payload_len);
        out.put_u8(self.kind.0);
        out.put_u8(self.flags.0);
        out.put_u16(self.head_len);
        out.put_u64(self.call);
        bytes
    }

    /// Reads it; any 16 bytes are a header, though not one that makes sense.
    pub fn parse(bytes: &[u8; HEADER_LEN]) -> Self {
        let mut bytes = &bytes[..];
        Self {
            payload_len: bytes.get_u32(),
            kind: Kind(bytes.get_u8()),
            flags: Flags(bytes.get_u8()),
            head_len: bytes.get_u16(),
            call: bytes.get_u64(),
        }
    }

    fn checksum_len(&self) -> usize {
        if self.flags.contains(Flags::CHECKSUM) { CHECKSUM_LEN } else { 0 }
    }

    /// Whether this end takes a frame with this header, before any of its payload is there.
    fn check(&self, max_payload_bytes: u32) -> Result<(), FrameError> {
        if self.payload_len > max_payload_bytes {
            return Err(FrameError::TooLarge { bytes: self.payload_len, max: max_payload_bytes });
        }
        if !self.kind.is_known() {
            if self.kind.is_ignorable() {
                return Ok(());
            }
            return Err(FrameError::UnknownKind(self.kind));
        }
        if let Some(flag) = self.flags.unknown_critical() {
            return Err(FrameError::UnknownFlag(flag));
        }
        let before_checksum = (self.payload_len as usize).checked_sub(self.checksum_len());
        let head = usize::from(self.head_len);
        if head > MAX_HEAD_BYTES || before_checksum.is_none_or(|room| head > room) {
            return Err(FrameError::BadHeadLength {
                head: self.head_len,
                payload: self.payload_len,
            });
        }
        if self.call & SERVER_BIT != 0 {
            return Err(FrameError::ReservedCall(self.call));
        }
        Ok(())
    }
}

/// A whole frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// What it is for.
    pub kind: Kind,
    /// What is special about it.
    pub flags: Flags,
    /// The call it belongs to; 0 is the connection itself.
    pub call: u64,
    /// A protobuf message, which one depends on the kind.
    pub head: Bytes,
    /// A message or a piece of one.
    pub body: Bytes,
}

/// Appends a frame to `dst` in place: no buffer in between, no second copy of the body.
///
/// With `checksum`, or [`Flags::CHECKSUM`] among the flags, it carries one.
///
/// # Errors
/// If the head is too large; `dst` is then as before.
pub fn put_frame<H: Head + ?Sized>(
    dst: &mut BytesMut,
    kind: Kind,
    flags: Flags,
    call: u64,
    head: &H,
    body: &[u8],
    checksum: bool,
) -> Result<(), HeadTooLarge> {
    let start = dst.len();
    dst.reserve(HEADER_LEN + head.encoded_len_hint() + body.len() + CHECKSUM_LEN);
    dst.put_bytes(0, HEADER_LEN);
    head.encode(dst);
    let head_bytes = dst.len() - start - HEADER_LEN;
    let head_len = match u16::try_from(head_bytes) {
        Ok(len) if head_bytes <= MAX_HEAD_BYTES => len,
        _ => {
            dst.truncate(start);
            return Err(HeadTooLarge { bytes: head_bytes });
        }
    };
    dst.put_slice(body);
    let checksum = checksum || flags.contains(Flags::CHECKSUM);
    let flags = if checksum { flags | Flags::CHECKSUM } else { flags };
    let checksum_len = if checksum { CHECKSUM_LEN } else { 0 };
    let header = Header {
        // Callers cut messages long before four gigabytes; one that did not would send a frame
        // that every peer refuses.
        payload_len: u32::try_from(head_bytes + body.len() + checksum_len).unwrap_or(u32::MAX),
        kind,
        flags,
        head_len,
        call,
    };
    dst[start..start + HEADER_LEN].copy_from_slice(&header.encode());
    if checksum {
        let sum = checksum::of(&dst[start..start + HEADER_LEN], &dst[start + HEADER_LEN..]);
        dst.put_u32(sum);
    }
    Ok(())
}

/// A frame as it came: it shares the memory that it was read into.
#[derive(Clone, Debug)]
pub struct ReceivedFrame {
    /// What it is for.
    pub kind: Kind,
    /// What else is to know.
    pub flags: Flags,
    /// Whose it is; 0 for the connection's own.
    pub call: u64,
    payload: Bytes,
    head_len: u16,
}

impl ReceivedFrame {
    /// The head's bytes.
    pub fn head(&self) -> &[u8] {
        &self.payload[..usize::from(self.head_len)]
    }

    /// The body.
    pub fn body(&self) -> &[u8] {
        &self.payload[usize::from(self.head_len)..]
    }

    /// The body, which keeps the memory.
    pub fn into_body(mut self) -> Bytes {
        self.payload.advance(usize::from(self.head_len));
        self.payload
    }
}

impl From<ReceivedFrame> for Frame {
    fn from(frame: ReceivedFrame) -> Self {
        let ReceivedFrame { kind, flags, call, mut payload, head_len } = frame;
        let head = payload.split_to(usize::from(head_len));
        Self { kind, flags, call, head, body: payload }
    }
}

/// Frames that have arrived whole, one after the other.
#[derive(Debug, Default)]
pub struct ReceivedFrames(Bytes);

impl ReceivedFrames {
    /// The next of them.
    ///
    /// # Errors
    /// If its checksum is wrong.
    #[expect(clippy::should_implement_trait, reason = "it may fail, and ends with that")]
    #[inline]
    pub fn next(&mut self) -> Result<Option<ReceivedFrame>, FrameError> {
        // Only whole frames are in there, see [`FrameCodec::whole_bytes`].
        let Some(bytes) = self.0.first_chunk::<HEADER_LEN>() else { return Ok(None) };
        let header = Header::parse(bytes);
        let header_bytes = *bytes;
        let end = HEADER_LEN + header.payload_len as usize;
        let mut payload = if self.0.len() == end {
            // The last one: what it leaves must not hold on to the memory.
            mem::take(&mut self.0)
        } else {
            self.0.split_to(end)
        };
        payload.advance(HEADER_LEN);
        if header.flags.contains(Flags::CHECKSUM) {
            verify(&header_bytes, &mut payload)?;
        }
        let Header { kind, call, head_len, .. } = header;
        let flags = Flags(header.flags.0 & !Flags::CHECKSUM.0);
        Ok(Some(ReceivedFrame { kind, flags, call, payload, head_len }))
    }
}

/// Bytes to frames and back, for [`tokio_util::codec`].
///
/// Frames of unknown ignorable kinds are skipped as they arrive, without being kept.
#[derive(Debug)]
pub struct FrameCodec {
    max_payload_bytes: u32,
    checksum: bool,
    /// Payload bytes still to come of a frame that is being skipped.
    skipping: usize,
    skipped: u64,
}

impl FrameCodec {
    /// Takes payloads of at most this many bytes.
    pub fn new(max_payload_bytes: u32) -> Self {
        Self { max_payload_bytes, checksum: false, skipping: 0, skipped: 0 }
    }

    /// Largest payload it takes, in bytes.
    pub fn max_payload_bytes(&self) -> u32 {
        self.max_payload_bytes
    }

    /// Whether frames it encodes carry a checksum. Those it decodes are checked whenever they do.
    #[must_use]
    pub fn with_checksum(mut self, on: bool) -> Self {
        self.checksum = on;
        self
    }

    /// The same, once the peer's HELLO says whether it wants them.
    pub fn set_checksum(&mut self, on: bool) {
        self.checksum = on;
    }

    /// Frames skipped so far.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// Whether a frame has begun to arrive and is not whole.
    pub fn is_partial(&self, buffered: &BytesMut) -> bool {
        self.skipping > 0 || !buffered.is_empty()
    }

    /// All frames that have arrived whole: cheaper than one at a time where there are many.
    ///
    /// # Errors
    /// If what comes first is no frame. What is wrong behind a good one is told when asked again.
    pub fn take_whole(&mut self, src: &mut BytesMut) -> Result<ReceivedFrames, FrameError> {
        Ok(match self.whole_bytes(src, usize::MAX)? {
            // Not even an empty piece of it: the memory can be used again once no frame holds it.
            0 => ReceivedFrames::default(),
            whole => ReceivedFrames(src.split_to(whole).freeze()),
        })
    }

    /// How many bytes at the front of `src` are whole frames, `most` of them at most, once what is to
    /// be skipped is gone.
    fn whole_bytes(&mut self, src: &mut BytesMut, most: usize) -> Result<usize, FrameError> {
        let mut whole = 0;
        let mut frames = 0;
        while frames < most {
            if self.skipping > 0 && !self.skip(src) {
                return Ok(0);
            }
            let Some(bytes) = src[whole..].first_chunk::<HEADER_LEN>() else { break };
            let header = Header::parse(bytes);
            match header.check(self.max_payload_bytes) {
                Ok(()) => {}
                Err(error) if whole == 0 => return Err(error),
                Err(_) => break,
            }
            let end = whole + HEADER_LEN + header.payload_len as usize;
            if header.kind.is_known() {
                if src.len() < end {
                    if whole == 0 {
                        // The limit was checked above, so this reserves no more than that.
                        src.reserve(end - src.len());
                    }
                    break;
                }
                whole = end;
                frames += 1;
            } else if whole == 0 {
                src.advance(HEADER_LEN);
                self.skipping = header.payload_len as usize;
                self.skipped += 1;
            } else {
                break;
            }
        }
        Ok(whole)
    }

    /// Throws away what there is of a frame that is being skipped; true when all of it is gone.
    fn skip(&mut self, src: &mut BytesMut) -> bool {
        let some = self.skipping.min(src.len());
        src.advance(some);
        self.skipping -= some;
        self.skipping == 0
    }
}

impl Decoder for FrameCodec {
    type Item = Frame;
    type Error = FrameError;

    fn decode(&mut self, src: &mut BytesMut) -> Result<Option<Frame>, FrameError> {
        let whole = self.whole_bytes(src, 1)?;
        let frame = ReceivedFrames(src.split_to(whole).freeze()).next()?;
        Ok(frame.map(Frame::from))
    }
}

/// Checks a payload's checksum and takes it off.
#[cold]
fn verify(header: &[u8; HEADER_LEN], payload: &mut Bytes) -> Result<(), FrameError> {
    // `Header::check` saw to it that there is room for a checksum.
    let mut sum = payload.split_off(payload.len().saturating_sub(CHECKSUM_LEN));
    let expected = sum.try_get_u32().unwrap_or_default();
    let found = checksum::of(header, payload);
    if expected == found { Ok(()) } else { Err(FrameError::Checksum { expected, found }) }
}

impl Encoder<Frame> for FrameCodec {
    type Error = FrameError;

    fn encode(&mut self, frame: Frame, dst: &mut BytesMut) -> Result<(), FrameError> {
        let Frame { kind, flags, call, head, body } = frame;
        put_frame(dst, kind, flags, call, &head[..], &body, self.checksum).map_err(|error| {
            FrameError::Io(std::io::Error::new(std::io::ErrorKind::InvalidInput, error))
        })
    }
}
