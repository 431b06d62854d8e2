//! A segment: what has changed in a stage's state, by key group, so that each group can be read on its own.
//!
//! `docs/checkpoint-format.md` draws it field by field.

use super::bytes::{Bytes, put_i64, put_str, put_u64};
use super::delta::{Delta, Record, TableId};
use super::manifest::{ObjectRef, SegmentRef};
use super::object::ObjectError;
use super::storage::Storage;
use crate::hash::KEY_GROUPS;
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

/// The first bytes of every segment.
pub const MAGIC: [u8; 8] = *b"psdfsegm";
/// The version of the format that is written. All before it can be read.
pub const VERSION: u16 = 1;

/// Version, length of the footer, checksum.
const TRAILER: u64 = 2 + 4 + 8;

/// What a segment is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentOf {
    /// The flow.
    pub flow: String,
    /// The node that the stage begins with.
    pub node: String,
    /// The first and the last epoch whose changes it holds.
    pub epochs: (u64, u64),
    /// The first and the last key group that it speaks of: those that the shard owns. Tables are dropped in these.
    pub groups: (u8, u8),
}

/// A table of which nothing from before is left, in some key groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Dropped {
    pub(super) table: TableId,
    pub(super) first: u8,
    pub(super) last: u8,
}

/// Where a key group is in a segment.
#[derive(Clone, Copy, Debug)]
struct GroupAt {
    group: u8,
    removed: usize,
    written: usize,
    at: u64,
    bytes: u64,
    checksum: u64,
}

/// A delta as a segment: its bytes, to be stored under `name`, and what a manifest says of it.
///
/// An empty delta needs none.
#[must_use]
pub fn encode(name: String, of: SegmentOf, delta: Delta) -> (Vec<u8>, SegmentRef) {
    let (first, last) = of.groups;
    let dropped = delta.dropped.iter().map(|&table| Dropped { table, first, last }).collect();
    let mut bytes = Vec::new();
    let mut writer = SegmentWriter::begin(of, &mut bytes);
    let blocks = Blocks::put(&delta, &mut bytes);
    drop(delta);
    let mut begin = MAGIC.len();
    for group in 0..=u8::MAX {
        let (place, Blocks { removed, written, bytes: sizes }) = (usize::from(group), &blocks);
        let end = begin + sizes[place];
        writer.block(group, removed[place], written[place], &bytes[begin..end]);
        begin = end;
    }
    let segment = writer.finish(name, dropped, &mut bytes);
    (bytes, segment)
}

const GROUPS: usize = KEY_GROUPS as usize;

/// What a delta has of each key group.
struct Blocks {
    removed: [usize; GROUPS],
    written: [usize; GROUPS],
    bytes: [usize; GROUPS],
}

/// A record as a block has it, in three parts.
type Parts<'a> = [&'a [u8]; 3];

impl Blocks {
    /// Puts the blocks one behind the other at the end of `to`: it is added up first where each record goes.
    fn put(delta: &Delta, to: &mut Vec<u8>) -> Blocks {
        let (mut removed, mut written) = (Sizes::default(), Sizes::default());
        each_removed(delta, |group, record| removed.add(group, record));
        each_written(delta, |group, record| written.add(group, record));
        let begin = to.len();
        let (mut end, mut at) = (begin, (Vec::with_capacity(GROUPS), Vec::with_capacity(GROUPS)));
        let mut bytes = [0; GROUPS];
        for (group, of_group) in bytes.iter_mut().enumerate() {
            *of_group = removed.bytes[group] + written.bytes[group];
            at.0.push(end);
            at.1.push(end + removed.bytes[group]);
            end += *of_group;
        }
        // With room for a footer, which is not worth moving all for.
        to.reserve_exact(end - begin + 8192);
        to.resize(end, 0);
        each_removed(delta, |group, record| put_at(&mut at.0[usize::from(group)], record, to));
        each_written(delta, |group, record| put_at(&mut at.1[usize::from(group)], record, to));
        Blocks { removed: removed.count, written: written.count, bytes }
    }
}

