//! Compression of messages, and above all their bounded inflation: a declared size is never
//! believed, output is capped while it is produced.

#[cfg(feature = "lz4")]
mod lz4;

use std::fmt;
use std::io::Read;

use bytes::Bytes;

/// Ratios are judged above this much output only: honest data can repeat itself (100 kB of one byte
/// shrink 5,000 times), and a megabyte hurts nobody.
const FREE_BYTES: usize = 1024 * 1024;

/// How a message is compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Compression {
    /// Not at all.
    #[default]
    None = 0,
    /// LZ4, in its frame format. Fast; needs the feature `lz4`.
    Lz4 = 1,
    /// Zstandard. Small; needs the feature `zstd`.
    Zstd = 2,
}

/// What a compressed message may become.
#[derive(Clone, Copy, Debug)]
pub struct DecompressLimits {
    /// At most this many bytes.
    pub max_bytes: usize,
    /// At most this many times its compressed size.
    pub max_ratio: u32,
}

impl Compression {
    const ALL: [Self; 3] = [Self::None, Self::Lz4, Self::Zstd];

    /// Its name in a HELLO.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        }
    }

    /// The one of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|compression| compression.name() == name)
    }

    /// Its number on the wire.
    pub fn number(self) -> u32 {
        self as u32
    }

    /// The one of this number; another is an error, since the body could not be read.
    pub(crate) fn from_number(number: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|compression| compression.number() == number)
    }

    /// Whether this build has it.
    pub fn is_available(self) -> bool {
        match self {
            Self::None => true,
            Self::Lz4 => cfg!(feature = "lz4"),
            Self::Zstd => cfg!(feature = "zstd"),
        }
    }

    /// The names of those this build has, without `none`.
    pub fn available() -> &'static [&'static str] {
        match (cfg!(feature = "lz4"), cfg!(feature = "zstd")) {
            (false, false) => &[],
            (true, false) => &["lz4"],
            (false, true) => &["zstd"],
            (true, true) => &["lz4", "zstd"],
        }
    }

    /// Makes `bytes` smaller, hopefully.
    ///
    /// # Errors
    /// If this build does not have it.
    pub fn compress(self, bytes: &[u8]) -> Result<Bytes, CompressionError> {
        match self {
            Self::None => Ok(Bytes::copy_from_slice(bytes)),
            #[cfg(feature = "lz4")]
            Self::Lz4 => Ok(lz4::compress(bytes).map_err(broken)?.into()),
            #[cfg(feature = "zstd")]
            Self::Zstd => Ok(zstd::bulk::compress(bytes, 0).map_err(broken)?.into()),
            #[allow(unreachable_patterns, reason = "depends on features")]
            other => Err(CompressionError::Unavailable(other)),
        }
    }

    /// What `bytes` were before.
    ///
    /// # Errors
    /// If they become too large, are corrupt, or this build does not have it.
    pub fn decompress(
        self,
        bytes: &[u8],
        limits: &DecompressLimits,
    ) -> Result<Bytes, CompressionError> {
        match self {
            Self::None if bytes.len() <= limits.max_bytes => Ok(Bytes::copy_from_slice(bytes)),
            Self::None => Err(CompressionError::TooLarge { max: limits.max_bytes }),
            #[cfg(feature = "lz4")]
            Self::Lz4 => match lz4::reader(bytes) {
                Some(reader) => inflate(reader, bytes.len(), limits),
                None => Err(broken("expected one whole LZ4 frame")),
            },
            #[cfg(feature = "zstd")]
            Self::Zstd if bytes.is_empty() => Err(broken("expected a zstd frame")),
            #[cfg(feature = "zstd")]
            Self::Zstd => {
                let mut decoder =
                    zstd::stream::read::Decoder::with_buffer(bytes).map_err(broken)?;
                // 8 MiB: what level 19 uses, and all that a peer may make this end allocate.
                decoder.window_log_max(23).map_err(broken)?;
                inflate(decoder, bytes.len(), limits)
            }
            #[allow(unreachable_patterns, reason = "depends on features")]
            other => Err(CompressionError::Unavailable(other)),
        }
    }
}

/// Reads to the end, but not past a limit.
#[allow(dead_code, reason = "used by the compressions behind features")]
fn inflate(
    mut reader: impl Read,
    compressed_bytes: usize,
    limits: &DecompressLimits,
) -> Result<Bytes, CompressionError> {
    let by_ratio = compressed_bytes.saturating_mul(limits.max_ratio as usize).max(FREE_BYTES);
    let most = limits.max_bytes.min(by_ratio);
    let mut out = Vec::new();
    // One byte more than allowed tells too large from just fitting.
    let cap = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
    reader.by_ref().take(cap).read_to_end(&mut out).map_err(broken)?;
    if out.len() <= most {
        return Ok(out.into());
    }
    Err(if most == limits.max_bytes {
        CompressionError::TooLarge { max: limits.max_bytes }
    } else {
        CompressionError::Bomb { max_ratio: limits.max_ratio }
    })
}

#[allow(dead_code, reason = "used by the compressions behind features")]
fn broken(error: impl fmt::Display) -> CompressionError {
    CompressionError::Corrupt(error.to_string())
}

/// A message that could not be compressed or inflated.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CompressionError {
    /// This build does not have it.
    Unavailable(Compression),
    /// It becomes too large.
    TooLarge {
        /// Bytes it may have.
        max: usize,
    },
    /// It grows by more than any honest message.
    Bomb {
        /// Times its size it may grow.
        max_ratio: u32,
    },
    /// The bytes are no such compression.
    Corrupt(String),
}

impl fmt::Display for CompressionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unavailable(compression) => {
                let name = compression.name();
                write!(f, "{name} compression is not part of this build: enable feature `{name}`")
            }
            Self::TooLarge { max } => write!(f, "it inflates to more than {max} bytes"),
            Self::Bomb { max_ratio } => {
                write!(f, "it inflates to more than {max_ratio} times its size")
            }
            Self::Corrupt(why) => write!(f, "it is corrupt: {why}"),
        }
    }
}

impl std::error::Error for CompressionError {}
