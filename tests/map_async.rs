//! `map_async`: order, bounds, time, failures and ends of calls to what lies outside of a flow.

#[path = "support/cases.rs"]
mod cases;
#[path = "support/threads.rs"]
mod threads;

use cases::{cases, micros};
use futures_util::FutureExt;
use proptest::prelude::*;
use psdf::{AsyncError, Dropped, Failed, FlowError, Inline, Refusal, StartError, Timestamp, dataflow};
use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Poll, Waker};
use std::time::Duration;
use threads::on_threads;

/// Somebody outside of the flow, who answers when the test says so.
#[derive(Clone, Default)]
pub struct Outside(Arc<Mutex<Desk>>);

#[derive(Default)]
struct Desk {
    /// What was asked and not answered, in the order of asking.
    asked: Vec<u64>,
    /// How often each was asked.
    tries: HashMap<u64, u32>,
    answers: HashMap<u64, Result<u64, String>>,
    wakers: Vec<Waker>,
    /// The calls in flight, and the most there were.
    calls: usize,
    most: usize,
}

/// A call in flight.
struct Call(Outside);

impl Drop for Call {
    fn drop(&mut self) {
        self.0.desk().calls -= 1;
    }
}

impl Outside {
    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.0.lock().expect("nobody panics at the desk")
    }

    fn ask(&self, n: u64) -> impl Future<Output = Result<u64, String>> + Send + 'static + use<> {
        let outside = self.clone();
        let mut call = None;
        poll_fn(move |cx| {
            if call.is_none() {
                call = Some(outside.enter());
                let mut desk = outside.desk();
                desk.asked.push(n);
                *desk.tries.entry(n).or_default() += 1;
            }
            let mut desk = outside.desk();
            match desk.answers.remove(&n) {
                Some(answer) => Poll::Ready(answer),
                None => {
                    desk.wakers.push(cx.waker().clone());
                    Poll::Pending
                }
            }
        })
    }

    /// A call that is counted until it is dropped.
    fn enter(&self) -> impl Send + use<> {
        let mut desk = self.desk();
        desk.calls += 1;
        desk.most = desk.most.max(desk.calls);
        Call(self.clone())
    }

    fn answer(&self, n: u64, answer: Result<u64, &str>) {
        let mut desk = self.desk();
        let place = desk.asked.iter().position(|asked| *asked == n).expect("it was asked");
        desk.asked.remove(place);
        desk.answers.insert(n, answer.map_err(Into::into));
        let wakers = std::mem::take(&mut desk.wakers);
        drop(desk);
        wakers.into_iter().for_each(Waker::wake);
    }

    fn asked(&self) -> Vec<u64> {
        self.desk().asked.clone()
    }

    fn tries(&self, n: u64) -> u32 {
        self.desk().tries.get(&n).copied().unwrap_or(0)
    }
}

dataflow! {
    flow Ordered {
        param outside: Outside;
        input numbers: u64;
        answered: u64 = numbers -> map_async(|n| outside.ask(n), concurrency 4) else failed: Failed<u64, String>;
        output answered;
        output failed;
    }
}

dataflow! {
    flow Unordered {
        param outside: Outside;
        input numbers: u64;
        answered: u64 = numbers
            -> map_async(|n| async move { outside.ask(n).await }, unordered, concurrency 4)
            else failed: Failed<u64, String>;
        output answered;
        output failed;
    }
}

#[test]
fn ordered_answers_leave_in_the_order_of_the_records() {
    let outside = Outside::default();
    let (mut flow, mut inline) = Ordered { outside: outside.clone() }.builder().inline().unwrap();
    inline.block_on(flow.numbers.send_batch(vec![0, 1, 2])).unwrap();
    inline.run();
    assert_eq!(outside.asked(), [0, 1, 2]);
    outside.answer(2, Ok(20));
    outside.answer(1, Err("no"));
    inline.run();
    assert_eq!(flow.answered.next_now(), None);
    assert_eq!(flow.failed.next_now(), None, "failures keep the order too");
    outside.answer(0, Ok(0));
    inline.run();
    assert_eq!([flow.answered.next_now(), flow.answered.next_now()], [Some(0), Some(20)]);
    let failed = Failed { record: 1, error: AsyncError::Failed("no".to_string()), tries: 1 };
    assert_eq!(flow.failed.next_now(), Some(failed));
}