/// How many records there are of each group, and how many bytes they take.
struct Sizes {
    count: [usize; GROUPS],
    bytes: [usize; GROUPS],
}

impl Default for Sizes {
    fn default() -> Self {
        Sizes { count: [0; GROUPS], bytes: [0; GROUPS] }
    }
}

impl Sizes {
    #[inline]
    fn add(&mut self, group: u8, record: Parts<'_>) {
        self.count[usize::from(group)] += 1;
        self.bytes[usize::from(group)] += record.iter().map(|part| part.len()).sum::<usize>();
    }
}

/// Removed keys: table, length of the key, key.
fn each_removed(delta: &Delta, mut see: impl FnMut(u8, Parts<'_>)) {
    let (mut of_table, mut length) = (Vec::new(), Vec::new());
    for (table, records) in delta.removed.chunks() {
        of_table.clear();
        put_i64(&mut of_table, table);
        for record in records {
            length.clear();
            put_u64(&mut length, record.key().len() as u64);
            see(record.group, [&of_table, &length, record.key()]);
        }
    }
}

/// Entries: table, length of the key, length of the value, key, value.
fn each_written(delta: &Delta, mut see: impl FnMut(u8, Parts<'_>)) {
    let mut of_table = Vec::new();
    for (table, records) in delta.written.chunks() {
        of_table.clear();
        put_i64(&mut of_table, table);
        records.for_each(|record| see(record.group, [&of_table, record.bytes, &[]]));
    }
}

#[inline]
fn put_at(at: &mut usize, record: Parts<'_>, to: &mut [u8]) {
    for part in record {
        to[*at..*at + part.len()].copy_from_slice(part);
        *at += part.len();
    }
}

/// Writes a segment piece by piece. What is to be stored next is put at the end of what each step gets.
pub(super) struct SegmentWriter {
    of: SegmentOf,
    index: Vec<GroupAt>,
    entries: u64,
    bytes: u64,
    hash: Xxh3,
}

impl SegmentWriter {
    pub(super) fn begin(of: SegmentOf, to: &mut Vec<u8>) -> Self {
        let mut writer = SegmentWriter { of, index: Vec::new(), entries: 0, bytes: 0, hash: Xxh3::new() };
        to.extend_from_slice(&MAGIC);
        writer.add(&MAGIC);
        writer
    }

    fn add(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        self.hash.update(bytes);
    }

    /// Groups come in ascending order, each once; of one without records nothing is kept.
    pub(super) fn group<'a>(
        &mut self,
        group: u8,
        removed: impl Iterator<Item = Record<'a>>,
        written: impl Iterator<Item = Record<'a>>,
        to: &mut Vec<u8>,
    ) {
        let begin = to.len();
        let removed = put_removed(removed, to);
        let mut count = 0;
        for record in written {
            put_i64(to, record.table);
            put_u64(to, record.key.len() as u64);
            put_u64(to, record.value.len() as u64);
            to.extend_from_slice(record.key);
            to.extend_from_slice(record.value);
            count += 1;
        }
        self.block(group, removed, count, &to[begin..]);
    }

    /// Takes note of a block.
    fn block(&mut self, group: u8, removed: usize, written: usize, block: &[u8]) {
        if block.is_empty() {
            return;
        }
        let bytes = block.len() as u64;
        self.index.push(GroupAt { group, removed, written, at: self.bytes, bytes, checksum: xxh3_64(block) });
        self.add(block);
        self.entries += written as u64;
        let (first, last) = self.of.groups;
        debug_assert!(first <= group && group <= last, "group {group} is not of the shard");
        self.of.groups = (first.min(group), last.max(group));
    }

    pub(super) fn finish(mut self, name: String, dropped: Vec<Dropped>, to: &mut Vec<u8>) -> SegmentRef {
        let begin = to.len();
        put_footer(&self.of, &dropped, &self.index, to);
        let footer = (to.len() - begin) as u32;
        to.extend_from_slice(&VERSION.to_le_bytes());
        to.extend_from_slice(&footer.to_le_bytes());
        to.extend_from_slice(&xxh3_64(&to[begin..]).to_le_bytes());
        self.add(&to[begin..]);
        SegmentRef {
            object: ObjectRef { name, bytes: self.bytes, checksum: self.hash.digest() },
            epochs: self.of.epochs,
            groups: self.of.groups,
            entries: self.entries,
        }
    }
}

/// Writes removed keys, and answers how many.
fn put_removed<'a>(removed: impl Iterator<Item = Record<'a>>, to: &mut Vec<u8>) -> usize {
    let mut count = 0;
    for record in removed {
        put_i64(to, record.table);
        put_u64(to, record.key.len() as u64);
        to.extend_from_slice(record.key);
        count += 1;
    }
    count
}

