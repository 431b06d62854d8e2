//! Random deltas of several stages in random epochs, merged and collected at random, damaged at the end, and read back by
//! any number of shards: the store is a plain map.

use psdf_runtime::checkpoint::manifest::{self, Manifest, StageAt, commit};
use psdf_runtime::checkpoint::recovery::{RecoveryError, latest};
use psdf_runtime::checkpoint::segment::{SegmentOf, encode};
use psdf_runtime::checkpoint::storage::{MemoryStorage, Storage};
use psdf_runtime::checkpoint::{Delta, garbage::garbage, merge, names};
use psdf_runtime::testing::Rng;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

const NODES: [&str; 3] = ["a", "b", "b.c"];
const TABLES: u64 = 3;
const KEYS: u64 = 40;

/// Node, group, table, key.
type Model = BTreeMap<(usize, u8, i64, u64), Vec<u8>>;

/// A store that is written to, and what it holds at each epoch.
struct World {
    rng: Rng,
    storage: MemoryStorage,
    manifest: Manifest,
    model: Model,
    /// Of each epoch that is kept: what it is and what it holds.
    kept: Vec<(Manifest, Model)>,
    merges: usize,
}

/// The key groups of a shard, of 1, 2 or 4.
fn groups(shard: u16, shards: u16) -> (u8, u8) {
    let size = 256 / shards;
    let first = shard * size;
    (u8::try_from(first).expect("it is a group"), u8::try_from(first + size - 1).expect("it is a group"))
}

/// A few groups, at both ends of each shard's.
fn group_of(key: u64) -> u8 {
    [0, 63, 64, 127, 128, 191, 192, 255][(key % 8) as usize]
}

impl World {
    fn new(seed: u64) -> World {
        let stage = |node: &&str| StageAt { node: (*node).to_owned(), ..StageAt::default() };
        let manifest =
            Manifest { flow: "F".into(), stages: NODES.iter().map(stage).collect(), ..Manifest::default() };
        let (storage, model, kept) = (MemoryStorage::new(), Model::new(), Vec::new());
        World { rng: Rng::new(seed), storage, manifest, model, kept, merges: 0 }
    }

    /// What a shard says of an epoch, in one part or a few, and what that makes of the model.
    fn delta(&mut self, node: usize, (first, last): (u8, u8)) -> Delta {
        let (mut all, mut dropped, mut removed, mut written) = (Delta::default(), vec![], vec![], vec![]);
        for _ in 0..self.rng.below(4) {
            let mut part = Delta::default();
            if self.rng.one_in(5) {
                let table = self.rng.below(TABLES).cast_signed() - 1;
                part.dropped.push(table);
                dropped.push(table);
            }
            for _ in 0..self.rng.below(12) {
                let key = self.rng.below(KEYS);
                let (group, table) = (group_of(key), self.rng.below(TABLES).cast_signed() - 1);
                if group < first || group > last {
                    continue;
                }
                if self.rng.one_in(3) {
                    part.removed.push(group, table, |to| to.extend(key.to_le_bytes()), |_| ());
                    removed.push((node, group, table, key));
                } else {
                    let value = vec![self.rng.number() as u8; self.rng.place(3)];
                    part.written.push(
                        group,
                        table,
                        |to| to.extend(key.to_le_bytes()),
                        |to| to.extend(&value),
                    );
                    written.push(((node, group, table, key), value));
                }
            }
            all.append(part);
        }
        let in_shard = |group: u8| (first..=last).contains(&group);
        self.model
            .retain(|&(of, group, table, _), _| of != node || !in_shard(group) || !dropped.contains(&table));
        removed.iter().for_each(|key| _ = self.model.remove(key));
        self.model.extend(written);
        all
    }

    /// An epoch with so many shards, after which two epochs are kept.
    fn commit_epoch(&mut self, shards: u16) {
        self.manifest.epoch += 1;
        let epoch = self.manifest.epoch;
        for (node, name) in NODES.iter().enumerate() {
            for shard in 0..shards {
                let groups = groups(shard, shards);
                let delta = self.delta(node, groups);
                if delta.is_empty() {
                    continue;
                }
                let of = SegmentOf { flow: "F".into(), node: (*name).into(), epochs: (epoch, epoch), groups };
                let (bytes, segment) = encode(names::segment(epoch, name, shard.into(), 1), of, delta);
                self.storage.put(&segment.object.name, &bytes).expect("it is kept");
                self.manifest.stages[node].segments.push(segment);
            }
            if self.rng.one_in(3) {
                self.merge(node);
            }
        }
        commit(&self.storage, &self.manifest).expect("nobody else commits");
        self.kept.insert(0, (self.manifest.clone(), self.model.clone()));
        self.kept.truncate(2);
        self.collect_garbage();
    }

