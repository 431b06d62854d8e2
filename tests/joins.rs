//! Joins and lookups against evaluators that are obviously right: for any events, and however a flow is set up and fed.

#[path = "support/cases.rs"]
mod cases;
#[path = "support/events.rs"]
mod events;
#[path = "support/naive_joins.rs"]
mod naive;
#[path = "support/naive_windows.rs"]
#[allow(dead_code)]
mod naive_windows;

use cases::{cases, micros};
use events::{Event, Feeding, Gather, THREADS, events, events_in_any_order};
use naive::{expires, is_left, is_right, is_until, is_within, lefts, rights};
use naive_windows::{Hopping, sessions};
use proptest::prelude::*;
use psdf::{Late, Timestamp, Window, dataflow};
use serde::{Deserialize, Serialize};
use std::time::Duration;

dataflow! {
    /// Joins by how near two events are.
    flow Near {
        param lateness: Duration;
        param d: Duration;
        input events: Event;

        timed = events -> event_time(|e| e.at, lateness lateness);
        left = timed -> filter(is_left) -> key_by(key: u8 = |e| e.key);
        right = timed -> filter(is_right) -> key_by(key: u8 = |e| e.key);

        within = left -> join(right, within d) else late_within;
        left_within = left -> left_join(right, within d);
        full_within = left -> full_join(right, within d) else late_full_within;
        kept = left -> join(right) keep d else late_kept;
        left_kept = left -> left_join(right, keep d);
        itself = left -> join(left, within d);

        output within; output left_within; output full_within; output kept; output left_kept; output itself;
        output late_within; output late_full_within; output late_kept;
    }
}

dataflow! {
    /// Joins in which the left event says until when it waits.
    flow Until {
        param lateness: Duration;
        input events: Event;

        timed = events -> event_time(|e| e.at, lateness lateness);
        left = timed -> filter(is_left) -> key_by(key: u8 = |e| e.key);
        right = timed -> filter(is_right) -> key_by(key: u8 = |e| e.key);

        inner = left -> join(right, until expires) else late;
        left_outer = left -> left_join(right, until |e| expires(e));
        full = left -> full_join(right, until expires);

        output inner; output left_outer; output full; output late;
    }
}

dataflow! {
    /// Windows over what joins give, none of which may be late for them.
    flow Downstream {
        param lateness: Duration;
        param d: Duration;
        param size: Duration;
        input events: Event;

        timed = events -> event_time(|e| e.at, lateness lateness);
        left = timed -> filter(is_left) -> key_by(key: u8 = |e| e.key);
        right = timed -> filter(is_right) -> key_by(key: u8 = |e| e.key);

        of_inner = left -> join(right, within d) -> key_by(k: u8 = |(l, _)| l.key);
        of_full = left -> full_join(right, within d) -> key_by(k: bool = |(l, _)| l.is_some());
        of_until = left -> full_join(right, until expires) -> key_by(k: bool = |(l, _)| l.is_some());
        inner = of_inner -> tumbling(size) else late_inner -> aggregate { n: u64 = count() };
        full = of_full -> tumbling(size) else late_full -> aggregate { n: u64 = count() };
        until = of_until -> tumbling(size) else late_until -> aggregate { n: u64 = count() };

        output inner; output full; output until;
        output late_inner; output late_full; output late_until;
    }
}

dataflow! {
    /// Joins inside windows.
    flow Windowed {
        param lateness: Duration;
        param size: Duration;
        param every: Duration;
        param gap: Duration;
        input events: Event;

        timed = events -> event_time(|e| e.at, lateness lateness);
        left = timed -> filter(is_left) -> key_by(key: u8 = |e| e.key);
        right = timed -> filter(is_right) -> key_by(key: u8 = |e| e.key);

        tumbled = left -> tumbling(size) else late -> join(right);
        left_tumbled = left -> tumbling(size) -> left_join(right);
        full_tumbled = left -> tumbling(size) -> full_join(right);
        hopped = left -> hopping(size, every every) -> full_join(right);
        sessions = left -> session(gap) else late_for_sessions -> full_join(right);

        of_sessions = sessions -> key_by(k: bool = |(_, l, _)| l.is_some()) -> tumbling(size) else late_results
            -> aggregate { n: u64 = count() };

        output tumbled; output left_tumbled; output full_tumbled; output hopped; output sessions;
        output late; output late_for_sessions; output of_sessions; output late_results;
    }
}

