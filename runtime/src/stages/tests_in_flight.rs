//! Calls in flight, stopped at random and restored: each record comes out once, in its order, and behind the watermarks
//! that it came behind.

use super::{AsyncCalls, KeptAsData as _, map_async};
use crate::asked::Waiting;
use crate::checkpoint::value::Migration;
use crate::checkpoint::{Delta, TableId};
use crate::failed::Failed;
use crate::graph::{OutletMeta, PortMeta, StageMeta, Subflow};
use crate::hash::shard_of;
use crate::host::{Edge, Host, Sleep, Timer, Transports};
use crate::record::{Record, Timed};
use crate::stage::{Awaited, Local, Progress, Stage};
use crate::time::Timestamp;
use std::any::Any;
use std::collections::{BTreeMap, VecDeque};
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

static META: StageMeta = StageMeta { name: "node", node: 0, keyed: true, outlets: &[] };

/// Numbers that look random (Knuth's multiplier).
struct Random(u64);

impl Random {
    fn below(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }

    fn place(&mut self, below: usize) -> usize {
        usize::try_from(self.below(below as u64)).expect("it is below a usize")
    }
}

/// What is outside of the stage: who is asked, and a clock turned by hand.
#[derive(Clone, Default)]
struct World(Arc<Mutex<Outside>>);

#[derive(Default)]
struct Outside {
    now: Duration,
    /// For each record that is asked for, how often, and the answer.
    asked: BTreeMap<u64, (u32, Option<Result<u64, u64>>)>,
    wakers: Vec<Waker>,
}

impl World {
    fn lock(&self) -> MutexGuard<'_, Outside> {
        self.0.lock().expect("nobody panics outside")
    }

    fn wake(&self) {
        let wakers = std::mem::take(&mut self.lock().wakers);
        wakers.into_iter().for_each(Waker::wake);
    }

    fn ask(&self, id: u64) -> Waiting<Result<u64, u64>> {
        let (world, mut is_asked) = (self.clone(), false);
        Box::pin(poll_fn(move |cx| {
            let mut outside = world.lock();
            if !std::mem::replace(&mut is_asked, true) {
                outside.asked.entry(id).or_default().0 += 1;
            }
            match outside.asked.get_mut(&id).and_then(|(_, answer)| answer.take()) {
                Some(answer) => Poll::Ready(answer),
                None => {
                    outside.wakers.push(cx.waker().clone());
                    Poll::Pending
                }
            }
        }))
    }

    /// Answers some of what was asked for, now and then with a failure.
    fn answer(&self, random: &mut Random, one_in: u64) {
        for (&id, (_, answer)) in &mut self.lock().asked {
            if random.below(one_in) == 0 {
                *answer = Some(if random.below(5) == 0 { Err(id) } else { Ok(id) });
            }
        }
        self.wake();
    }

    fn advance(&self, duration: Duration) {
        self.lock().now += duration;
        self.wake();
    }
}

impl Timer for World {
    fn sleep(&self, duration: Duration) -> Sleep {
        let world = self.clone();
        let until = world.lock().now + duration;
        Box::pin(poll_fn(move |cx| {
            let mut outside = world.lock();
            if outside.now >= until {
                return Poll::Ready(());
            }
            outside.wakers.push(cx.waker().clone());
            Poll::Pending
        }))
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Step {
    Record(u64),
    Watermark(i64),
    Barrier,
}

type Log = Arc<Mutex<Vec<Step>>>;

fn lock(log: &Log) -> MutexGuard<'_, Vec<Step>> {
    log.lock().expect("nobody panics while it is noted")
}

/// A stage, whatever its types.
trait Driven {
    fn give(&mut self, items: Box<dyn Any>);
    fn hear(&mut self, watermark: i64) -> Progress;
    fn has_room(&self) -> bool;
    fn is_empty(&self) -> bool;
    fn poll(&mut self, log: &Log);
    fn snapshot(&mut self) -> Delta;
    fn restore(&mut self, entries: &[(TableId, &[u8], &[u8])], watermark: i64);
}

impl<S: Stage> Driven for (S, S::Outs) {
    fn give(&mut self, items: Box<dyn Any>) {
        self.0.on_batch(*items.downcast().expect("they are of the stage's type"), &mut self.1);
    }

