//! What a value holds on the heap, estimated by showing it to a serializer that counts.
//!
//! Serde does not say how much room a container has beyond its length, nor how large a value is where it lies. So a string
//! or a sequence is taken to be as large as what is in it, which is a half too little for one that has just doubled; an
//! `Option` and an `enum` to be eight bytes larger than what they hold; and every allocation to cost the allocator
//! [`PER_ALLOCATION`].

use serde::ser::{self, Serialize};
use std::fmt;

/// What an allocator keeps beside each allocation, and rounds it up by.
const PER_ALLOCATION: usize = 16;
/// A `Vec`, a `String`.
const CONTAINER: usize = 24;
/// A map's own size, and what it keeps for each entry beside it.
const MAP: usize = 48;
const PER_ENTRY: usize = 8;
/// What tells the variants of an `enum` or an `Option` apart.
const TAG: usize = 8;

/// The bytes that a value holds on the heap.
pub(crate) fn heap_bytes<T: Serialize + ?Sized>(value: &T) -> usize {
    let mut heap = 0;
    // What cannot be written cannot be evicted either: then it does not matter what it is counted as.
    value.serialize(Measure { heap: &mut heap }).map_or(0, |_| heap)
}

/// Answers the size of a value where it lies, and adds to `heap` what it holds elsewhere.
struct Measure<'a> {
    heap: &'a mut usize,
}

impl Measure<'_> {
    fn allocate(self, bytes: usize) -> usize {
        if bytes > 0 {
            *self.heap += bytes + PER_ALLOCATION;
        }
        CONTAINER
    }
}

#[derive(Debug)]
struct Unmeasured;

impl fmt::Display for Unmeasured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value's `Serialize` failed")
    }
}

impl std::error::Error for Unmeasured {}

impl ser::Error for Unmeasured {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Unmeasured
    }
}

/// The elements of something, summed up.
struct Elements<'a> {
    heap: &'a mut usize,
    inside: usize,
    /// What is kept for each; `None` where the elements lie in the value itself.
    on_heap: Option<usize>,
    own: usize,
}

impl Elements<'_> {
    fn add<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unmeasured> {
        self.inside += value.serialize(Measure { heap: self.heap })?;
        Ok(())
    }

    fn total(self) -> Result<usize, Unmeasured> {
        if self.on_heap.is_none() {
            return Ok((self.own + self.inside).next_multiple_of(if self.inside > 4 { 8 } else { 1 }));
        }
        if self.inside > 0 {
            *self.heap += self.inside + PER_ALLOCATION;
        }
        Ok(self.own)
    }
}

macro_rules! numbers {
    ($($name:ident: $ty:ty,)*) => {
        $(fn $name(self, _: $ty) -> Result<usize, Unmeasured> {
            Ok(size_of::<$ty>())
        })*
    };
}

impl<'a> ser::Serializer for Measure<'a> {
    type Ok = usize;
    type Error = Unmeasured;
    type SerializeSeq = Elements<'a>;
    type SerializeTuple = Elements<'a>;
    type SerializeTupleStruct = Elements<'a>;
    type SerializeTupleVariant = Elements<'a>;
    type SerializeMap = Elements<'a>;
    type SerializeStruct = Elements<'a>;
    type SerializeStructVariant = Elements<'a>;

    numbers! {
        serialize_bool: bool, serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64,
        serialize_i128: i128, serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64,
        serialize_u128: u128, serialize_f32: f32, serialize_f64: f64, serialize_char: char,
    }

    fn serialize_str(self, text: &str) -> Result<usize, Unmeasured> {
        Ok(self.allocate(text.len()))
    }
    fn serialize_bytes(self, bytes: &[u8]) -> Result<usize, Unmeasured> {
        Ok(self.allocate(bytes.len()))
    }
    fn serialize_none(self) -> Result<usize, Unmeasured> {
        Ok(TAG)
    }
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<usize, Unmeasured> {
        Ok(TAG + value.serialize(self)?)
    }
    fn serialize_unit(self) -> Result<usize, Unmeasured> {
        Ok(0)
    }
    fn serialize_unit_struct(self, _: &'static str) -> Result<usize, Unmeasured> {
        Ok(0)
    }
    fn serialize_unit_variant(self, _: &'static str, _: u32, _: &'static str) -> Result<usize, Unmeasured> {
        Ok(TAG)
    }
    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<usize, Unmeasured> {
        value.serialize(self)
    }
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        value: &T,
    ) -> Result<usize, Unmeasured> {
        Ok(TAG + value.serialize(self)?)
    }
    fn serialize_seq(self, _: Option<usize>) -> Result<Elements<'a>, Unmeasured> {
        Ok(Elements { heap: self.heap, inside: 0, on_heap: Some(0), own: CONTAINER })
    }
    fn serialize_tuple(self, _: usize) -> Result<Elements<'a>, Unmeasured> {
        Ok(Elements { heap: self.heap, inside: 0, on_heap: None, own: 0 })
    }
    fn serialize_tuple_struct(self, _: &'static str, len: usize) -> Result<Elements<'a>, Unmeasured> {
        self.serialize_tuple(len)
    }
    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Elements<'a>, Unmeasured> {
        Ok(Elements { heap: self.heap, inside: 0, on_heap: None, own: TAG })
    }
    fn serialize_map(self, _: Option<usize>) -> Result<Elements<'a>, Unmeasured> {
        Ok(Elements { heap: self.heap, inside: 0, on_heap: Some(PER_ENTRY), own: MAP })
    }
    fn serialize_struct(self, _: &'static str, len: usize) -> Result<Elements<'a>, Unmeasured> {
        self.serialize_tuple(len)
    }
    fn serialize_struct_variant(
        self,
        name: &'static str,
        place: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Elements<'a>, Unmeasured> {
        self.serialize_tuple_variant(name, place, variant, len)
    }
    fn is_human_readable(&self) -> bool {
        false
    }
}

macro_rules! elements {
    ($($name:ident $add:ident $($field:ident)?;)*) => {
        $(impl ser::$name for Elements<'_> {
            type Ok = usize;
            type Error = Unmeasured;

            fn $add<T: Serialize + ?Sized>(&mut self, $($field: &'static str,)? value: &T) -> Result<(), Unmeasured> {
                $(let _ = $field;)?
                self.add(value)
            }

            fn end(self) -> Result<usize, Unmeasured> {
                self.total()
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
    type Ok = usize;
    type Error = Unmeasured;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Unmeasured> {
        self.inside += self.on_heap.unwrap_or(0);
        self.add(key)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unmeasured> {
        self.add(value)
    }

    fn end(self) -> Result<usize, Unmeasured> {
        self.total()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_holds_nothing_elsewhere_costs_nothing_elsewhere() {
        assert_eq!(heap_bytes(&7u64), 0);
        assert_eq!(heap_bytes(&(1u8, [2u64; 4], Some(3.0f64))), 0);
        assert_eq!(heap_bytes(&(String::new(), Vec::<u64>::new())), 0);
    }

    #[test]
    fn strings_and_sequences_cost_what_is_in_them() {
        assert_eq!(heap_bytes("seventeen letters"), 17 + 16);
        assert_eq!(heap_bytes(&vec![1u64; 10]), 80 + 16);
        let nested = vec!["a".repeat(100), "b".repeat(50)];
        assert_eq!(heap_bytes(&nested), (2 * 24 + 16) + (100 + 16) + (50 + 16));
    }
}
