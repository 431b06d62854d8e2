//! Damage of every kind to the store of a flow with several stages, held records and merged segments: the flow goes on
//! from the newest epoch that is whole, exactly, or does not start and names what is damaged.

use psdf::testing::{MemoryStorage, Rng};
use psdf::{Inline, StartError, Timestamp, dataflow};
use psdf_runtime::checkpoint::manifest::Manifest;
use psdf_runtime::checkpoint::names;
use psdf_runtime::checkpoint::recovery::{Damage, Recovered, RecoveryError, latest};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// Who, second, amount.
type Order = (u8, i64, i64);

dataflow! {
    flow Shop {
        input orders: Order;
        timed = orders -> event_time(|order| Timestamp::from_secs(order.1), lateness 5 s);
        by_who = timed -> key_by(who: u8 = |order| order.0);
        totals = by_who -> stateful((u8, i64)) {
            state { sum: i64 = 0 }
            keep forever;
            |state, order, out| {
                state.sum += order.2;
                out.emit((order.0, state.sum));
            }
        };
        minutes = by_who -> tumbling(1 min) -> aggregate { n: u64 = count(), sum: i64 = sum(|order| order.2) };
        visits = by_who -> session(20 s) -> aggregate { n: u64 = count() };
        output totals: (u8, i64);
        output minutes;
        output visits;
    }
}

type Objects = BTreeMap<String, Vec<u8>>;

const EPOCHS: usize = 9;
const A_TIME: usize = 4;

fn orders() -> Vec<Order> {
    let mut rng = Rng::new(11);
    let mut below = |bound| i64::try_from(rng.below(bound)).expect("it is small");
    let order = |n: i64| (u8::try_from(below(5)).expect("it is small"), 1000 + n * 4 - below(5), below(9));
    (0..).map(order).take((EPOCHS + 2) * A_TIME).collect()
}

fn start(storage: MemoryStorage, shards: usize) -> Result<(shop::Handle, Inline), StartError> {
    let builder = Shop.builder().shards(shards).durable_in(storage).checkpoint_every(SECOND);
    builder.kept_epochs(3).totals_on_commit().inline()
}

/// What has come out of a flow.
type Given = Vec<String>;

fn told(records: impl IntoIterator<Item = impl Debug>) -> Given {
    records.into_iter().map(|record| format!("{record:?}")).collect()
}

fn read(flow: &mut shop::Handle) -> Given {
    let mut given = told(std::iter::from_fn(|| flow.totals.next_now()));
    given.extend(told(std::iter::from_fn(|| flow.minutes.next_now())));
    given.extend(told(std::iter::from_fn(|| flow.visits.next_now())));
    given
}

fn send(flow: &shop::Handle, inline: &mut Inline, orders: &[Order]) {
    orders.iter().for_each(|order| inline.block_on(flow.orders.send(*order)).expect("the flow takes it"));
    inline.run();
}

/// Goes on from a store to the end; the epoch it began from, and all it gave.
fn rest(storage: MemoryStorage, shards: usize) -> Result<(u64, Given), StartError> {
    let (mut flow, mut inline) = start(storage, shards)?;
    let begun = flow.control.committed_epoch();
    let sent = usize::try_from(flow.orders.committed()).expect("it is small");
    let mut given = read(&mut flow);
    send(&flow, &mut inline, &orders()[sent..]);
    given.extend(read(&mut flow));
    let unread = inline.block_on(flow.finish()).expect("it drains");
    given.extend(told(unread.totals));
    given.extend(told(unread.minutes));
    given.extend(told(unread.visits));
    given.sort();
    Ok((begun, given))
}

/// A store, and what is known of it while it was whole.
struct Store {
    objects: Objects,
    /// All that ever was under a name, also what has been deleted.
    ever: Objects,
    /// The epochs, newest first.
    epochs: Vec<Epoch>,
}

