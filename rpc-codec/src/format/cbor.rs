//! CBOR.

use bytes::{BufMut, Bytes, BytesMut};
use cbor4ii::core::dec::Read;
use cbor4ii::core::utils::SliceReader;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::bounded;
use super::{DecodeLimits, Format, FormatError};

/// [CBOR](https://www.rfc-editor.org/rfc/rfc8949), fields by name.
#[derive(Clone, Copy, Debug)]
pub struct Cbor;

const NAME: &str = "cbor";

impl<T: Serialize + DeserializeOwned> Format<T> for Cbor {
    const NAME: &'static str = NAME;

    fn encode(value: &T, out: &mut BytesMut) -> Result<(), FormatError> {
        cbor4ii::serde::to_writer(out.writer(), value)
            .map_err(|error| FormatError::encode(NAME, error.to_string()))
    }

    fn decode(bytes: Bytes, limits: &DecodeLimits) -> Result<T, FormatError> {
        // Skipping a value that the type does not know is bounded by the library, at 256 levels.
        let mut cbor = cbor4ii::serde::Deserializer::new(SliceReader::new(&bytes));
        let value = bounded::read(NAME, &mut cbor, limits)?;
        let mut rest = cbor.into_inner();
        let left = match rest.fill(1) {
            Ok(left) => left.as_ref().len(),
            Err(never) => match never {},
        };
        bounded::at_end(NAME, left)?;
        Ok(value)
    }
}
