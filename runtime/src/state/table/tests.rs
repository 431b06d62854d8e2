//! The table against plain maps, whatever leaves memory and however far a snapshot has come.

use super::*;
use crate::checkpoint::Delta;
use crate::checkpoint::value::{Migration, Stored, ValueReader, read_key, write_key};
use crate::graph::Budget;
use crate::state::{Codec, MemoryTier, State, Tier, write_value};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

fn located<V>(table: &mut KeyedTable<u64, V>, key: u64) -> Place {
    let mut places = [Place::of_hash(table.hasher().hash_one(key))];
    table.locate(&mut places, std::iter::once(&key));
    places[0]
}

#[test]
fn agrees_with_a_plain_map_across_the_split() {
    let mut table = KeyedTable::new();
    let mut map = HashMap::new();
    for i in 0u64..20_000 {
        let key = i * 7919 % 9973;
        let place = located(&mut table, key);
        if i % 3 == 0 {
            // What moves between looking up and using must not matter.
            assert_eq!(table.remove(&key), map.remove(&key));
        }
        *table.upsert(place, key, || 0u64) += i;
        *map.entry(key).or_insert(0u64) += i;
        if i % 100 == 0 {
            table.settle();
        }
        if i % 13 == 0 {
            assert_eq!(table.remove(&(i % 9973)), map.remove(&(i % 9973)));
        }
    }
    assert_eq!(table.tables.len(), SPLIT);
    assert_eq!(table.len(), map.len());
    for part in 0..table.tables.len() {
        for (key, value) in table.take_part(part) {
            assert_eq!(map.remove(&key), Some(value));
        }
    }
    assert!(map.is_empty());
}

/// What the snapshots of a table say it holds.
#[derive(Default)]
struct Copy(HashMap<Vec<u8>, Vec<u8>>);

impl Copy {
    fn apply(&mut self, delta: &Delta) {
        if !delta.dropped.is_empty() {
            self.0.clear();
        }
        delta.removed.iter().for_each(|record| _ = self.0.remove(record.key));
        let mut seen = HashSet::new();
        for record in delta.written.iter() {
            assert!(seen.insert(record.key.to_vec()), "a snapshot has each entry once");
            self.0.insert(record.key.to_vec(), record.value.to_vec());
        }
    }

    fn entries(&self) -> BTreeMap<u64, u64> {
        // A number by itself, or as the one field of a state.
        let number = |value: &[u8]| {
            let state = State::<u64>::read(&mut ValueReader::new(value, &Migration::default()));
            state.map(|State(number)| number).or_else(|_| read_key(value)).unwrap()
        };
        let entry = |(key, value): (&Vec<u8>, &Vec<u8>)| (read_key(key).unwrap(), number(value));
        self.0.iter().map(entry).collect()
    }
}

#[test]
fn a_snapshot_holds_what_the_table_held_at_its_barrier_whatever_happens_while_it_is_copied() {
    // Keys grow in number, so that the table grows and splits while snapshots are copied.
    snapshots_hold_what_a_table_held(|step| 1 + step / 3, 100);
}

#[test]
fn a_snapshot_holds_what_the_table_held_where_it_is_not_noted_what_changes() {
    // First each key has many changes in an epoch, but for some in which only two have any; then there are many keys.
    let keys = |step| match step {
        0..30_000 if step % 4_000 < 1_200 => 2,
        0..30_000 => 40,
        _ => 8_000,
    };
    let assumed = snapshots_hold_what_a_table_held(keys, 300);
    assert!(assumed > 10, "all were assumed to have changed in {assumed} epochs");
}

/// The number of epochs in which all entries were assumed to have changed.
fn snapshots_hold_what_a_table_held(keys: fn(u64) -> u64, epoch: u64) -> usize {
    let mut assumed = 0;
    let mut random = 1u64;
    let mut random = |below: u64| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % below
    };
    let (mut table, mut copy) = (KeyedTable::new(), Copy::default());
    table.track(0, write_key);
    let (mut at_barrier, mut delta, mut parts) = (BTreeMap::new(), None, Vec::new());
    let mut is_whole = false;
    // Keys grow in number, so that the table grows and splits while snapshots are copied.
    for step in 0..40_000u64 {
        let key = random(keys(step));
        let place = located(&mut table, key);
        match random(16) {
            0 | 1 => _ = table.remove(&key),
            2 => _ = table.get_mut(&key).map(|value| *value += 1),
            3 => _ = table.get(&key),
            _ => *table.upsert(place, key, || 0u64) += step,
        }
        if random(512) == 0 {
            let part = random(table.tables.len() as u64) as usize;
            table.part_mut(part).for_each(|(_, value)| *value += 1);
        }
        if random(64) == 0 {
            table.settle();
        }
        if random(epoch) != 0 {
            continue;
        }
        match &mut delta {
            None => {
                assumed += usize::from(table.changes.as_ref().is_some_and(|changes| changes.all_count()));
                at_barrier.clear();
                table.each(|&key, &value| _ = at_barrier.insert(key, value));
                is_whole = random(4) == 0;
                table.begin_snapshot(is_whole);
                delta = Some(Delta::default());
            }
            Some(into) => {
                let mut left = 1 + random(1 + step / 20) as usize;
                if table.copy_some(&mut left, into) {
                    if is_whole {
                        copy = Copy::default();
                    }
                    parts.extend(delta.take());
                    parts.drain(..).for_each(|part| copy.apply(&part));
                    assert_eq!(copy.entries(), at_barrier);
                } else if random(2) == 0 {
                    parts.push(std::mem::take(into));
                }
            }
        }
    }
    assert_eq!(table.tables.len(), SPLIT);
    assumed
}

