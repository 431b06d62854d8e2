//! Running aggregates that are thinned out, against an evaluator that is obviously right.

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
    /// What a key's events came to at each tick before which there were any.
    flow Thinned {
        param lateness: Duration = Duration::ZERO;
        param keep_for: Duration = Duration::from_secs(1);
        param tick: Duration = Duration::from_micros(10);

        input events: Event;

        keyed = events -> event_time(|e| e.at, lateness lateness) -> key_by(key: u8 = |e| e.key);
        totals = keyed -> aggregate {
            count: u64 = count(), last: u32 = last(|e| e.id), all: Vec<u32> = collect(|e| e.id),
        } every tick keep keep_for;
        folds = keyed -> fold(i64 = 0, |sum, e| *sum += e.value, merge |sum, other| *sum += other) every tick keep forever;
        tops = keyed -> top(2, by |e| e.value) every tick keep forever;
        /// The time of a result is never behind what has been promised.
        ticks = totals -> key_by(all: () = |_| ()) -> tumbling(1 us) else late -> aggregate { n: u64 = count() };

        output totals;
        output folds;
        output tops;
        output ticks;
        output late;
    }
}

#[test]
fn a_key_that_changed_gives_one_result_at_each_tick() {
    let (mut flow, mut inline) = Thinned::default().builder().inline().unwrap();
    let mut totals = |events: &[(u8, i64)]| {
        let event = |&(key, at): &(u8, i64)| Event { key, at: Timestamp(at), value: 0, id: 0 };
        inline.block_on(flow.events.send_batch(events.iter().map(event).collect())).unwrap();
        inline.run();
        std::iter::from_fn(|| flow.totals.next_now()).map(|r| (r.key, r.count)).collect::<Vec<_>>()
    };
    assert!(totals(&[(1, 1), (2, 2), (1, 3)]).is_empty());
    assert!(totals(&[(1, 9)]).is_empty());
    assert_eq!(totals(&[(1, 10), (1, 11)]), [(1, 3), (2, 1)], "those at 10 and 11 are not before the tick");
    assert_eq!(totals(&[(2, 31)]), [(1, 5)]);
    // It is late, and counts for the next tick.
    assert!(totals(&[(3, 5)]).is_empty());
    assert_eq!(totals(&[(1, 40)]), [(2, 2), (3, 1)]);
}

#[derive(Default)]
struct Held {
    all: Vec<Event>,
    last: i64,
    /// What came for the ticks to come.
    parts: BTreeMap<i64, Vec<Event>>,
}

/// The tick, the key and its events at each result.
fn results(events: &[Event], lateness: i64, keep: i64, every: i64) -> Vec<(i64, u8, Vec<Event>)> {
    let (mut held, mut results) = (BTreeMap::<u8, Held>::new(), Vec::new());
    let mut watermark = -1_000_000;
    for event in events {
        let at = event.at.0;
        let tick = at.max(watermark).div_euclid(every) * every + every;
        held.entry(event.key).or_default().parts.entry(tick).or_default().push(event.clone());
        if at - lateness > watermark {
            watermark = at - lateness;
            give(&mut held, watermark, keep, &mut results);
            for held in held.values_mut().filter(|held| held.last + keep < watermark) {
                // Unless something came in time, and waits for its tick.
                if held.parts.values().flatten().all(|event| event.at.0 > held.last + keep) {
                    held.all.clear();
                }
            }
        }
    }
    give(&mut held, i64::MAX, keep, &mut results);
    results.sort();
    results
}

fn give(held: &mut BTreeMap<u8, Held>, watermark: i64, keep: i64, results: &mut Vec<(i64, u8, Vec<Event>)>) {
    for (key, held) in held {
        while let Some(part) = held.parts.first_entry().filter(|part| *part.key() <= watermark) {
            let (tick, events) = part.remove_entry();
            // Its key has expired if nothing came for so long.
            if events.iter().all(|event| event.at.0 > held.last + keep) {
                held.all.clear();
            }
            held.all.extend(events);
            held.last = held.all.iter().map(|event| event.at.0).max().expect("something came");
            results.push((tick, *key, held.all.clone()));
        }
    }
}

