//! The first eight bytes of a connection, by which one port can tell this protocol from others.

use std::fmt;

/// `\xF2RPC`: its first byte is that of no TLS record and no HTTP request.
pub const MAGIC: [u8; 4] = *b"\xF2RPC";
/// The version of the protocol this crate speaks.
pub const VERSION: u8 = 1;
/// The preface's length in bytes.
pub const LEN: usize = 8;

/// The preface of a peer that speaks `version`.
pub fn encode(version: u8) -> [u8; LEN] {
    let [a, b, c, d] = MAGIC;
    [a, b, c, d, version, 0, 0, 0]
}

/// The version in a preface.
///
/// # Errors
/// What the peer seems to speak instead.
pub fn parse(bytes: &[u8; LEN]) -> Result<u8, NotOurs> {
    match mismatch(bytes) {
        Some(other) => Err(other),
        None => Ok(bytes[4]),
    }
}

/// What the peer speaks instead, as soon as its first bytes can't be a preface any more.
pub fn mismatch(first_bytes: &[u8]) -> Option<NotOurs> {
    let known = first_bytes.len().min(MAGIC.len());
    if first_bytes[..known] == MAGIC[..known] {
        return None;
    }
    let begins = |with: &[u8]| first_bytes.starts_with(with);
    // An HTTP/1 request begins with a method in capitals, an answer with its version.
    let method = first_bytes[..known].split(|byte| *byte == b' ').next().unwrap_or_default();
    Some(if begins(b"PRI ") {
        NotOurs::Http2
    } else if !method.is_empty() && method.iter().all(u8::is_ascii_uppercase) {
        NotOurs::Http1
    } else if begins(&[0x16]) || begins(&[0x15]) {
        NotOurs::Tls
    } else {
        let mut bytes = [0; 4];
        bytes[..known].copy_from_slice(&first_bytes[..known]);
        NotOurs::Unknown(bytes)
    })
}

/// Some other protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotOurs {
    /// HTTP/1.
    Http1,
    /// HTTP/2.
    Http2,
    /// TLS.
    Tls,
    /// These bytes, padded with zeros.
    Unknown([u8; 4]),
}

impl fmt::Display for NotOurs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http1 => f.write_str(
                "the peer speaks HTTP/1 and not this protocol: is the address that of a web server?",
            ),
            Self::Http2 => f.write_str(
                "the peer speaks HTTP/2 and not this protocol: is the address that of a gRPC server?",
            ),
            Self::Tls => f.write_str("the peer speaks TLS, this end does not"),
            Self::Unknown(bytes) => write!(
                f,
                "the peer does not speak this protocol: it begins with {bytes:02x?}, \
                 expected {MAGIC:02x?}"
            ),
        }
    }
}

impl std::error::Error for NotOurs {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ours_is_no_mismatch_at_any_length() {
        let preface = encode(VERSION);
        for len in 0..=LEN {
            assert_eq!(mismatch(&preface[..len]), None);
        }
        assert_eq!(parse(&preface), Ok(VERSION));
        assert_eq!(parse(&encode(9)), Ok(9));
    }

    #[test]
    fn others_are_told_by_their_first_bytes() {
        assert_eq!(mismatch(b"GET / HTTP/1.1"), Some(NotOurs::Http1));
        assert_eq!(mismatch(b"HTTP/1.1 400"), Some(NotOurs::Http1));
        assert_eq!(mismatch(b"PRI * HTTP/2.0"), Some(NotOurs::Http2));
        assert_eq!(mismatch(&[0x16, 3, 1, 2]), Some(NotOurs::Tls));
        assert_eq!(mismatch(&[0xF2, b'X']), Some(NotOurs::Unknown([0xF2, b'X', 0, 0])));
    }
}
