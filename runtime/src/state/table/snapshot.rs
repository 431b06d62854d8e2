//! What a snapshot needs of a table: what has changed is noted, copied a few at a time, and put back.

use super::KeyedTable;
use crate::checkpoint::{Delta, TableId};
use crate::record::Key;
use crate::state::changes::{Changes, WriteValue};
use crate::state::marks::Marks;
use std::hash::BuildHasher;

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
    pub(super) fn copy_part(&mut self, part: usize) {
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
