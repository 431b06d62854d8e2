//! Edges are bounded: a flow that nobody reads fills up, one that is read never locks up, and branches stay apart.

#[path = "support/threads.rs"]
mod threads;

use futures_util::{FutureExt, StreamExt};
use psdf::{Inline, Input, Output, Refusal, Sink, SinkError, dataflow, sources};
use threads::on_threads;

dataflow! {
    /// One stage.
    flow Direct {
        input numbers: u64;
        plain = numbers -> map(|n| n);
        output plain: u64;
    }
}

dataflow! {
    /// Four stages, one after another.
    flow Chain {
        input numbers: u64;
        first = numbers -> key_by(n: u64 = |n| *n) -> stateful(u64) {
            state { unit: () = () } keep forever; |_state, n, out| { out.emit(n) }
        };
        second = first -> key_by(n: u64 = |n| *n) -> stateful(u64) {
            state { unit: () = () } keep forever; |_state, n, out| { out.emit(n) }
        };
        third = second -> key_by(n: u64 = |n| *n) -> stateful(u64) {
            state { unit: () = () } keep forever; |_state, n, out| { out.emit(n) }
        };
        output third;
    }
}

/// Sends until the flow is full, at rest before each record; how many it took.
fn fill(inline: &mut Inline, input: &Input<u64>) -> u64 {
    for n in 0.. {
        if let Err(refused) = input.try_send(n) {
            assert!(matches!(refused.reason, Refusal::Full));
            assert_eq!(refused.unsent, n, "the record comes back");
            return n;
        }
        inline.run();
    }
    unreachable!("every edge has a bound")
}

/// As [`fill`], in whole batches.
fn fill_by_batches(inline: &mut Inline, input: &Input<u64>, batch: u64) -> u64 {
    for n in 0.. {
        let records = (n * batch..(n + 1) * batch).collect();
        if input.send_batch(records).now_or_never().is_none() {
            return n * batch;
        }
        inline.run();
    }
    unreachable!("every edge has a bound")
}

#[test]
fn a_flow_takes_a_batch_for_each_place_in_its_edges_and_one_for_each_stage() {
    for (capacity, limit) in [(1, 1), (1, 4), (3, 1), (2, 8), (16, 1024)] {
        let places = |stages: u64| (stages + 1) * capacity as u64 + stages;

        let settings = || Direct.builder().capacity(capacity).batch_limit(limit).inline().unwrap();
        let (flow, mut inline) = settings();
        assert_eq!(fill(&mut inline, &flow.numbers), places(1));
        let (flow, mut inline) = settings();
        assert_eq!(fill_by_batches(&mut inline, &flow.numbers, limit as u64), places(1) * limit as u64);

        let settings = || Chain.builder().capacity(capacity).batch_limit(limit).inline().unwrap();
        let (flow, mut inline) = settings();
        assert_eq!(fill(&mut inline, &flow.numbers), places(4));
        let (flow, mut inline) = settings();
        assert_eq!(fill_by_batches(&mut inline, &flow.numbers, limit as u64), places(4) * limit as u64);
    }
}

#[test]
fn a_full_flow_lets_send_wait_until_somebody_reads() {
    let (mut flow, mut inline) = Direct.builder().capacity(1).batch_limit(1).inline().unwrap();
    let taken = fill(&mut inline, &flow.numbers);
    let numbers = flow.numbers.clone();
    let mut waiting = Box::pin(numbers.send(taken));
    assert!((&mut waiting).now_or_never().is_none());
    inline.run();
    assert!((&mut waiting).now_or_never().is_none());
    assert_eq!(flow.plain.next_now(), Some(0));
    inline.run();
    assert!(matches!((&mut waiting).now_or_never(), Some(Ok(()))));
    inline.run();
    assert!(matches!(flow.numbers.try_send(0).unwrap_err().reason, Refusal::Full));
    let unread = inline.block_on(flow.finish()).unwrap();
    assert_eq!(unread.plain, (1..=taken).collect::<Vec<_>>());
}

