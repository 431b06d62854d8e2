//! The hot map: values by key, in small tables.

use super::changes::{Changes, WriteValue};
use super::marks::Marks;
use crate::checkpoint::{Delta, TableId};
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
    /// `None` in a flow that is not durable: it pays a branch for each look-up. The marks are beside the entries, by
    /// their buckets, so that entries are no larger; of a table that is tracked no entry moves without them.
    changes: Option<Box<Changes<V>>>,
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
        KeyedTable { hasher, tables: vec![HashTable::new()], len: 0, changes: None }
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
        if let Some(entry) = self.tables[table].get_bucket(bucket).filter(|(held, _)| *held == key) {
            if let Some(changes) = &mut self.changes {
                changes.change(table, bucket, entry);
            }
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
        self.make_room(table);
        let hasher = &self.hasher;
        let rehash = |(key, _): &(K, V)| hasher.hash_one(key);
        match self.tables[table].entry(hash, |(held, _)| *held == key, rehash) {
            Entry::Occupied(entry) => {
                if let Some(changes) = &mut self.changes {
                    changes.change(table, entry.bucket_index(), entry.get());
                }
                let (key, value) = entry.into_mut();
                ((key, value), false)
            }
            Entry::Vacant(entry) => {
                self.len += 1;
                let entry = entry.insert((key, make()));
                if let Some(changes) = &mut self.changes {
                    changes.marks[table].change(entry.bucket_index());
                }
                let (key, value) = entry.into_mut();
                ((key, value), true)
            }
        }
    }

    /// Grows a small table that is full and tracked: then it does not grow by itself, which would leave the marks behind.
    #[inline(always)]
    fn make_room(&mut self, table: usize) {
        if self.changes.is_some() && self.tables[table].len() == self.tables[table].capacity() {
            self.grow(table);
        }
    }

    #[cold]
    #[inline(never)]
    fn grow(&mut self, table: usize) {
        // Half as many again leave room for as many insertions: half as many buckets, or, where most were left behind by
        // keys that went, as many as now.
        let len = self.tables[table].len();
        let larger = HashTable::with_capacity(len + len / 2 + 1);
        let marks = Marks::of(larger.num_buckets());
        let full = std::mem::replace(&mut self.tables[table], larger);
        let old = self.changes.as_mut().map(|changes| {
            changes.look_again(table);
            std::mem::replace(&mut changes.marks[table], marks)
        });
        self.take_in(full, old);
    }

    /// Takes the entries of a small table in, with their marks, wherever they belong now.
    fn take_in(&mut self, mut entries: HashTable<(K, V)>, marks: Option<Marks>) {
        for bucket in 0..entries.num_buckets() {
            let Ok(entry) = entries.get_bucket_entry(bucket) else { continue };
            let entry = entry.remove().0;
            let hash = self.hasher.hash_one(&entry.0);
            let table = self.table_of(hash);
            self.make_room(table);
            let hasher = &self.hasher;
            let entry = self.tables[table].insert_unique(hash, entry, |(key, _)| hasher.hash_one(key));
            if let (Some(changes), Some(marks)) = (&mut self.changes, &marks) {
                changes.marks[table].move_here(entry.bucket_index(), marks, bucket);
            }
        }
    }

    /// Grows by splitting, if it is time to. Between batches, so that it is not asked for each record.
    pub(crate) fn settle(&mut self) {
        if self.tables.len() == SPLIT || self.len <= SPLIT_ABOVE {
            return;
        }
        let split: Vec<_> = (0..SPLIT).map(|_| HashTable::with_capacity(2 * SPLIT_ABOVE / SPLIT)).collect();
        let mut old_marks = Vec::new();
        if let Some(changes) = &mut self.changes {
            changes.look_again(0);
            let marks = split.iter().map(|table| Marks::of(table.num_buckets())).collect();
            old_marks = std::mem::replace(&mut changes.marks, marks);
        }
        let mut old_marks = old_marks.into_iter();
        for table in std::mem::replace(&mut self.tables, split) {
            self.take_in(table, old_marks.next());
        }
    }

    /// The value of a key, to look at.
    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        let hash = self.hasher.hash_one(key);
        self.tables[self.table_of(hash)].find(hash, |(held, _)| held == key).map(|(_, value)| value)
    }

    pub(crate) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.get_placed_mut(Place::of_hash(self.hasher.hash_one(key)), key)
    }

    pub(crate) fn get_placed_mut(&mut self, place: Place, key: &K) -> Option<&mut V> {
        let table = self.table_of(place.hash);
        let entry = self.tables[table].find_entry(place.hash, |(held, _)| held == key).ok()?;
        if let Some(changes) = &mut self.changes {
            changes.change(table, entry.bucket_index(), entry.get());
        }
        Some(&mut entry.into_mut().1)
    }

    pub(crate) fn remove(&mut self, key: &K) -> Option<V> {
        let hash = self.hasher.hash_one(key);
        let table = self.table_of(hash);
        let found = self.tables[table].find_entry(hash, |(held, _)| held == key).ok()?;
        if let Some(changes) = &mut self.changes {
            changes.remove(table, found.bucket_index(), found.get());
        }
        let value = found.remove().0.1;
        self.len -= 1;
        Some(value)
    }

    /// The small tables there are: a pass over all entries can stop between any two.
    pub(crate) fn parts(&self) -> usize {
        self.tables.len()
    }

    /// Takes all entries out of one of the small tables. No snapshot hears of that for each key: whoever has taken the
    /// last says that the table is [clear](KeyedTable::clear).
    pub(crate) fn take_part(&mut self, part: usize) -> Entries<K, V> {
        self.copy_part(part);
        let taken = std::mem::take(&mut self.tables[part]);
        if let Some(changes) = &mut self.changes {
            changes.marks[part] = Marks::of(self.tables[part].num_buckets());
        }
        self.len -= taken.len();
        taken.into_iter()
    }

    /// Gives all entries of one of the small tables to be changed.
    pub(crate) fn part_mut(&mut self, part: usize) -> impl Iterator<Item = (&K, &mut V)> {
        if let Some(changes) = &mut self.changes {
            let table = &self.tables[part];
            for bucket in table.iter_buckets() {
                changes.change(part, bucket, table.get_bucket(bucket).expect("it is among its buckets"));
            }
        }
        self.tables[part].iter_mut().map(|(key, value)| (&*key, value))
    }

    /// Shows all entries of one of the small tables.
    pub(crate) fn part(&self, part: usize) -> impl Iterator<Item = (&K, &V)> {
        self.tables[part].iter().map(|(key, value)| (key, value))
    }

    /// Shows all entries.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.tables.iter().flatten().map(|(key, value)| (key, value))
    }
}

