//! What has changed in one shard of a stage between two barriers.

use super::bytes::{Bytes, put_u64};

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

/// Keys with their values, in the order in which they were added. Those of removed keys have no value.
///
/// They are written one behind the other, so that a stage that copies its state writes in one place; whoever makes a segment
/// puts them in the order of key groups, beside the stage.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Records {
    chunks: Vec<Chunk>,
    len: usize,
}

/// Records of one table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Chunk {
    table: TableId,
    /// For each record: group, length of the key, length of the value, key, value.
    bytes: Vec<u8>,
}

/// A chunk that has so many bytes is full: few of them are larger than what allocators keep at hand, and none is copied to
/// a larger place again and again.
const FULL: usize = 60 << 10;
/// The room of a chunk that is not the first.
const CHUNK: usize = FULL + (4 << 10) - 64;

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

/// A record as it lies in a chunk.
pub(super) struct Raw<'a> {
    pub(super) group: u8,
    /// Length of the key, length of the value, key, value.
    pub(super) bytes: &'a [u8],
    /// Where in these the key begins, and where it ends.
    key: (usize, usize),
}

impl<'a> Raw<'a> {
    pub(super) fn key(&self) -> &'a [u8] {
        &self.bytes[self.key.0..self.key.1]
    }
}

impl Chunk {
    fn raw(&self) -> impl Iterator<Item = Raw<'_>> {
        let mut rest = self.bytes.as_slice();
        std::iter::from_fn(move || {
            let (&group, record) = rest.split_first()?;
            let mut bytes = Bytes::new(record);
            let (key, value) = (bytes.len()?, bytes.len()?);
            let begin = bytes.at();
            let (bytes, others) = record.split_at_checked(begin + key + value)?;
            rest = others;
            Some(Raw { group, bytes, key: (begin, begin + key) })
        })
    }
}

impl Records {
    /// Adds a record whose key and value are written by these, each at the end of what it gets.
    #[inline]
    pub fn push(
        &mut self,
        group: u8,
        table: TableId,
        key: impl FnOnce(&mut Vec<u8>),
        value: impl FnOnce(&mut Vec<u8>),
    ) {
        let bytes = self.room_for(table);
        let begin = bytes.len();
        // With room for lengths below 128, which they nearly always are.
        bytes.extend_from_slice(&[group, 0, 0]);
        key(bytes);
        let key = bytes.len() - begin - 3;
        value(bytes);
        let value = bytes.len() - begin - 3 - key;
        if key < 0x80 && value < 0x80 {
            bytes[begin + 1..begin + 3].copy_from_slice(&[key as u8, value as u8]);
        } else {
            put_lengths(bytes, begin + 1, key, value);
        }
        self.len += 1;
    }

    #[inline]
    fn room_for(&mut self, table: TableId) -> &mut Vec<u8> {
        if self.chunks.last().is_none_or(|last| last.table != table || last.bytes.len() >= FULL) {
            self.begin_chunk(table);
        }
        &mut self.chunks.last_mut().expect("there is one, or was just made").bytes
    }

    #[cold]
    fn begin_chunk(&mut self, table: TableId) {
        // The first of a table grows as it must: there may be many tables, each with a few records.
        let is_first = self.chunks.last().is_none_or(|last| last.table != table);
        let bytes = if is_first { Vec::new() } else { Vec::with_capacity(CHUNK) };
        self.chunks.push(Chunk { table, bytes });
    }

    /// Adds others behind these.
    pub fn append(&mut self, mut others: Records) {
        if self.is_empty() {
            *self = others;
            return;
        }
        self.len += others.len;
        self.chunks.append(&mut others.chunks);
    }

    /// The records, in the order in which they were added.
    pub fn iter(&self) -> impl Iterator<Item = Record<'_>> {
        self.chunks().flat_map(|(table, records)| {
            records.map(move |raw| {
                let (key, value) = (raw.key(), &raw.bytes[raw.key.1..]);
                Record { group: raw.group, table, key, value }
            })
        })
    }

    /// The same, each with as many of the same table as are at hand.
    pub(super) fn chunks(&self) -> impl Iterator<Item = (TableId, impl Iterator<Item = Raw<'_>>)> {
        self.chunks.iter().map(|chunk| (chunk.table, chunk.raw()))
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
        self.chunks.iter().map(|chunk| chunk.bytes.len()).sum()
    }
}

/// Puts lengths where there is room for shorter ones.
#[cold]
fn put_lengths(bytes: &mut Vec<u8>, at: usize, key: usize, value: usize) {
    let mut lengths = Vec::new();
    put_u64(&mut lengths, key as u64);
    put_u64(&mut lengths, value as u64);
    bytes.splice(at..at + 2, lengths);
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
    fn records_come_back_in_order() {
        let mut records = Records::default();
        let all: Vec<(u8, i64, [u8; 4])> =
            (0..20_000u32).map(|n| (n as u8, i64::from(n / 9_000), n.to_le_bytes())).collect();
        for &(group, table, key) in &all {
            records.push(group, table, |to| to.extend(key), |to| to.push(group));
        }
        assert_eq!(records.len(), all.len());
        let read = records.iter().map(|record| {
            assert_eq!(record.value, [record.group]);
            (record.group, record.table, record.key.try_into().expect("four bytes"))
        });
        assert!(read.eq(all));
    }

    #[test]
    fn keys_and_values_of_any_length_come_back() {
        let lengths = [(0, 0), (1, 127), (127, 128), (128, 3), (200, 70_000), (3, 3)];
        let mut records = Records::default();
        for (key, value) in lengths {
            records.push(1, -1, |to| to.extend(vec![b'k'; key]), |to| to.extend(vec![b'v'; value]));
        }
        let read = records.iter().map(|record| {
            assert!(
                record.key.iter().all(|&byte| byte == b'k') && record.value.iter().all(|&byte| byte == b'v')
            );
            (record.key.len(), record.value.len())
        });
        assert_eq!(read.collect::<Vec<_>>(), lengths);
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
