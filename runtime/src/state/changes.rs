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
    /// Of the entries that were copied for the next snapshot because they left memory, those that are back, by their places
    /// in `gone`.
    back: Vec<u32>,
}

/// What is kept with an entry that has left memory, of what snapshots know about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kept {
    /// Whether a snapshot has it, in whatever state.
    stored: bool,
    /// If it had changed when it left: the epoch, and its place among what was copied for the next snapshot.
    copy: Option<(u32, u32)>,
}

impl Kept {
    /// In a flow without snapshots.
    pub(super) const UNKNOWN: Kept = Kept { stored: false, copy: None };

    pub(super) fn write(self, to: &mut Vec<u8>) {
        to.push(u8::from(self.stored) | u8::from(self.copy.is_some()) << 1);
        if let Some((epoch, place)) = self.copy {
            to.extend(epoch.to_le_bytes());
            to.extend(place.to_le_bytes());
        }
    }

    /// What was written, and what comes after it.
    pub(super) fn read(from: &[u8]) -> Result<(Kept, &[u8]), Unreadable> {
        let short = || Unreadable("it ends too soon".to_owned());
        let (&flags, rest) = from.split_first().ok_or_else(short)?;
        let stored = flags & 1 == 1;
        if flags & 2 == 0 {
            return Ok((Kept { stored, copy: None }, rest));
        }
        let (&epoch, rest) = rest.split_first_chunk::<4>().ok_or_else(short)?;
        let (&place, rest) = rest.split_first_chunk::<4>().ok_or_else(short)?;
        Ok((Kept { stored, copy: Some((u32::from_le_bytes(epoch), u32::from_le_bytes(place))) }, rest))
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
            back: Vec::new(),
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

    /// An entry leaves memory: what the next snapshot needs of it is copied.
    pub(super) fn evict<K: Key>(&mut self, part: usize, bucket: usize, entry: &(K, V)) -> Kept {
        if self.marks[part].is_due(bucket) {
            self.copy_ahead(part, bucket, entry);
        }
        let (changed, stored) = self.marks[part].evict(bucket);
        Kept { stored, copy: changed.then(|| self.copy_for_next(entry)) }
    }

    /// Copies an entry that is not in memory for the next snapshot.
    fn copy_for_next<K: Key>(&mut self, (key, value): &(K, V)) -> (u32, u32) {
        let (written, write) = (&mut self.gone.written, self.write);
        let place = written.next_place(group(key));
        written.push(group(key), self.table, |to| write_key(key, to), |to| write(value, to));
        (self.epoch, place)
    }

    /// Forgets what was copied of an entry that has left memory. Whether it has changed since the last barrier, and
    /// whether a snapshot has it.
    fn take_back(&mut self, kept: Kept) -> (bool, bool) {
        match kept.copy {
            Some((epoch, place)) if epoch == self.epoch => {
                self.back.push(place);
                (true, kept.stored)
            }
            Some(_) => (false, true),
            None => (false, kept.stored),
        }
    }

    /// An entry is back in memory.
    pub(super) fn fetched(&mut self, part: usize, bucket: usize, kept: Kept) {
        let (changed, stored) = self.take_back(kept);
        if changed {
            self.marks[part].change(bucket);
        }
        if stored {
            self.marks[part].restored(bucket);
        }
    }

    /// An entry goes that is not in memory.
    pub(super) fn remove_cold<K: Key>(&mut self, key: &K, kept: Kept) {
        if self.take_back(kept).1 {
            self.gone.removed.push(group(key), self.table, |to| write_key(key, to), |_| ());
        }
    }

    /// An entry has changed that is not in memory.
    pub(super) fn change_cold<K: Key>(&mut self, entry: &(K, V), kept: Kept) -> Kept {
        let (_, stored) = self.take_back(kept);
        Kept { stored, copy: Some(self.copy_for_next(entry)) }
    }

    /// An entry is back that a snapshot has.
    pub(super) fn restored(&mut self, part: usize, bucket: usize) {
        self.marks[part].restored(bucket);
        self.is_stored = true;
    }

    pub(super) fn begin_snapshot(&mut self) {
        self.marks.iter_mut().for_each(Marks::begin_snapshot);
        self.gone.written.leave_out(&mut self.back);
        self.is_stored |= !self.gone.written.is_empty();
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

    /// Nothing is left of the table.
    pub(super) fn clear(&mut self) {
        (self.gone.removed, self.gone.written) = (Records::default(), Records::default());
        self.back.clear();
        if std::mem::take(&mut self.is_stored) {
            self.gone.dropped.push(self.table);
        }
    }

    /// What is copied already, and what went since the last barrier.
    pub(super) fn into_rest(self) -> (Delta, Delta) {
        (self.ahead, self.gone)
    }
}

/// There are 256.
fn group<K: Key>(key: &K) -> u8 {
    key_group(key) as u8
}
