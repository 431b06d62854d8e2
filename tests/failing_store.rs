//! Each call of a flow to its store fails in turn, once and for good, also those that merge and delete in the background:
//! the flow goes on or ends with an error of the store, and nothing that was committed is lost or doubled.

use psdf::storage::Storage;
use psdf::testing::{MemoryStorage, Rng};
use psdf::{FlowError, Inline, StartError, Timestamp, dataflow};
use psdf_runtime::checkpoint::names;
use psdf_runtime::checkpoint::recovery::latest;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// Who, second, amount.
type Order = (u8, i64, i64);

dataflow! {
    flow Shop {
        input orders: Order;
        timed = orders -> event_time(|order| Timestamp::from_secs(order.1), lateness 5 s);
        by_who = timed -> key_by(who: u8 = |order| order.0);
        totals = by_who -> stateful((u8, i64)) {
            state { sum: i64 = 0 }
            keep forever;
            |state, order, out| {
                state.sum += order.2;
                out.emit((order.0, state.sum));
            }
        };
        minutes = by_who -> tumbling(1 min) -> aggregate { n: u64 = count(), sum: i64 = sum(|order| order.2) };
        lines: String = minutes -> map(|minute| format!("{minute:?}"));
        output totals: (u8, i64);
        output lines;
    }
}

const EPOCHS: usize = 10;
const A_TIME: usize = 4;

fn orders() -> Vec<Order> {
    let mut rng = Rng::new(12);
    let mut below = |bound| i64::try_from(rng.below(bound)).expect("it is small");
    let order = |n: i64| (u8::try_from(below(9)).expect("it is small"), 1000 + n * 4 - below(5), below(9));
    (0..).map(order).take(EPOCHS * A_TIME).collect()
}

/// What a call does to the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Does {
    Write,
    Delete,
    Read,
}

/// Which calls fail.
#[derive(Clone, Copy, Debug)]
struct Plan {
    from: usize,
    until: usize,
    kind: io::ErrorKind,
    /// A write that fails takes effect all the same.
    kept: bool,
}

/// A store whose calls fail as planned; all that it was asked for is taken down.
#[derive(Clone, Default)]
struct Failing {
    storage: MemoryStorage,
    calls: Arc<Mutex<Vec<(Does, String)>>>,
    plan: Option<Plan>,
}

impl Failing {
    fn calls(&self) -> MutexGuard<'_, Vec<(Does, String)>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn call<T>(&self, does: Does, name: &str, call: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        let mut calls = self.calls();
        let number = calls.len();
        calls.push((does, name.to_owned()));
        drop(calls);
        match self.plan.filter(|plan| (plan.from..plan.until).contains(&number)) {
            Some(plan) => {
                if plan.kept && does != Does::Read {
                    call()?;
                }
                Err(io::Error::new(plan.kind, format!("call {number} was told to fail")))
            }
            None => call(),
        }
    }
}

impl Storage for Failing {
    fn put(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.call(Does::Write, name, || self.storage.put(name, bytes))
    }
    fn create(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.call(Does::Write, name, || self.storage.create(name, bytes))
    }
    fn get(&self, name: &str) -> io::Result<Vec<u8>> {
        self.call(Does::Read, name, || self.storage.get(name))
    }
    fn get_range(&self, name: &str, from: u64, len: u64) -> io::Result<Vec<u8>> {
        self.call(Does::Read, name, || self.storage.get_range(name, from, len))
    }
    fn list(&self, prefix: &str) -> io::Result<Vec<String>> {
        self.call(Does::Read, prefix, || self.storage.list(prefix))
    }
    fn delete(&self, name: &str) -> io::Result<()> {
        self.call(Does::Delete, name, || self.storage.delete(name))
    }
}

/// What was read of the outputs, over all runs: each record by its number.
#[derive(Clone, Debug, Default, PartialEq)]
struct Read {
    totals: BTreeMap<u64, (u8, i64)>,
    lines: BTreeMap<u64, String>,
}

/// A record that comes again is the same.
fn note<T: Clone + Debug + PartialEq>(of: &mut BTreeMap<u64, T>, number: u64, record: T) {
    let before = of.insert(number, record.clone());
    assert!(before.as_ref().is_none_or(|before| *before == record), "{number}: {before:?}, then {record:?}");
}

impl Read {
    fn take(&mut self, flow: &mut shop::Handle) {
        while let (number, Some(record)) = (flow.totals.number(), flow.totals.next_now()) {
            note(&mut self.totals, number.sequence, record);
        }
        while let (number, Some(record)) = (flow.lines.number(), flow.lines.next_now()) {
            note(&mut self.lines, number.sequence, record);
        }
    }

    /// What does not depend on which of the shards was quicker.
    fn sorted(&self) -> (Vec<(u8, i64)>, BTreeSet<String>) {
        let mut totals: Vec<_> = self.totals.values().copied().collect();
        totals.sort();
        (totals, self.lines.values().cloned().collect())
    }
}

/// Why a run of the flow ended before its input did.
#[derive(Debug)]
enum Ended {
    Refused(StartError),
    Failed(FlowError),
}

/// Runs a future and the flow, while time passes, as long as it takes.
fn wait<T>(inline: &mut Inline, future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    for _ in 0..1000 {
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return value;
        }
        inline.run();
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return value;
        }
        inline.advance(SECOND / 10);
    }
    panic!("the flow does not go on")
}