dataflow! {
    /// Lookups.
    flow Enriched {
        param lateness: Duration;
        param keep: Duration;
        param size: Duration;
        input events: Event;

        timed = events -> event_time(|e| e.at, lateness lateness);
        left = timed -> filter(is_left) -> key_by(key: u8 = |e| e.key);
        right = timed -> filter(is_right) -> key_by(key: u8 = |e| e.key);

        found = left -> lookup(right) keep keep else late;
        ever = left -> lookup(right) keep forever;
        // A `latest` says itself how long it keeps what can be found, and may be read besides.
        current = timed -> filter(is_right) -> key_by(key: u8 = |e| e.key) -> latest keep keep;
        of_current = left -> lookup(current);
        unread = timed -> filter(is_right) -> key_by(key: u8 = |e| e.key) -> latest keep keep;
        of_unread = left -> lookup(unread);
        of_found = found -> key_by(k: bool = |(_, r)| r.is_some()) -> tumbling(size) else late_found
            -> aggregate { n: u64 = count() };

        output found; output ever; output late; output of_found; output late_found;
        output current; output of_current; output of_unread;
    }
}

dataflow! {
    /// Two inputs, each with a clock of its own.
    flow Sides {
        param lateness: Duration;
        param d: Duration;
        param size: Duration;
        input lefts: Event;
        input rights: Event;

        left = lefts -> event_time(|e| e.at, lateness lateness) -> key_by(key: u8 = |e| e.key);
        right = rights -> event_time(|e| e.at, lateness 0 s) -> key_by(key: u8 = |e| e.key);

        full = left -> full_join(right, within d) else late;
        windows = left -> tumbling(size) -> full_join(right);
        found = left -> lookup(right) keep d;

        output full; output windows; output found; output late;
    }
}

dataflow! {
    /// All pairs there are, with time and without.
    flow Ever {
        param lateness: Duration;
        input events: Event;

        left = events -> filter(is_left) -> key_by(key: u8 = |e| e.key);
        right = events -> filter(is_right) -> key_by(key: u8 = |e| e.key);
        pairs = left -> join(right, keep forever);

        timed = left -> event_time(|e| e.at, lateness lateness);
        timed_right = right -> event_time(|e| e.at, lateness lateness);
        timed_pairs = timed -> join(timed_right) keep forever;
        mixed = timed -> join(right) keep forever;

        output pairs; output timed_pairs; output mixed;
    }
}

/// In an order of their own, to be compared with others.
fn sorted<T: Ord>(mut items: Vec<T>) -> Vec<T> {
    items.sort();
    items
}

/// The watermark that each event meets.
fn watermarks(events: &[Event], lateness: i64) -> Vec<Timestamp> {
    let latest = events.iter().scan(i64::MIN, |latest, event| {
        let before = *latest;
        *latest = event.at.0.max(before);
        Some(Timestamp(before.saturating_sub(lateness)))
    });
    latest.collect()
}

fn ids(late: &[Late<Event>]) -> Vec<u32> {
    sorted(late.iter().map(|late| late.record.id).collect())
}

/// Events out of order by no more than the lateness, and the lengths of a case.
fn in_time(most: usize) -> impl Strategy<Value = (i64, Vec<Event>)> {
    (0i64..40).prop_flat_map(move |lateness| (Just(lateness), events(lateness, most)))
}

