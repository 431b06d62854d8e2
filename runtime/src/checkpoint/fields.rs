//! A struct, field by field: the number of its fields, and each with the length of what postcard makes of it. What is no
//! struct is one field.

use super::value::{Migrated, Migration, Unreadable};
use postcard::ser_flavors::Flavor;
use serde::de::{self, DeserializeOwned, DeserializeSeed, Deserializer, Visitor};
use serde::ser::{self, Impossible, Serialize, Serializer};
use std::fmt;

/// Writes at the end of what is there.
pub(super) struct AtTheEnd<'a>(pub(super) &'a mut Vec<u8>);

impl Flavor for AtTheEnd<'_> {
    type Output = ();

    #[inline]
    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.0.push(byte);
        Ok(())
    }

    #[inline]
    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}

#[cold]
pub(super) fn cannot_be_written(error: &dyn fmt::Display) -> ! {
    panic!("a value cannot be written for a checkpoint: its `Serialize` fails: {error}")
}

/// Writes a state.
pub(super) fn write<S: Serialize>(state: &S, to: &mut Vec<u8>) {
    let begin = to.len();
    match state.serialize(ByField { to: &mut *to }) {
        Ok(()) => {}
        Err(Broken::NoStruct) => {
            to.truncate(begin);
            to.push(1);
            if let Err(error) = write_field(state, to) {
                cannot_be_written(&error);
            }
        }
        Err(Broken::Other(error)) => cannot_be_written(&error),
    }
}

/// Writes a value as the one field of a state; whether its `Serialize` could.
pub(super) fn write_only<T: Serialize>(value: &T, to: &mut Vec<u8>) -> bool {
    to.push(1);
    write_field(value, to).is_ok()
}

fn write_field<T: Serialize + ?Sized>(field: &T, to: &mut Vec<u8>) -> Result<(), Broken> {
    let begin = to.len();
    // Room for a length below 128, which is nearly always enough.
    to.push(0);
    postcard::serialize_with_flavor(field, AtTheEnd(to)).map_err(|error| Broken::Other(error.to_string()))?;
    let len = to.len() - begin - 1;
    if len < 0x80 {
        to[begin] = len as u8;
        return Ok(());
    }
    let mut length = Vec::new();
    write_length(len, &mut length);
    to.splice(begin..=begin, length);
    Ok(())
}

/// Seven bits a byte, the lowest first.
fn write_length(mut len: usize, to: &mut Vec<u8>) {
    while len >= 0x80 {
        to.push(len as u8 | 0x80);
        len >>= 7;
    }
    to.push(len as u8);
}

fn read_length(from: &mut &[u8]) -> Option<usize> {
    let mut len = 0usize;
    for shift in (0..usize::BITS).step_by(7) {
        let (&byte, rest) = from.split_first()?;
        *from = rest;
        len |= usize::from(byte & 0x7f).checked_shl(shift)?;
        if byte < 0x80 {
            return Some(len);
        }
    }
    None
}

/// The fields of a state that begins there.
pub(super) fn cut<'a>(from: &mut &'a [u8]) -> Option<Vec<&'a [u8]>> {
    let count = read_length(from)?;
    // Each has a length, so there cannot be more than bytes.
    let mut fields = Vec::with_capacity(count.min(from.len()));
    for _ in 0..count {
        let len = read_length(from)?;
        let (field, rest) = from.split_at_checked(len)?;
        fields.push(field);
        *from = rest;
    }
    Some(fields)
}

/// Reads all of some bytes as one value.
pub(super) fn whole<T: DeserializeOwned>(from: &[u8]) -> Result<T, Unreadable> {
    match postcard::take_from_bytes(from) {
        Ok((value, [])) => Ok(value),
        Ok(_) => Err(Unreadable("there are more bytes than the value has".to_owned())),
        Err(error) => Err(Unreadable(error.to_string())),
    }
}

