//! MessagePack, with fields by name.

use std::io::ErrorKind;

use bytes::{BufMut, Bytes, BytesMut};
use rmp_serde::decode::Error;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::bounded;
use super::{DecodeLimits, Format, FormatError};

/// [MessagePack](https://msgpack.org), fields by name: the default, since fields and arguments can
/// be added and reordered while old and new ends run side by side.
#[derive(Clone, Copy, Debug)]
pub struct MessagePack;

const NAME: &str = "msgpack";

impl<T: Serialize + DeserializeOwned> Format<T> for MessagePack {
    const NAME: &'static str = NAME;

    fn encode(value: &T, out: &mut BytesMut) -> Result<(), FormatError> {
        rmp_serde::encode::write_named(&mut out.writer(), value)
            .map_err(|error| FormatError::encode(NAME, error))
    }

    fn decode(bytes: Bytes, limits: &DecodeLimits) -> Result<T, FormatError> {
        let mut msgpack = rmp_serde::Deserializer::from_read_ref(&bytes[..]);
        // The library's own limit: just above the one around every format, which says what is wrong.
        msgpack.set_max_depth(limits.max_depth as usize + 2);
        let value = bounded::read(NAME, &mut msgpack, limits)?;
        // The library does not tell how far it has come, but whether there is anything left to read.
        match bool::deserialize(&mut msgpack) {
            Err(Error::InvalidMarkerRead(error)) if error.kind() == ErrorKind::UnexpectedEof => {
                Ok(value)
            }
            _ => Err(FormatError::decode(NAME, "more bytes follow the value")),
        }
    }
}
