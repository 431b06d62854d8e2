//! The state of a stage as checkpoints see it.

use super::cold::Codec;
use super::expiry::Deadlines;
use super::table::KeyedTable;
use super::tier::Tier;
use crate::checkpoint::shape::{fields_of, shape_of};
use crate::checkpoint::value::{
    Migration, Shape, Stored, Unreadable, ValueReader, ValueWriter, defaults_of, read_key,
};
use crate::checkpoint::{Delta, TableId};
use crate::record::{Key, Stamp, StateData};
use crate::time::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::marker::PhantomData;
use std::sync::Arc;

/// The keyed state of one shard of a stage.
///
/// Between the barrier and the end of a snapshot the stage goes on: what is about to change is copied before it does.
pub trait StoredState {
    /// From here on changes are noted. Before anything is restored.
    fn track(&mut self);

    /// From here on what is over a budget leaves memory. After [`track`](StoredState::track), before anything is restored.
    fn spill(&mut self, tier: &Arc<Tier>);

    /// A barrier has come: what has changed since the one before is what the snapshot that begins here holds. The one
    /// before has been copied to its end.
    ///
    /// Where nearly all has changed, it holds all there is: then it is `true`, and no snapshot from before is needed.
    fn begin_snapshot(&mut self) -> bool;

    /// Copies about so many entries into the snapshot at hand; whether that were the last. Before the next call what was copied
    /// may be taken out, as a part of the snapshot: the parts apply one after the other.
    fn copy_some(&mut self, entries: usize, into: &mut Delta) -> bool;

    /// Puts an entry back.
    ///
    /// # Errors
    /// If the bytes do not make a key and a value.
    fn restore(
        &mut self,
        table: TableId,
        key: &[u8],
        value: &[u8],
        migration: &Migration,
    ) -> Result<(), Unreadable>;

    /// All entries are back: what follows from them (timers, ends of windows) is made again. `watermark` is the stage's.
    fn restored(&mut self, watermark: Timestamp);

    /// How keys and values are written.
    fn shape(&self) -> Shape;

    /// Whether it is no state of the node's, but records on their way through the stage.
    fn is_in_flight(&self) -> bool {
        false
    }
}

/// A stage that keeps what it keeps in one table.
pub(crate) trait InTable {
    type Key: Key;
    type Value: Stored;

    fn table(&mut self) -> &mut KeyedTable<Self::Key, Self::Value>;

    /// When keys of it are due.
    fn deadlines(&mut self) -> Vec<&mut Deadlines<Self::Key>>;

    /// See [`StoredState::restored`].
    fn restored(&mut self, watermark: Timestamp);

    /// See [`StoredState::shape`].
    fn shape(&self) -> Shape;
}

impl<T: InTable> StoredState for T {
    fn track(&mut self) {
        self.table().track(0, write_value);
    }

    fn spill(&mut self, tier: &Arc<Tier>) {
        self.table().spill(Arc::clone(tier), Codec::new());
        self.deadlines().into_iter().for_each(|deadlines| deadlines.spill(tier));
    }

    fn begin_snapshot(&mut self) -> bool {
        let table = self.table();
        let all = is_worth_all(std::iter::once(&*table));
        table.begin_snapshot(all);
        all
    }

    fn copy_some(&mut self, mut entries: usize, into: &mut Delta) -> bool {
        self.table().copy_some(&mut entries, into)
    }

    fn restore(
        &mut self,
        _: TableId,
        key: &[u8],
        value: &[u8],
        migration: &Migration,
    ) -> Result<(), Unreadable> {
        restore(self.table(), key, value, migration)
    }

    fn restored(&mut self, watermark: Timestamp) {
        InTable::restored(self, watermark);
    }

    fn shape(&self) -> Shape {
        InTable::shape(self)
    }
}

/// Whether so much has changed in these tables that a snapshot is to hold all of them: an eighth more is copied at the most,
/// and neither need segments be merged nor, at a restart, older ones be read.
pub(super) fn is_worth_all<'a, K: Key, V: 'a>(
    mut tables: impl Iterator<Item = &'a KeyedTable<K, V>>,
) -> bool {
    let all = tables.try_fold((0, 0), |(changed, len), table| {
        let of_table = table.changed()?;
        Some((changed + of_table.0, len + of_table.1))
    });
    all.is_some_and(|(changed, len)| changed >= len - len / 8)
}

pub(crate) fn write_value<V: Stored>(value: &V, to: &mut Vec<u8>) {
    value.write(&mut ValueWriter::new(to));
}

/// Puts an entry back. What has another form now is written again with the next snapshot.
pub(crate) fn restore<K: Key, V: Stored>(
    table: &mut KeyedTable<K, V>,
    key: &[u8],
    value: &[u8],
    migration: &Migration,
) -> Result<(), Unreadable> {
    let mut from = ValueReader::new(value, migration);
    let (key, value) = (read_key(key)?, V::read(&mut from)?);
    from.end()?;
    table.restore(key, value, migration.fields.is_some());
    Ok(())
}

/// How keys and the fields of states are written; `first` is the state that a key begins with, if that is the user's.
pub(crate) fn shape<K: Key, S: Serialize + DeserializeOwned>(first: Option<&S>, _: PhantomData<K>) -> Shape {
    Shape {
        key: shape_of::<K>(),
        fields: fields_of::<S>(),
        defaults: first.map(defaults_of).unwrap_or_default(),
    }
}

/// The time of a stamp as it is stored: most have none, or one that is longer than this says.
pub(crate) fn stored_stamp(at: impl Stamp) -> Option<Timestamp> {
    Some(at.timestamp()).filter(|&at| at != Timestamp::MIN)
}

pub(crate) fn stamp_of<A: Stamp>(stored: Option<Timestamp>) -> A {
    A::from_timestamp(stored.unwrap_or(Timestamp::MIN))
}

/// A state of the user's, as the whole of a value.
pub(crate) struct State<S>(pub(crate) S);

impl<S: StateData> Stored for State<S> {
    fn write(&self, to: &mut ValueWriter<'_>) {
        to.state(&self.0);
    }

    fn read(from: &mut ValueReader<'_>) -> Result<Self, Unreadable> {
        from.state().map(State)
    }
}
