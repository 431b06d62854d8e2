//! What has changed in a table since the last barrier, and what of the time before it is still to be copied.

use super::assumed::Assumed;
use super::marks::Marks;
use super::table::Place;
use crate::checkpoint::value::{Unreadable, write_key};
use crate::checkpoint::{Delta, TableId, delta::Records};
use crate::hash::key_group;
use crate::record::Key;
use hashbrown::hash_table::HashTable;

/// Places of which it is noted at once that their entries change.
pub(super) const NOTED_AT_ONCE: usize = 64;

/// How the values of a table are written.
pub(crate) type WriteValue<V> = fn(&V, &mut Vec<u8>);

/// The changes of a table that is [tracked](super::KeyedTable::track).
pub(super) struct Changes<V> {
    table: TableId,
    write: WriteValue<V>,
    /// For each small table.
    pub(super) marks: Vec<Marks>,
    /// Of the snapshot at hand: keys that went, and entries that were copied because they were about to change.
    ahead: Delta,
    /// What went since the last barrier.
    gone: Delta,
    /// The small table and the bucket where copying goes on: what is before them is copied.
    next: (usize, usize),
    /// So many small tables, the first ones, are known to hold nothing that has not changed since the last barrier.
    all_changed: usize,
    /// The changes since the last barrier, of which one entry may have many.
    noted: usize,
    assumed: Assumed,
    /// Whether entries may be still to be copied.
    has_due: bool,
    /// Whether a snapshot has something of this table.
    is_stored: bool,
    /// How many barriers there were.
    epoch: u32,
}

/// What is kept with an entry that has left memory, of what snapshots know about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kept {
    /// Whether a snapshot has it, in whatever state.
    stored: bool,
    /// The epoch in which it has changed, and its group, if no snapshot had its last change when it left.
    changed: Option<(u32, u8)>,
    /// Whether changes of the epoch before this are still to be copied, of those entries that it is among.
    is_due: bool,
}

/// What is still to be done for an entry that is not in memory.
#[derive(PartialEq, Eq)]
enum To {
    /// It has changed since the last barrier.
    Keep,
    /// It has changed before that, and is to be copied for the snapshot at hand.
    Copy,
    Nothing,
}

impl Kept {
    /// In a flow without snapshots.
    pub(super) const UNKNOWN: Kept = Kept { stored: false, changed: None, is_due: false };

    pub(super) fn has_changed(self) -> bool {
        self.changed.is_some()
    }

    pub(super) fn write(self, to: &mut Vec<u8>) {
        to.push(u8::from(self.stored) | u8::from(self.changed.is_some()) << 1);
        if let Some((epoch, group)) = self.changed {
            to.extend(epoch.to_le_bytes());
            to.push(group);
        }
    }

    /// What was written, and what comes after it.
    pub(super) fn read(from: &[u8], is_due: bool) -> Result<(Kept, &[u8]), Unreadable> {
        let short = || Unreadable("it ends too soon".to_owned());
        let (&flags, rest) = from.split_first().ok_or_else(short)?;
        let stored = flags & 1 == 1;
        if flags & 2 == 0 {
            return Ok((Kept { stored, changed: None, is_due }, rest));
        }
        let (&epoch, rest) = rest.split_first_chunk::<4>().ok_or_else(short)?;
        let (&group, rest) = rest.split_first().ok_or_else(short)?;
        Ok((Kept { stored, changed: Some((u32::from_le_bytes(epoch), group)), is_due }, rest))
    }
}

impl<V> Changes<V> {
    pub(super) fn new(table: TableId, write: WriteValue<V>) -> Self {
        Changes {
            table,
            write,
            marks: Vec::new(),
            ahead: Delta::default(),
            gone: Delta::default(),
            next: (0, 0),
            all_changed: 0,
            noted: 0,
            assumed: Assumed::default(),
            has_due: false,
            is_stored: false,
            epoch: 0,
        }
    }

    /// The entries that were found at these places are about to change. There are no more places than are noted at once.
    ///
    /// Most of them have changed already, and which is hard to foretell: those that have not are gathered without a branch,
    /// which would have to wait for memory before it is known to be the wrong one.
    #[inline(never)]
    pub(super) fn located<K: Key>(&mut self, tables: &[HashTable<(K, V)>], places: &[Place]) {
        self.noted += places.len();
        if self.assumed.is_now() {
            if self.has_due {
                self.copy_located(tables, places);
            }
            return;
        }
        if self.all_changed == tables.len() {
            return;
        }
        let at = |place: u8| places[usize::from(place)].located(tables.len());
        let mut some = [0; NOTED_AT_ONCE];
        let mut len = 0;
        for place in 0..places.len() as u8 {
            let (table, bucket) = at(place);
            some[len] = place;
            len += usize::from(!self.marks[table].are_all_changed(bucket));
        }
        let mut left = 0;
        for looked_at in 0..len {
            let place = some[looked_at];
            let (table, bucket) = at(place);
            some[left] = place;
            left += usize::from(!self.marks[table].has_changed(bucket));
        }
        for &place in &some[..left] {
            let (table, bucket) = at(place);
            if self.marks[table].change(bucket)
                && let Some(entry) = tables[table].get_bucket(bucket)
            {
                self.copy_ahead(table, bucket, entry);
            }
        }
    }

