//! Windows without a key that several tasks fold and one puts together, against an evaluator that is obviously right.

#[path = "support/cases.rs"]
mod cases;
#[path = "support/events.rs"]
mod events;
#[path = "support/naive_windows.rs"]
#[allow(dead_code)]
mod naive_windows;

use cases::{cases, micros};
use events::{Event, Feeding, Gather, THREADS, events, events_in_any_order};
use naive_windows::{Hopping, windows_one_by_one};
use proptest::prelude::*;
use psdf::{Timestamp, Window, dataflow};
use std::collections::BTreeSet;
use std::time::Duration;

dataflow! {
    /// Windows over all events, of functions that give the same however the events are divided.
    flow Spread {
        param lateness: Duration = Duration::ZERO;
        param size: Duration = Duration::from_micros(10);
        param hop: Duration = Duration::from_micros(5);

        input events: Event;

        timed = events -> event_time(|e| e.at, lateness lateness);
        tumbled = timed -> tumbling(size) -> aggregate {
            count: u64 = count(),
            sum: i64 = sum(|e| e.value),
            least: Option<i64> = min(|e| e.value, where |e| e.value > 0),
            greatest: (i64, u32) = max(|e| (e.value, e.id)),
            keys: u64 = distinct(|e| e.key),
            about: u64 = approx_distinct(|e| e.id),
            median: f64 = quantile(0.5, |e| e.value),
            none: u64 = count(where |_| false),
        };
        hopped = timed -> hopping(size, every hop) else skip -> aggregate {
            count: u64 = count(), sum: i64 = sum(|e| e.value),
        };
        /// Read by a window of its own.
        busiest = hopped -> tumbling(hop) -> aggregate { count: u64 = max(|w| w.count), windows: u64 = count() };

        output tumbled;
        output hopped;
        output busiest;
    }
}

dataflow! {
    /// Windows over all events that one task holds.
    flow Whole {
        input events: Event;
        timed = events -> event_time(|e| e.at, lateness 5 ms);
        first = timed -> tumbling(1 s) -> aggregate { id: u32 = first(|e| e.id) };
        last = timed -> tumbling(1 s) -> aggregate { n: u64 = count(), id: u32 = last(|e| e.id) };
        all = timed -> tumbling(1 s) -> aggregate { ids: Vec<u32> = collect(|e| e.id) };
        rounded = timed -> tumbling(1 s) -> aggregate { sum: f64 = sum(|e| e.value as f64) };
        mean = timed -> tumbling(1 s) -> aggregate { mean: f64 = mean(|e| e.value) };
        top = timed -> tumbling(1 s) -> top(2, by |e| e.value);
        allowed = timed -> tumbling(1 s, allow 1 s) -> aggregate { n: u64 = count() };
        early = timed -> tumbling(1 s, early every 100 ms) -> aggregate { n: u64 = count() };
        diverted = timed -> tumbling(1 s) else late -> aggregate { n: u64 = count() };
        session = timed -> session(1 s) -> aggregate { n: u64 = count() };
        by_wall_clock = events -> tumbling(1 s, processing_time) -> aggregate { n: u64 = count() };
        output first; output last; output all; output rounded; output mean; output top; output allowed; output early;
        output diverted; output late; output session; output by_wall_clock;
    }
}

/// Whether one of the stages of a node runs as several tasks.
fn is_spread(graph: &psdf::graph::Graph, node: &str) -> bool {
    graph.stages.iter().any(|stage| stage.name == node && stage.keyed)
}

#[test]
fn a_window_without_a_key_is_spread_where_its_parts_can_be_united_exactly() {
    let (spread, whole) = (Spread::GRAPH, Whole::GRAPH);
    for name in ["tumbled", "hopped", "busiest"] {
        assert!(is_spread(spread, name), "{name}");
        assert!(spread.node(name).unwrap().key.is_empty());
    }
    for node in whole.nodes {
        assert!(!is_spread(whole, node.name), "{}", node.name);
    }
}

#[test]
fn late_events_are_counted_wherever_they_come() {
    for shards in [1, 2, 4] {
        let (flow, mut inline) = Spread::default().builder().shards(shards).batch_limit(1).inline().unwrap();
        for (id, at) in (0..).zip([0, 10, 20, 1, 2, 11, 3, 25]) {
            flow.events.try_send(Event { key: 0, at: Timestamp(at), value: 1, id }).unwrap();
            inline.run();
        }
        let late = |node: &str| {
            flow.control.counts().iter().find(|counts| counts.node == node).map(|counts| counts.late)
        };
        assert_eq!(late("tumbled"), Some(4));
        let counts: Vec<_> =
            inline.block_on(flow.finish()).unwrap().tumbled.iter().map(|w| w.count).collect();
        assert_eq!(counts, [1, 1, 2]);
    }
}

