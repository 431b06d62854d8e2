//! Windows without a key, against an evaluator that is obviously right.

#[path = "support/cases.rs"]
mod cases;
#[path = "support/events.rs"]
mod events;
#[path = "support/naive_windows.rs"]
#[allow(dead_code)]
mod naive_windows;

use cases::{cases, micros};
use events::{Event, Feeding, Gather, THREADS, events, events_in_any_order};
use naive_windows::{Hopping, commutative, sessions_one_by_one, windows_one_by_one};
use proptest::prelude::*;
use psdf::{Timestamp, Window, dataflow};
use std::time::Duration;

dataflow! {
    /// Windows over all events.
    flow Global {
        param lateness: Duration = Duration::ZERO;
        param size: Duration = Duration::from_micros(10);
        param hop: Duration = Duration::from_micros(5);
        param gap: Duration = Duration::from_micros(5);

        input events: Event;

        timed = events -> event_time(|e| e.at, lateness lateness);
        tumbled = timed -> tumbling(size) else late -> aggregate {
            count: u64 = count(), sum: i64 = sum(|e| e.value), keys: u64 = distinct(|e| e.key),
        };
        hopped = timed -> hopping(size, every hop) -> aggregate { count: u64 = count(), sum: i64 = sum(|e| e.value) };
        sessions = timed -> session(gap)
            -> fold(i64 = 0, commutative, merge |acc, other| *acc += other);
        best = timed -> tumbling(size) -> top(1, by |e| e.value);
        early = timed -> tumbling(size, early every hop) -> aggregate { count: u64 = count() };

        output tumbled;
        output late;
        output hopped;
        output sessions;
        output best;
        output early;
    }
}

#[test]
fn a_window_without_a_key_is_one_task_and_has_no_key() {
    let graph = Global::GRAPH;
    let node = graph.node("tumbled").unwrap();
    assert!(node.key.is_empty());
    assert!(!graph.stages[node.stage.unwrap()].keyed);
    let (flow, mut inline) = Global::default().builder().shards(4).inline().unwrap();
    for (id, (key, at)) in (0..).zip([(1, 0), (2, 9), (3, 10)]) {
        flow.events.try_send(Event { key, at: Timestamp(at), value: 1, id }).unwrap();
    }
    let results = inline.block_on(flow.finish()).unwrap().tumbled;
    let window = |start, end| Window { start: Timestamp(start), end: Timestamp(end) };
    let expected = [
        global::Tumbled { window: window(0, 10), count: 2, sum: 2, keys: 2 },
        global::Tumbled { window: window(10, 20), count: 1, sum: 1, keys: 1 },
    ];
    assert_eq!(results, expected);
}

/// The events as if they were all of one key.
fn of_one_key(events: &[Event]) -> Vec<Event> {
    events.iter().map(|event| Event { key: 0, ..event.clone() }).collect()
}

fn sorted<T: Ord>(mut items: Vec<T>) -> Vec<T> {
    items.sort();
    items
}

macro_rules! check_global {
    ($run:ident, $events:expr, $lateness:expr, $size:expr, $hop:expr, $gap:expr, $feeding:expr) => {{
        let events: &[Event] = $events;
        let flow = Global { lateness: micros($lateness), size: micros($size), hop: micros($hop), gap: micros($gap) };
        let (tumbled, late, hopped, sessions, best, early) = $run!(
            flow, $feeding, events = events => tumbled_to, late_to, hopped_to, sessions_to, best_to, early_to
        );
        let one = of_one_key(events);
        let sum = |events: &[Event]| events.iter().map(|event| event.value).sum::<i64>();
        let windows = Hopping { size: $size, every: $size, allow: 0 };
        let expected = windows_one_by_one(&one, $lateness, windows);
        let seen = tumbled.iter().map(|r| (r.window, r.count, r.sum)).collect();
        let all = expected.results.iter().map(|(_, window, all)| (*window, all.len() as u64, sum(all))).collect();
        prop_assert_eq!(sorted::<(Window, u64, i64)>(seen), sorted(all));
        prop_assert_eq!(late.len(), expected.late.len());
        let best: Vec<_> = best.iter().map(|r| (r.window, r.top[0].id)).collect();
        let greatest = |all: &[Event]| all.iter().min_by_key(|e| (-e.value, e.at, e.id)).map_or(0, |event| event.id);
        let all = expected.results.iter().map(|(_, window, all)| (*window, greatest(all))).collect();
        prop_assert_eq!(sorted(best), sorted(all));
        // The last of a window's results is that of all its events.
        for r in &tumbled {
            prop_assert_eq!(early.iter().rfind(|early| early.window == r.window).map(|early| early.count), Some(r.count));
        }

        let windows = Hopping { size: $size, every: $hop, allow: 0 };
        let expected = windows_one_by_one(&one, $lateness, windows);
        let seen = hopped.iter().map(|r| (r.window, r.count, r.sum)).collect();
        let all = expected.results.iter().map(|(_, window, all)| (*window, all.len() as u64, sum(all))).collect();
        prop_assert_eq!(sorted::<(Window, u64, i64)>(seen), sorted(all));

        let expected = sessions_one_by_one(&one, $lateness, $gap, 0);
        let fold = |events: &[Event]| {
            let mut acc = 0;
            events.iter().for_each(|event| commutative(&mut acc, event));
            acc
        };
        let seen: Vec<_> = sessions.iter().map(|r| (r.window, r.value)).collect();
        let all = expected.results.iter().map(|(_, window, all)| (*window, fold(all))).collect();
        prop_assert_eq!(sorted(seen), sorted(all));
    }};
}

proptest! {
    #![proptest_config(cases(60))]

    #[test]
    fn windows_over_all_events_are_the_same_for_any_number_of_shards(
        events in events_in_any_order(100), lateness in 0i64..60, size in 1i64..40, hop in 1i64..40, gap in 1i64..20,
        feeding in Feeding::any(),
    ) {
        check_global!(run, &events, lateness, size, hop.min(size), gap, &feeding);
    }
}

proptest! {
    #![proptest_config(cases(20))]

    #[test]
    fn windows_over_all_events_are_the_same_on_threads(
        events in events(30, 100), lateness in 0i64..60, size in 1i64..40, hop in 1i64..40, gap in 1i64..20,
        feeding in Feeding::any(),
    ) {
        check_global!(run_on_threads, &events, lateness, size, hop.min(size), gap, &feeding);
    }
}
