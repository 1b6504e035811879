//! As much of protobuf's encoding as heads need, written so that the hot path neither allocates nor
//! copies: fields of default value are left out, texts are borrowed from the bytes they stand in.
//!
//! <https://protobuf.dev/programming-guides/encoding/>; a property test holds it equal to a real
//! implementation reading `proto/wire.proto`.

use bytes::{BufMut, BytesMut};

use crate::error::HeadError;

const VARINT: u8 = 0;
const FIXED64: u8 = 1;
const BYTES: u8 = 2;
const FIXED32: u8 = 5;

/// Two numbers, for one copy: a key and what follows it.
struct Varints {
    bytes: [u8; 20],
    len: usize,
}

impl Varints {
    fn of(first: u64, second: u64) -> Self {
        let mut varints = Self { bytes: [0; 20], len: 0 };
        varints.push(first);
        varints.push(second);
        varints
    }

    /// Ten bytes hold any number.
    fn push(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.bytes[self.len] = low_byte(value) | 0x80;
            self.len += 1;
            value >>= 7;
        }
        self.bytes[self.len] = low_byte(value);
        self.len += 1;
    }
}

fn low_byte(value: u64) -> u8 {
    value.to_le_bytes()[0]
}

/// A field's key and the number behind it: its value or its length.
fn put_key(dst: &mut BytesMut, field: u32, wire_type: u8, number: u64) {
    let varints = Varints::of(u64::from(field << 3) | u64::from(wire_type), number);
    dst.put_slice(&varints.bytes[..varints.len]);
}

/// A number that is 0 unless it is there.
pub(super) fn put_number(dst: &mut BytesMut, field: u32, value: u64) {
    if value != 0 {
        put_present(dst, field, value);
    }
}

/// A number that may be 0 and there.
pub(super) fn put_present(dst: &mut BytesMut, field: u32, value: u64) {
    put_key(dst, field, VARINT, value);
}

/// A text or bytes, empty unless there.
pub(super) fn put_bytes(dst: &mut BytesMut, field: u32, value: &[u8]) {
    if !value.is_empty() {
        put_element(dst, field, value);
    }
}

/// An element of a repeated field, which is there even if empty.
pub(super) fn put_element(dst: &mut BytesMut, field: u32, value: &[u8]) {
    match (u8::try_from(field << 3), u8::try_from(value.len())) {
        (Ok(key @ ..0x80), Ok(len @ ..0x80)) => dst.put_slice(&[key | BYTES, len]),
        _ => put_key(dst, field, BYTES, value.len() as u64),
    }
    dst.put_slice(value);
}

/// A message of two fields of bytes, each left out if empty; there even if both are.
pub(super) fn put_pair(dst: &mut BytesMut, field: u32, first: &[u8], second: &[u8]) {
    put_key(dst, field, BYTES, (bytes_len(first) + bytes_len(second)) as u64);
    put_bytes(dst, 1, first);
    put_bytes(dst, 2, second);
}

/// A message of two numbers, each left out if 0; there even if both are.
pub(super) fn put_numbers(dst: &mut BytesMut, field: u32, first: u64, second: u64) {
    put_key(dst, field, BYTES, (number_len(first) + number_len(second)) as u64);
    put_number(dst, 1, first);
    put_number(dst, 2, second);
}

/// What `put_number` takes for a field below 16.
fn number_len(value: u64) -> usize {
    if value == 0 { 0 } else { 1 + varint_len(value) }
}

/// What `put_bytes` takes for a field below 16.
fn bytes_len(value: &[u8]) -> usize {
    if value.is_empty() { 0 } else { 1 + varint_len(value.len() as u64) + value.len() }
}

pub(super) fn varint_len(value: u64) -> usize {
    // Seven bits a byte, and one byte for 0.
    (64 - (value | 1).leading_zeros() as usize).div_ceil(7)
}

/// A field's value as it stands in the bytes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    /// Of a type that no head has: to be skipped.
    Other,
}

/// A field.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field<'a> {
    pub(super) number: u32,
    pub(super) value: Value<'a>,
}