#[test]
fn no_part_is_lost_by_a_task_that_was_idle_when_the_others_went_on() {
    for shards in [1, 2, 4] {
        let (flow, mut inline) = Spread::default().builder().shards(shards).batch_limit(1).inline().unwrap();
        let send =
            |at: i64| flow.events.try_send(Event { key: 0, at: Timestamp(at), value: 1, id: 0 }).unwrap();
        for round in 0..5 {
            // Each task has some of a window that is still open when all fall silent, and one of them ends it.
            for at in 0..7 {
                send(round * 100 + at);
            }
            inline.advance(Duration::from_secs(60));
        }
        send(1000);
        let counts: Vec<_> =
            inline.block_on(flow.finish()).unwrap().tumbled.iter().map(|w| w.count).collect();
        assert_eq!(counts, [7, 7, 7, 7, 7, 1]);
    }
}

#[test]
fn explain_knows_what_a_spread_window_waits_for() {
    for shards in [1, 2] {
        let (flow, mut inline) = Spread::default().builder().shards(shards).inline().unwrap();
        flow.events.try_send(Event { key: 0, at: Timestamp(3), value: 1, id: 0 }).unwrap();
        inline.run();
        let text = flow.control.explain("tumbled");
        assert!(text.contains("the end of its earliest open window"), "{text}");
        assert!(text.contains("`events`"), "{text}");
    }
}

/// The events as if they were all of one key.
fn of_one_key(events: &[Event]) -> Vec<Event> {
    events.iter().map(|event| Event { key: 0, ..event.clone() }).collect()
}

fn sum(events: &[Event]) -> i64 {
    events.iter().map(|event| event.value).sum()
}

macro_rules! check_spread {
    ($run:ident, $events:expr, $lateness:expr, $size:expr, $hop:expr, $feeding:expr) => {{
        let events: &[Event] = $events;
        let flow = Spread { lateness: micros($lateness), size: micros($size), hop: micros($hop) };
        let (tumbled, hopped, busiest) = $run!(flow, $feeding, events = events => tumbled_to, hopped_to, busiest_to);
        let one = of_one_key(events);
        let windows = Hopping { size: $size, every: $size, allow: 0 };
        let mut expected = windows_one_by_one(&one, $lateness, windows).results;
        expected.sort_by_key(|(_, window, _)| *window);
        prop_assert_eq!(tumbled.len(), expected.len());
        for (seen, (_, window, all)) in tumbled.iter().zip(expected) {
            let (values, ids) = (all.iter().map(|e| e.value), all.iter().map(|e| e.id));
            let keys: BTreeSet<u8> = ids.clone().map(|id| events[id as usize].key).collect();
            prop_assert_eq!(seen.window, window);
            prop_assert_eq!(seen.count, all.len() as u64);
            prop_assert_eq!(seen.sum, sum(&all));
            prop_assert_eq!(seen.least, values.clone().filter(|value| *value > 0).min());
            prop_assert_eq!(Some(seen.greatest), values.clone().zip(ids.clone()).max());
            prop_assert_eq!(seen.keys, keys.len() as u64);
            prop_assert_eq!(seen.about, all.len() as u64);
            let mut values: Vec<i64> = values.collect();
            values.sort_unstable();
            let median = values[(values.len() - 1) / 2] as f64;
            prop_assert!((seen.median - median).abs() <= 0.01 * median.abs(), "{} {}", seen.median, median);
            prop_assert_eq!(seen.none, 0);
        }

        let windows = Hopping { size: $size, every: $hop, allow: 0 };
        let mut expected: Vec<(Window, u64, i64)> = windows_one_by_one(&one, $lateness, windows)
            .results
            .iter()
            .map(|(_, window, all)| (*window, all.len() as u64, sum(all)))
            .collect();
        expected.sort();
        let seen: Vec<_> = hopped.iter().map(|r| (r.window, r.count, r.sum)).collect();
        prop_assert_eq!(&seen, &expected);
        prop_assert_eq!(busiest.iter().map(|w| w.windows).sum::<u64>(), expected.len() as u64);
        let most = |windows: &mut dyn Iterator<Item = u64>| windows.max();
        prop_assert_eq!(
            most(&mut busiest.iter().map(|w| w.count)),
            most(&mut expected.iter().map(|(_, count, _)| *count))
        );
    }};
}

proptest! {
    #![proptest_config(cases(100))]

    #[test]
    fn spread_windows_are_the_same_for_any_number_of_shards(
        events in events_in_any_order(100), lateness in 0i64..60, size in 1i64..40, hop in 1i64..40,
        feeding in Feeding::any(),
    ) {
        check_spread!(run, &events, lateness, size, hop.min(size), &feeding);
    }
}

proptest! {
    #![proptest_config(cases(30))]

    #[test]
    fn spread_windows_are_the_same_on_threads(
        events in events(30, 300), lateness in 0i64..60, size in 1i64..40, hop in 1i64..40, feeding in Feeding::any(),
    ) {
        check_spread!(run_on_threads, &events, lateness, size, hop.min(size), &feeding);
    }
}
