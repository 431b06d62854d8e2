//! Windows by the wall clock, which here is turned by hand.

#[path = "support/cases.rs"]
mod cases;

use cases::{cases, micros};
use proptest::prelude::*;
use psdf::{Timestamp, Window, dataflow};
use std::collections::BTreeMap;
use std::time::Duration;

dataflow! {
    /// Windows by the wall clock, after event time and without.
    flow ByClock {
        param size: Duration = Duration::from_secs(10);
        param hop: Duration = Duration::from_secs(5);

        input numbers: i64;

        tumbled = numbers -> key_by(key: i64 = |n| n % 3) -> tumbling(size, processing_time)
            -> aggregate { count: u64 = count(), sum: i64 = sum(|n| *n), all: Vec<i64> = collect(|n| *n) };
        hopped = numbers -> event_time(|n| Timestamp(*n), lateness 0 s) -> key_by(key: i64 = |n| n % 3)
            -> hopping(size, every hop, processing_time) -> fold(i64 = 0, |sum, n| *sum += n);
        all = numbers -> tumbling(size, processing_time) -> top(1, by |n| *n);
        latest = hopped -> key_by(key: i64 = |r| r.key) -> latest keep forever;

        output tumbled;
        output hopped;
        output all;
        output latest;
    }
}

#[test]
fn a_window_fires_when_the_clock_reaches_its_end_though_nothing_comes() {
    let (mut flow, mut inline) = ByClock::default().builder().shards(2).inline().unwrap();
    flow.numbers.try_send(3).unwrap();
    inline.run();
    inline.advance(Duration::from_secs(9));
    flow.numbers.try_send(6).unwrap();
    inline.run();
    assert!(flow.tumbled.next_now().is_none());
    inline.advance(Duration::from_secs(1));
    let window = Window { start: Timestamp(0), end: Timestamp::from_secs(10) };
    let fired = flow.tumbled.next_now().map(|r| (r.window, r.count, r.sum));
    assert_eq!(fired, Some((window, 2, 9)));
    assert_eq!(flow.all.next_now().map(|r| r.top), Some(vec![6]));
    inline.advance(Duration::from_secs(60));
    assert!(flow.tumbled.next_now().is_none(), "a window in which there was nothing has no result");
    flow.numbers.try_send(1).unwrap();
    let rest = inline.block_on(flow.finish()).unwrap();
    assert_eq!(
        rest.tumbled.iter().map(|r| (r.key, r.count)).collect::<Vec<_>>(),
        [(1, 1)],
        "the end fires the rest"
    );
}

#[test]
fn the_graph_tells_by_which_clock_a_window_goes() {
    assert_eq!(
        ByClock::GRAPH.node("hopped").unwrap().bound,
        Some("hopping(size, every hop, processing_time)")
    );
}

/// The sums of each key in each window that holds one of these times.
fn sums(sent: &[(i64, i64)], size: i64, hop: i64) -> Vec<(i64, i64, i64)> {
    let mut sums = BTreeMap::<(i64, i64), i64>::new();
    for (now, n) in sent {
        for start in
            (-100..200).map(|place| place * hop).filter(|start| *start <= *now && *now < start + size)
        {
            *sums.entry((start, n % 3)).or_default() += n;
        }
    }
    sums.into_iter().map(|((start, key), sum)| (start, key, sum)).collect()
}

proptest! {
    #![proptest_config(cases(100))]

    #[test]
    fn records_fall_into_the_windows_that_are_open_when_they_come(
        steps in prop::collection::vec((0i64..20, prop::collection::vec(0i64..100, 0..6)), 0..12),
        size in 1i64..40, hop in 1i64..40, shards in 1usize..=4,
    ) {
        let hop = hop.min(size);
        let flow = ByClock { size: micros(size), hop: micros(hop) };
        let (mut flow, mut inline) = flow.builder().shards(shards).inline().unwrap();
        let (mut now, mut sent) = (0, Vec::new());
        let (mut tumbled, mut hopped) = (Vec::new(), Vec::new());
        for (step, numbers) in steps {
            inline.advance(micros(step));
            now += step;
            while let Some(r) = flow.tumbled.next_now() {
                prop_assert!(r.window.end <= Timestamp(now));
                tumbled.push((r.window.start.0, r.key, r.sum));
            }
            while let Some(r) = flow.hopped.next_now() {
                prop_assert!(r.window.end <= Timestamp(now));
                hopped.push((r.window.start.0, r.key, r.value));
            }
            sent.extend(numbers.iter().map(|n| (now, *n)));
            inline.block_on(flow.numbers.send_batch(numbers)).unwrap();
            inline.run();
        }
        // What has ended by now has been given.
        let ended = |sums: Vec<(i64, i64, i64)>| {
            sums.into_iter().filter(|(start, _, _)| start + size <= now).collect::<Vec<_>>()
        };
        while let Some(r) = flow.tumbled.next_now() {
            tumbled.push((r.window.start.0, r.key, r.sum));
        }
        tumbled.sort();
        prop_assert_eq!(&tumbled, &ended(sums(&sent, size, size)));
        let rest = inline.block_on(flow.finish()).unwrap();
        tumbled.extend(rest.tumbled.into_iter().map(|r| (r.window.start.0, r.key, r.sum)));
        hopped.extend(rest.hopped.into_iter().map(|r| (r.window.start.0, r.key, r.value)));
        tumbled.sort();
        hopped.sort();
        prop_assert_eq!(tumbled, sums(&sent, size, size));
        prop_assert_eq!(hopped, sums(&sent, size, hop));
    }
}
