//! Every stage that keeps state, stopped and restored at random: it must give what it would have given.

use super::*;
use crate::checkpoint::value::Migration;
use crate::checkpoint::{Delta, TableId};
use crate::graph::{Budget, OutletMeta, PortMeta, StageMeta, Subflow};
use crate::hash::{groups_of, key_group, shard_of};
use crate::host::{Edge, Host, Timer, Transports};
use crate::record::{Keyed, Record, Side, Stamp};
use crate::stage::{Local, Progress, Stage};
use crate::state::{Keep, MemoryTier, StoredState, Tier};
use crate::time::{Timestamp, Window};
use serde::{Deserialize, Serialize};
use std::any::Any;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const SEEDS: u64 = 40;
const KEYS: u64 = 40;

static META: StageMeta = StageMeta { name: "node", node: 0, keyed: true, outlets: &[] };

/// Numbers that look random (Knuth's multiplier).
struct Random(u64);

impl Random {
    fn below(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }

    fn between(&mut self, least: i64, most: i64) -> i64 {
        least + self.below((most - least + 1) as u64) as i64
    }
}

/// A stage, whatever its types.
trait Driven {
    fn on_batch(&mut self, items: Box<dyn Any>, heard: Timestamp, now: Timestamp);
    fn on_watermark(&mut self, watermark: Timestamp);
    fn stored(&mut self) -> &mut dyn StoredState;
}

impl<S: Stage> Driven for (S, S::Outs) {
    fn on_batch(&mut self, items: Box<dyn Any>, heard: Timestamp, now: Timestamp) {
        let (stage, outs) = self;
        if stage.needs_wall_time() {
            while stage.on_wall_time(now, outs) == Progress::More {}
        }
        stage.on_sender(heard);
        stage.on_batch(*items.downcast().expect("the case makes records of the stage's type"), outs);
    }

    fn on_watermark(&mut self, watermark: Timestamp) {
        let (stage, outs) = self;
        if stage.needs_wall_time() && watermark != Timestamp::MAX {
            while stage.on_wall_time(watermark, outs) == Progress::More {}
        }
        while stage.on_watermark(watermark, outs) == Progress::More {}
    }

    fn stored(&mut self) -> &mut dyn StoredState {
        self.0.stored().expect("the stage keeps state")
    }
}

/// A host that only takes in the shards of a stage.
struct Bench {
    shards: usize,
    placed: Vec<Box<dyn Driven>>,
}

impl Host for Bench {
    type Edge<T: 'static> = ();

    fn shards(&self, _: &'static StageMeta) -> usize {
        self.shards
    }

    fn open<T: Record>(&mut self, _: &'static OutletMeta, _: usize) -> (Transports<T>, ()) {
        unreachable!("nothing leaves the stage")
    }

    fn place<S: Stage>(&mut self, _: &'static StageMeta, _: Vec<()>, shards: Vec<(S, S::Outs)>) {
        self.placed.extend(shards.into_iter().map(|shard| Box::new(shard) as Box<dyn Driven>));
    }

    fn refuse(&mut self, _: &'static StageMeta, what: &'static str) {
        panic!("{what}")
    }

    fn timer(&self) -> Arc<dyn Timer> {
        unreachable!("no stage here waits")
    }

