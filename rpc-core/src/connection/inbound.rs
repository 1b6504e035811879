//! The reading half: large reads while there is much, a small buffer while there is little.

use std::io;

use bytes::{Buf, BytesMut};
use rpc_codec::{FrameCodec, ReceivedFrame, ReceivedFrames, preface};
use tokio::io::{AsyncRead, AsyncReadExt};

use super::fault::Fault;

/// What an idle connection keeps ready to read into.
const MIN_READ_BYTES: usize = 1024;
/// What a busy one reads at once: about the size of a socket's buffer.
const MAX_READ_BYTES: usize = 64 * 1024;

pub(super) struct Inbound {
    reader: Box<dyn AsyncRead + Send + Unpin>,
    buffer: BytesMut,
    codec: FrameCodec,
    frames: ReceivedFrames,
    read_bytes: usize,
    preface_seen: bool,
}

impl Inbound {
    pub(super) fn new(reader: Box<dyn AsyncRead + Send + Unpin>, max_frame_bytes: u32) -> Self {
        Self {
            reader,
            buffer: BytesMut::new(),
            codec: FrameCodec::new(max_frame_bytes),
            frames: ReceivedFrames::default(),
            read_bytes: MIN_READ_BYTES,
            preface_seen: false,
        }
    }

    /// Reads what there is; 0 is the end.
    ///
    /// # Cancel safety
    /// Dropping it loses no byte.
    pub(super) async fn fill(&mut self) -> io::Result<usize> {
        self.buffer.reserve(self.read_bytes);
        let room = self.buffer.capacity() - self.buffer.len();
        let some = self.reader.read_buf(&mut self.buffer).await?;
        if some == room {
            self.read_bytes = (self.read_bytes * 4).min(MAX_READ_BYTES);
        }
        Ok(some)
    }

    /// The next whole frame of what was read.
    #[inline]
    pub(super) fn next_frame(&mut self) -> Result<Option<ReceivedFrame>, Fault> {
        match self.frames.next()? {
            Some(frame) => Ok(Some(frame)),
            None => self.cut(),
        }
    }

    /// Cuts off what has become whole, and the first frame of that.
    #[inline(never)]
    fn cut(&mut self) -> Result<Option<ReceivedFrame>, Fault> {
        if !self.preface_seen && !self.take_preface()? {
            return Ok(None);
        }
        self.frames = self.codec.take_whole(&mut self.buffer)?;
        Ok(self.frames.next()?)
    }

    fn take_preface(&mut self) -> Result<bool, Fault> {
        if let Some(what) = preface::mismatch(&self.buffer) {
            return Err(Fault::NotOurs(what));
        }
        let Some(bytes) = self.buffer.first_chunk::<{ preface::LEN }>() else { return Ok(false) };
        let version = preface::parse(bytes).map_err(Fault::NotOurs)?;
        if version != preface::VERSION {
            return Err(Fault::Mismatch {
                code: super::fault::goaway::VERSION,
                message: format!(
                    "the peer speaks version {version} of the protocol, this end version {}",
                    preface::VERSION
                ),
            });
        }
        self.buffer.advance(preface::LEN);
        self.preface_seen = true;
        Ok(true)
    }

    /// Whether a frame has begun to arrive and is not whole.
    pub(super) fn is_partial(&self) -> bool {
        self.codec.is_partial(&self.buffer)
    }

    /// Frames of ignorable kinds that were skipped so far.
    pub(super) fn skipped(&self) -> u64 {
        self.codec.skipped()
    }

    pub(super) fn shrink(&mut self) {
        if self.buffer.is_empty() {
            self.buffer = BytesMut::new();
            self.read_bytes = MIN_READ_BYTES;
        }
    }

    /// Reads and throws away, so that closing does not reset what was just written.
    pub(super) async fn discard(&mut self) {
        /// More than a peer sends before it notices the end.
        const MAX_BYTES: usize = 1 << 20;
        let mut seen = 0;
        while seen < MAX_BYTES {
            self.buffer.clear();
            match self.fill().await {
                Ok(0) | Err(_) => return,
                Ok(some) => seen += some,
            }
        }
    }
}
