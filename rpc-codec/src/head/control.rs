//! The heads of frames that speak of the connection rather than carry a message.

use bytes::BytesMut;

use super::Head;
use super::protobuf::{Fields, put_bytes, put_element, put_number};
use crate::error::HeadError;
use crate::limits::floor;

/// Names in a HELLO are no longer than this, and no more than [`MAX_NAMES`].
const MAX_NAME_BYTES: usize = 64;
const MAX_NAMES: usize = 32;
/// Peer, service and instance names are no longer than this.
const MAX_TITLE_BYTES: usize = 255;

/// What an end of a connection takes, and who it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hello {
    /// The newest version of the protocol it speaks.
    pub version: u32,
    /// Largest frame payload it takes, in bytes.
    pub max_frame_bytes: u32,
    /// Largest message it takes, in bytes.
    pub max_message_bytes: u64,
    /// Bytes of big messages that may be under way to it.
    pub connection_credit: u64,
    /// Bytes that may be under way to it on a new stream.
    pub stream_credit: u64,
    /// Calls it lets be in flight.
    pub max_calls: u32,
    /// Formats it speaks.
    pub formats: Vec<String>,
    /// Compressions it understands.
    pub compressions: Vec<String>,
    /// Whether what it is sent should carry checksums.
    pub checksum: bool,
    /// What it calls itself.
    pub peer_name: String,
    /// The service the client believes it reached, or empty.
    pub service: String,
    /// The instance the client believes it reached, or empty.
    pub instance: String,
}

impl Hello {
    /// Reads it.
    ///
    /// # Errors
    /// If it is no HELLO, or offers less than the floors.
    pub fn decode(bytes: &[u8]) -> Result<Self, HeadError> {
        let mut hello = Self::default();
        let mut fields = Fields::of(bytes);
        while let Some(field) = fields.next()? {
            match field.number {
                1 => hello.version = field.u32()?,
                2 => hello.max_frame_bytes = field.u32()?,
                3 => hello.max_message_bytes = field.u64()?,
                4 => hello.connection_credit = field.u64()?,
                5 => hello.stream_credit = field.u64()?,
                6 => hello.max_calls = field.u32()?,
                7 => push_name(&mut hello.formats, field.text()?, 7)?,
                8 => push_name(&mut hello.compressions, field.text()?, 8)?,
                9 => hello.checksum = field.bool()?,
                10 => hello.peer_name = title(field.text()?, 10)?,
                11 => hello.service = title(field.text()?, 11)?,
                12 => hello.instance = title(field.text()?, 12)?,
                _ => {}
            }
        }
        hello.check()?;
        Ok(hello)
    }

    fn check(&self) -> Result<(), HeadError> {
        let floors = [
            (
                2,
                u64::from(self.max_frame_bytes) >= u64::from(floor::MAX_FRAME_BYTES),
                "max_frame_bytes of at least 65536",
            ),
            (
                3,
                self.max_message_bytes >= crate::limits::BIG_MESSAGE_BYTES as u64,
                "max_message_bytes of at least 32768",
            ),
            (
                4,
                self.connection_credit >= self.max_message_bytes,
                "connection_credit of at least max_message_bytes",
            ),
            (5, self.stream_credit >= floor::STREAM_CREDIT, "stream_credit of at least 65536"),
            (6, self.max_calls >= floor::MAX_CALLS, "max_calls of at least 32"),
        ];
        match floors.into_iter().find(|(_, kept, _)| !kept) {
            None => Ok(()),
            Some((field, _, expected)) => Err(HeadError::Invalid { field, expected }),
        }
    }
}

fn push_name(names: &mut Vec<String>, name: &str, field: u32) -> Result<(), HeadError> {
    if names.len() >= MAX_NAMES || name.len() > MAX_NAME_BYTES {
        let expected = "at most 32 names of at most 64 bytes";
        return Err(HeadError::Invalid { field, expected });
    }
    names.push(name.to_owned());
    Ok(())
}