#[test]
fn unordered_answers_leave_as_they_come() {
    let outside = Outside::default();
    let (mut flow, mut inline) = Unordered { outside: outside.clone() }.builder().inline().unwrap();
    inline.block_on(flow.numbers.send_batch(vec![0, 1, 2])).unwrap();
    inline.run();
    for n in [2, 0, 1] {
        outside.answer(n, Ok(n * 10));
        inline.run();
        assert_eq!(flow.answered.next_now(), Some(n * 10));
    }
}

#[test]
fn no_more_calls_are_in_flight_than_concurrency_says() {
    let outside = Outside::default();
    let (flow, mut inline) = Unordered { outside: outside.clone() }.builder().inline().unwrap();
    inline.block_on(flow.numbers.send_batch((0..10).collect())).unwrap();
    inline.run();
    assert_eq!(outside.asked(), [0, 1, 2, 3]);
    outside.answer(2, Ok(2));
    inline.run();
    assert_eq!(outside.asked(), [0, 1, 3, 4], "one leaves, one is asked");
    while let Some(n) = outside.asked().last().copied() {
        outside.answer(n, Ok(n));
        inline.run();
    }
    assert_eq!(inline.block_on(flow.finish()).unwrap().answered, [2, 4, 5, 6, 7, 8, 9, 3, 1, 0]);
    assert_eq!(outside.desk().most, 4);
}

#[test]
fn the_bound_holds_on_threads_and_every_record_is_answered() {
    dataflow! {
        flow Busy {
            param outside: Outside;
            input numbers: u64;
            answered: u64 = numbers
                -> map_async(|n| async move {
                    let call = outside.enter();
                    for _ in 0..n % 7 {
                        tokio::task::yield_now().await;
                    }
                    drop(call);
                    if n % 10 == 3 { Err("three") } else { Ok(n) }
                }, concurrency 5, unordered)
                else failed: Failed<u64, &'static str>;
            output answered;
            output failed;
        }
    }
    on_threads(async {
        let outside = Outside::default();
        let busy = Busy { outside: outside.clone() };
        let flow = busy.builder().capacity(2).batch_limit(64).spawn().unwrap();
        let numbers = flow.numbers.clone();
        let sent = tokio::spawn(async move { numbers.send_batch((0..5000).collect()).await });
        let (mut answered, mut failed) = (flow.answered, flow.failed);
        let failed = tokio::spawn(async move {
            let mut all = Vec::new();
            while let Some(failed) = failed.next().await {
                all.push(failed.record);
            }
            all
        });
        drop(flow.numbers);
        let mut all = Vec::new();
        while let Some(n) = answered.next().await {
            all.push(n);
        }
        sent.await.unwrap().unwrap();
        let failed = failed.await.unwrap();
        assert_eq!(failed.len(), 500);
        all.extend(failed);
        all.sort_unstable();
        assert_eq!(all, (0..5000).collect::<Vec<_>>());
        assert!((1..=5).contains(&outside.desk().most));
    });
}

/// Sends until the flow is full, at rest before each record; how many it took.
fn fill(inline: &mut Inline, numbers: &psdf::Input<u64>) -> u64 {
    for n in 0.. {
        if let Err(refused) = numbers.try_send(n) {
            assert!(matches!(refused.reason, Refusal::Full));
            return n;
        }
        inline.run();
    }
    unreachable!("every edge has a bound")
}

#[test]
fn while_nobody_answers_senders_wait() {
    let outside = Outside::default();
    let flow = Unordered { outside: outside.clone() };
    let (flow, mut inline) = flow.builder().capacity(1).batch_limit(1).inline().unwrap();
    let taken = fill(&mut inline, &flow.numbers);
    assert_eq!(outside.asked(), [0, 1, 2, 3]);
    assert!(taken < 12, "four in flight, and one for each place in the edges and stages: {taken}");
    outside.answer(1, Ok(1));
    inline.run();
    flow.numbers.try_send(taken).unwrap();
    inline.run();
    assert!(matches!(flow.numbers.try_send(0).unwrap_err().reason, Refusal::Full));
}