#[test]
fn a_record_whose_send_is_given_up_is_not_sent() {
    let (flow, mut inline) = Direct.builder().capacity(1).batch_limit(1).inline().unwrap();
    let taken = fill(&mut inline, &flow.numbers);
    assert!(flow.numbers.send(1000).now_or_never().is_none());
    assert!(flow.numbers.send(2000).now_or_never().is_none());
    let unread = inline.block_on(flow.finish()).unwrap();
    assert_eq!(unread.plain, (0..taken).collect::<Vec<_>>());
}

#[test]
fn reading_that_is_given_up_loses_no_record() {
    on_threads(async {
        let mut flow = Direct.spawn().unwrap();
        let numbers = flow.numbers.clone();
        let sender = tokio::spawn(async move {
            for n in 0..2000 {
                numbers.send(n).await.unwrap();
            }
        });
        let mut read = Vec::new();
        while read.len() < 2000 {
            tokio::select! {
                biased;
                () = tokio::task::yield_now() => {}
                record = flow.plain.next() => read.extend(record),
            }
            read.extend(flow.plain.next_batch().now_or_never().flatten().into_iter().flatten());
        }
        assert_eq!(read, (0..2000).collect::<Vec<_>>());
        sender.await.unwrap();
        flow.finish().await.unwrap();
    });
}

dataflow! {
    /// Two branches that share nothing.
    flow Apart {
        input left: u64;
        input right: u64;
        lefts = left -> map(|n| n);
        rights = right -> key_by(n: u64 = |n| *n) -> aggregate { count: u64 = count() } keep forever;
        output lefts: u64;
        output rights;
    }
}

#[test]
fn a_stalled_output_does_not_hold_up_another_branch() {
    let (mut flow, mut inline) = Apart.builder().capacity(1).inline().unwrap();
    fill(&mut inline, &flow.left);
    for n in 0..1000 {
        flow.right.try_send(n).unwrap();
        inline.run();
        assert_eq!(flow.rights.next_now().map(|r| r.n), Some(n));
    }
}

/// Takes one batch, and is never done with it.
struct Stuck;

impl Sink for Stuck {
    type Item = u64;

    async fn write(&mut self, _: Vec<u64>) -> Result<(), SinkError> {
        std::future::pending().await
    }
}

#[test]
fn a_stuck_sink_blocks_its_producer_after_a_known_number_and_no_other_branch() {
    for (capacity, limit) in [(1, 1), (3, 4), (16, 64)] {
        let flow = Apart.builder().capacity(capacity).batch_limit(limit).lefts_to(Stuck);
        let (mut flow, mut inline) = flow.inline().unwrap();
        // A batch for each place in the two edges, one in the stage, and the one that the sink has.
        let places = 2 * capacity as u64 + 2;
        assert_eq!(fill_by_batches(&mut inline, &flow.left, limit as u64), places * limit as u64);
        for n in 0..1000 {
            flow.right.try_send(n).unwrap();
            inline.run();
            assert_eq!(flow.rights.next_now().map(|r| r.n), Some(n));
        }
    }
}

#[test]
fn a_stalled_output_does_not_hold_up_another_branch_on_threads() {
    on_threads(async {
        let mut flow = Apart.builder().capacity(1).spawn().unwrap();
        let left = flow.left.clone();
        let stalled = tokio::spawn(async move {
            for n in 0.. {
                if left.send(n).await.is_err() {
                    return n;
                }
            }
            unreachable!("every edge has a bound")
        });
        for n in 0..1000 {
            flow.right.send(n).await.unwrap();
            assert_eq!(flow.rights.next().await.map(|r| r.n), Some(n));
        }
        drop(flow);
        assert!(stalled.await.unwrap() > 0);
    });
}

