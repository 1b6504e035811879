//! JSON.

use bytes::{BufMut, Bytes, BytesMut};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::bounded;
use super::{DecodeLimits, Format, FormatError};

/// [JSON](https://www.rfc-editor.org/rfc/rfc8259): what people and browsers read.
#[derive(Clone, Copy, Debug)]
pub struct Json;

const NAME: &str = "json";

impl<T: Serialize + DeserializeOwned> Format<T> for Json {
    const NAME: &'static str = NAME;

    fn encode(value: &T, out: &mut BytesMut) -> Result<(), FormatError> {
        serde_json::to_writer(out.writer(), value).map_err(|error| FormatError::encode(NAME, error))
    }

    fn decode(bytes: Bytes, limits: &DecodeLimits) -> Result<T, FormatError> {
        let mut json = serde_json::Deserializer::from_slice(&bytes);
        let value = bounded::read(NAME, &mut json, limits)?;
        json.end().map_err(|error| FormatError::decode(NAME, error))?;
        Ok(value)
    }
}
