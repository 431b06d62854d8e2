//! Running aggregates, folds and stateful nodes against evaluators that are obviously right.

#[path = "support/cases.rs"]
mod cases;
#[path = "support/events.rs"]
mod events;
#[path = "support/naive.rs"]
mod naive;

use cases::{cases, micros};
use events::{Chunk, Event, Feeding, Gather, THREADS, events, events_in_any_order};
use naive::{Summary, in_order, sorted, summary};
use proptest::prelude::*;
use psdf::{Timestamp, dataflow};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{Hash, Hasher};
use std::time::Duration;

dataflow! {
    /// Running: the results of all a key's events so far, whenever there are more.
    flow Running {
        param lateness: Duration = Duration::ZERO;

        input events: Event;

        by_key = events -> key_by(key: u8 = |e| e.key);
        timed = events -> event_time(|e| e.at, lateness lateness) -> key_by(key: u8 = |e| e.key);

        totals = timed -> aggregate {
            count: u64 = count(), sum: i64 = sum(|e| e.value), min: i64 = min(|e| e.value), max: i64 = max(|e| e.value),
            mean: f64 = mean(|e| e.value), first: u32 = first(|e| e.id), last: u32 = last(|e| e.id),
            distinct: u64 = distinct(|e| e.value), all: Vec<u32> = collect(|e| e.id),
            top: Vec<Event> = top(2, by |e| (e.value, std::cmp::Reverse(e.id))), folded: i64 = fold(1, in_order),
        } keep forever;
        /// Without event time the order of arrival decides.
        arrived = by_key -> aggregate {
            first: u32 = first(|e| e.id), last: u32 = last(|e| e.id), all: Vec<u32> = collect(|e| e.id),
        } keep forever;
        folds = by_key -> fold(i64 = 1, in_order) keep forever;
        /// Keyed by two fields.
        pairs = events -> key_by(key: u8 = |e| e.key, value: i64 = |e| e.value)
            -> aggregate { count: u64 = count() } keep forever;

        output totals;
        output arrived;
        output folds;
        output pairs;
    }
}

/// The last result of each key.
fn last<K: Ord, R>(results: Vec<R>, split: impl Fn(R) -> (K, Summary)) -> BTreeMap<K, Summary> {
    results.into_iter().map(split).collect()
}

fn by_key(events: &[Event]) -> BTreeMap<u8, Vec<Event>> {
    let mut found = BTreeMap::<u8, Vec<Event>>::new();
    events.iter().for_each(|event| found.entry(event.key).or_default().push(event.clone()));
    found
}

macro_rules! check_running {
    ($run:ident, $events:expr, $feeding:expr) => {{
        let events: &[Event] = $events;
        let (totals, arrived, folds, pairs) = $run!(
            Running::default(), $feeding, events = events => totals_to, arrived_to, folds_to, pairs_to
        );
        let keys = by_key(events);
        let expected: BTreeMap<_, _> = keys.iter().map(|(key, events)| (*key, summary(events, in_order))).collect();
        let totals = last(totals, |r| {
            let (count, sum, min, max, mean) = (r.count, r.sum, r.min, r.max, r.mean);
            let (first, last, distinct, all, top, folded) = (r.first, r.last, r.distinct, r.all, r.top, r.folded);
            (r.key, Summary { count, sum, min, max, mean, first, last, distinct, all, top, folded })
        });
        prop_assert_eq!(totals, expected);

        let ids = |events: &Vec<Event>| events.iter().map(|event| event.id).collect::<Vec<_>>();
        let expected: BTreeMap<_, _> = keys.iter().map(|(key, events)| (*key, ids(events))).collect();
        let arrived: BTreeMap<_, _> = arrived.into_iter().map(|r| (r.key, r)).collect();
        for (key, r) in &arrived {
            prop_assert_eq!(Some((&r.first, &r.last)), expected[key].first().zip(expected[key].last()));
        }
        prop_assert_eq!(arrived.into_iter().map(|(key, r)| (key, r.all)).collect::<BTreeMap<_, _>>(), expected);

        let fold = |events: &Vec<Event>| summary(events, in_order).folded;
        let expected: BTreeMap<_, _> = keys.iter().map(|(key, events)| (*key, fold(events))).collect();
        prop_assert_eq!(folds.into_iter().map(|r| (r.key, r.value)).collect::<BTreeMap<_, _>>(), expected);

        let mut expected = BTreeMap::new();
        events.iter().for_each(|event| *expected.entry((event.key, event.value)).or_insert(0) += 1);
        let pairs: BTreeMap<_, _> = pairs.into_iter().map(|r| ((r.key, r.value), r.count)).collect();
        prop_assert_eq!(pairs, expected);
    }};
}