struct Epoch {
    manifest: Manifest,
    /// It, and what it names.
    names: Vec<String>,
    entries: BTreeSet<String>,
    /// What comes out of a flow that goes on from it.
    rest: Given,
}

static STORE: LazyLock<Store> = LazyLock::new(|| {
    let storage = MemoryStorage::new();
    let (mut flow, mut inline) = start(storage.clone(), 2).expect("it starts");
    let (mut ever, mut snapshots) = (Objects::new(), Vec::new());
    for orders in orders().chunks(A_TIME).take(EPOCHS) {
        send(&flow, &mut inline, orders);
        read(&mut flow);
        inline.advance(SECOND);
        read(&mut flow);
        // Before what is old has been deleted, and after.
        ever.extend(storage.objects());
        inline.run();
        ever.extend(storage.objects());
        snapshots.insert(0, storage.objects());
        assert_eq!(flow.control.committed_epoch(), snapshots.len() as u64);
    }
    let objects = storage.objects();
    let kept = names_in(&objects, names::MANIFESTS).len();
    let epochs = snapshots.into_iter().take(kept).map(|snapshot| {
        let recovered = recovered(&snapshot).expect("it is whole").expect("there is one");
        let mut names: Vec<String> = recovered.manifest.objects().map(|object| object.name.clone()).collect();
        names.push(names::manifest(recovered.manifest.epoch));
        let (begun, rest) = rest(MemoryStorage::of(snapshot), 1).expect("it is whole");
        assert_eq!(begun, recovered.manifest.epoch);
        Epoch { entries: entries(&recovered), manifest: recovered.manifest, names, rest }
    });
    Store { epochs: epochs.collect(), objects, ever }
});

fn names_in(objects: &Objects, folder: &str) -> Vec<String> {
    objects.keys().filter(|name| name.starts_with(folder)).cloned().collect()
}

fn recovered(objects: &Objects) -> Result<Option<Recovered>, RecoveryError> {
    latest(Arc::new(MemoryStorage::of(objects.clone())))
}

/// All that is stored by key.
fn entries(recovered: &Recovered) -> BTreeSet<String> {
    let mut entries = BTreeSet::new();
    for stage in &recovered.manifest.stages {
        for state in recovered.entries(&stage.node, 0..=255) {
            for entry in state.expect("it is whole").entries() {
                assert!(entries.insert(format!("{} {entry:?}", stage.node)), "a key is there once");
            }
        }
    }
    entries
}

impl Store {
    fn is_same(&self, objects: &Objects, name: &str) -> bool {
        self.objects.get(name) == objects.get(name)
    }

    /// The newest epoch of which every byte is as it was.
    fn newest_whole(&self, objects: &Objects) -> Option<&Epoch> {
        self.epochs.iter().find(|epoch| epoch.names.iter().all(|name| self.is_same(objects, name)))
    }

    /// The epochs of which it can be known that they were committed, newest first: those with a manifest, and the one before
    /// the newest that was begun.
    fn told_if_damaged(&self, objects: &Objects) -> Vec<u64> {
        let begun = objects.keys().filter_map(|name| names::epoch(name)).max().unwrap_or(0);
        let is_there = |epoch: u64| objects.contains_key(&names::manifest(epoch));
        let numbers = self.epochs.iter().map(|epoch| epoch.manifest.epoch);
        let newest = numbers.clone().find(|&number| is_there(number)).unwrap_or(0);
        let lost = |number: u64| number > newest && number + 1 == begun;
        numbers.filter(|&number| is_there(number) || lost(number)).collect()
    }

    /// What is said of a damaged epoch: one of its objects, and one that is damaged.
    fn assert_named(&self, damage: &Damage, objects: &Objects) {
        let RecoveryError::Changed(error) = RecoveryError::from(damage.error.clone()) else {
            panic!("{} is no damage", damage.error)
        };
        let text = error.to_string();
        let name = text.split('`').nth(1).expect("it names an object");
        let epoch = self.epochs.iter().find(|epoch| epoch.manifest.epoch == damage.epoch);
        assert!(epoch.is_some_and(|epoch| epoch.names.iter().any(|of| of == name)), "{text}");
        assert!(!self.is_same(objects, name), "{text}");
    }

