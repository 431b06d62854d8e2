//! What travels on edges: records, and records with a time or a key.

use crate::time::Timestamp;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::hash::Hash;

/// What may travel between two tasks. Every `Send + 'static` type is a record.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a record of a flow",
    label = "the records of this node go to another task, so they must be `Send` and own their data",
    note = "a record needs `Send + 'static`: hold `Arc` instead of `Rc`, and owned data instead of references"
)]
pub trait Record: Send + 'static {}

#[diagnostic::do_not_recommend]
impl<T: Send + 'static> Record for T {}

/// What a stream may be keyed by.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a stream key",
    label = "the key of a node must be `Hash + Eq + Clone + Send`, and serde's `Serialize + Deserialize`",
    note = "derive them: `#[derive(Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]`; \
            a float has no `Eq`: key by an integer or by its `to_bits()`"
)]
pub trait Key: Hash + Eq + Clone + Send + Serialize + DeserializeOwned + 'static {}

#[diagnostic::do_not_recommend]
impl<T: Hash + Eq + Clone + Send + Serialize + DeserializeOwned + 'static> Key for T {}

/// What a stateful node may hold: its state's fields.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be held as state",
    label = "the state of a node must be `Clone + Send`, and serde's `Serialize + Deserialize`",
    note = "derive them: `#[derive(Clone, serde::Serialize, serde::Deserialize)]`"
)]
pub trait StateData: Clone + Send + Serialize + DeserializeOwned + 'static {}

#[diagnostic::do_not_recommend]
impl<T: Clone + Send + Serialize + DeserializeOwned + 'static> StateData for T {}

/// What several nodes may read.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be read by several nodes",
    label = "more than one node reads this, so its records must be `Clone`",
    note = "derive `Clone`, or wrap the record in an `Arc` with a `map` before it"
)]
pub trait Shared: Clone {}

#[diagnostic::do_not_recommend]
impl<T: Clone> Shared for T {}

/// The time a record carries: a [`Timestamp`], or `()` on edges where no node downstream needs one.
pub trait Stamp: Copy + Send + 'static {
    /// The event time; [`Timestamp::MIN`] where there is none, which makes order of arrival decide.
    fn timestamp(self) -> Timestamp;

    /// The stamp of that time.
    fn from_timestamp(at: Timestamp) -> Self;
}

impl Stamp for Timestamp {
    fn timestamp(self) -> Timestamp {
        self
    }
    fn from_timestamp(at: Timestamp) -> Self {
        at
    }
}

impl Stamp for () {
    fn timestamp(self) -> Timestamp {
        Timestamp::MIN
    }
    fn from_timestamp(_: Timestamp) -> Self {}
}

/// A record with its event time.
#[derive(Clone, Debug)]
pub struct Timed<T> {
    /// The event time.
    pub at: Timestamp,
    /// The record.
    pub record: T,
}

/// A record with its key and its stamp.
#[derive(Clone, Debug)]
pub struct Keyed<K, A, T> {
    /// The key.
    pub key: K,
    /// The event time, or `()`.
    pub at: A,
    /// The record, or what an aggregate needs of it.
    pub record: T,
}

/// A record that came after its window had closed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Late<T> {
    /// The record itself.
    pub record: T,
    /// Its event time.
    pub at: Timestamp,
    /// The watermark when it came: later than the end of every window that it belonged to.
    pub watermark: Timestamp,
}

impl<T> Late<T> {
    /// How far behind the watermark the record was.
    pub fn behind(&self) -> std::time::Duration {
        self.watermark.since(self.at)
    }
}
