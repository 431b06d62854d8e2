//! Windows that fire early, against an evaluator that is obviously right.

#[path = "support/cases.rs"]
mod cases;
#[path = "support/events.rs"]
mod events;

use cases::{cases, micros};
use events::{Event, Feeding, Gather, THREADS, events, events_in_any_order};
use proptest::prelude::*;
use psdf::{Timestamp, dataflow};
use std::collections::BTreeMap;
use std::time::Duration;

dataflow! {
    /// Windows that give what they have every so often.
    flow Early {
        param lateness: Duration = Duration::ZERO;
        param size: Duration = Duration::from_micros(20);
        param hop: Duration = Duration::from_micros(20);
        param early: Duration = Duration::from_micros(5);
        param allow: Duration = Duration::ZERO;

        input events: Event;

        keyed = events -> event_time(|e| e.at, lateness lateness) -> key_by(key: u8 = |e| e.key);
        tumbled = keyed -> tumbling(size, early every early, allow allow) else late_for_tumbled -> aggregate {
            count: u64 = count(), all: Vec<u32> = collect(|e| e.id),
        };
        hopped = keyed -> hopping(size, every hop, early every early, allow allow) else late_for_hopped
            -> fold(i64 = 0, |sum, e| *sum += 1000 + e.value, merge |sum, other| *sum += other);
        tops = keyed -> tumbling(size, early every early) -> top(1, by |e| e.value);
        /// The time of an early result is never behind what has been promised.
        again = tumbled -> key_by(all: () = |_| ()) -> tumbling(1 us) else late -> aggregate { n: u64 = count() };

        output tumbled;
        output hopped;
        output late_for_tumbled;
        output late_for_hopped;
        output tops;
        output again;
        output late;
    }
}

#[test]
fn a_window_gives_what_changed_at_each_multiple_and_all_at_its_end() {
    let (mut flow, mut inline) = Early::default().builder().inline().unwrap();
    let mut counts = |events: &[(u8, i64)]| {
        let event = |&(key, at): &(u8, i64)| Event { key, at: Timestamp(at), value: 0, id: 0 };
        inline.block_on(flow.events.send_batch(events.iter().map(event).collect())).unwrap();
        inline.run();
        std::iter::from_fn(|| flow.tumbled.next_now()).map(|r| (r.key, r.count)).collect::<Vec<_>>()
    };
    assert!(counts(&[(1, 0), (2, 1), (1, 4)]).is_empty());
    assert_eq!(counts(&[(1, 6)]), [(1, 2), (2, 1)], "what is at 6 is not before 5");
    assert_eq!(counts(&[(1, 11)]), [(1, 3)], "the other key has not changed");
    assert!(
        counts(&[(2, 3)]).is_empty(),
        "it is late and its window is open: it counts for the next multiple"
    );
    let mut last = counts(&[(1, 20)]);
    last.sort();
    assert_eq!(last, [(1, 4), (1, 4), (2, 2), (2, 2)], "at 15, and at the end");
}

/// By window and key: whether it has fired, what it has given, and what came for the ticks to come.
type Held = BTreeMap<(i64, u8), (bool, Vec<Event>, BTreeMap<i64, Vec<Event>>)>;

/// The key, the window's start, the time of the result and the ids in it.
type Results = Vec<(u8, i64, i64, Vec<Event>)>;

fn results(
    events: &[Event],
    lateness: i64,
    (size, hop): (i64, i64),
    early: i64,
    allow: i64,
) -> (Results, usize) {
    let mut held = Held::new();
    let (mut results, mut late) = (Vec::new(), 0);
    let mut watermark = -1_000_000;
    for event in events {
        let at = event.at.0;
        let starts: Vec<i64> = (-500..500).map(|n| n * hop).filter(|s| *s <= at && at < s + size).collect();
        let open: Vec<i64> =
            starts.iter().copied().filter(|start| start + size + allow > watermark).collect();
        late += usize::from(open.is_empty() && !starts.is_empty());
        for start in open {
            let (fired, all, parts) = held.entry((start, event.key)).or_default();
            // A window that has ended and is still open fires for each event.
            if start + size <= watermark {
                *fired = true;
                all.push(event.clone());
                results.push((event.key, start, start + size - 1, all.clone()));
            } else {
                let tick = at.max(watermark).div_euclid(early) * early + early;
                parts.entry(tick.min(start + size)).or_default().push(event.clone());
            }
        }
        watermark = watermark.max(at - lateness);
        give(&mut held, watermark, size, &mut results);
        held.retain(|(start, _), _| start + size + allow > watermark);
    }
    give(&mut held, i64::MAX, size, &mut results);
    (results, late)
}

