//! MessagePack, with fields by name.

use std::io::Cursor;

use bytes::{BufMut, Bytes, BytesMut};
use serde::Serialize;
use serde::de::DeserializeOwned;

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
        let mut msgpack = rmp_serde::Deserializer::new(Cursor::new(&bytes[..]));
        // The library's own limit: just above the one around every format, which says what is wrong.
        msgpack.set_max_depth(limits.max_depth as usize + 2);
        let value = bounded::read(NAME, &mut msgpack, limits)?;
        bounded::at_end(NAME, msgpack.position(), bytes.len())?;
        Ok(value)
    }
}