fn put_footer(of: &SegmentOf, dropped: &[Dropped], index: &[GroupAt], to: &mut Vec<u8>) {
    put_str(to, &of.flow);
    put_str(to, &of.node);
    put_u64(to, of.epochs.0);
    put_u64(to, of.epochs.1);
    to.extend_from_slice(&[of.groups.0, of.groups.1]);
    put_u64(to, dropped.len() as u64);
    for dropped in dropped {
        put_i64(to, dropped.table);
        to.extend_from_slice(&[dropped.first, dropped.last]);
    }
    put_u64(to, index.len() as u64);
    for at in index {
        to.push(at.group);
        put_u64(to, at.removed as u64);
        put_u64(to, at.written as u64);
        put_u64(to, at.bytes);
        to.extend_from_slice(&at.checksum.to_le_bytes());
    }
}

/// A segment that has been opened: its footer, from which a group's place is known.
#[derive(Debug)]
pub struct Segment {
    name: String,
    of: SegmentOf,
    dropped: Vec<Dropped>,
    index: Vec<GroupAt>,
}

/// A key group of a segment, as it is stored and with its checksum compared.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) bytes: Vec<u8>,
    pub(super) removed: usize,
    pub(super) written: usize,
}

/// Where a record is in a block.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) table: TableId,
    pub(super) key: usize,
    pub(super) key_end: usize,
    pub(super) end: usize,
}

impl Segment {
    /// Reads what a segment says of itself.
    ///
    /// # Errors
    /// If it is damaged, is not what the manifest says of it, is of a later version, or cannot be read.
    pub fn open(storage: &dyn Storage, segment: &SegmentRef) -> Result<Segment, ObjectError> {
        let name = &segment.object.name;
        let damaged = |what: &str| ObjectError::damaged(name, what);
        let blocks = MAGIC.len() as u64;
        let Some(trailer_at) = segment.object.bytes.checked_sub(TRAILER).filter(|&at| at >= blocks) else {
            return Err(damaged("it is too short to be a segment"));
        };
        let trailer = read(storage, name, trailer_at, TRAILER)?;
        let mut from = Bytes::new(&trailer);
        let parts = (|| Some((from.u16_le()?, from.u32_le()?, from.u64_le()?)))();
        let (version, footer_len, checksum) = parts.ok_or_else(|| damaged("its trailer is too short"))?;
        let footer_at = trailer_at.checked_sub(u64::from(footer_len)).filter(|&at| at >= blocks);
        let footer_at = footer_at.ok_or_else(|| damaged("its footer has no place"))?;
        let footer = read(storage, name, footer_at, u64::from(footer_len) + 6)?;
        if xxh3_64(&footer) != checksum {
            return Err(damaged("the checksum of its footer differs"));
        }
        if version != VERSION {
            return Err(ObjectError::Version { object: name.clone(), version });
        }
        let footer = &footer[..footer_len as usize];
        let (of, dropped, index) =
            footer_of(footer, footer_at).ok_or_else(|| damaged("its footer cannot be read"))?;
        let entries: u64 = index.iter().map(|at| at.written as u64).sum();
        if (of.epochs, of.groups, entries) != (segment.epochs, segment.groups, segment.entries) {
            return Err(damaged("it is another than the manifest names"));
        }
        Ok(Segment { name: name.clone(), of, dropped, index })
    }