    fn hear(&mut self, watermark: i64) -> Progress {
        self.0.on_watermark(Timestamp(watermark), &mut self.1)
    }

    fn has_room(&self) -> bool {
        self.0.room() > 0
    }

    fn is_empty(&self) -> bool {
        self.0.in_flight() == 0
    }

    fn poll(&mut self, log: &Log) {
        let mut cx = Context::from_waker(Waker::noop());
        loop {
            match self.0.poll_in_flight(&mut cx, &mut self.1) {
                Awaited::Nothing => return,
                Awaited::Results => {}
                Awaited::Passed(watermark) => lock(log).push(Step::Watermark(watermark.0)),
            }
        }
    }

    fn snapshot(&mut self) -> Delta {
        assert!(self.0.keeps_in_flight(), "they are numbers");
        let (state, mut delta) = (self.0.stored().expect("they are data"), Delta::default());
        state.begin_snapshot();
        assert!(state.copy_some(1, &mut delta), "it is copied at once");
        delta
    }

    fn restore(&mut self, entries: &[(TableId, &[u8], &[u8])], watermark: i64) {
        let state = self.0.stored().expect("they are data");
        state.track();
        for (table, key, value) in entries {
            state.restore(*table, key, value, &Migration::default()).expect("it was written so");
        }
        state.restored(Timestamp(watermark));
    }
}

/// A host that only takes in the shards of a stage.
struct Bench {
    shards: usize,
    world: World,
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
        Arc::new(self.world.clone())
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

/// What all snapshots up to one say: for each key its group and its value.
type Store = BTreeMap<(TableId, Vec<u8>), (u8, Vec<u8>)>;

fn apply(store: &mut Store, delta: &Delta) {
    for record in delta.removed.iter() {
        let removed = store.remove(&(record.table, record.key.to_vec()));
        assert!(removed.is_some_and(|(group, _)| group == record.group), "what is removed is there");
    }
    for record in delta.written.iter() {
        let entry = (record.group, record.value.to_vec());
        let old = store.insert((record.table, record.key.to_vec()), entry);
        assert!(old.is_none(), "a record is written once");
    }
}

#[derive(Clone, Copy)]
struct Case {
    options: AsyncCalls,
    ordered: bool,
    /// The most shards there are.
    shards: usize,
}

/// A shard, what has not come to it yet, and what has come out of it.
struct Shard {
    stage: Box<dyn Driven>,
    queue: VecDeque<Step>,
    watermark: i64,
    log: Log,
    /// What had come out at the barrier of the epoch under way.
    passed: Option<(usize, Delta)>,
}

impl Shard {
    /// Takes what it can of what waits, up to a barrier of which nobody has heard.
    fn work(&mut self, random: &mut Random) {
        for _ in 0..random.below(5) {
            self.stage.poll(&self.log);
            match self.queue.front() {
                Some(Step::Record(id)) if self.stage.has_room() => {
                    self.stage.give(Box::new(vec![Timed { at: Timestamp(id.cast_signed()), record: *id }]));
                }
                Some(&Step::Watermark(watermark)) => {
                    self.watermark = watermark;
                    if self.stage.hear(watermark) == Progress::Done {
                        lock(&self.log).push(Step::Watermark(watermark));
                    }
                }
                Some(Step::Barrier) if self.passed.is_none() => {
                    self.passed = Some((lock(&self.log).len(), self.stage.snapshot()));
                }
                _ => return,
            }
            self.queue.pop_front();
        }
        self.stage.poll(&self.log);
    }
}

fn script(random: &mut Random) -> Vec<Step> {
    let (mut watermark, mut id) = (0, 0);
    let step = |_| match random.below(10) {
        0..7 => {
            id += 1;
            Step::Record(id)
        }
        7..9 => {
            watermark += 1 + random.below(3).cast_signed();
            Step::Watermark(watermark)
        }
        _ => Step::Barrier,
    };
    (0..120).map(step).collect()
}

impl Case {
    fn start(self, world: &World, shards: usize, store: &Store, watermark: i64) -> Vec<Shard> {
        let mut bench = Bench { shards, world: world.clone(), placed: Vec::new() };
        let log = |_| Log::default();
        let logs: Vec<Log> = (0..shards).map(log).collect();
        // The closures are those of all shards: the one that is polled says where it logs.
        let current: Arc<Mutex<Option<Log>>> = Arc::default();
        let (noting, outside) = (Arc::clone(&current), world.clone());
        map_async(
            &mut bench,
            &META,
            Edge::<Bench, Timed<u64>>::one(()),
            &[],
            0,
            self.options,
            |Timed { at, record }| (record, at),
            |record| *record,
            |kept| Some(*kept),
            move |record| outside.ask(record),
            move |answer: Result<u64, Failed<u64, u64>>, at: Timestamp, _: &mut Local, (): &mut ()| {
                let id = answer.unwrap_or_else(|failed| failed.record);
                assert_eq!(at.0, id.cast_signed(), "a record keeps its time");
                let log = noting.lock().expect("nobody panics while it is noted").clone();
                lock(&log.expect("a shard is polled")).push(Step::Record(id));
            },
            |probe| probe.form(),
        );
        let shards = bench.placed.into_iter().zip(logs).enumerate().map(|(place, (stage, log))| {
            let mut stage = Noting { stage, current: Arc::clone(&current) };
            let own = store.iter().filter(|(_, (group, _))| shard_of(u32::from(*group), shards) == place);
            let own: Vec<_> =
                own.map(|((table, key), (_, value))| (*table, key.as_slice(), value.as_slice())).collect();
            stage.restore(&own, watermark);
            Shard { stage: Box::new(stage), queue: VecDeque::new(), watermark, log, passed: None }
        });
        shards.collect()
    }

