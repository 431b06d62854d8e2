//! Windows that are counted out, against an evaluator that is obviously right.

#[path = "support/cases.rs"]
mod cases;
#[path = "support/events.rs"]
mod events;

use cases::{cases, micros};
use events::{Event, Feeding, Gather, THREADS, events, events_in_any_order};
use proptest::prelude::*;
use psdf::{Timestamp, Window, dataflow};
use std::collections::BTreeMap;
use std::time::Duration;

dataflow! {
    /// So many events of a key at a time, with event time and without.
    flow Counted {
        param lateness: Duration = Duration::ZERO;
        param keep_for: Duration = Duration::from_micros(10);
        param size: u64 = 3;

        input events: Event;

        keyed = events -> event_time(|e| e.at, lateness lateness) -> key_by(key: u8 = |e| e.key);
        timed = keyed -> count_window(size) -> aggregate { ids: Vec<u32> = fold(Vec::new(), |ids, e| ids.push(e.id)) }
            keep keep_for;
        untimed = events -> key_by(key: u8 = |e| e.key) -> count_window(size)
            -> fold(Vec<u32> = Vec::new(), |ids, e| ids.push(e.id)) keep forever;
        tops = keyed -> count_window(2) -> top(1, by |e| e.value) keep forever;
        /// The time of a result is never behind what has been promised.
        again = timed -> key_by(all: () = |_| ()) -> tumbling(10 us) else late -> aggregate { n: u64 = count() };

        output timed;
        output untimed;
        output tops;
        output again;
        output late;
    }
}

#[test]
fn every_so_many_records_of_a_key_are_a_window() {
    let (flow, mut inline) = Counted { size: 2, ..Counted::default() }.builder().inline().unwrap();
    for (key, at, id) in [(1, 4, 0), (2, 5, 1), (1, 3, 2), (1, 6, 3), (1, 20, 4)] {
        flow.events.try_send(Event { key, at: Timestamp(at), value: 0, id }).unwrap();
    }
    let unread = inline.block_on(flow.finish()).unwrap();
    let window = |start, end| Window { start: Timestamp(start), end: Timestamp(end) };
    let mut timed: Vec<_> = unread.timed.into_iter().map(|r| (r.ids, r.window)).collect();
    timed.sort();
    assert_eq!(
        timed,
        [
            (vec![0, 2], window(3, 5)),
            (vec![1], window(5, 6)),
            // Its key had expired when the next one came.
            (vec![3], window(6, 7)),
            (vec![4], window(20, 21)),
        ]
    );
    let untimed: Vec<_> = unread.untimed.into_iter().filter(|r| r.key == 1).map(|r| r.value).collect();
    assert_eq!(untimed, [[0, 2], [3, 4]]);
}

#[test]
fn the_graph_tells_what_bounds_a_window_that_is_counted_out() {
    assert_eq!(Counted::GRAPH.node("timed").unwrap().bound, Some("count_window(size), keep keep_for"));
}

type Windows = Vec<(u8, Vec<u32>, Window)>;

fn windows(events: &[Event], lateness: i64, keep: i64, size: usize) -> Windows {
    let (mut held, mut windows) = (BTreeMap::<u8, (i64, Vec<Event>)>::new(), Vec::new());
    let mut give = |key: u8, events: Vec<Event>| {
        let times = || events.iter().map(|event| event.at.0);
        if let (Some(first), Some(last)) = (times().min(), times().max()) {
            let window = Window { start: Timestamp(first), end: Timestamp(last + 1) };
            windows.push((key, events.iter().map(|event| event.id).collect(), window));
        }
    };
    let mut watermark = i64::MIN;
    for event in events {
        let at = event.at.0;
        let (used, open) = held.entry(event.key).or_insert((at, Vec::new()));
        if at > *used + keep {
            give(event.key, std::mem::take(open));
        }
        *used = at.max(*used);
        open.push(event.clone());
        if open.len() == size {
            give(event.key, std::mem::take(open));
        }
        if at - lateness > watermark {
            watermark = at - lateness;
            for (key, (_, events)) in held.extract_if(.., |_, (used, _)| *used + keep < watermark) {
                give(key, events);
            }
        }
    }
    held.into_iter().for_each(|(key, (_, events))| give(key, events));
    windows.sort();
    windows
}

macro_rules! check_counted {
    ($run:ident, $events:expr, $lateness:expr, $keep:expr, $size:expr, $feeding:expr) => {{
        let (events, size): (&[Event], usize) = ($events, $size);
        let flow = Counted { lateness: micros($lateness), keep_for: micros($keep), size: size as u64 };
        let (timed, untimed, tops, again, late) =
            $run!(flow, $feeding, events = events => timed_to, untimed_to, tops_to, again_to, late_to);
        let mut seen: Windows = timed.into_iter().map(|r| (r.key, r.ids, r.window)).collect();
        seen.sort();
        let expected = windows(events, $lateness, $keep, size);
        prop_assert_eq!(&seen, &expected);
        let given = again.iter().map(|r| r.n).sum::<u64>() as usize + late.len();
        prop_assert_eq!(given, expected.len());
        let mut by_key = BTreeMap::<u8, Vec<u32>>::new();
        events.iter().for_each(|event| by_key.entry(event.key).or_default().push(event.id));
        let mut expected: Vec<_> =
            by_key.iter().flat_map(|(key, ids)| ids.chunks(size).map(move |ids| (*key, ids.to_vec()))).collect();
        expected.sort();
        let mut seen: Vec<_> = untimed.into_iter().map(|r| (r.key, r.value)).collect();
        seen.sort();
        prop_assert_eq!(seen, expected);
        prop_assert_eq!(tops.len(), by_key.values().map(|ids| ids.len().div_ceil(2)).sum::<usize>());
        late
    }};
}

proptest! {
    #![proptest_config(cases(100))]

    #[test]
    fn windows_are_counted_out_the_same_however_a_stream_is_cut(
        events in events_in_any_order(100), lateness in 0i64..60, keep in 0i64..60, size in 1usize..5,
        feeding in Feeding::any(),
    ) {
        check_counted!(run, &events, lateness, keep, size, &feeding);
    }

    #[test]
    fn results_of_records_in_time_are_in_time(
        (lateness, events) in (0i64..30).prop_flat_map(|lateness| (Just(lateness), events(lateness, 100))),
        keep in 0i64..60, size in 1usize..5, feeding in Feeding::any(),
    ) {
        let late = check_counted!(run, &events, lateness, keep, size, &feeding);
        prop_assert!(late.is_empty(), "{late:?}");
    }
}

proptest! {
    #![proptest_config(cases(20))]

    #[test]
    fn windows_are_counted_out_the_same_on_threads(
        events in events_in_any_order(100), lateness in 0i64..60, keep in 0i64..60, size in 1usize..5,
        feeding in Feeding::any(),
    ) {
        check_counted!(run_on_threads, &events, lateness, keep, size, &feeding);
    }
}