dataflow! {
    /// One stream, read three times.
    flow Fan {
        input numbers: u64;
        output first: u64 = numbers -> map(|n| n);
        output second: u64 = numbers -> map(|n| n + 1);
        output third: u64 = numbers -> filter(|n| n % 2 == 0);
    }
}

#[test]
fn an_output_that_is_dropped_holds_nobody_up() {
    let (mut flow, mut inline) = Fan.builder().capacity(1).batch_limit(1).inline().unwrap();
    let taken = fill(&mut inline, &flow.numbers);
    drop(Output::take(&mut flow.first));
    drop(Output::take(&mut flow.third));
    for n in 1..=taken {
        assert_eq!(inline.block_on(flow.second.next()), Some(n));
    }
    for n in taken..taken + 100 {
        flow.numbers.try_send(n).unwrap();
        assert_eq!(inline.block_on(flow.second.next()), Some(n + 1));
    }
    inline.block_on(flow.finish()).unwrap();
}

#[test]
fn a_flow_whose_outputs_are_all_dropped_goes_on_taking() {
    let (mut flow, mut inline) = Fan.builder().capacity(1).batch_limit(1).inline().unwrap();
    drop([&mut flow.first, &mut flow.second, &mut flow.third].map(Output::take));
    for n in 0..100 {
        flow.numbers.try_send(n).unwrap();
        inline.run();
    }
    let unread = inline.block_on(flow.finish()).unwrap();
    assert!(unread.first.is_empty() && unread.second.is_empty() && unread.third.is_empty());
}

dataflow! {
    /// Streams that part and meet again, over and over, with state in between.
    flow Tangle {
        input numbers: u64;
        input others: u64;

        doubled = numbers -> map(|n| n * 2);
        odd = numbers -> filter(|n| n % 2 == 1);
        diamond = merge(doubled, odd);
        summed = diamond -> key_by(k: u64 = |n| n % 7) -> stateful(u64) {
            state { sum: u64 = 0 } keep forever;
            |state, n, out| { state.sum += n; out.emit(n) }
        };
        again = summed -> key_by(k: u64 = |n| n % 5) -> stateful(u64) {
            state { sum: u64 = 0 } keep forever;
            |state, n, out| { state.sum += n; out.emit(n) }
        };
        spread = again -> flat_map(|n| [n, n + 1]);
        summed -> route { small: |n| *n < 100 } else large;
        all = merge(spread, small, large, diamond, others);
        counts = all -> key_by(k: u64 = |n| n % 3) -> aggregate { sum: u64 = sum(|n| *n) } keep forever;

        output diamond: u64;
        output spread: u64;
        output all: u64;
        output counts;
        output odd: u64;
    }
}

/// What comes out of `Tangle`, each stream in order of size: diamond, spread, all, odd; and the last of each count.
type Untangled = ([Vec<u64>; 4], [u64; 3]);

fn untangled(numbers: &[u64], others: &[u64]) -> Untangled {
    let odd: Vec<u64> = numbers.iter().copied().filter(|n| n % 2 == 1).collect();
    let diamond: Vec<u64> = numbers.iter().map(|n| n * 2).chain(odd.iter().copied()).collect();
    let spread: Vec<u64> = diamond.iter().flat_map(|n| [*n, n + 1]).collect();
    let all: Vec<u64> = [&spread[..], &diamond, &diamond, others].concat();
    let sum = |k| all.iter().filter(|n| **n % 3 == k).sum();
    let counts = [sum(0), sum(1), sum(2)];
    let sorted = |mut numbers: Vec<u64>| {
        numbers.sort_unstable();
        numbers
    };
    ([diamond, spread, all, odd].map(sorted), counts)
}

