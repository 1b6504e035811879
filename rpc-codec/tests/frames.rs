//! Frames: what is written is read back however it arrives, and what must not be taken is not.

use bytes::{BufMut, Bytes, BytesMut};
use proptest::collection::vec;
use proptest::prelude::*;
use rpc_codec::{
    Flags, Frame, FrameCodec, FrameError, HEADER_LEN, Head, Header, Kind, MAX_HEAD_BYTES, NoHead,
    floor, put_frame,
};
use tokio_util::codec::{Decoder, Encoder};

const LIMIT: u32 = floor::MAX_FRAME_BYTES;

/// A head of any bytes: to a frame it is no more than that.
struct Bytewise<'a>(&'a [u8]);

impl Head for Bytewise<'_> {
    fn encoded_len_hint(&self) -> usize {
        self.0.len()
    }

    fn encode(&self, dst: &mut BytesMut) {
        dst.put_slice(self.0);
    }
}

fn frames() -> impl Strategy<Value = Frame> {
    let ignorable_flags = 0u8..16;
    (
        1u8..=9,
        0u8..4,
        ignorable_flags,
        0u64..1 << 63,
        vec(any::<u8>(), 0..60),
        vec(any::<u8>(), 0..90),
    )
        .prop_map(|(kind, known, ignorable, call, head, body)| Frame {
            kind: Kind(kind),
            flags: Flags(known | ignorable << 4),
            call,
            head: head.into(),
            body: body.into(),
        })
}

/// A frame of a kind that is skipped.
fn made_up(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
    let header = Header {
        payload_len: u32::try_from(payload.len()).expect("tests are small"),
        kind: Kind(kind),
        flags: Flags(flags),
        // Longer than the payload: nothing about it matters but its length.
        head_len: u16::MAX,
        call: u64::MAX,
    };
    [&header.encode(), payload].concat()
}

fn decode_all(codec: &mut FrameCodec, src: &mut BytesMut) -> Result<Vec<Frame>, FrameError> {
    let mut frames = Vec::new();
    while let Some(frame) = codec.decode(src)? {
        frames.push(frame);
    }
    Ok(frames)
}

/// What comes of bytes that arrive at once.
fn decode(bytes: &[u8]) -> Result<Option<Frame>, FrameError> {
    FrameCodec::new(LIMIT).decode(&mut BytesMut::from(bytes))
}

#[track_caller]
fn refused(header: Header, message: &str) {
    // Not one byte of payload is needed to refuse it.
    let error = decode(&header.encode()).expect_err("it must be refused");
    assert_eq!(error.to_string(), message);
}

const PLAIN: Header =
    Header { payload_len: 10, kind: Kind::DATA, flags: Flags::NONE, head_len: 2, call: 1 << 20 };

