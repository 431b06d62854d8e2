//! A panic in any closure, an error in any place: the flow ends, says in which node and why, and everybody learns of it.

#[path = "support/threads.rs"]
mod threads;

use futures_util::SinkExt;
use psdf::{
    FlowError, Input, Refusal, SendError, Sink, SinkError, Source, SourceError, Timestamp, dataflow, sources,
};
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};
use threads::on_threads;

/// What is wrong with it is that closures panic when they see it.
const BAD: u64 = 13;

fn good(n: u64) -> u64 {
    assert!(n != BAD, "saw the {n}");
    n
}

/// These panics are wanted: they need no backtraces.
fn expect_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let wanted = panic.payload_as_str().is_some_and(|message| message.contains("saw the 13"));
            if !wanted {
                usual(panic);
            }
        }));
    });
}

fn assert_panicked(node: &str, error: Option<FlowError>) {
    match error {
        Some(FlowError::Panicked { node: named, message, .. }) => {
            assert_eq!((named, &*message), (node, "saw the 13"));
        }
        other => panic!("the panic of `{node}` should have ended the flow: {other:?}"),
    }
}

fn refused<T>(sent: Result<(), SendError<T>>) -> Option<(T, Option<FlowError>)> {
    match sent.err()? {
        SendError { unsent, reason: Refusal::Failed(error) } => Some((unsent, Some(error))),
        SendError { reason: Refusal::Full, .. } => None,
        SendError { unsent, .. } => Some((unsent, None)),
    }
}

/// The reason for which an input refuses, in all three ways to send; the records come back.
async fn refusals(input: &Input<u64>) -> [Option<FlowError>; 3] {
    let (unsent, sent) = loop {
        match refused(input.send(7).await) {
            Some(refused) => break refused,
            // The task that reads this has not been stopped yet.
            None => tokio::task::yield_now().await,
        }
    };
    assert_eq!(unsent, 7);
    let (unsent, tried) = refused(input.try_send(8)).expect("no input takes anything now");
    assert_eq!(unsent, 8);
    let (unsent, sent_together) =
        refused(input.send_batch(vec![1, 2, 3]).await).expect("no input takes anything now");
    assert_eq!(unsent, [1, 2, 3]);
    [sent, tried, sent_together]
}

/// Tests that a flow with an input `numbers` and an output `out` ends with the panic of a node, whatever its shards.
macro_rules! ends_with_the_panic_of {
    ($node:literal in $flow:ident: $test:ident) => {
        #[test]
        fn $test() {
            expect_panics();
            for shards in [1, 4] {
                on_threads(async {
                    let mut flow = $flow.builder().shards(shards).batch_limit(8).spawn().unwrap();
                    let feed = flow.numbers.clone();
                    // The flow may end before all is sent.
                    let fed = tokio::spawn(async move { (feed.send_batch((0..40).collect()).await, feed) });
                    while flow.out.next().await.is_some() {}
                    assert_panicked($node, flow.out.try_next().await.err());
                    let (_, feed) = fed.await.unwrap();
                    for refusal in refusals(&feed).await {
                        assert_panicked($node, refusal);
                    }
                    assert_panicked($node, flow.control.error());
                    assert_panicked($node, flow.finish().await.err());
                });
            }
            // And on one thread.
            let (flow, mut inline) = $flow.builder().inline().unwrap();
            let _ = inline.block_on(flow.numbers.send_batch((0..40).collect()));
            assert_panicked($node, inline.block_on(flow.finish()).err());
        }
    };
}

dataflow! {
    flow InMap {
        input numbers: u64;
        culprit = numbers -> map(good);
        output out: u64 = culprit;
    }
}
ends_with_the_panic_of!("culprit" in InMap: a_panic_in_a_map_names_its_node);

dataflow! {
    flow InFilter {
        input numbers: u64;
        culprit = numbers -> filter(|n| good(*n) < 100);
        output out: u64 = culprit;
    }
}
ends_with_the_panic_of!("culprit" in InFilter: a_panic_in_a_filter_names_its_node);

