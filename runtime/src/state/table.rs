//! The hot map: values by key, in small tables.

use super::changes::{Changes, Kept, NOTED_AT_ONCE, WriteValue};
use super::cold::{Codec, Cold, LOOKED_AT, Used};
use super::marks::Marks;
use super::tier::Tier;
use crate::checkpoint::{Delta, TableId};
use crate::record::Key;
use hashbrown::DefaultHashBuilder;
use hashbrown::hash_table::{self, Entry, HashTable};
use std::hash::BuildHasher;
use std::sync::Arc;

/// A large map is many small ones, so that none takes long to grow: doubling a table of a million entries
/// would stop its stage for a fifth of a second.
const SPLIT: usize = 64;
/// Up to here one table grows fast enough.
const SPLIT_ABOVE: usize = 4096;
/// Up to here the entries are likely to be in the cache, and looking ahead would only cost.
const IN_CACHE: usize = 16_384;

/// The entries that leave memory, at the most, where one comes: so the budget is kept without a pass over many.
const EVICTED_FOR_ONE: usize = 2;

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

/// What a table with a budget does.
impl<K: Key, V> KeyedTable<K, V> {
    /// From here on what is over the budget of `tier` leaves memory.
    pub(crate) fn spill(&mut self, tier: Arc<Tier>, codec: Codec<V>) {
        let mut cold = Box::new(Cold::new(tier, codec));
        cold.shaped(self.tables.iter().map(HashTable::num_buckets));
        self.cold = Some(cold);
        self.count_buckets();
    }

    fn count_buckets(&mut self) {
        if let Some(cold) = &mut self.cold {
            cold.has_buckets::<K>(self.tables.iter().map(HashTable::num_buckets).sum());
            cold.count(self.len);
        }
    }