/// What a snapshot needs of a table.
impl<K: Key, V> KeyedTable<K, V> {
    /// From here on it is noted what changes. All that is there has changed.
    pub(crate) fn track(&mut self, table: TableId, write: WriteValue<V>) {
        let mut changes = Box::new(Changes::new(table, write));
        for table in &self.tables {
            let mut marks = Marks::of(table.num_buckets());
            table.iter_buckets().for_each(|bucket| _ = marks.change(bucket));
            changes.marks.push(marks);
        }
        self.changes = Some(changes);
    }

    /// See [`StoredState::begin_snapshot`](super::StoredState::begin_snapshot).
    pub(crate) fn begin_snapshot(&mut self) {
        if let Some(changes) = &mut self.changes {
            changes.begin_snapshot();
        }
    }

    /// Copies entries into the snapshot at hand, as many as `left` says, from which it takes them; whether all are copied.
    pub(crate) fn copy_some(&mut self, left: &mut usize, into: &mut Delta) -> bool {
        let Some(changes) = &mut self.changes else { return true };
        into.append(changes.take_ahead());
        while let Some((part, bucket)) = changes.next_due() {
            if *left == 0 {
                return false;
            }
            *left -= 1;
            let entry = self.tables[part].get_bucket(bucket).expect("an entry that goes is not due any more");
            changes.copy(part, bucket, entry, &mut into.written);
        }
        true
    }

    /// Copies what is left of a small table.
    fn copy_part(&mut self, part: usize) {
        let Some(changes) = &mut self.changes else { return };
        let mut from = 0;
        while let Some(bucket) = changes.marks[part].next_due(from) {
            let entry = self.tables[part].get_bucket(bucket).expect("an entry that goes is not due any more");
            changes.copy_ahead(part, bucket, entry);
            from = bucket + 1;
        }
    }

    /// All entries were taken out.
    pub(crate) fn clear(&mut self) {
        if let Some(changes) = &mut self.changes {
            changes.clear();
        }
    }

    /// Lets the table go: what belongs to the snapshot at hand, and what happened since the last barrier.
    pub(crate) fn into_rest(mut self) -> (Delta, Delta) {
        (0..self.parts()).for_each(|part| self.copy_part(part));
        self.clear();
        self.changes.map(|changes| changes.into_rest()).unwrap_or_default()
    }

    /// Gives all entries, for what was not stored with them and follows from them: they do not count as changed.
    pub(crate) fn iter_restored(&mut self) -> impl Iterator<Item = (&K, &mut V)> {
        self.tables.iter_mut().flatten().map(|(key, value)| (&*key, value))
    }

