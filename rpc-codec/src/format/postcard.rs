//! Postcard.

use bytes::{BufMut, Bytes, BytesMut};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::bounded;
use super::{DecodeLimits, Format, FormatError};

/// Positional, and therefore only for ends that are built together:
/// [postcard](https://postcard.jamesmunns.com) writes values without names or types, so that an
/// added, removed or reordered field is read as another one, in silence. In return it is small.
#[derive(Clone, Copy, Debug)]
pub struct Postcard;

const NAME: &str = "postcard";

impl<T: Serialize + DeserializeOwned> Format<T> for Postcard {
    const NAME: &'static str = NAME;

    fn encode(value: &T, out: &mut BytesMut) -> Result<(), FormatError> {
        postcard::to_io(value, out.writer())
            .map(drop)
            .map_err(|error| FormatError::encode(NAME, error))
    }

    fn decode(bytes: Bytes, limits: &DecodeLimits) -> Result<T, FormatError> {
        let mut postcard = postcard::Deserializer::from_bytes(&bytes);
        let value = bounded::read(NAME, &mut postcard, limits)?;
        let rest = postcard.finalize().map_err(|error| FormatError::decode(NAME, error))?;
        bounded::at_end(NAME, rest.len())?;
        Ok(value)
    }
}