#[test]
fn calls_go_on_while_nobody_reads_their_answers() {
    let outside = Outside::default();
    let flow = Unordered { outside: outside.clone() };
    let (mut flow, mut inline) = flow.builder().capacity(1).batch_limit(1).inline().unwrap();
    let taken = fill(&mut inline, &flow.numbers);
    for _ in 0..taken {
        let Some(n) = outside.asked().first().copied() else { break };
        outside.answer(n, Ok(n));
        inline.run();
    }
    assert!(outside.desk().calls == 0, "what was asked was heard, though nobody reads");
    let mut read = Vec::new();
    while (read.len() as u64) < taken {
        while let Some(n) = flow.answered.next_now() {
            read.push(n);
            inline.run();
        }
        for n in outside.asked() {
            outside.answer(n, Ok(n));
            inline.run();
        }
    }
    assert_eq!(read, (0..taken).collect::<Vec<_>>());
}

dataflow! {
    flow Patient {
        param outside: Outside;
        param patience: Duration = Duration::from_secs(2);
        param more: u32 = 2;
        input numbers: u64;
        answered = numbers
            -> map_async(|n| outside.ask(n), retry more, timeout patience, ordered)
            else failed: Failed<u64, String>;
        output answered: u64;
        output failed;
    }
}

#[test]
fn each_try_has_its_own_timeout_and_the_waits_between_them_grow() {
    let outside = Outside::default();
    let flow = Patient { outside: outside.clone(), patience: Duration::from_secs(2), more: 2 };
    let (mut flow, mut inline) = flow.builder().inline().unwrap();
    flow.numbers.try_send(7).unwrap();
    inline.run();
    let mut turn = |millis: u64| {
        inline.advance(Duration::from_millis(millis));
        (outside.tries(7), outside.desk().calls)
    };
    assert_eq!(turn(1999), (1, 1));
    assert_eq!(turn(1), (1, 0), "the call that had no answer is dropped");
    assert_eq!(turn(99), (1, 0));
    assert_eq!(turn(1), (2, 1));
    assert_eq!(turn(2000), (2, 0));
    assert_eq!(turn(199), (2, 0));
    assert_eq!(turn(1), (3, 1));
    assert_eq!(flow.failed.next_now(), None);
    inline.advance(Duration::from_millis(2000));
    assert_eq!(flow.failed.next_now(), Some(Failed { record: 7, error: AsyncError::TimedOut, tries: 3 }));
    assert_eq!(inline.block_on(flow.finish()).unwrap().answered, [0; 0]);
}

#[test]
fn a_record_that_fails_once_and_then_is_answered_goes_on() {
    let outside = Outside::default();
    let flow = Patient { outside: outside.clone(), patience: Duration::from_secs(2), more: 1 };
    let (mut flow, mut inline) = flow.builder().inline().unwrap();
    flow.numbers.try_send(7).unwrap();
    inline.run();
    outside.answer(7, Err("busy"));
    inline.run();
    assert_eq!(flow.failed.next_now(), None);
    inline.advance(Duration::from_millis(100));
    outside.answer(7, Ok(70));
    inline.run();
    assert_eq!(flow.answered.next_now(), Some(70));
    let unread = inline.block_on(flow.finish()).unwrap();
    assert_eq!((unread.failed.len(), outside.tries(7)), (0, 2));
}

#[test]
fn the_last_error_is_the_one_that_is_told() {
    let outside = Outside::default();
    let flow = Patient { outside: outside.clone(), patience: Duration::from_secs(2), more: 1 };
    let (mut flow, mut inline) = flow.builder().inline().unwrap();
    flow.numbers.try_send(7).unwrap();
    inline.run();
    inline.advance(Duration::from_secs(2));
    inline.advance(Duration::from_millis(100));
    outside.answer(7, Err("no"));
    inline.run();
    let failed = flow.failed.next_now().unwrap();
    assert_eq!((failed.error.to_string(), failed.tries), ("no".to_string(), 2));
}

/// Not `Clone`: where a record is neither tried again nor given back, nobody asks for a copy.
#[derive(Debug)]
pub struct Plain(u64);

