//! Calls of durable flows: what is in flight at a barrier is part of the checkpoint, and is asked for again after a crash.

use psdf::testing::{MemoryStorage, Rng, simulate};
use psdf::{AsyncError, Dropped, Failed, Flow, Inline, StartError, Timestamp, dataflow, sources};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fmt::Debug;
use std::future::{Future, poll_fn};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Poll, Waker};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// Somebody outside of the flow, who answers when the test says so.
#[derive(Clone, Default)]
pub struct Outside(Arc<Mutex<Desk>>);

#[derive(Default)]
struct Desk {
    asked: Vec<u64>,
    answers: HashMap<u64, u64>,
    wakers: Vec<Waker>,
}

impl Outside {
    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.0.lock().expect("nobody panics at the desk")
    }

    fn ask(&self, n: u64) -> impl Future<Output = Result<u64, String>> + Send + 'static + use<> {
        let outside = self.clone();
        let mut asked = false;
        poll_fn(move |cx| {
            let mut desk = outside.desk();
            if !std::mem::replace(&mut asked, true) {
                desk.asked.push(n);
            }
            match desk.answers.remove(&n) {
                Some(answer) => Poll::Ready(Ok(answer)),
                None => {
                    desk.wakers.push(cx.waker().clone());
                    Poll::Pending
                }
            }
        })
    }

    /// Answers the calls for some numbers.
    fn answer(&self, numbers: &[u64]) {
        let mut desk = self.desk();
        desk.answers.extend(numbers.iter().map(|&n| (n, n * 10)));
        let wakers = std::mem::take(&mut desk.wakers);
        drop(desk);
        wakers.into_iter().for_each(Waker::wake);
    }

    /// What was asked since the last time.
    fn asked(&self) -> Vec<u64> {
        std::mem::take(&mut self.desk().asked)
    }
}

dataflow! {
    flow Ordered {
        param outside: Outside;
        input numbers: u64;
        answered: u64 = numbers -> map_async(|n| outside.ask(n), concurrency 5) else skip;
        output answered;
    }
}

dataflow! {
    flow Unordered {
        param outside: Outside;
        input numbers: u64;
        answered: u64 = numbers -> map_async(|n| outside.ask(n), concurrency 5, unordered) else skip;
        output answered;
    }
}

/// A flow on that storage, with somebody to ask.
macro_rules! start {
    ($flow:ident, $storage:expr) => {{
        let outside = Outside::default();
        let builder = $flow { outside: outside.clone() }.builder().durable_in($storage.clone());
        let (flow, inline) = builder.checkpoint_every(SECOND).inline().expect("the flow starts");
        (flow, inline, outside)
    }};
}

/// Lets an epoch be committed; all that had come out by then.
macro_rules! commit {
    ($flow:ident, $inline:ident, $output:ident) => {{
        $inline.run();
        $inline.advance(SECOND);
        let mut all = Vec::new();
        while let Some(record) = $flow.$output.next_now() {
            all.push(record);
        }
        $inline.run();
        all
    }};
}

#[test]
fn a_call_that_never_answers_holds_up_no_checkpoint() {
    let (mut flow, mut inline, _outside) = start!(Ordered, MemoryStorage::new());
    inline.block_on(flow.numbers.send(1)).unwrap();
    for epoch in 1..=3 {
        assert_eq!(commit!(flow, inline, answered), [0; 0]);
        assert_eq!((flow.control.committed_epoch(), flow.numbers.committed()), (epoch, 1));
    }
}

