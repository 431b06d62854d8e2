//! What a table with a budget does: entries leave memory, and come back where they are touched.

use super::{KeyedTable, SPLIT};
use crate::record::Key;
use crate::state::changes::Kept;
use crate::state::cold::{Codec, Cold, LOOKED_AT};
use crate::state::tier::Tier;
use hashbrown::hash_table::HashTable;
use std::hash::BuildHasher;
use std::sync::Arc;

/// The entries that leave memory, at the most, where one comes: so the budget is kept without a pass over many.
const EVICTED_FOR_ONE: usize = 2;

impl<K: Key, V> KeyedTable<K, V> {
    /// From here on what is over the budget of `tier` leaves memory.
    pub(crate) fn spill(&mut self, tier: Arc<Tier>, codec: Codec<V>) {
        let mut cold = Box::new(Cold::new(tier, codec));
        cold.shaped(self.tables.iter().map(HashTable::num_buckets));
        self.cold = Some(cold);
        self.count_buckets();
    }

    pub(super) fn count_buckets(&mut self) {
        if let Some(cold) = &mut self.cold {
            cold.has_buckets::<K>(self.tables.iter().map(HashTable::num_buckets).sum());
            cold.count(self.len);
        }
    }

    /// Brings a key into memory, if it is there or in the tier; whether it is.
    pub(super) fn bring(&mut self, table: usize, hash: u64, key: &K) -> bool {
        let Some(cold) = &mut self.cold else { return false };
        if let Some(bucket) = self.tables[table].find_bucket_index(hash, |(held, _)| held == key) {
            cold.hit(table, bucket);
            return true;
        }
        let Some((value, kept)) = cold.take(key, hash) else { return false };
        self.make_way(table);
        self.make_room(table);
        let hasher = &self.hasher;
        let entry = (key.clone(), value);
        let entry = self.tables[table].insert_unique(hash, entry, |(key, _)| hasher.hash_one(key));
        self.len += 1;
        if let Some(changes) = &mut self.changes {
            changes.fetched(table, entry.bucket_index(), entry.get(), kept);
        }
        true
    }

    pub(super) fn remove_cold(&mut self, key: &K, hash: u64) -> Option<V> {
        let (value, kept) = self.cold.as_mut()?.take(key, hash)?;
        let entry = (key.clone(), value);
        if let Some(changes) = &mut self.changes {
            changes.remove_cold(&entry, kept);
        }
        Some(entry.1)
    }

    /// Lets entries go where one is about to come into a small table, if there are too many.
    pub(super) fn make_way(&mut self, table: usize) {
        if self.cold.as_mut().is_some_and(|cold| cold.is_to_measure()) {
            self.measure(table);
        }
        for _ in 0..EVICTED_FOR_ONE {
            let crowded = self.is_crowded(table);
            let Some(cold) = &mut self.cold else { return };
            cold.count(self.len);
            if !cold.tier.is_over(1) && !crowded {
                return;
            }
            // What entries have in their buckets is only given back with the buckets: where that is most of them, one small
            // table after the other is emptied until it can have half as many.
            let here = crowded || cold.is_mostly_heap::<K>();
            let first = if here { table } else { cold.emptied };
            let parts = self.tables.len();
            let mut from = (0..parts).map(|further| (first + further) % parts);
            let Some(from) = from.find(|&part| !self.tables[part].is_empty()) else { return };
            self.evict_from(from);
            self.shrink(from);
        }
    }

    /// Halves a small table where few entries are left, if there is too much in memory.
    pub(super) fn shrink(&mut self, part: usize) {
        let Some(cold) = &mut self.cold else { return };
        let (len, buckets) = (self.tables[part].len(), self.tables[part].num_buckets());
        if buckets < 32 || len * 8 > buckets * 3 || !cold.is_over_in_bytes() {
            return;
        }
        cold.emptied = (part + 1) % self.tables.len();
        self.rebuild_for(part, buckets / 2 / 8 * 7);
        self.count_buckets();
    }

    /// Whether a small table is nearly full and must not grow. It stays a little emptier than it could be, so that it need
    /// not be made anew whenever keys have gone and come.
    pub(super) fn is_crowded(&self, table: usize) -> bool {
        let (table, Some(cold)) = (&self.tables[table], &self.cold) else { return false };
        let (len, buckets) = (table.len(), table.num_buckets());
        buckets > 16 && len * 8 >= buckets * 6 && !cold.fits::<K>(buckets)
    }

    /// Measures an entry near where one comes.
    pub(super) fn measure(&mut self, table: usize) {
        let (Some(cold), part) = (&mut self.cold, &self.tables[table]) else { return };
        let buckets = part.num_buckets();
        for _ in 0..buckets.min(4) {
            if let Some(entry) = part.get_bucket(cold.sample_hand(table, buckets)) {
                cold.measure(entry);
                return;
            }
        }
    }

    /// Measures some entries of all small tables, which may have grown since they came, and lets some go if that is too much.
    pub(super) fn measure_some(&mut self) {
        let parts = self.tables.len();
        for part in self.cold.as_mut().map_or(0..0, |cold| cold.measured_next(SPLIT, parts)) {
            self.measure(part % parts);
        }
        if let Some(cold) = &mut self.cold {
            cold.count(self.len);
        }
        self.evict_some(SPLIT);
    }

    /// Lets the entry at the hand go, or the next that was not used since the hand came by.
    pub(super) fn evict_from(&mut self, part: usize) {
        let Some(cold) = &mut self.cold else { return };
        let buckets = self.tables[part].num_buckets();
        for _ in 0..LOOKED_AT {
            let bucket = cold.hand(part, buckets);
            let Some(entry) = self.tables[part].get_bucket(bucket) else { continue };
            if cold.is_spared(part, bucket) {
                continue;
            }
            let kept = match &mut self.changes {
                Some(changes) => changes.evict(part, bucket, entry),
                None => Kept::UNKNOWN,
            };
            cold.put(entry, self.hasher.hash_one(&entry.0), kept);
            if let Ok(entry) = self.tables[part].get_bucket_entry(bucket) {
                entry.remove();
            }
            cold.evicted();
            cold.settle();
            self.len -= 1;
            cold.count(self.len);
            return;
        }
    }

    /// Lets up to so many entries go while there are too many in the tables of a stage; how many went.
    pub(crate) fn evict_some(&mut self, most: usize) -> usize {
        let before = self.len;
        for place in 0..most {
            let Some(cold) = &self.cold else { break };
            if self.len == 0 || !cold.tier.is_over(0) {
                break;
            }
            let (parts, from) = (self.tables.len(), place + self.len);
            let part = (0..parts)
                .map(|further| (from + further) % parts)
                .find(|&part| !self.tables[part].is_empty());
            part.into_iter().for_each(|part| self.evict_from(part));
        }
        before - self.len
    }
}
