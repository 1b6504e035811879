//! Bytes as they are.

use bytes::{Bytes, BytesMut};

use super::{DecodeLimits, Format, FormatError};

/// No format at all: the message is the bytes. Methods take and return [`Bytes`].
#[derive(Clone, Copy, Debug)]
pub struct Raw;

impl Format<Bytes> for Raw {
    const NAME: &'static str = "raw";

    fn encode(value: &Bytes, out: &mut BytesMut) -> Result<(), FormatError> {
        out.extend_from_slice(value);
        Ok(())
    }

    fn decode(bytes: Bytes, _: &DecodeLimits) -> Result<Bytes, FormatError> {
        Ok(bytes)
    }
}