#[test]
fn after_a_crash_what_was_in_flight_is_asked_for_again_and_what_had_left_is_not() {
    let storage = MemoryStorage::new();
    let (mut flow, mut inline, outside) = start!(Ordered, storage);
    inline.block_on(flow.numbers.send_batch((0..7).collect())).unwrap();
    inline.run();
    outside.answer(&[0, 2]);
    inline.run();
    assert_eq!(outside.asked(), [0, 1, 2, 3, 4, 5]);
    outside.answer(&[1]);
    assert_eq!(commit!(flow, inline, answered), [0, 10, 20]);
    outside.answer(&[4]); // it waits for the third, and so is asked for again with it
    inline.run();
    drop((flow, inline));

    let (mut flow, mut inline, outside) = start!(Ordered, storage);
    inline.run();
    assert_eq!((flow.numbers.committed(), outside.asked()), (7, vec![3, 4, 5, 6]));
    inline.block_on(flow.numbers.send_batch(vec![7, 8])).unwrap();
    inline.run();
    assert_eq!(outside.asked(), [7], "no more than may be in flight");
    outside.answer(&[7, 6, 5, 4]);
    inline.run();
    assert_eq!(flow.answered.next_now(), None);
    outside.answer(&[3, 8]);
    assert_eq!(commit!(flow, inline, answered), [30, 40, 50, 60, 70, 80]);
    drop((flow, inline));

    let (flow, mut inline, outside) = start!(Ordered, storage);
    inline.run();
    assert_eq!((flow.numbers.committed(), outside.asked()), (9, vec![]), "all have left");
}

#[test]
fn unordered_calls_are_asked_for_again_too() {
    let storage = MemoryStorage::new();
    let (mut flow, mut inline, outside) = start!(Unordered, storage);
    inline.block_on(flow.numbers.send_batch((0..4).collect())).unwrap();
    inline.run();
    outside.answer(&[2]);
    assert_eq!(commit!(flow, inline, answered), [20]);
    drop((flow, inline));
    let (mut flow, mut inline, outside) = start!(Unordered, storage);
    inline.run();
    assert_eq!(outside.asked(), [0, 1, 3]);
    outside.answer(&[3]);
    assert_eq!(commit!(flow, inline, answered), [30]);
}

#[test]
fn a_stop_with_a_checkpoint_does_not_wait_for_calls_and_drops_none() {
    let storage = MemoryStorage::new();
    let (flow, mut inline, _outside) = start!(Ordered, storage);
    inline.block_on(flow.numbers.send_batch(vec![1, 2])).unwrap();
    inline.run();
    let dropped = inline.block_on(flow.shutdown(SECOND)).unwrap();
    assert_eq!(dropped, Vec::<Dropped>::new());
    let (flow, mut inline, outside) = start!(Ordered, storage);
    inline.run();
    assert_eq!(outside.asked(), [1, 2]);
    outside.answer(&[1, 2]);
    assert_eq!(inline.block_on(flow.finish()).unwrap().answered, [10, 20]);
}

dataflow! {
    /// What one input asks is in flight when that has ended, and the other goes on.
    flow Beside {
        param outside: Outside;
        input few: u64;
        input many: u64;
        answered = few -> map_async(|n| outside.ask(n)) else skip;
        all = merge(answered, many);
        output all: u64;
    }
}

#[test]
fn a_call_in_flight_when_its_input_has_ended_holds_up_no_checkpoint() {
    let storage = MemoryStorage::new();
    let start = |outside: &Outside| {
        let builder = Beside { outside: outside.clone() }.builder().few_from(sources::iter([1, 2]));
        builder.durable_in(storage.clone()).checkpoint_every(SECOND).inline().expect("the flow starts")
    };
    let outside = Outside::default();
    let (mut flow, mut inline) = start(&outside);
    inline.run();
    outside.answer(&[1]);
    inline.run();
    for n in 1..=3 {
        inline.block_on(flow.many.send(n)).unwrap();
        commit!(flow, inline, all);
        assert_eq!((flow.control.committed_epoch(), flow.many.committed()), (n, n));
    }
    drop((flow, inline));
    let outside = Outside::default();
    let (flow, mut inline) = start(&outside);
    inline.run();
    assert_eq!(outside.asked(), [2]);
    outside.answer(&[2]);
    assert_eq!(inline.block_on(flow.finish()).unwrap().all, [20]);
}

/// No data: a barrier waits for it.
#[derive(Debug)]
pub struct Plain(u64);