    fn input<T: Record>(&mut self, _: &'static PortMeta) {}

    fn output<T: Record>(&mut self, _: &'static PortMeta, (): ()) {}

    fn inside<R>(
        &mut self,
        _: &'static [Subflow],
        _: &'static Subflow,
        wire: impl FnOnce(&mut Self) -> R,
    ) -> R {
        wire(self)
    }
}

/// Where stages leave their results.
#[derive(Clone, Default)]
struct Results(Arc<Mutex<Vec<String>>>);

impl Results {
    fn give(&self, result: impl std::fmt::Debug) {
        self.0.lock().unwrap().push(format!("{result:?}"));
    }

    fn take(&self) -> Vec<String> {
        let mut results = std::mem::take(&mut *self.0.lock().unwrap());
        results.sort();
        results
    }
}

/// A key, a time, a number; the side, where there are two.
#[derive(Clone, Copy)]
struct Item {
    key: u64,
    at: Timestamp,
    value: i64,
    left: bool,
}

enum Step {
    Batch { items: Vec<Item>, heard: Timestamp },
    Watermark(Timestamp),
    Barrier,
    Copy(usize),
}

fn script(random: &mut Random, two_sides: bool) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut heard = [Timestamp::MIN; 2];
    let mut now = 0;
    for _ in 0..random.between(50, 200) {
        let side = random.below(2) as usize;
        match random.below(10) {
            0..4 => {
                let item = |random: &mut Random| Item {
                    key: random.below(KEYS).min(random.below(KEYS)),
                    at: Timestamp(now + random.between(-25, 40)),
                    value: random.between(0, 9),
                    left: side == 0,
                };
                let items = (0..random.between(1, 30)).map(|_| item(random)).collect();
                let heard = if two_sides { heard[side] } else { heard[0].min(heard[1]) };
                steps.push(Step::Batch { items, heard });
            }
            4..7 => {
                now += random.between(0, 30);
                heard[side] = heard[side].max(Timestamp(now));
                steps.push(Step::Watermark(heard[0].min(heard[1])));
            }
            7 => steps.push(Step::Barrier),
            _ => steps.push(Step::Copy(random.between(1, 20) as usize)),
        }
    }
    steps.extend([Step::Watermark(Timestamp::MAX), Step::Barrier, Step::Copy(usize::MAX)]);
    steps
}

/// What all snapshots up to one say.
#[derive(Clone, Default)]
struct Store(BTreeMap<(TableId, Vec<u8>), (u8, Vec<u8>)>);

impl Store {
    /// With `whole` the delta is all there is in these key groups.
    fn apply(&mut self, whole: Option<&RangeInclusive<u8>>, delta: &Delta) {
        self.0.retain(|_, (group, _)| whole.is_none_or(|groups| !groups.contains(group)));
        self.0.retain(|(table, _), _| !delta.dropped.contains(table));
        for record in delta.removed.iter() {
            self.0.remove(&(record.table, record.key.to_vec()));
        }
        for record in delta.written.iter() {
            let old =
                self.0.insert((record.table, record.key.to_vec()), (record.group, record.value.to_vec()));
            assert!(old.is_none_or(|(group, _)| group == record.group), "a key stays in its group");
        }
    }
}

/// The shards of a stage, and what has come of them.
struct Running<'a, T> {
    case: &'a Case<T>,
    results: Results,
    shards: Vec<Box<dyn Driven>>,
    watermark: Timestamp,
}

struct Case<T> {
    two_sides: bool,
    item: fn(Item) -> T,
    place: fn(&mut Bench, Results),
}

