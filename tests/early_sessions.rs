//! Sessions that fire early, against an evaluator that is obviously right.

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
    /// Sessions that give what they have every so often.
    flow Early {
        param lateness: Duration = Duration::ZERO;
        param gap: Duration = Duration::from_micros(10);
        param early: Duration = Duration::from_micros(5);
        param allow: Duration = Duration::ZERO;

        input events: Event;

        keyed = events -> event_time(|e| e.at, lateness lateness) -> key_by(key: u8 = |e| e.key);
        visits = keyed -> session(gap, early every early, allow allow) else late_for_visits -> aggregate {
            count: u64 = count(), all: Vec<u32> = collect(|e| e.id),
        };
        sums = keyed -> session(gap, early every early)
            -> fold(i64 = 0, |sum, e| *sum += 1000 + e.value, merge |sum, other| *sum += other);
        /// The time of an early result is never behind what has been promised.
        again = visits -> key_by(all: () = |_| ()) -> tumbling(1 us) else late -> aggregate { n: u64 = count() };

        output visits;
        output late_for_visits;
        output sums;
        output again;
        output late;
    }
}

/// The ends and counts of the results that each event, at a time and of one key, brings about.
fn results_of(flow: Early, times: &[i64]) -> Vec<Vec<(i64, u64)>> {
    let (mut flow, mut inline) = flow.builder().inline().expect("the settings are good");
    let mut results = |at: &i64| {
        let event = Event { key: 1, at: Timestamp(*at), value: 0, id: 0 };
        inline.block_on(flow.events.send(event)).expect("the flow runs");
        inline.run();
        std::iter::from_fn(|| flow.visits.next_now()).map(|r| (r.window.end.0, r.count)).collect()
    };
    times.iter().map(&mut results).collect()
}

#[test]
fn a_session_gives_what_changed_at_each_multiple_and_all_at_its_end() {
    let seen = results_of(Early::default(), &[1, 3, 6, 12, 19, 30]);
    let early = [vec![], vec![], vec![(13, 2)], vec![(16, 3)], vec![(22, 4)], vec![(29, 5), (29, 5)]];
    assert_eq!(seen, early, "the last at 20, and at its end");
}

#[test]
fn two_sessions_that_turn_out_to_be_one_give_early_results_of_the_one_from_then_on() {
    let flow = Early { lateness: micros(20), gap: micros(10), early: micros(10), ..Early::default() };
    let seen = results_of(flow, &[1, 17, 30, 9, 38, 61]);
    let first = vec![(11, 1)];
    // What came after 20 is not before it: the two sessions that there are at 20 and 40 are three records and two.
    assert_eq!(seen, [vec![], vec![], first, vec![], vec![], vec![(27, 3), (27, 3), (48, 2)]]);
}

/// The key, the window, the time of the result and the events in it.
type Results = Vec<(u8, (i64, i64), i64, Vec<Event>)>;

/// An event in an open session, and the multiple at which it is given, unless it has been.
type Held = Vec<(Event, Option<i64>)>;

/// Divides the events of a key where there is a gap.
fn sessions(mut events: Held, gap: i64) -> Vec<((i64, i64), Held)> {
    events.sort_by_key(|(event, _)| event.at);
    let mut sessions: Vec<((i64, i64), Held)> = Vec::new();
    for (event, tick) in events {
        let at = event.at.0;
        match sessions.last_mut().filter(|((_, end), _)| at <= *end) {
            Some(((_, end), held)) => {
                *end = at + gap;
                held.push((event, tick));
            }
            None => sessions.push(((at, at + gap), vec![(event, tick)])),
        }
    }
    sessions
}

fn results(events: &[Event], lateness: i64, gap: i64, early: i64, allow: i64) -> (Results, usize) {
    let mut of_keys = BTreeMap::<u8, Held>::new();
    let (mut results, mut late) = (Vec::new(), 0);
    let mut watermark = -1_000;
    for event in events {
        let (key, at) = (event.key, event.at.0);
        let held = of_keys.entry(key).or_default();
        let touches = |(start, end): (i64, i64)| start <= at + gap && at <= end;
        if at + gap + allow < watermark && !sessions(held.clone(), gap).iter().any(|s| touches(s.0)) {
            late += 1;
            continue;
        }
        held.push((event.clone(), Some(at.max(watermark).div_euclid(early) * early + early)));
        // A session that has ended and is still open fires for each event.
        for (window, all) in sessions(held.clone(), gap) {
            if touches(window) && window.1 < watermark {
                give(held, &mut results, key, window, window.1 - 1, all);
            }
        }
        while watermark < at - lateness {
            watermark += 1;
            pass(&mut of_keys, watermark, gap, early, allow, &mut results);
        }
    }
    while watermark < 1_000 {
        watermark += 1;
        pass(&mut of_keys, watermark, gap, early, allow, &mut results);
    }
    (results, late)
}

