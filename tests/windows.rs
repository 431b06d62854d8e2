//! Windows against evaluators that are obviously right: for any events, and however a flow is set up and fed.

#[path = "support/cases.rs"]
mod cases;
#[path = "support/events.rs"]
mod events;
#[path = "support/naive.rs"]
mod naive;
#[path = "support/naive_windows.rs"]
mod naive_windows;

use cases::{cases, micros};
use events::{Chunk, Event, Feeding, Gather, THREADS, events, events_in_any_order};
use naive::{Summary, in_order, sorted, summary};
use naive_windows::{Hopping, Seen, commutative, sessions, sessions_one_by_one, windows_one_by_one};
use proptest::prelude::*;
use psdf::{Late, Timestamp, Window, dataflow};
use std::time::Duration;

dataflow! {
    /// Every kind of window, every aggregate function, late events kept.
    flow Windows {
        param lateness: Duration;
        param size: Duration;
        param every: Duration;
        param gap: Duration;
        param allow: Duration = Duration::ZERO;

        input events: Event;

        keyed = events -> event_time(|e| e.at, lateness lateness) -> key_by(key: u8 = |e| e.key);

        tumbled = keyed -> tumbling(size, allow allow) else late_for_tumbled -> aggregate {
            count: u64 = count(), sum: i64 = sum(|e| e.value), min: i64 = min(|e| e.value), max: i64 = max(|e| e.value),
            mean: f64 = mean(|e| e.value), first: u32 = first(|e| e.id), last: u32 = last(|e| e.id),
            distinct: u64 = distinct(|e| e.value), all: Vec<u32> = collect(|e| e.id),
            top: Vec<Event> = top(2, by |e| (e.value, std::cmp::Reverse(e.id))), folded: i64 = fold(1, in_order),
        };
        hopped = keyed -> hopping(size, every every, allow allow) else late_for_hopped -> aggregate {
            count: u64 = count(), sum: i64 = sum(|e| e.value), min: i64 = min(|e| e.value), max: i64 = max(|e| e.value),
            mean: f64 = mean(|e| e.value), first: u32 = first(|e| e.id), last: u32 = last(|e| e.id),
            distinct: u64 = distinct(|e| e.value), all: Vec<u32> = collect(|e| e.id),
            top: Vec<Event> = top(2, by |e| (e.value, std::cmp::Reverse(e.id))), folded: i64 = fold(1, in_order),
        };
        sessions = keyed -> session(gap, allow allow) else late_for_sessions -> aggregate {
            count: u64 = count(), sum: i64 = sum(|e| e.value), min: i64 = min(|e| e.value), max: i64 = max(|e| e.value),
            mean: f64 = mean(|e| e.value), first: u32 = first(|e| e.id), last: u32 = last(|e| e.id),
            distinct: u64 = distinct(|e| e.value), all: Vec<u32> = collect(|e| e.id),
            top: Vec<Event> = top(2, by |e| (e.value, std::cmp::Reverse(e.id))),
            folded: i64 = fold(1, commutative, merge |acc, other| *acc += other - 1),
        };

        output tumbled;
        output hopped;
        output sessions;
        output late_for_tumbled;
        output late_for_hopped;
        output late_for_sessions;
    }
}

dataflow! {
    /// Aggregates that need only a few bytes of each event, and folds that need nothing but it; late events counted.
    flow Lean {
        param lateness: Duration;
        param size: Duration;
        param every: Duration;
        param gap: Duration;

        input events: Event;

        keyed = events -> event_time(|e| e.at, lateness lateness) -> key_by(key: u8 = |e| e.key);
        tumbled = keyed -> tumbling(size) -> aggregate { count: u64 = count(), sum: i64 = sum(|e| e.value) };
        hopped = keyed -> hopping(size, every every) -> aggregate { count: u64 = count(), sum: i64 = sum(|e| e.value) };
        sessions = keyed -> session(gap) -> aggregate { count: u64 = count(), sum: i64 = sum(|e| e.value) };
        tumbled_folds = keyed -> tumbling(size) -> fold(i64 = 1, in_order);
        hopped_folds = keyed -> hopping(size, every every) -> fold(i64 = 1, in_order);
        session_folds = keyed -> session(gap) -> fold(i64 = 1, commutative, merge |acc, other| *acc += other - 1);

        output tumbled;
        output hopped;
        output sessions;
        output tumbled_folds;
        output hopped_folds;
        output session_folds;
    }
}