dataflow! {
    flow Counts {
        input words: String;
        counts = words -> key_by(word: String = |w| w.clone()) -> aggregate { count: u64 = count() } keep forever;
        output counts;
    }
}

#[test]
fn a_running_aggregate_gives_the_keys_of_a_batch_once_each_and_no_others() {
    let (mut flow, mut inline) = Counts.builder().inline().unwrap();
    let mut results = |words: &str| {
        let words = words.split(' ').map(String::from).collect();
        inline.block_on(flow.words.send_batch(words)).unwrap();
        inline.run();
        std::iter::from_fn(|| flow.counts.next_now()).map(|r| (r.word, r.count)).collect::<Vec<_>>()
    };
    let expected = |pairs: &[(&str, u64)]| pairs.iter().map(|(w, n)| (w.to_string(), *n)).collect::<Vec<_>>();
    assert_eq!(results("a b a c a"), expected(&[("a", 3), ("b", 1), ("c", 1)]));
    assert_eq!(results("c"), expected(&[("c", 2)]));
    assert_eq!(results("d c d"), expected(&[("d", 2), ("c", 3)]));
}

dataflow! {
    flow ManyKeys {
        input numbers: u64;
        counts = numbers -> key_by(number: u64 = |n| *n) -> aggregate { count: u64 = count() } keep forever;
        steps = numbers -> key_by(number: u64 = |n| *n) -> stateful((u64, u64)) {
            state { count: u64 = 0 } keep forever;
            |state, number, out| {
                state.count += 1;
                out.emit((number, state.count));
            }
        };
        output counts;
        output steps;
    }
}

#[test]
fn tens_of_thousands_of_keys_are_kept_apart() {
    let numbers: Vec<u64> = (0..100_000u64).map(|n| n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 49).collect();
    let mut expected = HashMap::new();
    numbers.iter().for_each(|number| *expected.entry(*number).or_insert(0u64) += 1);
    assert!(expected.len() > 20_000, "the table is to be split, and to grow after that");
    for shards in [1, 3] {
        let chunks = vec![Chunk { records: 5000, rest: true }];
        let feeding = Feeding { shards, capacity: 16, batch_limit: 1024, chunks };
        let (counts, steps) = run!(ManyKeys, &feeding, numbers = &numbers => counts_to, steps_to);
        assert_eq!(counts.into_iter().map(|r| (r.number, r.count)).collect::<HashMap<_, _>>(), expected);
        assert_eq!(steps.len(), numbers.len());
        assert_eq!(steps.into_iter().collect::<HashMap<_, _>>(), expected);
    }
}

dataflow! {
    /// Tells of each event how many of its key there were before it, and at a timer how many lie before that.
    flow Timers {
        param lateness: Duration;
        param delay: Duration;

        input events: Event;

        told = events
            -> event_time(|e| e.at, lateness lateness)
            -> key_by(key: u8 = |e| e.key)
            -> stateful(Told) {
                state { times: Vec<Timestamp> = Vec::new() } keep forever;
                |state, event, out| {
                    out.emit(Told::Event { id: event.id, before: state.times.len() });
                    state.times.push(event.at);
                    if event.value > 0 {
                        out.set_timer(event.at + delay);
                    }
                }
                on timer |state, at, out| {
                    let before = state.times.iter().filter(|time| **time < at).count();
                    out.emit(Told::Timer { key: *out.key(), at, before });
                }
            };

        output told: Told;
    }
}

#[derive(Clone, Debug, PartialEq, PartialOrd)]
enum Told {
    Event { id: u32, before: usize },
    Timer { key: u8, at: Timestamp, before: usize },
}

fn told(events: &[Event], delay: i64) -> Vec<Told> {
    let mut all = Vec::new();
    for (key, events) in by_key(events) {
        all.extend(events.iter().enumerate().map(|(before, event)| Told::Event { id: event.id, before }));
        let armed = events.iter().filter(|event| event.value > 0).map(|event| Timestamp(event.at.0 + delay));
        for at in armed.collect::<BTreeSet<_>>() {
            let before = events.iter().filter(|event| event.at < at).count();
            all.push(Told::Timer { key, at, before });
        }
    }
    sorted(all)
}

