//! Aggregate functions with filters, sketches, and functions of one's own, against evaluators that are obviously right.

#[path = "support/cases.rs"]
mod cases;
#[path = "support/events.rs"]
mod events;

use cases::{cases, micros};
use events::{Event, Feeding, Gather, THREADS, events, events_in_any_order};
use proptest::prelude::*;
use psdf::{Aggregate, FlowError, Timestamp, Window, dataflow};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How far apart the least and the greatest value are.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Spread(Option<(i64, i64)>);

impl Aggregate for Spread {
    type Input = i64;
    type Output = u64;

    fn add(&mut self, value: i64, _: Timestamp) {
        self.merge(Spread(Some((value, value))));
    }

    fn merge(&mut self, other: Self) {
        self.0 = match (self.0, other.0) {
            (Some((least, most)), Some((lesser, more))) => Some((least.min(lesser), most.max(more))),
            (one, other) => one.or(other),
        };
    }

    fn finish(self) -> u64 {
        let (least, most) = self.0.expect("a state has seen a record");
        most.abs_diff(least)
    }
}

mod own {
    use super::*;

    /// The event time of the latest record; it takes nothing of the record itself.
    #[derive(Clone, Debug, Default, Serialize, Deserialize)]
    pub(crate) struct Latest<T>(Timestamp, std::marker::PhantomData<T>);

    impl<T> Aggregate for Latest<T> {
        type Input = ();
        type Output = Timestamp;

        fn add(&mut self, (): (), at: Timestamp) {
            self.0 = self.0.max(at);
        }

        fn merge(&mut self, other: Self) {
            self.0 = self.0.max(other.0);
        }

        fn finish(self) -> Timestamp {
            self.0
        }
    }
}

/// A filter that is a function.
fn is_odd(event: &Event) -> bool {
    event.value % 2 != 0
}

macro_rules! functions {
    ($flow:ident, $size:ident, $($window:tt)*) => {
        dataflow! {
            flow $flow {
                param lateness: Duration = Duration::ZERO;
                param $size: Duration = Duration::from_secs(1);
                param least: i64 = 0;
                param q: f64 = 0.5;
                input events: Event;
                keyed = events -> event_time(|e| e.at, lateness lateness) -> key_by(key: u8 = |e| e.key);
                /// What is taken of a record travels, and not the record.
                taken = keyed -> $($window)* -> aggregate {
                    count: u64 = count(where |e| e.value > least), sum: i64 = sum(|e| e.value, where |e| e.value > least),
                    min: Option<i64> = min(|e| e.value, where |e| e.value > least),
                    max: Option<i64> = max(|e| e.value, where |e| e.value > least),
                    mean: Option<f64> = mean(|e| e.value, where |e| e.value > least),
                    first: Option<u32> = first(|e| e.id, where |e| e.value > least),
                    last: Option<u32> = last(|e| e.id, where |e| e.value > least),
                    distinct: u64 = distinct(|e| e.value, where |e| e.value > least),
                    approx: u64 = approx_distinct(|e| e.value, where |e| e.value > least),
                    all: Vec<u32> = collect(|e| e.id, where |e| e.value > least),
                    median: Option<f64> = quantile(q, |e| e.value, where |e| e.value > least),
                    spread: Option<u64> = Spread(|e| e.value, where |e| e.value > least),
                    odd: u64 = count(where is_odd),
                };
                /// Without a filter.
                every = keyed -> $($window)* -> aggregate {
                    min: i64 = min(|e| e.value), approx: u64 = approx_distinct(|e| e.value),
                    median: f64 = quantile(q, |e| e.value), spread: u64 = self::Spread(|e| e.value),
                    latest: Timestamp = own::Latest::<u8>(), late: Option<Timestamp> = own::Latest::<u8>(where |e| e.value > least),
                    maybe: Option<i64> = max(|e| Some(e.value)),
                };
                /// Whole records travel.
                whole = keyed -> $($window)* -> aggregate {
                    count: u64 = count(where |e| e.value > least), min: Option<i64> = min(|e| e.value, where |e| e.value > least),
                    top: Vec<Event> = top(2, by |e| (e.value, e.id), where |e| e.value > least),
                    ids: u32 = fold(0, |ids, e| *ids += e.id, merge |ids, others| *ids += others, where |e| e.value > least),
                };
                output taken;
                output every;
                output whole;
            }
        }
    };
}

