//! A serde deserializer inside another that counts: how deep values are nested, and how many there
//! are. Every serde format here reads through it, and a user's own can too.
//!
//! Why: 100 KB of postcard for a recursive type overflow a worker's stack, which ends the process;
//! five bytes decode to four billion `()`. Formats have limits of their own, or none, or count
//! something else; this one counts what the type being read makes of the bytes.
//!
//! Plain numbers are not counted: each takes a byte of the message at least, which is bounded.

use std::cell::Cell;
use std::fmt;

use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, EnumAccess, MapAccess, SeqAccess, VariantAccess,
    Visitor,
};

use super::{DecodeLimits, FormatError};

/// A length that a message declares is believed up to this many elements when room is made.
const MAX_SIZE_HINT: usize = 1024;

/// Reads a value, within limits.
///
/// # Errors
/// What `deserializer` says, or that a limit was passed.
pub fn deserialize<'de, T, D>(deserializer: D, limits: &DecodeLimits) -> Result<T, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    let count = Count::new(limits);
    T::deserialize(Bounded { inner: deserializer, count: &count })
}

/// Reads a value for one of the formats here.
pub(super) fn read<'de, T, D>(
    format: &'static str,
    deserializer: D,
    limits: &DecodeLimits,
) -> Result<T, FormatError>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    let count = Count::new(limits);
    T::deserialize(Bounded { inner: deserializer, count: &count }).map_err(|error| {
        match count.passed.get() {
            Some(Passed::Depth) => FormatError::TooDeep { max: limits.max_depth },
            Some(Passed::Elements) => FormatError::TooManyElements { max: limits.max_elements },
            None => FormatError::decode(format, error.to_string()),
        }
    })
}

/// That nothing follows the value, for formats whose library tells how much is left.
#[cfg(any(feature = "cbor", feature = "postcard"))]
pub(super) fn at_end(format: &'static str, left: usize) -> Result<(), FormatError> {
    match left {
        0 => Ok(()),
        left => Err(FormatError::decode(format, format!("{left} bytes follow the value"))),
    }
}

struct Count {
    depth_left: Cell<u32>,
    elements_left: Cell<u32>,
    limits: DecodeLimits,
    passed: Cell<Option<Passed>>,
}

#[derive(Clone, Copy)]
enum Passed {
    Depth,
    Elements,
}

impl Count {
    fn new(limits: &DecodeLimits) -> Self {
        Self {
            depth_left: Cell::new(limits.max_depth),
            elements_left: Cell::new(limits.max_elements),
            limits: limits.clone(),
            passed: Cell::new(None),
        }
    }

    fn element<E: serde::de::Error>(&self) -> Result<(), E> {
        match self.elements_left.get().checked_sub(1) {
            Some(left) => {
                self.elements_left.set(left);
                Ok(())
            }
            None => {
                self.passed.set(Some(Passed::Elements));
                let max = self.limits.max_elements;
                Err(E::custom(format_args!("more than {max} values")))
            }
        }
    }

    /// One level down, until the guard is dropped.
    fn descend<E: serde::de::Error>(&self) -> Result<Level<'_>, E> {
        match self.depth_left.get().checked_sub(1) {
            Some(left) => {
                self.depth_left.set(left);
                Ok(Level(self))
            }
            None => {
                self.passed.set(Some(Passed::Depth));
                let max = self.limits.max_depth;
                Err(E::custom(format_args!("values nested more than {max} deep")))
            }
        }
    }
}

struct Level<'a>(&'a Count);

impl Drop for Level<'_> {
    fn drop(&mut self) {
        self.0.depth_left.set(self.0.depth_left.get() + 1);
    }
}

/// Wraps whatever takes part in reading: deserializers, visitors, accesses and seeds.
struct Bounded<'a, T> {
    inner: T,
    count: &'a Count,
}

impl<'a, T> Bounded<'a, T> {
    fn around<U>(&self, inner: U) -> Bounded<'a, U> {
        Bounded { inner, count: self.count }
    }
}

/// Values that take input and hold no others: nothing to count.
macro_rules! scalars {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
            self.inner.$method(visitor)
        }
    )*};
}