dataflow! {
    /// Which keys have fallen silent: the example of the language's reference.
    flow Silence {
        param patience: Duration;

        input events: Event;

        silent = events
            -> event_time(|e| e.at, lateness 0 s)
            -> key_by(key: u8 = |e| e.key)
            -> stateful((u8, Timestamp)) {
                state { last: Timestamp = Timestamp::MIN } keep forever;
                |state, _event, out| {
                    state.last = out.time();
                    out.set_timer(out.time() + patience);
                }
                on timer |state, at, out| {
                    if state.last + patience == at {
                        let key = *out.key();
                        out.emit((key, at));
                    }
                }
            };

        output silent: (u8, Timestamp);
    }
}

dataflow! {
    /// Forgets a key some time after its last event.
    flow Forgetful {
        param lateness: Duration;
        param keep_for: Duration;

        input events: Event;

        keyed = events -> event_time(|e| e.at, lateness lateness) -> key_by(key: u8 = |e| e.key);
        counts = keyed -> aggregate { ids: Vec<u32> = fold(Vec::new(), |ids, e| ids.push(e.id)) } keep keep_for;
        steps = keyed -> stateful(Vec<u32>) {
            state { ids: Vec<u32> = Vec::new() } keep keep_for;
            |state, event, out| {
                state.ids.push(event.id);
                out.emit(state.ids.clone());
            }
        };

        output counts;
        output steps;
    }
}

/// What each event finds of its key, itself included.
fn remembered(events: &[Event], lateness: i64, keep: i64) -> Vec<Vec<u32>> {
    let mut held = BTreeMap::<u8, (Timestamp, Vec<u32>)>::new();
    let mut found = Vec::new();
    let mut watermark = i64::MIN;
    for event in events {
        // For an event that comes so long after the last one, it is as if the watermark had come with it.
        held.retain(|key, (last, _)| *key != event.key || last.0 + keep >= event.at.0);
        let (last, ids) = held.entry(event.key).or_insert((event.at, Vec::new()));
        *last = event.at.max(*last);
        ids.push(event.id);
        found.push(ids.clone());
        // Whenever the watermark moves, it leaves behind what has not been used for so long.
        if event.at.0 - lateness > watermark {
            watermark = event.at.0 - lateness;
            held.retain(|_, (last, _)| last.0 + keep >= watermark);
        }
    }
    sorted(found)
}

fn forgetful(lateness: i64, keep: i64) -> Forgetful {
    Forgetful { lateness: micros(lateness), keep_for: micros(keep) }
}

proptest! {
    #![proptest_config(cases(100))]

    #[test]
    fn running_results_end_with_those_of_all_events(events in events_in_any_order(120), feeding in Feeding::any()) {
        check_running!(run, &events, &feeding);
    }

    #[test]
    fn each_timer_fires_once_when_all_before_it_has_been_seen(
        (lateness, events) in (0i64..30).prop_flat_map(|lateness| (Just(lateness), events(lateness, 120))),
        delay in 1i64..40, feeding in Feeding::any(),
    ) {
        let flow = Timers { lateness: micros(lateness), delay: micros(delay) };
        let (seen,) = run!(flow, &feeding, events = &events => told_to);
        prop_assert_eq!(sorted(seen), told(&events, delay));
    }

    #[test]
    fn what_is_forgotten_never_depends_on_how_a_stream_is_cut(
        events in events_in_any_order(80), lateness in 0i64..60, keep in 0i64..60, feeding in Feeding::any(),
    ) {
        let (counts, steps) = run!(forgetful(lateness, keep), &feeding, events = &events => counts_to, steps_to);
        let expected = remembered(&events, lateness, keep);
        prop_assert_eq!(sorted(steps), expected.clone());
        // A running aggregate gives what the last event of a batch finds.
        prop_assert!(counts.iter().all(|r| expected.contains(&r.ids)), "{:?} is not of {:?}", counts, expected);
        let last = |events: &[Event]| events.iter().map(|e| (e.key, e.id)).collect::<BTreeMap<_, _>>();
        let finals: BTreeMap<_, _> = counts.iter().map(|r| (r.key, *r.ids.last().unwrap())).collect();
        prop_assert_eq!(finals, last(&events));
    }
}