dataflow! {
    flow InFilterMap {
        input numbers: u64;
        culprit = numbers -> filter_map(|n| Some(good(n)));
        output out: u64 = culprit;
    }
}
ends_with_the_panic_of!("culprit" in InFilterMap: a_panic_in_a_filter_map_names_its_node);

dataflow! {
    flow InFlatMap {
        input numbers: u64;
        culprit = numbers -> flat_map(|n| [good(n), n]);
        output out: u64 = culprit;
    }
}
ends_with_the_panic_of!("culprit" in InFlatMap: a_panic_in_a_flat_map_names_its_node);

dataflow! {
    flow InFlatMapsIterator {
        input numbers: u64;
        culprit = numbers -> flat_map(|n| (n..n + 2).map(good));
        output out: u64 = culprit;
    }
}
ends_with_the_panic_of!("culprit" in InFlatMapsIterator: a_panic_in_the_iterator_of_a_flat_map_names_its_node);

dataflow! {
    flow InInspect {
        input numbers: u64;
        culprit = numbers -> inspect(|n| { good(*n); });
        output out: u64 = culprit;
    }
}
ends_with_the_panic_of!("culprit" in InInspect: a_panic_in_an_inspect_names_its_node);

dataflow! {
    flow InTryMap {
        input numbers: u64;
        culprit = numbers -> try_map(|n| Ok::<_, String>(good(n))) else skip;
        output out: u64 = culprit;
    }
}
ends_with_the_panic_of!("culprit" in InTryMap: a_panic_in_a_try_map_names_its_node);

dataflow! {
    flow InEventTime {
        input numbers: u64;
        culprit = numbers -> event_time(|n| Timestamp(good(*n) as i64), lateness 1 s);
        output out: u64 = culprit;
    }
}
ends_with_the_panic_of!("culprit" in InEventTime: a_panic_in_an_event_time_names_its_node);

dataflow! {
    flow InKeyBy {
        input numbers: u64;
        keyed = numbers -> key_by(n: u64 = |n| good(*n));
        counts = keyed -> aggregate { count: u64 = count() } keep forever;
        output out: u64 = counts -> map(|r| r.count);
    }
}
ends_with_the_panic_of!("keyed" in InKeyBy: a_panic_in_a_key_by_names_its_node);

dataflow! {
    flow InRoute {
        input numbers: u64;
        culprit = numbers -> route { small: |n| good(*n) < 20 } else large;
        both = merge(small, large);
        output out: u64 = both;
    }
}
ends_with_the_panic_of!("culprit" in InRoute: a_panic_in_a_route_names_its_node);

dataflow! {
    flow InProjection {
        input numbers: u64;
        timed = numbers -> event_time(|n| Timestamp::from_secs(*n as i64), lateness 1 s) -> key_by(n: u64 = |n| n % 4);
        culprit = timed -> tumbling(4 s) -> aggregate { sum: u64 = sum(|n| good(*n)) };
        output out: u64 = culprit -> map(|r| r.sum);
    }
}
ends_with_the_panic_of!("culprit" in InProjection: a_panic_in_what_an_aggregate_function_takes_names_its_node);

dataflow! {
    flow InTop {
        input numbers: u64;
        timed = numbers -> event_time(|n| Timestamp::from_secs(*n as i64), lateness 1 s) -> key_by(n: u64 = |n| n % 4);
        culprit = timed -> tumbling(20 s) -> aggregate { top: Vec<u64> = top(1, by |n| good(*n)) };
        output out: u64 = culprit -> map(|r| r.top[0]);
    }
}
ends_with_the_panic_of!("culprit" in InTop: a_panic_in_a_top_names_its_node);

dataflow! {
    flow InAggregateFold {
        input numbers: u64;
        timed = numbers -> event_time(|n| Timestamp::from_secs(*n as i64), lateness 1 s) -> key_by(n: u64 = |n| n % 4);
        culprit = timed -> tumbling(4 s) -> aggregate { sum: u64 = fold(0, |sum, n| *sum += good(*n)) };
        output out: u64 = culprit -> map(|r| r.sum);
    }
}
ends_with_the_panic_of!("culprit" in InAggregateFold: a_panic_in_a_fold_of_an_aggregate_names_its_node);

