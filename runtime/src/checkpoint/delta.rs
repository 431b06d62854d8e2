//! What has changed in one shard of a stage between two barriers.

use super::bytes::{Bytes, put_i64, put_u64};
use crate::hash::KEY_GROUPS;

/// A table among those of a stage: 0 where it has one, and of windows the start of each, in microseconds.
pub type TableId = i64;

/// The changes of one shard of a stage in an epoch, as bytes.
///
/// They apply in this order: tables dropped, keys removed, entries written. So a key that was removed and came again is
/// there, and one that came and went is not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delta {
    /// Tables of which nothing is left.
    pub dropped: Vec<TableId>,
    /// Keys that are not there any more.
    pub removed: Records,
    /// Entries, new or changed.
    pub written: Records,
}

/// Keys with their values, by key group; those of a group in the order in which they were added. Those of removed keys have
/// no value.
///
/// They are written as a segment's blocks are, so that a segment is made by putting the groups one after the other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Records {
    /// None, or one for each key group.
    groups: Vec<Group>,
    len: usize,
    /// Room to write a key and a value in, before their lengths are known.
    scratch: Vec<u8>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Group {
    pub(super) len: usize,
    /// For each record: table, length of the key, length of the value, key, value.
    pub(super) bytes: Vec<u8>,
}

/// A key in a table, with its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// The key's group: see [`crate::hash::key_group`].
    pub group: u8,
    /// The table.
    pub table: TableId,
    /// The key, as postcard writes it.
    pub key: &'a [u8],
    /// The value, as [`crate::checkpoint::value`] writes it; empty where the key was removed.
    pub value: &'a [u8],
}

impl Records {
    /// Adds a record whose key and value are written by these, each at the end of what it gets.
    pub fn push(
        &mut self,
        group: u8,
        table: TableId,
        key: impl FnOnce(&mut Vec<u8>),
        value: impl FnOnce(&mut Vec<u8>),
    ) {
        let scratch = &mut self.scratch;
        scratch.clear();
        key(scratch);
        let key = scratch.len();
        value(scratch);
        let value = scratch.len() - key;
        if self.groups.is_empty() {
            self.groups.resize_with(KEY_GROUPS as usize, Group::default);
        }
        let group = &mut self.groups[usize::from(group)];
        put_i64(&mut group.bytes, table);
        put_u64(&mut group.bytes, key as u64);
        put_u64(&mut group.bytes, value as u64);
        group.bytes.extend_from_slice(scratch);
        group.len += 1;
        self.len += 1;
    }

    /// Adds others behind these.
    pub fn append(&mut self, others: Records) {
        if self.is_empty() {
            *self = others;
            return;
        }
        self.len += others.len;
        for (group, other) in self.groups.iter_mut().zip(others.groups) {
            group.len += other.len;
            group.bytes.extend_from_slice(&other.bytes);
        }
    }

    /// The records, by group.
    pub fn iter(&self) -> impl Iterator<Item = Record<'_>> {
        (0..=u8::MAX).flat_map(|group| self.of_group(group))
    }

    /// The records of a group, in the order in which they were added.
    pub fn of_group(&self, group: u8) -> impl Iterator<Item = Record<'_>> {
        let mut rest = self.group(group).map_or(&[][..], |group| group.bytes.as_slice());
        std::iter::from_fn(move || {
            let mut bytes = Bytes::new(rest);
            let (table, key, value) = (bytes.i64()?, bytes.len()?, bytes.len()?);
            let (key, value) = (bytes.take(key)?, bytes.take(value)?);
            rest = &rest[bytes.at()..];
            Some(Record { group, table, key, value })
        })
    }

    pub(super) fn group(&self, group: u8) -> Option<&Group> {
        self.groups.get(usize::from(group))
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// About as many bytes as they take.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.groups.iter().map(|group| group.bytes.len()).sum()
    }
}

impl Delta {
    /// Adds another part of the same epoch's changes.
    pub fn append(&mut self, other: Delta) {
        self.dropped.extend(other.dropped);
        self.removed.append(other.removed);
        self.written.append(other.written);
    }

    /// About as many bytes as it takes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.removed.bytes() + self.written.bytes()
    }

    /// Whether nothing has changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.dropped.is_empty() && self.removed.is_empty() && self.written.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_back_by_group_and_in_order() {
        let mut records = Records::default();
        for (group, key) in [(7, b"b"), (3, b"a"), (7, b"a")] {
            records.push(group, 0, |to| to.extend(key), |to| to.push(group));
        }
        let all: Vec<_> =
            records.iter().map(|record| (record.group, record.key[0], record.value[0])).collect();
        assert_eq!(all, [(3, b'a', 3), (7, b'b', 7), (7, b'a', 7)]);
    }

    #[test]
    fn records_that_are_added_to_others_stay_what_they_are() {
        let mut all = Records::default();
        for part in [&b"ab"[..], b"", b"c"] {
            let mut records = Records::default();
            part.iter().for_each(|&key| records.push(key, 0, |to| to.push(key), |to| to.extend([key, key])));
            all.append(records);
        }
        let all: Vec<_> = all.iter().map(|record| (record.key.to_vec(), record.value.to_vec())).collect();
        assert_eq!(all, b"abc".map(|key| (vec![key], vec![key, key])));
    }
}
