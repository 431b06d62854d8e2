//! `dedup` against an evaluator that is obviously right.

#[path = "support/cases.rs"]
mod cases;
#[path = "support/events.rs"]
mod events;

use cases::{cases, micros};
use events::{Event, Feeding, Gather, THREADS, events, events_in_any_order};
use proptest::prelude::*;
use psdf::{Timestamp, dataflow};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

dataflow! {
    /// The first event of each key, of a while and of all time.
    flow Firsts {
        param lateness: Duration = Duration::ZERO;
        param keep_for: Duration = Duration::from_micros(10);

        input events: Event;

        timed = events -> event_time(|e| e.at, lateness lateness) -> key_by(key: u8 = |e| e.key);
        firsts = timed -> dedup keep keep_for;
        of_all_time = events -> key_by(key: u8 = |e| e.key, value: i64 = |e| e.value) -> dedup keep forever;
        /// What passes has its time: it can be windowed.
        windows = firsts -> key_by(key: u8 = |e| e.key) -> tumbling(20 us) else late
            -> aggregate { ids: Vec<u32> = collect(|e| e.id) };

        output firsts;
        output of_all_time;
        output windows;
        output late;
    }
}

fn event(key: u8, at: i64, id: u32) -> Event {
    Event { key, at: Timestamp(at), value: 0, id }
}

#[test]
fn duplicates_are_left_out_and_counted_for_as_long_as_the_key_is_kept() {
    let (mut flow, mut inline) = Firsts::default().builder().inline().unwrap();
    let sent = [event(1, 0, 0), event(1, 10, 1), event(2, 11, 2), event(1, 20, 3), event(1, 31, 4)];
    inline.block_on(flow.events.send_batch(sent.into())).unwrap();
    inline.run();
    let passed: Vec<u32> = std::iter::from_fn(|| flow.firsts.next_now()).map(|event| event.id).collect();
    assert_eq!(passed, [0, 2, 4]);
    let counts = flow.control.counts();
    let of = |node: &str| counts.iter().find(|counts| counts.node == node).unwrap();
    assert_eq!((of("firsts").left_out, of("firsts").skipped), (2, 0));
    assert_eq!(of("firsts").keys, 1, "the second key was forgotten when the watermark had passed it");
    assert_eq!((of("of_all_time").left_out, of("of_all_time").keys), (3, 2));
}

#[test]
fn the_graph_tells_what_bounds_a_dedup() {
    let node = Firsts::GRAPH.node("firsts").unwrap();
    assert_eq!((node.bound, node.state.len(), node.key[0].name), (Some("keep keep_for"), 0, "key"));
}

/// The ids of those that pass: of a while, and of all time.
fn firsts(events: &[Event], lateness: i64, keep: i64) -> (Vec<u32>, Vec<u32>) {
    let (mut held, mut known) = (BTreeMap::<u8, i64>::new(), BTreeSet::new());
    let (mut firsts, mut of_all_time) = (Vec::new(), Vec::new());
    let mut watermark = i64::MIN;
    for event in events {
        let at = event.at.0;
        match held.get(&event.key) {
            Some(last) if at <= last + keep => {}
            _ => firsts.push(event.id),
        }
        let last = held.entry(event.key).or_insert(at);
        *last = at.max(*last);
        // Whenever the watermark moves, it leaves behind what has not been used for so long.
        if at - lateness > watermark {
            watermark = at - lateness;
            held.retain(|_, last| *last + keep >= watermark);
        }
        if known.insert((event.key, event.value)) {
            of_all_time.push(event.id);
        }
    }
    (firsts, of_all_time)
}

fn ids(events: Vec<Event>) -> Vec<u32> {
    sorted(events.iter().map(|event| event.id).collect())
}

fn sorted(mut ids: Vec<u32>) -> Vec<u32> {
    ids.sort_unstable();
    ids
}

proptest! {
    #![proptest_config(cases(100))]

    #[test]
    fn the_first_of_each_key_passes_however_a_stream_is_cut(
        events in events_in_any_order(120), lateness in 0i64..60, keep in 0i64..60, feeding in Feeding::any(),
    ) {
        let flow = Firsts { lateness: micros(lateness), keep_for: micros(keep) };
        let (passed, of_all_time, windows, late) =
            run!(flow, &feeding, events = &events => firsts_to, of_all_time_to, windows_to, late_to);
        let (expected, expected_of_all_time) = firsts(&events, lateness, keep);
        prop_assert_eq!(ids(passed), expected.clone());
        prop_assert_eq!(ids(of_all_time), expected_of_all_time);
        let seen = windows.into_iter().flat_map(|w| w.ids).chain(late.into_iter().map(|l| l.record.id));
        prop_assert_eq!(sorted(seen.collect()), expected);
    }
}

proptest! {
    #![proptest_config(cases(20))]

    #[test]
    fn the_first_of_each_key_passes_on_threads(
        events in events(40, 120), lateness in 0i64..60, keep in 0i64..60, feeding in Feeding::any(),
    ) {
        let flow = Firsts { lateness: micros(lateness), keep_for: micros(keep) };
        let (passed, of_all_time, _, _) =
            run_on_threads!(flow, &feeding, events = &events => firsts_to, of_all_time_to, windows_to, late_to);
        let (expected, expected_of_all_time) = firsts(&events, lateness, keep);
        prop_assert_eq!(ids(passed), expected);
        prop_assert_eq!(ids(of_all_time), expected_of_all_time);
    }
}