/// Reads a state.
pub(super) fn read<S: DeserializeOwned>(from: &mut &[u8], migration: &Migration) -> Result<S, Unreadable> {
    let stored = cut(from).ok_or_else(|| Unreadable("the fields of a state are cut off".to_owned()))?;
    let mut converted = Vec::new();
    let fields: Vec<&[u8]> = match &migration.fields {
        None => stored,
        Some(fields) => {
            let missing = || Unreadable("a field of a state is missing".to_owned());
            for field in fields {
                if let Migrated::Converted(place, convert) = field {
                    converted.push(convert(stored.get(*place).ok_or_else(missing)?)?);
                }
            }
            let mut converted = converted.iter();
            let field = |field| match field {
                &Migrated::Stored(place) => stored.get(place).copied().ok_or_else(missing),
                Migrated::Default(bytes) => Ok(bytes.as_slice()),
                Migrated::Converted(..) => converted.next().map(Vec::as_slice).ok_or_else(missing),
            };
            fields.iter().map(field).collect::<Result<_, _>>()?
        }
    };
    match S::deserialize(FromFields(&fields)) {
        Ok(state) => Ok(state),
        Err(Broken::NoStruct) => match fields[..] {
            [field] => whole(field),
            _ => Err(Unreadable("it is no struct and has several fields".to_owned())),
        },
        Err(Broken::Other(error)) => Err(Unreadable(error)),
    }
}

/// Why a state cannot be written or read field by field.
#[derive(Debug)]
enum Broken {
    NoStruct,
    Other(String),
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Broken::NoStruct => f.write_str("it is no struct"),
            Broken::Other(error) => f.write_str(error),
        }
    }
}

impl std::error::Error for Broken {}

impl ser::Error for Broken {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Broken::Other(message.to_string())
    }
}

impl de::Error for Broken {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Broken::Other(message.to_string())
    }
}

/// Takes a struct, and nothing else.
struct ByField<'a> {
    to: &'a mut Vec<u8>,
}

impl ser::SerializeStruct for ByField<'_> {
    type Ok = ();
    type Error = Broken;

    #[inline]
    fn serialize_field<T: Serialize + ?Sized>(&mut self, _: &'static str, field: &T) -> Result<(), Broken> {
        write_field(field, self.to)
    }

    fn skip_field(&mut self, name: &'static str) -> Result<(), Broken> {
        Err(Broken::Other(format!("the field `{name}` is skipped, so it could not be read again")))
    }

    #[inline]
    fn end(self) -> Result<(), Broken> {
        Ok(())
    }
}

macro_rules! no_struct {
    ($($method:ident($($argument:ty),*);)*) => {
        $(fn $method(self, $(_: $argument),*) -> Result<(), Broken> {
            Err(Broken::NoStruct)
        })*
    };
}

