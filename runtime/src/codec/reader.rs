//! Reads what postcard has written, and lends nothing of it.
//!
//! postcard's own reader lends strings out of the bytes, so what it reads must bear any lifetime; whether a type does is a
//! question of lifetimes, by which rustc cannot choose a method. What is read here need only bear `'static`, which every
//! record does that is data: a borrowed string among them is an error when it is read.

use serde::de::{DeserializeSeed, Deserializer, EnumAccess, Error, IntoDeserializer, MapAccess, SeqAccess};
use serde::de::{VariantAccess, Visitor};
use std::fmt;

/// Bytes that are being read.
pub(super) struct Reader<'b>(pub(super) &'b [u8]);

/// They are not what was expected.
#[derive(Debug)]
pub(super) struct Unreadable(String);

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unreadable {}

impl Error for Unreadable {
    fn custom<T: fmt::Display>(what: T) -> Self {
        Unreadable(what.to_string())
    }
}

type Read<T> = Result<T, Unreadable>;

impl<'b> Reader<'b> {
    fn take(&mut self, len: usize) -> Read<&'b [u8]> {
        let (taken, rest) =
            self.0.split_at_checked(len).ok_or_else(|| Unreadable::custom("it ends too early"))?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Read<[u8; N]> {
        let (taken, rest) =
            self.0.split_first_chunk().ok_or_else(|| Unreadable::custom("it ends too early"))?;
        self.0 = rest;
        Ok(*taken)
    }

    #[inline]
    fn byte(&mut self) -> Read<u8> {
        self.array().map(|[byte]| byte)
    }

    /// Seven bits in each byte, the lowest first; the eighth says that more follow.
    #[inline]
    fn number(&mut self) -> Read<u64> {
        let first = self.byte()?;
        if first < 128 {
            return Ok(u64::from(first));
        }
        let number = self.rest_of_number(u128::from(first & 127))?;
        u64::try_from(number).map_err(|_| Unreadable::custom("a number is too large"))
    }

    fn long_number(&mut self) -> Read<u128> {
        let first = self.byte()?;
        if first < 128 { Ok(u128::from(first)) } else { self.rest_of_number(u128::from(first & 127)) }
    }

    fn rest_of_number(&mut self, mut number: u128) -> Read<u128> {
        for shift in (7..128).step_by(7) {
            let byte = self.byte()?;
            number |= u128::from(byte & 127) << shift;
            if byte < 128 {
                return Ok(number);
            }
        }
        Err(Unreadable::custom("a number has no end"))
    }

    fn len(&mut self) -> Read<usize> {
        usize::try_from(self.number()?).map_err(Unreadable::custom)
    }

    /// How many follow: no more than the bytes could hold is worth making room for.
    fn several(&mut self, left: usize) -> Several<'_, 'b> {
        Several { reader: self, left }
    }
}

/// A number with its sign in its lowest bit.
fn signed(number: u64) -> i64 {
    (number >> 1).cast_signed() ^ -(number & 1).cast_signed()
}

/// Reads a number as a smaller one.
macro_rules! small {
    ($($method:ident $visit:ident $type:ty: $read:expr;)*) => { $(
        #[inline]
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
            let read: fn(u64) -> Result<$type, std::num::TryFromIntError> = $read;
            visitor.$visit(read(self.number()?).map_err(Unreadable::custom)?)
        }
    )* };
}

impl<'de> Deserializer<'de> for &mut Reader<'_> {
    type Error = Unreadable;

    fn is_human_readable(&self) -> bool {
        false
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Read<V::Value> {
        Err(Unreadable::custom("its `Deserialize` asks what comes next, which is not written"))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        self.deserialize_any(visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        self.deserialize_any(visitor)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        match self.byte()? {
            0 => visitor.visit_bool(false),
            1 => visitor.visit_bool(true),
            _ => Err(Unreadable::custom("it is neither true nor false")),
        }
    }

    fn deserialize_u8<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        visitor.visit_u8(self.byte()?)
    }

    fn deserialize_i8<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        visitor.visit_i8(self.byte()?.cast_signed())
    }

    small! {
        deserialize_u16 visit_u16 u16: u16::try_from;
        deserialize_u32 visit_u32 u32: u32::try_from;
        deserialize_u64 visit_u64 u64: |number| Ok(number);
        deserialize_i16 visit_i16 i16: |number| signed(number).try_into();
        deserialize_i32 visit_i32 i32: |number| signed(number).try_into();
        deserialize_i64 visit_i64 i64: |number| Ok(signed(number));
    }

    fn deserialize_u128<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        visitor.visit_u128(self.long_number()?)
    }

    fn deserialize_i128<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        let number = self.long_number()?;
        visitor.visit_i128((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        visitor.visit_f32(f32::from_le_bytes(self.array()?))
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        visitor.visit_f64(f64::from_le_bytes(self.array()?))
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        let len = self.len()?;
        let text = std::str::from_utf8(self.take(len)?).map_err(Unreadable::custom)?;
        let mut letters = text.chars();
        match (letters.next(), letters.next()) {
            (Some(letter), None) => visitor.visit_char(letter),
            _ => Err(Unreadable::custom("it is not one character")),
        }
    }

    #[inline]
    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        let len = self.len()?;
        visitor.visit_str(std::str::from_utf8(self.take(len)?).map_err(Unreadable::custom)?)
    }

    #[inline]
    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        self.deserialize_str(visitor)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        let len = self.len()?;
        visitor.visit_bytes(self.take(len)?)
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        self.deserialize_bytes(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        match self.byte()? {
            0 => visitor.visit_none(),
            1 => visitor.visit_some(self),
            _ => Err(Unreadable::custom("it is neither there nor not there")),
        }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Read<V::Value> {
        visitor.visit_unit()
    }

    #[inline]
    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Read<V::Value> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        let len = self.len()?;
        visitor.visit_seq(self.several(len))
    }

    #[inline]
    fn deserialize_tuple<V: Visitor<'de>>(self, len: usize, visitor: V) -> Read<V::Value> {
        visitor.visit_seq(self.several(len))
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        len: usize,
        visitor: V,
    ) -> Read<V::Value> {
        visitor.visit_seq(self.several(len))
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        let len = self.len()?;
        visitor.visit_map(self.several(len))
    }

    #[inline]
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Read<V::Value> {
        visitor.visit_seq(self.several(fields.len()))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Read<V::Value> {
        visitor.visit_enum(self)
    }
}