dataflow! {
    flow InFold {
        input numbers: u64;
        timed = numbers -> event_time(|n| Timestamp::from_secs(*n as i64), lateness 1 s) -> key_by(n: u64 = |n| n % 4);
        culprit = timed -> fold(u64 = 0, |sum, n| *sum += good(*n)) keep forever;
        output out: u64 = culprit -> map(|r| r.value);
    }
}
ends_with_the_panic_of!("culprit" in InFold: a_panic_in_a_fold_names_its_node);

dataflow! {
    flow InFoldsFirst {
        input numbers: u64;
        culprit = numbers -> key_by(n: u64 = |n| *n) -> fold(u64 = good(BAD), |sum, n| *sum += *n) keep forever;
        output out: u64 = culprit -> map(|r| r.value);
    }
}
ends_with_the_panic_of!("culprit" in InFoldsFirst: a_panic_in_the_first_value_of_a_fold_names_its_node);

dataflow! {
    flow InMerge {
        input numbers: u64;
        culprit = numbers -> event_time(|n| Timestamp(*n as i64 * 14 % 80), lateness 1 s) -> key_by(unit: () = |_| ())
            -> session(3 us) -> fold(u64 = 0, |sum, n| *sum += *n, merge |sum, other| *sum += good(BAD) + other);
        output out: u64 = culprit -> map(|r| r.value);
    }
}
ends_with_the_panic_of!("culprit" in InMerge: a_panic_in_the_merge_of_sessions_names_its_node);

dataflow! {
    flow InStatesFirst {
        input numbers: u64;
        culprit = numbers -> key_by(n: u64 = |n| *n) -> stateful(u64) {
            state { first: u64 = good(BAD) } keep forever; |state, n, out| { out.emit(n + state.first) }
        };
        output out: u64 = culprit;
    }
}
ends_with_the_panic_of!("culprit" in InStatesFirst: a_panic_in_the_first_value_of_a_state_names_its_node);

dataflow! {
    flow InStep {
        input numbers: u64;
        culprit = numbers -> key_by(n: u64 = |n| n % 4) -> stateful(u64) {
            state { sum: u64 = 0 } keep forever; |state, n, out| { state.sum += good(n); out.emit(n) }
        };
        output out: u64 = culprit;
    }
}
ends_with_the_panic_of!("culprit" in InStep: a_panic_in_a_stateful_closure_names_its_node);

dataflow! {
    flow InTimer {
        input numbers: u64;
        timed = numbers -> event_time(|n| Timestamp::from_secs(*n as i64), lateness 1 s) -> key_by(n: u64 = |n| n % 4);
        culprit = timed -> stateful(u64) {
            state { sum: u64 = 0 } keep 1 hour;
            |state, n, out| { state.sum += n; out.set_timer(Timestamp::from_secs(n as i64)) }
            on timer |state, at, out| { out.emit(good(at.as_secs() as u64) + state.sum) }
        };
        output out: u64 = culprit;
    }
}
ends_with_the_panic_of!("culprit" in InTimer: a_panic_in_a_timer_names_its_node);

dataflow! {
    /// Two inputs, two outputs, windows.
    flow Plain {
        input numbers: u64;
        input others: u64;
        sums = numbers
            -> event_time(|n| Timestamp(*n as i64), lateness 1 us)
            -> key_by(unit: () = |_| ())
            -> tumbling(10 us)
            -> aggregate { sum: u64 = sum(|n| *n) };
        output echoed: u64 = others;
        output sums;
    }
}

/// Gives some numbers and then what it was made for.
struct Breaks(Option<Breakage>, u64);

enum Breakage {
    Panic,
    Error,
}

impl Source for Breaks {
    type Item = u64;