dataflow! {
    /// Many events in a record, two clocks side by side, and late events in windows of their own.
    flow Clocks {
        param lateness: Duration;
        param other_lateness: Duration;
        param size: Duration;

        input packs: Vec<Event>;

        events: Event = packs -> flat_map(|pack| pack);
        first = events -> event_time(|e| e.at, lateness lateness) -> key_by(key: u8 = |e| e.key)
            -> tumbling(size) else late -> fold(Vec<u32> = Vec::new(), |ids, e| ids.push(e.id));
        second = events -> event_time(|e| e.at, lateness 0 s) -> filter(|e| e.value != 0)
            -> event_time(|e| e.at, lateness other_lateness) -> key_by(key: u8 = |e| e.key)
            -> tumbling(size) else late_for_second -> fold(Vec<u32> = Vec::new(), |ids, e| ids.push(e.id));
        /// Those that were late for the first have a clock of their own, which has only seen them.
        of_late = late -> event_time(|l| l.at, lateness lateness) -> key_by(key: u8 = |l| l.record.key)
            -> tumbling(size) else too_late -> fold(Vec<u32> = Vec::new(), |ids, l| ids.push(l.record.id));

        output first;
        output second;
        output late_for_second;
        output of_late;
        output too_late;
    }
}

dataflow! {
    /// Windows over the results of windows, of sessions and of timers.
    flow Layers {
        param lateness: Duration;
        param size: Duration;
        param gap: Duration;

        input events: Event;

        keyed = events -> event_time(|e| e.at, lateness lateness) -> key_by(key: u8 = |e| e.key);
        short = keyed -> tumbling(size) -> aggregate { count: u64 = count() };
        sessions = keyed -> session(gap) -> aggregate { count: u64 = count() };
        timers = keyed -> stateful(u64) {
            state { count: u64 = 0 } keep forever;
            |state, event, out| { state.count += 1; out.set_timer(event.at + gap) }
            on timer |state, _at, out| { out.emit(std::mem::take(&mut state.count)) }
        };
        of_windows = short -> key_by(unit: () = |_| ()) -> hopping((size * 3), every size) else late_windows
            -> aggregate { windows: u64 = count(), events: u64 = sum(|w| w.count) };
        of_sessions = sessions -> key_by(unit: () = |_| ()) -> tumbling(size) else late_sessions
            -> aggregate { events: u64 = sum(|s| s.count) };
        of_timers = timers -> key_by(unit: () = |_| ()) -> tumbling(size) else late_timers
            -> aggregate { events: u64 = sum(|n| *n) };

        output of_windows;
        output of_sessions;
        output of_timers;
        output late_windows;
        output late_sessions;
        output late_timers;
    }
}

/// The durations of a flow, in microseconds.
#[derive(Clone, Copy, Debug)]
struct Durations {
    lateness: i64,
    size: i64,
    every: i64,
    gap: i64,
    allow: i64,
}

fn durations(allow: impl Strategy<Value = i64>) -> impl Strategy<Value = Durations> {
    (0i64..40, 1i64..50, 1i64..50, 1i64..20, allow).prop_map(|(lateness, size, every, gap, allow)| {
        Durations { lateness, size, every: every.min(size), gap, allow }
    })
}

/// Durations, and events that are late for none of them.
fn in_time(allow: impl Strategy<Value = i64>) -> impl Strategy<Value = (Durations, Vec<Event>)> {
    durations(allow).prop_flat_map(|durations| (Just(durations), events(durations.lateness, 120)))
}

impl Durations {
    fn windows(self) -> Windows {
        let Durations { lateness, size, every, gap, allow } = self;
        Windows {
            lateness: micros(lateness),
            size: micros(size),
            every: micros(every),
            gap: micros(gap),
            allow: micros(allow),
        }
    }

