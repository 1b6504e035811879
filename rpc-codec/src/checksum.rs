//! CRC32C (Castagnoli, RFC 3720 B.4) of frames, for links that TLS does not protect.

/// The checksum of a frame: its header and the payload before the checksum itself.
pub fn of(header: &[u8], payload: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(header), payload)
}
