//! The hot map: values by key, in small tables.

use crate::record::Key;
use hashbrown::DefaultHashBuilder;
use hashbrown::hash_table::{self, Entry, HashTable};
use std::hash::BuildHasher;

/// A large map is many small ones, so that none takes long to grow: doubling a table of a million entries
/// would stop its stage for a fifth of a second.
const SPLIT: usize = 64;
/// Up to here one table grows fast enough.
const SPLIT_ABOVE: usize = 4096;
/// Up to here the entries are likely to be in the cache, and looking ahead would only cost.
const IN_CACHE: usize = 16_384;

/// The entries of a small table, given away.
pub(crate) type Entries<K, V> = hash_table::IntoIter<(K, V)>;

/// Values by key.
///
/// A batch's keys are looked up ahead of their use ([`KeyedTable::locate`]). (An open-addressing table with the
/// entries in its slots was tried instead and was slower: it touches more memory, so it misses more.)
pub(crate) struct KeyedTable<K, V> {
    hasher: DefaultHashBuilder,
    tables: Vec<HashTable<(K, V)>>,
    len: usize,
}

/// A key's hash, and the bucket where it was found when it was looked up ahead. By the time it is used the entry may
/// have moved: whoever uses the place looks whether it is still there.
#[derive(Clone, Copy, Default)]
pub(crate) struct Place {
    hash: u64,
    bucket: u32,
}

/// No table has so many buckets.
const NOT_LOCATED: u32 = u32::MAX;

impl Place {
    #[inline(always)]
    pub(crate) fn of_hash(hash: u64) -> Place {
        Place { hash, bucket: NOT_LOCATED }
    }
}

impl<K: Key, V> KeyedTable<K, V> {
    pub(crate) fn new() -> Self {
        Self::with_hasher(DefaultHashBuilder::default())
    }

    pub(crate) fn with_hasher(hasher: DefaultHashBuilder) -> Self {
        KeyedTable { hasher, tables: vec![HashTable::new()], len: 0 }
    }

    /// What hashes the keys: seeded per process, so that nobody can choose keys that collide.
    pub(crate) fn hasher(&self) -> &DefaultHashBuilder {
        &self.hasher
    }

    /// The keys held.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// hashbrown takes the lowest bits of a hash for the place and the highest seven for its tag: these are others.
    #[inline(always)]
    fn table_of(&self, hash: u64) -> usize {
        (hash >> 48) as usize & (self.tables.len() - 1)
    }

    pub(crate) fn is_worth_locating(&self) -> bool {
        self.len > IN_CACHE
    }

    /// Looks a key up ahead of its use.
    #[inline(always)]
    pub(crate) fn locate(&self, place: &mut Place, key: &K) {
        let table = &self.tables[self.table_of(place.hash)];
        if let Some(bucket) = table.find_bucket_index(place.hash, |(held, _)| held == key) {
            place.bucket = u32::try_from(bucket).unwrap_or(NOT_LOCATED);
        }
    }

    /// The value of a key, made if it is not there. See [`KeyedTable::find_or_insert`].
    #[inline(always)]
    pub(crate) fn upsert(&mut self, place: Place, key: K, make: impl FnOnce() -> V) -> &mut V {
        self.find_or_insert(place, key, make).0.1
    }

    /// The entry of a key, made if it is not there, and whether it was made.
    #[inline(always)]
    pub(crate) fn find_or_insert(
        &mut self,
        place: Place,
        key: K,
        make: impl FnOnce() -> V,
    ) -> ((&K, &mut V), bool) {
        let table = self.table_of(place.hash);
        let bucket = place.bucket as usize;
        if self.tables[table].get_bucket(bucket).is_some_and(|(held, _)| *held == key) {
            let (key, value) = self.tables[table].get_bucket_mut(bucket).expect("it was there just now");
            return ((key, value), false);
        }
        self.look_up_or_insert(table, place.hash, key, make)
    }

