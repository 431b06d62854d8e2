//! The hot map: values by key, in small tables.

mod budget;
mod snapshot;
#[cfg(test)]
mod tests;

use super::changes::{Changes, Kept, NOTED_AT_ONCE};
use super::cold::{Cold, Used};
use super::marks::Marks;
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

/// Entries that are given away: those of a small table, or some that were in the tier.
pub(crate) enum Entries<K, V> {
    Hot(hash_table::IntoIter<(K, V)>),
    Cold(std::vec::IntoIter<(K, V)>),
}

impl<K, V> Default for Entries<K, V> {
    fn default() -> Self {
        Entries::Hot(hash_table::IntoIter::default())
    }
}

impl<K, V> Iterator for Entries<K, V> {
    type Item = (K, V);

    #[inline]
    fn next(&mut self) -> Option<(K, V)> {
        match self {
            Entries::Hot(entries) => entries.next(),
            Entries::Cold(entries) => entries.next(),
        }
    }
}

/// How far the entries of a table have been given away.
#[derive(Default)]
pub(crate) struct Taken {
    part: usize,
    page: usize,
}

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
    /// Where what is over a budget goes; `None` where all is in memory.
    cold: Option<Box<Cold<V>>>,
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
    /// The small table, of so many, and the bucket; one that no table has if it was not found.
    #[inline(always)]
    pub(super) fn located(self, tables: usize) -> (usize, usize) {
        (table_of(self.hash, tables), self.bucket as usize)
    }

    #[inline(always)]
    pub(crate) fn of_hash(hash: u64) -> Place {
        Place { hash, bucket: NOT_LOCATED }
    }
}

/// Of so many small tables the one for a hash. hashbrown takes the lowest bits of it for the place and the highest seven for
/// its tag: these are others.
#[inline(always)]
fn table_of(hash: u64, parts: usize) -> usize {
    ((hash >> 41 & 0xffff) as usize * parts) >> 16
}

impl<K: Key, V> KeyedTable<K, V> {
    pub(crate) fn new() -> Self {
        Self::with_hasher(DefaultHashBuilder::default())
    }

    pub(crate) fn with_hasher(hasher: DefaultHashBuilder) -> Self {
        KeyedTable { hasher, tables: vec![HashTable::new()], len: 0, changes: None, cold: None }
    }

    /// What hashes the keys: seeded per process, so that nobody can choose keys that collide.
    pub(crate) fn hasher(&self) -> &DefaultHashBuilder {
        &self.hasher
    }

    /// The keys held, in memory or not.
    pub(crate) fn len(&self) -> usize {
        self.len + self.cold.as_ref().map_or(0, |cold| cold.len)
    }

    #[inline(always)]
    fn table_of(&self, hash: u64) -> usize {
        table_of(hash, self.tables.len())
    }

    pub(crate) fn is_worth_locating(&self) -> bool {
        self.len > IN_CACHE
    }

