//! How a type is written, in words, found out by having its `Deserialize` read from a reader that takes note of what it is
//! asked for. (The idea is that of the crate serde-reflection.)
//!
//! Where a type can go on in several ways, as an enum, an option or a list can, it reads once for each. What cannot be
//! found out, because a type refuses what it is given, is `?`.

use serde::de::{self, DeserializeOwned, DeserializeSeed, Deserializer, Visitor};
use std::collections::BTreeMap;
use std::fmt;

/// A type is read no more often than this, however many ways there are.
const PASSES: usize = 2_000;
/// A type inside itself is followed so deep.
const DEPTH: usize = 3;

/// How a type is written.
#[must_use]
pub fn shape_of<T: DeserializeOwned>() -> String {
    let notes = notes_of::<T>();
    let mut shape = String::new();
    notes.write("", &mut shape);
    shape
}

/// The fields of a struct and how each is written, in the order in which they are; for another type one field without a
/// name.
#[must_use]
pub fn fields_of<T: DeserializeOwned>() -> Vec<(String, String)> {
    let notes = notes_of::<T>();
    let Some(Note { kind: Kind::Struct(fields), .. }) = notes.all.get("") else {
        return vec![(String::new(), shape_of::<T>())];
    };
    let field = |name: &&'static str| {
        let mut shape = String::new();
        notes.write(&format!("/{name}"), &mut shape);
        ((*name).to_owned(), shape)
    };
    fields.iter().map(field).collect()
}

/// Whether two shapes are written the same: names of types do not matter, names of fields and variants do.
#[must_use]
pub fn same(one: &str, other: &str) -> bool {
    without_type_names(one) == without_type_names(other)
}

/// A type's name stands before `{`, `(`, `[` or after `^`; those of fields before `:`, those of variants inside `[..]`.
fn without_type_names(shape: &str) -> String {
    let mut plain = String::with_capacity(shape.len());
    let mut rest = shape;
    while let Some(at) = rest.find(['<', '>']) {
        let (before, bracket) = rest.split_at(at);
        plain.push_str(before);
        match bracket.strip_prefix('<').and_then(|inside| inside.split_once('>')) {
            Some((_, after)) => rest = after,
            None => {
                plain.push_str(&bracket[..1]);
                rest = &bracket[1..];
            }
        }
    }
    plain.push_str(rest);
    plain
}

fn notes_of<T: DeserializeOwned>() -> Notes {
    let mut notes = Notes::default();
    for _ in 0..PASSES {
        let reader = Reader { notes: &mut notes, path: String::new(), within: Vec::new() };
        let whole = T::deserialize(reader).is_ok();
        notes.passed(whole);
        if !notes.has_open_ways("") {
            break;
        }
    }
    notes
}

