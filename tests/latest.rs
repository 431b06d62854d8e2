//! `latest` against an evaluator that is obviously right.

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
    /// The current event of each key, by event time and by arrival.
    flow Current {
        param lateness: Duration = Duration::ZERO;
        param keep_for: Duration = Duration::from_micros(10);

        input events: Event;

        by_time = events
            -> event_time(|e| e.at, lateness lateness) -> key_by(key: u8 = |e| e.key) -> latest keep keep_for;
        by_arrival = events -> key_by(key: u8 = |e| e.key) -> latest keep forever;

        output by_time;
        output by_arrival;
    }
}

#[test]
fn what_is_older_than_the_latest_is_left_out_and_counted() {
    let (mut flow, mut inline) = Current::default().builder().inline().unwrap();
    let sent = [(1, 5), (1, 3), (2, 0), (1, 5), (1, 6)];
    let sent =
        sent.into_iter().zip(0..).map(|((key, at), id)| Event { key, at: Timestamp(at), value: 0, id });
    inline.block_on(flow.events.send_batch(sent.collect())).unwrap();
    inline.run();
    let passed: Vec<u32> = std::iter::from_fn(|| flow.by_time.next_now()).map(|event| event.id).collect();
    assert_eq!(passed, [0, 2, 3, 4], "one at the same time is later if it comes later");
    let all: Vec<u32> = std::iter::from_fn(|| flow.by_arrival.next_now()).map(|event| event.id).collect();
    assert_eq!(all, [0, 1, 2, 3, 4]);
    let counts = flow.control.counts();
    let by_time = counts.iter().find(|counts| counts.node == "by_time").unwrap();
    assert_eq!((by_time.left_out, by_time.keys), (1, 2));
}

/// The ids of those that were the latest when they came.
fn latest(events: &[Event], lateness: i64, keep: i64) -> Vec<u32> {
    let (mut held, mut latest) = (BTreeMap::<u8, i64>::new(), Vec::new());
    let mut watermark = i64::MIN;
    for event in events {
        let at = event.at.0;
        if held.get(&event.key).is_none_or(|held| at >= *held) {
            held.insert(event.key, at);
            latest.push(event.id);
        }
        if at - lateness > watermark {
            watermark = at - lateness;
            held.retain(|_, last| *last + keep >= watermark);
        }
    }
    latest
}

fn ids(events: Vec<Event>) -> Vec<u32> {
    let mut ids: Vec<u32> = events.iter().map(|event| event.id).collect();
    ids.sort_unstable();
    ids
}

proptest! {
    #![proptest_config(cases(100))]

    #[test]
    fn what_becomes_the_latest_passes_however_a_stream_is_cut(
        events in events_in_any_order(120), lateness in 0i64..60, keep in 0i64..60, feeding in Feeding::any(),
    ) {
        let flow = Current { lateness: micros(lateness), keep_for: micros(keep) };
        let (by_time, by_arrival) = run!(flow, &feeding, events = &events => by_time_to, by_arrival_to);
        prop_assert_eq!(ids(by_time), latest(&events, lateness, keep));
        prop_assert_eq!(ids(by_arrival), ids(events));
    }
}

proptest! {
    #![proptest_config(cases(20))]

    #[test]
    fn what_becomes_the_latest_passes_on_threads(
        events in events(40, 120), lateness in 0i64..60, keep in 0i64..60, feeding in Feeding::any(),
    ) {
        let flow = Current { lateness: micros(lateness), keep_for: micros(keep) };
        let (by_time, by_arrival) = run_on_threads!(flow, &feeding, events = &events => by_time_to, by_arrival_to);
        prop_assert_eq!(ids(by_time), latest(&events, lateness, keep));
        prop_assert_eq!(ids(by_arrival), ids(events));
    }
}
