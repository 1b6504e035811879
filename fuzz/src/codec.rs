//! The decoders: functions of bytes.

use std::collections::BTreeMap;
use std::fmt::Debug;

use bytes::{Bytes, BytesMut};
use rpc_codec::format::{
    Cbor, DecodeLimits, Format, FormatError, Json, MessagePack, Postcard, Protobuf,
};
use rpc_codec::{
    Cancel, Compression, CompressionError, Credit, DecompressLimits, Flags, Frame, FrameCodec,
    Goaway, Head, HeadError, Hello, Kind, Metadata, RequestHead, ResponseHead, preface, put_frame,
};
use serde::{Deserialize, Serialize};
use tokio_util::codec::Decoder;

/// A target's name, and what it does with bytes.
pub type Target = (&'static str, fn(&[u8]));

/// Every target here.
pub const TARGETS: &[Target] = &[
    ("frames", frames),
    ("preface", preface_bytes),
    ("head_request", head_request),
    ("head_response", head_response),
    ("head_hello", head_hello),
    ("head_goaway", head_goaway),
    ("head_credit", head_credit),
    ("head_cancel", head_cancel),
    ("metadata", metadata),
    ("format_msgpack", format_msgpack),
    ("format_json", format_json),
    ("format_cbor", format_cbor),
    ("format_postcard", format_postcard),
    ("format_protobuf", format_protobuf),
    ("decompress_lz4", decompress_lz4),
    ("decompress_zstd", decompress_zstd),
];

/// What a stream of bytes is as frames, and how it ends.
#[derive(Debug, PartialEq)]
struct Read {
    frames: Vec<Frame>,
    error: Option<String>,
    skipped: u64,
    left: usize,
}

impl Read {
    /// Reads what comes in pieces of `piece` bytes, one frame at a time or all that are whole.
    fn all(bytes: &[u8], max_payload_bytes: u32, piece: usize, at_once: bool) -> Self {
        let mut codec = FrameCodec::new(max_payload_bytes);
        let mut buffer = BytesMut::new();
        let mut read = Self { frames: Vec::new(), error: None, skipped: 0, left: 0 };
        for piece in bytes.chunks(piece) {
            buffer.extend_from_slice(piece);
            if let Err(error) = read.some(&mut codec, &mut buffer, at_once) {
                read.error = Some(error.to_string());
                break;
            }
            // Room is made for one frame that the limit allows, and not for what a header promises.
            let most = 2 * (max_payload_bytes as usize + bytes.len()) + 1024;
            assert!(buffer.capacity() <= most, "{} bytes of room", buffer.capacity());
        }
        read.skipped = codec.skipped();
        // After an error it does not matter how much of the rest had been looked at.
        read.left = if read.error.is_none() { buffer.len() } else { 0 };
        read
    }

    fn some(
        &mut self,
        codec: &mut FrameCodec,
        buffer: &mut BytesMut,
        at_once: bool,
    ) -> Result<(), rpc_codec::FrameError> {
        loop {
            let before = self.frames.len();
            if at_once {
                let mut whole = codec.take_whole(buffer)?;
                while let Some(frame) = whole.next()? {
                    self.frames.push(frame.into());
                }
            } else if let Some(frame) = codec.decode(buffer)? {
                self.frames.push(frame);
            }
            if self.frames.len() == before {
                return Ok(());
            }
        }
    }
}

/// Frames are the same however they arrive and are read, and come back if they are written again.
pub fn frames(data: &[u8]) {
    let Some((&[size, piece], bytes)) = data.split_first_chunk() else { return };
    let max = [65_536, 200, 16, 0][usize::from(size % 4)];
    let whole = Read::all(bytes, max, bytes.len().max(1), false);
    for (piece, at_once) in [
        (bytes.len().max(1), true),
        (1, false),
        (1, true),
        (usize::from(piece) + 1, false),
        (usize::from(piece) + 1, true),
    ] {
        let other = Read::all(bytes, max, piece, at_once);
        assert_eq!(whole, other, "in pieces of {piece}, at once: {at_once}");
    }
    for frame in &whole.frames {
        assert!(frame.head.len() + frame.body.len() <= max as usize);
        for checksum in [false, true] {
            let mut again = BytesMut::new();
            let Frame { kind, flags, call, .. } = *frame;
            put_frame(&mut again, kind, flags, call, &frame.head[..], &frame.body, checksum)
                .expect("the head was not too large when it came");
            let back = FrameCodec::new(u32::MAX).decode(&mut again).expect("it is a frame");
            assert_eq!((back.as_ref(), again.len()), (Some(frame), 0));
        }
    }
}

/// Once the first bytes are not ours they stay so, and eight that are have a version.
pub fn preface_bytes(data: &[u8]) {
    let mut wrong = None;
    for len in 0..=data.len().min(64) {
        let told = preface::mismatch(&data[..len]);
        assert!(told.is_some() || wrong.is_none(), "{wrong:?} was forgiven after {len} bytes");
        if let Some(told) = told {
            assert!(!told.to_string().is_empty());
        }
        wrong = told;
    }
    if let Some(bytes) = data.first_chunk::<{ preface::LEN }>() {
        match preface::parse(bytes) {
            Ok(version) => {
                assert_eq!(wrong, None);
                assert_eq!(preface::encode(version)[..5], bytes[..5]);
            }
            Err(told) => assert_eq!(preface::mismatch(bytes), Some(told)),
        }
    }
}

/// What was read is read again from what is written for it.
fn head<'a, H: Head + PartialEq + Debug>(
    data: &'a [u8],
    decode: impl Fn(&'a [u8]) -> Result<H, HeadError>,
    same: impl Fn(&H, &[u8]),
) {
    match decode(data) {
        Ok(head) => {
            let mut written = BytesMut::new();
            head.encode(&mut written);
            // Nothing is made larger than it came: enough for what has a shorter form.
            assert!(written.len() <= data.len() + 16, "{} of {}", written.len(), data.len());
            same(&head, &written);
        }
        Err(error) => assert!(error.to_string().len() < 300),
    }
}

/// Laws of the head of a REQUEST: also that it may be read in two parts, as servers do that look the
/// first one up.
pub fn head_request(data: &[u8]) {
    let (beginning, rest) = RequestHead::split_beginning(data);
    assert_eq!(beginning.len() + rest.len(), data.len());
    if let Ok(mut head) = RequestHead::decode(beginning) {
        let merged = head.merge(rest).map(|()| head);
        assert_eq!(merged, RequestHead::decode(data));
    }
    head(data, RequestHead::decode, |head, written| {
        assert!((1..=255).contains(&head.method.len()) && !head.format.is_empty());
        assert_eq!(RequestHead::decode(written).as_ref(), Ok(head));
    });
}

/// Laws of the head of a RESPONSE.
pub fn head_response(data: &[u8]) {
    head(data, ResponseHead::decode, |head, written| {
        assert_eq!(ResponseHead::decode(written).as_ref(), Ok(head));
    });
}

/// Laws of HELLO.
pub fn head_hello(data: &[u8]) {
    head(data, Hello::decode, |hello, written| {
        assert!(hello.max_calls >= 32 && hello.max_frame_bytes >= 65_536);
        assert!(hello.connection_credit >= hello.max_message_bytes);
        assert!(hello.formats.len() <= 32 && hello.compressions.len() <= 32);
        assert_eq!(Hello::decode(written).as_ref(), Ok(hello));
    });
}

/// Laws of GOAWAY.
pub fn head_goaway(data: &[u8]) {
    head(data, Goaway::decode, |goaway, written| {
        assert_eq!(Goaway::decode(written).as_ref(), Ok(goaway));
    });
}

/// Laws of CREDIT.
pub fn head_credit(data: &[u8]) {
    head(data, Credit::decode, |credit, written| {
        assert_eq!(Credit::decode(written).as_ref(), Ok(credit));
    });
}

/// Laws of CANCEL.
pub fn head_cancel(data: &[u8]) {
    head(data, Cancel::decode, |cancel, written| {
        assert_eq!(Cancel::decode(written).as_ref(), Ok(cancel));
    });
}

/// Metadata keeps its bounds whatever is put in and taken out, and survives the wire.
pub fn metadata(data: &[u8]) {
    let mut metadata = Metadata::new();
    let mut rest = data;
    while let Some((&[what, key, value], after)) = rest.split_first_chunk() {
        let (key, after) = after.split_at(usize::from(key % 80).min(after.len()));
        let key = String::from_utf8_lossy(key);
        let value = vec![value; usize::from(value) * usize::from(value)];
        let before = metadata.clone();
        let bytes = value.len();
        let put = match what % 4 {
            0 => metadata.insert(&key, value),
            1 | 2 => metadata.append(&key, value),
            _ => {
                assert_eq!(metadata.remove(&key), before.get_bytes(&key).is_some());
                assert_eq!(metadata.get_bytes(&key), None);
                Ok(())
            }
        };
        match put {
            Ok(()) if what % 4 < 3 => {
                let is_in = metadata.iter().any(|(name, it)| name == key && it.len() == bytes);
                assert!(is_in, "{key} was taken and is not there");
            }
            Ok(()) => {}
            Err(error) => {
                assert_eq!(metadata, before, "what is refused changes nothing");
                assert!(error.to_string().len() < 600);
            }
        }
        assert!(metadata.len() <= Metadata::MAX_ENTRIES);
        assert!(metadata.byte_len() <= Metadata::MAX_BYTES);
        rest = after;
    }
    let mut head = RequestHead::new("a/b");
    head.metadata = std::borrow::Cow::Borrowed(&metadata);
    let mut frame = BytesMut::new();
    put_frame(&mut frame, Kind::REQUEST, Flags::END, 1, &head, b"", false)
        .expect("the largest metadata fits a head");
    let frame = FrameCodec::new(65_536).decode(&mut frame).expect("a frame").expect("a whole one");
    assert_eq!(*RequestHead::decode(&frame.head).expect("a good head").metadata, metadata);
    assert!(format!("{metadata:?}").len() < 200_000);
}

/// Every kind of container, inside of itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Tree {
    /// Nothing.
    Leaf,
    /// A text.
    Text(String),
    /// Several.
    List(Vec<Tree>),
    /// One or none, and a number.
    Pair(Option<Box<Tree>>, i64),
    /// By name.
    Named {
        /// A map.
        map: BTreeMap<String, Tree>,
        /// Values of no size.
        units: Vec<()>,
    },
}