    /// Recovery gives the newest whole epoch, or says of each what is damaged.
    fn check(&self, objects: &Objects) -> Option<Recovered> {
        let expected = self.newest_whole(objects);
        let told = self.told_if_damaged(objects);
        match (recovered(objects), expected) {
            (Ok(Some(recovered)), Some(epoch)) => {
                assert_eq!(recovered.manifest, epoch.manifest);
                let newer = told.into_iter().filter(|&number| number > epoch.manifest.epoch);
                let passed: Vec<u64> = recovered.passed_over.iter().map(|damage| damage.epoch).collect();
                assert_eq!(passed, newer.collect::<Vec<_>>(), "those that are damaged are told");
                recovered.passed_over.iter().for_each(|damage| self.assert_named(damage, objects));
                Some(recovered)
            }
            (Err(RecoveryError::Damaged { epochs }), None) => {
                assert_eq!(epochs.iter().map(|damage| damage.epoch).collect::<Vec<_>>(), told);
                epochs.iter().for_each(|damage| self.assert_named(damage, objects));
                None
            }
            (recovered, expected) => {
                panic!("{recovered:?}, not epoch {:?}", expected.map(|epoch| epoch.manifest.epoch))
            }
        }
    }

    /// The same, and the state that is stored is that of the epoch; a flow that goes on from there gives what it gave.
    fn check_flow(&self, objects: &Objects, shards: usize) {
        let recovered = self.check(objects);
        match (rest(MemoryStorage::of(objects.clone()), shards), self.newest_whole(objects)) {
            (Ok((begun, rest)), Some(epoch)) => {
                assert_eq!(recovered.as_ref().map(entries).as_ref(), Some(&epoch.entries));
                assert_eq!((begun, &rest), (epoch.manifest.epoch, &epoch.rest));
            }
            (Err(error @ StartError::Store { .. }), None) => {
                let error = error.to_string();
                let named = |name: &&String| !self.is_same(objects, name) && error.contains(&***name);
                let names = self.epochs.iter().flat_map(|epoch| &epoch.names);
                assert!(names.clone().any(|name| named(&name)), "{error}");
            }
            (got, _) => panic!("{got:?}"),
        }
    }

    /// Each kind of damage to an object as a whole.
    fn damage(&self, name: &str, class: usize, rng: &mut Rng, objects: &mut Objects) {
        let folder = &name[..=name.find('/').expect("it is in a folder")];
        let Some(bytes) = objects.get_mut(name) else { return };
        match class {
            0 => bytes.truncate(rng.place(bytes.len())),
            1 if !bytes.is_empty() => {
                let place = rng.place(bytes.len());
                bytes[place] ^= 1 << rng.below(8);
            }
            1 => {}
            2 => _ = objects.remove(name),
            3 => bytes.clear(),
            4 => {
                // Changed with another of its kind.
                let names = names_in(objects, folder);
                let other = &names[rng.place(names.len())];
                let (one, two) = (objects[name].clone(), objects[other].clone());
                objects.insert(name.to_owned(), two);
                objects.insert(other.clone(), one);
            }
            _ => {
                // What the same shard wrote in an epoch before, or else anything of before.
                let of = |name: &str| name[folder.len() + 20..].to_owned();
                let before = || self.ever.range(folder.to_owned()..name.to_owned()).rev();
                let same = before().find(|(other, _)| of(other) == of(name));
                if let Some((_, old)) = same.or_else(|| before().next()) {
                    *bytes = old.clone();
                }
            }
        }
    }
}

const CLASSES: usize = 6;

