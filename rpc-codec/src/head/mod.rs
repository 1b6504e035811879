//! Heads: the small protobuf message in front of a frame's body. `proto/wire.proto` is the
//! reference; these read and write the same bytes by hand, without allocating on the hot path.

mod control;
mod protobuf;
mod request;
mod response;

use bytes::BytesMut;

use crate::compression::Compression;
use crate::error::HeadError;
use crate::metadata::Metadata;
use protobuf::{Field, put_pair};

pub use control::{Cancel, Credit, Goaway, Hello};
pub use request::RequestHead;
pub use response::{Detail, ResponseHead};

/// A head that can be written.
pub trait Head {
    /// About how many bytes it takes, to reserve room; may be too few.
    fn encoded_len_hint(&self) -> usize;

    /// Appends it.
    fn encode(&self, dst: &mut BytesMut);
}

/// No head at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NoHead;

impl Head for NoHead {
    fn encoded_len_hint(&self) -> usize {
        0
    }

    fn encode(&self, _: &mut BytesMut) {}
}

/// A head that is encoded already.
impl Head for [u8] {
    fn encoded_len_hint(&self) -> usize {
        self.len()
    }

    fn encode(&self, dst: &mut BytesMut) {
        dst.extend_from_slice(self);
    }
}

impl Compression {
    /// The one a head names; an unknown one fails the call, whose body can't be read.
    fn from_field(field: &Field<'_>) -> Result<Self, HeadError> {
        Self::from_number(field.u32()?).ok_or(HeadError::Invalid {
            field: field.number,
            expected: "a compression of 0 (none), 1 (lz4) or 2 (zstd)",
        })
    }
}

fn put_metadata(dst: &mut BytesMut, field: u32, metadata: &Metadata) {
    for (key, value) in metadata.iter() {
        put_pair(dst, field, key.as_bytes(), value);
    }
}

/// Reads one entry; what a peer sends has to keep the bounds that [`Metadata`] has.
fn read_entry(field: &Field<'_>, metadata: &mut Metadata) -> Result<(), HeadError> {
    let (key, value) = field.pair()?;
    metadata.append(field.text_of(key)?, value.to_vec()).map_err(|_| HeadError::Invalid {
        field: field.number,
        expected: "metadata of at most 64 entries and 16384 bytes, with keys of 1 to 64 bytes of \
                   a-z, 0-9, -, _, . that do not begin with rpc-",
    })
}