fn give(held: &mut Held, watermark: i64, size: i64, results: &mut Results) {
    for (&(start, key), (fired, all, parts)) in held {
        while let Some(part) = parts.first_entry().filter(|part| *part.key() <= watermark) {
            let (tick, events) = part.remove_entry();
            all.extend(events);
            if tick < start + size {
                results.push((key, start, tick - 1, all.clone()));
            }
        }
        if start + size <= watermark && !*fired {
            *fired = true;
            results.push((key, start, start + size - 1, all.clone()));
        }
    }
}

fn by_time(events: &[Event]) -> Vec<u32> {
    let mut events: Vec<&Event> = events.iter().collect();
    events.sort_by_key(|event| event.at);
    events.iter().map(|event| event.id).collect()
}

fn sorted<T: Ord>(mut items: Vec<T>) -> Vec<T> {
    items.sort();
    items
}

macro_rules! check_early {
    ($run:ident, $events:expr, $lateness:expr, $size:expr, $hop:expr, $early:expr, $allow:expr, $feeding:expr) => {{
        let events: &[Event] = $events;
        let flow = Early {
            lateness: micros($lateness), size: micros($size), hop: micros($hop), early: micros($early),
            allow: micros($allow),
        };
        let (tumbled, hopped, late_for_tumbled, late_for_hopped, tops, again, late) = $run!(
            flow, $feeding, events = events => tumbled_to, hopped_to, late_for_tumbled_to, late_for_hopped_to, tops_to,
            again_to, late_to
        );
        let (expected, expected_late) = results(events, $lateness, ($size, $size), $early, $allow);
        let seen = tumbled.into_iter().map(|r| (r.key, r.window.start.0, r.count, r.all)).collect();
        let all = expected.iter().map(|(key, start, _, all)| (*key, *start, all.len() as u64, by_time(all))).collect();
        prop_assert_eq!(sorted(seen), sorted(all));
        prop_assert_eq!(late_for_tumbled.len(), expected_late);
        let mut given = BTreeMap::<i64, u64>::new();
        expected.iter().for_each(|(_, _, at, _)| *given.entry(*at).or_default() += 1);
        let mut at: BTreeMap<i64, u64> = again.iter().map(|r| (r.window.start.0, r.n)).collect();
        late.iter().for_each(|l| *at.entry(l.at.0).or_default() += 1);
        prop_assert_eq!(at, given);

        let (expected, expected_late) = results(events, $lateness, ($size, $hop), $early, $allow);
        let sum = |all: &[Event]| all.iter().map(|event| 1000 + event.value).sum::<i64>();
        let seen: Vec<_> = hopped.into_iter().map(|r| (r.key, r.window.start.0, r.value)).collect();
        let all: Vec<_> = expected.iter().map(|(key, start, _, all)| (*key, *start, sum(all))).collect();
        prop_assert_eq!(sorted(seen), sorted(all));
        prop_assert_eq!(late_for_hopped.len(), expected_late);

        let (expected, _) = results(events, $lateness, ($size, $size), $early, 0);
        let best = |all: &[Event]| all.iter().min_by_key(|e| (-e.value, e.at)).map(|event| event.id);
        let seen: Vec<_> = tops.into_iter().map(|r| (r.key, r.window.start.0, Some(r.top[0].id))).collect();
        let all: Vec<_> = expected.iter().map(|(key, start, _, all)| (*key, *start, best(all))).collect();
        prop_assert_eq!(sorted(seen), sorted(all));
        late
    }};
}

proptest! {
    #![proptest_config(cases(100))]

    #[test]
    fn early_results_are_the_same_however_a_stream_is_cut(
        events in events_in_any_order(80), lateness in 0i64..60, size in 1i64..40, hop in 1i64..40, early in 1i64..30,
        allow in 0i64..40, feeding in Feeding::any(),
    ) {
        check_early!(run, &events, lateness, size, hop.min(size), early, allow, &feeding);
    }

    #[test]
    fn early_results_are_in_time(
        (lateness, events) in (0i64..30).prop_flat_map(|lateness| (Just(lateness), events(lateness, 80))),
        size in 1i64..40, hop in 1i64..40, early in 1i64..30, feeding in Feeding::any(),
    ) {
        let late = check_early!(run, &events, lateness, size, hop.min(size), early, 0, &feeding);
        prop_assert!(late.is_empty(), "{late:?}");
    }
}

proptest! {
    #![proptest_config(cases(20))]

    #[test]
    fn early_results_are_the_same_on_threads(
        events in events_in_any_order(80), lateness in 0i64..60, size in 1i64..40, hop in 1i64..40, early in 1i64..30,
        allow in 0i64..40, feeding in Feeding::any(),
    ) {
        check_early!(run_on_threads, &events, lateness, size, hop.min(size), early, allow, &feeding);
    }
}