fn title(name: &str, field: u32) -> Result<String, HeadError> {
    if name.len() > MAX_TITLE_BYTES {
        return Err(HeadError::Invalid { field, expected: "a name of at most 255 bytes" });
    }
    Ok(name.to_owned())
}

impl Head for Hello {
    fn encoded_len_hint(&self) -> usize {
        let names = self.formats.iter().chain(&self.compressions);
        let titles = self.peer_name.len() + self.service.len() + self.instance.len();
        64 + titles + names.map(|name| name.len() + 2).sum::<usize>()
    }

    fn encode(&self, dst: &mut BytesMut) {
        put_number(dst, 1, u64::from(self.version));
        put_number(dst, 2, u64::from(self.max_frame_bytes));
        put_number(dst, 3, self.max_message_bytes);
        put_number(dst, 4, self.connection_credit);
        put_number(dst, 5, self.stream_credit);
        put_number(dst, 6, u64::from(self.max_calls));
        self.formats.iter().for_each(|name| put_element(dst, 7, name.as_bytes()));
        self.compressions.iter().for_each(|name| put_element(dst, 8, name.as_bytes()));
        put_number(dst, 9, u64::from(self.checksum));
        put_bytes(dst, 10, self.peer_name.as_bytes());
        put_bytes(dst, 11, self.service.as_bytes());
        put_bytes(dst, 12, self.instance.as_bytes());
    }
}

/// An end takes no further calls.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Goaway {
    /// The last call it took; later ones are not executed.
    pub last_call: u64,
    /// Why: 0 drain, 1 protocol error, 2 limit exceeded, 3 wrong service or instance, 4 idle,
    /// 5 version, 6 age, 7 silence.
    pub code: u32,
    /// The same in words.
    pub message: String,
}

impl Goaway {
    /// Reads it.
    ///
    /// # Errors
    /// If it is no GOAWAY.
    pub fn decode(bytes: &[u8]) -> Result<Self, HeadError> {
        let mut goaway = Self::default();
        let mut fields = Fields::of(bytes);
        while let Some(field) = fields.next()? {
            match field.number {
                1 => goaway.last_call = field.u64()?,
                2 => goaway.code = field.u32()?,
                3 => goaway.message = field.text()?.to_owned(),
                _ => {}
            }
        }
        Ok(goaway)
    }
}

impl Head for Goaway {
    fn encoded_len_hint(&self) -> usize {
        20 + self.message.len()
    }

    fn encode(&self, dst: &mut BytesMut) {
        put_number(dst, 1, self.last_call);
        put_number(dst, 2, u64::from(self.code));
        put_bytes(dst, 3, self.message.as_bytes());
    }
}

macro_rules! one_number {
    ($(#[$doc:meta])* $name:ident { $(#[$field_doc:meta])* $field:ident: $type:ident }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct $name {
            $(#[$field_doc])*
            pub $field: $type,
        }

        impl $name {
            /// Reads it.
            ///
            /// # Errors
            /// If it is no such head.
            pub fn decode(bytes: &[u8]) -> Result<Self, HeadError> {
                let mut head = Self::default();
                let mut fields = Fields::of(bytes);
                while let Some(field) = fields.next()? {
                    if field.number == 1 {
                        head.$field = field.$type()?;
                    }
                }
                Ok(head)
            }
        }

        impl Head for $name {
            fn encoded_len_hint(&self) -> usize {
                11
            }

            fn encode(&self, dst: &mut BytesMut) {
                put_number(dst, 1, u64::from(self.$field));
            }
        }
    };
}

one_number! {
    /// More may be sent, on the connection or on a call's stream.
    Credit {
        /// So many bytes more.
        bytes: u64
    }
}

one_number! {
    /// The caller waits no longer.
    Cancel {
        /// Why: 4 (deadline exceeded), else it went away.
        code: u32
    }
}
