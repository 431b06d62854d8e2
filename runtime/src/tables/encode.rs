//! Keys as bytes that have the order of the values, and of which none begins another of the same type.
//!
//! ```text
//! unsigned integer, char  big-endian
//! signed integer          the same, with the sign's bit turned
//! float                   big-endian; the sign's bit turned if positive, all bits if negative
//! bool                    one byte
//! string, bytes           the bytes, each 0 followed by 255; then 0 0
//! sequence, map           before each element 1; then 0
//! option                  0, or 1 and the value
//! enum                    the variant's place in 4 bytes big-endian, and what it holds
//! struct, tuple           its fields one after the other
//! ```
//!
//! So the bytes of an index's key are followed by those of the row's key, and to find the rows of the first is to scan
//! for what begins with it. It is part of what is stored: it never changes.

use serde::ser::{self, Serialize};
use std::fmt;
use std::io;

/// Appends a key.
pub(super) fn encode<T: Serialize + ?Sized>(key: &T, to: &mut Vec<u8>) -> io::Result<()> {
    key.serialize(Ordered { to }).map_err(io::Error::other)
}

#[derive(Debug)]
struct Unwritten(String);

impl fmt::Display for Unwritten {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a key's `Serialize` failed: {}", self.0)
    }
}

impl std::error::Error for Unwritten {}

impl ser::Error for Unwritten {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Unwritten(message.to_string())
    }
}

struct Ordered<'a> {
    to: &'a mut Vec<u8>,
}

impl Ordered<'_> {
    fn text(self, bytes: &[u8]) {
        for &byte in bytes {
            self.to.push(byte);
            if byte == 0 {
                self.to.push(255);
            }
        }
        self.to.extend([0, 0]);
    }
}

/// What is made of several elements.
struct Elements<'a> {
    to: &'a mut Vec<u8>,
    /// Whether there may be more or fewer of them.
    counted: bool,
}

impl Elements<'_> {
    fn add<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unwritten> {
        if self.counted {
            self.to.push(1);
        }
        value.serialize(Ordered { to: self.to })
    }

    fn close(self) {
        if self.counted {
            self.to.push(0);
        }
    }
}

macro_rules! unsigned {
    ($($name:ident: $ty:ty,)*) => {
        $(fn $name(self, n: $ty) -> Result<(), Unwritten> {
            self.to.extend(n.to_be_bytes());
            Ok(())
        })*
    };
}

macro_rules! signed {
    ($($name:ident: $ty:ty,)*) => {
        $(fn $name(self, n: $ty) -> Result<(), Unwritten> {
            self.to.extend((n ^ <$ty>::MIN).to_be_bytes());
            Ok(())
        })*
    };
}

macro_rules! floats {
    ($($name:ident: $ty:ty, $bits:ty;)*) => {
        $(fn $name(self, n: $ty) -> Result<(), Unwritten> {
            let (bits, sign) = (n.to_bits(), 1 << (<$bits>::BITS - 1));
            let turned = if bits & sign == 0 { bits ^ sign } else { !bits };
            self.to.extend(turned.to_be_bytes());
            Ok(())
        })*
    };
}

impl<'a> ser::Serializer for Ordered<'a> {
    type Ok = ();
    type Error = Unwritten;
    type SerializeSeq = Elements<'a>;
    type SerializeTuple = Elements<'a>;
    type SerializeTupleStruct = Elements<'a>;
    type SerializeTupleVariant = Elements<'a>;
    type SerializeMap = Elements<'a>;
    type SerializeStruct = Elements<'a>;
    type SerializeStructVariant = Elements<'a>;

    unsigned! {
        serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64, serialize_u128: u128,
    }
    signed! {
        serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64, serialize_i128: i128,
    }
    floats! {
        serialize_f32: f32, u32;
        serialize_f64: f64, u64;
    }