    /// What it is of.
    #[must_use]
    pub fn of(&self) -> &SegmentOf {
        &self.of
    }

    /// Its object's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The tables that it drops in a group.
    pub(super) fn dropped(&self, group: u8) -> impl Iterator<Item = TableId> {
        self.dropped.iter().filter(move |of| of.first <= group && group <= of.last).map(|of| of.table)
    }

    /// What it says of a group's keys; `None` if nothing.
    pub(super) fn block(&self, storage: &dyn Storage, group: u8) -> Result<Option<Block>, ObjectError> {
        let Ok(place) = self.index.binary_search_by_key(&group, |at| at.group) else { return Ok(None) };
        let at = self.index[place];
        let bytes = read(storage, &self.name, at.at, at.bytes)?;
        if xxh3_64(&bytes) != at.checksum {
            let what = format!("the checksum of its key group {group} differs");
            return Err(ObjectError::damaged(&self.name, what));
        }
        Ok(Some(Block { bytes, removed: at.removed, written: at.written }))
    }
}

impl Block {
    /// The places of its records, first those of keys that were removed; `None` if it is not made of records.
    pub(super) fn places(&self) -> Option<Vec<Place>> {
        let mut from = Bytes::new(&self.bytes);
        let mut places = Vec::with_capacity(self.removed + self.written);
        for _ in 0..self.removed {
            let table = from.i64()?;
            let key_len = from.len()?;
            let key = from.at();
            from.take(key_len)?;
            places.push(Place { table, key, key_end: from.at(), end: from.at() });
        }
        for _ in 0..self.written {
            let table = from.i64()?;
            let (key_len, value_len) = (from.len()?, from.len()?);
            let key = from.at();
            from.take(key_len)?;
            let key_end = from.at();
            from.take(value_len)?;
            places.push(Place { table, key, key_end, end: from.at() });
        }
        from.is_at_end().then_some(places)
    }
}

/// Reads a part that must be there whole.
fn read(storage: &dyn Storage, name: &str, at: u64, len: u64) -> Result<Vec<u8>, ObjectError> {
    let bytes = storage.get_range(name, at, len).map_err(|error| ObjectError::reading(name, error))?;
    if bytes.len() as u64 == len { Ok(bytes) } else { Err(ObjectError::damaged(name, "it ends too early")) }
}

/// `end` is where the blocks end and the footer begins.
fn footer_of(footer: &[u8], end: u64) -> Option<(SegmentOf, Vec<Dropped>, Vec<GroupAt>)> {
    let mut from = Bytes::new(footer);
    let (flow, node) = (from.str()?.to_owned(), from.str()?.to_owned());
    let epochs = (from.u64()?, from.u64()?);
    let groups = (from.u8()?, from.u8()?);
    let of = SegmentOf { flow, node, epochs, groups };

    // A count is a length too: whatever is counted takes at least a byte.
    let count = from.len()?;
    let mut dropped = Vec::with_capacity(count);
    for _ in 0..count {
        dropped.push(Dropped { table: from.i64()?, first: from.u8()?, last: from.u8()? });
    }

    let count = from.len()?;
    let mut index: Vec<GroupAt> = Vec::with_capacity(count);
    let mut at = MAGIC.len() as u64;
    for _ in 0..count {
        let group = from.u8()?;
        if index.last().is_some_and(|before| before.group >= group) {
            return None;
        }
        let (removed, written) = (usize::try_from(from.u64()?).ok()?, usize::try_from(from.u64()?).ok()?);
        let (bytes, checksum) = (from.u64()?, from.u64_le()?);
        // A record takes at least two bytes.
        if removed.checked_add(written)?.checked_mul(2)? as u64 > bytes {
            return None;
        }
        index.push(GroupAt { group, removed, written, at, bytes, checksum });
        at = at.checked_add(bytes)?;
    }
    (at == end && from.is_at_end()).then_some((of, dropped, index))
}
