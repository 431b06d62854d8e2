//! What has changed in a table since the last barrier, and what of the time before it is still to be copied.

use super::marks::Marks;
use crate::checkpoint::value::write_key;
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

    /// An entry is back that a snapshot has.
    pub(super) fn restored(&mut self, part: usize, bucket: usize) {
        self.marks[part].restored(bucket);
        self.is_stored = true;
    }

    pub(super) fn begin_snapshot(&mut self) {
        self.marks.iter_mut().for_each(Marks::begin_snapshot);
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
        self.gone.removed = Records::default();
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
