//! How a value is written, so that a later version of the flow can read it: what the stage itself keeps, and the fields of
//! the user's state one by one.

use super::fields;
use super::manifest::StateSchema;
use crate::state::heap_bytes;
use serde::{Serialize, de::DeserializeOwned};
use std::fmt;

/// A value of keyed state that checkpoints can hold.
pub trait Stored: Sized {
    /// Writes it.
    fn write(&self, to: &mut ValueWriter<'_>);

    /// Reads it, in the order in which it was written.
    ///
    /// # Errors
    /// If the bytes do not make one.
    fn read(from: &mut ValueReader<'_>) -> Result<Self, Unreadable>;

    /// Writes what a running stage keeps with the value and makes again after a restart: what leaves memory comes back with
    /// it.
    fn write_rest(&self, _to: &mut ValueWriter<'_>) {}

    /// Reads it.
    ///
    /// # Errors
    /// If the bytes do not make it.
    fn read_rest(&mut self, _from: &mut ValueReader<'_>) -> Result<(), Unreadable> {
        Ok(())
    }
}

/// Writes the parts of a value.
pub struct ValueWriter<'a> {
    to: &'a mut Vec<u8>,
    /// Where nothing is written: what the parts hold on the heap is added up here.
    heap: Option<&'a mut usize>,
}

/// Reads the parts of a value.
pub struct ValueReader<'a> {
    from: &'a [u8],
    migration: &'a Migration,
}

/// How stored fields become those of the state as it is declared now: for each, in order.
#[derive(Clone, Debug, Default)]
pub struct Migration {
    /// `None`: the fields are those that were stored, in the same order.
    pub fields: Option<Vec<Migrated>>,
}

impl Migration {
    /// The same, said of each field of `now`: so that all that is restored is written again with the next snapshot.
    pub(crate) fn anew(self, now: &StateSchema) -> Migration {
        let same = || (0..now.fields.len()).map(Migrated::Stored).collect();
        Migration { fields: Some(self.fields.unwrap_or_else(same)) }
    }
}

/// Where a field comes from.
#[derive(Clone, Debug)]
pub enum Migrated {
    /// The stored field at that place.
    Stored(usize),
    /// It is new: its default, as it would have been stored.
    Default(Vec<u8>),
    /// What this makes of the stored field at that place.
    Converted(usize, fn(&[u8]) -> Result<Vec<u8>, Unreadable>),
}

/// How keys and states are written, in words: two that read the same are stored the same.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shape {
    /// Of the key.
    pub key: String,
    /// Of each field of the state, by name.
    pub fields: Vec<(String, String)>,
    /// Each field's default, as it would be stored; empty where states cannot be migrated.
    pub defaults: Vec<Vec<u8>>,
}

/// Bytes that are not what they should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable(pub String);

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unreadable {}

impl<'a> ValueWriter<'a> {
    /// Writes at the end of `to`.
    pub fn new(to: &'a mut Vec<u8>) -> Self {
        ValueWriter { to, heap: None }
    }

    /// Adds to `heap` what the parts of a value hold there, and writes nothing.
    pub(crate) fn measuring(unused: &'a mut Vec<u8>, heap: &'a mut usize) -> Self {
        ValueWriter { to: unused, heap: Some(heap) }
    }

    /// Whether it is only measured.
    fn measures<T: Serialize>(&mut self, value: &T) -> bool {
        let Some(heap) = &mut self.heap else { return false };
        **heap += heap_bytes(value);
        true
    }

    /// What the stage itself keeps: its form is part of the format and changes only with that.
    ///
    /// # Panics
    /// If its `Serialize` fails.
    pub fn head<T: Serialize>(&mut self, value: &T) {
        if !self.measures(value) {
            write_key(value, self.to);
        }
    }

    /// A state of the user's: a struct, whose fields are written one by one.
    ///
    /// # Panics
    /// If its `Serialize` fails.
    pub fn state<S: Serialize>(&mut self, state: &S) {
        if !self.measures(state) {
            fields::write(state, self.to);
        }
    }
}

/// Writes a key.
///
/// # Panics
/// If its `Serialize` fails.
pub fn write_key<K: Serialize>(key: &K, to: &mut Vec<u8>) {
    if let Err(error) = postcard::serialize_with_flavor(key, fields::AtTheEnd(to)) {
        fields::cannot_be_written(&error);
    }
}

/// Reads a key.
///
/// # Errors
/// If the bytes do not make one.
pub fn read_key<K: DeserializeOwned>(from: &[u8]) -> Result<K, Unreadable> {
    fields::whole(from)
}

/// What is written of a value as the one field of a state; `None` where its serde cannot write it, or not so that it could
/// be read again.
pub(crate) fn reads_back<T: Serialize + DeserializeOwned>(value: &T) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    fields::write_only(value, &mut bytes).then_some(())?;
    let mut from = bytes.as_slice();
    let [field] = fields::cut(&mut from)?[..] else { return None };
    fields::whole::<T>(field).ok()?;
    Some(bytes)
}

/// The fields of a state, each as it would be stored.
///
/// # Panics
/// If its `Serialize` fails.
pub fn defaults_of<S: Serialize>(state: &S) -> Vec<Vec<u8>> {
    let mut bytes = Vec::new();
    fields::write(state, &mut bytes);
    let mut rest = bytes.as_slice();
    let fields = fields::cut(&mut rest).unwrap_or_default();
    fields.into_iter().map(<[u8]>::to_vec).collect()
}

impl<'a> ValueReader<'a> {
    /// Reads a value that was written by [`ValueWriter`].
    #[must_use]
    pub fn new(from: &'a [u8], migration: &'a Migration) -> Self {
        ValueReader { from, migration }
    }

    /// See [`ValueWriter::head`].
    ///
    /// # Errors
    /// If the bytes do not make one.
    pub fn head<T: DeserializeOwned>(&mut self) -> Result<T, Unreadable> {
        let (value, rest) =
            postcard::take_from_bytes(self.from).map_err(|error| Unreadable(error.to_string()))?;
        self.from = rest;
        Ok(value)
    }

    /// See [`ValueWriter::state`].
    ///
    /// # Errors
    /// If the bytes do not make one.
    pub fn state<S: DeserializeOwned>(&mut self) -> Result<S, Unreadable> {
        fields::read(&mut self.from, self.migration)
    }

    /// Whether all has been read.
    ///
    /// # Errors
    /// If there is more than the value has.
    pub fn end(&self) -> Result<(), Unreadable> {
        if self.from.is_empty() {
            Ok(())
        } else {
            Err(Unreadable("there are more bytes than the value has".to_owned()))
        }
    }
}