proptest! {
    #![proptest_config(cases(96))]

    #[test]
    fn events_that_are_near_enough_meet((lateness, events) in in_time(60), d in 0i64..50, feeding in Feeding::any()) {
        let flow = Near { lateness: micros(lateness), d: micros(d) };
        let (within, left_within, full_within, kept, left_kept, itself, late, late_full, late_kept) = run!(
            flow, &feeding, events = &events => within_to, left_within_to, full_within_to, kept_to, left_kept_to,
            itself_to, late_within_to, late_full_within_to, late_kept_to
        );
        let (lefts, rights) = (lefts(&events), rights(&events));
        let expected = naive::full(&lefts, &rights, |l, r| is_within(l, r, d));
        let selfs = naive::full(&lefts, &lefts, |l, r| is_within(l, r, d));
        prop_assert_eq!(sorted(within), sorted(naive::inner(&expected)));
        prop_assert_eq!(sorted(left_within), sorted(naive::left(&expected)));
        prop_assert_eq!(sorted(full_within), sorted(expected.clone()));
        prop_assert_eq!(sorted(kept), sorted(naive::inner(&expected)));
        prop_assert_eq!(sorted(left_kept), sorted(naive::left(&expected)));
        prop_assert_eq!(sorted(itself), sorted(naive::inner(&selfs)));
        for late in [late, late_full, late_kept] {
            prop_assert_eq!(late, Vec::<Late<Event>>::new());
        }
    }

    #[test]
    fn a_left_event_meets_those_up_to_when_it_says((lateness, events) in in_time(60), feeding in Feeding::any()) {
        let flow = Until { lateness: micros(lateness) };
        let (inner, left, full, late) =
            run!(flow, &feeding, events = &events => inner_to, left_outer_to, full_to, late_to);
        let expected = naive::full(&lefts(&events), &rights(&events), is_until);
        prop_assert_eq!(sorted(inner), sorted(naive::inner(&expected)));
        prop_assert_eq!(sorted(left), sorted(naive::left(&expected)));
        prop_assert_eq!(sorted(full), sorted(expected));
        prop_assert_eq!(late, Vec::<Late<Event>>::new());
    }

    #[test]
    fn what_a_join_gives_is_not_late_for_what_comes_next(
        (lateness, events) in in_time(60), d in 0i64..50, size in 1i64..40, feeding in Feeding::any(),
    ) {
        let flow = Downstream { lateness: micros(lateness), d: micros(d), size: micros(size) };
        let (inner, full, until, late_inner, late_full, late_until) = run!(
            flow, &feeding, events = &events => inner_to, full_to, until_to, late_inner_to, late_full_to, late_until_to
        );
        prop_assert_eq!((late_inner.len(), late_full.len(), late_until.len()), (0, 0, 0));
        let (lefts, rights) = (lefts(&events), rights(&events));
        let expected = naive::full(&lefts, &rights, |l, r| is_within(l, r, d));
        prop_assert_eq!(inner.iter().map(|w| w.n).sum::<u64>(), naive::inner(&expected).len() as u64);
        prop_assert_eq!(full.iter().map(|w| w.n).sum::<u64>(), expected.len() as u64);
        let expected = naive::full(&lefts, &rights, is_until);
        prop_assert_eq!(until.iter().map(|w| w.n).sum::<u64>(), expected.len() as u64);
    }

    #[test]
    fn late_events_are_those_behind_the_watermark_and_all_others_meet(
        events in events_in_any_order(60), lateness in 0i64..60, d in 0i64..50, feeding in Feeding::any(),
    ) {
        let flow = Near { lateness: micros(lateness), d: micros(d) };
        let (within, left_within, full_within, kept, _, _, late, late_full, late_kept) = run!(
            flow, &feeding, events = &events => within_to, left_within_to, full_within_to, kept_to, left_kept_to,
            itself_to, late_within_to, late_full_within_to, late_kept_to
        );
        let (mut in_time, mut expected_late) = (Vec::new(), Vec::new());
        for (event, watermark) in events.iter().zip(watermarks(&events, lateness)) {
            if event.at < watermark {
                expected_late.push(Late { record: event.clone(), at: event.at, watermark });
            } else {
                in_time.push(event.clone());
            }
        }
        expected_late.retain(|late| is_left(&late.record));
        let expected = naive::full(&lefts(&in_time), &rights(&in_time), |l, r| is_within(l, r, d));
        prop_assert_eq!(sorted(within), sorted(naive::inner(&expected)));
        prop_assert_eq!(sorted(kept), sorted(naive::inner(&expected)));
        prop_assert_eq!(sorted(left_within), sorted(naive::left(&expected)));
        prop_assert_eq!(sorted(full_within), sorted(expected));
        for mut late in [late, late_full, late_kept] {
            late.sort_by_key(|late| late.record.id);
            prop_assert_eq!(late, expected_late.clone());
        }
    }

    #[test]
    fn all_events_of_a_key_and_a_window_meet(
        (lateness, events) in in_time(60), size in 1i64..60, every in 1i64..60, gap in 1i64..30,
        feeding in Feeding::any(),
    ) {
        let every = every.min(size);
        let flow =
            Windowed { lateness: micros(lateness), size: micros(size), every: micros(every), gap: micros(gap) };
        let (tumbled, left_tumbled, full_tumbled, hopped, joined, late, late_for_sessions, counts, late_results) = run!(
            flow, &feeding, events = &events => tumbled_to, left_tumbled_to, full_tumbled_to, hopped_to, sessions_to,
            late_to, late_for_sessions_to, of_sessions_to, late_results_to
        );
        let windows = Hopping { size, every: size, allow: 0 }.all(&events);
        let expected = naive::in_windows(&windows);
        let pairs = |(window, l, r): (Window, Option<Event>, Option<Event>)| Some((window, l?, r?));
        let lefts = |(window, l, r): (Window, Option<Event>, Option<Event>)| Some((window, l?, r));
        prop_assert_eq!(sorted(tumbled), sorted(expected.iter().cloned().filter_map(pairs).collect()));
        prop_assert_eq!(sorted(left_tumbled), sorted(expected.iter().cloned().filter_map(lefts).collect()));
        prop_assert_eq!(sorted(full_tumbled), sorted(expected));
        let windows = Hopping { size, every, allow: 0 }.all(&events);
        prop_assert_eq!(sorted(hopped), sorted(naive::in_windows(&windows)));
        prop_assert_eq!((late.len(), late_for_sessions.len(), late_results.len()), (0, 0, 0));
        prop_assert_eq!(counts.iter().map(|w| w.n).sum::<u64>(), joined.len() as u64);
        prop_assert_eq!(sorted(joined), sorted(naive::in_windows(&sessions(&events, gap))));
    }

    #[test]
    fn late_events_of_joined_windows_do_not_depend_on_the_other_side(
        events in events_in_any_order(60), lateness in 0i64..60, size in 1i64..60, every in 1i64..60, gap in 1i64..30,
        feeding in Feeding::any(),
    ) {
        let every = every.min(size);
        let flow =
            Windowed { lateness: micros(lateness), size: micros(size), every: micros(every), gap: micros(gap) };
        let (tumbled, _, full_tumbled, hopped, joined, late, late_for_sessions, _, _) = run!(
            flow, &feeding, events = &events => tumbled_to, left_tumbled_to, full_tumbled_to, hopped_to, sessions_to,
            late_to, late_for_sessions_to, of_sessions_to, late_results_to
        );
        let watermarks: Vec<Timestamp> = watermarks(&events, lateness);
        // An event, as far as its windows are open when it comes.
        let open = |windows: Hopping| {
            let mut all = windows.all(&events);
            for (_, window, events) in &mut all {
                events.retain(|event| window.end > watermarks[event.id as usize]);
            }
            all
        };
        let pairs = |(window, l, r): (Window, Option<Event>, Option<Event>)| Some((window, l?, r?));
        let expected = naive::in_windows(&open(Hopping { size, every: size, allow: 0 }));
        prop_assert_eq!(sorted(tumbled), sorted(expected.iter().cloned().filter_map(pairs).collect()));
        prop_assert_eq!(sorted(full_tumbled), sorted(expected));
        let expected = naive::in_windows(&open(Hopping { size, every, allow: 0 }));
        prop_assert_eq!(sorted(hopped), sorted(expected));
        let (behind, in_time): (Vec<_>, Vec<_>) =
            events.iter().cloned().partition(|event| event.at < watermarks[event.id as usize]);
        prop_assert_eq!(sorted(joined), sorted(naive::in_windows(&sessions(&in_time, gap))));
        prop_assert_eq!(ids(&late_for_sessions), sorted(lefts(&behind).iter().map(|event| event.id).collect()));
        let over = |event: &&Event| {
            let windows = Hopping { size, every: size, allow: 0 }.windows(event.at);
            is_left(event) && windows.iter().all(|window| window.end <= watermarks[event.id as usize])
        };
        prop_assert_eq!(ids(&late), sorted(events.iter().filter(over).map(|event| event.id).collect()));
    }

    #[test]
    fn a_lookup_finds_the_newest_as_of_the_events_time(
        (lateness, events) in in_time(60), keep in 0i64..60, size in 1i64..40, feeding in Feeding::any(),
    ) {
        let flow = Enriched { lateness: micros(lateness), keep: micros(keep), size: micros(size) };
        let (found, ever, late, of_found, late_found, of_current, of_unread, current) = run!(
            flow, &feeding, events = &events => found_to, ever_to, late_to, of_found_to, late_found_to, of_current_to,
            of_unread_to, current_to
        );
        let (lefts, rights) = (lefts(&events), rights(&events));
        prop_assert_eq!((late.len(), late_found.len()), (0, 0));
        prop_assert_eq!(of_found.iter().map(|w| w.n).sum::<u64>(), lefts.len() as u64);
        prop_assert_eq!(sorted(found), sorted(naive::lookup(&lefts, &rights, keep)));
        prop_assert_eq!(sorted(of_current), sorted(naive::lookup(&lefts, &rights, keep)));
        prop_assert_eq!(sorted(of_unread), sorted(naive::lookup(&lefts, &rights, keep)));
        prop_assert_eq!(sorted(ever), sorted(naive::lookup(&lefts, &rights, 10_000)));
        prop_assert!(current.len() <= rights.len());
    }

    #[test]
    fn a_lookup_leaves_out_what_is_behind_its_own_side(
        events in events_in_any_order(60), lateness in 0i64..60, keep in 0i64..60, feeding in Feeding::any(),
    ) {
        let flow = Enriched { lateness: micros(lateness), keep: micros(keep), size: micros(10) };
        let (found, ever, late, _, _, of_current, of_unread, _) = run!(
            flow, &feeding, events = &events => found_to, ever_to, late_to, of_found_to, late_found_to, of_current_to,
            of_unread_to, current_to
        );
        let watermarks = watermarks(&events, lateness);
        let (behind, in_time): (Vec<_>, Vec<_>) =
            events.iter().cloned().partition(|event| event.at < watermarks[event.id as usize]);
        let (lefts_in_time, rights) = (lefts(&in_time), rights(&in_time));
        prop_assert_eq!(ids(&late), sorted(lefts(&behind).iter().map(|event| event.id).collect()));
        prop_assert_eq!(sorted(found), sorted(naive::lookup(&lefts_in_time, &rights, keep)));
        prop_assert_eq!(sorted(of_current), sorted(naive::lookup(&lefts_in_time, &rights, keep)));
        prop_assert_eq!(sorted(of_unread), sorted(naive::lookup(&lefts_in_time, &rights, keep)));
        prop_assert_eq!(sorted(ever), sorted(naive::lookup(&lefts_in_time, &rights, 10_000)));
    }

    /// Whatever one side does, the other has the same records in time.
    #[test]
    fn one_side_may_run_ahead_of_the_other(
        events in events_in_any_order(60), turns in prop::collection::vec(1usize..20, 1..6), lateness in 0i64..60,
        d in 0i64..50, size in 1i64..60, shards in 1usize..=4, batch_limit in 1usize..9,
    ) {
        let (lefts, rights): (Vec<_>, Vec<_>) = events.into_iter().partition(|event| event.value > 0);
        let flow = Sides { lateness: micros(lateness), d: micros(d), size: micros(size) };
        let (full, windows, found, late) =
            (Gather::default(), Gather::default(), Gather::default(), Gather::<Late<Event>>::default());
        let builder = flow.builder().shards(shards).batch_limit(batch_limit).full_to(full.clone());
        let builder = builder.windows_to(windows.clone()).found_to(found.clone()).late_to(late.clone());
        let (sides, mut inline) = builder.inline().unwrap();
        let (mut of_left, mut of_right) = (lefts.iter().cloned(), rights.iter().cloned());
        let mut turns = turns.into_iter().cycle();
        while of_left.len() + of_right.len() > 0 {
            let batch: Vec<Event> = of_left.by_ref().take(turns.next().unwrap_or(1) - 1).collect();
            inline.block_on(sides.lefts.send_batch(batch)).unwrap();
            let batch: Vec<Event> = of_right.by_ref().take(turns.next().unwrap_or(1)).collect();
            inline.block_on(sides.rights.send_batch(batch)).unwrap();
            if of_right.len() == 0 {
                inline.block_on(sides.lefts.send_batch(of_left.by_ref().collect())).unwrap();
            }
            inline.run();
        }
        inline.block_on(sides.finish()).unwrap();

        let split = |events: &[Event], lateness| -> (Vec<Event>, Vec<Event>) {
            let watermarks = watermarks(events, lateness);
            let (behind, in_time): (Vec<_>, Vec<_>) =
                events.iter().cloned().zip(watermarks).partition(|(event, watermark)| event.at < *watermark);
            let events = |pairs: Vec<(Event, Timestamp)>| pairs.into_iter().map(|(event, _)| event).collect();
            (events(behind), events(in_time))
        };
        let ((behind, lefts_in_time), (_, rights_in_time)) = (split(&lefts, lateness), split(&rights, 0));
        let expected = naive::full(&lefts_in_time, &rights_in_time, |l, r| is_within(l, r, d));
        prop_assert_eq!(sorted(full.take()), sorted(expected));
        prop_assert_eq!(ids(&late.take()), sorted(behind.iter().map(|event| event.id).collect()));
        prop_assert_eq!(sorted(found.take()), sorted(naive::lookup(&lefts_in_time, &rights_in_time, d)));
        let open = |events: &[Event], lateness| -> Vec<Event> {
            let end = |event: &Event| Hopping { size, every: size, allow: 0 }.windows(event.at)[0].end;
            let of = events.iter().zip(watermarks(events, lateness));
            of.filter(|(event, watermark)| end(event) > *watermark).map(|(event, _)| event.clone()).collect()
        };
        let window = |event: &Event| Hopping { size, every: size, allow: 0 }.windows(event.at)[0];
        let expected = naive::full(&open(&lefts, lateness), &open(&rights, 0), |l, r| window(l) == window(r));
        let expected = expected.into_iter().map(|(l, r)| {
            let of = l.as_ref().or(r.as_ref()).map(window);
            (of.expect("one of the two is there"), l, r)
        });
        prop_assert_eq!(sorted(windows.take()), sorted(expected.collect()));
    }

    #[test]
    fn what_is_kept_for_ever_meets_all(
        events in events_in_any_order(40), lateness in 0i64..40, feeding in Feeding::any(),
    ) {
        let flow = Ever { lateness: micros(lateness) };
        let (pairs, timed, mixed) = run!(
            flow, &feeding, events = &events => pairs_to, timed_pairs_to, mixed_to
        );
        let expected = sorted(naive::inner(&naive::full(&lefts(&events), &rights(&events), |_, _| true)));
        for pairs in [pairs, timed, mixed] {
            prop_assert_eq!(sorted(pairs), expected.clone());
        }
    }
}

