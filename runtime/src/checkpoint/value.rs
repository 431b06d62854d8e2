//! How a value is written, so that a later version of the flow can read it: what the stage itself keeps, and the fields of
//! the user's state one by one.

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

/// Where a field comes from.
#[derive(Clone, Debug)]
pub enum Migrated {
    /// The stored field at that place.
    Stored(usize),
    /// It is new: its default, as it would have been stored.
    Default(Vec<u8>),
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
    pub fn head<T: Serialize>(&mut self, value: &T) {
        if !self.measures(value) {
            write_key(value, self.to);
        }
    }

    /// A state of the user's: a struct, whose fields are written one by one.
    pub fn state<S: Serialize>(&mut self, state: &S) {
        if !self.measures(state) {
            write_key(state, self.to);
        }
    }
}

/// Writes a key.
pub fn write_key<K: Serialize>(key: &K, to: &mut Vec<u8>) {
    to.extend(postcard::to_stdvec(key).expect("a key can be written"));
}

/// Reads a key.
///
/// # Errors
/// If the bytes do not make one.
pub fn read_key<K: DeserializeOwned>(from: &[u8]) -> Result<K, Unreadable> {
    postcard::from_bytes(from).map_err(|error| Unreadable(error.to_string()))
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
        let _ = self.migration;
        self.head()
    }
}
