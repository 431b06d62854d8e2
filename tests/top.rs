//! `top` as an operator, against an evaluator that is obviously right.

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
    /// The greatest events of each key, so far and of each window; then the keys with the greatest sums of a window.
    flow Tops {
        param lateness: Duration = Duration::ZERO;
        param n: usize = 2;

        input events: Event;

        timed = events -> event_time(|e| e.at, lateness lateness);
        keyed = timed -> key_by(key: u8 = |e| e.key);
        running = keyed -> top(n, by |e| e.value) keep forever;
        arrived = events -> key_by(key: u8 = |e| e.key) -> top(n, by |e| e.value) keep forever;
        windows = keyed -> tumbling(20 us) else late -> top(n, by |e| e.value);
        sessions = keyed -> session(3 us) else late_for_sessions -> top(n, by |e| e.value);
        /// Over records that are generated.
        sums = keyed -> tumbling(20 us) -> aggregate { sum: i64 = sum(|e| e.value) };
        best_keys = sums -> key_by(all: () = |_| ()) -> tumbling(20 us) -> top(n, by |s| (s.sum, s.key));
        /// Over late ones, and over what a closure makes.
        of_late = late -> key_by(key: u8 = |l| l.record.key) -> top(n, by |l| l.behind()) keep forever;
        pairs: (i64, u32) = timed -> map(|e| (e.value, e.id));
        of_pairs = pairs -> key_by(all: () = |_| ()) -> top(1, by |p| *p) keep forever;

        output running;
        output arrived;
        output windows;
        output sessions;
        output late_for_sessions;
        output best_keys;
        output of_late;
        output of_pairs;
    }
}

/// A list must change to be given anew: the order is total, so what is equal and later does not.
#[test]
fn a_running_top_is_given_after_each_batch_that_changed_it() {
    let (mut flow, mut inline) = Tops::default().builder().inline().unwrap();
    let mut lists = |events: &[(i64, i64, u32)]| {
        let event = |&(at, value, id): &(i64, i64, u32)| Event { key: 1, at: Timestamp(at), value, id };
        inline.block_on(flow.events.send_batch(events.iter().map(event).collect())).unwrap();
        inline.run();
        let lists = std::iter::from_fn(|| flow.running.next_now());
        lists.map(|list| list.top.iter().map(|event| event.id).collect()).collect::<Vec<Vec<u32>>>()
    };
    assert_eq!(lists(&[(5, 1, 0), (6, 3, 1), (7, 2, 2)]), [[1, 2]]);
    assert!(lists(&[(8, 1, 3), (9, 2, 4)]).is_empty());
    assert_eq!(lists(&[(6, 2, 5)]), [[1, 5]], "among equals the earlier is in front");
    assert_eq!(lists(&[(9, 4, 6)]), [[6, 1]]);
}

#[test]
fn a_flow_in_a_function_lists_generated_records() {
    mod inner {
        psdf::dataflow! {
            pub flow Words {
                input words: String;
                counts = words -> key_by(word: String = |w| w.clone()) -> aggregate { n: u64 = count() } keep forever;
                best = counts -> key_by(length: usize = |c| c.word.len()) -> top(1, by |c| c.n) keep forever;
                output best;
            }
        }
    }
    let (flow, mut inline) = inner::Words.builder().inline().unwrap();
    for word in ["an", "of", "of"] {
        flow.words.try_send(word.into()).unwrap();
    }
    let best = inline.block_on(flow.finish()).unwrap().best.pop().unwrap();
    assert_eq!((best.length, best.top[0].word.as_str(), best.top[0].n), (2, "of", 2));
}

/// The ids of the greatest: then the earlier, then the one that came first.
fn greatest<'a>(events: impl IntoIterator<Item = &'a Event>, timed: bool, n: usize) -> Vec<u32> {
    let mut events: Vec<&Event> = events.into_iter().collect();
    events.sort_by_key(|e| (-e.value, if timed { e.at } else { Timestamp::MIN }, e.id));
    events.into_iter().take(n).map(|event| event.id).collect()
}

fn ids(events: &[Event]) -> Vec<u32> {
    events.iter().map(|event| event.id).collect()
}

fn groups<K: Ord>(events: &[Event], of: impl Fn(&Event) -> K) -> BTreeMap<K, Vec<Event>> {
    let mut found = BTreeMap::<K, Vec<Event>>::new();
    events.iter().for_each(|event| found.entry(of(event)).or_default().push(event.clone()));
    found
}