proptest! {
    #![proptest_config(cases(24))]

    #[test]
    fn joins_do_not_depend_on_how_threads_take_turns(
        (lateness, events) in in_time(60), d in 0i64..50, feeding in Feeding::any(),
    ) {
        let flow = Downstream { lateness: micros(lateness), d: micros(d), size: micros(10) };
        let (inner, full, until, late_inner, late_full, late_until) = run_on_threads!(
            flow, &feeding, events = &events => inner_to, full_to, until_to, late_inner_to, late_full_to, late_until_to
        );
        prop_assert_eq!((late_inner.len(), late_full.len(), late_until.len()), (0, 0, 0));
        let (lefts, rights) = (lefts(&events), rights(&events));
        let expected = naive::full(&lefts, &rights, |l, r| is_within(l, r, d));
        prop_assert_eq!(inner.iter().map(|w| w.n).sum::<u64>(), naive::inner(&expected).len() as u64);
        prop_assert_eq!(full.iter().map(|w| w.n).sum::<u64>(), expected.len() as u64);
        let expected = naive::full(&lefts, &rights, is_until);
        prop_assert_eq!(until.iter().map(|w| w.n).sum::<u64>(), expected.len() as u64);
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Order {
    id: u64,
    at: i64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Payment {
    order: u64,
    at: i64,
}

fn order(id: u64, at: i64) -> Order {
    Order { id, at }
}

fn payment(order: u64, at: i64) -> Payment {
    Payment { order, at }
}

dataflow! {
    flow Paid {
        input orders: Order;
        input payments: Payment;
        by_order = payments -> event_time(|p| Timestamp(p.at), lateness 0 s) -> key_by(id: u64 = |p| p.order);
        keyed = orders -> event_time(|o| Timestamp(o.at), lateness 0 s) -> key_by(id: u64 = |o| o.id);
        paid = keyed -> join(by_order, within 10 us) else late;
        unpaid = keyed -> left_join(by_order, within 10 us) -> filter(|(_, payment)| payment.is_none());
        output paid;
        output late;
        output unpaid: (Order, Option<Payment>);
    }
}

#[test]
fn a_pair_is_given_as_soon_as_the_later_of_the_two_is_there() {
    let (mut paid, mut hand) = Paid.builder().inline().unwrap();
    paid.orders.try_send(order(1, 5)).unwrap();
    hand.run();
    paid.payments.try_send(payment(1, 16)).unwrap();
    paid.payments.try_send(payment(1, 15)).unwrap();
    hand.run();
    assert_eq!(paid.paid.next_now(), None);
    paid.payments.try_send(payment(1, 17)).unwrap();
    paid.orders.try_send(order(1, 7)).unwrap();
    hand.run();
    assert_eq!(paid.paid.next_now(), Some((order(1, 7), payment(1, 16))));
    assert_eq!(paid.paid.next_now(), Some((order(1, 7), payment(1, 17))));
    assert_eq!(paid.paid.next_now(), None);
}

#[test]
fn what_met_none_is_given_when_no_other_can_come() {
    let (mut paid, mut hand) = Paid.builder().inline().unwrap();
    paid.orders.try_send(order(1, 5)).unwrap();
    paid.orders.try_send(order(2, 6)).unwrap();
    paid.payments.try_send(payment(2, 15)).unwrap();
    paid.orders.try_send(order(3, 100)).unwrap();
    hand.run();
    assert_eq!(
        paid.unpaid.next_now(),
        None,
        "payments have come up to 15, where one can still meet the first"
    );
    paid.payments.try_send(payment(9, 16)).unwrap();
    hand.run();
    assert_eq!(paid.unpaid.next_now(), Some((order(1, 5), None)));
    assert_eq!(paid.unpaid.next_now(), None);
}

#[test]
fn late_records_of_the_left_have_a_name_and_those_of_the_right_are_counted() {
    let (mut paid, mut hand) = Paid.builder().inline().unwrap();
    for record in [order(1, 100), order(1, 50)] {
        paid.orders.try_send(record).unwrap();
    }
    for record in [payment(1, 40), payment(1, 30), payment(1, 20)] {
        paid.payments.try_send(record).unwrap();
    }
    hand.run();
    let late = Late { record: order(1, 50), at: Timestamp(50), watermark: Timestamp(100) };
    assert_eq!(paid.late.next_now(), Some(late), "it is behind its own side, however far the other has come");
    let counts = paid.control.counts();
    let of_paid = counts.iter().find(|counts| counts.node == "paid").unwrap();
    assert_eq!(of_paid.late, 2);
}

#[test]
fn nothing_is_held_that_can_meet_no_more() {
    let (mut paid, mut hand) = Paid.builder().inline().unwrap();
    for at in 0..10_000 {
        paid.orders.try_send(order(at as u64, at)).unwrap();
        paid.payments.try_send(payment(at as u64 + 5, at)).unwrap();
        hand.run();
        while paid.paid.next_now().is_some() || paid.unpaid.next_now().is_some() {}
    }
    let counts = paid.control.counts();
    let of_paid = counts.iter().find(|counts| counts.node == "paid").unwrap();
    assert!(of_paid.keys < 40, "{of_paid:?}");
}

#[test]
fn a_lookup_without_its_own_keep_is_bounded_by_that_of_the_latest() {
    let bound = |node| Enriched::GRAPH.node(node).and_then(|node| node.bound);
    assert_eq!([bound("found"), bound("ever")], [Some("keep keep"), Some("keep forever")]);
    assert_eq!([bound("of_current"), bound("of_unread")], [Some("keep keep"); 2]);
}

#[test]
fn the_graph_tells_both_sides_and_what_is_held_of_them() {
    let node = Paid::GRAPH.node("paid").unwrap();
    let reads: Vec<_> = node.reads.iter().map(|&id| Paid::GRAPH.nodes[id].name).collect();
    assert_eq!(reads, ["keyed", "by_order"]);
    let state: Vec<_> = node.state.iter().map(|field| (field.name, field.ty)).collect();
    assert_eq!(state, [("left", "Order"), ("right", "Payment")]);
    assert_eq!((node.bound, node.operators), (Some("within 10 us"), &["join"][..]));
}

dataflow! {
    /// Joins of whatever a stream can be, in chains of whatever can follow.
    flow Shapes {
        param lateness: Duration = Duration::ZERO;
        input events: Event;
        input more: Event;

        timed = events -> event_time(|e| e.at, lateness lateness);
        more_timed = more -> event_time(|e| e.at, lateness lateness);
        all = merge(timed, more_timed);
        keyed = all -> key_by(key: u8 = |e| e.key);

        counts = keyed -> tumbling(10 us) -> aggregate { n: u64 = count() };
        sums = keyed -> tumbling(10 us) -> aggregate { sum: i64 = sum(|e| e.value) };
        by_key = sums -> key_by(key: u8 = |s| s.key);
        /// Results of one window meet.
        both = counts -> key_by(key: u8 = |c| c.key) -> join(by_key, within 0 s);
        /// A merge that is joined with one of its own sources, and a clock after it.
        again = merge(timed, more_timed) -> key_by(key: u8 = |e| e.key, at: Timestamp = |e| e.at)
            -> join(by_time, keep forever)
            -> map(|(left, right)| (left.id, right.id))
            -> event_time(|(id, _)| Timestamp(i64::from(*id)), lateness 1 s)
            -> filter(|(left, right)| left == right);
        by_time = timed -> key_by(key: u8 = |e| e.key, at: Timestamp = |e| e.at);
        /// A join of joins.
        of_joins = both -> key_by(key: u8 = |(counts, _)| counts.key)
            -> join(others, within 0 s) -> map(|((counts, _), sums)| (counts.key, counts.n, sums.sum));
        others = merge(sums, no_sums) -> key_by(key: u8 = |s| s.key);
        no_sums = sums -> filter(|_| false);
        /// Late records, joined.
        stragglers = timed -> key_by(key: u8 = |e| e.key) -> join(keyed, within 1 us) else late -> map(|(e, _)| e.id);
        of_late = late -> key_by(id: u32 = |l| l.record.id) -> join(by_id) keep forever;
        by_id = events -> key_by(id: u32 = |e| e.id);

        output both; output again: (u32, u32); output of_joins: (u8, u64, i64); output stragglers: u32; output of_late;
    }
}

#[test]
fn joins_stand_wherever_a_keyed_stream_does() {
    for shards in [1, 2, 4] {
        let (shapes, mut hand) = Shapes::default().builder().shards(shards).inline().unwrap();
        let event = |key, at, value, id| Event { key, at: Timestamp(at), value, id };
        hand.block_on(shapes.events.send_batch(vec![
            event(1, 1, 5, 0),
            event(2, 12, 7, 1),
            event(1, 3, 9, 2),
        ]))
        .unwrap();
        hand.block_on(shapes.more.send_batch(vec![event(1, 2, 1, 3), event(2, 13, 2, 4)])).unwrap();
        let unread = hand.block_on(shapes.finish()).unwrap();
        let mut both: Vec<_> =
            unread.both.iter().map(|(c, s)| (c.key, c.window == s.window, c.n, s.sum)).collect();
        both.sort_unstable();
        assert_eq!(both.last(), Some(&(2, true, 2, 9)));
        assert_eq!(sorted(unread.again), [(0, 0), (1, 1), (2, 2)]);
        assert_eq!(sorted(unread.of_joins).len(), both.len());
        let late: Vec<_> = unread.of_late.iter().map(|(late, event)| (late.at, event.id)).collect();
        assert_eq!(late, [(Timestamp(3), 2)]);
    }
}

dataflow! {
    flow Expiring {
        param wait: Duration = Duration::from_micros(5);
        input events: Event;
        keyed = events -> event_time(|e| e.at, lateness 0 s) -> key_by(key: u8 = |e| e.key);
        pairs = keyed -> join(keyed, until |e| { assert!(e.value != 13, "unlucky"); e.at + wait });
        output pairs;
    }
}

#[test]
fn what_says_until_when_can_read_params_and_panics_in_its_nodes_name() {
    let (mut expiring, mut hand) = Expiring::default().builder().inline().unwrap();
    let event = |at, value| Event { key: 0, at: Timestamp(at), value, id: 0 };
    hand.block_on(expiring.events.send_batch(vec![event(0, 1), event(5, 2), event(11, 3)])).unwrap();
    hand.run();
    let mut pairs = Vec::new();
    while let Some((left, right)) = expiring.pairs.next_now() {
        pairs.push((left.value, right.value));
    }
    pairs.sort_unstable();
    assert_eq!(pairs, [(1, 1), (1, 2), (2, 2), (3, 3)]);
    hand.block_on(expiring.events.send(event(12, 13))).unwrap();
    hand.run();
    let error = hand.block_on(expiring.finish()).unwrap_err().to_string();
    assert!(error.contains("pairs") && error.contains("unlucky"), "{error}");
}
