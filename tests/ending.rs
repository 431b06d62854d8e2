//! A flow ends: when it is told to, when its inputs have, when its deadline has passed, when its handle is dropped.

#[path = "support/threads.rs"]
mod threads;

use futures_util::{FutureExt, Sink as _, SinkExt, StreamExt};
use psdf::{Dropped, FlowError, Output, Refusal, Sink, SinkError, Timestamp, dataflow, sources};
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use threads::{in_time, on_threads, threads};
use tokio::runtime::Handle;

dataflow! {
    /// Several stages, with and without a key, two inputs.
    flow Busy {
        /// Lives as long as anything of the flow.
        param witness: Arc<()> = Arc::new(());

        input numbers: u64;
        input others: u64;

        plain = numbers -> inspect(|_| drop(Arc::clone(witness)));
        keyed = plain -> key_by(k: u64 = |n| n % 10) -> stateful(u64) {
            state { sum: u64 = 0 } keep forever;
            |state, n, out| { state.sum += n; out.emit(n) }
        };
        both = merge(keyed, others);
        counts = both
            -> event_time(|n| Timestamp::from_secs(*n as i64), lateness 1 min)
            -> key_by(k: u64 = |n| n % 3)
            -> tumbling(1 hour)
            -> aggregate { count: u64 = count() };

        output plain: u64;
        output keyed: u64;
        output both: u64;
        output counts;
    }
}

dataflow! {
    /// A stage with a key between two without.
    flow Line {
        input numbers: u64;
        kept = numbers -> key_by(n: u64 = |n| *n) -> stateful(u64) {
            state { unit: () = () } keep forever; |_state, n, out| { out.emit(n) }
        };
        again = merge(kept, nothing);
        input nothing: u64;
        output again: u64;
    }
}

/// Polls a future once.
fn poll<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    future.poll_unpin(&mut Context::from_waker(Waker::noop()))
}