    /// Looks keys up ahead of their use, which is to change their values.
    #[inline(always)]
    pub(crate) fn locate<'a>(&mut self, places: &mut [Place], keys: impl Iterator<Item = &'a K>) {
        for (place, key) in places.iter_mut().zip(keys) {
            let table = &self.tables[self.table_of(place.hash)];
            if let Some(bucket) = table.find_bucket_index(place.hash, |(held, _)| held == key) {
                place.bucket = u32::try_from(bucket).unwrap_or(NOT_LOCATED);
            }
        }
        // Here for all of them, and not for each in its turn: what a record is waited for is then its entry alone.
        if let Some(changes) = &mut self.changes {
            places.chunks(NOTED_AT_ONCE).for_each(|places| changes.located(&self.tables, places));
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
            // That it changes was noted when it was located, or when it came there since.
            if let Some(cold) = &mut self.cold {
                cold.hit(table, bucket);
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
        if self.cold.is_some() && !self.bring(table, hash, &key) {
            self.make_way(table);
        }
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
        self.rebuild(table);
        self.count_buckets();
    }

    /// Grows a small table, or makes room in it.
    fn rebuild(&mut self, table: usize) {
        // Half as many again leave room for as many insertions: half as many buckets, or, where most were left behind by
        // keys that went, as many as now.
        let len = self.tables[table].len();
        let (buckets, mut capacity) = (self.tables[table].num_buckets(), len + len / 2 + 1);
        // Where more buckets are over the budget, what was left behind by keys that went makes the room.
        let fits = self.cold.as_ref().is_none_or(|cold| cold.fits::<K>(buckets));
        if !fits && len + 1 < buckets / 8 * 7 {
            capacity = buckets / 8 * 7;
        }
        self.rebuild_for(table, capacity);
    }

    fn rebuild_for(&mut self, table: usize, capacity: usize) {
        let anew = HashTable::with_capacity(capacity);
        let marks = Marks::of(anew.num_buckets());
        let buckets = anew.num_buckets();
        let full = std::mem::replace(&mut self.tables[table], anew);
        let used = self.cold.as_mut().map(|cold| cold.reshaped(table, buckets));
        let old = self.changes.as_mut().map(|changes| {
            changes.look_again(table);
            std::mem::replace(&mut changes.marks[table], marks)
        });
        self.take_in(full, old, used);
    }

    /// Takes the entries of a small table in, with what is known of them, wherever they belong now.
    fn take_in(&mut self, mut entries: HashTable<(K, V)>, marks: Option<Marks>, used: Option<Used>) {
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
            if let (Some(cold), Some(used)) = (&mut self.cold, &used) {
                cold.moved(table, entry.bucket_index(), used, bucket);
            }
        }
    }

    /// Grows by splitting, if it is time to. Between batches, so that it is not asked for each record.
    pub(crate) fn settle(&mut self) {
        if let Some(changes) = &mut self.changes {
            changes.settle(&self.tables);
        }
        if self.cold.is_some() {
            self.measure_some();
        }
        let fits = self.cold.as_ref().is_none_or(|cold| cold.fits::<K>(4 * SPLIT_ABOVE));
        if self.tables.len() > 1 || self.len <= SPLIT_ABOVE || !fits {
            return;
        }
        let parts = self.cold.as_ref().map_or(SPLIT, |cold| cold.parts::<K>(SPLIT));
        let split: Vec<_> = (0..parts).map(|_| HashTable::with_capacity(2 * SPLIT_ABOVE / parts)).collect();
        let mut old_marks = Vec::new();
        if let Some(changes) = &mut self.changes {
            changes.look_again(0);
            let marks = split.iter().map(|table| Marks::of(table.num_buckets())).collect();
            old_marks = std::mem::replace(&mut changes.marks, marks);
        }
        let mut old_marks = old_marks.into_iter();
        let used = self.cold.as_mut().map(|cold| cold.shaped(split.iter().map(HashTable::num_buckets)));
        let mut used = used.into_iter().flatten();
        for table in std::mem::replace(&mut self.tables, split) {
            self.take_in(table, old_marks.next(), used.next());
        }
        self.count_buckets();
    }

    /// The value of a key, to look at.
    pub(crate) fn get(&mut self, key: &K) -> Option<&V> {
        let hash = self.hasher.hash_one(key);
        let table = self.table_of(hash);
        if self.cold.is_some() {
            self.bring(table, hash, key);
        }
        self.tables[table].find(hash, |(held, _)| held == key).map(|(_, value)| value)
    }

    pub(crate) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        let hash = self.hasher.hash_one(key);
        if self.cold.is_some() {
            self.bring(self.table_of(hash), hash, key);
        }
        self.get_again_mut(Place::of_hash(hash), key)
    }

    /// The value of a key that a record of this batch has brought: that it is used once more says nothing of how often it
    /// will be.
    pub(crate) fn get_again_mut(&mut self, place: Place, key: &K) -> Option<&mut V> {
        let table = self.table_of(place.hash);
        if self.cold.is_some() && self.tables[table].find(place.hash, |(held, _)| held == key).is_none() {
            self.bring(table, place.hash, key);
        }
        let entry = self.tables[table].find_entry(place.hash, |(held, _)| held == key).ok()?;
        if let Some(changes) = &mut self.changes {
            changes.change(table, entry.bucket_index(), entry.get());
        }
        Some(&mut entry.into_mut().1)
    }

    pub(crate) fn remove(&mut self, key: &K) -> Option<V> {
        let hash = self.hasher.hash_one(key);
        let table = self.table_of(hash);
        let Ok(found) = self.tables[table].find_entry(hash, |(held, _)| held == key) else {
            return self.remove_cold(key, hash);
        };
        if let Some(changes) = &mut self.changes {
            changes.remove(table, found.bucket_index(), found.get());
        }
        let value = found.remove().0.1;
        self.len -= 1;
        if let Some(cold) = &mut self.cold {
            cold.count(self.len);
        }
        Some(value)
    }

    /// Takes the next entries out, some at a time, until none are left. No snapshot hears of that for each key: whoever has
    /// taken the last says that the table is [clear](KeyedTable::clear). Meanwhile none may come in.
    pub(crate) fn take_next(&mut self, taken: &mut Taken) -> Option<Entries<K, V>> {
        if let Some(cold) = &mut self.cold {
            // Those in memory last: they make room for others as they go.
            while let Some(page) = cold.take_page::<K>(taken.page) {
                taken.page += 1;
                if page.is_empty() {
                    continue;
                }
                if let Some(changes) = &mut self.changes {
                    page.iter().for_each(|(_, entry, kept)| changes.copy_cold(entry, *kept));
                }
                let entries: Vec<_> = page.into_iter().map(|(_, entry, _)| entry).collect();
                return Some(Entries::Cold(entries.into_iter()));
            }
        }
        if taken.part == self.tables.len() {
            return None;
        }
        let entries = self.take_part(taken.part);
        taken.part += 1;
        Some(entries)
    }

    /// Takes all entries out of one of the small tables.
    fn take_part(&mut self, part: usize) -> Entries<K, V> {
        self.copy_part(part);
        let taken = std::mem::take(&mut self.tables[part]);
        let buckets = self.tables[part].num_buckets();
        if let Some(changes) = &mut self.changes {
            changes.marks[part] = Marks::of(buckets);
        }
        if let Some(cold) = &mut self.cold {
            cold.reshaped(part, buckets);
        }
        self.len -= taken.len();
        self.count_buckets();
        Entries::Hot(taken.into_iter())
    }

    /// Gives all entries to be changed.
    pub(crate) fn change_each(&mut self, mut change: impl FnMut(&K, &mut V)) {
        for part in 0..self.tables.len() {
            self.part_mut(part).for_each(|(key, value)| change(key, value));
        }
        self.each_cold(|changes, entry, kept| {
            if let Some(changes) = changes {
                changes.copy_cold(entry, *kept);
                *kept = changes.change_cold(&entry.0, *kept);
            }
            change(&entry.0, &mut entry.1);
        });
    }

    /// Gives all entries that are not in memory to be changed.
    fn each_cold(&mut self, mut change: impl FnMut(Option<&mut Changes<V>>, &mut (K, V), &mut Kept)) {
        let Some(cold) = &mut self.cold else { return };
        cold.keep_still(true);
        for number in 0.. {
            let Some(mut page) = cold.take_page::<K>(number) else { break };
            for (_, entry, kept) in &mut page {
                change(self.changes.as_deref_mut(), entry, kept);
            }
            cold.put_back(&page);
        }
        cold.keep_still(false);
    }

    /// Shows all entries.
    pub(crate) fn each(&self, mut see: impl FnMut(&K, &V)) {
        self.tables.iter().flatten().for_each(|(key, value)| see(key, value));
        let pages = self.cold.iter().flat_map(|cold| (0..).map_while(|number| cold.page::<K>(number)));
        pages.flatten().for_each(|(_, (key, value), _)| see(&key, &value));
    }

    /// Gives all entries, for what was not stored with them and follows from them: they do not count as changed.
    pub(crate) fn each_restored(&mut self, mut make: impl FnMut(&K, &mut V)) {
        self.tables.iter_mut().flatten().for_each(|(key, value)| make(&*key, value));
        self.each_cold(|changes, entry, kept| {
            if let Some(changes) = changes {
                changes.copy_cold(entry, *kept);
                *kept = changes.leave_cold(*kept);
            }
            make(&entry.0, &mut entry.1);
        });
    }

    /// Gives all entries of one of the small tables to be changed.
    fn part_mut(&mut self, part: usize) -> impl Iterator<Item = (&K, &mut V)> {
        if let Some(changes) = &mut self.changes {
            let table = &self.tables[part];
            for bucket in table.iter_buckets() {
                changes.change(part, bucket, table.get_bucket(bucket).expect("it is among its buckets"));
            }
        }
        self.tables[part].iter_mut().map(|(key, value)| (&*key, value))
    }
}