/// Goes on from a store to the end, if it comes there.
fn run(storage: &Failing, read: &mut Read) -> Result<(), Ended> {
    let builder = Shop.builder().shards(2).durable_in(storage.clone()).checkpoint_every(SECOND);
    let builder = builder.store_patience(SECOND).totals_on_commit().lines_on_commit();
    let (mut flow, mut inline) = builder.inline().map_err(Ended::Refused)?;
    let begun = flow.control.committed_epoch();
    let sent = usize::try_from(flow.orders.committed()).expect("it is small");
    read.take(&mut flow);
    for orders in orders()[sent..].chunks(A_TIME) {
        for order in orders {
            if wait(&mut inline, flow.orders.send(*order)).is_err() {
                return Err(Ended::Failed(flow.control.error().expect("it says why")));
            }
        }
        inline.run();
        for _ in 0..2 {
            read.take(&mut flow);
            inline.advance(SECOND / 2);
        }
        read.take(&mut flow);
        inline.run();
    }
    let committed = flow.control.committed_epoch();
    assert!(committed >= begun);
    let (totals, lines) = (flow.totals.number().sequence, flow.lines.number().sequence);
    let unread = wait(&mut inline, flow.finish()).map_err(Ended::Failed)?;
    let numbered = |first: u64| first..;
    numbered(totals).zip(unread.totals).for_each(|(number, record)| note(&mut read.totals, number, record));
    numbered(lines).zip(unread.lines).for_each(|(number, record)| note(&mut read.lines, number, record));
    Ok(())
}

/// A run in which nothing fails: what it gives, and all its calls.
fn undisturbed() -> (Read, Vec<(Does, String)>) {
    let (storage, mut read) = (Failing::default(), Read::default());
    run(&storage, &mut read).expect("nothing fails");
    let calls = storage.calls().clone();
    (read, calls)
}

/// A run in which some calls fail, and one in which none does, if that one did not come to its end. Whether it did.
fn disturbed(plan: Plan, expected: &Read) -> bool {
    let (mut storage, mut read) = (Failing { plan: Some(plan), ..Failing::default() }, Read::default());
    let ended = run(&storage, &mut read);
    match &ended {
        Ok(()) | Err(Ended::Refused(StartError::Store { .. })) => {}
        Err(Ended::Failed(FlowError::Checkpoint { error, .. })) => {
            assert!(error.to_string().contains("was told to fail"), "{plan:?}: {error}");
        }
        Err(error) => panic!("{plan:?}: {error:?}"),
    }
    // What is stored is whole, all of it.
    let recovered =
        latest(Arc::new(storage.storage.clone())).unwrap_or_else(|error| panic!("{plan:?}: {error}"));
    assert!(recovered.is_none_or(|recovered| recovered.passed_over.is_empty()), "{plan:?}");
    storage.plan = None;
    // It goes on to its end, if it had not come there and all had been told.
    match run(&storage, &mut read) {
        Ok(()) | Err(Ended::Refused(StartError::Finished { .. })) => {}
        again => panic!("{plan:?}: {ended:?}, then {again:?}"),
    }
    assert_eq!(read.sorted(), expected.sorted(), "{plan:?}: {ended:?}");
    ended.is_ok()
}

/// Every call of that kind fails in turn; how many runs came to their end, and how many did not.
fn each_fails(does: Does, mut plan: impl FnMut(usize) -> Plan) -> (usize, usize) {
    let (expected, calls) = undisturbed();
    let (mut survived, mut ended) = (0, 0);
    for (call, _) in calls.iter().enumerate().filter(|(_, call)| call.0 == does) {
        let end = if disturbed(plan(call), &expected) { &mut survived } else { &mut ended };
        *end += 1;
    }
    (survived, ended)
}

fn once(call: usize, kept: bool) -> Plan {
    Plan { from: call, until: call + 1, kind: io::ErrorKind::TimedOut, kept }
}

fn for_good(call: usize, kept: bool) -> Plan {
    Plan { from: call, until: usize::MAX, kind: io::ErrorKind::StorageFull, kept }
}

#[test]
fn the_run_merges_and_deletes() {
    let (read, calls) = undisturbed();
    let of = |does: Does, part: &str| {
        calls.iter().filter(|(did, name)| *did == does && name.contains(part)).count()
    };
    assert!(read.totals.len() == EPOCHS * A_TIME && read.lines.len() > 5, "{read:?}");
    assert!(of(Does::Write, names::MANIFESTS) > EPOCHS, "{calls:?}");
    assert!(of(Does::Write, "to") >= 2, "it merges: {calls:?}");
    assert!(of(Does::Delete, names::SEGMENTS) > 10 && of(Does::Delete, names::HELD) > 5, "{calls:?}");
}

#[test]
fn a_write_that_fails_once_is_made_again() {
    for kept in [false, true] {
        let (survived, ended) = each_fails(Does::Write, |call| once(call, kept));
        assert!(survived > 40 && ended == 0, "{survived} survived, {ended} ended");
    }
}

#[test]
fn a_disk_that_is_full_for_good_ends_the_flow_and_loses_nothing() {
    for kept in [false, true] {
        let (survived, ended) = each_fails(Does::Write, |call| for_good(call, kept));
        assert!(ended > 40 && survived < 3, "{survived} survived, {ended} ended");
    }
}

#[test]
fn what_cannot_be_deleted_stays_and_harms_nothing() {
    for kept in [false, true] {
        let (survived, ended) = each_fails(Does::Delete, |call| once(call, kept));
        assert!(survived > 20 && ended == 0, "{survived} survived, {ended} ended");
    }
}

#[test]
fn a_read_that_fails_once_or_for_good_ends_nothing_but_a_start() {
    let (survived, ended) = each_fails(Does::Read, |call| once(call, false));
    assert!(survived > 100 && ended <= 3, "{survived} survived, {ended} ended");
    each_fails(Does::Read, |call| for_good(call, false));
}