    /// Copies those of the entries at these places that are to be copied.
    fn copy_located<K: Key>(&mut self, tables: &[HashTable<(K, V)>], places: &[Place]) {
        let mut due = [(0, 0); NOTED_AT_ONCE];
        let mut len = 0;
        for (table, bucket) in places.iter().map(|place| place.located(tables.len())) {
            due[len] = (table, bucket);
            len += usize::from(self.marks[table].is_due(bucket));
        }
        for &(table, bucket) in &due[..len] {
            // A key may be there twice.
            if let Some(entry) = tables[table].get_bucket(bucket).filter(|_| self.marks[table].is_due(bucket))
            {
                self.copy_ahead(table, bucket, entry);
            }
        }
    }

    /// Whether all entries have changed, since it was not noted which.
    pub(super) fn all_count(&self) -> bool {
        self.assumed.is_now() && self.noted > 0
    }

    /// An entry is about to change.
    #[inline(always)]
    pub(super) fn change<K: Key>(&mut self, part: usize, bucket: usize, entry: &(K, V)) {
        self.noted += 1;
        let marks = &mut self.marks[part];
        let is_due = if self.assumed.is_now() { marks.is_due(bucket) } else { marks.change(bucket) };
        if is_due {
            self.copy_ahead(part, bucket, entry);
        }
    }

    /// An entry is about to go.
    pub(super) fn remove<K: Key>(&mut self, part: usize, bucket: usize, entry: &(K, V)) {
        if self.marks[part].is_due(bucket) {
            self.copy_ahead(part, bucket, entry);
        }
        if self.marks[part].remove(bucket) {
            let removed = &mut self.gone.removed;
            removed.push(group(&entry.0), self.table, |to| write_key(&entry.0, to), |_| ());
        }
    }

    #[cold]
    #[inline(never)]
    pub(super) fn copy_ahead<K: Key>(&mut self, part: usize, bucket: usize, entry: &(K, V)) {
        let mut written = std::mem::take(&mut self.ahead.written);
        self.copy(part, bucket, entry, &mut written);
        self.ahead.written = written;
    }

    pub(super) fn copy<K: Key>(&mut self, part: usize, bucket: usize, entry: &(K, V), into: &mut Records) {
        self.marks[part].copied(bucket);
        self.is_stored = true;
        let ((key, value), write) = (entry, self.write);
        into.push(group(key), self.table, |to| write_key(key, to), |to| write(value, to));
    }

    /// An entry leaves memory: what the snapshot at hand needs of it is copied.
    pub(super) fn evict<K: Key>(&mut self, part: usize, bucket: usize, entry: &(K, V)) -> Kept {
        if self.marks[part].is_due(bucket) {
            self.copy_ahead(part, bucket, entry);
        }
        let (changed, stored) = self.marks[part].evict(bucket);
        let changed = changed || self.all_count();
        let changed = changed.then(|| (self.epoch, group(&entry.0)));
        Kept { stored, changed, is_due: false }
    }

    fn to_do(&self, kept: Kept) -> To {
        match kept.changed {
            Some((epoch, _)) if epoch == self.epoch => To::Keep,
            Some((epoch, _)) if kept.is_due && epoch.wrapping_add(1) == self.epoch => To::Copy,
            _ => To::Nothing,
        }
    }

    /// Whether a snapshot has it: what has changed before and is not to be copied has been copied.
    fn is_stored(&self, kept: Kept) -> bool {
        kept.stored || (kept.changed.is_some() && self.to_do(kept) != To::Keep)
    }

    /// An entry is back in memory.
    pub(super) fn fetched<K: Key>(&mut self, part: usize, bucket: usize, entry: &(K, V), kept: Kept) {
        match self.to_do(kept) {
            To::Keep => _ = self.marks[part].change(bucket),
            To::Copy => self.copy_ahead(part, bucket, entry),
            To::Nothing => {}
        }
        self.all_changed = 0;
        if self.is_stored(kept) {
            self.marks[part].restored(bucket);
        }
    }