impl<T: 'static> Case<T> {
    fn start(&self, shards: usize) -> Running<'_, T> {
        let (mut bench, results) = (Bench { shards, placed: Vec::new() }, Results::default());
        (self.place)(&mut bench, results.clone());
        Running { case: self, results, shards: bench.placed, watermark: Timestamp::MIN }
    }

    fn restore(&self, shards: usize, watermark: Timestamp, store: &Store) -> Running<'_, T> {
        let mut running = self.start(shards);
        running.watermark = watermark;
        for (place, shard) in running.shards.iter_mut().enumerate() {
            shard.stored().track();
            // In two of three, all but a few keys leave memory.
            if store.0.len() % 3 < 2 {
                let budget = Budget::Keys(1 + (store.0.len() + place) as u64 % 4);
                let fail = Arc::new(|error| panic!("{error}"));
                let tier = Tier::new(&MemoryTier::new(), "0", budget, Duration::ZERO, fail).unwrap();
                shard.stored().spill(&Arc::new(tier));
            }
            for ((table, key), (group, value)) in &store.0 {
                if shard_of(u32::from(*group), shards) == place {
                    shard.stored().restore(*table, key, value, &Migration::default()).unwrap();
                }
            }
            shard.stored().restored(watermark);
        }
        running
    }

    fn check(&self) {
        for seed in 0..SEEDS {
            self.check_one(seed);
        }
    }

    fn check_one(&self, seed: u64) {
        let mut random = Random(seed);
        let steps = script(&mut random, self.two_sides);
        let mut undisturbed = self.start(1);
        let expected: Vec<_> = steps.iter().map(|step| undisturbed.step(step)).collect();

        let mut running = self.restore(1, Timestamp::MIN, &Store::default());
        let (mut store, mut epoch, mut at, mut crashes) = (Store::default(), None, 0, 0);
        let mut last = (0, Timestamp::MIN, Store::default());
        while at < steps.len() {
            let results = running.step(&steps[at]);
            assert_eq!(results, expected[at], "seed {seed}, step {at}");
            at += 1;
            match (&steps[at - 1], &mut epoch) {
                (Step::Barrier, None) => {
                    let of = running.shards.len();
                    let shards = running.shards.iter_mut().enumerate();
                    // The parts of each shard; the last of them is the one that is being copied into.
                    let deltas: Vec<_> = shards
                        .map(|(shard, head)| {
                            let has_all = head.stored().begin_snapshot();
                            (has_all.then(|| groups_of(shard, of)), vec![Delta::default()])
                        })
                        .collect();
                    epoch = Some((at, running.watermark, deltas));
                }
                (Step::Copy(entries), Some((begin, watermark, deltas))) => {
                    let mut shards = running.shards.iter_mut().zip(deltas.iter_mut());
                    let all = shards.all(|(shard, (_, parts))| {
                        let part = parts.last_mut().expect("there is always one");
                        let all = shard.stored().copy_some(*entries, part);
                        if !all && random.below(2) == 0 {
                            parts.push(Delta::default());
                        }
                        all
                    });
                    if all {
                        for (whole, parts) in deltas.iter() {
                            let whole = std::iter::once(whole.as_ref()).chain(std::iter::repeat(None));
                            parts.iter().zip(whole).for_each(|(part, whole)| store.apply(whole, part));
                        }
                        last = (*begin, *watermark, store.clone());
                        epoch = None;
                    }
                }
                _ => {}
            }
            if crashes < 8 && random.below(12) == 0 {
                crashes += 1;
                let shards = 1 + random.below(3) as usize;
                (at, epoch, store) = (last.0, None, last.2.clone());
                running = self.restore(shards, last.1, &store);
            }
        }
    }
}

impl<T: 'static> Running<'_, T> {
    fn step(&mut self, step: &Step) -> Vec<String> {
        match step {
            Step::Batch { items, heard } => {
                let shards = self.shards.len();
                for (place, shard) in self.shards.iter_mut().enumerate() {
                    let own = items.iter().filter(|item| shard_of(key_group(&item.key), shards) == place);
                    let own: Vec<T> = own.map(|&item| (self.case.item)(item)).collect();
                    shard.on_batch(Box::new(own), *heard, self.watermark);
                }
            }
            Step::Watermark(watermark) => {
                self.watermark = *watermark;
                self.shards.iter_mut().for_each(|shard| shard.on_watermark(*watermark));
            }
            Step::Barrier | Step::Copy(_) => {}
        }
        self.results.take()
    }
}

/// A state as a user would write one.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Seen {
    count: u64,
    /// Whose order tells who was merged into whom.
    values: Vec<i64>,
}

fn init() -> Seen {
    Seen { count: 0, values: Vec::new() }
}

fn add(seen: &mut Seen, value: i64, _: Timestamp) {
    seen.count += 1;
    seen.values.push(value);
}

fn merge(seen: &mut Seen, other: Seen) {
    seen.count += other.count;
    seen.values.extend(other.values);
}

fn micros(n: u64) -> Duration {
    Duration::from_micros(n)
}

fn keyed(item: Item) -> Keyed<u64, Timestamp, i64> {
    Keyed { key: item.key, at: item.at, record: item.value }
}

fn untimed(item: Item) -> Keyed<u64, (), i64> {
    Keyed { key: item.key, at: (), record: item.value }
}

fn sided(item: Item) -> Keyed<u64, Timestamp, Side<i64, String>> {
    let record = if item.left { Side::Left(item.value) } else { Side::Right(item.value.to_string()) };
    Keyed { key: item.key, at: item.at, record }
}

/// Gives a result with its time.
fn give<R: std::fmt::Debug, A: Stamp>(
    results: Results,
) -> impl Fn(R, A, &mut Local, &mut ()) + Send + Sync + 'static {
    move |result, at: A, _, ()| results.give((result, at.timestamp()))
}