    fn lean(self) -> Lean {
        let Durations { lateness, size, every, gap, .. } = self;
        Lean { lateness: micros(lateness), size: micros(size), every: micros(every), gap: micros(gap) }
    }

    fn tumbling(self) -> Hopping {
        Hopping { size: self.size, every: self.size, allow: self.allow }
    }

    fn hopping(self) -> Hopping {
        Hopping { size: self.size, every: self.every, allow: self.allow }
    }
}

/// What one kind of window gave, in an order of its own.
#[derive(Debug, PartialEq)]
struct Outcome {
    results: Vec<(u8, Window, Summary)>,
    late: Vec<(u32, Timestamp)>,
}

impl Outcome {
    fn of(results: Vec<(u8, Window, Summary)>, late: Vec<Late<Event>>) -> Outcome {
        for late in &late {
            assert_eq!(late.at, late.record.at);
        }
        let late = late.into_iter().map(|late| (late.record.id, late.watermark)).collect();
        Outcome { results: sorted(results), late: sorted(late) }
    }

    fn of_all(found: Vec<(u8, Window, Vec<Event>)>, fold: impl Fn(&mut i64, &Event) + Copy) -> Outcome {
        Self::of_seen(Seen { results: found, late: Vec::new() }, fold)
    }

    fn of_seen(seen: Seen, fold: impl Fn(&mut i64, &Event) + Copy) -> Outcome {
        let summed = |(key, window, events): (u8, Window, Vec<Event>)| (key, window, summary(&events, fold));
        Outcome::of(seen.results.into_iter().map(summed).collect(), seen.late)
    }

    fn results_alone(&self) -> &[(u8, Window, Summary)] {
        &self.results
    }
}

macro_rules! outcome {
    ($results:expr, $late:expr) => {{
        let summed = $results.into_iter().map(|r| {
            let (count, sum, min, max, mean) = (r.count, r.sum, r.min, r.max, r.mean);
            let (first, last, distinct, all, top, folded) =
                (r.first, r.last, r.distinct, r.all, r.top, r.folded);
            (r.key, r.window, Summary { count, sum, min, max, mean, first, last, distinct, all, top, folded })
        });
        Outcome::of(summed.collect(), $late)
    }};
}

/// What the three kinds of windows give: tumbling, hopping, sessions.
fn outcomes_inline(durations: Durations, feeding: &Feeding, events: &[Event]) -> [Outcome; 3] {
    let (tumbled, hopped, sessions, late_for_tumbled, late_for_hopped, late_for_sessions) = run!(
        durations.windows(), feeding, events = events => tumbled_to, hopped_to, sessions_to, late_for_tumbled_to,
        late_for_hopped_to, late_for_sessions_to
    );
    [
        outcome!(tumbled, late_for_tumbled),
        outcome!(hopped, late_for_hopped),
        outcome!(sessions, late_for_sessions),
    ]
}

fn outcomes_on_threads(durations: Durations, feeding: &Feeding, events: &[Event]) -> [Outcome; 3] {
    let (tumbled, hopped, sessions, late_for_tumbled, late_for_hopped, late_for_sessions) = run_on_threads!(
        durations.windows(), feeding, events = events => tumbled_to, hopped_to, sessions_to, late_for_tumbled_to,
        late_for_hopped_to, late_for_sessions_to
    );
    [
        outcome!(tumbled, late_for_tumbled),
        outcome!(hopped, late_for_hopped),
        outcome!(sessions, late_for_sessions),
    ]
}

/// What they should give for events that are not late.
fn in_time_outcomes(durations: Durations, events: &[Event]) -> [Outcome; 3] {
    [
        Outcome::of_all(durations.tumbling().all(events), in_order),
        Outcome::of_all(durations.hopping().all(events), in_order),
        Outcome::of_all(sessions(events, durations.gap), commutative),
    ]
}

