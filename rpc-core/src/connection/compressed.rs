//! Messages that travel compressed: when that is worth it, and how far one may inflate.

use bytes::Bytes;
use rpc_codec::{BIG_MESSAGE_BYTES, Compression, CompressionError, DecompressLimits};

use super::Limits;

/// Smaller bodies are not worth compressing.
const COMPRESS_BYTES: usize = 1024;

/// Whether a body travels as it is, in one frame, whatever was asked for.
pub(super) fn is_small(body: &[u8]) -> bool {
    body.len() < COMPRESS_BYTES.min(BIG_MESSAGE_BYTES)
}

/// The body as it travels, if `wanted` pays for it, and what it is compressed by.
pub(super) fn deflate(
    body: Bytes,
    wanted: Compression,
) -> Result<(Bytes, Compression), CompressionError> {
    if wanted == Compression::None || body.len() < COMPRESS_BYTES {
        return Ok((body, Compression::None));
    }
    Ok((wanted.compress(&body)?, wanted))
}

impl Limits {
    /// What a received body was before it was compressed.
    pub(crate) fn inflate(
        &self,
        body: Bytes,
        compression: Compression,
    ) -> Result<Bytes, CompressionError> {
        if compression == Compression::None {
            return Ok(body);
        }
        let limits = DecompressLimits {
            max_bytes: self.max_message_bytes as usize,
            max_ratio: self.max_compression_ratio,
        };
        compression.decompress(&body, &limits)
    }
}
