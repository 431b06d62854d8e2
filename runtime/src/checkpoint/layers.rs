//! Segments one above the other: what they say together of a key group.

use super::delta::{Record, TableId};
use super::object::ObjectError;
use super::segment::{Block, Place, Segment};
use super::storage::Storage;
use hashbrown::DefaultHashBuilder;
use hashbrown::hash_table::{Entry, HashTable};
use std::collections::BTreeSet;
use std::hash::BuildHasher;

/// The last word of some segments on each key of a group.
#[derive(Debug)]
pub struct GroupState {
    group: u8,
    blocks: Vec<Vec<u8>>,
    written: Vec<Found>,
    removed: Vec<Found>,
    dropped: BTreeSet<TableId>,
}

#[derive(Clone, Copy, Debug)]
struct Found {
    block: usize,
    place: Place,
}

impl GroupState {
    /// Reads it. The segments are from the oldest to the newest.
    pub(super) fn read(
        storage: &dyn Storage,
        segments: &[Segment],
        group: u8,
    ) -> Result<GroupState, ObjectError> {
        let mut state = GroupState {
            group,
            blocks: Vec::with_capacity(segments.len()),
            written: Vec::new(),
            removed: Vec::new(),
            dropped: BTreeSet::new(),
        };
        let mut seen = Seen { hasher: DefaultHashBuilder::default(), found: HashTable::new() };
        for segment in segments.iter().rev() {
            if let Some(block) = segment.block(storage, group)? {
                let places = block.places().ok_or_else(|| {
                    let what = format!("its key group {group} is not made of records");
                    ObjectError::damaged(segment.name(), what)
                })?;
                state.put_under(block, &places, &mut seen);
            }
            state.dropped.extend(segment.dropped(group));
        }
        Ok(state)
    }

    /// From the newest to the oldest, so that the first word on a key is the last, and what a later segment drops is
    /// known.
    fn put_under(&mut self, block: Block, places: &[Place], seen: &mut Seen) {
        let number = self.blocks.len();
        let removed = block.removed;
        self.blocks.push(block.bytes);
        // Of a key that is in it twice, its later place holds; and one that was removed and written is there.
        for (at, &place) in places.iter().enumerate().rev() {
            let found = Found { block: number, place };
            if self.dropped.contains(&place.table) || !seen.is_new(found, &self.blocks) {
                continue;
            }
            if at < removed { self.removed.push(found) } else { self.written.push(found) }
        }
    }

    /// The group.
    #[must_use]
    pub fn group(&self) -> u8 {
        self.group
    }

    /// The entries, in no order.
    pub fn entries(&self) -> impl Iterator<Item = Record<'_>> {
        self.written.iter().map(|found| self.record(found))
    }

    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.written.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.written.is_empty()
    }

    /// The keys that are gone and are not of a dropped table.
    pub(super) fn removed(&self) -> impl Iterator<Item = Record<'_>> {
        self.removed
            .iter()
            .filter(|found| !self.dropped.contains(&found.place.table))
            .map(|found| self.record(found))
    }

    /// The tables that one of the segments drops.
    pub(super) fn dropped(&self) -> impl Iterator<Item = TableId> {
        self.dropped.iter().copied()
    }

    fn record(&self, found: &Found) -> Record<'_> {
        let Place { table, key, key_end, end } = found.place;
        let bytes = &self.blocks[found.block];
        Record { group: self.group, table, key: &bytes[key..key_end], value: &bytes[key_end..end] }
    }
}

/// The keys that a newer segment, or a later place in one, has had a word on.
struct Seen {
    hasher: DefaultHashBuilder,
    found: HashTable<Found>,
}

impl Seen {
    #[inline]
    fn is_new(&mut self, found: Found, blocks: &[Vec<u8>]) -> bool {
        fn key<'a>(found: &Found, blocks: &'a [Vec<u8>]) -> (TableId, &'a [u8]) {
            (found.place.table, &blocks[found.block][found.place.key..found.place.key_end])
        }
        let this = key(&found, blocks);
        let hash = self.hasher.hash_one(this);
        let rehash = |other: &Found| self.hasher.hash_one(key(other, blocks));
        match self.found.entry(hash, |other| key(other, blocks) == this, rehash) {
            Entry::Occupied(_) => false,
            Entry::Vacant(vacant) => {
                vacant.insert(found);
                true
            }
        }
    }
}
