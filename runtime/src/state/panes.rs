//! What snapshots need of a stage with a table for each window.

use super::changes::WriteValue;
use super::cold::Codec;
use super::stored::is_worth_all;
use super::table::KeyedTable;
use super::tier::Tier;
use crate::checkpoint::{Delta, TableId};
use crate::record::Key;
use hashbrown::DefaultHashBuilder;
use std::sync::Arc;

/// Makes the tables of windows and sees them off.
pub(crate) struct Panes<V> {
    hasher: DefaultHashBuilder,
    /// How values are written, in a flow that is durable.
    write: Option<WriteValue<V>>,
    /// Where what is over the budget goes.
    tier: Option<(Arc<Tier>, Codec<V>)>,
    /// Of tables that are gone: what belongs to the snapshot at hand.
    ahead: Delta,
    /// The tables that went since the last barrier.
    gone: Delta,
}

impl<V> Panes<V> {
    pub(crate) fn new() -> Self {
        let hasher = DefaultHashBuilder::default();
        Panes { hasher, write: None, tier: None, ahead: Delta::default(), gone: Delta::default() }
    }

    /// What hashes the keys of all tables.
    pub(crate) fn hasher(&self) -> &DefaultHashBuilder {
        &self.hasher
    }

    pub(crate) fn track(&mut self, write: WriteValue<V>) {
        self.write = Some(write);
    }

    pub(crate) fn spill(&mut self, tier: &Arc<Tier>, codec: Codec<V>) {
        self.tier = Some((Arc::clone(tier), codec));
    }

    pub(crate) fn open<K: Key>(&self, table: TableId) -> KeyedTable<K, V> {
        let mut opened = KeyedTable::with_hasher(self.hasher.clone());
        if let Some(write) = self.write {
            opened.track(table, write);
        }
        if let Some((tier, codec)) = &self.tier {
            opened.spill(Arc::clone(tier), *codec);
        }
        opened
    }

    /// Lets keys go, before a batch of so many records, if all windows together hold too many: those of the first windows
    /// first, and of none all at once.
    pub(crate) fn make_way<'a, K: Key>(
        &self,
        open: impl Iterator<Item = &'a mut KeyedTable<K, V>>,
        records: usize,
    ) where
        V: 'a,
    {
        if self.tier.is_some() {
            open.fold(records, |left, table| left - table.evict_some(left));
        }
    }

    /// A window is over.
    pub(crate) fn close<K: Key>(&mut self, table: KeyedTable<K, V>) {
        if self.write.is_some() {
            let (ahead, gone) = table.into_rest();
            self.ahead.append(ahead);
            self.gone.append(gone);
        }
    }

    /// See [`StoredState::begin_snapshot`](super::StoredState::begin_snapshot).
    pub(crate) fn begin_snapshot<'a, K: Key>(
        &mut self,
        open: impl Iterator<Item = &'a mut KeyedTable<K, V>>,
    ) -> bool
    where
        V: 'a,
    {
        self.ahead = std::mem::take(&mut self.gone);
        let mut open: Vec<_> = open.collect();
        let all = is_worth_all(open.iter().map(|table| &**table));
        open.iter_mut().for_each(|table| table.begin_snapshot(all));
        all
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