    fn serialize_bool(self, value: bool) -> Result<(), Unwritten> {
        self.serialize_u8(value.into())
    }
    fn serialize_char(self, value: char) -> Result<(), Unwritten> {
        self.serialize_u32(value.into())
    }
    fn serialize_str(self, text: &str) -> Result<(), Unwritten> {
        self.text(text.as_bytes());
        Ok(())
    }
    fn serialize_bytes(self, bytes: &[u8]) -> Result<(), Unwritten> {
        self.text(bytes);
        Ok(())
    }
    fn serialize_none(self) -> Result<(), Unwritten> {
        self.serialize_u8(0)
    }
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Unwritten> {
        self.to.push(1);
        value.serialize(self)
    }
    fn serialize_unit(self) -> Result<(), Unwritten> {
        Ok(())
    }
    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Unwritten> {
        Ok(())
    }
    fn serialize_unit_variant(self, _: &'static str, place: u32, _: &'static str) -> Result<(), Unwritten> {
        self.serialize_u32(place)
    }
    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), Unwritten> {
        value.serialize(self)
    }
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        place: u32,
        _: &'static str,
        value: &T,
    ) -> Result<(), Unwritten> {
        self.to.extend(place.to_be_bytes());
        value.serialize(self)
    }
    fn serialize_seq(self, _: Option<usize>) -> Result<Elements<'a>, Unwritten> {
        Ok(Elements { to: self.to, counted: true })
    }
    fn serialize_tuple(self, _: usize) -> Result<Elements<'a>, Unwritten> {
        Ok(Elements { to: self.to, counted: false })
    }
    fn serialize_tuple_struct(self, _: &'static str, len: usize) -> Result<Elements<'a>, Unwritten> {
        self.serialize_tuple(len)
    }
    fn serialize_tuple_variant(
        self,
        _: &'static str,
        place: u32,
        _: &'static str,
        len: usize,
    ) -> Result<Elements<'a>, Unwritten> {
        self.to.extend(place.to_be_bytes());
        self.serialize_tuple(len)
    }
    fn serialize_map(self, len: Option<usize>) -> Result<Elements<'a>, Unwritten> {
        self.serialize_seq(len)
    }
    fn serialize_struct(self, _: &'static str, len: usize) -> Result<Elements<'a>, Unwritten> {
        self.serialize_tuple(len)
    }
    fn serialize_struct_variant(
        self,
        name: &'static str,
        place: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Elements<'a>, Unwritten> {
        self.serialize_tuple_variant(name, place, variant, len)
    }
    fn is_human_readable(&self) -> bool {
        false
    }
}

macro_rules! elements {
    ($($name:ident $add:ident $($field:ident)?;)*) => {
        $(impl ser::$name for Elements<'_> {
            type Ok = ();
            type Error = Unwritten;

            fn $add<T: Serialize + ?Sized>(&mut self, $($field: &'static str,)? value: &T) -> Result<(), Unwritten> {
                $(let _ = $field;)?
                self.add(value)
            }

            fn end(self) -> Result<(), Unwritten> {
                self.close();
                Ok(())
            }
        })*
    };
}

elements! {
    SerializeSeq serialize_element;
    SerializeTuple serialize_element;
    SerializeTupleStruct serialize_field;
    SerializeTupleVariant serialize_field;
    SerializeStruct serialize_field name;
    SerializeStructVariant serialize_field name;
}

impl ser::SerializeMap for Elements<'_> {
    type Ok = ();
    type Error = Unwritten;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Unwritten> {
        self.add(key)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unwritten> {
        value.serialize(Ordered { to: self.to })
    }

    fn end(self) -> Result<(), Unwritten> {
        self.close();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bytes<T: Serialize>(key: &T) -> Vec<u8> {
        let mut to = Vec::new();
        encode(key, &mut to).unwrap();
        to
    }

    fn agree<T: Serialize + Ord>(one: &T, other: &T) {
        let (a, b) = (bytes(one), bytes(other));
        assert_eq!(a.cmp(&b), one.cmp(other));
        assert!(one == other || !a.starts_with(&b), "no key begins another");
    }

    /// Stored tables are ordered by these bytes: were one of them to change, no older store could be read.
    #[test]
    fn bytes_of_keys_never_change() {
        assert_eq!(bytes(&(7u16, -1i8, "a\0b", Some(true))), [0, 7, 127, 97, 0, 255, 98, 0, 0, 1, 1]);
        assert_eq!(bytes(&vec![1u8, 2]), [1, 1, 1, 2, 0]);
        assert_eq!(bytes(&1.0f32), [0xbf, 0x80, 0, 0]);
    }

    proptest! {
        #[test]
        fn bytes_have_the_order_of_the_values(
            one: (i64, String, Option<u8>, Vec<i8>),
            other: (i64, String, Option<u8>, Vec<i8>),
            short in "[\0a]{0,3}", long in "[\0a]{0,3}",
        ) {
            agree(&one, &other);
            agree(&one.1, &other.1);
            agree(&one.2, &other.2);
            agree(&one.3, &other.3);
            agree(&(&short, one.0), &(&long, other.0));
        }
    }
}