impl Serializer for ByField<'_> {
    type Ok = ();
    type Error = Broken;
    type SerializeSeq = Impossible<(), Broken>;
    type SerializeTuple = Impossible<(), Broken>;
    type SerializeTupleStruct = Impossible<(), Broken>;
    type SerializeTupleVariant = Impossible<(), Broken>;
    type SerializeMap = Impossible<(), Broken>;
    type SerializeStruct = Self;
    type SerializeStructVariant = Impossible<(), Broken>;

    no_struct! {
        serialize_bool(bool);
        serialize_i8(i8);
        serialize_i16(i16);
        serialize_i32(i32);
        serialize_i64(i64);
        serialize_u8(u8);
        serialize_u16(u16);
        serialize_u32(u32);
        serialize_u64(u64);
        serialize_f32(f32);
        serialize_f64(f64);
        serialize_char(char);
        serialize_str(&str);
        serialize_bytes(&[u8]);
        serialize_none();
        serialize_unit();
        serialize_unit_struct(&'static str);
        serialize_unit_variant(&'static str, u32, &'static str);
    }

    #[inline]
    fn serialize_struct(self, _: &'static str, len: usize) -> Result<Self, Broken> {
        write_length(len, self.to);
        Ok(self)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, _: &T) -> Result<(), Broken> {
        Err(Broken::NoStruct)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, _: &T) -> Result<(), Broken> {
        Err(Broken::NoStruct)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<(), Broken> {
        Err(Broken::NoStruct)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Self::SerializeSeq, Broken> {
        Err(Broken::NoStruct)
    }

    fn serialize_tuple(self, _: usize) -> Result<Self::SerializeTuple, Broken> {
        Err(Broken::NoStruct)
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self::SerializeTupleStruct, Broken> {
        Err(Broken::NoStruct)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, Broken> {
        Err(Broken::NoStruct)
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Self::SerializeMap, Broken> {
        Err(Broken::NoStruct)
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, Broken> {
        Err(Broken::NoStruct)
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}

/// Gives a struct its fields, and nothing else.
struct FromFields<'f, 'de>(&'f [&'de [u8]]);

impl<'de> Deserializer<'de> for FromFields<'_, 'de> {
    type Error = Broken;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Broken> {
        Err(Broken::NoStruct)
    }

    #[inline]
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Broken> {
        visitor.visit_seq(self)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}

impl<'de> de::SeqAccess<'de> for FromFields<'_, 'de> {
    type Error = Broken;

    #[inline]
    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Broken> {
        let Some((field, rest)) = self.0.split_first() else { return Ok(None) };
        self.0 = rest;
        let broken = |error: postcard::Error| Broken::Other(error.to_string());
        let mut from = postcard::Deserializer::from_bytes(field);
        let value = seed.deserialize(&mut from).map_err(broken)?;
        match from.finalize().map_err(broken)? {
            [] => Ok(Some(value)),
            _ => Err(Broken::Other("there are more bytes than the field has".to_owned())),
        }
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::{Deserialize, Serialize};

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Before {
        mean: f64,
        names: Vec<String>,
        hours: u32,
    }

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct After {
        hours: u64,
        mean: f64,
        new: Option<String>,
    }

    fn written<S: Serialize>(state: &S) -> Vec<u8> {
        let mut bytes = Vec::new();
        write(state, &mut bytes);
        bytes
    }

    fn before() -> Before {
        Before { mean: 1.5, names: vec!["x".repeat(300), String::new()], hours: 7 }
    }

    #[test]
    fn a_state_comes_back_as_it_was() {
        let bytes = written(&before());
        let mut from = bytes.as_slice();
        assert_eq!(read::<Before>(&mut from, &Migration::default()), Ok(before()));
        assert!(from.is_empty());
        for pair in [(3u8, -4i64), (0, i64::MAX)] {
            assert_eq!(
                read(&mut written(&pair).as_slice(), &Migration::default()),
                Ok(pair),
                "what is no struct"
            );
        }
    }

    #[test]
    fn fields_move_go_come_and_change() {
        let bytes = written(&before());
        let convert =
            |bytes: &[u8]| Ok(postcard::to_stdvec(&u64::from(whole::<u32>(bytes)?)).unwrap_or_default());
        let new = postcard::to_stdvec(&Some("new")).unwrap_or_default();
        let fields = vec![Migrated::Converted(2, convert), Migrated::Stored(0), Migrated::Default(new)];
        let after = read::<After>(&mut bytes.as_slice(), &Migration { fields: Some(fields) });
        assert_eq!(after, Ok(After { hours: 7, mean: 1.5, new: Some("new".to_owned()) }));
    }

    #[test]
    fn damaged_bytes_are_an_error_or_another_value_and_never_a_panic() {
        let bytes = written(&before());
        for len in 0..bytes.len() {
            assert!(read::<Before>(&mut &bytes[..len], &Migration::default()).is_err());
        }
        for place in 0..bytes.len() {
            for bit in 0..8 {
                let mut flipped = bytes.clone();
                flipped[place] ^= 1 << bit;
                let _ = read::<Before>(&mut flipped.as_slice(), &Migration::default());
            }
        }
    }
}