/// The watermark has come to `now`.
fn pass(of_keys: &mut BTreeMap<u8, Held>, now: i64, gap: i64, early: i64, allow: i64, results: &mut Results) {
    for (&key, held) in of_keys {
        for (window, all) in sessions(held.clone(), gap) {
            if window.1 == now - 1 {
                give(held, results, key, window, window.1 - 1, all.clone());
            }
            if window.1 + allow < now {
                held.retain(|event| !all.iter().any(|(of, _)| *of == event.0));
            }
        }
        if now % early == 0 {
            let before =
                held.iter().filter(|(_, tick)| tick.is_none_or(|tick| tick <= now)).cloned().collect();
            for (window, all) in sessions(before, gap) {
                if window.1 > now && all.iter().any(|(_, tick)| tick.is_some()) {
                    give(held, results, key, window, now - 1, all);
                }
            }
        }
    }
}

fn give(held: &mut Held, results: &mut Results, key: u8, window: (i64, i64), at: i64, all: Held) {
    let all: Vec<Event> = all.into_iter().map(|(event, _)| event).collect();
    held.iter_mut().filter(|(event, _)| all.contains(event)).for_each(|(_, tick)| *tick = None);
    results.push((key, window, at, all));
}

fn sorted<T: Ord>(mut items: Vec<T>) -> Vec<T> {
    items.sort();
    items
}

macro_rules! check_early {
    ($run:ident, $events:expr, $lateness:expr, $gap:expr, $early:expr, $allow:expr, $feeding:expr) => {{
        let events: &[Event] = $events;
        let flow = Early {
            lateness: micros($lateness), gap: micros($gap), early: micros($early), allow: micros($allow),
        };
        let (visits, late_for_visits, sums, again, late) =
            $run!(flow, $feeding, events = events => visits_to, late_for_visits_to, sums_to, again_to, late_to);
        let (expected, expected_late) = results(events, $lateness, $gap, $early, $allow);
        let window = |window: psdf::Window| (window.start.0, window.end.0);
        let seen = visits.into_iter().map(|r| (r.key, window(r.window), r.count, r.all)).collect();
        let ids = |all: &[Event]| all.iter().map(|event| event.id).collect::<Vec<_>>();
        let all = expected.iter().map(|(key, of, _, all)| (*key, *of, all.len() as u64, ids(all))).collect();
        prop_assert_eq!(sorted(seen), sorted(all));
        prop_assert_eq!(late_for_visits.len(), expected_late);
        let mut given = BTreeMap::<i64, u64>::new();
        expected.iter().for_each(|(_, _, at, _)| *given.entry(*at).or_default() += 1);
        let mut at: BTreeMap<i64, u64> = again.iter().map(|r| (r.window.start.0, r.n)).collect();
        late.iter().for_each(|l| *at.entry(l.at.0).or_default() += 1);
        prop_assert_eq!(at, given);

        let (expected, _) = results(events, $lateness, $gap, $early, 0);
        let sum = |all: &[Event]| all.iter().map(|event| 1000 + event.value).sum::<i64>();
        // Those of one key come in the order of time.
        for key in 0..4 {
            let seen: Vec<_> = sums.iter().filter(|r| r.key == key).map(|r| (window(r.window), r.value)).collect();
            let of_key = expected.iter().filter(|(of, ..)| *of == key);
            prop_assert_eq!(seen, of_key.map(|(_, of, _, all)| (*of, sum(all))).collect::<Vec<_>>());
        }
        late
    }};
}

proptest! {
    #![proptest_config(cases(200))]

    #[test]
    fn early_results_are_the_same_however_a_stream_is_cut(
        events in events_in_any_order(80), lateness in 0i64..60, gap in 1i64..30, early in 1i64..30,
        allow in 0i64..40, feeding in Feeding::any(),
    ) {
        check_early!(run, &events, lateness, gap, early, allow, &feeding);
    }

    #[test]
    fn early_results_are_in_time(
        (lateness, events) in (0i64..30).prop_flat_map(|lateness| (Just(lateness), events(lateness, 80))),
        gap in 1i64..30, early in 1i64..30, feeding in Feeding::any(),
    ) {
        let late = check_early!(run, &events, lateness, gap, early, 0, &feeding);
        prop_assert!(late.is_empty(), "{late:?}");
    }
}

proptest! {
    #![proptest_config(cases(30))]

    #[test]
    fn early_results_are_the_same_on_threads(
        events in events_in_any_order(80), lateness in 0i64..60, gap in 1i64..30, early in 1i64..30,
        allow in 0i64..40, feeding in Feeding::any(),
    ) {
        check_early!(run_on_threads, &events, lateness, gap, early, allow, &feeding);
    }
}
