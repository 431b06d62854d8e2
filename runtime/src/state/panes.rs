//! What snapshots need of a stage with a table for each window.

use super::changes::WriteValue;
use super::table::KeyedTable;
use crate::checkpoint::{Delta, TableId};
use crate::record::Key;
use hashbrown::DefaultHashBuilder;

/// Makes the tables of windows and sees them off.
pub(crate) struct Panes<V> {
    hasher: DefaultHashBuilder,
    /// How values are written, in a flow that is durable.
    write: Option<WriteValue<V>>,
    /// Of tables that are gone: what belongs to the snapshot at hand.
    ahead: Delta,
    /// The tables that went since the last barrier.
    gone: Delta,
}

impl<V> Panes<V> {
    pub(crate) fn new() -> Self {
        let hasher = DefaultHashBuilder::default();
        Panes { hasher, write: None, ahead: Delta::default(), gone: Delta::default() }
    }

    /// What hashes the keys of all tables.
    pub(crate) fn hasher(&self) -> &DefaultHashBuilder {
        &self.hasher
    }

    pub(crate) fn track(&mut self, write: WriteValue<V>) {
        self.write = Some(write);
    }

    pub(crate) fn open<K: Key>(&self, table: TableId) -> KeyedTable<K, V> {
        let mut opened = KeyedTable::with_hasher(self.hasher.clone());
        if let Some(write) = self.write {
            opened.track(table, write);
        }
        opened
    }

    /// A window is over.
    pub(crate) fn close<K: Key>(&mut self, table: KeyedTable<K, V>) {
        if self.write.is_some() {
            let (ahead, gone) = table.into_rest();
            self.ahead.append(ahead);
            self.gone.append(gone);
        }
    }

    pub(crate) fn begin_snapshot<'a, K: Key>(&mut self, open: impl Iterator<Item = &'a mut KeyedTable<K, V>>)
    where
        V: 'a,
    {
        self.ahead = std::mem::take(&mut self.gone);
        open.for_each(KeyedTable::begin_snapshot);
    }

    pub(crate) fn copy_some<'a, K: Key>(
        &mut self,
        mut open: impl Iterator<Item = &'a mut KeyedTable<K, V>>,
        entries: usize,
        into: &mut Delta,
    ) -> bool
    where
        V: 'a,
    {
        into.append(std::mem::take(&mut self.ahead));
        let mut left = entries;
        open.all(|table| table.copy_some(&mut left, into))
    }
}