    /// Any that stand in a row.
    fn merge(&mut self, node: usize) {
        let segments = &mut self.manifest.stages[node].segments;
        if segments.is_empty() {
            return;
        }
        let begin = self.rng.place(segments.len());
        let range = begin..begin + 1 + self.rng.place(segments.len() - begin);
        let epochs = (segments[range.start].epochs.0, segments[range.end - 1].epochs.1);
        self.merges += 1;
        let name = names::merged(self.manifest.epoch, NODES[node], epochs, self.merges as u64);
        let merged = merge::merge(&self.storage, segments, range, name).expect("they are whole");
        assert!(merged.apply(segments));
    }

    fn collect_garbage(&self) {
        let kept: Vec<Manifest> = self.kept.iter().map(|(manifest, _)| manifest.clone()).collect();
        let listed = self.storage.list("").expect("it can be listed");
        for name in garbage(&listed, &kept, &HashSet::new()) {
            self.storage.delete(&name).expect("it can be deleted");
        }
    }

    /// Damages something that only the newest epoch consists of.
    fn damaged(&mut self) -> MemoryStorage {
        let mut objects = self.storage.objects();
        let newest = &self.kept[0].0;
        let older: HashSet<&str> =
            self.kept[1..].iter().flat_map(|(kept, _)| kept.objects()).map(|object| &*object.name).collect();
        let mut its = vec![names::manifest(newest.epoch)];
        its.extend(
            newest.objects().map(|object| object.name.clone()).filter(|name| !older.contains(&**name)),
        );
        let name = &its[self.rng.place(its.len())];
        let bytes = objects.get_mut(name).expect("what is named is there");
        let place = self.rng.place(bytes.len());
        if self.rng.one_in(2) {
            bytes.truncate(place);
        } else {
            bytes[place] ^= 1 << self.rng.below(8);
        }
        MemoryStorage::of(objects)
    }
}

/// What so many shards read, together.
fn read(storage: MemoryStorage, shards: u16) -> Result<(Manifest, Model), RecoveryError> {
    let recovered = latest(Arc::new(storage))?.expect("something is committed");
    let mut model = Model::new();
    for (node, name) in NODES.iter().enumerate() {
        for shard in 0..shards {
            let (first, last) = groups(shard, shards);
            for state in recovered.entries(name, first..=last) {
                for entry in state?.entries() {
                    let key = u64::from_le_bytes(entry.key.try_into().expect("it is a key"));
                    let before = model.insert((node, entry.group, entry.table, key), entry.value.to_vec());
                    assert_eq!(before, None, "a key is there once");
                }
            }
        }
    }
    Ok((recovered.manifest, model))
}

/// Says which seed it was, if it is dropped: when something panicked.
struct Told(u64);

impl Drop for Told {
    fn drop(&mut self) {
        eprintln!("seed {} failed", self.0);
    }
}

#[test]
fn whatever_is_stored_merged_and_collected_the_store_is_a_plain_map() {
    let times = std::env::var("PSDF_TIMES").ok().and_then(|times| times.parse().ok()).unwrap_or(1);
    let (mut merges, mut entries) = (0, 0);
    for seed in 0..150 * times {
        let told = Told(seed);
        let mut world = World::new(seed);
        for _ in 0..1 + world.rng.below(12) {
            let shards = [1, 2, 4][world.rng.place(3)];
            world.commit_epoch(shards);
            let shards = [1, 2, 4][world.rng.place(3)];
            assert_eq!(read(world.storage.clone(), shards).expect("it is whole"), world.kept[0]);
            entries += world.model.len();
            match (read(world.damaged(), shards), world.kept.get(1)) {
                (Ok(read), Some(before)) => assert_eq!(read, *before, "the epoch before is taken"),
                (Err(RecoveryError::Damaged { .. }), None) => {}
                (read, _) => panic!("{read:?}"),
            }
        }
        let epochs = manifest::list(&world.storage).expect("it can be listed");
        assert!(epochs.len() <= 2, "{epochs:?} are kept");
        let named: HashSet<&str> =
            world.kept.iter().flat_map(|(kept, _)| kept.objects()).map(|object| &*object.name).collect();
        for name in world.storage.objects().keys() {
            let newest = names::epoch(name) == Some(world.manifest.epoch);
            assert!(
                newest || named.contains(&**name) || name.starts_with("manifests/"),
                "`{name}` is left over"
            );
        }
        merges += world.merges;
        std::mem::forget(told);
    }
    assert!(merges > 300 && entries > 10_000, "{merges} merges, {entries} entries");
}
