//! Protobuf.

use bytes::{Bytes, BytesMut};
use prost::Message;

use super::{DecodeLimits, Format, FormatError};

/// [Protobuf](https://protobuf.dev), for [`prost::Message`] types. A method of such a service takes
/// one message and returns one. Depth is bounded by prost itself, at 100.
#[derive(Clone, Copy, Debug)]
pub struct Protobuf;

const NAME: &str = "protobuf";

impl<T: Message + Default> Format<T> for Protobuf {
    const NAME: &'static str = NAME;

    fn encode(value: &T, out: &mut BytesMut) -> Result<(), FormatError> {
        value.encode(out).map_err(|error| FormatError::encode(NAME, error))
    }

    fn decode(bytes: Bytes, _: &DecodeLimits) -> Result<T, FormatError> {
        T::decode(bytes).map_err(|error| FormatError::decode(NAME, error))
    }
}