/// The fields of a message, one after the other.
pub(super) struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    pub(super) fn of(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The next field; `None` at the end.
    #[inline]
    pub(super) fn next(&mut self) -> Result<Option<Field<'a>>, HeadError> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let key = self.varint(0)?;
        // Protobuf has field numbers of 29 bits, so that a key has 32.
        let key = u32::try_from(key).map_err(|_| HeadError::BadNumber { field: 0 })?;
        let number = key >> 3;
        if number == 0 {
            return Err(HeadError::BadNumber { field: 0 });
        }
        // Three bits.
        let wire_type = (key & 7) as u8;
        let value = match wire_type {
            VARINT => Value::Number(self.varint(number)?),
            BYTES => {
                let len = self.varint(number)?;
                Value::Bytes(self.take(usize::try_from(len).map_err(|_| HeadError::Truncated)?)?)
            }
            FIXED64 => self.take(8).map(|_| Value::Other)?,
            FIXED32 => self.take(4).map(|_| Value::Other)?,
            _ => return Err(HeadError::BadWireType { field: number, wire_type }),
        };
        Ok(Some(Field { number, value }))
    }

    #[inline]
    fn varint(&mut self, field: u32) -> Result<u64, HeadError> {
        match self.0 {
            &[byte, ref rest @ ..] if byte < 0x80 => {
                self.0 = rest;
                Ok(byte.into())
            }
            _ => self.long_varint(field),
        }
    }

    fn long_varint(&mut self, field: u32) -> Result<u64, HeadError> {
        /// A number has 64 bits, seven in each byte.
        const MAX_LEN: usize = 10;
        let mut value = 0u64;
        for (at, &byte) in self.0.iter().take(MAX_LEN).enumerate() {
            let bits = u64::from(byte & 0x7F);
            if at == MAX_LEN - 1 && bits > 1 {
                return Err(HeadError::BadNumber { field });
            }
            value |= bits << (7 * at);
            if byte & 0x80 == 0 {
                self.0 = &self.0[at + 1..];
                return Ok(value);
            }
        }
        Err(if self.0.len() < MAX_LEN {
            HeadError::Truncated
        } else {
            HeadError::BadNumber { field }
        })
    }

    #[inline]
    fn take(&mut self, len: usize) -> Result<&'a [u8], HeadError> {
        let (taken, rest) = self.0.split_at_checked(len).ok_or(HeadError::Truncated)?;
        self.0 = rest;
        Ok(taken)
    }
}

impl<'a> Field<'a> {
    fn wrong(&self, expected: &'static str) -> HeadError {
        HeadError::Invalid { field: self.number, expected }
    }

    pub(super) fn u64(&self) -> Result<u64, HeadError> {
        match self.value {
            Value::Number(number) => Ok(number),
            _ => Err(self.wrong("a number")),
        }
    }

    /// Like protobuf's own, which keeps the low 32 bits.
    pub(super) fn u32(&self) -> Result<u32, HeadError> {
        let [a, b, c, d, ..] = self.u64()?.to_le_bytes();
        Ok(u32::from_le_bytes([a, b, c, d]))
    }

    pub(super) fn bool(&self) -> Result<bool, HeadError> {
        Ok(self.u64()? != 0)
    }

    pub(super) fn bytes(&self) -> Result<&'a [u8], HeadError> {
        match self.value {
            Value::Bytes(bytes) => Ok(bytes),
            _ => Err(self.wrong("bytes")),
        }
    }

    pub(super) fn text(&self) -> Result<&'a str, HeadError> {
        std::str::from_utf8(self.bytes()?).map_err(|_| HeadError::NotText { field: self.number })
    }

    /// The first two fields of a message inside: bytes each.
    pub(super) fn pair(&self) -> Result<(&'a [u8], &'a [u8]), HeadError> {
        self.merged_pair(&[], &[])
    }

    /// The same for a message that may have come before: what is said anew counts, the rest stays.
    pub(super) fn merged_pair(
        &self,
        mut first: &'a [u8],
        mut second: &'a [u8],
    ) -> Result<(&'a [u8], &'a [u8]), HeadError> {
        let mut fields = Fields::of(self.bytes()?);
        while let Some(field) = fields.next()? {
            match field.number {
                1 => first = field.bytes()?,
                2 => second = field.bytes()?,
                _ => {}
            }
        }
        Ok((first, second))
    }

    pub(super) fn text_of(&self, bytes: &'a [u8]) -> Result<&'a str, HeadError> {
        std::str::from_utf8(bytes).map_err(|_| HeadError::NotText { field: self.number })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn numbers_come_back(value: u64) {
            let mut bytes = BytesMut::new();
            put_present(&mut bytes, 3, value);
            prop_assert_eq!(bytes.len(), 1 + varint_len(value));
            let field = Fields::of(&bytes).next().unwrap().unwrap();
            prop_assert_eq!((field.number, field.u64().unwrap()), (3, value));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let mut fields = Fields::of(&bytes);
            while let Ok(Some(field)) = fields.next() {
                let _ = (field.u32(), field.text(), field.pair());
            }
        }
    }

    #[test]
    fn a_number_of_eleven_bytes_is_refused() {
        let mut bytes = vec![0x08];
        bytes.extend([0xFF; 10]);
        bytes.push(1);
        assert!(matches!(Fields::of(&bytes).next(), Err(HeadError::BadNumber { .. })));
    }
}
