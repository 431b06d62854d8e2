//! What has changed in a table since the last barrier, and what of the time before it is still to be copied.

use super::marks::Marks;
use crate::checkpoint::value::{Unreadable, write_key};
use crate::checkpoint::{Delta, TableId, delta::Records};
use crate::hash::key_group;
use crate::record::Key;

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
            is_stored: false,
            epoch: 0,
        }
    }

    /// An entry is about to change.
    #[inline(always)]
    pub(super) fn change<K: Key>(&mut self, part: usize, bucket: usize, entry: &(K, V)) {
        if self.marks[part].change(bucket) {
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
        self.is_stored = true;
    }

    pub(super) fn begin_snapshot(&mut self) {
        self.marks.iter_mut().for_each(Marks::begin_snapshot);
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