functions!(Tumbling, size, tumbling(size));
functions!(Hopping, size, hopping(size, every 7 us));
functions!(Sessions, size, session(size));

#[derive(Clone, Debug, PartialEq)]
struct Taken {
    count: u64,
    sum: i64,
    min: Option<i64>,
    max: Option<i64>,
    mean: Option<f64>,
    first: Option<u32>,
    last: Option<u32>,
    distinct: u64,
    approx: u64,
    all: Vec<u32>,
    /// Within 1 %, where the values are small integers: the nearest one.
    median: Option<i64>,
    spread: Option<u64>,
    odd: u64,
    top: Vec<u32>,
    ids: u32,
}

fn median(values: &[i64]) -> Option<i64> {
    let mut values = values.to_vec();
    values.sort_unstable();
    (!values.is_empty()).then(|| values[(values.len() - 1) / 2])
}

fn spread(values: &[i64]) -> Option<u64> {
    Some(values.iter().max()?.abs_diff(*values.iter().min()?))
}

/// All events of a key in a window, and of what passes the filter everything.
fn taken(events: &[Event], least: i64) -> Taken {
    let odd = events.iter().filter(|e| is_odd(e)).count() as u64;
    let passed: Vec<&Event> = events.iter().filter(|e| e.value > least).collect();
    let values: Vec<i64> = passed.iter().map(|e| e.value).collect();
    let mut by_time = passed.clone();
    by_time.sort_by_key(|e| e.at);
    let mut by_rank = passed.clone();
    by_rank.sort_by_key(|e| std::cmp::Reverse((e.value, e.id)));
    let sum: i64 = values.iter().sum();
    let distinct = values.iter().collect::<BTreeSet<_>>().len() as u64;
    Taken {
        count: passed.len() as u64,
        sum,
        min: values.iter().min().copied(),
        max: values.iter().max().copied(),
        mean: (!values.is_empty()).then(|| sum as f64 / values.len() as f64),
        first: by_time.first().map(|e| e.id),
        last: by_time.last().map(|e| e.id),
        distinct,
        approx: distinct,
        all: by_time.iter().map(|e| e.id).collect(),
        median: median(&values),
        spread: spread(&values),
        odd,
        top: by_rank.iter().take(2).map(|e| e.id).collect(),
        ids: passed.iter().map(|e| e.id).sum(),
    }
}

type Of<T> = BTreeMap<(u8, Window), T>;

fn nearest(value: f64) -> i64 {
    value.round() as i64
}

macro_rules! check {
    ($flow:expr, $feeding:expr, $events:expr, $windows:expr, $least:expr, $run:ident) => {{
        let (found, every, whole) = $run!($flow, $feeding, events = $events => taken_to, every_to, whole_to);
        let windows: Of<Vec<Event>> = $windows;
        let expected: Of<Taken> = windows.iter().map(|(of, events)| (*of, taken(events, $least))).collect();
        let mut whole: Of<_> = whole.into_iter().map(|r| ((r.key, r.window), r)).collect();
        let found: Of<Taken> = found
            .into_iter()
            .map(|r| {
                let of = (r.key, r.window);
                let whole = whole.remove(&of).expect("it has a result for each key and window");
                assert_eq!((whole.count, whole.min), (r.count, r.min));
                (of, Taken {
                    count: r.count, sum: r.sum, min: r.min, max: r.max, mean: r.mean, first: r.first, last: r.last,
                    distinct: r.distinct, approx: r.approx, all: r.all, median: r.median.map(nearest), spread: r.spread,
                    odd: r.odd, top: whole.top.iter().map(|e| e.id).collect(), ids: whole.ids,
                })
            })
            .collect();
        prop_assert_eq!(found, expected);
        prop_assert!(whole.is_empty());
        let every: Of<_> = every
            .into_iter()
            .map(|r| ((r.key, r.window), (r.min, r.approx, nearest(r.median), r.spread, r.latest, r.late, r.maybe)))
            .collect();
        let expected: Of<_> = windows
            .iter()
            .map(|(of, events)| {
                let values: Vec<i64> = events.iter().map(|e| e.value).collect();
                let distinct = values.iter().collect::<BTreeSet<_>>().len() as u64;
                // It begins at the epoch.
                let latest = |of: &dyn Fn(&Event) -> bool| {
                    events.iter().filter(|e| of(e)).map(|e| e.at.max(Timestamp::default())).max()
                };
                let late = latest(&|e| e.value > $least);
                let latest = latest(&|_| true).expect("there are events");
                let min = *values.iter().min().expect("there are events");
                let parts = (median(&values), spread(&values));
                let (median, spread) = (parts.0.expect("of events"), parts.1.expect("of events"));
                (*of, (min, distinct, median, spread, latest, late, values.iter().max().copied()))
            })
            .collect();
        prop_assert_eq!(every, expected);
    }};
}

