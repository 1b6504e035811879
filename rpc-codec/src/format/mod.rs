//! Formats: how values become bytes. A format is a marker type that implements [`Format<T>`] for
//! every `T` that can travel in it; a service lists the formats it speaks as a tuple of markers.

pub mod bounded;
#[cfg(feature = "cbor")]
mod cbor;
mod error;
mod json;
mod msgpack;
#[cfg(feature = "postcard")]
mod postcard;
#[cfg(feature = "protobuf")]
mod protobuf;
mod raw;

use bytes::{Bytes, BytesMut};

#[cfg(feature = "cbor")]
pub use cbor::Cbor;
pub use error::FormatError;
pub use json::Json;
pub use msgpack::MessagePack;
#[cfg(feature = "postcard")]
pub use postcard::Postcard;
#[cfg(feature = "protobuf")]
pub use protobuf::Protobuf;
pub use raw::Raw;

/// How values of type `T` become bytes and are read back.
///
/// A format of one's own is one marker and one impl:
///
/// ```
/// use bytes::{Bytes, BytesMut};
/// use rpc_codec::format::{DecodeLimits, Format, FormatError};
/// use serde::{Serialize, de::DeserializeOwned};
///
/// struct PrettyJson;
///
/// impl<T: Serialize + DeserializeOwned> Format<T> for PrettyJson {
///     const NAME: &'static str = "pretty-json";
///
///     fn encode(value: &T, out: &mut BytesMut) -> Result<(), FormatError> {
///         let text = serde_json::to_vec_pretty(value)
///             .map_err(|error| FormatError::encode("pretty-json", error))?;
///         out.extend_from_slice(&text);
///         Ok(())
///     }
///
///     fn decode(bytes: Bytes, limits: &DecodeLimits) -> Result<T, FormatError> {
///         let mut json = serde_json::Deserializer::from_slice(&bytes);
///         rpc_codec::format::bounded::deserialize(&mut json, limits)
///             .map_err(|error| FormatError::decode("pretty-json", error))
///     }
/// }
/// # let mut out = BytesMut::new();
/// # PrettyJson::encode(&vec![1], &mut out).unwrap();
/// # let back: Vec<i32> = PrettyJson::decode(out.freeze(), &DecodeLimits::default()).unwrap();
/// # assert_eq!(back, [1]);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{T}` can't travel as `{Self}`",
    note = "MessagePack, Json, Cbor and Postcard take types that derive `serde::Serialize` and \
            `serde::Deserialize`; Protobuf takes `prost::Message` types; Raw takes `bytes::Bytes`"
)]
pub trait Format<T>: 'static {
    /// Its name on the wire: a few lower-case letters.
    const NAME: &'static str;

    /// Appends `value`.
    ///
    /// # Errors
    /// If the format has no way to write it.
    fn encode(value: &T, out: &mut BytesMut) -> Result<(), FormatError>;

    /// Reads a value that takes all of `bytes`, which may come from anyone.
    ///
    /// # Errors
    /// If they are no such value, or exceed the limits.
    fn decode(bytes: Bytes, limits: &DecodeLimits) -> Result<T, FormatError>;
}

/// The formats of a service, for one type: implemented by tuples of up to six markers.
#[diagnostic::on_unimplemented(
    message = "`{T}` can't travel in every format of the service: {Self}",
    note = "for the default formats derive `serde::Serialize` and `serde::Deserialize`; a list of \
            formats is a tuple such as `(MessagePack, Json)`"
)]
pub trait Formats<T>: 'static {
    /// The names of all of them; the first is the one used unless the client says otherwise.
    fn names() -> &'static [&'static str];

    /// Appends `value` in the format `name`.
    ///
    /// # Errors
    /// If there is no such format, or it has no way to write the value.
    fn encode(name: &str, value: &T, out: &mut BytesMut) -> Result<(), FormatError>;

    /// Reads a value in the format `name`.
    ///
    /// # Errors
    /// If there is no such format, or `bytes` are no such value, or exceed the limits.
    fn decode(name: &str, bytes: Bytes, limits: &DecodeLimits) -> Result<T, FormatError>;

    /// The one of [`Formats::names`] that is `name`.
    fn resolve(name: &str) -> Option<&'static str> {
        Self::names().iter().copied().find(|known| *known == name)
    }
}

macro_rules! formats {
    ($($format:ident)+) => {
        impl<T, $($format: Format<T>),+> Formats<T> for ($($format,)+) {
            fn names() -> &'static [&'static str] {
                const { &[$($format::NAME),+] }
            }

            fn encode(name: &str, value: &T, out: &mut BytesMut) -> Result<(), FormatError> {
                $(if name == $format::NAME {
                    return $format::encode(value, out);
                })+
                Err(FormatError::unknown(name, <Self as Formats<T>>::names()))
            }

            fn decode(name: &str, bytes: Bytes, limits: &DecodeLimits) -> Result<T, FormatError> {
                $(if name == $format::NAME {
                    return $format::decode(bytes, limits);
                })+
                Err(FormatError::unknown(name, <Self as Formats<T>>::names()))
            }
        }
    };
}

formats!(A);
formats!(A B);
formats!(A B C);
formats!(A B C D);
formats!(A B C D E);
formats!(A B C D E F);

/// How deep and how many the values in a message may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodeLimits {
    /// Containers inside containers. Default 64: JSON of people is 5 deep, and a worker's stack
    /// bears thousands.
    pub max_depth: u32,
    /// Strings, containers and empty values in all (not plain numbers, of which each takes a byte
    /// of the message). Default 1,000,000.
    pub max_elements: u32,
}

impl Default for DecodeLimits {
    fn default() -> Self {
        Self { max_depth: 64, max_elements: 1_000_000 }
    }
}