/// Data, but of a kind that is not read from what is written of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Untagged {
    Number(u64),
    Word(String),
}

dataflow! {
    flow Waiting {
        param outside: Outside;
        input numbers: u64;
        plain = numbers -> map(Plain) -> map_async(|n: Plain| outside.ask(n.0)) else skip;
        untagged = numbers -> map(|n| Untagged::Number(n + 1)) -> map_async(|n| {
            let Untagged::Number(n) = n else { unreachable!("there are only numbers") };
            outside.ask(n)
        }) else skip;
        both = merge(plain, untagged);
        output both: u64;
    }
}

#[test]
fn records_that_cannot_be_stored_are_waited_for() {
    let (mut flow, mut inline, outside) = start!(Waiting, MemoryStorage::new());
    inline.block_on(flow.numbers.send(1)).unwrap();
    commit!(flow, inline, both);
    assert_eq!(flow.control.committed_epoch(), 0);
    outside.answer(&[1]);
    commit!(flow, inline, both);
    assert_eq!(flow.control.committed_epoch(), 0);
    outside.answer(&[2]);
    assert_eq!(commit!(flow, inline, both), [20]);
    assert_eq!(flow.control.committed_epoch(), 1);
}

async fn never_answered<T>(_: T) -> Result<u64, String> {
    std::future::pending().await
}

dataflow! {
    flow Any<T> where T: psdf::Record {
        input records: T;
        answered = records -> map_async(never_answered::<T>) else skip;
        output answered: u64;
    }
}

dataflow! {
    flow Data<T> where T: psdf::StateData {
        input records: T;
        answered = records -> map_async(never_answered::<T>) else skip;
        output answered: u64;
    }
}

#[test]
fn in_a_generic_flow_the_bounds_say_what_is_data() {
    let epoch = |waits: bool| {
        let storage = MemoryStorage::new();
        macro_rules! committed {
            ($flow:expr) => {{
                let builder = $flow.builder().durable_in(storage.clone()).checkpoint_every(SECOND);
                let (mut flow, mut inline) = builder.inline().unwrap();
                inline.block_on(flow.records.send(7u64)).unwrap();
                commit!(flow, inline, answered);
                flow.control.committed_epoch()
            }};
        }
        if waits { committed!(Any::<u64>::default()) } else { committed!(Data::<u64>::default()) }
    };
    assert_eq!((epoch(true), epoch(false)), (0, 1));
}

/// Versions of one flow.
#[allow(unreachable_pub)]
mod versions {
    use super::*;
    macro_rules! version {
        ($name:ident, $($chain:tt)*) => {
            pub mod $name {
                use super::*;
                dataflow! {
                    pub flow Asking {
                        input numbers: u64;
                        answered = numbers $($chain)*;
                        output answered: u64;
                    }
                }
                pub fn start(storage: &MemoryStorage, forget: bool) -> Result<(asking::Handle, Inline), StartError> {
                    let builder = Asking.builder().durable_in(storage.clone());
                    if forget { builder.forget_state_of("answered").inline() } else { builder.inline() }
                }
            }
        };
    }
    version!(first, -> map_async(never_answered::<u64>) else skip);
    version!(of_other_type, -> map(|n: u64| n.to_string()) -> map_async(never_answered::<String>) else skip);
    version!(without, -> map(|n| n + 1));
}

