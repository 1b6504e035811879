//! Compression: what was made small comes back, and nothing a peer sends becomes too large.

use proptest::collection::vec;
use proptest::prelude::*;
use rpc_codec::{Compression, CompressionError, DecompressLimits};

const ALL: [Compression; 3] = [Compression::None, Compression::Lz4, Compression::Zstd];
const LIMITS: DecompressLimits = DecompressLimits { max_bytes: 4 << 20, max_ratio: 1000 };

fn available() -> impl Iterator<Item = Compression> {
    ALL.into_iter().filter(|compression| compression.is_available())
}

/// Repetitive enough to be made small, and not all the same.
fn messages() -> impl Strategy<Value = Vec<u8>> {
    (vec(any::<u8>(), 0..300), 0usize..50).prop_map(|(bytes, times)| bytes.repeat(times))
}

proptest! {
    #[test]
    fn messages_come_back(message in messages()) {
        for compression in available() {
            let small = compression.compress(&message).unwrap();
            prop_assert_eq!(&compression.decompress(&small, &LIMITS).unwrap(), &message);
        }
    }

    #[test]
    fn no_bytes_make_it_panic_or_grow(bytes in vec(any::<u8>(), 0..300)) {
        never_too_large(&bytes)?;
    }

    #[test]
    fn no_damage_makes_it_panic_or_grow(
        message in messages(),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        for compression in available() {
            let mut small = compression.compress(&message).unwrap().to_vec();
            for (at, byte) in &damage {
                if !small.is_empty() {
                    let at = at.index(small.len());
                    small[at] = *byte;
                }
            }
            never_too_large(&small)?;
        }
    }

    #[test]
    fn what_is_cut_short_is_corrupt(message in messages(), cut: prop::sample::Index) {
        for compression in available().filter(|compression| *compression != Compression::None) {
            let small = compression.compress(&message).unwrap();
            let cut = cut.index(small.len());
            let found = compression.decompress(&small[..cut], &LIMITS);
            prop_assert!(
                matches!(found, Err(CompressionError::Corrupt(_))),
                "{compression:?}, {cut} of {}: {found:?}", small.len()
            );
        }
    }
}

fn never_too_large(bytes: &[u8]) -> Result<(), TestCaseError> {
    let limits = DecompressLimits { max_bytes: 1000, max_ratio: 2 };
    for compression in available() {
        if let Ok(inflated) = compression.decompress(bytes, &limits) {
            prop_assert!(inflated.len() <= 1000);
        }
    }
    Ok(())
}

#[test]
fn a_message_of_exactly_the_limit_is_taken() {
    for compression in available() {
        let small = compression.compress(&[1; 5000]).unwrap();
        let limits = |max_bytes| DecompressLimits { max_bytes, ..LIMITS };
        assert_eq!(compression.decompress(&small, &limits(5000)).unwrap().len(), 5000);
        let error = compression.decompress(&small, &limits(4999)).unwrap_err();
        assert_eq!(error, CompressionError::TooLarge { max: 4999 });
        assert_eq!(error.to_string(), "it inflates to more than 4999 bytes");
    }
}

#[test]
fn names_are_those_of_the_wire() {
    for compression in ALL {
        assert_eq!(Compression::from_name(compression.name()), Some(compression));
    }
    assert_eq!(Compression::from_name("gzip"), None);
    let names: Vec<_> = available().map(Compression::name).collect();
    assert_eq!(names[1..], *Compression::available());
}

#[test]
fn what_is_not_in_this_build_says_how_to_get_it() {
    for compression in ALL.into_iter().filter(|compression| !compression.is_available()) {
        let error = compression.compress(b"x").unwrap_err();
        assert_eq!(error, compression.decompress(b"x", &LIMITS).unwrap_err());
        let name = compression.name();
        let expected =
            format!("{name} compression is not part of this build: enable feature `{name}`");
        assert_eq!(error.to_string(), expected);
    }
}

#[cfg(feature = "lz4")]
mod lz4 {
    use super::*;

    use lz4_flex::frame::FrameInfo;