/// A struct with vectors.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Order {
    sku: String,
    counts: Vec<u32>,
    lines: Vec<Vec<(bool, char, u8)>>,
    bytes: Vec<u8>,
    labels: BTreeMap<u16, Option<String>>,
    #[serde(default)]
    note: Option<Box<Order>>,
    empty: Vec<Empty>,
    wide: (u64, i64, u128),
}

/// A value of no size.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Empty {}

/// A type that reads into a buffer of serde's first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Loose {
    /// One.
    Number(u64),
    /// Several.
    List(Vec<Loose>),
    /// By name, and more.
    Named(BTreeMap<String, Loose>),
    /// A text.
    Text(String),
}

const SMALL: DecodeLimits = DecodeLimits { max_depth: 5, max_elements: 20 };

/// A value that was read is written and read as the same, and smaller limits only refuse.
fn value<F, T>(bytes: &Bytes)
where
    F: Format<T>,
    T: PartialEq + Debug,
{
    let wide = F::decode(bytes.clone(), &DecodeLimits::default());
    let narrow = F::decode(bytes.clone(), &SMALL);
    match (&wide, narrow) {
        (Ok(wide), Ok(narrow)) => assert_eq!(*wide, narrow),
        (_, Err(error)) => assert!(error.to_string().len() < 10_000 + 8 * bytes.len()),
        (Err(error), Ok(narrow)) => panic!("{narrow:?} fits small limits only: {error}"),
    }
    let Ok(wide) = wide else { return };
    let mut written = BytesMut::new();
    match F::encode(&wide, &mut written) {
        Ok(()) => {
            let again = F::decode(written.freeze(), &DecodeLimits::default());
            assert_eq!(again.expect("it was just written"), wide);
        }
        Err(FormatError::Encode { .. }) => {}
        Err(error) => panic!("{error}"),
    }
}