    async fn next_batch(&mut self, _: usize) -> Result<Option<Vec<u64>>, SourceError> {
        if self.1 < 3 {
            self.1 += 1;
            return Ok(Some(vec![self.1]));
        }
        match self.0.take() {
            Some(Breakage::Panic) => panic!("saw the 13"),
            Some(Breakage::Error) => Err(SourceError::new("numbers.txt: it is gone")),
            None => unreachable!("a source that has failed is not asked again"),
        }
    }
}

#[test]
fn a_source_that_panics_names_its_input_and_does_not_look_ended() {
    expect_panics();
    let flow = Plain.builder().numbers_from(Breaks(Some(Breakage::Panic), 0));
    let (mut flow, mut inline) = flow.inline().unwrap();
    assert_eq!(inline.block_on(flow.sums.next()).map(|r| r.sum), None, "the window is not whole");
    assert_panicked("numbers", inline.block_on(flow.finish()).err());
}

#[test]
fn a_source_that_fails_names_its_input_and_does_not_look_ended() {
    let flow = Plain.builder().numbers_from(Breaks(Some(Breakage::Error), 0));
    let (mut flow, mut inline) = flow.inline().unwrap();
    assert_eq!(inline.block_on(flow.sums.next()).map(|r| r.sum), None, "the window is not whole");
    let error = inline.block_on(flow.finish()).unwrap_err();
    assert!(matches!(error, FlowError::Source { flow: "Plain", input: "numbers", .. }));
    let text = "flow `Plain` ended: the source of input `numbers` could not go on: numbers.txt: it is gone";
    assert_eq!(error.to_string(), text);
}

#[test]
fn a_blocking_source_that_panics_names_its_input_and_does_not_look_ended() {
    expect_panics();
    on_threads(async {
        let numbers = (0..40).map(|n| Ok::<_, SourceError>(good(n)));
        let flow = Plain.builder().numbers_from(sources::blocking(numbers));
        let mut flow = flow.batch_limit(1).spawn().unwrap();
        while let Some(sums) = flow.sums.next().await {
            assert_eq!(sums.sum, 45, "only the first window is whole");
        }
        assert_panicked("numbers", flow.sums.try_next().await.err());
        assert_panicked("numbers", flow.finish().await.err());
    });
}

#[test]
fn an_iterator_that_panics_names_its_input() {
    expect_panics();
    on_threads(async {
        let flow = Plain.builder().numbers_from(sources::iter((0..40).map(good)));
        assert_panicked("numbers", flow.spawn().unwrap().finish().await.err());
    });
}