proptest! {
    #[test]
    fn a_header_comes_back(payload_len: u32, kind: u8, flags: u8, head_len: u16, call: u64) {
        let (kind, flags) = (Kind(kind), Flags(flags));
        let header = Header { payload_len, kind, flags, head_len, call };
        prop_assert_eq!(Header::parse(&header.encode()), header);
    }

    #[test]
    fn any_header_is_written_as_it_was_read(bytes: [u8; HEADER_LEN]) {
        prop_assert_eq!(Header::parse(&bytes).encode(), bytes);
    }

    #[test]
    fn frames_come_back_however_they_arrive(
        sent in vec((frames(), any::<bool>()), 0..6),
        between in vec((0x80u8.., any::<u8>(), vec(any::<u8>(), 0..70)), 0..3),
        cuts in vec(1usize..40, 1..8),
    ) {
        let mut wire = BytesMut::new();
        let mut codec = FrameCodec::new(LIMIT);
        for (at, (frame, checksum)) in sent.iter().enumerate() {
            if let Some((kind, flags, payload)) = between.get(at) {
                wire.put_slice(&made_up(*kind, *flags, payload));
            }
            codec.set_checksum(*checksum);
            codec.encode(frame.clone(), &mut wire).unwrap();
        }
        let skipped = between.len().min(sent.len()) as u64;
        let expected: Vec<Frame> = sent.into_iter().map(|(frame, _)| frame).collect();

        let mut whole = FrameCodec::new(LIMIT);
        prop_assert_eq!(&decode_all(&mut whole, &mut wire.clone()).unwrap(), &expected);
        prop_assert_eq!(whole.skipped(), skipped);

        for cuts in [&[1][..], &cuts] {
            let (mut codec, mut buffer, mut found) = (FrameCodec::new(LIMIT), BytesMut::new(), vec![]);
            let mut rest = &wire[..];
            for cut in cuts.iter().cycle() {
                let (some, left) = rest.split_at((*cut).min(rest.len()));
                buffer.put_slice(some);
                rest = left;
                found.extend(decode_all(&mut codec, &mut buffer).unwrap());
                if rest.is_empty() {
                    break;
                }
            }
            prop_assert_eq!(&found, &expected);
            prop_assert_eq!(codec.skipped(), skipped);
            prop_assert!(buffer.is_empty() && !codec.is_partial(&buffer));
        }
    }

    /// What is wrong behind a good frame is told after it, either way.
    #[test]
    fn frames_taken_together_are_those_taken_one_by_one(
        sent in vec(prop_oneof![
            4 => (frames(), any::<bool>()).prop_map(|(frame, checksum)| {
                let mut wire = BytesMut::new();
                FrameCodec::new(LIMIT).with_checksum(checksum).encode(frame, &mut wire).unwrap();
                wire.to_vec()
            }),
            1 => (0x80u8.., vec(any::<u8>(), 0..70)).prop_map(|(kind, payload)| made_up(kind, 0, &payload)),
            1 => vec(any::<u8>(), 0..40),
        ], 0..6),
        cuts in vec(1usize..90, 1..8),
    ) {
        let wire = sent.concat();
        let (mut alone, mut together) = (FrameCodec::new(LIMIT), FrameCodec::new(LIMIT));
        let (mut one, mut many) = (BytesMut::new(), BytesMut::new());
        let mut rest = &wire[..];
        for cut in cuts.iter().cycle() {
            let (some, left) = rest.split_at((*cut).min(rest.len()));
            one.put_slice(some);
            many.put_slice(some);
            rest = left;
            let (mut expected, mut found) = (vec![], vec![]);
            let why = loop {
                match alone.decode(&mut one) {
                    Ok(Some(frame)) => expected.push(frame),
                    Ok(None) => break None,
                    Err(error) => break Some(error.to_string()),
                }
            };
            let found_why = 'all: loop {
                let before = found.len();
                match together.take_whole(&mut many) {
                    Err(error) => break Some(error.to_string()),
                    Ok(mut frames) => loop {
                        match frames.next() {
                            Ok(Some(frame)) => found.push(Frame::from(frame)),
                            Ok(None) => break,
                            Err(error) => break 'all Some(error.to_string()),
                        }
                    },
                }
                if found.len() == before {
                    break None;
                }
            };
            prop_assert_eq!((found, &found_why), (expected, &why));
            prop_assert_eq!(together.skipped(), alone.skipped());
            if why.is_some() || rest.is_empty() {
                break;
            }
        }
    }

    #[test]
    fn no_bytes_make_it_panic(chunks in vec(vec(any::<u8>(), 0..50), 0..20), limit in 0u32..200) {
        let (mut codec, mut buffer) = (FrameCodec::new(limit), BytesMut::new());
        for chunk in chunks {
            buffer.put_slice(&chunk);
            if decode_all(&mut codec, &mut buffer).is_err() {
                break;
            }
        }
    }

    #[test]
    fn a_flipped_bit_never_passes_the_checksum(frame in frames(), bit: prop::sample::Index) {
        let mut wire = BytesMut::new();
        FrameCodec::new(LIMIT).with_checksum(true).encode(frame, &mut wire).unwrap();
        let bit = bit.index(wire.len() * 8);
        // Without its flag a frame has no checksum to be held to.
        prop_assume!(bit != 5 * 8 + 2);
        wire[bit / 8] ^= 1 << (bit % 8);
        let found = FrameCodec::new(LIMIT).decode(&mut wire);
        prop_assert!(!matches!(found, Ok(Some(_))), "{found:?}");
    }
}

