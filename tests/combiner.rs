//! Records of hot keys that their senders unite, against an evaluator that is obviously right.

#[path = "support/cases.rs"]
mod cases;
#[path = "support/events.rs"]
#[allow(dead_code)]
mod events;
#[path = "support/naive_windows.rs"]
#[allow(dead_code)]
mod naive_windows;

use cases::{cases, micros};
use events::{Chunk, Event, Feeding, Gather, THREADS, events_in_any_order};
use naive_windows::{Hopping, windows_one_by_one};
use proptest::prelude::*;
use psdf::{Timestamp, Window, dataflow};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

dataflow! {
    /// Windows with a key, most of them of functions that give the same however the events are divided.
    flow Hot {
        param lateness: Duration = Duration::ZERO;
        param size: Duration = Duration::from_micros(10);
        param hop: Duration = Duration::from_micros(5);
        param allow: Duration = Duration::ZERO;

        input events: Event;

        keyed = events -> event_time(|e| e.at, lateness lateness) -> key_by(key: u8 = |e| e.key);
        tumbled = keyed -> tumbling(size) -> aggregate {
            count: u64 = count(),
            sum: i64 = sum(|e| e.value),
            least: Option<i64> = min(|e| e.value, where |e| e.value > 0),
            greatest: (i64, u32) = max(|e| (e.value, e.id)),
            different: u64 = distinct(|e| e.value),
            about: u64 = approx_distinct(|e| e.id),
            median: f64 = quantile(0.5, |e| e.value),
        };
        hopped = keyed -> hopping(size, every hop) else skip -> aggregate { count: u64 = count(), sum: i64 = sum(|e| e.value) };
        /// From the tasks of one key to those of another.
        rekeyed = tumbled -> key_by(few: u8 = |w| w.key % 2) -> tumbling(size) -> aggregate {
            events: u64 = sum(|w| w.count), most: u64 = max(|w| w.count),
        };

        // None of these is united.
        allowed = keyed -> tumbling(size, allow allow) -> aggregate { count: u64 = count(), sum: i64 = sum(|e| e.value) };
        diverted = keyed -> tumbling(size) else late -> aggregate { count: u64 = count() };
        early = keyed -> tumbling(size, early every hop) -> aggregate { count: u64 = count() };
        in_order = keyed -> tumbling(size) -> aggregate { ids: Vec<u32> = collect(|e| e.id) };
        total = keyed -> aggregate { count: u64 = count(), sum: i64 = sum(|e| e.value) } keep forever;

        output tumbled; output hopped; output rekeyed; output allowed; output diverted; output late; output early;
        output in_order; output total;
    }
}

/// Events of which most are of the first key, or of the first few.
fn hot_events(most: usize) -> impl Strategy<Value = Vec<Event>> {
    (events_in_any_order(most), 1u8..5, 0i64..60).prop_map(|(mut events, keys, disorder)| {
        // In any order they are nearly all late: here they are in order, but for so much.
        let held_up = |event: &Event| event.at.0 + i64::from(event.id) * 37 % (disorder + 1);
        events.sort_by_key(held_up);
        for (event, id) in events.iter_mut().zip(0..) {
            let others = if event.id % 10 == 0 { 40 } else { 0 };
            event.key = event.key % keys + others * (event.id % 6) as u8;
            event.id = id;
        }
        events
    })
}

fn feeding() -> impl Strategy<Value = Feeding> {
    let chunk = (1usize..600, any::<bool>()).prop_map(|(records, rest)| Chunk { records, rest });
    let chunks = prop::collection::vec(chunk, 1..5);
    (1usize..=4, 1usize..4, prop_oneof![1usize..9, 1usize..=1000], chunks)
        .prop_map(|(shards, capacity, batch_limit, chunks)| Feeding { shards, capacity, batch_limit, chunks })
}

type Result = (u8, Window, u64, i64);

fn sum(events: &[Event]) -> i64 {
    events.iter().map(|event| event.value).sum()
}

fn counted(results: &[(u8, Window, Vec<Event>)]) -> Vec<Result> {
    let mut counted: Vec<_> =
        results.iter().map(|(key, window, all)| (*key, *window, all.len() as u64, sum(all))).collect();
    counted.sort();
    counted
}

fn sorted<T: Ord>(all: impl Iterator<Item = T>) -> Vec<T> {
    let mut all: Vec<T> = all.collect();
    all.sort();
    all
}