/// Everything else is counted, and its visitor watched.
macro_rules! counted {
    ($($method:ident($($arg:ident: $type:ty),*))*) => {$(
        fn $method<V: Visitor<'de>>(
            self,
            $($arg: $type,)*
            visitor: V,
        ) -> Result<V::Value, D::Error> {
            self.count.element::<D::Error>()?;
            let visitor = Bounded { inner: visitor, count: self.count };
            self.inner.$method($($arg,)* visitor)
        }
    )*};
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Bounded<'_, D> {
    type Error = D::Error;

    scalars! {
        deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
        deserialize_i128 deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64
        deserialize_u128 deserialize_f32 deserialize_f64 deserialize_char
    }

    counted! {
        deserialize_any() deserialize_str() deserialize_string() deserialize_bytes()
        deserialize_byte_buf() deserialize_option() deserialize_unit() deserialize_seq()
        deserialize_map() deserialize_identifier() deserialize_ignored_any()
        deserialize_unit_struct(name: &'static str)
        deserialize_newtype_struct(name: &'static str)
        deserialize_tuple(len: usize)
        deserialize_tuple_struct(name: &'static str, len: usize)
        deserialize_struct(name: &'static str, fields: &'static [&'static str])
        deserialize_enum(name: &'static str, variants: &'static [&'static str])
    }

    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}

/// Values without values inside are passed on as they are.
macro_rules! visits {
    ($($method:ident($type:ty))*) => {$(
        fn $method<E: serde::de::Error>(self, value: $type) -> Result<V::Value, E> {
            self.inner.$method(value)
        }
    )*};
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Bounded<'_, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.expecting(f)
    }

    visits! {
        visit_bool(bool) visit_i8(i8) visit_i16(i16) visit_i32(i32) visit_i64(i64) visit_i128(i128)
        visit_u8(u8) visit_u16(u16) visit_u32(u32) visit_u64(u64) visit_u128(u128) visit_f32(f32)
        visit_f64(f64) visit_char(char) visit_str(&str) visit_borrowed_str(&'de str)
        visit_string(String) visit_bytes(&[u8]) visit_borrowed_bytes(&'de [u8])
        visit_byte_buf(Vec<u8>)
    }

    fn visit_none<E: serde::de::Error>(self) -> Result<V::Value, E> {
        self.inner.visit_none()
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<V::Value, E> {
        self.inner.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        let _level = self.count.descend::<D::Error>()?;
        let inside = self.around(deserializer);
        self.inner.visit_some(inside)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> Result<V::Value, D::Error> {
        let _level = self.count.descend::<D::Error>()?;
        let inside = self.around(deserializer);
        self.inner.visit_newtype_struct(inside)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<V::Value, A::Error> {
        let _level = self.count.descend::<A::Error>()?;
        let inside = self.around(seq);
        self.inner.visit_seq(inside)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<V::Value, A::Error> {
        let _level = self.count.descend::<A::Error>()?;
        let inside = self.around(map);
        self.inner.visit_map(inside)
    }

    fn visit_enum<A: EnumAccess<'de>>(self, data: A) -> Result<V::Value, A::Error> {
        let _level = self.count.descend::<A::Error>()?;
        let inside = self.around(data);
        self.inner.visit_enum(inside)
    }
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Bounded<'_, S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<S::Value, D::Error> {
        let inside = self.around(deserializer);
        self.inner.deserialize(inside)
    }
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Bounded<'_, A> {
    type Error = A::Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, A::Error> {
        self.inner.next_element_seed(Bounded { inner: seed, count: self.count })
    }

    fn size_hint(&self) -> Option<usize> {
        self.inner.size_hint().map(|hint| hint.min(MAX_SIZE_HINT))
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Bounded<'_, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, A::Error> {
        self.inner.next_key_seed(Bounded { inner: seed, count: self.count })
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        self.inner.next_value_seed(Bounded { inner: seed, count: self.count })
    }

    fn size_hint(&self) -> Option<usize> {
        self.inner.size_hint().map(|hint| hint.min(MAX_SIZE_HINT))
    }
}

impl<'a, 'de, A: EnumAccess<'de>> EnumAccess<'de> for Bounded<'a, A> {
    type Error = A::Error;
    type Variant = Bounded<'a, A::Variant>;

    fn variant_seed<V: DeserializeSeed<'de>>(
        self,
        seed: V,
    ) -> Result<(V::Value, Self::Variant), A::Error> {
        let count = self.count;
        let (value, variant) = self.inner.variant_seed(Bounded { inner: seed, count })?;
        Ok((value, Bounded { inner: variant, count }))
    }
}

impl<'de, A: VariantAccess<'de>> VariantAccess<'de> for Bounded<'_, A> {
    type Error = A::Error;

    fn unit_variant(self) -> Result<(), A::Error> {
        self.inner.unit_variant()
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, A::Error> {
        self.inner.newtype_variant_seed(Bounded { inner: seed, count: self.count })
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, A::Error> {
        self.inner.tuple_variant(len, Bounded { inner: visitor, count: self.count })
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        self.inner.struct_variant(fields, Bounded { inner: visitor, count: self.count })
    }
}