fn late<T: std::fmt::Debug>(
    results: Results,
) -> impl Fn(T, Timestamp, Timestamp, &mut Local, &mut ()) + Send + Sync + 'static {
    move |record, at, watermark, _, ()| results.give(("late", record, at, watermark))
}

fn edge<T>() -> Edge<Bench, T> {
    Edge::one(())
}

fn sides() -> Edge<Bench, Keyed<u64, Timestamp, Side<i64, String>>> {
    edge()
}

fn keep() -> Keep {
    Keep::For(micros(30))
}

fn window_result(key: u64, window: Window, seen: Seen) -> (u64, Window, Seen) {
    (key, window, seen)
}

fn place_running<A: Stamp>(bench: &mut Bench, results: Results) {
    let input = edge::<Keyed<u64, A, i64>>();
    running(bench, &META, input, &[], keep(), init, add, |key, seen| (key, seen), give::<_, A>(results));
}

#[test]
fn running_aggregates_go_on() {
    Case { two_sides: false, item: keyed, place: place_running::<Timestamp> }.check();
    Case { two_sides: false, item: untimed, place: place_running::<()> }.check();
}

fn place_stateful(bench: &mut Bench, results: Results) {
    let step = |seen: &mut Seen, value: i64, out: &mut Emit<'_, u64, Timestamp, (u64, Seen)>| {
        add(seen, value, out.time());
        if value < 4 {
            out.set_timer(Timestamp(out.time().0 + 5 * value));
        }
        out.emit((*out.key(), seen.clone()));
    };
    let timer = |seen: &mut Seen, at: Timestamp, out: &mut Emit<'_, u64, Timestamp, (u64, Seen)>| {
        seen.values.push(-at.0);
        if seen.values.len().is_multiple_of(3) {
            out.set_timer(Timestamp(at.0 + 7));
        }
        out.emit((*out.key(), seen.clone()));
    };
    let input = edge::<Keyed<u64, Timestamp, i64>>();
    stateful(bench, &META, input, &[], keep(), init, step, timer, give::<_, Timestamp>(results));
}

#[test]
fn stateful_nodes_go_on_with_their_timers() {
    Case { two_sides: false, item: keyed, place: place_stateful }.check();
}

fn place_dedup<A: Stamp>(bench: &mut Bench, results: Results) {
    dedup(bench, &META, edge::<Keyed<u64, A, i64>>(), &[], 0, keep(), give::<_, A>(results));
}

#[test]
fn dedup_goes_on() {
    Case { two_sides: false, item: keyed, place: place_dedup::<Timestamp> }.check();
    Case { two_sides: false, item: untimed, place: place_dedup::<()> }.check();
}

#[test]
fn latest_goes_on() {
    let place = |bench: &mut Bench, results: Results| {
        latest(bench, &META, edge::<Keyed<u64, _, _>>(), &[], 0, keep(), give::<i64, Timestamp>(results));
    };
    Case { two_sides: false, item: keyed, place }.check();
}

#[test]
fn counted_windows_go_on() {
    let place = |bench: &mut Bench, results: Results| {
        let (input, windows) = (edge::<Keyed<u64, Timestamp, i64>>(), CountWindows::new(4, keep()));
        count_windows(bench, &META, input, &[], windows, init, add, window_result, give(results));
    };
    Case { two_sides: false, item: keyed, place }.check();
}

#[test]
fn thinned_aggregates_go_on() {
    let place = |bench: &mut Bench, results: Results| {
        let (input, ticks) = (edge(), Ticks::every(micros(10)));
        let result = |key: u64, seen| (key, seen);
        thinned(bench, &META, input, &[], ticks, keep(), init, add, merge, result, give(results));
    };
    Case { two_sides: false, item: keyed, place }.check();
}

fn place_windows(bench: &mut Bench, results: Results, windows: TimeWindows) {
    let (late, emit) = (late(results.clone()), give(results));
    time_windows(bench, &META, edge(), &[], windows, i64::clone, init, add, window_result, late, emit);
}

#[test]
fn tumbling_windows_go_on() {
    let place = |bench: &mut Bench, results: Results| {
        place_windows(bench, results, TimeWindows::tumbling(micros(20), Duration::ZERO));
    };
    Case { two_sides: false, item: keyed, place }.check();
}