#[test]
fn a_frame_is_split_off_without_a_copy() {
    let mut wire = BytesMut::new();
    let (head, body) = ([1; 100], [2; 1000]);
    for checksum in [false, true] {
        let head = Bytewise(&head);
        put_frame(&mut wire, Kind::DATA, Flags::NONE, 1, &head, &body, checksum).unwrap();
        let start = wire.as_ptr() as usize;
        let frame = FrameCodec::new(LIMIT).decode(&mut wire).unwrap().unwrap();
        assert_eq!(frame.head.as_ptr() as usize, start + HEADER_LEN);
        assert_eq!(frame.body.as_ptr() as usize, start + HEADER_LEN + 100);
        assert_eq!((frame.head.len(), frame.body.len()), (100, 1000));
    }
}

#[test]
fn a_checksum_flag_asks_for_a_checksum() {
    let mut wire = BytesMut::new();
    put_frame(&mut wire, Kind::DATA, Flags::CHECKSUM, 1, &NoHead, b"body", false).unwrap();
    assert_eq!(wire.len(), HEADER_LEN + 4 + 4);
    let frame = decode(&wire).unwrap().unwrap();
    assert_eq!((frame.flags, &frame.body[..]), (Flags::NONE, &b"body"[..]));
}

#[test]
fn length_is_judged_before_anything_is_allocated() {
    for payload_len in [LIMIT + 1, u32::MAX] {
        let mut wire = BytesMut::from(&Header { payload_len, ..PLAIN }.encode()[..]);
        let before = wire.capacity();
        let error = FrameCodec::new(LIMIT).decode(&mut wire).unwrap_err();
        assert!(
            matches!(error, FrameError::TooLarge { bytes, max: LIMIT } if bytes == payload_len)
        );
        assert_eq!(wire.capacity(), before);
    }
    let expected = "a frame of 65537 bytes, expected at most 65536";
    refused(Header { payload_len: LIMIT + 1, ..PLAIN }, expected);
}

#[test]
fn no_more_room_is_made_than_the_frame_still_needs() {
    let mut wire = BytesMut::from(&Header { payload_len: LIMIT, ..PLAIN }.encode()[..]);
    assert_eq!(FrameCodec::new(LIMIT).decode(&mut wire).unwrap(), None);
    assert!(wire.capacity() <= HEADER_LEN + LIMIT as usize, "{}", wire.capacity());
}

#[test]
fn an_unknown_ignorable_frame_is_skipped_without_being_kept() {
    let mut codec = FrameCodec::new(LIMIT);
    let payload = vec![7; LIMIT as usize];
    let mut buffer = BytesMut::new();
    let mut capacity = 0;
    for chunk in made_up(0x8A, 0x0F, &payload).chunks(1000) {
        buffer.put_slice(chunk);
        assert_eq!(codec.decode(&mut buffer).unwrap(), None);
        assert!(buffer.is_empty(), "{} bytes of it are kept", buffer.len());
        capacity = capacity.max(buffer.capacity());
    }
    assert!(capacity < 10_000, "{capacity} bytes of room for chunks of 1000");
    assert_eq!((codec.skipped(), codec.is_partial(&buffer)), (1, false));
}

#[test]
fn a_frame_being_skipped_is_partial_until_its_end() {
    let (mut codec, wire) = (FrameCodec::new(LIMIT), made_up(0xFF, 0, b"1234"));
    let mut buffer = BytesMut::from(&wire[..wire.len() - 1]);
    assert_eq!(codec.decode(&mut buffer).unwrap(), None);
    assert!(buffer.is_empty() && codec.is_partial(&buffer));
    buffer.put_slice(&wire[wire.len() - 1..]);
    assert_eq!(codec.decode(&mut buffer).unwrap(), None);
    assert!(!codec.is_partial(&buffer));
}

#[test]
fn an_ignorable_frame_obeys_the_length_limit() {
    let kind = Kind(0x80);
    refused(
        Header { kind, payload_len: LIMIT + 1, ..PLAIN },
        "a frame of 65537 bytes, expected at most 65536",
    );
}

#[test]
fn every_unknown_critical_kind_is_refused_by_its_number() {
    for kind in (0..0x80).filter(|kind| !Kind(*kind).is_known()) {
        let message = format!("unknown critical frame kind {kind}");
        refused(Header { kind: Kind(kind), ..PLAIN }, &message);
    }
}