macro_rules! check_hot {
    ($run:ident, $events:expr, $lateness:expr, $size:expr, $hop:expr, $allow:expr, $feeding:expr) => {{
        let events: &[Event] = $events;
        let flow =
            Hot { lateness: micros($lateness), size: micros($size), hop: micros($hop), allow: micros($allow) };
        let (tumbled, hopped, rekeyed, allowed, diverted, late, early, in_order, total) = $run!(
            flow, $feeding, events = events => tumbled_to, hopped_to, rekeyed_to, allowed_to, diverted_to, late_to,
            early_to, in_order_to, total_to
        );
        let windows = Hopping { size: $size, every: $size, allow: 0 };
        let naive = windows_one_by_one(events, $lateness, windows);
        let mut expected = naive.results.clone();
        expected.sort_by_key(|(key, window, _)| (*key, *window));
        let mut seen: Vec<_> = tumbled.iter().collect();
        seen.sort_by_key(|result| (result.key, result.window));
        prop_assert_eq!(seen.len(), expected.len());
        for (seen, (key, window, all)) in seen.iter().zip(&expected) {
            let (values, ids) = (all.iter().map(|e| e.value), all.iter().map(|e| e.id));
            prop_assert_eq!((seen.key, seen.window), (*key, *window));
            prop_assert_eq!((seen.count, seen.sum), (all.len() as u64, sum(all)));
            prop_assert_eq!(seen.least, values.clone().filter(|value| *value > 0).min());
            prop_assert_eq!(Some(seen.greatest), values.clone().zip(ids).max());
            prop_assert_eq!(seen.different, values.clone().collect::<BTreeSet<_>>().len() as u64);
            // Up to 512 values it is exact.
            prop_assert!(seen.about == all.len() as u64 || all.len() > 512);
            let values = sorted(values);
            let median = values[(values.len() - 1) / 2] as f64;
            prop_assert!((seen.median - median).abs() <= 0.01 * median.abs(), "{} {}", seen.median, median);
        }
        let diverted = sorted(diverted.iter().map(|r| (r.key, r.window, r.count)));
        let all = sorted(expected.iter().map(|(key, window, all)| (*key, *window, all.len() as u64)));
        prop_assert_eq!(&diverted, &all);
        prop_assert_eq!(sorted(late.iter().map(|l| l.record.id)), sorted(naive.late.iter().map(|l| l.record.id)));
        let in_order = sorted(in_order.iter().map(|r| (r.key, r.window, r.ids.len() as u64)));
        prop_assert_eq!(&in_order, &all);
        let mut last = BTreeMap::new();
        early.iter().for_each(|r| _ = last.insert((r.key, r.window), r.count));
        prop_assert_eq!(last.into_iter().map(|((key, window), n)| (key, window, n)).collect::<Vec<_>>(), all);

        let mut few = BTreeMap::<_, (u64, u64)>::new();
        for (key, window, all) in &expected {
            let (events, most) = few.entry((key % 2, *window)).or_default();
            *events += all.len() as u64;
            *most = (*most).max(all.len() as u64);
        }
        let rekeyed: BTreeMap<_, _> = rekeyed.iter().map(|r| ((r.few, r.window), (r.events, r.most))).collect();
        prop_assert_eq!(rekeyed, few);

        let hopping = windows_one_by_one(events, $lateness, Hopping { size: $size, every: $hop, allow: 0 });
        let hopped = sorted(hopped.iter().map(|r| (r.key, r.window, r.count, r.sum)));
        prop_assert_eq!(hopped, counted(&hopping.results));

        let allowing = Hopping { allow: $allow, ..windows };
        let allowed = sorted(allowed.iter().map(|r| (r.key, r.window, r.count, r.sum)));
        prop_assert_eq!(allowed, counted(&windows_one_by_one(events, $lateness, allowing).results));

        let totals: BTreeMap<_, _> = total.iter().map(|r| (r.key, (r.count, r.sum))).collect();
        let mut of_key = BTreeMap::<_, (u64, i64)>::new();
        for event in events {
            let (count, sum) = of_key.entry(event.key).or_default();
            *count += 1;
            *sum += event.value;
        }
        prop_assert_eq!(totals, of_key);
    }};
}

proptest! {
    #![proptest_config(cases(60))]

    #[test]
    fn united_records_give_what_single_ones_do(
        events in hot_events(150), lateness in 0i64..60, size in 1i64..60, hop in 1i64..40, allow in 0i64..40,
        feeding in feeding(),
    ) {
        check_hot!(run, &events, lateness, size, hop.min(size), allow, &feeding);
    }
}

proptest! {
    #![proptest_config(cases(20))]

    #[test]
    fn united_records_give_what_single_ones_do_on_threads(
        events in hot_events(150), lateness in 0i64..60, size in 1i64..60, hop in 1i64..40, allow in 0i64..40,
        feeding in feeding(),
    ) {
        check_hot!(run_on_threads, &events, lateness, size, hop.min(size), allow, &feeding);
    }
}