dataflow! {
    flow Skipping {
        param outside: Outside;
        input numbers: Plain;
        answered: u64 = numbers -> map_async(|n: Plain| outside.ask(n.0), timeout 1 s) else skip;
        output answered;
    }
}

dataflow! {
    flow Failing {
        param outside: Outside;
        input numbers: Plain;
        strict: u64 = numbers -> map_async(|n: Plain| outside.ask(n.0), timeout 1 s) else fail;
        output strict;
    }
}

#[test]
fn what_else_skip_lets_go_is_counted() {
    let outside = Outside::default();
    let (flow, mut inline) = Skipping { outside: outside.clone() }.builder().inline().unwrap();
    (1..=3).for_each(|n| flow.numbers.try_send(Plain(n)).unwrap());
    inline.run();
    outside.answer(1, Err("no"));
    outside.answer(2, Ok(2));
    inline.run();
    inline.advance(Duration::from_secs(1));
    let counts = flow.control.counts();
    let answered = counts.iter().find(|counts| counts.node == "answered").unwrap();
    assert_eq!(answered.skipped, 2);
    assert_eq!(inline.block_on(flow.finish()).unwrap().answered, [2]);
}

#[test]
fn else_fail_ends_the_flow_with_the_error_or_the_timeout() {
    let outside = Outside::default();
    for (error, said) in [(Some("no"), "no"), (None, "no answer came within the timeout")] {
        let (flow, mut inline) = Failing { outside: outside.clone() }.builder().inline().unwrap();
        flow.numbers.try_send(Plain(1)).unwrap();
        inline.run();
        match error {
            Some(error) => outside.answer(1, Err(error)),
            None => inline.advance(Duration::from_secs(1)),
        }
        inline.run();
        match inline.block_on(flow.finish()) {
            Err(FlowError::Failed { node, error, .. }) => {
                assert_eq!((node, &*error.to_string()), ("strict", said))
            }
            other => panic!("the failure ends the flow: {other:?}"),
        }
    }
}

dataflow! {
    flow Panicking {
        input numbers: u64;
        before = numbers -> map(|n| n);
        culprit = before
            -> map_async(|n| {
                assert!(n != 13, "at once");
                async move {
                    tokio::task::yield_now().await;
                    assert!(n != 14, "later");
                    Ok::<_, String>(n)
                }
            }, retry 1)
            else skip;
        after = culprit -> map(|n| { assert!(n != 15, "after"); n });
        output after: u64;
    }
}

#[test]
fn a_panic_in_a_call_names_its_node() {
    for (n, node, said) in [(13, "culprit", "at once"), (14, "culprit", "later"), (15, "after", "after")] {
        let (flow, mut inline) = Panicking.builder().inline().unwrap();
        flow.numbers.try_send(n).unwrap();
        match inline.block_on(flow.finish()) {
            Err(FlowError::Panicked { node: named, message, .. }) => {
                assert_eq!((named, &*message), (node, said))
            }
            other => panic!("the panic ends the flow: {other:?}"),
        }
    }
}

#[test]
fn finish_waits_for_the_calls_in_flight() {
    let outside = Outside::default();
    let (flow, mut inline) = Ordered { outside: outside.clone() }.builder().inline().unwrap();
    inline.block_on(flow.numbers.send_batch((0..6).collect())).unwrap();
    inline.run();
    let mut finish = Box::pin(flow.finish());
    for n in 0..6 {
        assert!((&mut finish).now_or_never().is_none());
        inline.run();
        outside.answer(n, Ok(n));
        inline.run();
    }
    assert_eq!(inline.block_on(finish).unwrap().answered, [0, 1, 2, 3, 4, 5]);
}

#[test]
fn a_shutdown_drops_the_calls_in_flight_and_counts_them() {
    let outside = Outside::default();
    let (flow, mut inline) = Ordered { outside: outside.clone() }.builder().inline().unwrap();
    inline.block_on(flow.numbers.send_batch((0..6).collect())).unwrap();
    inline.run();
    outside.answer(1, Ok(1)); // it waits for the first, and so is dropped with it
    inline.run();
    let mut shutdown = Box::pin(flow.shutdown(Duration::from_secs(5)));
    assert!((&mut shutdown).now_or_never().is_none());
    inline.advance(Duration::from_secs(5));
    let dropped = inline.block_on(shutdown).unwrap();
    assert_eq!(dropped, [Dropped { node: "answered", records: 6 }]);
    assert_eq!(outside.desk().calls, 0);
}