/// What they should give for any events.
fn one_by_one_outcomes(durations: Durations, events: &[Event]) -> [Outcome; 3] {
    let Durations { lateness, gap, allow, .. } = durations;
    [
        Outcome::of_seen(windows_one_by_one(events, lateness, durations.tumbling()), in_order),
        Outcome::of_seen(windows_one_by_one(events, lateness, durations.hopping()), in_order),
        Outcome::of_seen(sessions_one_by_one(events, lateness, gap, allow), commutative),
    ]
}

proptest! {
    #![proptest_config(cases(100))]

    #[test]
    fn windows_hold_all_events_in_time((durations, events) in in_time(0i64..30), feeding in Feeding::any()) {
        prop_assert_eq!(outcomes_inline(durations, &feeding, &events), in_time_outcomes(durations, &events));
    }

    #[test]
    fn lean_windows_hold_all_events_in_time((durations, events) in in_time(Just(0)), feeding in Feeding::any()) {
        let (tumbled, hopped, sessions_seen, tumbled_folds, hopped_folds, session_folds) = run!(
            durations.lean(), &feeding, events = &events => tumbled_to, hopped_to, sessions_to, tumbled_folds_to,
            hopped_folds_to, session_folds_to
        );
        let [tumbling, hopping, sessions] = in_time_outcomes(durations, &events);
        let sums = |outcome: &Outcome| -> Vec<_> {
            outcome.results_alone().iter().map(|(key, window, s)| (*key, *window, s.count, s.sum)).collect()
        };
        let folds = |outcome: &Outcome| -> Vec<_> {
            outcome.results_alone().iter().map(|(key, window, s)| (*key, *window, s.folded)).collect()
        };
        prop_assert_eq!(sorted(tumbled.into_iter().map(|r| (r.key, r.window, r.count, r.sum)).collect()), sums(&tumbling));
        prop_assert_eq!(sorted(hopped.into_iter().map(|r| (r.key, r.window, r.count, r.sum)).collect()), sums(&hopping));
        prop_assert_eq!(sorted(sessions_seen.into_iter().map(|r| (r.key, r.window, r.count, r.sum)).collect()), sums(&sessions));
        prop_assert_eq!(sorted(tumbled_folds.into_iter().map(|r| (r.key, r.window, r.value)).collect()), folds(&tumbling));
        prop_assert_eq!(sorted(hopped_folds.into_iter().map(|r| (r.key, r.window, r.value)).collect()), folds(&hopping));
        prop_assert_eq!(sorted(session_folds.into_iter().map(|r| (r.key, r.window, r.value)).collect()), folds(&sessions));
    }

    #[test]
    fn what_is_late_never_depends_on_how_a_stream_is_cut(
        durations in durations(Just(0)), events in events_in_any_order(80), feeding in Feeding::any(),
    ) {
        prop_assert_eq!(outcomes_inline(durations, &feeding, &events), one_by_one_outcomes(durations, &events));
    }

    #[test]
    fn what_is_allowed_though_late_never_depends_on_how_a_stream_is_cut(
        durations in durations(1i64..80), events in events_in_any_order(80), feeding in Feeding::any(),
    ) {
        prop_assert_eq!(outcomes_inline(durations, &feeding, &events), one_by_one_outcomes(durations, &events));
    }

    #[test]
    fn an_event_is_counted_or_late_and_never_both(
        durations in durations(Just(0)), events in events_in_any_order(80), feeding in Feeding::any(),
    ) {
        let [tumbling, _, sessions] = outcomes_inline(durations, &feeding, &events);
        for Outcome { results, late } in [tumbling, sessions] {
            let counted = results.iter().flat_map(|(_, _, summary)| summary.all.iter().copied());
            let seen = sorted(counted.chain(late.iter().map(|(id, _)| *id)).collect());
            prop_assert_eq!(seen, events.iter().map(|event| event.id).collect::<Vec<_>>());
        }
    }
}

/// Ids of the events of each key in each window.
type Ids = Vec<(u8, Window, Vec<u32>)>;