    /// Puts an entry back that is in a snapshot. With `anew` it is to be in the next one too.
    pub(crate) fn restore(&mut self, key: K, value: V, anew: bool) {
        self.settle();
        let hash = self.hasher.hash_one(&key);
        let table = self.table_of(hash);
        self.make_room(table);
        let hasher = &self.hasher;
        let entry = self.tables[table].insert_unique(hash, (key, value), |(key, _)| hasher.hash_one(key));
        self.len += 1;
        if let Some(changes) = &mut self.changes {
            changes.restored(table, entry.bucket_index());
            if anew {
                changes.marks[table].change(entry.bucket_index());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::value::{read_key, write_key};
    use std::collections::{BTreeMap, HashMap, HashSet};

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

    /// What the snapshots of a table say it holds.
    #[derive(Default)]
    struct Copy(HashMap<Vec<u8>, Vec<u8>>);

    impl Copy {
        fn apply(&mut self, delta: &Delta) {
            if !delta.dropped.is_empty() {
                self.0.clear();
            }
            delta.removed.iter().for_each(|record| _ = self.0.remove(record.key));
            let mut seen = HashSet::new();
            for record in delta.written.iter() {
                assert!(seen.insert(record.key.to_vec()), "a snapshot has each entry once");
                self.0.insert(record.key.to_vec(), record.value.to_vec());
            }
        }

        fn entries(&self) -> BTreeMap<u64, u64> {
            let entry =
                |(key, value): (&Vec<u8>, &Vec<u8>)| (read_key(key).unwrap(), read_key(value).unwrap());
            self.0.iter().map(entry).collect()
        }
    }

    #[test]
    fn a_snapshot_holds_what_the_table_held_at_its_barrier_whatever_happens_while_it_is_copied() {
        let mut random = 1u64;
        let mut random = |below: u64| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (random >> 33) % below
        };
        let (mut table, mut copy) = (KeyedTable::new(), Copy::default());
        table.track(0, write_key);
        let (mut at_barrier, mut delta) = (BTreeMap::new(), None);
        // Keys grow in number, so that the table grows and splits while snapshots are copied.
        for step in 0..40_000u64 {
            let key = random(1 + step / 3);
            let mut place = Place::of_hash(table.hasher().hash_one(key));
            table.locate(&mut place, &key);
            match random(16) {
                0 | 1 => _ = table.remove(&key),
                2 => _ = table.get_mut(&key).map(|value| *value += 1),
                3 => _ = table.get(&key),
                _ => *table.upsert(place, key, || 0u64) += step,
            }
            if random(512) == 0 {
                let part = random(table.parts() as u64) as usize;
                table.part_mut(part).for_each(|(_, value)| *value += 1);
            }
            if random(64) == 0 {
                table.settle();
            }
            if random(100) != 0 {
                continue;
            }
            match &mut delta {
                None => {
                    at_barrier = table.iter().map(|(&key, &value)| (key, value)).collect();
                    table.begin_snapshot();
                    delta = Some(Delta::default());
                }
                Some(into) => {
                    let mut left = 1 + random(1 + step / 20) as usize;
                    if table.copy_some(&mut left, into) {
                        delta.iter().for_each(|delta| copy.apply(delta));
                        assert_eq!(copy.entries(), at_barrier);
                        delta = None;
                    }
                }
            }
        }
        assert_eq!(table.parts(), SPLIT);
    }

    #[test]
    fn a_snapshot_says_only_what_has_changed() {
        let mut table = KeyedTable::new();
        table.track(0, write_key);
        let snapshot = |table: &mut KeyedTable<u64, u64>| {
            table.begin_snapshot();
            let mut delta = Delta::default();
            assert!(table.copy_some(&mut usize::MAX.clone(), &mut delta));
            (delta.written.len(), delta.removed.len(), delta.dropped.len())
        };
        (0..100).for_each(|key| table.restore(key, 0, false));
        assert_eq!(snapshot(&mut table), (0, 0, 0), "what comes from a snapshot is in one");
        table.get_mut(&7);
        table.remove(&8);
        table.upsert(Place::of_hash(table.hasher().hash_one(200u64)), 200, || 1);
        table.upsert(Place::of_hash(table.hasher().hash_one(201u64)), 201, || 1);
        table.remove(&201);
        assert_eq!(snapshot(&mut table), (2, 1, 0), "of what came and went nothing is said");
        table.remove(&200);
        (0..table.parts()).for_each(|part| drop(table.take_part(part)));
        table.clear();
        assert_eq!(snapshot(&mut table), (0, 0, 1));
    }
}