    fn look_up_or_insert(
        &mut self,
        table: usize,
        hash: u64,
        key: K,
        make: impl FnOnce() -> V,
    ) -> ((&K, &mut V), bool) {
        let hasher = &self.hasher;
        let rehash = |(key, _): &(K, V)| hasher.hash_one(key);
        match self.tables[table].entry(hash, |(held, _)| *held == key, rehash) {
            Entry::Occupied(entry) => {
                let (key, value) = entry.into_mut();
                ((key, value), false)
            }
            Entry::Vacant(entry) => {
                self.len += 1;
                let (key, value) = entry.insert((key, make())).into_mut();
                ((key, value), true)
            }
        }
    }

    /// Grows by splitting, if it is time to. Between batches, so that it is not asked for each record.
    pub(crate) fn settle(&mut self) {
        if self.tables.len() == SPLIT || self.len <= SPLIT_ABOVE {
            return;
        }
        let split = (0..SPLIT).map(|_| HashTable::with_capacity(2 * SPLIT_ABOVE / SPLIT)).collect();
        for entry in std::mem::replace(&mut self.tables, split).into_iter().flatten() {
            let hash = self.hasher.hash_one(&entry.0);
            let (table, hasher) = (self.table_of(hash), &self.hasher);
            self.tables[table].insert_unique(hash, entry, |(key, _)| hasher.hash_one(key));
        }
    }

    pub(crate) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.get_placed_mut(Place::of_hash(self.hasher.hash_one(key)), key)
    }

    pub(crate) fn get_placed_mut(&mut self, place: Place, key: &K) -> Option<&mut V> {
        let table = self.table_of(place.hash);
        self.tables[table].find_mut(place.hash, |(held, _)| held == key).map(|(_, value)| value)
    }

    pub(crate) fn remove(&mut self, key: &K) -> Option<V> {
        let hash = self.hasher.hash_one(key);
        let table = self.table_of(hash);
        let found = self.tables[table].find_entry(hash, |(held, _)| held == key).ok()?;
        let value = found.remove().0.1;
        self.len -= 1;
        Some(value)
    }

    /// The small tables there are: a pass over all entries can stop between any two.
    pub(crate) fn parts(&self) -> usize {
        self.tables.len()
    }

    /// Takes all entries out of one of the small tables.
    pub(crate) fn take_part(&mut self, part: usize) -> Entries<K, V> {
        let taken = std::mem::take(&mut self.tables[part]);
        self.len -= taken.len();
        taken.into_iter()
    }

    /// Shows all entries of one of the small tables.
    pub(crate) fn part_mut(&mut self, part: usize) -> impl Iterator<Item = (&K, &mut V)> {
        self.tables[part].iter_mut().map(|(key, value)| (&*key, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    #[test]
    fn agrees_with_a_plain_map_across_the_split() {
        let mut table = KeyedTable::new();
        let mut map = HashMap::new();
        for i in 0u64..20_000 {
            let key = i * 7919 % 9973;
            let mut place = Place::of_hash(table.hasher().hash_one(key));
            table.locate(&mut place, &key);
            if i % 3 == 0 {
                // What moves between looking up and using must not matter.
                assert_eq!(table.remove(&key), map.remove(&key));
            }
            *table.upsert(place, key, || 0u64) += i;
            *map.entry(key).or_insert(0u64) += i;
            if i % 100 == 0 {
                table.settle();
            }
            if i % 13 == 0 {
                assert_eq!(table.remove(&(i % 9973)), map.remove(&(i % 9973)));
            }
        }
        assert_eq!(table.parts(), SPLIT);
        assert_eq!(table.len(), map.len());
        for part in 0..table.parts() {
            for (key, value) in table.take_part(part) {
                assert_eq!(map.remove(&key), Some(value));
            }
        }
        assert!(map.is_empty());
    }
}