fn ids(seen: &Seen) -> Ids {
    let ids = |(key, window, events): &(u8, Window, Vec<Event>)| {
        (*key, *window, events.iter().map(|e| e.id).collect())
    };
    sorted(seen.results.iter().map(ids).collect())
}

fn late_ids(late: &[Late<Event>]) -> Vec<(u32, Timestamp)> {
    late.iter().map(|late| (late.record.id, late.watermark)).collect()
}

proptest! {
    #![proptest_config(cases(100))]

    #[test]
    fn each_clock_decides_for_its_own_path(
        lateness in 0i64..40, other_lateness in 0i64..40, size in 1i64..40, events in events_in_any_order(80),
        pack in 1usize..20, feeding in Feeding::any(),
    ) {
        let flow = Clocks { lateness: micros(lateness), other_lateness: micros(other_lateness), size: micros(size) };
        let packs: Vec<Vec<Event>> = events.chunks(pack).map(<[Event]>::to_vec).collect();
        // What comes through several shards is in no order, and what is late then depends on it: here there is one.
        let feeding = Feeding { shards: 1, ..feeding };
        let (first, second, late_for_second, of_late, too_late) = run!(
            flow, &feeding, packs = &packs => first_to, second_to, late_for_second_to, of_late_to, too_late_to
        );
        let windows = Hopping { size, every: size, allow: 0 };

        let seen = windows_one_by_one(&events, lateness, windows);
        prop_assert_eq!(sorted(first.into_iter().map(|r| (r.key, r.window, r.value)).collect()), ids(&seen));

        let late: Vec<Event> = seen.late.into_iter().map(|late| late.record).collect();
        let seen = windows_one_by_one(&late, lateness, windows);
        prop_assert_eq!(sorted(of_late.into_iter().map(|r| (r.key, r.window, r.value)).collect()), ids(&seen));
        let too_late: Vec<_> = too_late.iter().map(|late| (late.record.record.id, late.watermark)).collect();
        prop_assert_eq!(too_late, late_ids(&seen.late));

        let others: Vec<Event> = events.into_iter().filter(|event| event.value != 0).collect();
        let seen = windows_one_by_one(&others, other_lateness, windows);
        prop_assert_eq!(sorted(second.into_iter().map(|r| (r.key, r.window, r.value)).collect()), ids(&seen));
        prop_assert_eq!(late_ids(&late_for_second), late_ids(&seen.late));
    }

    #[test]
    fn no_result_is_late_for_the_windows_of_results(
        (lateness, events) in (0i64..30).prop_flat_map(|lateness| (Just(lateness), events(lateness, 100))),
        size in 1i64..40, gap in 1i64..20, feeding in Feeding::any(),
    ) {
        let flow = Layers { lateness: micros(lateness), size: micros(size), gap: micros(gap) };
        let (of_windows, of_sessions, of_timers, late_windows, late_sessions, late_timers) = run!(
            flow, &feeding, events = &events => of_windows_to, of_sessions_to, of_timers_to, late_windows_to,
            late_sessions_to, late_timers_to
        );
        prop_assert!(late_windows.is_empty() && late_sessions.is_empty() && late_timers.is_empty());
        let long = Hopping { size: size * 3, every: size, allow: 0 };
        let short = Hopping { size, every: size, allow: 0 };
        let mut expected = std::collections::BTreeMap::<Window, (u64, u64)>::new();
        for (_, window, events) in short.all(&events) {
            for window in long.windows(window.last()) {
                let (windows, all) = expected.entry(window).or_default();
                *windows += 1;
                *all += events.len() as u64;
            }
        }
        let of_windows: Vec<_> = of_windows.into_iter().map(|r| (r.window, (r.windows, r.events))).collect();
        prop_assert_eq!(of_windows, expected.into_iter().collect::<Vec<_>>());
        let mut expected = std::collections::BTreeMap::<Window, u64>::new();
        for (_, window, events) in sessions(&events, gap) {
            *expected.entry(short.windows(window.last())[0]).or_default() += events.len() as u64;
        }
        let of_sessions: Vec<_> = of_sessions.into_iter().map(|r| (r.window, r.events)).collect();
        prop_assert_eq!(of_sessions, expected.into_iter().collect::<Vec<_>>());
        prop_assert_eq!(of_timers.iter().map(|r| r.events).sum::<u64>(), events.len() as u64);
    }

    #[test]
    fn windows_fire_in_the_order_of_their_ends(
        (durations, events) in in_time(Just(0)), feeding in Feeding::any(),
    ) {
        let feeding = Feeding { shards: 1, ..feeding };
        let (tumbled, hopped, ..) = run!(
            durations.lean(), &feeding, events = &events => tumbled_to, hopped_to, sessions_to, tumbled_folds_to,
            hopped_folds_to, session_folds_to
        );
        prop_assert!(tumbled.is_sorted_by_key(|r| r.window.end));
        prop_assert!(hopped.is_sorted_by_key(|r| r.window.end));
    }
}