dataflow! {
    /// The windows of [`Hot`] that are united, for more events.
    flow Hotter {
        input events: Event;
        keyed = events -> event_time(|e| e.at, lateness 20 us) -> key_by(key: u8 = |e| e.key);
        tumbled = keyed -> tumbling(100 us) -> aggregate { count: u64 = count(), sum: i64 = sum(|e| e.value) };
        hopped = keyed -> hopping(100 us, every 40 us) -> aggregate { count: u64 = count(), sum: i64 = sum(|e| e.value) };
        output tumbled; output hopped;
    }
}

/// Each with its key, its time, and its number as value.
fn many(keys: impl IntoIterator<Item = u8>) -> Vec<Event> {
    let event = |(id, key): (u32, u8)| {
        // One in a hundred is late, and another waits for the watermark to pass within its window.
        let held_up = match id % 100 {
            17 => 300,
            23 => 25,
            _ => i64::from(id * 7 % 20),
        };
        Event { key, at: Timestamp(i64::from(id / 20) - held_up), value: i64::from(id), id }
    };
    (0..).zip(keys).map(event).collect()
}

/// What windows give, record by record, with the greatest time so far less 20 as the watermark.
fn windows_of(events: &[Event], every: i64) -> (Vec<Result>, u64) {
    let (mut held, mut late, mut latest) = (BTreeMap::<(u8, Window), (u64, i64)>::new(), 0, i64::MIN);
    for event in events {
        let watermark = latest.saturating_sub(20);
        let first = event.at.0.div_euclid(every) * every;
        let starts = (0..).map(|n| first - n * every).take_while(|start| start + 100 > event.at.0);
        let open: Vec<i64> = starts.filter(|start| start + 100 > watermark).collect();
        late += u64::from(open.is_empty());
        for start in open {
            let window = Window { start: Timestamp(start), end: Timestamp(start + 100) };
            let (count, sum) = held.entry((event.key, window)).or_default();
            *count += 1;
            *sum += event.value;
        }
        latest = latest.max(event.at.0);
    }
    (held.into_iter().map(|((key, window), (count, sum))| (key, window, count, sum)).collect(), late)
}

/// All of one key, of ten, of many, and one after the other.
fn streams() -> Vec<Vec<Event>> {
    let one = || std::iter::repeat_n(3u8, 3000);
    let ten = || (0..3000u32).map(|i| (i * 7 % 10) as u8);
    let many_keys = || (0..3000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8);
    let hot_among_cold = || (0..3000u32).map(|i| if i % 3 == 0 { (i / 3 % 251) as u8 } else { 77 });
    vec![
        many(one()),
        many(ten()),
        many(many_keys()),
        many(hot_among_cold()),
        many(one().chain(many_keys()).chain(ten()).chain(hot_among_cold())),
    ]
}

#[test]
fn hot_keys_give_the_same_for_any_shards_batches_and_capacity() {
    for events in streams() {
        let ((tumbled, late), (hopped, late_for_all)) = (windows_of(&events, 100), windows_of(&events, 40));
        for (shards, batch_limit, capacity) in
            [(1, 4096, 16), (2, 1, 1), (2, 7, 2), (2, 4096, 16), (3, 1000, 1), (4, 64, 3), (4, 4096, 16)]
        {
            let builder = Hotter.builder().shards(shards).batch_limit(batch_limit).capacity(capacity);
            let (seen_tumbled, seen_hopped) = (Gather::default(), Gather::default());
            let builder = builder.tumbled_to(seen_tumbled.clone()).hopped_to(seen_hopped.clone());
            let (flow, mut inline) = builder.inline().unwrap();
            for chunk in events.chunks(batch_limit.max(100)) {
                inline.block_on(flow.events.send_batch(chunk.to_vec())).unwrap();
            }
            inline.run();
            let late_of = |node: &str| {
                flow.control
                    .counts()
                    .iter()
                    .find(|counts| counts.node == node)
                    .map_or(0, |counts| counts.late)
            };
            assert_eq!((late_of("tumbled"), late_of("hopped")), (late, late_for_all));
            inline.block_on(flow.finish()).unwrap();
            let of = |r: &hotter::Tumbled| (r.key, r.window, r.count, r.sum);
            assert_eq!(sorted(seen_tumbled.take().iter().map(of)), tumbled);
            let of = |r: &hotter::Hopped| (r.key, r.window, r.count, r.sum);
            assert_eq!(sorted(seen_hopped.take().iter().map(of)), hopped);
        }
    }
}