fn in_windows(events: &[Event], size: i64, every: i64) -> Of<Vec<Event>> {
    let mut found = Of::<Vec<Event>>::new();
    for event in events {
        for start in (-200..200).map(|n| n * every) {
            let window = Window { start: Timestamp(start), end: Timestamp(start + size) };
            if window.start <= event.at && event.at < window.end {
                found.entry((event.key, window)).or_default().push(event.clone());
            }
        }
    }
    found
}

fn in_sessions(events: &[Event], gap: i64) -> Of<Vec<Event>> {
    let mut by_time = events.to_vec();
    by_time.sort_by_key(|e| (e.key, e.at));
    let session = |events: &[Event]| {
        let window = Window { start: events[0].at, end: Timestamp(events[events.len() - 1].at.0 + gap) };
        let mut arrived = events.to_vec();
        arrived.sort_by_key(|e| e.id);
        ((arrived[0].key, window), arrived)
    };
    by_time.chunk_by(|a, b| a.key == b.key && b.at.0 - a.at.0 <= gap).map(session).collect()
}

fn disordered() -> impl Strategy<Value = (i64, Vec<Event>)> {
    (0i64..30).prop_flat_map(|lateness| (Just(lateness), events(lateness, 100)))
}

proptest! {
    #![proptest_config(cases(60))]

    #[test]
    fn a_filtered_function_sees_what_passes_its_filter(
        (lateness, events) in disordered(), size in 1i64..60, least in -4i64..4, feeding in Feeding::any(),
    ) {
        let (late, wide) = (micros(lateness), micros(size));
        let tumbling = Tumbling { lateness: late, size: wide, least, q: 0.5 };
        check!(tumbling, &feeding, &events, in_windows(&events, size, size), least, run);
        let wider = size.max(7);
        let hopping = Hopping { lateness: late, size: micros(wider), least, q: 0.5 };
        check!(hopping, &feeding, &events, in_windows(&events, wider, 7), least, run);
        let sessions = Sessions { lateness: late, size: wide, least, q: 0.5 };
        check!(sessions, &feeding, &events, in_sessions(&events, size), least, run);
    }
}

proptest! {
    #![proptest_config(cases(10))]

    #[test]
    fn a_filtered_function_sees_the_same_on_threads(
        (lateness, events) in disordered(), size in 1i64..60, least in -4i64..4, feeding in Feeding::any(),
    ) {
        let sessions = Sessions { lateness: micros(lateness), size: micros(size), least, q: 0.5 };
        check!(sessions, &feeding, &events, in_sessions(&events, size), least, run_on_threads);
    }
}

dataflow! {
    flow Sketches {
        param q: f64 = 0.99;
        input numbers: u64;
        sketches = numbers -> key_by(all: () = |_| ()) -> aggregate {
            exact: u64 = distinct(|n| n / 2), approx: u64 = approx_distinct(|n| n / 2), p99: f64 = quantile(0.99, |n| *n),
            asked: f64 = quantile(q, |n| *n as f32), least: f64 = quantile(0.0, |n| *n), most: f64 = quantile(1.0, |n| *n),
        } keep forever;
        output sketches;
    }
}