async fn untangle(mut flow: tangle::Handle, numbers: Vec<u64>, others: Vec<u64>) -> Untangled {
    let sum = |counts: Output<tangle::Counts>| {
        counts.fold([0; 3], |mut sums, r| async move {
            sums[r.k as usize] = r.sum;
            sums
        })
    };
    let sorted = |output: Output<u64>| async {
        let mut numbers: Vec<u64> = output.collect().await;
        numbers.sort_unstable();
        numbers
    };
    let (diamond, spread, all) =
        (Output::take(&mut flow.diamond), Output::take(&mut flow.spread), Output::take(&mut flow.all));
    let (odd, counts) = (Output::take(&mut flow.odd), Output::take(&mut flow.counts));
    let send = async {
        let (first, second) = (flow.numbers.clone(), flow.others.clone());
        let one_by_one = async {
            for n in numbers {
                first.send(n).await.expect("the flow takes it");
            }
        };
        let (_, sent) = tokio::join!(one_by_one, second.send_batch(others));
        sent.expect("the flow takes them");
        drop((first, second));
        flow.finish().await.expect("the flow drains");
    };
    let (diamond, spread, all, odd, counts, ()) =
        tokio::join!(sorted(diamond), sorted(spread), sorted(all), sorted(odd), sum(counts), send);
    ([diamond, spread, all, odd], counts)
}

#[test]
fn with_room_for_one_record_in_each_edge_nothing_locks_up() {
    let (numbers, others): (Vec<u64>, Vec<u64>) = ((0..300).collect(), (1000..1100).collect());
    for shards in 1..=4 {
        let flow = Tangle.builder().capacity(1).batch_limit(1).shards(shards);
        let (flow, mut inline) = flow.inline().unwrap();
        let outcome = inline.block_on(untangle(flow, numbers.clone(), others.clone()));
        assert_eq!(outcome, untangled(&numbers, &others));
    }
}

#[test]
fn with_room_for_one_record_in_each_edge_nothing_locks_up_on_threads() {
    let (numbers, others): (Vec<u64>, Vec<u64>) = ((0..2000).collect(), (1000..2000).collect());
    for shards in 1..=4 {
        on_threads(async {
            let flow = Tangle.builder().capacity(1).batch_limit(1).shards(shards).spawn().unwrap();
            let outcome = untangle(flow, numbers.clone(), others.clone()).await;
            assert_eq!(outcome, untangled(&numbers, &others));
        });
    }
}

#[test]
fn records_of_one_input_keep_their_order_on_every_path() {
    on_threads(async {
        let mut flow = Fan.builder().capacity(1).batch_limit(3).spawn().unwrap();
        let [first, second, third] = [&mut flow.first, &mut flow.second, &mut flow.third].map(Output::take);
        let send = async {
            flow.numbers.send_batch((0..1000).collect()).await.unwrap();
            flow.finish().await.unwrap();
        };
        let (first, second, third, ()) = tokio::join!(
            first.collect::<Vec<_>>(),
            second.collect::<Vec<_>>(),
            third.collect::<Vec<_>>(),
            send
        );
        assert_eq!(first, (0..1000).collect::<Vec<_>>());
        assert_eq!(second, (1..1001).collect::<Vec<_>>());
        assert_eq!(third, (0..1000).step_by(2).collect::<Vec<_>>());
    });
}

dataflow! {
    /// Gives a result early on, and then nothing for ever.
    flow Early {
        input numbers: u64;
        tenth = numbers -> key_by(n: u64 = |n| n % 512) -> stateful(u64) {
            state { all: u64 = 0 } keep forever;
            |state, n, out| {
                // So much to do that its input never runs dry.
                state.all = (0..200).fold(state.all, |all, step| all.wrapping_mul(31).wrapping_add(n + step));
                if n == 10 {
                    out.emit(n);
                }
            }
        };
        output tenth;
    }
}

#[test]
fn a_result_is_passed_on_although_there_is_always_more_to_do() {
    on_threads(async {
        let mut flow = Early.builder().numbers_from(sources::iter(0..)).spawn().unwrap();
        assert_eq!(flow.tenth.next().await, Some(10));
    });
}
