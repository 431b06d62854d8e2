//! Durable flows: killed anywhere, in simulation, they give what they give undisturbed.

use psdf::testing::{Point, Rng, assert_in_sequence, assert_sum, simulate};
use psdf::{Flow, Late, Timestamp, Window, dataflow};
use serde::{Deserialize, Serialize};
use std::fmt::Debug;
use std::time::Duration;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Event {
    at: Timestamp,
    key: u8,
    value: i64,
}

/// Events of a few keys, a second apart or so; up to 20 s out of order, and some later than that.
fn events(seed: u64, n: i64) -> Vec<Event> {
    let mut rng = Rng::new(seed);
    let below = |rng: &mut Rng, bound| i64::try_from(rng.below(bound)).expect("it is small");
    let event = |second| {
        let back = if rng.one_in(12) { 90 } else { 20 };
        Event {
            at: Timestamp::from_secs(1_000 + second - below(&mut rng, back)),
            key: u8::try_from(rng.below(5)).expect("it is small"),
            value: below(&mut rng, 100),
        }
    };
    (0..n).map(event).collect()
}

/// How many seeds each flow is simulated with, a multiple of it by `PSDF_TIMES`.
fn seeds(n: u64) -> std::ops::Range<u64> {
    let times = std::env::var("PSDF_TIMES").ok().and_then(|times| times.parse().ok()).unwrap_or(1);
    0..n * times
}

fn sorted<T: Debug>(records: &[T]) -> Vec<String> {
    let mut all: Vec<String> = records.iter().map(|record| format!("{record:?}")).collect();
    all.sort();
    all
}

/// The same flow undisturbed, with one shard.
fn undisturbed<F: Flow, T: Clone + Send + Debug + 'static>(
    make: fn() -> F,
    inputs: &[(&str, Vec<Event>)],
    output: &str,
) -> Vec<String> {
    let mut simulation = simulate(make).seeds(0..1).shards(1..2).collect::<T>(output);
    for (name, records) in inputs {
        simulation = simulation.input(name, records.clone());
    }
    let result = std::cell::RefCell::new(Vec::new());
    simulation.check(|outcome| *result.borrow_mut() = sorted(&outcome.output::<T>(output)));
    result.into_inner()
}

/// Killed anywhere it gives the same.
fn survives<F: Flow, T: Clone + Send + Debug + 'static>(
    make: fn() -> F,
    inputs: &[(&str, Vec<Event>)],
    output: &str,
) {
    let expected = undisturbed::<F, T>(make, inputs, output);
    assert!(expected.len() > 3, "the flow gives something: {expected:?}");
    let mut simulation = simulate(make).seeds(seeds(60)).crash_anywhere().collect::<T>(output);
    for (name, records) in inputs {
        simulation = simulation.input(name, records.clone());
    }
    simulation.check(|outcome| assert_eq!(sorted(&outcome.output::<T>(output)), expected));
}

dataflow! {
    flow Windows {
        input events: Event;
        timed = events -> event_time(|e| e.at, lateness 20 s);
        sums = timed
            -> key_by(key: u8 = |e| e.key)
            -> tumbling(30 s) else late
            -> aggregate { n: u64 = count(), sum: i64 = sum(|e| e.value), all: Vec<i64> = collect(|e| e.value), kinds: u64 = distinct(|e| e.value) };
        hops = timed
            -> key_by(key: u8 = |e| e.key)
            -> hopping(1 min, every 20 s, allow 30 s)
            -> aggregate { n: u64 = count(), most: i64 = max(|e| e.value), mean: f64 = mean(|e| e.value) };
        visits = timed
            -> key_by(key: u8 = |e| e.key)
            -> session(10 s, allow 15 s)
            -> aggregate { n: u64 = count(), first: i64 = first(|e| e.value) };
        early = timed
            -> key_by(key: u8 = |e| e.key)
            -> tumbling(2 min, early every 30 s)
            -> aggregate { n: u64 = count() };
        seen = timed
            -> key_by(key: u8 = |e| e.key)
            -> session(10 s, early every 15 s)
            -> aggregate { n: u64 = count() };
        all = timed -> tumbling(30 s) -> aggregate { n: u64 = count(), least: i64 = min(|e| e.value) };
        /// Whose records are united by those who send them.
        hot = timed
            -> key_by(even: bool = |e| e.value % 2 == 0)
            -> hopping(1 min, every 20 s)
            -> aggregate { n: u64 = count(), sum: i64 = sum(|e| e.value), kinds: u64 = distinct(|e| e.key) };
        output sums; output hops; output visits; output early; output all; output hot; output seen;
        output late: Late<Event>;
    }
}