#[test]
fn sketches_of_many_values_are_as_near_as_they_say() {
    let (flow, mut hand) = Sketches { q: 0.25 }.builder().inline().unwrap();
    for chunk in (1..=100_000u64).collect::<Vec<_>>().chunks(1000) {
        hand.block_on(flow.numbers.send_batch(chunk.to_vec())).unwrap();
    }
    let last = hand.block_on(flow.finish()).unwrap().sketches.pop().unwrap();
    let near = |found: f64, exact: f64, share: f64| (found / exact - 1.0).abs() < share;
    assert_eq!(last.exact, 50_001);
    assert!(near(last.approx as f64, 50_001.0, 4.0 * 0.0163), "{last:?}");
    assert!(near(last.p99, 99_000.0, 0.0101) && near(last.asked, 25_000.0, 0.0101), "{last:?}");
    assert!(near(last.least, 1.0, 0.0101) && near(last.most, 100_000.0, 0.0101), "{last:?}");
}

#[test]
fn a_quantile_of_more_than_all_ends_the_flow_with_its_node() {
    let (flow, mut hand) = Sketches { q: 1.5 }.builder().inline().unwrap();
    flow.numbers.try_send(1).unwrap();
    let Err(FlowError::Panicked { node, message, .. }) = hand.block_on(flow.finish()) else {
        panic!("it ends")
    };
    assert_eq!(
        (node, message.as_str()),
        ("sketches", "`quantile` was asked for 1.5, which is not from 0.0 to 1.0")
    );
}

/// A function that cannot bear a seven.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct NoSeven(u64);

impl Aggregate for NoSeven {
    type Input = u64;
    type Output = u64;

    fn add(&mut self, value: u64, _: Timestamp) {
        assert_ne!(value, 7, "a seven");
        self.0 += value;
    }

    fn merge(&mut self, other: Self) {
        self.0 += other.0;
    }

    fn finish(self) -> u64 {
        assert_ne!(self.0, 8, "an eight");
        self.0
    }
}

dataflow! {
    flow Fragile {
        input numbers: u64;
        sums = numbers -> key_by(all: () = |_| ()) -> aggregate { sum: u64 = NoSeven(|n| *n) } keep forever;
        filtered = numbers -> key_by(all: () = |_| ()) -> aggregate {
            count: u64 = count(where |n| 100 / *n > 1),
        } keep forever;
        output sums;
        output filtered;
    }
}

#[test]
fn a_panic_in_a_filter_or_in_a_function_of_ones_own_has_the_name_of_its_node() {
    for (number, name) in [(7, "sums"), (8, "sums"), (0, "filtered")] {
        let (flow, mut hand) = Fragile.builder().inline().unwrap();
        flow.numbers.try_send(number).unwrap();
        let Err(FlowError::Panicked { node, .. }) = hand.block_on(flow.finish()) else { panic!("it ends") };
        assert_eq!(node, name);
    }
}

dataflow! {
    /// The first `least` records of each key pass, so that the filter may have seen none.
    flow Running {
        param least: u32 = 0;
        input events: Event;
        running = events -> event_time(|e| e.at, lateness 1 s) -> key_by(key: u8 = |e| e.key) -> aggregate {
            all: u64 = count(), passed: u64 = count(where |e| e.id >= least),
            first: Option<u32> = first(|e| e.id, where |e| e.id >= least), min: Option<i64> = min(|e| e.value, where |e| e.id >= least),
        } keep forever;
        output running;
    }
}

proptest! {
    #![proptest_config(cases(60))]

    #[test]
    fn a_running_filtered_function_has_no_result_until_a_record_has_passed(
        events in events_in_any_order(60), least in 0u32..60, feeding in Feeding::any(),
    ) {
        let (results,) = run!(Running { least }, &feeding, events = &events => running_to);
        for r in results {
            let seen = events.iter().filter(|e| e.key == r.key).take(r.all as usize);
            let passed: Vec<&Event> = seen.filter(|e| e.id >= least).collect();
            prop_assert_eq!(r.passed, passed.len() as u64);
            // Among equals `min_by_key` gives the one that came first.
            prop_assert_eq!(r.first, passed.iter().min_by_key(|e| e.at).map(|e| e.id));
            prop_assert_eq!(r.min, passed.iter().map(|e| e.value).min());
        }
    }
}