    /// What came out of each shard, from each start of the flow to the barrier from which the next went on; the last is
    /// whole.
    fn run(self, seed: u64) -> (Vec<Step>, Vec<Vec<Vec<Step>>>) {
        let mut random = Random(seed);
        let (steps, world) = (script(&mut random), World::default());
        let mut kept = (0, i64::MIN, Store::default());
        let (mut at, mut barrier, mut crashes) = (0, None, 0);
        let mut count = 1 + random.place(self.shards);
        let mut shards = self.start(&world, count, &kept.2, kept.1);
        let (mut history, mut passed) = (Vec::new(), None);
        loop {
            match random.below(12) {
                0..3 if at < steps.len() && (steps[at] != Step::Barrier || barrier.is_none()) => {
                    match steps[at] {
                        Step::Record(id) => {
                            let of = usize::try_from(id).expect("it is small") % count;
                            shards[of].queue.push_back(Step::Record(id));
                        }
                        step => shards.iter_mut().for_each(|shard| shard.queue.push_back(step)),
                    }
                    at += 1;
                    if steps[at - 1] == Step::Barrier {
                        barrier = Some(at);
                    }
                }
                0..7 => shards[random.place(count)].work(&mut random),
                7..9 => world.answer(&mut random, 3),
                9 => world.advance(Duration::from_millis(random.below(400))),
                10 => {
                    let Some(from) = barrier.filter(|_| shards.iter().all(|shard| shard.passed.is_some()))
                    else {
                        continue;
                    };
                    let (mut lengths, watermark) = (Vec::new(), watermark_before(&steps[..from]));
                    for (len, delta) in shards.iter_mut().filter_map(|shard| shard.passed.take()) {
                        lengths.push(len);
                        apply(&mut kept.2, &delta);
                    }
                    (kept.0, kept.1, barrier, passed) = (from, watermark, None, Some(lengths));
                }
                _ if crashes < 6 && random.below(8) == 0 => {
                    crashes += 1;
                    if let Some(lengths) = passed.take() {
                        let part = |(shard, len): (&Shard, usize)| lock(&shard.log)[..len].to_vec();
                        history.push(shards.iter().zip(lengths).map(part).collect());
                    }
                    (at, barrier) = (kept.0, None);
                    count = 1 + random.place(self.shards);
                    *world.lock() = Outside::default();
                    shards = self.start(&world, count, &kept.2, kept.1);
                }
                _ => {}
            }
            let is_over = |shard: &Shard| shard.queue.is_empty() && shard.stage.is_empty();
            if at == steps.len() && barrier.is_none() && shards.iter().all(is_over) {
                history.push(shards.iter().map(|shard| lock(&shard.log).clone()).collect());
                return (steps, history);
            }
        }
    }