#[test]
fn windows_and_what_is_late_for_them() {
    let inputs = [("events", events(1, 400))];
    survives::<_, windows::Sums>(|| Windows, &inputs, "sums");
    survives::<_, Late<Event>>(|| Windows, &inputs, "late");
}

#[test]
fn windows_that_overlap_and_fire_again() {
    survives::<_, windows::Hops>(|| Windows, &[("events", events(2, 300))], "hops");
}

#[test]
fn windows_that_fire_early() {
    survives::<_, windows::Early>(|| Windows, &[("events", events(3, 300))], "early");
}

#[test]
fn sessions_that_fire_early() {
    survives::<_, windows::Seen>(|| Windows, &[("events", events(16, 300))], "seen");
}

#[test]
fn windows_without_a_key() {
    survives::<_, windows::All>(|| Windows, &[("events", events(14, 300))], "all");
}

#[test]
fn windows_of_hot_keys() {
    survives::<_, windows::Hot>(|| Windows, &[("events", events(15, 400))], "hot");
}

#[test]
fn sessions_that_fire_again() {
    survives::<_, windows::Visits>(|| Windows, &[("events", events(4, 300))], "visits");
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Step {
    key: u8,
    number: u64,
    balance: i64,
}

dataflow! {
    flow Ledger {
        input events: Event;
        timed = events -> event_time(|e| e.at, lateness 20 s);
        /// Takes from one key and gives to the next.
        sides: (u8, i64) = timed -> flat_map(|e: Event| [(e.key, -e.value), ((e.key + 1) % 5, e.value)]);
        steps = sides
            -> key_by(key: u8 = |side| side.0)
            -> stateful(Step) {
                state { number: u64 = 0, balance: i64 = 0 }
                keep forever;
                |state, side, out| {
                    state.number += 1;
                    state.balance += side.1;
                    out.emit(Step { key: side.0, number: state.number, balance: state.balance });
                }
            };
        reminders = timed
            -> key_by(key: u8 = |e| e.key)
            -> stateful((u8, Timestamp)) {
                state { last: Timestamp = Timestamp::MIN }
                keep 10 min;
                |state, e, out| {
                    if e.at > state.last {
                        state.last = e.at;
                        out.set_timer(e.at + Duration::from_secs(7));
                    }
                }
                on timer |state, at, out| {
                    assert!(state.last >= Timestamp::from_secs(0), "the state is there that set it");
                    out.emit((*out.key(), at));
                }
            };
        output steps; output reminders;
    }
}

#[test]
fn each_key_counts_on_and_nothing_is_booked_on_one_side_only() {
    let given = events(5, 200);
    let of = |step: &Step| step.key;
    simulate(|| Ledger)
        .input("events", given.clone())
        .collect::<Step>("steps")
        .seeds(seeds(150))
        .crash_anywhere()
        .check(|outcome| {
            let steps = outcome.output::<Step>("steps");
            assert_eq!(steps.len(), 2 * given.len());
            assert_in_sequence(&steps, of, |step| step.number);
            for epoch in outcome.epochs() {
                let steps = epoch.output::<Step>("steps");
                assert_eq!(steps.len(), 2 * epoch.position("events"), "an epoch is one whole");
                assert_in_sequence(&steps, of, |step| step.number);
                assert_sum(&steps, of, |step| step.balance, 0);
            }
        });
}

#[test]
fn timers_fire_after_the_crash() {
    survives::<_, (u8, Timestamp)>(|| Ledger, &[("events", events(6, 200))], "reminders");
}

dataflow! {
    flow Keyed {
        input events: Event;
        timed = events -> event_time(|e| e.at, lateness 20 s);
        once = timed -> key_by(value: i64 = |e| e.value) -> dedup keep 1 min;
        fives = timed -> key_by(key: u8 = |e| e.key) -> count_window(5) -> aggregate { sum: i64 = sum(|e| e.value) } keep 10 min;
        thinned = timed
            -> key_by(key: u8 = |e| e.key)
            -> aggregate { n: u64 = count(), sum: i64 = sum(|e| e.value) } keep 1 hour every 30 s;
        best = timed -> key_by(key: u8 = |e| e.key) -> tumbling(1 min) -> aggregate { best: Vec<Event> = top(3, by |e| e.value) };
        asked = timed
            -> map_async(|e: Event| async move { if e.value % 7 == 0 { Err(e.value) } else { Ok((e.key, e.value)) } }, concurrency 4, ordered)
            else refused;
        output once; output fives; output thinned; output best; output asked: (u8, i64);
        output refusals = refused -> map(|failed| failed.record.value);
    }
}

#[test]
fn duplicates_stay_out() {
    survives::<_, Event>(|| Keyed, &[("events", events(7, 300))], "once");
}

#[test]
fn windows_of_so_many_records() {
    survives::<_, keyed::Fives>(|| Keyed, &[("events", events(8, 300))], "fives");
}

#[test]
fn results_every_so_often() {
    survives::<_, keyed::Thinned>(|| Keyed, &[("events", events(9, 300))], "thinned");
}

#[test]
fn the_best_of_each_window() {
    survives::<_, keyed::Best>(|| Keyed, &[("events", events(10, 300))], "best");
}

#[test]
fn calls_that_were_in_flight_are_made_again() {
    survives::<_, (u8, i64)>(|| Keyed, &[("events", events(11, 150))], "asked");
}

dataflow! {
    flow Joins {
        input left: Event;
        input right: Event;
        lefts = left -> event_time(|e| e.at, lateness 20 s) -> key_by(key: u8 = |e| e.key);
        rights = right -> event_time(|e| e.at, lateness 20 s) -> key_by(key: u8 = |e| e.key);
        near = lefts -> join(rights, within 5 s);
        outer = lefts -> left_join(rights, within 1 s);
        windowed = lefts -> tumbling(30 s) -> full_join(rights);
        newest = rights -> latest keep 10 min;
        looked = lefts -> lookup(newest);
        output near; output outer; output windowed; output looked;
    }
}

fn two_streams() -> [(&'static str, Vec<Event>); 2] {
    [("left", events(12, 120)), ("right", events(13, 120))]
}

#[test]
fn pairs_of_two_streams() {
    survives::<_, (Event, Event)>(|| Joins, &two_streams(), "near");
}

#[test]
fn what_meets_nothing() {
    survives::<_, (Event, Option<Event>)>(|| Joins, &two_streams(), "outer");
}

#[test]
fn pairs_in_windows() {
    survives::<_, (Window, Option<Event>, Option<Event>)>(|| Joins, &two_streams(), "windowed");
}

#[test]
fn what_was_current() {
    survives::<_, (Event, Option<Event>)>(|| Joins, &two_streams(), "looked");
}

/// Each flow run fails at one of two points, then at the other, and then comes to its end.
#[test]
fn every_pair_of_failures() {
    let given = events(15, 60);
    let crashes = std::cell::Cell::new(0);
    for pair in Point::ALL.iter().flat_map(|one| Point::ALL.map(|other| [*one, other])) {
        simulate(|| Ledger)
            .input("events", given.clone())
            .collect::<Step>("steps")
            .seeds(seeds(12))
            .fail_at(&pair)
            .check(|outcome| {
                crashes.set(crashes.get() + outcome.crashes);
                let steps = outcome.output::<Step>("steps");
                assert_eq!(steps.len(), 2 * given.len(), "{pair:?}");
                assert_in_sequence(&steps, |step| step.key, |step| step.number);
                assert_sum(&steps, |step| step.key, |step| step.balance, 0);
            });
    }
    assert!(crashes.get() > 400, "the failures strike: {}", crashes.get());
}