fn start(at: Timestamp) -> Timestamp {
    Timestamp(at.0.div_euclid(20) * 20)
}

macro_rules! check_tops {
    ($run:ident, $events:expr, $lateness:expr, $n:expr, $feeding:expr) => {{
        let (events, n): (&[Event], usize) = ($events, $n);
        let flow = Tops { lateness: micros($lateness), n };
        let (running, arrived, windows, sessions, _, best_keys, _, of_pairs) = $run!(
            flow, $feeding, events = events => running_to, arrived_to, windows_to, sessions_to, late_for_sessions_to,
            best_keys_to, of_late_to, of_pairs_to
        );
        let by_key = groups(events, |e| e.key);
        let expected = |timed| by_key.iter().map(move |(key, events)| (*key, greatest(events, timed, n)));
        let last: BTreeMap<_, _> = running.iter().map(|r| (r.key, ids(&r.top))).collect();
        prop_assert_eq!(last, expected(true).collect::<BTreeMap<_, _>>());
        let last: BTreeMap<_, _> = arrived.iter().map(|r| (r.key, ids(&r.top))).collect();
        prop_assert_eq!(last, expected(false).collect::<BTreeMap<_, _>>());
        let all: BTreeMap<_, _> =
            groups(events, |e| (e.key, start(e.at))).into_iter().map(|(of, all)| (of, greatest(&all, true, n))).collect();
        let seen: BTreeMap<_, _> = windows.iter().map(|r| ((r.key, r.window.start), ids(&r.top))).collect();
        prop_assert_eq!(seen, all);
        prop_assert!(sessions.iter().all(|r| r.top.len() <= n && r.top.iter().all(|e| e.key == r.key)));
        let mut sums = BTreeMap::<_, Vec<(i64, u8)>>::new();
        for ((start, key), events) in groups(events, |e| (start(e.at), e.key)) {
            sums.entry(start).or_default().push((events.iter().map(|e| e.value).sum(), key));
        }
        for result in &best_keys {
            let mut expected = sums.remove(&result.window.start).unwrap();
            expected.sort_by(|a, b| b.cmp(a));
            expected.truncate(n);
            prop_assert_eq!(result.top.iter().map(|s| (s.sum, s.key)).collect::<Vec<_>>(), expected);
        }
        prop_assert!(sums.is_empty());
        let best = events.iter().map(|e| (e.value, e.id)).max();
        prop_assert_eq!(of_pairs.last().map(|r| r.top[0]), best);
    }};
}

proptest! {
    #![proptest_config(cases(100))]

    #[test]
    fn the_greatest_are_listed_in_a_total_order_however_a_stream_is_cut(
        (lateness, events) in (0i64..30).prop_flat_map(|lateness| (Just(lateness), events(lateness, 120))),
        n in 1usize..4, feeding in Feeding::any(),
    ) {
        check_tops!(run, &events, lateness, n, &feeding);
    }

    #[test]
    fn the_latest_late_events_are_listed_too(events in events_in_any_order(80), feeding in Feeding::any()) {
        let flow = Tops { lateness: Duration::ZERO, n: 3 };
        let (_, _, _, _, _, _, of_late, _) = run!(
            flow, &feeding, events = &events => running_to, arrived_to, windows_to, sessions_to, late_for_sessions_to,
            best_keys_to, of_late_to, of_pairs_to
        );
        let mut late = BTreeMap::<u8, Vec<(i64, Timestamp, u32)>>::new();
        let mut watermark = Timestamp::MIN;
        for event in &events {
            if start(event.at).0 + 20 <= watermark.0 {
                late.entry(event.key).or_default().push((event.at.0 - watermark.0, event.at, event.id));
            }
            watermark = event.at.max(watermark);
        }
        for (key, late) in late {
            let mut expected = late;
            expected.sort_unstable();
            let seen = of_late.iter().rev().find(|r| r.key == key).unwrap();
            let seen: Vec<u32> = seen.top.iter().map(|l| l.record.id).collect();
            prop_assert_eq!(seen, expected.iter().take(3).map(|(_, _, id)| *id).collect::<Vec<_>>());
        }
    }
}

proptest! {
    #![proptest_config(cases(20))]

    #[test]
    fn the_greatest_are_listed_in_a_total_order_on_threads(
        (lateness, events) in (0i64..30).prop_flat_map(|lateness| (Just(lateness), events(lateness, 120))),
        n in 1usize..4, feeding in Feeding::any(),
    ) {
        check_tops!(run_on_threads, &events, lateness, n, &feeding);
    }
}