/// What was asked for at one place in a type.
#[derive(Debug)]
enum Kind {
    Leaf(&'static str),
    Option,
    Seq,
    Map,
    Tuple(usize),
    Struct(Vec<&'static str>),
    Enum(Vec<&'static str>),
    Within,
}

#[derive(Debug)]
struct Note {
    /// The name of the type, if it has one.
    name: &'static str,
    kind: Kind,
    /// Which of the ways on have been gone, and whether that led to a value.
    ways: Vec<Way>,
    /// The way of this pass.
    at: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    New,
    Failed,
    Good,
}

/// What is known of a type, by place.
#[derive(Debug, Default)]
struct Notes {
    all: BTreeMap<String, Note>,
    /// The places with ways that this pass went through.
    passing: Vec<String>,
}

impl Notes {
    fn note(&mut self, path: &str, name: &'static str, kind: Kind) {
        if !self.all.contains_key(path) {
            self.all.insert(path.to_owned(), Note { name, kind, ways: Vec::new(), at: 0 });
        }
    }

    /// Chooses one of so many ways on: one that was not gone to its end, or else one that is good.
    fn choose(&mut self, path: &str, ways: usize) -> usize {
        let open = (0..ways).find(|way| {
            let known = self.all.get(path).and_then(|note| note.ways.get(*way));
            known.is_none_or(|known| *known == Way::New) || self.has_open_ways(&format!("{path}/{way}"))
        });
        self.passing.push(path.to_owned());
        let Some(note) = self.all.get_mut(path) else { return 0 };
        note.ways.resize(ways, Way::New);
        // The last ways are those without anything inside.
        note.at = open.or_else(|| note.ways.iter().rposition(|way| *way == Way::Good)).unwrap_or(ways - 1);
        note.at
    }

    /// A pass has come to its end; whether with a value.
    fn passed(&mut self, whole: bool) {
        for path in std::mem::take(&mut self.passing) {
            if let Some(note) = self.all.get_mut(&path) {
                let way = &mut note.ways[note.at];
                if *way != Way::Good {
                    *way = if whole { Way::Good } else { Way::Failed };
                }
            }
        }
    }

    /// Whether somewhere inside of a place there are ways that were not gone.
    fn has_open_ways(&self, path: &str) -> bool {
        let mut from = self.all.range(path.to_owned()..).take_while(|(place, _)| place.starts_with(path));
        from.any(|(place, note)| {
            matches!(place.as_bytes().get(path.len()), None | Some(b'/')) && note.ways.contains(&Way::New)
        })
    }

    fn write(&self, path: &str, to: &mut String) {
        let Some(note) = self.all.get(path) else {
            to.push('?');
            return;
        };
        if !note.name.is_empty() {
            to.push('<');
            to.push_str(note.name);
            to.push('>');
        }
        let inside = |step: &str, to: &mut String| self.write(&format!("{path}/{step}"), to);
        match &note.kind {
            Kind::Leaf(leaf) => to.push_str(leaf),
            Kind::Within => to.push('^'),
            Kind::Option => {
                to.push_str("option ");
                inside("0", to);
            }
            Kind::Seq => {
                to.push_str("list ");
                inside("0", to);
            }
            Kind::Map => {
                to.push_str("map ");
                inside("0/key", to);
                to.push_str(" to ");
                inside("0/value", to);
            }
            Kind::Tuple(len) => {
                to.push('(');
                for place in 0..*len {
                    if place > 0 {
                        to.push_str(", ");
                    }
                    inside(&place.to_string(), to);
                }
                to.push(')');
            }
            Kind::Struct(fields) => {
                to.push('{');
                for (place, field) in fields.iter().enumerate() {
                    to.push_str(if place > 0 { ", " } else { "" });
                    to.push_str(field);
                    to.push_str(": ");
                    inside(field, to);
                }
                to.push('}');
            }
            Kind::Enum(variants) => {
                to.push('[');
                for (place, variant) in variants.iter().enumerate() {
                    to.push_str(if place > 0 { ", " } else { "" });
                    to.push_str(variant);
                    let content = format!("{path}/{place}/in");
                    if self.all.contains_key(&content) {
                        to.push(' ');
                        self.write(&content, to);
                    }
                }
                to.push(']');
            }
        }
    }
}

/// A reader that makes up what it is asked for.
struct Reader<'n> {
    notes: &'n mut Notes,
    path: String,
    /// The named types that it is inside of.
    within: Vec<&'static str>,
}

/// A type refused what it was given.
#[derive(Debug)]
struct Refused;

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("refused")
    }
}

impl std::error::Error for Refused {}

impl de::Error for Refused {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Refused
    }
}

impl Reader<'_> {
    fn inside(&mut self, step: &str) -> Reader<'_> {
        let path = format!("{}/{step}", self.path);
        Reader { notes: self.notes, path, within: self.within.clone() }
    }

    fn leaf(self, leaf: &'static str) {
        self.notes.note(&self.path, "", Kind::Leaf(leaf));
    }

    /// Enters a type; not one that it is inside of already, too deep.
    fn enter(&mut self, name: &'static str, kind: Kind) -> Result<(), Refused> {
        if self.within.iter().filter(|within| **within == name).count() >= DEPTH {
            self.notes.note(&self.path, name, Kind::Within);
            return Err(Refused);
        }
        self.within.push(name);
        self.notes.note(&self.path, name, kind);
        Ok(())
    }
}