    fn frame(info: FrameInfo, content: &[u8]) -> Vec<u8> {
        use std::io::Write;
        let mut encoder = lz4_flex::frame::FrameEncoder::with_frame_info(info, Vec::new());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn it_is_the_frame_format() {
        let small = Compression::Lz4.compress(b"hello").unwrap();
        assert_eq!(small[..4], [0x04, 0x22, 0x4D, 0x18]);
    }

    #[test]
    fn a_declared_size_is_not_believed() {
        let honest = frame(FrameInfo::new().content_size(Some(100)), &[7; 100]);
        assert_eq!(Compression::Lz4.decompress(&honest, &LIMITS).unwrap(), vec![7; 100]);
        // The size stands in bytes 6 to 13 and is covered by the byte that follows.
        let mut liar = honest;
        liar[6..14].copy_from_slice(&(1u64 << 40).to_le_bytes());
        liar[14] = 0;
        for check in 0..=255 {
            liar[14] = check;
            let error = Compression::Lz4.decompress(&liar, &LIMITS).unwrap_err();
            assert!(matches!(error, CompressionError::Corrupt(_)), "{error}");
        }
    }

    /// Other implementations set other flags.
    #[test]
    fn every_kind_of_frame_is_taken_whole_and_only_whole() {
        let content: Vec<u8> = (0..200_000u32).flat_map(u32::to_le_bytes).collect();
        for flags in 0..16u64 {
            let on = |bit: u64| flags & bit != 0;
            let size = on(1).then_some(content.len() as u64);
            let mode = if on(8) {
                lz4_flex::frame::BlockMode::Linked
            } else {
                lz4_flex::frame::BlockMode::Independent
            };
            let info = FrameInfo::new()
                .content_size(size)
                .content_checksum(on(2))
                .block_checksums(on(4))
                .block_mode(mode);
            let whole = frame(info, &content);
            assert_eq!(Compression::Lz4.decompress(&whole, &LIMITS).unwrap(), content);
            let longer = [&whole[..], &[0]].concat();
            for bad in [&whole[..whole.len() - 1], &longer, &whole.repeat(2)] {
                let error = Compression::Lz4.decompress(bad, &LIMITS).unwrap_err();
                assert_eq!(error.to_string(), "it is corrupt: expected one whole LZ4 frame");
            }
        }
    }

    #[test]
    fn a_bomb_stops_at_the_message_limit() {
        let bomb = Compression::Lz4.compress(&vec![0; 32 << 20]).unwrap();
        let error = Compression::Lz4.decompress(&bomb, &LIMITS).unwrap_err();
        assert_eq!(error, CompressionError::TooLarge { max: 4 << 20 });
    }
}

#[cfg(feature = "zstd")]
mod zstd {
    use super::*;

    #[test]
    fn it_is_the_frame_format() {
        let small = Compression::Zstd.compress(b"hello").unwrap();
        assert_eq!(small[..4], [0x28, 0xB5, 0x2F, 0xFD]);
    }

    #[test]
    fn a_declared_size_is_not_believed() {
        // Magic, a descriptor (size of eight bytes), a window of 1 KiB, a size of 2^50, and one
        // last block of five raw bytes.
        let size = (1u64 << 50).to_le_bytes();
        let block = [&[0x29, 0, 0][..], b"hello"].concat();
        let liar = [&[0x28, 0xB5, 0x2F, 0xFD, 0xC0, 0x00][..], &size, &block].concat();
        let error = Compression::Zstd.decompress(&liar, &LIMITS).unwrap_err();
        assert!(matches!(error, CompressionError::Corrupt(_)), "{error}");
    }

    /// A window is memory that the decoder sets aside, whatever comes.
    #[test]
    fn a_window_of_a_gigabyte_is_not_allocated() {
        let window_log_30 = (30 - 10) << 3;
        let block = [&[0x29, 0, 0][..], b"hello"].concat();
        let frame = [&[0x28, 0xB5, 0x2F, 0xFD, 0x00, window_log_30][..], &block].concat();
        let error = Compression::Zstd.decompress(&frame, &LIMITS).unwrap_err();
        assert!(error.to_string().contains("memory"), "{error}");
    }

    #[test]
    fn a_bomb_stops_at_the_ratio() {
        let bomb = Compression::Zstd.compress(&vec![0; 64 << 20]).unwrap();
        let limits = DecompressLimits { max_bytes: usize::MAX, max_ratio: 100 };
        let error = Compression::Zstd.decompress(&bomb, &limits).unwrap_err();
        assert_eq!(error, CompressionError::Bomb { max_ratio: 100 });
        assert_eq!(error.to_string(), "it inflates to more than 100 times its size");
    }

    /// Many small bombs in a row are one.
    #[test]
    fn frames_in_a_row_share_the_limit() {
        let one = Compression::Zstd.compress(&vec![0; 1 << 20]).unwrap();
        let limits = DecompressLimits { max_ratio: u32::MAX, ..LIMITS };
        assert_eq!(Compression::Zstd.decompress(&one.repeat(4), &limits).unwrap().len(), 4 << 20);
        let error = Compression::Zstd.decompress(&one.repeat(5), &limits).unwrap_err();
        assert_eq!(error, CompressionError::TooLarge { max: 4 << 20 });
    }

    #[test]
    fn what_follows_is_corrupt() {
        let small = Compression::Zstd.compress(b"hello").unwrap();
        for more in [&b"x"[..], b"garbage"] {
            let error =
                Compression::Zstd.decompress(&[&small, more].concat(), &LIMITS).unwrap_err();
            assert!(matches!(error, CompressionError::Corrupt(_)), "{error}");
        }
    }

    /// A hundred thousand zeros shrink five thousand times and are no bomb, though the usual limit
    /// of a thousand times would take them for one.
    #[test]
    fn honest_repetition_is_no_bomb() {
        let zeros = vec![0; 100_000];
        let small = Compression::Zstd.compress(&zeros).unwrap();
        assert!(zeros.len() > small.len() * 1000, "{} bytes", small.len());
        assert_eq!(Compression::Zstd.decompress(&small, &LIMITS).unwrap(), zeros);
    }
}