/// Gives way until a condition holds.
async fn until(condition: impl Fn() -> bool) {
    in_time(async {
        while !condition() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[test]
fn finish_drains_and_gives_what_nobody_has_read() {
    let (mut flow, mut inline) = Busy::default().builder().inline().unwrap();
    inline.block_on(flow.numbers.send_batch((0..100).collect())).unwrap();
    inline.block_on(flow.others.send_batch((0..50).collect())).unwrap();
    assert_eq!(inline.block_on(flow.plain.next()), Some(0));
    assert_eq!(inline.block_on(flow.plain.next()), Some(1));
    inline.block_on(flow.both.next_batch()).unwrap();
    let unread = inline.block_on(flow.finish()).unwrap();
    assert_eq!(unread.plain, (2..100).collect::<Vec<_>>());
    assert_eq!(unread.keyed, (0..100).collect::<Vec<_>>());
    assert_eq!(unread.counts.iter().map(|r| r.count).sum::<u64>(), 150);
}

#[test]
fn a_flow_that_nobody_feeds_or_reads_finishes() {
    for shards in [1, 4] {
        on_threads(async {
            let unread = Busy::default().builder().shards(shards).spawn().unwrap().finish().await.unwrap();
            assert!(unread.plain.is_empty() && unread.keyed.is_empty());
            assert!(unread.both.is_empty() && unread.counts.is_empty());
        });
    }
}

#[test]
fn a_full_flow_that_nobody_reads_finishes() {
    on_threads(async {
        let flow = Busy::default().builder().capacity(1).batch_limit(1).shards(2).spawn().unwrap();
        let (mut sent, mut refused) = (0, 0);
        while refused < 1000 {
            match flow.numbers.try_send(sent) {
                Ok(()) => sent += 1,
                Err(_) => refused += 1,
            }
            tokio::task::yield_now().await;
        }
        let unread = flow.finish().await.unwrap();
        assert_eq!(unread.plain, (0..sent).collect::<Vec<_>>());
        assert_eq!(unread.counts.iter().map(|r| r.count).sum::<u64>(), sent);
    });
}

#[test]
fn an_input_takes_nothing_once_the_flow_finishes() {
    let (flow, mut inline) = Busy::default().builder().inline().unwrap();
    let (clone, mut closed) = (flow.numbers.clone(), flow.others.clone());
    closed.close();
    closed.close();
    assert!(matches!(closed.try_send(1).unwrap_err().reason, Refusal::Closed));
    inline.block_on(flow.others.send(2)).expect("other clones go on");
    inline.block_on(flow.finish()).unwrap();
    for refused in [clone.try_send(3), inline.block_on(clone.send(3))] {
        let refused = refused.unwrap_err();
        assert!(matches!(refused.reason, Refusal::Closed));
        assert_eq!(refused.unsent, 3);
    }
    assert_eq!(inline.block_on(clone.send_batch(vec![3, 4])).unwrap_err().unsent, [3, 4]);
    assert!(inline.block_on(clone.send_batch(Vec::new())).is_ok(), "nothing can always be sent");
}

#[test]
fn what_waits_to_be_sent_comes_back_when_the_flow_finishes() {
    let (flow, mut inline) = Line.builder().capacity(1).batch_limit(2).inline().unwrap();
    let numbers = flow.numbers.clone();
    let mut waiting = pin!(numbers.send_batch((0..100).collect()));
    while poll(&mut waiting).is_pending() && flow.numbers.try_send(1000).is_ok() {
        inline.run();
    }
    inline.run();
    let (unread, unsent) = inline.block_on(async { tokio::join!(flow.finish(), waiting) });
    let (unread, unsent) = (unread.unwrap(), unsent.unwrap_err());
    assert!(matches!(unsent.reason, Refusal::Closed));
    let sent: Vec<u64> = unread.again.into_iter().filter(|n| *n != 1000).collect();
    let all = [sent, unsent.unsent].concat();
    assert_eq!(all, (0..100).collect::<Vec<_>>(), "what comes back is all that was not taken");
}

#[test]
fn a_flow_ends_by_itself_when_its_inputs_do() {
    let (mut flow, mut inline) = Busy::default().builder().inline().unwrap();
    let clone = flow.numbers.clone();
    inline.block_on(flow.numbers.send(1)).unwrap();
    flow.numbers.close();
    flow.others.close();
    assert_eq!(inline.block_on(flow.plain.next()), Some(1));
    inline.run();
    assert_eq!(flow.counts.next_now().map(|r| r.count), None, "a clone of an input may still send");
    inline.block_on(clone.send(2)).unwrap();
    drop(clone);
    assert_eq!(inline.block_on(flow.plain.next()), Some(2));
    assert_eq!(inline.block_on(flow.plain.next()), None);
    assert_eq!(inline.block_on(flow.plain.try_next()).unwrap(), None);
    assert_eq!(inline.block_on(flow.counts.next()).map(|r| r.count), Some(1));
    inline.run();
    assert!(flow.control.is_finished());
    assert!(flow.control.error().is_none());
    let unread = inline.block_on(flow.finish()).unwrap();
    assert_eq!(unread.both, [1, 2]);
}

#[test]
fn a_finishing_flow_waits_for_those_who_read_its_outputs() {
    on_threads(async {
        let mut flow = Line.builder().capacity(1).batch_limit(1).spawn().unwrap();
        let mut again = Output::take(&mut flow.again);
        let numbers = flow.numbers.clone();
        let sent = tokio::spawn(async move { numbers.send_batch((0..1000).collect()).await });
        assert_eq!(again.next().await, Some(0));
        let finished = tokio::spawn(flow.finish());
        let mut read = vec![0];
        while let Some(n) = again.next().await {
            read.push(n);
        }
        finished.await.unwrap().unwrap();
        let unsent = sent.await.unwrap().map_or_else(|refused| refused.unsent, |()| Vec::new());
        assert_eq!([read, unsent].concat(), (0..1000).collect::<Vec<_>>());
    });
}

#[test]
fn a_flow_finishes_although_a_clone_of_its_input_never_stops_sending() {
    on_threads(async {
        let mut flow = Busy::default().spawn().unwrap();
        drop((
            Output::take(&mut flow.plain),
            Output::take(&mut flow.keyed),
            Output::take(&mut flow.both),
            Output::take(&mut flow.counts),
        ));
        let senders: Vec<_> = (0..4)
            .map(|_| {
                let numbers = flow.numbers.clone();
                tokio::spawn(async move { while numbers.send(1).await.is_ok() {} })
            })
            .collect();
        until(|| flow.numbers.try_send(1).is_ok()).await;
        flow.finish().await.unwrap();
        for sender in senders {
            sender.await.unwrap();
        }
    });
}

#[test]
fn dropping_the_handle_stops_every_task_and_lets_go_of_the_params() {
    for shards in [1, 4] {
        let runtime = threads();
        runtime.block_on(async {
            let witness = Arc::new(());
            let gone = Arc::downgrade(&witness);
            let mut flow = Busy { witness }.builder().shards(shards).capacity(1).spawn().unwrap();
            let numbers = flow.numbers.clone();
            numbers.send_batch((0..100).collect()).now_or_never();
            assert!(flow.plain.next().await.is_some());
            let mut keyed = Output::take(&mut flow.keyed);
            assert!(Handle::current().metrics().num_alive_tasks() > 3);
            drop(flow);
            until(|| Handle::current().metrics().num_alive_tasks() == 0).await;
            assert!(gone.upgrade().is_none());
            let refused = numbers.send(1).await.unwrap_err();
            assert!(matches!(refused.reason, Refusal::Failed(FlowError::Stopped { flow: "Busy" })));
            while keyed.next().await.is_some() {}
            assert!(matches!(keyed.try_next().await, Err(FlowError::Stopped { .. })));
        });
    }
}

#[test]
fn a_finished_flow_leaves_nothing_behind() {
    let runtime = threads();
    runtime.block_on(async {
        let witness = Arc::new(());
        let gone = Arc::downgrade(&witness);
        let flow = Busy { witness }.builder().shards(3).spawn().unwrap();
        let numbers = flow.numbers.clone();
        numbers.send(1).await.unwrap();
        let unread = flow.finish().await.unwrap();
        assert_eq!(unread.plain, [1]);
        assert!(gone.upgrade().is_none());
        until(|| Handle::current().metrics().num_alive_tasks() == 0).await;
    });
}

#[test]
fn giving_up_a_finish_stops_the_flow() {
    let (mut flow, mut inline) = Busy::default().builder().inline().unwrap();
    let mut plain = Output::take(&mut flow.plain);
    inline.block_on(flow.numbers.send(1)).unwrap();
    let mut finish = Box::pin(flow.finish());
    assert!(poll(&mut finish).is_pending());
    drop(finish);
    inline.run();
    assert!(matches!(inline.block_on(plain.try_next()), Err(FlowError::Stopped { .. })));
}

#[test]
fn a_shutdown_that_drains_in_time_drops_nothing() {
    let (mut flow, mut inline) = Line.builder().inline().unwrap();
    let again = Output::take(&mut flow.again);
    inline.block_on(flow.numbers.send_batch((0..100).collect())).unwrap();
    assert_eq!(inline.block_on(flow.shutdown(Duration::from_secs(1))).unwrap(), []);
    assert_eq!(again.collect::<Vec<_>>().now_or_never().unwrap().len(), 100);
}

#[test]
fn a_shutdown_accounts_for_what_nobody_has_read() {
    let (flow, mut inline) = Line.builder().inline().unwrap();
    inline.block_on(flow.numbers.send_batch((0..100).collect())).unwrap();
    let dropped = inline.block_on(flow.shutdown(Duration::from_secs(1))).unwrap();
    assert_eq!(dropped.iter().map(|dropped| dropped.records).sum::<u64>(), 100);
}

/// Fills a flow whose output somebody has taken and does not read, and shuts it down: what it took, what it says it has
/// dropped, and what can still be read.
fn shut_down_when_full(capacity: usize, batch_limit: usize, shards: usize) -> (u64, Vec<Dropped>, u64) {
    let flow = Line.builder().capacity(capacity).batch_limit(batch_limit).shards(shards);
    let (mut flow, mut inline) = flow.inline().expect("the settings are good");
    let mut again = Output::take(&mut flow.again);
    let mut taken = 0;
    while flow.numbers.try_send(taken).is_ok() {
        taken += 1;
        inline.run();
    }
    let mut shutdown = Box::pin(flow.shutdown(Duration::from_secs(5)));
    assert!(poll(&mut shutdown).is_pending());
    inline.advance(Duration::from_secs(4));
    assert!(poll(&mut shutdown).is_pending());
    inline.advance(Duration::from_secs(1));
    let dropped = inline.block_on(shutdown).expect("nothing failed");
    let read = std::iter::from_fn(|| again.next_now()).count() as u64;
    assert!(matches!(inline.block_on(again.try_next()), Err(FlowError::Stopped { .. })));
    (taken, dropped, read)
}

#[test]
fn a_shutdown_whose_deadline_passes_says_what_was_dropped_on_its_way_where() {
    let (taken, dropped, read) = shut_down_when_full(1, 1, 1);
    // A record in each place of an edge, and one in each stage.
    assert_eq!((taken, read), (7, 1));
    let dropped_at =
        |node| dropped.iter().find(|dropped| dropped.node == node).map(|dropped| dropped.records);
    assert_eq!([dropped_at("numbers"), dropped_at("kept"), dropped_at("again")], [Some(2), Some(2), Some(2)]);
}

#[test]
fn what_is_read_and_what_is_dropped_is_all_there_was() {
    for (capacity, batch_limit, shards) in [(1, 1, 1), (2, 3, 1), (16, 1024, 1), (1, 1, 4), (3, 2, 3)] {
        let (taken, dropped, read) = shut_down_when_full(capacity, batch_limit, shards);
        let dropped: u64 = dropped.iter().map(|dropped| dropped.records).sum();
        assert_eq!(read + dropped, taken, "capacity {capacity}, limit {batch_limit}, {shards} shards");
    }
}

/// Takes what it is given, and is never done with it.
struct Stuck(mpsc::Sender<usize>);

impl Sink for Stuck {
    type Item = u64;

    async fn write(&mut self, records: Vec<u64>) -> Result<(), SinkError> {
        self.0.send(records.len()).expect("the test listens");
        std::future::pending().await
    }
}

#[test]
fn what_waits_for_a_sink_is_dropped_under_the_name_of_its_output() {
    let (take, taken) = mpsc::channel();
    let flow = Line.builder().capacity(2).batch_limit(1).again_to(Stuck(take));
    let (flow, mut inline) = flow.inline().unwrap();
    let mut sent = 0;
    while flow.numbers.try_send(sent).is_ok() {
        sent += 1;
        inline.run();
    }
    let mut shutdown = Box::pin(flow.shutdown(Duration::from_secs(5)));
    assert!(poll(&mut shutdown).is_pending());
    inline.advance(Duration::from_secs(5));
    let dropped = inline.block_on(shutdown).unwrap();
    let taken: usize = taken.iter().sum();
    let all: u64 = dropped.iter().map(|dropped| dropped.records).sum();
    assert_eq!((taken, all + 1), (1, sent), "{dropped:?}");
}

#[test]
fn what_a_source_has_given_is_read_or_dropped() {
    let (tell, told) = mpsc::channel();
    let numbers = (0..1000).inspect(move |_| tell.send(()).expect("the test listens"));
    let flow = Line.builder().capacity(2).batch_limit(3).numbers_from(sources::iter(numbers));
    let (mut flow, mut inline) = flow.inline().unwrap();
    let mut again = Output::take(&mut flow.again);
    inline.run();
    let mut shutdown = Box::pin(flow.shutdown(Duration::from_secs(5)));
    assert!(poll(&mut shutdown).is_pending());
    inline.advance(Duration::from_secs(5));
    let dropped = inline.block_on(shutdown).unwrap();
    let read = std::iter::from_fn(|| again.next_now()).count() as u64;
    let all: u64 = dropped.iter().map(|dropped| dropped.records).sum();
    assert_eq!(read + all, told.iter().count() as u64, "{read} read, {dropped:?}");
}

/// Stops a flow on threads in the middle of its work: what its source had given, what was read, what it says it dropped.
async fn stopped_at_work(
    capacity: usize,
    batch_limit: usize,
    shards: usize,
    read: bool,
) -> (u64, u64, Vec<Dropped>) {
    let given = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&given);
    let numbers = (0..).inspect(move |_| {
        counter.fetch_add(1, Ordering::Relaxed);
    });
    let flow = Line.builder().capacity(capacity).batch_limit(batch_limit).shards(shards);
    let mut flow = flow.numbers_from(sources::iter(numbers)).spawn().expect("the settings are good");
    let again = read.then(|| Output::take(&mut flow.again));
    let reader = tokio::spawn(async move {
        match again {
            Some(again) => again.count().await as u64,
            None => 0,
        }
    });
    // Where nobody reads, there is not room for much.
    let enough = if read { 500 } else { 1 };
    until(|| given.load(Ordering::Relaxed) >= enough).await;
    let dropped = flow.shutdown(Duration::ZERO).await.expect("nothing failed");
    (given.load(Ordering::Relaxed), reader.await.expect("it reads to the end"), dropped)
}

#[test]
fn a_flow_that_is_stopped_at_work_accounts_for_every_record() {
    for (capacity, batch_limit) in [(1, 1), (1, 64), (3, 7)] {
        for (shards, read) in [(1, false), (1, true), (4, false), (4, true)] {
            for _ in 0..5 {
                let (given, read, dropped) = on_threads(stopped_at_work(capacity, batch_limit, shards, read));
                let all: u64 = dropped.iter().map(|dropped| dropped.records).sum();
                assert_eq!(read + all, given, "{read} read, {dropped:?}");
            }
        }
    }
}

/// Stops a flow while several send into it, each in its own way: how many records they were told had been taken, how
/// many were read, and what the flow says it dropped.
async fn stopped_while_sending() -> (u64, u64, Vec<Dropped>) {
    let mut flow = Line.builder().capacity(4).batch_limit(2).spawn().expect("the settings are good");
    let taken = Arc::new(AtomicU64::new(0));
    for way in [0, 1, 2, 3, 3, 3, 3] {
        let (mut numbers, taken) = (flow.numbers.clone(), Arc::clone(&taken));
        tokio::spawn(async move {
            loop {
                let sent = match way {
                    0 => numbers.send(1).await.map_or(0, |()| 1),
                    1 => numbers
                        .send_batch(vec![1; 5])
                        .await
                        .map_or_else(|error| 5 - error.unsent.len(), |()| 5),
                    2 => SinkExt::send(&mut numbers, 1).await.map_or(0, |()| 1),
                    _ => numbers.try_send(1).map_or(0, |()| 1),
                };
                taken.fetch_add(sent as u64, Ordering::Relaxed);
                if numbers.is_closed() {
                    break;
                }
                if way == 3 {
                    tokio::task::yield_now().await;
                }
            }
        });
    }
    let again = Output::take(&mut flow.again);
    let reader = tokio::spawn(async move { again.count().await as u64 });
    until(|| taken.load(Ordering::Relaxed) >= 50).await;
    let dropped = flow.shutdown(Duration::ZERO).await.expect("nothing failed");
    // When the last clone is gone, so are those who send.
    until(|| Arc::strong_count(&taken) == 1).await;
    (taken.load(Ordering::Relaxed), reader.await.expect("it reads to the end"), dropped)
}

#[test]
fn a_record_that_was_taken_while_the_flow_was_stopped_is_accounted_for() {
    for _ in 0..300 {
        let (taken, read, dropped) = on_threads(stopped_while_sending());
        let all: u64 = dropped.iter().map(|dropped| dropped.records).sum();
        assert_eq!(read + all, taken, "{read} read, {dropped:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_deadline_counts_in_the_time_of_the_runtime() {
    let mut flow = Line.builder().capacity(1).batch_limit(1).spawn().unwrap();
    let _again = Output::take(&mut flow.again);
    let full = async { while flow.numbers.send(1).await.is_ok() {} };
    // The clock moves on only when every task waits.
    tokio::time::timeout(Duration::from_secs(1), full).await.unwrap_err();
    let dropped = flow.shutdown(Duration::from_secs(3600)).await.unwrap();
    assert_eq!(dropped.iter().map(|dropped| dropped.records).sum::<u64>(), 6);
}

/// Waits for a future on a thread that knows of no runtime.
fn wait<T: Send>(future: impl Future<Output = T> + Send) -> T {
    struct Unpark(std::thread::Thread);
    impl std::task::Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return value;
        }
        std::thread::park();
    }
}

#[test]
fn a_handle_works_outside_of_its_runtime() {
    let runtime = threads();
    let spawn = || {
        let _entered = runtime.enter();
        Line.spawn().unwrap()
    };
    let mut flow = spawn();
    wait(flow.numbers.send(1)).unwrap();
    assert_eq!(wait(flow.again.next()), Some(1));
    wait(flow.finish()).unwrap();
    assert_eq!(wait(spawn().shutdown(Duration::from_secs(3600))).unwrap(), []);
}

#[test]
fn a_runtime_that_is_shut_down_under_a_flow_is_no_good_end() {
    let runtime = threads();
    let mut flow = {
        let _entered = runtime.enter();
        Line.spawn().unwrap()
    };
    let numbers = flow.numbers.clone();
    wait(numbers.send_batch((0..100).collect())).unwrap();
    drop(runtime);
    while wait(flow.again.next()).is_some() {}
    assert!(matches!(wait(flow.again.try_next()), Err(FlowError::Stopped { .. })));
    assert!(matches!(wait(numbers.send(1)).unwrap_err().reason, Refusal::Failed(FlowError::Stopped { .. })));
    assert!(matches!(wait(flow.finish()), Err(FlowError::Stopped { .. })));
}

#[test]
fn a_place_reserved_by_a_futures_sink_does_not_hold_up_the_end() {
    let (flow, mut inline) = Line.builder().inline().unwrap();
    let mut numbers = flow.numbers.clone();
    inline.block_on(poll_fn(|cx| Pin::new(&mut numbers).poll_ready(cx))).unwrap();
    inline.block_on(flow.finish()).unwrap();
    let refused = inline.block_on(poll_fn(|cx| Pin::new(&mut numbers).poll_ready(cx))).unwrap_err();
    assert!(matches!(refused.reason, Refusal::Closed));
}
