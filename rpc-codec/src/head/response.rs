//! What stands in front of an answer, and says how the call ended.

use std::borrow::Cow;

use bytes::{Bytes, BytesMut};

use super::protobuf::{Field, Fields, put_bytes, put_number, put_numbers, put_pair, put_present};
use super::{Head, put_metadata, read_entry};
use crate::code::{Code, Executed, Load, Origin};
use crate::compression::Compression;
use crate::error::HeadError;
use crate::metadata::Metadata;

/// The head of a RESPONSE. A plain *ok* takes no bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct ResponseHead<'a> {
    /// How the call ended.
    pub code: Code,
    /// What happened, for a person to read.
    pub message: Cow<'a, str>,
    /// The body is the method's own error.
    pub typed: bool,
    /// How the body is compressed.
    pub compression: Compression,
    /// What happened, for a program to read.
    pub details: Cow<'a, [Detail]>,
    /// What the handler says beside its answer.
    pub metadata: Cow<'a, Metadata>,
    /// Microseconds that callers should stay away.
    pub retry_after_us: Option<u64>,
    /// Whether the handler ran, where the call failed.
    pub executed: Executed,
    /// A fallback gave this answer.
    pub degraded: bool,
    /// The server's load.
    pub load: Option<Load>,
    /// Which side of the server speaks.
    pub origin: Origin,
    /// The rule that refused the call; empty if none did.
    pub refused_by: Cow<'a, str>,
}

/// A detail of a failure: a type's name, and its encoded value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Detail {
    /// The type's name.
    pub type_name: String,
    /// Its encoded value.
    pub value: Bytes,
}

impl Default for ResponseHead<'_> {
    fn default() -> Self {
        Self {
            code: Code::Ok,
            message: Cow::Borrowed(""),
            typed: false,
            compression: Compression::None,
            details: Cow::Borrowed(&[]),
            metadata: Cow::Owned(Metadata::new()),
            retry_after_us: None,
            executed: Executed::Maybe,
            degraded: false,
            load: None,
            origin: Origin::Handler,
            refused_by: Cow::Borrowed(""),
        }
    }
}

impl<'a> ResponseHead<'a> {
    /// Reads it.
    ///
    /// # Errors
    /// If it is no such head.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, HeadError> {
        let mut head = Self::default();
        if bytes.is_empty() {
            return Ok(head); // An answer without anything to say beside it.
        }
        let mut metadata = Metadata::new();
        let mut details = Vec::new();
        let mut fields = Fields::of(bytes);
        while let Some(field) = fields.next()? {
            match field.number {
                1 => head.code = Code::from_number(field.u32()?),
                2 => head.message = Cow::Borrowed(field.text()?),
                3 => head.typed = field.bool()?,
                4 => head.compression = Compression::from_field(&field)?,
                5 => details.push(read_detail(&field)?),
                6 => read_entry(&field, &mut metadata)?,
                7 => head.retry_after_us = Some(field.u64()?),
                8 => head.executed = Executed::from_number(field.u32()?),
                9 => head.degraded = field.bool()?,
                10 => head.load = Some(read_load(&field, head.load.unwrap_or_default())?),
                11 => head.origin = Origin::from_number(field.u32()?),
                12 => head.refused_by = Cow::Borrowed(field.text()?),
                _ => {}
            }
        }
        head.metadata = Cow::Owned(metadata);
        head.details = Cow::Owned(details);
        Ok(head)
    }
}

fn read_detail(field: &Field<'_>) -> Result<Detail, HeadError> {
    let (type_name, value) = field.pair()?;
    let type_name = field.text_of(type_name)?.to_owned();
    Ok(Detail { type_name, value: Bytes::copy_from_slice(value) })
}

/// What is said anew counts, the rest of `load` stays.
fn read_load(field: &Field<'_>, mut load: Load) -> Result<Load, HeadError> {
    let mut fields = Fields::of(field.bytes()?);
    while let Some(field) = fields.next()? {
        match field.number {
            1 => load.in_flight = field.u32()?,
            2 => load.utilization_permille = field.u32()?,
            _ => {}
        }
    }
    Ok(load)
}

impl Head for ResponseHead<'_> {
    fn encoded_len_hint(&self) -> usize {
        let details: usize = self
            .details
            .iter()
            .map(|detail| detail.type_name.len() + detail.value.len() + 12)
            .sum();
        let metadata = self.metadata.byte_len() + 8 * self.metadata.len();
        self.message.len() + self.refused_by.len() + details + metadata + 16
    }

    fn encode(&self, dst: &mut BytesMut) {
        put_number(dst, 1, u64::from(self.code.number()));
        put_bytes(dst, 2, self.message.as_bytes());
        put_number(dst, 3, u64::from(self.typed));
        put_number(dst, 4, u64::from(self.compression.number()));
        for detail in self.details.iter() {
            put_pair(dst, 5, detail.type_name.as_bytes(), &detail.value);
        }
        put_metadata(dst, 6, &self.metadata);
        if let Some(micros) = self.retry_after_us {
            put_present(dst, 7, micros);
        }
        put_number(dst, 8, u64::from(self.executed.number()));
        put_number(dst, 9, u64::from(self.degraded));
        if let Some(load) = self.load {
            put_numbers(dst, 10, load.in_flight.into(), load.utilization_permille.into());
        }
        put_number(dst, 11, u64::from(self.origin.number()));
        put_bytes(dst, 12, self.refused_by.as_bytes());
    }
}