dataflow! {
    /// Many keys at once.
    flow Crowd {
        param allow: Duration;
        input numbers: u64;
        keyed = numbers -> event_time(|n| Timestamp(*n as i64 % 10), lateness 10 us) -> key_by(n: u64 = |n| *n);
        tumbled = keyed -> tumbling(10 us, allow allow) -> aggregate { count: u64 = count() };
        hopped = keyed -> hopping(10 us, every 5 us, allow allow) -> aggregate { count: u64 = count() };
        sessions = keyed -> session(10 us, allow allow) -> aggregate { count: u64 = count() };
        timers = keyed -> stateful(u64) {
            state { unit: () = () } keep 10 us;
            |_state, _n, out| { out.set_timer(out.time() + Duration::from_micros(10)) }
            on timer |_state, _at, out| { out.emit(*out.key()) }
        };
        output tumbled;
        output hopped;
        output sessions;
        output timers;
    }
}

#[test]
fn a_window_of_thousands_of_keys_gives_each_once() {
    let numbers: Vec<u64> = (0..5000).collect();
    let once = |keys: Vec<u64>| assert_eq!(sorted(keys), numbers);
    for (shards, allow) in [(1, 0), (1, 5), (3, 0), (3, 5)] {
        let feeding = Feeding {
            shards,
            capacity: 1,
            batch_limit: 64,
            chunks: vec![Chunk { records: 500, rest: true }],
        };
        let flow = Crowd { allow: micros(allow) };
        let (tumbled, hopped, sessions, timers) = run!(
            flow, &feeding, numbers = &numbers => tumbled_to, hopped_to, sessions_to, timers_to
        );
        once(tumbled.into_iter().map(|r| r.n).collect());
        once(sessions.into_iter().map(|r| r.n).collect());
        once(timers);
        assert_eq!(hopped.len(), 10_000);
    }
}

#[test]
fn the_results_of_a_window_come_in_batches() {
    let (mut flow, mut inline) = Crowd { allow: Duration::ZERO }.builder().batch_limit(64).inline().unwrap();
    drop((flow.hopped.take(), flow.sessions.take(), flow.timers.take()));
    inline.block_on(flow.numbers.send_batch((0..5000).collect())).unwrap();
    flow.numbers.close();
    let mut keys = 0;
    while let Some(batch) = inline.block_on(flow.tumbled.next_batch()) {
        assert!(batch.len() <= 64, "{} records in a batch", batch.len());
        keys += batch.len();
    }
    assert_eq!(keys, 5000);
}

proptest! {
    #![proptest_config(cases(20))]

    #[test]
    fn windows_hold_all_events_in_time_on_threads(
        (durations, events) in in_time(0i64..30), feeding in Feeding::any(),
    ) {
        prop_assert_eq!(outcomes_on_threads(durations, &feeding, &events), in_time_outcomes(durations, &events));
    }

    #[test]
    fn what_is_late_never_depends_on_threads(
        durations in durations(0i64..40), events in events_in_any_order(80), feeding in Feeding::any(),
    ) {
        prop_assert_eq!(outcomes_on_threads(durations, &feeding, &events), one_by_one_outcomes(durations, &events));
    }
}