#[test]
fn a_snapshot_says_only_what_has_changed() {
    let mut table = KeyedTable::new();
    table.track(0, write_key);
    let snapshot = |table: &mut KeyedTable<u64, u64>| {
        table.begin_snapshot(false);
        let mut delta = Delta::default();
        assert!(table.copy_some(&mut usize::MAX.clone(), &mut delta));
        (delta.written.len(), delta.removed.len(), delta.dropped.len())
    };
    (0..100).for_each(|key| table.restore(key, 0, false));
    assert_eq!(snapshot(&mut table), (0, 0, 0), "what comes from a snapshot is in one");
    table.get_mut(&7);
    table.remove(&8);
    table.upsert(Place::of_hash(table.hasher().hash_one(200u64)), 200, || 1);
    table.upsert(Place::of_hash(table.hasher().hash_one(201u64)), 201, || 1);
    table.remove(&201);
    assert_eq!(snapshot(&mut table), (2, 1, 0), "of what came and went nothing is said");
    table.remove(&200);
    (0..table.tables.len()).for_each(|part| drop(table.take_part(part)));
    table.clear();
    assert_eq!(snapshot(&mut table), (0, 0, 1));
}

/// A tiered table against plain maps: of what it holds, and of what its snapshots say.
fn agrees_whatever_leaves_memory(budget: Budget, seed: u64) {
    let store = MemoryTier::new();
    let tier = || {
        let fail = Arc::new(|error| panic!("{error}"));
        Arc::new(Tier::new(&store, "0", budget, Duration::ZERO, fail).unwrap())
    };
    let mut random = seed;
    let mut random = |below: u64| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % below
    };
    let new_table = || {
        let mut table = KeyedTable::<u64, State<u64>>::new();
        table.track(0, write_value);
        table.spill(tier(), Codec::new());
        table
    };
    let (mut table, mut map, mut copy) = (new_table(), BTreeMap::new(), Copy::default());
    let (mut at_barrier, mut delta, mut parts) = (BTreeMap::new(), None, Vec::new());
    let mut is_whole = false;
    for step in 0..20_000u64 {
        let key = random(1 + (step % 7_000) / 3);
        let place = located(&mut table, key);
        match random(16) {
            0 | 1 => assert_eq!(table.remove(&key).map(|State(value)| value), map.remove(&key)),
            2 => assert_eq!(table.get(&key).map(|State(value)| *value), map.get(&key).copied()),
            3 => {
                table.get_mut(&key).into_iter().for_each(|State(value)| *value += 1);
                map.get_mut(&key).into_iter().for_each(|value| *value += 1);
            }
            _ => {
                table.upsert(place, key, || State(0)).0 += step;
                *map.entry(key).or_insert(0) += step;
            }
        }
        assert_eq!(table.len(), map.len());
        if let Budget::Keys(keys) = budget {
            assert!(table.len as u64 <= keys, "{} keys in memory", table.len);
        }
        match random(2_000) {
            0 => {
                table.change_each(|_, State(value)| *value += 1);
                map.values_mut().for_each(|value| *value += 1);
            }
            1 => {
                let mut seen = BTreeMap::new();
                table.each(|&key, State(value)| assert!(seen.insert(key, *value).is_none()));
                assert_eq!(seen, map);
            }
            2 if step > 10_000 => {
                let (mut taken, mut seen) = (Taken::default(), BTreeMap::new());
                while let Some(entries) = table.take_next(&mut taken) {
                    entries.for_each(|(key, State(value))| assert!(seen.insert(key, value).is_none()));
                }
                table.clear();
                assert_eq!(seen, std::mem::take(&mut map));
                assert!(store.is_empty());
            }
            _ => {}
        }
        if random(64) == 0 {
            table.settle();
        }
        if random(100) != 0 {
            continue;
        }
        match &mut delta {
            None => {
                at_barrier = map.clone();
                is_whole = random(2) == 0 && table.changed().is_some();
                table.begin_snapshot(is_whole);
                delta = Some(Delta::default());
            }
            Some(into) => {
                let mut left = 1 + random(1 + step / 20) as usize;
                if table.copy_some(&mut left, into) {
                    if is_whole {
                        copy = Copy::default();
                    }
                    parts.extend(delta.take());
                    parts.drain(..).for_each(|part| copy.apply(&part));
                    assert_eq!(copy.entries(), at_barrier);
                    if random(10) == 0 {
                        // It crashes, and begins again.
                        drop(table);
                        table = new_table();
                        copy.entries().into_iter().for_each(|(key, value)| {
                            let anew = key % 10 == 0;
                            table.restore(key, State(value), anew);
                        });
                        map = at_barrier.clone();
                    }
                } else if random(2) == 0 {
                    parts.push(std::mem::take(into));
                }
            }
        }
    }
}

#[test]
fn a_table_holds_the_same_whatever_leaves_memory() {
    for seed in 1..=3 {
        agrees_whatever_leaves_memory(Budget::Keys(seed), seed);
        agrees_whatever_leaves_memory(Budget::Keys(seed * 100), seed);
        agrees_whatever_leaves_memory(Budget::Bytes(seed * 4_000), seed);
        agrees_whatever_leaves_memory(Budget::Bytes(1 << 30), seed);
    }
}