#[test]
fn hopping_windows_that_wait_for_late_records_go_on() {
    let place = |bench: &mut Bench, results: Results| {
        place_windows(bench, results, TimeWindows::hopping(micros(20), micros(8), micros(15)));
    };
    Case { two_sides: false, item: keyed, place }.check();
}

fn place_early(bench: &mut Bench, results: Results, allow: Duration) {
    let windows = TimeWindows::hopping(micros(30), micros(15), allow);
    let (ticks, late, emit) = (Ticks::every(micros(7)), late(results.clone()), give(results));
    early_windows(
        bench,
        &META,
        edge(),
        &[],
        windows,
        ticks,
        i64::clone,
        init,
        add,
        merge,
        window_result,
        late,
        emit,
    );
}

#[test]
fn windows_that_fire_early_go_on() {
    let place = |bench: &mut Bench, results: Results| place_early(bench, results, Duration::ZERO);
    Case { two_sides: false, item: keyed, place }.check();
    let place = |bench: &mut Bench, results: Results| place_early(bench, results, micros(20));
    Case { two_sides: false, item: keyed, place }.check();
}

#[test]
fn windows_by_the_wall_clock_go_on() {
    let place = |bench: &mut Bench, results: Results| {
        let windows = TimeWindows::tumbling(micros(20), Duration::ZERO);
        let (input, late) = (edge::<Keyed<u64, Timestamp, i64>>(), late(results.clone()));
        let copy = i64::clone;
        processing_windows(
            bench,
            &META,
            input,
            &[],
            windows,
            copy,
            init,
            add,
            window_result,
            late,
            give(results),
        );
    };
    Case { two_sides: false, item: keyed, place }.check();
}

fn place_sessions(bench: &mut Bench, results: Results, allow: Duration) {
    let windows = SessionWindows::new(micros(12), allow);
    let (late, emit) = (late(results.clone()), give(results));
    sessions(bench, &META, edge(), &[], windows, init, add, merge, window_result, late, emit);
}

#[test]
fn sessions_go_on() {
    let place = |bench: &mut Bench, results: Results| place_sessions(bench, results, Duration::ZERO);
    Case { two_sides: false, item: keyed, place }.check();
    let place = |bench: &mut Bench, results: Results| place_sessions(bench, results, micros(20));
    Case { two_sides: false, item: keyed, place }.check();
}

fn place_join(bench: &mut Bench, results: Results, pairing: Pairing) {
    let until = |value: &i64| Timestamp(*value);
    let (late, emit) = (late(results.clone()), give::<_, Timestamp>(results));
    join(bench, &META, sides(), &[], FullOuter, pairing, until, late, emit);
}

#[test]
fn joins_go_on() {
    let place = |bench: &mut Bench, results: Results| place_join(bench, results, Pairing::within(micros(20)));
    Case { two_sides: true, item: sided, place }.check();
    let place = |bench: &mut Bench, results: Results| place_join(bench, results, Pairing::until());
    Case { two_sides: true, item: sided, place }.check();
    let place =
        |bench: &mut Bench, results: Results| place_join(bench, results, Pairing::keep(Keep::Forever));
    Case { two_sides: true, item: sided, place }.check();
}

#[test]
fn lookups_go_on() {
    let place = |bench: &mut Bench, results: Results| {
        lookup(bench, &META, sides(), &[], keep(), late::<i64>(results.clone()), give(results));
    };
    Case { two_sides: true, item: sided, place }.check();
}

#[test]
fn joins_in_windows_go_on() {
    let place = |bench: &mut Bench, results: Results| {
        let windows = TimeWindows::hopping(micros(20), micros(8), Duration::ZERO);
        let (late, emit) = (late::<i64>(results.clone()), give(results));
        time_window_join(bench, &META, sides(), &[], FullOuter, windows, late, emit);
    };
    Case { two_sides: true, item: sided, place }.check();
    let place = |bench: &mut Bench, results: Results| {
        let windows = SessionWindows::new(micros(12), Duration::ZERO);
        let (late, emit) = (late::<i64>(results.clone()), give(results));
        session_join(bench, &META, sides(), &[], LeftOuter, windows, late, emit);
    };
    Case { two_sides: true, item: sided, place }.check();
}