/// So many values, one after the other.
struct Several<'r, 'b> {
    reader: &'r mut Reader<'b>,
    left: usize,
}

impl Several<'_, '_> {
    /// What it is worth making room for: values take a byte, or none, which needs no room.
    fn hint(&self) -> usize {
        self.left.min(self.reader.0.len())
    }
}

impl<'de> SeqAccess<'de> for Several<'_, '_> {
    type Error = Unreadable;

    #[inline]
    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Read<Option<S::Value>> {
        let Some(left) = self.left.checked_sub(1) else { return Ok(None) };
        self.left = left;
        seed.deserialize(&mut *self.reader).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.hint())
    }
}

impl<'de> MapAccess<'de> for Several<'_, '_> {
    type Error = Unreadable;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Read<Option<S::Value>> {
        self.next_element_seed(seed)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Read<S::Value> {
        seed.deserialize(&mut *self.reader)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.hint())
    }
}

impl<'de> EnumAccess<'de> for &mut Reader<'_> {
    type Error = Unreadable;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Read<(S::Value, Self)> {
        let variant = u32::try_from(self.number()?).map_err(Unreadable::custom)?;
        let value = seed.deserialize(IntoDeserializer::<Unreadable>::into_deserializer(variant))?;
        Ok((value, self))
    }
}

impl<'de> VariantAccess<'de> for &mut Reader<'_> {
    type Error = Unreadable;

    fn unit_variant(self) -> Read<()> {
        Ok(())
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Read<S::Value> {
        seed.deserialize(self)
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Read<V::Value> {
        visitor.visit_seq(self.several(len))
    }

    fn struct_variant<V: Visitor<'de>>(self, fields: &'static [&'static str], visitor: V) -> Read<V::Value> {
        visitor.visit_seq(self.several(fields.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::{Deserialize, Serialize};
    use std::collections::BTreeMap;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    enum Kind {
        Unit,
        New(i128),
        Pair(u8, char),
        Named { at: f64, text: Option<String> },
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Wrapped(u128);

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct All {
        flag: bool,
        numbers: (u8, u16, u32, u64, i8, i16, i32, i64),
        float: f32,
        kinds: Vec<Kind>,
        map: BTreeMap<String, Vec<u8>>,
        wrapped: Wrapped,
        nothing: (),
        array: [u16; 3],
        boxed: Box<str>,
    }

    fn all() -> All {
        All {
            flag: true,
            numbers: (255, u16::MAX, u32::MAX, u64::MAX, -128, i16::MIN, i32::MIN, i64::MIN),
            float: -1.5,
            kinds: vec![
                Kind::Unit,
                Kind::New(i128::MIN),
                Kind::Pair(0, 'ß'),
                Kind::Named { at: f64::MAX, text: None },
                Kind::Named { at: 0.0, text: Some("some".to_owned()) },
            ],
            map: BTreeMap::from([(String::new(), vec![]), ("key".to_owned(), vec![0, 128, 255])]),
            wrapped: Wrapped(u128::MAX),
            nothing: (),
            array: [0, 127, 128],
            boxed: "box".into(),
        }
    }

    fn read<T: Deserialize<'static>>(bytes: &[u8]) -> Read<T> {
        T::deserialize(&mut Reader(bytes))
    }

    #[test]
    fn what_postcard_has_written_is_read() {
        let bytes = postcard::to_stdvec(&all()).unwrap();
        assert_eq!(read::<All>(&bytes).unwrap(), all());
    }

    #[test]
    fn what_is_cut_short_is_an_error() {
        let bytes = postcard::to_stdvec(&all()).unwrap();
        for end in 0..bytes.len() {
            assert!(read::<All>(&bytes[..end]).is_err(), "{end}");
        }
    }

    #[test]
    fn a_string_that_would_have_to_be_lent_is_an_error() {
        let bytes = postcard::to_stdvec("text").unwrap();
        assert!(read::<&'static str>(&bytes).is_err());
    }

    #[test]
    fn a_number_that_is_too_large_is_an_error() {
        let bytes = postcard::to_stdvec(&u64::MAX).unwrap();
        assert!(read::<u32>(&bytes).is_err());
        assert!(read::<u128>(&[255; 30]).is_err());
    }
}