/// Takes some records and then breaks; or breaks at the end.
struct Bad(Option<Breakage>, &'static AtomicBool);

impl Bad {
    fn breaks(&mut self) -> Result<(), SinkError> {
        match self.0.take() {
            Some(Breakage::Panic) => panic!("saw the 13"),
            Some(Breakage::Error) => Err(SinkError::new("the disk is full")),
            None => Ok(()),
        }
    }
}

impl Sink for Bad {
    type Item = u64;

    async fn write(&mut self, records: Vec<u64>) -> Result<(), SinkError> {
        if records.contains(&BAD) { self.breaks() } else { Ok(()) }
    }

    async fn close(&mut self) -> Result<(), SinkError> {
        self.1.store(true, Ordering::Relaxed);
        self.breaks()
    }
}

#[test]
fn a_sink_that_panics_names_its_output_and_is_not_closed() {
    expect_panics();
    static CLOSED: AtomicBool = AtomicBool::new(false);
    on_threads(async {
        let flow = Plain.builder().echoed_to(Bad(Some(Breakage::Panic), &CLOSED)).spawn().unwrap();
        let others = flow.others.clone();
        others.send_batch((0..40).collect()).await.unwrap();
        assert_panicked("echoed", flow.finish().await.err());
        for refusal in refusals(&others).await {
            assert_panicked("echoed", refusal);
        }
    });
    assert!(!CLOSED.load(Ordering::Relaxed));
}

#[test]
fn a_sink_that_fails_names_its_output_and_is_not_closed() {
    static CLOSED: AtomicBool = AtomicBool::new(false);
    let flow = Plain.builder().echoed_to(Bad(Some(Breakage::Error), &CLOSED));
    let (flow, mut inline) = flow.inline().unwrap();
    inline.block_on(flow.others.send_batch((0..40).collect())).unwrap();
    let error = inline.block_on(flow.finish()).unwrap_err();
    assert!(matches!(error, FlowError::Sink { output: "echoed", .. }));
    let text = "flow `Plain` ended: the sink of output `echoed` could not go on: the disk is full";
    assert_eq!(error.to_string(), text);
    assert!(!CLOSED.load(Ordering::Relaxed));
}

#[test]
fn a_sink_that_cannot_be_closed_is_an_error() {
    static CLOSED: AtomicBool = AtomicBool::new(false);
    let flow = Plain.builder().echoed_to(Bad(Some(Breakage::Error), &CLOSED));
    let (flow, mut inline) = flow.inline().unwrap();
    let error = inline.block_on(flow.finish()).unwrap_err();
    assert!(matches!(error, FlowError::Sink { output: "echoed", .. }));
    assert!(CLOSED.load(Ordering::Relaxed));
}

#[test]
fn a_sink_of_a_flow_that_fails_is_not_closed() {
    static CLOSED: AtomicBool = AtomicBool::new(false);
    let flow = Plain.builder().numbers_from(Breaks(Some(Breakage::Error), 0));
    let (flow, mut inline) = flow.echoed_to(Bad(None, &CLOSED)).inline().unwrap();
    assert!(inline.block_on(flow.finish()).is_err());
    assert!(!CLOSED.load(Ordering::Relaxed), "what it has is not whole");
}

#[test]
fn a_sink_of_a_flow_that_drains_is_closed() {
    static CLOSED: AtomicBool = AtomicBool::new(false);
    let (flow, mut inline) = Plain.builder().echoed_to(Bad(None, &CLOSED)).inline().unwrap();
    inline.block_on(flow.finish()).unwrap();
    assert!(CLOSED.load(Ordering::Relaxed));
}

#[test]
fn the_futures_sink_of_a_failed_flow_says_why() {
    let flow = Plain.builder().numbers_from(Breaks(Some(Breakage::Error), 0));
    let (mut flow, mut inline) = flow.inline().unwrap();
    inline.run();
    let refused = inline.block_on(SinkExt::send(&mut flow.others, 1)).unwrap_err();
    assert!(matches!(refused.reason, Refusal::Failed(FlowError::Source { .. })));
    assert!(inline.block_on(flow.finish()).is_err());
}

dataflow! {
    /// A branch that panics beside one that does not.
    flow Beside {
        input numbers: u64;
        input others: u64;
        bad = numbers -> map(good);
        output bad: u64;
        output echoed: u64 = others;
    }
}

#[test]
fn those_who_wait_learn_of_a_panic_elsewhere() {
    expect_panics();
    on_threads(async {
        let mut flow = Beside.builder().capacity(1).batch_limit(1).spawn().unwrap();
        let mut quiet = flow.bad.take();
        let (_stuck, others) = (flow.echoed.take(), flow.others.clone());
        let reader = tokio::spawn(async move { (quiet.next().await, quiet.try_next().await.err()) });
        let sender = tokio::spawn(async move {
            for n in 0.. {
                if let Err(refused) = others.send(n).await {
                    return (n, refused);
                }
            }
            unreachable!("every edge has a bound")
        });
        while flow.others.try_send(1000).is_ok() {
            tokio::task::yield_now().await;
        }
        flow.numbers.send(BAD).await.unwrap();
        let (next, error) = reader.await.unwrap();
        assert_eq!(next, None);
        assert_panicked("bad", error);
        let (n, refused) = sender.await.unwrap();
        assert_eq!(refused.unsent, n);
        assert_panicked(
            "bad",
            Some(refused).and_then(|refused| match refused.reason {
                Refusal::Failed(error) => Some(error),
                _ => None,
            }),
        );
        assert_panicked("bad", flow.control.watch().ended().await.err());
        assert_panicked("bad", flow.finish().await.err());
    });
}

#[test]
fn a_finish_that_waits_learns_of_a_panic() {
    expect_panics();
    let (mut flow, mut inline) = Beside.builder().capacity(1).batch_limit(1).inline().unwrap();
    let _stuck = flow.echoed.take();
    for n in 0..3 {
        flow.others.try_send(n).unwrap();
        inline.run();
    }
    flow.numbers.try_send(BAD).unwrap();
    assert_panicked("bad", inline.block_on(flow.finish()).err());
}

/// Panics when it is copied.
#[derive(Debug)]
struct Single;

impl Clone for Single {
    fn clone(&self) -> Self {
        panic!("saw the 13: a copy of what is not to be copied")
    }
}

dataflow! {
    flow Copied {
        input singles: Single;
        output one: Single = singles -> map(|s| s);
        output two: Single = singles -> map(|s| s);
    }
}

#[test]
fn a_panic_of_no_closure_names_the_stage() {
    expect_panics();
    let (flow, mut inline) = Copied.builder().inline().unwrap();
    inline.block_on(flow.singles.send(Single)).unwrap();
    let error = inline.block_on(flow.finish()).unwrap_err();
    assert!(matches!(error, FlowError::Panicked { node: "singles", .. }), "{error}");
}

dataflow! {
    flow Diverted {
        input words: String;
        numbers = words -> try_map(|w| w.parse::<u64>()) else fail;
        lenient = words -> try_map(|w| w.parse::<u64>()) else skip;
        named = words -> try_map(|w| w.parse::<u64>().map_err(|_| w)) else refused: String;
        routed = words -> route { short: |w| w.len() < 3 } else skip;
        output numbers: u64;
        output lenient: u64;
        output named: u64;
        output refused;
        output short: String;
    }
}

#[test]
fn else_fail_ends_the_flow_naming_the_node_and_the_cause() {
    let (flow, mut inline) = Diverted.builder().inline().unwrap();
    inline.block_on(flow.words.send_batch(vec!["1".into(), "x".into(), "2".into()])).unwrap();
    let error = inline.block_on(flow.finish()).unwrap_err();
    let text = "flow `Diverted` ended: a record failed at node `numbers`, which says `else fail`: invalid digit found \
                in string";
    assert_eq!(error.to_string(), text);
    let FlowError::Failed { flow: "Diverted", node: "numbers", error } = error else { panic!("{error:?}") };
    assert!(error.is::<std::num::ParseIntError>(), "the cause is kept");
}

dataflow! {
    flow Lenient {
        input words: String;
        skipping = words -> try_map(|w| w.parse::<u64>()) else skip;
        naming = words -> try_map(|w| w.parse::<u64>().map_err(|_| w)) else refused: String;
        routing = words -> route { short: |w| w.len() < 2 } else skip;
        output skipping: u64;
        output naming: u64;
        output refused;
        output short: String;
    }
}

#[test]
fn else_skip_counts_and_else_name_routes() {
    let (mut flow, mut inline) = Lenient.builder().inline().unwrap();
    let words = ["1", "x", "22", "yy", "3"].map(String::from).to_vec();
    inline.block_on(flow.words.send_batch(words)).unwrap();
    inline.run();
    let of = |node| flow.control.counts().into_iter().find(|counts| counts.node == node).unwrap();
    assert_eq!(["skipping", "routing", "naming"].map(|node| of(node).skipped), [2, 0, 0]);
    assert_eq!(of("routing").left_out, 2, "what no arm takes has not failed");
    assert_eq!(inline.block_on(flow.skipping.next_batch()), Some(vec![1, 22, 3]));
    let unread = inline.block_on(flow.finish()).unwrap();
    assert_eq!(unread.naming, [1, 22, 3]);
    assert_eq!(unread.refused, ["x", "yy"]);
    assert_eq!(unread.short, ["1", "x", "3"]);
    assert!(unread.skipping.is_empty());
}