#[test]
fn a_shutdown_in_time_waits_for_the_answers() {
    let outside = Outside::default();
    let (mut flow, mut inline) = Ordered { outside: outside.clone() }.builder().inline().unwrap();
    let mut answered = flow.answered.take();
    flow.numbers.try_send(1).unwrap();
    inline.run();
    let mut shutdown = Box::pin(flow.shutdown(Duration::from_secs(5)));
    assert!((&mut shutdown).now_or_never().is_none());
    outside.answer(1, Ok(1));
    inline.run();
    assert_eq!(inline.block_on(shutdown).unwrap(), []);
    assert_eq!(answered.next_now(), Some(1));
}

dataflow! {
    flow Sized {
        param concurrency: usize;
        input numbers: u64;
        answered = numbers -> map_async(|n| async move { Ok::<_, String>(n) }, concurrency concurrency) else fail;
        output answered: u64;
    }
}

#[test]
fn a_flow_that_could_never_call_does_not_start() {
    let (flow, mut inline) = Sized { concurrency: 1 }.builder().inline().unwrap();
    inline.block_on(flow.numbers.send_batch((0..100).collect())).unwrap();
    assert_eq!(inline.block_on(flow.finish()).unwrap().answered, (0..100).collect::<Vec<_>>());
    let refused = Sized { concurrency: 0 }.builder().inline().unwrap_err();
    let what = "`map_async` needs a `concurrency` of at least 1";
    assert_eq!(refused, StartError::Node { flow: "Sized", node: "answered", what });
}

async fn length(word: String) -> Result<usize, std::convert::Infallible> {
    Ok(word.len())
}

dataflow! {
    /// Everything that may stand around a call.
    flow Around {
        param least: u64 = 3;
        param prefix: String = "n".into();
        input numbers: u64;
        words = numbers
            -> key_by(number: u64 = |n| *n)
            -> aggregate { times: u64 = count() } keep forever
            -> filter(|r| r.number >= least)
            -> map_async(|r| async move { Ok::<_, String>(format!("{prefix}{}", r.number + least - least)) }) else fail;
        lengths: usize = words -> map_async(length, unordered) else skip;
        numbered = words
            -> map_async(async move |word: String| Ok::<_, String>(word.replace(&*prefix, "N")))
            else fail
            -> route { even: |word: &String| word.ends_with(['0', '2', '4', '6', '8']) } else odd;
        totals = lengths -> key_by(length: usize = |length| *length) -> aggregate { n: u64 = count() } keep forever;
        output words: String;
        output even: String;
        output odd: String;
        output totals;
    }
}

#[test]
fn calls_stand_among_all_other_operators_whatever_the_shards() {
    for shards in [1, 2, 4] {
        let (flow, mut inline) = Around::default().builder().shards(shards).inline().unwrap();
        inline.block_on(flow.numbers.send_batch((0..12).collect())).unwrap();
        let unread = inline.block_on(flow.finish()).unwrap();
        let sorted = |mut words: Vec<String>| {
            words.sort();
            words
        };
        assert_eq!(sorted(unread.words), ["n10", "n11", "n3", "n4", "n5", "n6", "n7", "n8", "n9"]);
        assert_eq!(sorted(unread.even), ["N10", "N4", "N6", "N8"]);
        assert_eq!(sorted(unread.odd), ["N11", "N3", "N5", "N7", "N9"]);
        let mut last = HashMap::new();
        for total in unread.totals {
            last.insert(total.length, total.n);
        }
        assert_eq!(last, HashMap::from([(2, 7), (3, 2)]));
    }
}

