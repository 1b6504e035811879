//! LZ4 in its frame format:
//! <https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md>.

use std::io::{self, Write};

use lz4_flex::frame::{FrameDecoder, FrameEncoder};

const MAGIC: [u8; 4] = 0x184D_2204_u32.to_le_bytes();

/// Flags of a frame's descriptor.
const BLOCK_CHECKSUMS: u8 = 1 << 4;
const CONTENT_SIZE: u8 = 1 << 3;
const CONTENT_CHECKSUM: u8 = 1 << 2;
const DICTIONARY: u8 = 1;

/// The highest bit of a block's length says that it is not compressed.
const BLOCK_LEN: u32 = (1 << 31) - 1;

pub(super) fn compress(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = FrameEncoder::new(Vec::new());
    encoder.write_all(bytes)?;
    Ok(encoder.finish()?)
}

/// A reader of what `bytes` were before; `None` if they are not exactly one whole frame.
///
/// The library takes a frame that ends between two blocks for a whole one, and does not look at
/// what follows a frame: a message cut short would be read as a shorter message.
pub(super) fn reader(bytes: &[u8]) -> Option<FrameDecoder<&[u8]>> {
    let rest = past_frame(bytes)?;
    rest.is_empty().then(|| FrameDecoder::new(bytes))
}

/// What follows the frame that `bytes` begin with, by the lengths it is made of.
fn past_frame(bytes: &[u8]) -> Option<&[u8]> {
    let rest = bytes.strip_prefix(&MAGIC)?;
    let flags = *rest.first()?;
    let len = |flag: u8, len: usize| if flags & flag != 0 { len } else { 0 };
    // Flags, block size, and a check of the descriptor.
    let mut rest = rest.get(3 + len(CONTENT_SIZE, 8) + len(DICTIONARY, 4)..)?;
    loop {
        let (block, after) = rest.split_first_chunk()?;
        let block = u32::from_le_bytes(*block) & BLOCK_LEN;
        if block == 0 {
            return after.get(len(CONTENT_CHECKSUM, 4)..);
        }
        rest = after.get(block as usize..)?.get(len(BLOCK_CHECKSUMS, 4)..)?;
    }
}