proptest! {
    #![proptest_config(cases(20))]

    #[test]
    fn running_results_on_threads_end_with_those_of_all_events(
        events in events_in_any_order(120), feeding in Feeding::any(),
    ) {
        check_running!(run_on_threads, &events, &feeding);
    }

    #[test]
    fn each_timer_fires_once_on_threads(
        (lateness, events) in (0i64..30).prop_flat_map(|lateness| (Just(lateness), events(lateness, 120))),
        delay in 1i64..40, feeding in Feeding::any(),
    ) {
        let flow = Timers { lateness: micros(lateness), delay: micros(delay) };
        let (seen,) = run_on_threads!(flow, &feeding, events = &events => told_to);
        prop_assert_eq!(sorted(seen), told(&events, delay));
    }

    #[test]
    fn what_is_forgotten_never_depends_on_threads(
        events in events_in_any_order(80), lateness in 0i64..60, keep in 0i64..60, feeding in Feeding::any(),
    ) {
        let (_, steps) = run_on_threads!(forgetful(lateness, keep), &feeding, events = &events => counts_to, steps_to);
        prop_assert_eq!(sorted(steps), remembered(&events, lateness, keep));
    }
}

/// Keys that all have the same hash.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Alike(u32);

impl Hash for Alike {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        0u8.hash(hasher);
    }
}

dataflow! {
    /// Keys come and go. Each tells the how-manieth of its life a record is.
    flow Churn {
        param keep_for: Duration;

        input records: (i64, u32);

        timed = records -> event_time(|r| Timestamp(r.0), lateness 0 s);
        plain = timed -> key_by(key: u32 = |r| r.1) -> stateful((u32, u64)) {
            state { count: u64 = 0 } keep keep_for;
            |state, record, out| { state.count += 1; out.emit((record.1, state.count)) }
        };
        alike = timed -> filter(|r| r.1 < 300) -> key_by(key: Alike = |r| Alike(r.1)) -> stateful((u32, u64)) {
            state { count: u64 = 0 } keep keep_for;
            |state, record, out| { state.count += 1; out.emit((record.1, state.count)) }
        };
        sums = timed -> filter(|r| r.1 < 300) -> key_by(key: Alike = |r| Alike(r.1)) -> tumbling(100 us)
            -> aggregate { count: u64 = count() };

        output plain: (u32, u64);
        output alike: (u32, u64);
        output sums;
    }
}

/// What each record is told, and the counts of each key in each window.
type Lives = (Vec<(u32, u64)>, Vec<(u32, Timestamp, u64)>);

fn lives(records: &[(i64, u32)], keep: i64) -> Lives {
    let (mut held, mut told) = (HashMap::<u32, (i64, u64)>::new(), Vec::new());
    let mut windows = BTreeMap::new();
    for &(at, key) in records {
        let (last, count) = held.entry(key).or_insert((at, 0));
        *count = if at > *last + keep { 1 } else { *count + 1 };
        *last = at;
        told.push((key, *count));
        *windows.entry((key, Timestamp(at.div_euclid(100) * 100))).or_default() += 1;
    }
    (sorted(told), windows.into_iter().map(|((key, start), count)| (key, start, count)).collect())
}

fn check_churn(keys: u32, records: u32, keep: i64, shards: usize) {
    let numbers = (0..u64::from(records)).map(|n| n.wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29));
    let records: Vec<(i64, u32)> = (0..).zip(numbers).map(|(at, n)| (at, (n >> 20) as u32 % keys)).collect();
    let chunks = vec![Chunk { records: 700, rest: true }, Chunk { records: 1, rest: true }];
    let feeding = Feeding { shards, capacity: 16, batch_limit: 1024, chunks };
    let flow = Churn { keep_for: micros(keep) };
    let (plain, alike, sums) = run!(flow, &feeding, records = &records => plain_to, alike_to, sums_to);
    let (told, _) = lives(&records, keep);
    assert_eq!(sorted(plain), told);
    let few: Vec<(i64, u32)> = records.into_iter().filter(|(_, key)| *key < 300).collect();
    let (told, counts) = lives(&few, keep);
    assert_eq!(sorted(alike), told);
    assert_eq!(sorted(sums.into_iter().map(|r| (r.key.0, r.window.start, r.count)).collect()), counts);
}

#[test]
fn keys_that_come_and_go_are_kept_apart() {
    check_churn(2000, 40_000, 1500, 1);
    check_churn(100_000, 60_000, 20_000, 2);
}

#[test]
fn keys_that_all_hash_alike_are_kept_apart() {
    check_churn(300, 6000, 100, 1);
    check_churn(300, 6000, 1000, 3);
}