#[test]
fn records_in_flight_that_another_version_cannot_read_are_let_go_only_when_told_to() {
    let storage = MemoryStorage::new();
    let (flow, mut inline) = versions::first::start(&storage, false).unwrap();
    inline.block_on(flow.stop_with_checkpoint()).unwrap();
    for _ in 0..2 {
        // With nothing in flight the type of the records does not matter.
        let (flow, mut inline) = versions::of_other_type::start(&storage, false).unwrap();
        inline.block_on(flow.stop_with_checkpoint()).unwrap();
    }
    let (flow, mut inline) = versions::first::start(&storage, false).unwrap();
    inline.block_on(flow.numbers.send(1)).unwrap();
    inline.block_on(flow.stop_with_checkpoint()).unwrap();
    let refused = |error: StartError| error.to_string();
    let error = versions::of_other_type::start(&storage, false).map(drop).map_err(refused).unwrap_err();
    let said = "calls of node `answered` were in flight with records `u64`, which are `text` now; let the version before \
                finish them first, or let them go with `.forget_state_of(\"answered\")`";
    assert!(error.contains(said), "{error}");
    let error = versions::without::start(&storage, false).map(drop).map_err(refused).unwrap_err();
    assert!(error.contains("`.forget_state_of(\"answered\")`"), "{error}");
    assert!(versions::without::start(&storage, true).is_ok());
    let (flow, mut inline) = versions::of_other_type::start(&storage, true).unwrap();
    inline.block_on(flow.stop_with_checkpoint()).unwrap();
    assert!(versions::first::start(&storage, false).is_ok());
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    at: Timestamp,
    key: u8,
    id: u64,
    turns: u64,
}

/// Events of a few keys, a second apart or so; up to 20 s out of order, some later than that. Some calls take long.
fn events(seed: u64, n: u64) -> Vec<Event> {
    let mut rng = Rng::new(seed);
    let event = |id| {
        let back = if rng.one_in(12) { 90 } else { 20 };
        let turns = if rng.one_in(8) { 200 } else { 6 };
        let second = 1_000 + i64::try_from(id - rng.below(back).min(id)).expect("it is small");
        let key = u8::try_from(rng.below(5)).expect("it is small");
        Event { at: Timestamp::from_secs(second), key, id, turns: rng.below(turns) }
    };
    (0..n).map(event).collect()
}