#[test]
fn the_unknown_critical_flag_is_refused_by_its_number_and_ignorable_ones_pass() {
    refused(Header { flags: Flags(0x0A), ..PLAIN }, "unknown critical frame flag 0x08");
    for flags in [0x10, 0x20, 0x40, 0x80, 0xF0] {
        let header = Header { flags: Flags(flags), payload_len: 3, ..PLAIN };
        let frame = decode(&[&header.encode()[..], b"abc"].concat()).unwrap().unwrap();
        assert_eq!((&frame.head[..], &frame.body[..]), (&b"ab"[..], &b"c"[..]));
    }
}

#[test]
fn a_head_has_to_fit_its_payload() {
    let fits = "expected at most 24576 and no more than the payload";
    refused(
        Header { head_len: 11, ..PLAIN },
        &format!("a head of 11 bytes in a payload of 10, {fits}"),
    );
    let flags = Flags::CHECKSUM;
    refused(
        Header { flags, head_len: 7, ..PLAIN },
        &format!("a head of 7 bytes in a payload of 10, {fits}"),
    );
    refused(
        Header { flags, payload_len: 3, head_len: 0, ..PLAIN },
        &format!("a head of 0 bytes in a payload of 3, {fits}"),
    );
    refused(
        Header { payload_len: 30_000, head_len: 24_577, ..PLAIN },
        &format!("a head of 24577 bytes in a payload of 30000, {fits}"),
    );
    let exact = Header { flags, head_len: 6, ..PLAIN };
    assert_eq!(
        decode(&exact.encode()).unwrap(),
        None,
        "six bytes of head and four of checksum fit"
    );
}

#[test]
fn call_ids_of_servers_are_refused() {
    refused(
        Header { call: 1 << 63 | 5, ..PLAIN },
        "call id 0x8000000000000005 has its highest bit set, which is kept for servers",
    );
}

#[test]
fn a_corrupt_body_is_told_from_its_checksum() {
    let mut wire = BytesMut::new();
    put_frame(&mut wire, Kind::DATA, Flags::NONE, 1, &NoHead, b"body", true).unwrap();
    wire[HEADER_LEN] ^= 1;
    let error = decode(&wire).unwrap_err();
    assert!(matches!(error, FrameError::Checksum { .. }), "{error}");
}

#[test]
fn the_checksum_is_the_one_of_rfc_3720() {
    // Appendix B.4: 32 bytes of zeros.
    assert_eq!(rpc_codec::checksum::of(&[0; 16], &[0; 16]), 0x8A91_36AA);
}

#[test]
fn a_head_too_large_leaves_nothing_behind() {
    let mut wire = BytesMut::from(&b"before"[..]);
    for len in [MAX_HEAD_BYTES + 1, 70_000] {
        let head = vec![0; len];
        let head = Bytewise(&head);
        let error = put_frame(&mut wire, Kind::REQUEST, Flags::END, 1, &head, b"", true);
        assert_eq!(
            error.unwrap_err().to_string(),
            format!("method, metadata and details take {len} bytes, expected at most 24576")
        );
        assert_eq!(&wire[..], b"before");
    }
    let frame = Frame {
        kind: Kind::REQUEST,
        flags: Flags::END,
        call: 1,
        head: Bytes::from(vec![0; MAX_HEAD_BYTES + 1]),
        body: Bytes::new(),
    };
    FrameCodec::new(LIMIT).encode(frame, &mut wire).unwrap_err();
    assert_eq!(&wire[..], b"before");
}

#[test]
fn the_largest_head_with_the_largest_piece_and_a_checksum_fits_the_floor() {
    let mut wire = BytesMut::new();
    let (head, body) = (vec![1; MAX_HEAD_BYTES], vec![2; rpc_codec::BIG_MESSAGE_BYTES]);
    put_frame(&mut wire, Kind::REQUEST, Flags::MORE, 1, &Bytewise(&head), &body, true).unwrap();
    let frame = FrameCodec::new(floor::MAX_FRAME_BYTES).decode(&mut wire).unwrap().unwrap();
    assert_eq!((frame.head, frame.body), (head.into(), body.into()));
}

#[test]
fn kinds_print_as_their_names() {
    let shown = format!("{:?} {:?} {:?} {:?}", Kind::HELLO, Kind::GOAWAY, Kind(0), Kind(0x81));
    assert_eq!(shown, "HELLO GOAWAY Kind(0) Kind(129)");
}