    fn check(self) {
        for seed in 0..60 {
            let (steps, history) = self.run(seed);
            let mut all: Vec<u64> = history.iter().flatten().flatten().filter_map(record).collect();
            if self.ordered && self.shards == 1 {
                assert!(all.is_sorted(), "seed {seed}: in their order: {all:?}");
            }
            all.sort_unstable();
            let given: Vec<u64> = steps.iter().filter_map(record).collect();
            assert_eq!(all, given, "seed {seed}: each comes out once");
            // With one shard what comes out follows what came out before.
            let runs: Vec<Vec<Step>> = if self.shards == 1 {
                vec![history.into_iter().flatten().flatten().collect()]
            } else {
                history.into_iter().flatten().collect()
            };
            for run in runs {
                for (place, id) in
                    run.iter().enumerate().filter_map(|(place, step)| Some((place, record(step)?)))
                {
                    let came = steps.iter().position(|step| *step == Step::Record(id));
                    let came = watermark_before(&steps[..came.expect("it was given")]);
                    let left = watermark_before(&run[..place]);
                    assert!(left <= came, "seed {seed}: {id} came behind {came}, and leaves behind {left}");
                    if self.shards == 1 {
                        assert_eq!(left, came, "seed {seed}, record {id}");
                    }
                }
            }
        }
    }
}

fn record(step: &Step) -> Option<u64> {
    match step {
        Step::Record(id) => Some(*id),
        Step::Watermark(_) | Step::Barrier => None,
    }
}

/// The greatest watermark among some steps.
fn watermark_before(steps: &[Step]) -> i64 {
    let of = |step: &Step| match step {
        Step::Watermark(watermark) => Some(*watermark),
        Step::Record(_) | Step::Barrier => None,
    };
    steps.iter().filter_map(of).max().unwrap_or(i64::MIN)
}

/// Says, while a shard is polled, where its records are noted.
struct Noting {
    stage: Box<dyn Driven>,
    current: Arc<Mutex<Option<Log>>>,
}

impl Driven for Noting {
    fn give(&mut self, items: Box<dyn Any>) {
        self.stage.give(items);
    }

    fn hear(&mut self, watermark: i64) -> Progress {
        self.stage.hear(watermark)
    }

    fn has_room(&self) -> bool {
        self.stage.has_room()
    }

    fn is_empty(&self) -> bool {
        self.stage.is_empty()
    }

    fn poll(&mut self, log: &Log) {
        *self.current.lock().expect("nobody panics while it is noted") = Some(Arc::clone(log));
        self.stage.poll(log);
    }

    fn snapshot(&mut self) -> Delta {
        self.stage.snapshot()
    }

    fn restore(&mut self, entries: &[(TableId, &[u8], &[u8])], watermark: i64) {
        self.stage.restore(entries, watermark);
    }
}

fn cases(shards: usize, timeout: Option<Duration>, retry: u32) {
    for ordered in [true, false] {
        for concurrency in [1, 2, 6] {
            let options = AsyncCalls::new(concurrency, ordered, timeout, retry);
            Case { options, ordered, shards }.check();
        }
    }
}

#[test]
fn calls_in_flight_go_on() {
    cases(1, None, 0);
}

#[test]
fn calls_that_are_tried_again_go_on() {
    cases(1, Some(Duration::from_millis(150)), 2);
}

#[test]
fn calls_in_flight_go_on_in_more_or_fewer_shards() {
    cases(3, None, 1);
}