fn serde_format<F>(data: &[u8])
where
    F: Format<Tree> + Format<Order> + Format<Vec<()>> + Format<String>,
    F: Format<BTreeMap<String, Vec<Option<u8>>>>,
{
    let bytes = Bytes::copy_from_slice(data);
    value::<F, Tree>(&bytes);
    value::<F, Order>(&bytes);
    value::<F, Vec<()>>(&bytes);
    value::<F, String>(&bytes);
    value::<F, BTreeMap<String, Vec<Option<u8>>>>(&bytes);
}

/// Formats that say what their values are.
fn self_describing<F>(data: &[u8])
where
    F: Format<Tree> + Format<Order> + Format<Vec<()>> + Format<String>,
    F: Format<BTreeMap<String, Vec<Option<u8>>>> + Format<Loose> + Format<Empty>,
{
    serde_format::<F>(data);
    let bytes = Bytes::copy_from_slice(data);
    value::<F, Loose>(&bytes);
    // Everything is skipped.
    value::<F, Empty>(&bytes);
}

/// Laws of `MessagePack`.
pub fn format_msgpack(data: &[u8]) {
    self_describing::<MessagePack>(data);
}

/// Laws of `Json`.
pub fn format_json(data: &[u8]) {
    self_describing::<Json>(data);
}

