//! Epochs that are stored, merged and damaged, against a map that is obviously right.

#![allow(clippy::unwrap_used)]

use psdf_runtime::checkpoint::manifest::{Manifest, StageAt, commit};
use psdf_runtime::checkpoint::segment::{SegmentOf, encode};
use psdf_runtime::checkpoint::storage::{MemoryStorage, Storage};
use psdf_runtime::checkpoint::{Delta, merge::merge, names, recovery::latest};
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

type Model = BTreeMap<(u8, i64, u8), u8>;

/// Three epochs of two shards, with their models; the second removes, drops and writes again.
fn store(merging: Option<std::ops::Range<usize>>) -> (MemoryStorage, Vec<Model>) {
    let (storage, mut model, mut models) = (MemoryStorage::new(), Model::new(), vec![]);
    let mut manifest = Manifest {
        flow: "F".into(),
        stages: vec![StageAt { node: "n".into(), ..<_>::default() }],
        ..<_>::default()
    };
    for epoch in 1..=3u8 {
        for shard in 0..2u8 {
            let mut delta = Delta::default();
            if epoch > 1 && shard == epoch % 2 {
                delta.dropped.push(1);
                model.retain(|&(group, table, _), _| group / 128 != shard || table != 1);
            }
            for key in 0..6u8 {
                let (group, table) = (shard * 128 + key % 3, i64::from(key % 2));
                if epoch > 1 && key % 3 != epoch % 3 {
                    delta.removed.push(group, table, |to| to.push(key), |_| ());
                    model.remove(&(group, table, key));
                }
                if key % epoch == 0 {
                    delta.written.push(group, table, |to| to.push(key), |to| to.push(epoch));
                    model.insert((group, table, key), epoch);
                }
            }
            let of = SegmentOf {
                flow: "F".into(),
                node: "n".into(),
                epochs: (epoch.into(), epoch.into()),
                groups: (shard * 128, shard * 128 + 127),
            };
            let (bytes, segment) = encode(names::segment(epoch.into(), "n", shard.into(), 1), of, delta);
            storage.put(&segment.object.name, &bytes).unwrap();
            manifest.stages[0].segments.push(segment);
        }
        if let Some(range) = merging.clone().filter(|_| epoch == 3) {
            let merged =
                merge(&storage, &manifest.stages[0].segments, range, names::merged(3, "n", (1, 3), 1))
                    .unwrap();
            assert!(merged.apply(&mut manifest.stages[0].segments));
        }
        manifest.epoch = epoch.into();
        commit(&storage, &manifest).unwrap();
        models.push(model.clone());
    }
    (storage, models)
}

/// The epoch and its entries, or that it is an error.
fn recover(storage: MemoryStorage) -> Result<(u64, Model), String> {
    let recovered =
        latest(Arc::new(storage)).map_err(|error| error.to_string())?.expect("never taken for empty");
    let mut model = Model::new();
    for groups in [0..=99, 100..=255] {
        for state in recovered.entries("n", groups) {
            for record in state.map_err(|error| error.to_string())?.entries() {
                assert!(model.insert((record.group, record.table, record.key[0]), record.value[0]).is_none());
            }
        }
    }
    Ok((recovered.manifest.epoch, model))
}

#[test]
fn any_segments_may_be_merged_and_the_state_stays() {
    for begin in 0..6 {
        for end in begin + 1..=6 {
            let (storage, models) = store(Some(begin..end));
            assert_eq!(recover(storage), Ok((3, models[2].clone())), "{begin}..{end}");
        }
    }
}

#[test]
fn any_byte_cut_or_bit_flipped_gives_an_epoch_as_it_was_or_an_error() {
    let (storage, models) = store(Some(1..6));
    let objects = storage.objects();
    let manifest = latest(Arc::new(storage)).unwrap().unwrap().manifest;
    let mut newest: Vec<_> = manifest.objects().map(|object| object.name.clone()).collect();
    newest.push(names::manifest(3));
    for (name, bytes) in &objects {
        let cut = (0..bytes.len()).map(|len| bytes[..len].to_vec());
        let flipped = (0..bytes.len() * 8).map(|bit| {
            let mut bytes = bytes.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            bytes
        });
        for damaged in cut.chain(flipped) {
            let mut objects = objects.clone();
            objects.insert(name.clone(), damaged);
            if let Ok((epoch, model)) = recover(MemoryStorage::of(objects)) {
                assert_eq!(model, models[epoch as usize - 1], "{name}");
                assert!(epoch < 3 || !newest.contains(name), "damage of `{name}` was not seen");
            }
        }
    }
}

/// Takes down the errors that are logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Subscriber for Log {
    fn enabled(&self, of: &Metadata<'_>) -> bool {
        *of.level() == Level::ERROR
    }
    fn event(&self, event: &Event<'_>) {
        event.record(&mut self.clone());
    }
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

impl Visit for Log {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            self.0.lock().unwrap().push(format!("{value:?}"));
        }
    }
}

#[test]
fn each_epoch_that_is_passed_over_is_told_aloud() {
    let (storage, models) = store(None);
    let manifest = latest(Arc::new(storage.clone())).unwrap().unwrap().manifest;
    let segment = &manifest.stages[0].segments[3].object.name;
    storage.put(&names::manifest(3), b"no manifest").unwrap();
    storage.delete(segment).unwrap();
    let log = Log::default();
    let recovered = tracing::subscriber::with_default(log.clone(), || recover(storage));
    assert_eq!(recovered, Ok((1, models[0].clone())));
    let told = log.0.lock().unwrap();
    let tells = |epoch: u64, object: &str| {
        told.iter().any(|text| {
            text.contains(object)
                && text.contains(&format!("epoch {epoch} is damaged"))
                && text.contains("from epoch 1")
        })
    };
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(tells(3, &names::manifest(3)) && tells(2, segment), "{told:?}");
}