fn by_time(events: &[Event]) -> Vec<u32> {
    // A stable sort: at the same time, what came first is first.
    let mut events: Vec<&Event> = events.iter().collect();
    events.sort_by_key(|event| event.at);
    events.iter().map(|event| event.id).collect()
}

macro_rules! check_thinned {
    ($run:ident, $events:expr, $lateness:expr, $keep:expr, $every:expr, $feeding:expr) => {{
        let events: &[Event] = $events;
        let flow = Thinned { lateness: micros($lateness), keep_for: micros($keep), tick: micros($every) };
        let (totals, folds, tops, ticks, late) =
            $run!(flow, $feeding, events = events => totals_to, folds_to, tops_to, ticks_to, late_to);
        let expected = results(events, $lateness, $keep, $every);
        let mut seen: Vec<_> = totals.into_iter().map(|r| (r.key, r.count, r.all)).collect();
        let mut all: Vec<_> = expected.iter().map(|(_, key, all)| (*key, all.len() as u64, by_time(all))).collect();
        seen.sort();
        all.sort();
        prop_assert_eq!(seen, all);
        let mut given = BTreeMap::<i64, u64>::new();
        expected.iter().for_each(|(tick, _, _)| *given.entry(*tick).or_default() += 1);
        let mut at: BTreeMap<i64, u64> = ticks.iter().map(|r| (r.window.end.0, r.n)).collect();
        late.iter().for_each(|l| *at.entry(l.at.0 + 1).or_default() += 1);
        prop_assert_eq!(at, given);

        let expected = results(events, $lateness, 1_000_000, $every);
        let mut seen: Vec<_> = folds.into_iter().map(|r| (r.key, r.value)).collect();
        let sum = |all: &[Event]| all.iter().map(|event| event.value).sum::<i64>();
        let mut all: Vec<_> = expected.iter().map(|(_, key, all)| (*key, sum(all))).collect();
        seen.sort();
        all.sort();
        prop_assert_eq!(seen, all);

        let mut lists = BTreeMap::<u8, Vec<Vec<u32>>>::new();
        for (_, key, mut all) in expected {
            all.sort_by_key(|event| (-event.value, event.at));
            let list: Vec<u32> = all.iter().take(2).map(|event| event.id).collect();
            let lists = lists.entry(key).or_default();
            // It is given only when it changed.
            if lists.last() != Some(&list) {
                lists.push(list);
            }
        }
        let mut seen = BTreeMap::<u8, Vec<Vec<u32>>>::new();
        for r in tops {
            seen.entry(r.key).or_default().push(r.top.iter().map(|event| event.id).collect());
        }
        prop_assert_eq!(seen, lists);
        late
    }};
}

proptest! {
    #![proptest_config(cases(100))]

    #[test]
    fn results_at_ticks_are_the_same_however_a_stream_is_cut(
        events in events_in_any_order(100), lateness in 0i64..60, keep in 0i64..60, every in 1i64..40,
        feeding in Feeding::any(),
    ) {
        check_thinned!(run, &events, lateness, keep, every, &feeding);
    }

    #[test]
    fn results_at_ticks_are_in_time(
        (lateness, events) in (0i64..30).prop_flat_map(|lateness| (Just(lateness), events(lateness, 100))),
        keep in 0i64..60, every in 1i64..40, feeding in Feeding::any(),
    ) {
        let late = check_thinned!(run, &events, lateness, keep, every, &feeding);
        prop_assert!(late.is_empty(), "{late:?}");
    }
}

proptest! {
    #![proptest_config(cases(20))]

    #[test]
    fn results_at_ticks_are_the_same_on_threads(
        events in events_in_any_order(100), lateness in 0i64..60, keep in 0i64..60, every in 1i64..40,
        feeding in Feeding::any(),
    ) {
        check_thinned!(run_on_threads, &events, lateness, keep, every, &feeding);
    }
}