macro_rules! leaves {
    ($($method:ident $visit:ident $leaf:literal $value:expr;)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
            self.leaf($leaf);
            visitor.$visit($value)
        })*
    };
}

impl<'de> Deserializer<'de> for Reader<'_> {
    type Error = Refused;

    // One, and not zero: there are numbers that are never zero.
    leaves! {
        deserialize_bool visit_bool "bool" true;
        deserialize_i8 visit_i8 "i8" 1;
        deserialize_i16 visit_i16 "i16" 1;
        deserialize_i32 visit_i32 "i32" 1;
        deserialize_i64 visit_i64 "i64" 1;
        deserialize_i128 visit_i128 "i128" 1;
        deserialize_u8 visit_u8 "u8" 1;
        deserialize_u16 visit_u16 "u16" 1;
        deserialize_u32 visit_u32 "u32" 1;
        deserialize_u64 visit_u64 "u64" 1;
        deserialize_u128 visit_u128 "u128" 1;
        deserialize_f32 visit_f32 "f32" 1.0;
        deserialize_f64 visit_f64 "f64" 1.0;
        deserialize_char visit_char "char" 'a';
        deserialize_str visit_borrowed_str "text" "a";
        deserialize_string visit_string "text" "a".to_owned();
        deserialize_bytes visit_bytes "bytes" b"a";
        deserialize_byte_buf visit_byte_buf "bytes" b"a".to_vec();
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Refused> {
        Err(Refused)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Refused> {
        Err(Refused)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Refused> {
        Err(Refused)
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        self.leaf("()");
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Refused> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Refused> {
        // It is written as what is in it.
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_option<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Refused> {
        self.notes.note(&self.path, "", Kind::Option);
        match self.notes.choose(&self.path, 2) {
            0 => visitor.visit_some(self.inside("0")),
            _ => visitor.visit_none(),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        self.notes.note(&self.path, "", Kind::Seq);
        let left = 1 - self.notes.choose(&self.path, 2);
        visitor.visit_seq(Elements { reader: self, steps: vec!["0".to_owned(); left].into_iter() })
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        self.notes.note(&self.path, "", Kind::Map);
        let mut steps = vec!["0/key".to_owned(), "0/value".to_owned()];
        if self.notes.choose(&self.path, 2) == 1 {
            steps.clear();
        }
        visitor.visit_map(Elements { reader: self, steps: steps.into_iter() })
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Refused> {
        self.notes.note(&self.path, "", Kind::Tuple(len));
        let steps: Vec<String> = (0..len).map(|place| place.to_string()).collect();
        visitor.visit_seq(Elements { reader: self, steps: steps.into_iter() })
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        mut self,
        name: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, Refused> {
        self.enter(name, Kind::Tuple(len))?;
        let steps: Vec<String> = (0..len).map(|place| place.to_string()).collect();
        visitor.visit_seq(Elements { reader: self, steps: steps.into_iter() })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        mut self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refused> {
        self.enter(name, Kind::Struct(fields.to_vec()))?;
        let steps: Vec<String> = fields.iter().map(|&field| field.to_owned()).collect();
        visitor.visit_seq(Elements { reader: self, steps: steps.into_iter() })
    }

    fn deserialize_enum<V: Visitor<'de>>(
        mut self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refused> {
        self.enter(name, Kind::Enum(variants.to_vec()))?;
        if variants.is_empty() {
            return Err(Refused);
        }
        let variant = self.notes.choose(&self.path, variants.len());
        visitor.visit_enum(Variant { reader: self, variant })
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}

/// What a list, a tuple, a struct or a map is made of.
struct Elements<'n> {
    reader: Reader<'n>,
    steps: std::vec::IntoIter<String>,
}

impl<'de> de::SeqAccess<'de> for Elements<'_> {
    type Error = Refused;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Refused> {
        let Some(step) = self.steps.next() else { return Ok(None) };
        seed.deserialize(self.reader.inside(&step)).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.steps.len())
    }
}

impl<'de> de::MapAccess<'de> for Elements<'_> {
    type Error = Refused;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Refused> {
        de::SeqAccess::next_element_seed(self, seed)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Refused> {
        de::SeqAccess::next_element_seed(self, seed)?.ok_or(Refused)
    }
}

struct Variant<'n> {
    reader: Reader<'n>,
    variant: usize,
}

impl<'de, 'n> de::EnumAccess<'de> for Variant<'n> {
    type Error = Refused;
    type Variant = Content<'n>;

    fn variant_seed<V: DeserializeSeed<'de>>(mut self, seed: V) -> Result<(V::Value, Content<'n>), Refused> {
        let index = u32::try_from(self.variant).map_err(|_| Refused)?;
        let variant = seed.deserialize(de::value::U32Deserializer::<Refused>::new(index))?;
        self.reader.path = format!("{}/{}/in", self.reader.path, self.variant);
        Ok((variant, Content(self.reader)))
    }
}

/// What is in a variant.
struct Content<'n>(Reader<'n>);

impl<'de> de::VariantAccess<'de> for Content<'_> {
    type Error = Refused;

    fn unit_variant(self) -> Result<(), Refused> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Refused> {
        seed.deserialize(self.0)
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Refused> {
        self.0.deserialize_tuple(len, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refused> {
        self.0.deserialize_struct("", fields, visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::{Deserialize, Serialize};
    use std::collections::HashMap;
    use std::num::NonZeroU32;

    #[derive(Serialize, Deserialize)]
    struct Visitor {
        address: String,
        agent: Option<String>,
    }

    #[derive(Serialize, Deserialize)]
    enum Outcome {
        Done,
        Failed(String),
        Late { by: u64, again: Option<Box<Outcome>> },
        Both(u8, i64),
    }

    #[derive(Serialize, Deserialize)]
    struct Everything {
        visitors: Vec<Visitor>,
        by_name: HashMap<String, (u8, f64)>,
        outcome: Outcome,
        number: NonZeroU32,
        nothing: (),
    }

    #[derive(Serialize, Deserialize)]
    struct List {
        next: Option<Box<List>>,
        value: i32,
    }

    #[test]
    fn a_type_is_described_by_what_it_is_made_of() {
        assert_eq!(shape_of::<u64>(), "u64");
        assert_eq!(shape_of::<Visitor>(), "<Visitor>{address: text, agent: option text}");
        let everything = shape_of::<Everything>();
        assert!(everything.contains("visitors: list <Visitor>{address: text"), "{everything}");
        assert!(everything.contains("by_name: map text to (u8, f64)"), "{everything}");
        assert!(everything.contains("Done, Failed text, Late {by: u64, again: option"), "{everything}");
        assert!(everything.contains("Both (u8, i64)]"), "{everything}");
        assert!(everything.contains("number: u32, nothing: ()"), "{everything}");
        assert!(!everything.contains('?'), "{everything}");
    }

    #[test]
    fn a_type_inside_itself_comes_to_an_end() {
        let list = shape_of::<List>();
        assert!(list.contains('^') && list.ends_with("value: i32}"), "{list}");
    }

    #[test]
    fn names_of_types_do_not_matter_and_those_of_fields_do() {
        mod renamed {
            #[derive(serde::Serialize, serde::Deserialize)]
            pub(super) struct Guest {
                address: String,
                agent: Option<String>,
            }
            #[derive(serde::Serialize, serde::Deserialize)]
            pub(super) struct Visitor {
                agent: String,
                address: Option<String>,
            }
        }
        assert!(same(&shape_of::<Visitor>(), &shape_of::<renamed::Guest>()));
        assert!(!same(&shape_of::<Visitor>(), &shape_of::<renamed::Visitor>()));
    }

    #[test]
    fn the_fields_of_a_struct_come_one_by_one() {
        let fields = fields_of::<Visitor>();
        assert_eq!(fields, [("address".into(), "text".into()), ("agent".into(), "option text".into())]);
    }
}
