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

/// Up to here the entries are likely to be in the cache, and looking twice would only cost.
const IN_CACHE: usize = 16_384;

/// The entries of a small table, given away.
pub(crate) type Entries<K, V> = hash_table::IntoIter<(K, V)>;

/// Values by key.
pub(crate) struct KeyedTable<K, V> {
    hasher: DefaultHashBuilder,
    tables: Vec<HashTable<(K, V)>>,
    len: usize,
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

    /// hashbrown takes the lowest bits of a hash for the place and the highest seven for its tag: these are others.
    #[inline(always)]
    fn table_of(tables: usize, hash: u64) -> usize {
        (hash >> 48) as usize & (tables - 1)
    }

    /// The value of a key whose hash is known, made if it is not there.
    #[inline]
    pub(crate) fn upsert_hashed(&mut self, hash: u64, key: K, make: impl FnOnce() -> V) -> &mut V {
        self.find_or_insert(hash, key, make).0.1
    }

    /// The entry of a key whose hash is known, made if it is not there, and whether it was made.
    #[inline]
    pub(crate) fn find_or_insert(&mut self, hash: u64, key: K, make: impl FnOnce() -> V) -> ((&K, &mut V), bool) {
        let table = Self::table_of(self.tables.len(), hash);
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
        let hasher = &self.hasher;
        let whole = std::mem::take(&mut self.tables[0]);
        self.tables.resize_with(SPLIT, || HashTable::with_capacity(2 * SPLIT_ABOVE / SPLIT));
        for entry in whole {
            let hash = hasher.hash_one(&entry.0);
            let table = Self::table_of(SPLIT, hash);
            self.tables[table].insert_unique(hash, entry, |(key, _)| hasher.hash_one(key));
        }
    }

    /// Brings the entries of these keys into the cache, by looking each up: look-ups that nothing else comes between
    /// wait for memory together, one after another their waits would add up. (An open-addressing table with inline
    /// entries was tried instead and was slower: it touches more memory, so it misses more.)
    #[inline]
    pub(crate) fn touch<'a>(&self, keys: impl Iterator<Item = (u64, &'a K)>) {
        if self.len <= IN_CACHE {
            return;
        }
        for (hash, key) in keys {
            let table = &self.tables[Self::table_of(self.tables.len(), hash)];
            std::hint::black_box(table.find(hash, |(held, _)| held == key).is_some());
        }
    }

    pub(crate) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        let hash = self.hasher.hash_one(key);
        self.get_hashed_mut(hash, key)
    }

    pub(crate) fn get_hashed_mut(&mut self, hash: u64, key: &K) -> Option<&mut V> {
        let table = Self::table_of(self.tables.len(), hash);
        self.tables[table].find_mut(hash, |(held, _)| held == key).map(|(_, value)| value)
    }

    pub(crate) fn remove(&mut self, key: &K) -> Option<V> {
        let hash = self.hasher.hash_one(key);
        let table = Self::table_of(self.tables.len(), hash);
        let found = self.tables[table].find_entry(hash, |(held, _)| held == key).ok()?;
        self.len -= 1;
        Some(found.remove().0.1)
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
        self.tables[part].iter_mut().map(|(k,v)| (&*k, v))
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
            let hash = table.hasher().hash_one(key);
            *table.upsert_hashed(hash, key, || 0u64) += i;
            *map.entry(key).or_insert(0u64) += i;
            if i % 100 == 0 {
                table.settle();
            }
            if i % 13 == 0 {
                assert_eq!(table.remove(&(i % 9973)), map.remove(&(i % 9973)));
            }
        }
        assert_eq!(table.parts(), SPLIT);
        assert_eq!(table.len, map.len());
        for part in 0..table.parts() {
            for (key, value) in table.take_part(part) {
                assert_eq!(map.remove(&key), Some(value));
            }
        }
        assert!(map.is_empty());
    }
}
