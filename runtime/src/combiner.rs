//! The combiner: records of keys that come again and again are united before they are hashed to a shard and sent.
//!
//! A key that gets most of the records is owned by one shard, and for each of its records the sender would hash it and
//! send it on: adding shards would make such a flow slower. Here a key that repeats is known by its place in a small
//! table, and its records go into a state of its own; what is sent is that state.
//!
//! What is sent depends on who else uses a place of the table; the results do not. A record is united only while the
//! windows that it falls into have not ended by any watermark written before it, and such a state is sent in front of the
//! next batch, so before any watermark that ends them. The functions give the same however records are divided.

use crate::batch::Parts;
use crate::hash::{key_group, shard_of};
use crate::outlet::Combine;
use crate::record::{Key, Keyed};
use crate::time::Timestamp;
use hashbrown::DefaultHashBuilder;
use std::hash::BuildHasher;

/// A power of two. Keys that get less than a few thousandths of the records are not worth a place.
const SLOTS: usize = 256;
/// How many records of other keys a place waits for its own, at most.
const CREDIT: u32 = 64;
const NO_PART: u32 = u32::MAX;

/// A stretch of time whose records all fall into the same windows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cell {
    pub(crate) start: Timestamp,
    /// Before this.
    pub(crate) end: Timestamp,
    /// When the first of the windows ends; [`Timestamp::MIN`] if there is none.
    pub(crate) ends: Timestamp,
}

impl Cell {
    /// Where nothing is united.
    pub(crate) const NONE: Cell = Cell { start: Timestamp::MIN, end: Timestamp::MIN, ends: Timestamp::MIN };

    fn salt(&self) -> u64 {
        (self.start.0 as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15)
    }

    fn holds(&self, at: Timestamp) -> bool {
        self.start <= at && at < self.end
    }
}

/// What some records of a key have come to.
pub(crate) struct Part<K, S> {
    pub(crate) key: K,
    /// The start of the cell that they fall into.
    pub(crate) at: Timestamp,
    pub(crate) state: S,
    pub(crate) records: u64,
}

/// Who uses a place of the table.
#[derive(Clone, Copy)]
struct Slot {
    tag: u32,
    credit: u32,
    part: u32,
}

/// Unites what goes to the shards of one stage.
pub(crate) struct Combiner<K, S, CellOf, Init, Add> {
    shards: usize,
    hasher: DefaultHashBuilder,
    slots: Box<[Slot; SLOTS]>,
    cell: Cell,
    /// Those that more can be added to, and the shard of each.
    open: Vec<(usize, Part<K, S>)>,
    /// Those that wait to be sent, for each shard.
    closed: Vec<Vec<Part<K, S>>>,
    records: usize,
    cell_of: CellOf,
    init: Init,
    add: Add,
}

impl<K: Key, S, CellOf, Init, Add> Combiner<K, S, CellOf, Init, Add> {
    /// `cell_of` says which records fall into the same windows; `init` and `add` are those of the stage.
    pub(crate) fn new(shards: usize, cell_of: CellOf, init: Init, add: Add) -> Self {
        Combiner {
            shards,
            hasher: DefaultHashBuilder::default(),
            slots: Box::new([Slot { tag: 0, credit: 0, part: NO_PART }; SLOTS]),
            cell: Cell::NONE,
            open: Vec::new(),
            closed: (0..shards).map(|_| Vec::new()).collect(),
            records: 0,
            cell_of,
            init,
            add,
        }
    }
}

impl<K, P, S, CellOf, Init, Add> Combine<Keyed<K, Timestamp, P>> for Combiner<K, S, CellOf, Init, Add>
where
    K: Key,
    S: Send + 'static,
    CellOf: Fn(Timestamp) -> Cell + Send,
    Init: Fn() -> S + Send,
    Add: Fn(&mut S, P, Timestamp) + Send,
{
    fn unite(
        &mut self,
        records: &mut Vec<Keyed<K, Timestamp, P>>,
        watermark: Timestamp,
        route: &mut dyn FnMut(usize, Keyed<K, Timestamp, P>),
    ) -> usize {
        let (slots, open, shards) = (&mut *self.slots, &mut self.open, self.shards);
        let (mut cell, mut united) = (self.cell, 0);
        for keyed in records.drain(..) {
            if !cell.holds(keyed.at) {
                cell = (self.cell_of)(keyed.at);
            }
            if cell.ends > watermark {
                let hash = self.hasher.hash_one(&keyed.key) ^ cell.salt();
                let (slot, tag) = (&mut slots[hash as usize % SLOTS], (hash >> 32) as u32);
                if slot.tag == tag {
                    united += 1;
                    slot.credit = CREDIT.min(slot.credit + 1);
                    let Keyed { key, at, record } = keyed;
                    match open.get_mut(slot.part as usize) {
                        Some((_, part)) if part.key == key && part.at == cell.start => {
                            part.records += 1;
                            (self.add)(&mut part.state, record, at);
                        }
                        _ => {
                            slot.part = open.len() as u32;
                            let mut state = (self.init)();
                            (self.add)(&mut state, record, at);
                            let shard = shard_of(key_group(&key), shards);
                            open.push((shard, Part { key, at: cell.start, state, records: 1 }));
                        }
                    }
                    continue;
                }
                match slot.credit {
                    0 => *slot = Slot { tag, credit: 1, part: NO_PART },
                    _ => slot.credit -= 1,
                }
            }
            route(shard_of(key_group(&keyed.key), shards), keyed);
        }
        self.cell = cell;
        self.records += united;
        united
    }

    fn records(&self) -> usize {
        self.records
    }

    fn parts(&self) -> usize {
        self.open.len() + self.closed.iter().map(Vec::len).sum::<usize>()
    }

    fn take(&mut self, shard: usize) -> Option<Parts> {
        for (shard, part) in self.open.drain(..) {
            self.closed[shard].push(part);
        }
        if self.closed[shard].is_empty() {
            return None;
        }
        let parts = std::mem::take(&mut self.closed[shard]);
        let records = parts.iter().map(|part| part.records as usize).sum();
        self.records -= records;
        Some(Parts::new(parts, records))
    }
}
