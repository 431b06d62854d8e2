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
        // Here, where the task runs, and large: see `take`.
        open.reserve(SLOTS);
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
        // At once as large as it can get: what grows step by step begins in a small piece of memory, and where the
        // records' own pieces were just freed, glibc sorts through all of them for each larger one.
        let open = self.open.len();
        for (shard, part) in self.open.drain(..) {
            let closed = &mut self.closed[shard];
            if closed.is_empty() {
                closed.reserve_exact(open);
            }
            closed.push(part);
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

#[cfg(test)]
mod tests {
    use super::*;

    type Item = Keyed<u64, Timestamp, u64>;

    fn item(key: u64, at: i64) -> Item {
        Keyed { key, at: Timestamp(at), record: 1 }
    }

    /// Windows of 10.
    fn cell(at: Timestamp) -> Cell {
        let start = at.align_down(10);
        Cell { start, end: start.plus_micros(10), ends: start.plus_micros(10) }
    }

    fn combiner() -> impl Combine<Item> {
        Combiner::new(3, cell, || 0, |sum: &mut u64, value: u64, _| *sum += value)
    }

    /// Unites the records: what was routed.
    fn unite(combiner: &mut impl Combine<Item>, records: Vec<Item>, watermark: i64) -> Vec<(u64, i64)> {
        let (mut records, mut routed) = (records, Vec::new());
        let mut route = |shard, item: Item| {
            assert_eq!(shard, shard_of(key_group(&item.key), 3));
            routed.push((item.key, item.at.0));
        };
        combiner.unite(&mut records, Timestamp(watermark), &mut route);
        assert!(records.is_empty());
        routed
    }

    /// Key, start, sum and records of all parts.
    fn taken(combiner: &mut impl Combine<Item>) -> Vec<(u64, i64, u64, u64)> {
        let mut taken = Vec::new();
        for shard in 0..3 {
            for part in combiner.take(shard).into_iter().flat_map(Parts::take::<Part<u64, u64>>) {
                assert_eq!(shard, shard_of(key_group(&part.key), 3));
                taken.push((part.key, part.at.0, part.state, part.records));
            }
        }
        assert_eq!((combiner.records(), combiner.parts()), (0, 0));
        taken.sort_unstable();
        taken
    }

    #[test]
    fn a_key_that_comes_again_is_united_and_the_first_of_it_is_not() {
        let mut combiner = combiner();
        let routed = unite(&mut combiner, vec![item(7, 1), item(7, 2), item(8, 3), item(7, 4)], 0);
        assert_eq!(routed, [(7, 1), (8, 3)]);
        assert_eq!((combiner.records(), combiner.parts()), (2, 1));
        assert_eq!(taken(&mut combiner), [(7, 0, 2, 2)]);
        // It is known still, and what was taken is not added to.
        assert!(unite(&mut combiner, vec![item(7, 5)], 0).is_empty());
        assert_eq!(taken(&mut combiner), [(7, 0, 1, 1)]);
    }

    #[test]
    fn records_of_two_windows_are_two_states() {
        let mut combiner = combiner();
        let records = vec![item(7, 1), item(7, 11), item(7, 2), item(7, 12), item(7, 3)];
        assert_eq!(unite(&mut combiner, records, 0), [(7, 1), (7, 11)]);
        assert_eq!(taken(&mut combiner), [(7, 0, 2, 2), (7, 10, 1, 1)]);
    }

    #[test]
    fn no_record_of_a_window_that_has_ended_is_united() {
        let mut combiner = combiner();
        unite(&mut combiner, vec![item(7, 1), item(7, 2)], 9);
        assert_eq!(unite(&mut combiner, vec![item(7, 3), item(7, 4)], 10), [(7, 3), (7, 4)]);
        assert_eq!(taken(&mut combiner), [(7, 0, 1, 1)]);
    }

    #[test]
    fn no_record_is_lost_whatever_the_keys() {
        let mut combiner = combiner();
        let mut all = 0;
        for round in 0..50u64 {
            let records: Vec<_> = (0..500u64)
                .map(|i| item((i * i + round * 31) % 1009 / (1 + i % 7 * 50), (i % 13) as i64))
                .collect();
            all += unite(&mut combiner, records, 0).len() as u64 + combiner.records() as u64;
            let parts = taken(&mut combiner);
            assert!(parts.iter().all(|(_, _, sum, records)| sum == records));
        }
        assert_eq!(all, 50 * 500);
    }
}