#[test]
fn the_graph_shows_a_stage_for_each_call() {
    let stages: Vec<_> = Around::GRAPH.stages.iter().map(|stage| (stage.name, stage.keyed)).collect();
    let names = ["numbers", "words", "words", "lengths", "numbered", "totals"];
    let mut found: Vec<_> = stages.iter().map(|(name, _)| *name).collect();
    let mut expected = names.to_vec();
    found.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found, expected);
    assert!(stages.iter().filter(|(_, keyed)| *keyed).all(|(name, _)| ["words", "totals"].contains(name)));
}

/// What happened, when (in seconds), and how long it takes until somebody answers.
#[derive(Clone, Copy, Debug)]
pub struct Event {
    at: i64,
    id: u64,
    turns: u64,
}

async fn after_turns(event: Event) -> Result<Event, String> {
    let mut left = event.turns;
    poll_fn(move |cx| {
        if left == 0 {
            return Poll::Ready(());
        }
        left -= 1;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
    if event.id % 7 == 3 { Err("three".into()) } else { Ok(event) }
}

fn at(event: &Event) -> Timestamp {
    Timestamp::from_secs(event.at)
}

dataflow! {
    /// Without calls: what is right.
    flow Direct {
        input events: Event;
        timed = events -> event_time(at, lateness 5 s)
            -> try_map(|e: Event| if e.id % 7 == 3 { Err(e) } else { Ok(e) }) else failed;
        windows = timed -> key_by(key: u64 = |e| e.id % 3) -> tumbling(10 s) else late
            -> aggregate { ids: Vec<u64> = collect(|e| e.id) };
        failures = failed -> key_by(key: u64 = |_| 0) -> tumbling(10 s)
            -> aggregate { n: u64 = count() };
        output windows;
        output late: psdf::Late<Event>;
        output failures;
    }
}

dataflow! {
    flow Shuffled {
        input events: Event;
        timed = events -> event_time(at, lateness 5 s) -> map_async(after_turns, unordered, concurrency 7) else failed;
        windows = timed -> key_by(key: u64 = |e| e.id % 3) -> tumbling(10 s) else late
            -> aggregate { ids: Vec<u64> = collect(|e| e.id) };
        failures = failed -> key_by(key: u64 = |_| 0) -> tumbling(10 s)
            -> aggregate { n: u64 = count() };
        output windows;
        output late: psdf::Late<Event>;
        output failures;
    }
}

dataflow! {
    /// The time set again, with the watermark that comes out of the calls.
    flow Retimed {
        input events: Event;
        timed = events -> event_time(at, lateness 5 s) -> map_async(after_turns, unordered, concurrency 7) else failed;
        windows = timed -> event_time(at) -> key_by(key: u64 = |e| e.id % 3) -> tumbling(10 s) else late
            -> aggregate { ids: Vec<u64> = collect(|e| e.id) };
        failures = failed -> event_time(|f: &Failed<Event, String>| at(&f.record)) -> key_by(key: u64 = |_| 0)
            -> tumbling(10 s) -> aggregate { n: u64 = count() };
        output windows;
        output late: psdf::Late<Event>;
        output failures;
    }
}

dataflow! {
    flow InOrder {
        input events: Event;
        timed = events -> map_async(after_turns, concurrency 7) else failed;
        windows = timed -> event_time(at, lateness 5 s) -> key_by(key: u64 = |e| e.id % 3) -> tumbling(10 s) else late
            -> aggregate { ids: Vec<u64> = collect(|e| e.id) };
        failures = failed -> event_time(|f: &Failed<Event, String>| at(&f.record), lateness 5 s)
            -> key_by(key: u64 = |_| 0) -> tumbling(10 s)
            -> aggregate { n: u64 = count() };
        output windows;
        output late: psdf::Late<Event>;
        output failures;
    }
}

/// Windows (with their records in any order), late records, and windows of failures.
type Found = (Vec<(u64, i64, Vec<u64>)>, Vec<u64>, Vec<(i64, u64)>);

/// Runs a flow over batches; what it found.
macro_rules! found {
    ($flow:ident, $shards:expr, $limit:expr, $batches:expr) => {{
        let (limit, capacity) = $limit;
        let builder = $flow.builder().shards($shards).batch_limit(limit).capacity(capacity);
        let (mut flow, mut inline) = builder.inline().unwrap();
        let (events, mut windows, mut late, mut failures) = (flow.events.clone(), vec![], vec![], vec![]);
        for batch in $batches {
            let mut sending = Box::pin(events.send_batch(batch.clone()));
            while (&mut sending).now_or_never().is_none() {
                inline.run();
                windows.extend(std::iter::from_fn(|| flow.windows.next_now()));
                late.extend(std::iter::from_fn(|| flow.late.next_now()));
                failures.extend(std::iter::from_fn(|| flow.failures.next_now()));
            }
            if batch.len() % 2 == 0 {
                inline.run();
            }
        }
        drop(events);
        let unread = inline.block_on(flow.finish()).unwrap();
        let mut windows: Vec<_> = windows
            .into_iter()
            .chain(unread.windows)
            .map(|window| {
                let mut ids = window.ids;
                ids.sort_unstable();
                (window.key, window.window.start.as_secs(), ids)
            })
            .collect();
        windows.sort_unstable();
        let mut late: Vec<_> = late.into_iter().chain(unread.late).map(|late| late.record.id).collect();
        late.sort_unstable();
        let mut failures: Vec<_> = failures
            .into_iter()
            .chain(unread.failures)
            .map(|window| (window.window.start.as_secs(), window.n))
            .collect();
        failures.sort_unstable();
        (windows, late, failures)
    }};
}

fn batches() -> impl Strategy<Value = Vec<Vec<Event>>> {
    let event = (0..12i64, 0..9u64);
    prop::collection::vec(prop::collection::vec(event, 1..9), 1..24).prop_map(|batches| {
        let (mut id, mut now) = (0, 0);
        let event = |(behind, turns): (i64, u64)| {
            id += 1;
            now += 2;
            Event { at: now - behind, id, turns }
        };
        let mut event = event;
        batches.into_iter().map(|batch| batch.into_iter().map(&mut event).collect()).collect()
    })
}

proptest! {
    #![proptest_config(cases(64))]

    #[test]
    fn windows_and_lateness_do_not_depend_on_how_long_calls_take(
        batches in batches(),
        shards in prop::sample::select(vec![1usize, 2, 4]),
        limit in prop::sample::select(vec![(1usize, 1usize), (1, 16), (3, 2), (4096, 16)]),
    ) {
        let right: Found = found!(Direct, 1, (4096, 4096), &batches);
        let shuffled: Found = found!(Shuffled, shards, limit, &batches);
        prop_assert_eq!(&shuffled, &right);
        let retimed: Found = found!(Retimed, shards, limit, &batches);
        prop_assert_eq!(&retimed, &right);
        let in_order: Found = found!(InOrder, shards, limit, &batches);
        prop_assert_eq!(&in_order.0, &found!(InOrder, 1, (4096, 4096), &[batches.concat()]).0);
    }
}

fn second(n: &u64) -> Timestamp {
    Timestamp::from_secs(*n as i64)
}

dataflow! {
    flow Beside {
        param outside: Outside;
        input slow: u64;
        input quick: u64;
        answered = slow
            -> event_time(second, lateness 0 s)
            -> map_async(|n| outside.ask(n), unordered) else fail;
        timed = quick -> event_time(second, lateness 0 s);
        hours = merge(answered, timed) -> key_by(all: () = |_| ()) -> tumbling(10 s) else late
            -> aggregate { n: u64 = count() };
        output hours;
        output late: psdf::Late<u64>;
    }
}

#[test]
fn a_silent_input_is_not_idle_before_its_calls_are_answered() {
    let outside = Outside::default();
    let (mut flow, mut inline) =
        Beside { outside: outside.clone() }.builder().idle_after(micros(1_000_000)).inline().unwrap();
    flow.slow.try_send(5).unwrap();
    inline.run();
    inline.advance(Duration::from_secs(1));
    flow.quick.try_send(100).unwrap();
    inline.run();
    assert!(flow.hours.next_now().is_none(), "the call in flight holds the watermark");
    outside.answer(5, Ok(5));
    inline.run();
    flow.quick.try_send(101).unwrap();
    inline.run();
    assert_eq!(flow.hours.next_now().map(|hour| hour.n), Some(1));
    assert!(flow.late.next_now().is_none());
}