#[test]
fn the_store_has_all_that_can_be_damaged() {
    let store = &*STORE;
    let merged = |name: &&String| name.contains("to") && name.starts_with(names::SEGMENTS);
    let merged = store.objects.keys().filter(merged).count();
    let bytes: usize = store.objects.values().map(Vec::len).sum();
    assert!(store.epochs.len() >= 3 && merged >= 2, "{} epochs, {merged}", store.epochs.len());
    assert!(names_in(&store.objects, names::HELD).len() >= 3 && bytes > 5_000, "{bytes} bytes");
    let stages: BTreeSet<&str> =
        store.epochs[0].entries.iter().filter_map(|entry| entry.split(' ').next()).collect();
    assert_eq!(stages.len(), 3, "{stages:?}");
}

#[test]
fn an_object_cut_to_any_length_is_seen() {
    let store = &*STORE;
    for (name, bytes) in &store.objects {
        let mut objects = store.objects.clone();
        for len in 0..bytes.len() {
            objects.insert(name.clone(), bytes[..len].to_vec());
            store.check(&objects);
        }
    }
}

/// A bit of each byte, and all of them where `PSDF_TIMES` is 8 or more.
#[test]
fn a_flipped_bit_anywhere_is_seen() {
    let times = std::env::var("PSDF_TIMES").ok().and_then(|times| times.parse().ok()).unwrap_or(1);
    let store = &*STORE;
    for (name, bytes) in &store.objects {
        let mut objects = store.objects.clone();
        for place in 0..bytes.len() {
            for bit in (0..8).map(|bit| (place + bit) % 8).take(times) {
                let mut flipped = bytes.clone();
                flipped[place] ^= 1 << bit;
                objects.insert(name.clone(), flipped);
                store.check(&objects);
            }
        }
    }
}

#[test]
fn after_any_damage_to_an_object_a_flow_goes_on_from_the_newest_whole_epoch() {
    let (store, mut rng) = (&*STORE, Rng::new(1));
    let mut older = 0;
    for name in store.objects.keys() {
        for class in 0..CLASSES {
            let mut objects = store.objects.clone();
            store.damage(name, class, &mut rng, &mut objects);
            store.check_flow(&objects, 1 + rng.place(4));
            older += usize::from(
                store
                    .newest_whole(&objects)
                    .is_some_and(|epoch| epoch.manifest.epoch < store.epochs[0].manifest.epoch),
            );
        }
    }
    assert!(older > 20, "{older} times an older epoch was taken");
}

#[test]
fn after_two_damages_a_flow_goes_on_from_the_newest_whole_epoch() {
    let times = std::env::var("PSDF_TIMES").ok().and_then(|times| times.parse().ok()).unwrap_or(1);
    let store = &*STORE;
    let names: Vec<&String> = store.objects.keys().collect();
    // Half of them to what only the newer epochs consist of, so that the oldest is left.
    let oldest = &store.epochs.last().expect("there are epochs").names;
    let newer: Vec<&String> = names.iter().filter(|name| !oldest.contains(name)).copied().collect();
    for seed in 0..400 * times {
        let mut rng = Rng::new(seed);
        let mut objects = store.objects.clone();
        for _ in 0..2 {
            let of = if rng.one_in(2) { &names } else { &newer };
            let (name, class) = (of[rng.place(of.len())], rng.place(CLASSES));
            store.damage(name, class, &mut rng, &mut objects);
        }
        let shards = 1 + rng.place(4);
        let checked = std::panic::catch_unwind(|| store.check_flow(&objects, shards));
        assert!(checked.is_ok(), "seed {seed}");
    }
}

#[test]
fn a_store_whose_manifests_are_gone_is_not_taken_for_an_empty_one() {
    let mut objects = STORE.objects.clone();
    objects.retain(|name, _| !name.starts_with(names::MANIFESTS));
    STORE.check_flow(&objects, 2);
}
