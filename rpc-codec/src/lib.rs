//! The wire of rpc-core: bytes to frames, heads and values, and back.
//!
//! ```
//! use bytes::BytesMut;
//! use rpc_codec::{Flags, FrameCodec, Kind, RequestHead, put_frame};
//! use tokio_util::codec::Decoder;
//!
//! // A request as it goes out ..
//! let mut wire = BytesMut::new();
//! let mut head = RequestHead::new("shop.Inventory/price");
//! head.format = "json";
//! put_frame(&mut wire, Kind::REQUEST, Flags::END, 1 << 20, &head, br#"{"sku":"A-17"}"#, false)?;
//!
//! // .. and as it comes in.
//! let frame = FrameCodec::new(65_536).decode(&mut wire)?.expect("a whole frame was written");
//! assert_eq!(RequestHead::decode(&frame.head)?, head);
//! assert_eq!(&frame.body[..], br#"{"sku":"A-17"}"#);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! No sockets, no tasks: everything here is a function of bytes. `docs/PROTOCOL.md` is the
//! specification, `proto/wire.proto` the reference for heads.

pub mod checksum;
mod code;
mod compression;
mod error;
pub mod format;
mod frame;
mod head;
mod limits;
mod metadata;
pub mod preface;

pub use code::{Code, Executed, Load, Origin, Priority};
pub use compression::{Compression, CompressionError, DecompressLimits};
pub use error::{FrameError, HeadError, HeadTooLarge};
pub use frame::{
    Flags, Frame, FrameCodec, HEADER_LEN, Header, Kind, ReceivedFrame, ReceivedFrames, put_frame,
};
pub use head::{Cancel, Credit, Detail, Goaway, Head, Hello, NoHead, RequestHead, ResponseHead};
pub use limits::{BIG_MESSAGE_BYTES, MAX_HEAD_BYTES, MAX_METHOD_BYTES, floor};
pub use metadata::{Metadata, MetadataError};