/// Laws of `Cbor`.
pub fn format_cbor(data: &[u8]) {
    self_describing::<Cbor>(data);
}

/// Laws of `Postcard`.
pub fn format_postcard(data: &[u8]) {
    serde_format::<Postcard>(data);
}

/// A message inside of itself, with lists.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Reply {
    #[prost(sint64, tag = "1")]
    cents: i64,
    #[prost(string, repeated, tag = "2")]
    notes: Vec<String>,
    #[prost(message, optional, boxed, tag = "3")]
    inner: Option<Box<Reply>>,
    #[prost(message, repeated, tag = "4")]
    parts: Vec<Reply>,
    #[prost(uint32, repeated, tag = "5")]
    counts: Vec<u32>,
    #[prost(btree_map = "string, message", tag = "6")]
    named: BTreeMap<String, Reply>,
    #[prost(bytes = "vec", tag = "7")]
    bytes: Vec<u8>,
}

/// Laws of `Protobuf`.
pub fn format_protobuf(data: &[u8]) {
    value::<Protobuf, Reply>(&Bytes::copy_from_slice(data));
}

/// What is inflated keeps its limits; what was compressed comes back.
fn decompress(compression: Compression, data: &[u8]) {
    let Some((&[max, ratio], bytes)) = data.split_first_chunk() else { return };
    // From nothing to 16 MiB, around and above where ratios are judged.
    let max_bytes = (1usize << (max % 25)) - 1;
    let limits = DecompressLimits { max_bytes, max_ratio: u32::from(ratio) };
    match compression.decompress(bytes, &limits) {
        Ok(inflated) => {
            assert!(inflated.len() <= max_bytes);
            let by_ratio = bytes.len() * usize::from(ratio);
            assert!(inflated.len() <= by_ratio.max(1 << 20));
        }
        Err(CompressionError::Unavailable(_)) => panic!("it is part of this build"),
        Err(error) => assert!(error.to_string().len() < 1_000),
    }
    let small = compression.compress(bytes).expect("it is part of this build");
    let limits = DecompressLimits { max_bytes: bytes.len(), max_ratio: 1_000 };
    assert_eq!(compression.decompress(&small, &limits).expect("it was just made"), bytes);
    if bytes.is_empty() {
        return;
    }
    let limits = DecompressLimits { max_bytes: bytes.len() - 1, ..limits };
    let error = compression.decompress(&small, &limits).expect_err("it is one byte too large");
    assert_eq!(error, CompressionError::TooLarge { max: bytes.len() - 1 });
}

/// Laws of LZ4.
pub fn decompress_lz4(data: &[u8]) {
    decompress(Compression::Lz4, data);
}

/// Laws of zstd.
pub fn decompress_zstd(data: &[u8]) {
    decompress(Compression::Zstd, data);
}
