//! What stands in front of a call's arguments.

use std::borrow::Cow;

use bytes::BytesMut;

use super::protobuf::{Fields, put_bytes, put_number, put_pair, put_present};
use super::{Head, put_metadata, read_entry};
use crate::code::Priority;
use crate::compression::Compression;
use crate::error::HeadError;
use crate::limits::MAX_METHOD_BYTES;
use crate::metadata::Metadata;

/// The format that is not named on the wire.
const DEFAULT_FORMAT: &str = "msgpack";

/// The head of a REQUEST.
#[derive(Clone, Debug, PartialEq)]
pub struct RequestHead<'a> {
    /// `service/method`.
    pub method: &'a str,
    /// The format of arguments and answer.
    pub format: &'a str,
    /// How the arguments are compressed.
    pub compression: Compression,
    /// Microseconds left; 0 means none, absent means no limit.
    pub timeout_us: Option<u64>,
    /// How much the call matters.
    pub priority: Priority,
    /// 0 for the first attempt.
    pub attempt: u32,
    /// The caller itself serves a retry.
    pub retried_upstream: bool,
    /// W3C `traceparent`, or empty.
    pub trace_parent: &'a str,
    /// W3C `tracestate`, or empty.
    pub trace_state: &'a str,
    /// What the caller says beside the arguments.
    pub metadata: Cow<'a, Metadata>,
    /// Nobody waits for an answer.
    pub oneway: bool,
}

impl<'a> RequestHead<'a> {
    /// A call of `method` with nothing else said.
    pub fn new(method: &'a str) -> Self {
        Self {
            method,
            format: DEFAULT_FORMAT,
            compression: Compression::None,
            timeout_us: None,
            priority: Priority::Normal,
            attempt: 0,
            retried_upstream: false,
            trace_parent: "",
            trace_state: "",
            metadata: Cow::Owned(Metadata::new()),
            oneway: false,
        }
    }

    /// Reads it.
    ///
    /// # Errors
    /// If it is no such head.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, HeadError> {
        let mut head = Self::new("");
        head.merge(bytes)?;
        Ok(head)
    }

    /// Takes over what further fields say; the rest stays as it is.
    ///
    /// # Errors
    /// If they are no such fields.
    pub fn merge(&mut self, bytes: &'a [u8]) -> Result<(), HeadError> {
        let head = self;
        let mut metadata = Metadata::new();
        let mut fields = Fields::of(bytes);
        while let Some(field) = fields.next()? {
            match field.number {
                1 => head.method = field.text()?,
                2 => head.format = field.text()?,
                3 => head.compression = Compression::from_field(&field)?,
                4 => head.timeout_us = Some(field.u64()?),
                5 => head.priority = Priority::from_number(field.u32()?),
                6 => head.attempt = field.u32()?,
                7 => head.retried_upstream = field.bool()?,
                8 => {
                    let before = (head.trace_parent.as_bytes(), head.trace_state.as_bytes());
                    let (parent, state) = field.merged_pair(before.0, before.1)?;
                    head.trace_parent = field.text_of(parent)?;
                    head.trace_state = field.text_of(state)?;
                }
                9 => read_entry(&field, &mut metadata)?,
                10 => head.oneway = field.bool()?,
                _ => {}
            }
        }
        if head.method.is_empty() || head.method.len() > MAX_METHOD_BYTES {
            let expected = "a method path of 1 to 255 bytes, `service/method`";
            return Err(HeadError::Invalid { field: 1, expected });
        }
        if head.format.is_empty() {
            head.format = DEFAULT_FORMAT;
        }
        if !metadata.is_empty() {
            head.metadata = Cow::Owned(metadata);
        }
        Ok(())
    }

    /// The fields for method and format, of which a head written here begins. A server that knows its
    /// methods and formats can look such a beginning up instead of reading it.
    pub fn beginning(method: &str, format: &str) -> Vec<u8> {
        let mut bytes = BytesMut::new();
        put_beginning(&mut bytes, method, format);
        bytes.to_vec()
    }

    /// A head's bytes as its beginning and the rest; the beginning is empty if there is nothing to
    /// look up.
    pub fn split_beginning(bytes: &[u8]) -> (&[u8], &[u8]) {
        /// The end of the text field with this key that begins at `at`.
        fn text_end(bytes: &[u8], at: usize, key: u8) -> Option<usize> {
            match bytes.get(at..) {
                Some(&[found, len @ ..0x80, ..]) if found == key => Some(at + 2 + usize::from(len)),
                _ => None,
            }
        }
        let method = text_end(bytes, 0, 0x0A).unwrap_or(0);
        let format = text_end(bytes, method, 0x12).unwrap_or(method);
        bytes.split_at_checked(format).unwrap_or((&[], bytes))
    }
}

fn put_beginning(dst: &mut BytesMut, method: &str, format: &str) {
    put_bytes(dst, 1, method.as_bytes());
    if format != DEFAULT_FORMAT {
        put_bytes(dst, 2, format.as_bytes());
    }
}

impl Head for RequestHead<'_> {
    fn encoded_len_hint(&self) -> usize {
        // Path, time and small change; metadata with its keys and lengths.
        self.method.len() + 32 + self.metadata.byte_len() + 8 * self.metadata.len()
    }

    fn encode(&self, dst: &mut BytesMut) {
        put_beginning(dst, self.method, self.format);
        put_number(dst, 3, u64::from(self.compression.number()));
        if let Some(micros) = self.timeout_us {
            put_present(dst, 4, micros);
        }
        put_number(dst, 5, u64::from(self.priority.number()));
        put_number(dst, 6, u64::from(self.attempt));
        put_number(dst, 7, u64::from(self.retried_upstream));
        if !self.trace_parent.is_empty() || !self.trace_state.is_empty() {
            put_pair(dst, 8, self.trace_parent.as_bytes(), self.trace_state.as_bytes());
        }
        put_metadata(dst, 9, &self.metadata);
        put_number(dst, 10, u64::from(self.oneway));
    }
}