    /// Brings a key into memory, if it is there or in the tier; whether it is.
    fn bring(&mut self, table: usize, hash: u64, key: &K) -> bool {
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

    fn remove_cold(&mut self, key: &K, hash: u64) -> Option<V> {
        let (value, kept) = self.cold.as_mut()?.take(key, hash)?;
        let entry = (key.clone(), value);
        if let Some(changes) = &mut self.changes {
            changes.remove_cold(&entry, kept);
        }
        Some(entry.1)
    }

    /// Lets entries go where one is about to come into a small table, if there are too many.
    fn make_way(&mut self, table: usize) {
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
    fn shrink(&mut self, part: usize) {
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
    fn is_crowded(&self, table: usize) -> bool {
        let (table, Some(cold)) = (&self.tables[table], &self.cold) else { return false };
        let (len, buckets) = (table.len(), table.num_buckets());
        buckets > 16 && len * 8 >= buckets * 6 && !cold.fits::<K>(buckets)
    }

    /// Measures an entry near where one comes.
    fn measure(&mut self, table: usize) {
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
    fn measure_some(&mut self) {
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
    fn evict_from(&mut self, part: usize) {
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

    /// How many entries have changed since the last barrier, and how many there are; `None` if they are not all in memory.
    pub(crate) fn changed(&self) -> Option<(usize, usize)> {
        let changes = self.changes.as_ref()?;
        let all_are_here = self.cold.as_ref().is_none_or(|cold| cold.len == 0);
        all_are_here.then(|| (if changes.all_count() { self.len } else { changes.len() }, self.len))
    }

    /// See [`StoredState::begin_snapshot`](super::StoredState::begin_snapshot). With `all` it holds those too that have not
    /// changed, and all are in memory.
    pub(crate) fn begin_snapshot(&mut self, all: bool) {
        if let Some(changes) = &mut self.changes {
            changes.begin_snapshot(all, self.cold.is_none().then_some(self.len));
        }
        if let Some(cold) = &mut self.cold {
            cold.begin_snapshot();
        }
    }

    /// Copies entries into the snapshot at hand, as many as `left` says, from which it takes them; whether all are copied.
    /// From one call to the next what was copied may be taken out of `into`.
    pub(crate) fn copy_some(&mut self, left: &mut usize, into: &mut Delta) -> bool {
        let Some(changes) = &mut self.changes else { return true };
        if into.is_empty() {
            // What is copied ahead from now on comes at the end: it is many small pieces, of which each call would copy a few.
            *into = changes.take_ahead();
        }
        into.append(changes.take_gone());
        while let Some((part, bucket)) = changes.next_due() {
            if *left == 0 {
                return false;
            }
            *left -= 1;
            let entry = self.tables[part].get_bucket(bucket).expect("an entry that goes is not due any more");
            changes.copy(part, bucket, entry, &mut into.written);
        }
        if let Some(cold) = &mut self.cold {
            loop {
                if *left == 0 {
                    return false;
                }
                let copied = cold
                    .copy_page(|key, value, kept| changes.copy_bytes(key, value, kept, &mut into.written));
                let Some(copied) = copied else { break };
                *left = left.saturating_sub(copied);
            }
        }
        into.append(changes.take_ahead());
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
        (0..self.tables.len()).for_each(|part| self.copy_part(part));
        let (mut ahead, mut left) = (Delta::default(), usize::MAX);
        self.copy_some(&mut left, &mut ahead);
        self.clear();
        if let Some(cold) = self.cold.take() {
            cold.close();
        }
        let gone = self.changes.map(|changes| changes.into_rest()).unwrap_or_default();
        (ahead, gone)
    }

    /// Puts an entry back that is in a snapshot. With `anew` it is to be in the next one too.
    pub(crate) fn restore(&mut self, key: K, value: V, anew: bool) {
        self.settle();
        let hash = self.hasher.hash_one(&key);
        let table = self.table_of(hash);
        if self.cold.is_some() {
            self.make_way(table);
        }
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
    use crate::checkpoint::value::{Migration, Stored, ValueReader, read_key, write_key};
    use crate::graph::Budget;
    use crate::state::{MemoryTier, State, write_value};
    use std::collections::{BTreeMap, HashMap, HashSet};
    use std::time::Duration;

    fn located<V>(table: &mut KeyedTable<u64, V>, key: u64) -> Place {
        let mut places = [Place::of_hash(table.hasher().hash_one(key))];
        table.locate(&mut places, std::iter::once(&key));
        places[0]
    }

    #[test]
    fn agrees_with_a_plain_map_across_the_split() {
        let mut table = KeyedTable::new();
        let mut map = HashMap::new();
        for i in 0u64..20_000 {
            let key = i * 7919 % 9973;
            let place = located(&mut table, key);
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
        assert_eq!(table.tables.len(), SPLIT);
        assert_eq!(table.len(), map.len());
        for part in 0..table.tables.len() {
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
            // A number by itself, or as the one field of a state.
            let number = |value: &[u8]| {
                let state = State::<u64>::read(&mut ValueReader::new(value, &Migration::default()));
                state.map(|State(number)| number).or_else(|_| read_key(value)).unwrap()
            };
            let entry = |(key, value): (&Vec<u8>, &Vec<u8>)| (read_key(key).unwrap(), number(value));
            self.0.iter().map(entry).collect()
        }
    }

    #[test]
    fn a_snapshot_holds_what_the_table_held_at_its_barrier_whatever_happens_while_it_is_copied() {
        // Keys grow in number, so that the table grows and splits while snapshots are copied.
        snapshots_hold_what_a_table_held(|step| 1 + step / 3, 100);
    }

    #[test]
    fn a_snapshot_holds_what_the_table_held_where_it_is_not_noted_what_changes() {
        // First each key has many changes in an epoch, but for some in which only two have any; then there are many keys.
        let keys = |step| match step {
            0..30_000 if step % 4_000 < 1_200 => 2,
            0..30_000 => 40,
            _ => 8_000,
        };
        let assumed = snapshots_hold_what_a_table_held(keys, 300);
        assert!(assumed > 10, "all were assumed to have changed in {assumed} epochs");
    }

    /// The number of epochs in which all entries were assumed to have changed.
    fn snapshots_hold_what_a_table_held(keys: fn(u64) -> u64, epoch: u64) -> usize {
        let mut assumed = 0;
        let mut random = 1u64;
        let mut random = |below: u64| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (random >> 33) % below
        };
        let (mut table, mut copy) = (KeyedTable::new(), Copy::default());
        table.track(0, write_key);
        let (mut at_barrier, mut delta, mut parts) = (BTreeMap::new(), None, Vec::new());
        let mut is_whole = false;
        // Keys grow in number, so that the table grows and splits while snapshots are copied.
        for step in 0..40_000u64 {
            let key = random(keys(step));
            let place = located(&mut table, key);
            match random(16) {
                0 | 1 => _ = table.remove(&key),
                2 => _ = table.get_mut(&key).map(|value| *value += 1),
                3 => _ = table.get(&key),
                _ => *table.upsert(place, key, || 0u64) += step,
            }
            if random(512) == 0 {
                let part = random(table.tables.len() as u64) as usize;
                table.part_mut(part).for_each(|(_, value)| *value += 1);
            }
            if random(64) == 0 {
                table.settle();
            }
            if random(epoch) != 0 {
                continue;
            }
            match &mut delta {
                None => {
                    assumed += usize::from(table.changes.as_ref().is_some_and(|changes| changes.all_count()));
                    at_barrier.clear();
                    table.each(|&key, &value| _ = at_barrier.insert(key, value));
                    is_whole = random(4) == 0;
                    table.begin_snapshot(is_whole);
                    delta = Some(Delta::default());
                }
                Some(into) => {
                    let mut left = 1 + random(1 + step / 20) as usize;
                    if table.copy_some(&mut left, into) {
                        if is_whole {
                            copy = Copy::default();
                        }
                        parts.extend(delta.take());
                        parts.drain(..).for_each(|part| copy.apply(&part));
                        assert_eq!(copy.entries(), at_barrier);
                    } else if random(2) == 0 {
                        parts.push(std::mem::take(into));
                    }
                }
            }
        }
        assert_eq!(table.tables.len(), SPLIT);
        assumed
    }

    #[test]
    fn a_snapshot_says_only_what_has_changed() {
        let mut table = KeyedTable::new();
        table.track(0, write_key);
        let snapshot = |table: &mut KeyedTable<u64, u64>| {
            table.begin_snapshot(false);
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
        (0..table.tables.len()).for_each(|part| drop(table.take_part(part)));
        table.clear();
        assert_eq!(snapshot(&mut table), (0, 0, 1));
    }

    /// A tiered table against plain maps: of what it holds, and of what its snapshots say.
    fn agrees_whatever_leaves_memory(budget: Budget, seed: u64) {
        let store = MemoryTier::new();
        let tier = || {
            let fail = Arc::new(|error| panic!("{error}"));
            Arc::new(Tier::new(&store, "0", budget, Duration::ZERO, fail).unwrap())
        };
        let mut random = seed;
        let mut random = |below: u64| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (random >> 33) % below
        };
        let new_table = || {
            let mut table = KeyedTable::<u64, State<u64>>::new();
            table.track(0, write_value);
            table.spill(tier(), Codec::new());
            table
        };
        let (mut table, mut map, mut copy) = (new_table(), BTreeMap::new(), Copy::default());
        let (mut at_barrier, mut delta, mut parts) = (BTreeMap::new(), None, Vec::new());
        let mut is_whole = false;
        for step in 0..20_000u64 {
            let key = random(1 + (step % 7_000) / 3);
            let place = located(&mut table, key);
            match random(16) {
                0 | 1 => assert_eq!(table.remove(&key).map(|State(value)| value), map.remove(&key)),
                2 => assert_eq!(table.get(&key).map(|State(value)| *value), map.get(&key).copied()),
                3 => {
                    table.get_mut(&key).into_iter().for_each(|State(value)| *value += 1);
                    map.get_mut(&key).into_iter().for_each(|value| *value += 1);
                }
                _ => {
                    table.upsert(place, key, || State(0)).0 += step;
                    *map.entry(key).or_insert(0) += step;
                }
            }
            assert_eq!(table.len(), map.len());
            if let Budget::Keys(keys) = budget {
                assert!(table.len as u64 <= keys, "{} keys in memory", table.len);
            }
            match random(2_000) {
                0 => {
                    table.change_each(|_, State(value)| *value += 1);
                    map.values_mut().for_each(|value| *value += 1);
                }
                1 => {
                    let mut seen = BTreeMap::new();
                    table.each(|&key, State(value)| assert!(seen.insert(key, *value).is_none()));
                    assert_eq!(seen, map);
                }
                2 if step > 10_000 => {
                    let (mut taken, mut seen) = (Taken::default(), BTreeMap::new());
                    while let Some(entries) = table.take_next(&mut taken) {
                        entries.for_each(|(key, State(value))| assert!(seen.insert(key, value).is_none()));
                    }
                    table.clear();
                    assert_eq!(seen, std::mem::take(&mut map));
                    assert!(store.is_empty());
                }
                _ => {}
            }
            if random(64) == 0 {
                table.settle();
            }
            if random(100) != 0 {
                continue;
            }
            match &mut delta {
                None => {
                    at_barrier = map.clone();
                    is_whole = random(2) == 0 && table.changed().is_some();
                    table.begin_snapshot(is_whole);
                    delta = Some(Delta::default());
                }
                Some(into) => {
                    let mut left = 1 + random(1 + step / 20) as usize;
                    if table.copy_some(&mut left, into) {
                        if is_whole {
                            copy = Copy::default();
                        }
                        parts.extend(delta.take());
                        parts.drain(..).for_each(|part| copy.apply(&part));
                        assert_eq!(copy.entries(), at_barrier);
                        if random(10) == 0 {
                            // It crashes, and begins again.
                            drop(table);
                            table = new_table();
                            copy.entries().into_iter().for_each(|(key, value)| {
                                let anew = key % 10 == 0;
                                table.restore(key, State(value), anew);
                            });
                            map = at_barrier.clone();
                        }
                    } else if random(2) == 0 {
                        parts.push(std::mem::take(into));
                    }
                }
            }
        }
    }

    #[test]
    fn a_table_holds_the_same_whatever_leaves_memory() {
        for seed in 1..=3 {
            agrees_whatever_leaves_memory(Budget::Keys(seed), seed);
            agrees_whatever_leaves_memory(Budget::Keys(seed * 100), seed);
            agrees_whatever_leaves_memory(Budget::Bytes(seed * 4_000), seed);
            agrees_whatever_leaves_memory(Budget::Bytes(1 << 30), seed);
        }
    }
}