    /// An entry that is not in memory is about to change, or to go: what the snapshot at hand needs of it is copied.
    pub(super) fn copy_cold<K: Key>(&mut self, (key, value): &(K, V), kept: Kept) {
        if self.to_do(kept) == To::Copy {
            self.is_stored = true;
            let write = self.write;
            let written = &mut self.ahead.written;
            written.push(group(key), self.table, |to| write_key(key, to), |to| write(value, to));
        }
    }

    /// The same, where they are bytes and the snapshot is at hand.
    pub(super) fn copy_bytes(&mut self, key: &[u8], value: &[u8], kept: Kept, into: &mut Records) {
        if let (To::Copy, Some((_, group))) = (self.to_do(kept), kept.changed) {
            self.is_stored = true;
            into.push(group, self.table, |to| to.extend_from_slice(key), |to| to.extend_from_slice(value));
        }
    }

    /// An entry goes that is not in memory.
    pub(super) fn remove_cold<K: Key>(&mut self, entry: &(K, V), kept: Kept) {
        self.copy_cold(entry, kept);
        if self.is_stored(kept) {
            let key = &entry.0;
            self.gone.removed.push(group(key), self.table, |to| write_key(key, to), |_| ());
        }
    }

    /// An entry has changed that is not in memory.
    pub(super) fn change_cold<K: Key>(&mut self, key: &K, kept: Kept) -> Kept {
        Kept { stored: self.is_stored(kept), changed: Some((self.epoch, group(key))), is_due: false }
    }

    /// An entry goes back to where it was.
    pub(super) fn leave_cold(&mut self, kept: Kept) -> Kept {
        let changed = kept.changed.filter(|_| self.to_do(kept) == To::Keep);
        Kept { stored: self.is_stored(kept), changed, is_due: false }
    }

    /// An entry is back that a snapshot has.
    pub(super) fn restored(&mut self, part: usize, bucket: usize) {
        self.marks[part].restored(bucket);
        self.all_changed = 0;
        self.is_stored = true;
    }

    /// Looks, between batches, whether there is nothing that has not changed.
    pub(super) fn settle<K: Key>(&mut self, tables: &[HashTable<(K, V)>]) {
        let unknown = tables.iter().zip(&self.marks).skip(self.all_changed);
        self.all_changed += unknown.take_while(|(table, marks)| marks.changed_len() == table.len()).count();
    }

    /// How many entries have changed since the last barrier.
    pub(super) fn len(&self) -> usize {
        self.marks.iter().map(Marks::changed_len).sum()
    }

    /// A barrier. What is to be copied is what has changed, or with `all` what there is: `len` entries, or more where not all
    /// are in memory.
    pub(super) fn begin_snapshot(&mut self, all: bool, len: Option<usize>) {
        let all = all || self.all_count();
        let changed = self.len();
        match len {
            Some(len) => self.assumed.next(self.noted, changed, len),
            None => self.assumed = Assumed::default(),
        }
        (self.noted, self.has_due) = (0, true);
        self.marks.iter_mut().for_each(|marks| marks.begin_snapshot(all));
        self.all_changed = 0;
        self.epoch = self.epoch.wrapping_add(1);
        self.ahead = std::mem::take(&mut self.gone);
        self.next = (0, 0);
    }

    /// The next entry to be copied.
    pub(super) fn next_due(&mut self) -> Option<(usize, usize)> {
        while let Some(marks) = self.marks.get(self.next.0) {
            if let Some(bucket) = marks.next_due(self.next.1) {
                self.next.1 = bucket;
                return Some(self.next);
            }
            self.next = (self.next.0 + 1, 0);
        }
        self.has_due = false;
        None
    }

    /// Entries of a small table have moved.
    pub(super) fn look_again(&mut self, part: usize) {
        self.next = self.next.min((part, 0));
    }

    /// What is copied already.
    pub(super) fn take_ahead(&mut self) -> Delta {
        std::mem::take(&mut self.ahead)
    }

    /// What went before the barrier: it comes before anything that is written, of which there may be parts.
    pub(super) fn take_gone(&mut self) -> Delta {
        let ahead = &mut self.ahead;
        let (dropped, removed) = (std::mem::take(&mut ahead.dropped), std::mem::take(&mut ahead.removed));
        Delta { dropped, removed, written: Records::default() }
    }

    /// Nothing is left of the table.
    pub(super) fn clear(&mut self) {
        self.gone.removed = Records::default();
        if std::mem::take(&mut self.is_stored) {
            self.gone.dropped.push(self.table);
        }
    }

    /// What went since the last barrier.
    pub(super) fn into_rest(self) -> Delta {
        self.gone
    }
}

/// There are 256.
fn group<K: Key>(key: &K) -> u8 {
    key_group(key) as u8
}