/// Answers when it has been looked at so often.
async fn after_turns(event: Event) -> Result<Event, u64> {
    let mut left = event.turns;
    poll_fn(move |cx| {
        if left == 0 {
            return Poll::Ready(());
        }
        left -= 1;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
    if event.id % 7 == 3 { Err(event.id) } else { Ok(event) }
}

/// Seldom in time, or never.
async fn at_times_never(event: Event) -> Result<Event, u64> {
    if event.turns > 100 {
        std::future::pending::<()>().await;
    }
    after_turns(event).await
}

dataflow! {
    flow Late {
        input events: Event;
        input others: Event;
        timed = events -> event_time(|e| e.at, lateness 20 s);
        asked: Event = timed -> map_async(after_turns, unordered, concurrency 7) else refused;
        sums = asked
            -> key_by(key: u8 = |e| e.key)
            -> tumbling(30 s) else late
            -> aggregate { n: u64 = count(), ids: u64 = sum(|e| e.id) };
        in_turn: Event = timed -> map_async(after_turns, concurrency 5) else skip;
        sessions = in_turn
            -> key_by(key: u8 = |e| e.key)
            -> session(5 s)
            -> aggregate { n: u64 = count(), ids: Vec<u64> = collect(|e| e.id) };
        rights = others -> event_time(|e| e.at, lateness 20 s) -> key_by(key: u8 = |e| e.key);
        pairs = in_turn -> key_by(key: u8 = |e| e.key) -> left_join(rights, within 3 s);
        /// Asked twice, one call after the other.
        again = asked
            -> map_async(|e: Event| async move { Ok::<_, String>(e) }, unordered, concurrency 3) else fail
            -> map_async(after_turns, concurrency 2) else skip;
        output sums; output sessions; output pairs; output again: Event;
        output late: psdf::Late<Event>;
        output refusals = refused -> map(|failed| failed.record.id);
    }
}

fn sorted<T: Debug>(records: &[T]) -> Vec<String> {
    let mut all: Vec<String> = records.iter().map(|record| format!("{record:?}")).collect();
    all.sort();
    all
}

/// How many seeds each flow is simulated with, a multiple of it by `PSDF_TIMES`.
fn seeds(n: u64) -> std::ops::Range<u64> {
    let times = std::env::var("PSDF_TIMES").ok().and_then(|times| times.parse().ok()).unwrap_or(1);
    0..n * times
}

/// What comes out of an output; killed anywhere it is the same.
fn survives<F: Flow, T: Clone + Send + Debug + 'static>(make: fn() -> F, output: &str) {
    let of = |seeds, crashing: bool, shards, see: &dyn Fn(Vec<String>)| {
        let simulation = simulate(make)
            .seeds(seeds)
            .shards(shards)
            .collect::<T>(output)
            .input("events", events(1, 150))
            .input("others", events(2, 100));
        let simulation = if crashing { simulation.crash_anywhere() } else { simulation };
        simulation.check(|outcome| see(sorted(&outcome.output::<T>(output))));
    };
    let expected = std::cell::RefCell::new(Vec::new());
    of(0..1, false, 1..2, &|found| *expected.borrow_mut() = found);
    let expected = expected.into_inner();
    assert!(expected.len() > 3, "the flow gives something: {expected:?}");
    of(seeds(40), true, 1..5, &|found| assert_eq!(found, expected));
}

#[test]
fn windows_of_what_was_answered_late() {
    survives::<_, late::Sums>(|| Late, "sums");
    survives::<_, psdf::Late<Event>>(|| Late, "late");
}

#[test]
fn what_was_answered_in_turn() {
    survives::<_, late::Sessions>(|| Late, "sessions");
}

#[test]
fn joins_behind_calls() {
    survives::<_, (Event, Option<Event>)>(|| Late, "pairs");
}

#[test]
fn failures_and_calls_behind_calls() {
    survives::<_, u64>(|| Late, "refusals");
    survives::<_, Event>(|| Late, "again");
}

dataflow! {
    flow Impatient {
        input events: Event;
        asked: Event = events
            -> map_async(at_times_never, unordered, concurrency 4, timeout 30 ms, retry 2) else failed: Failed<Event, u64>;
        in_turn: Event = events
            -> map_async(at_times_never, concurrency 4, timeout 30 ms, retry 1) else late: Failed<Event, u64>;
        numbers = merge(asked, in_turn) -> map(|e| e.id);
        failures = merge(failed, late) -> map(|f| f.record.id);
        all = merge(numbers, failures);
        output all;
    }
}

#[test]
fn each_record_comes_out_once_whether_it_was_answered_or_not() {
    let given = events(3, 60);
    let mut expected: Vec<u64> = given.iter().flat_map(|event| [event.id, event.id]).collect();
    expected.sort_unstable();
    simulate(|| Impatient)
        .input("events", given)
        .collect::<u64>("all")
        .seeds(seeds(60))
        .crash_anywhere()
        .check(|outcome| {
            let mut all = outcome.output::<u64>("all");
            all.sort_unstable();
            assert_eq!(all, expected);
        });
}

#[test]
fn a_record_that_timed_out_before_a_crash_has_all_its_tries_after_it() {
    dataflow! {
        flow Patient {
            param outside: Outside;
            input numbers: u64;
            answered: u64 = numbers
                -> map_async(|n| outside.ask(n), timeout 2 s, retry 1) else failed: Failed<u64, String>;
            output answered;
            output failed;
        }
    }
    let storage = MemoryStorage::new();
    let (mut flow, mut inline, outside) = start!(Patient, storage);
    inline.block_on(flow.numbers.send(1)).unwrap();
    inline.run();
    drop(flow.answered.take());
    inline.advance(Duration::from_millis(2100));
    assert_eq!(commit!(flow, inline, failed), []);
    assert_eq!((flow.control.committed_epoch(), outside.asked()), (1, vec![1, 1]));
    drop((flow, inline));
    let (flow, mut inline, outside) = start!(Patient, storage);
    inline.run();
    for _ in 0..3 {
        inline.advance(Duration::from_millis(2000));
    }
    let unread = inline.block_on(flow.finish()).unwrap();
    assert_eq!(unread.failed, [Failed { record: 1, error: AsyncError::TimedOut, tries: 2 }]);
    assert_eq!(outside.asked(), [1, 1]);
}
