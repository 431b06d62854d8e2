//! Stores that earlier versions wrote, each in a folder `tests/fixtures/state-v*`: this version goes on from them.
//!
//! Before a version is released that writes another format, its store is added beside the others:
//!
//! ```sh
//! PSDF_WRITE_FIXTURES=tests/fixtures/state-v2 cargo test --test stored_fixtures every_kind
//! PSDF_WRITE_FIXTURES=tests/fixtures/calls-v2 cargo test --test stored_fixtures calls_in_flight
//! ```

use psdf::{Timestamp, dataflow};
use std::fs;
use std::path::{Path, PathBuf};

type Event = (String, u32, u64);

dataflow! {
    pub flow Shop {
        input orders: Event;
        input payments: Event;
        timed = orders -> event_time(|order| Timestamp::from_secs(i64::from(order.1)), lateness 1 min);
        by_who = timed -> key_by(who: String = |order| order.0.clone());
        paid = payments
            -> event_time(|payment| Timestamp::from_secs(i64::from(payment.1)), lateness 1 min)
            -> key_by(who: String = |payment| payment.0.clone());

        totals = by_who -> stateful((String, u64, Option<u64>)) {
            state { sum: u64 = 0, last: Option<u64> = None } keep forever;
            |state, order, out| {
                state.sum += order.2;
                out.emit((order.0, state.sum, state.last.replace(order.2)));
            }
        };
        hourly = by_who -> tumbling(1 hour) -> aggregate {
            orders: u64 = count(),
            sum: u64 = sum(|order| order.2),
            mean: f64 = mean(|order| order.2),
            kinds: u64 = distinct(|order| order.2),
            all: Vec<u64> = collect(|order| order.2),
        };
        visits = by_who -> session(10 min) -> aggregate { orders: u64 = count(), first: u32 = first(|order| order.1) };
        firsts = by_who -> dedup keep forever;
        settled = by_who -> join(paid, within 1 hour);
        best = by_who -> aggregate { most: u64 = max(|order| order.2) } keep 1 day;

        output totals: (String, u64, Option<u64>);
        output hourly;
        output visits;
        output firsts: Event;
        output settled: (Event, Event);
        output best;
    }
}

fn event((who, second, n): (&str, u32, u64)) -> Event {
    (who.to_owned(), second, n)
}

/// Writes the store: every kind of state, each with something in it.
fn write(path: &Path) {
    let (flow, mut inline) = Shop.builder().shards(2).durable(path).inline().expect("the store is new");
    for order in [("ann", 10, 5), ("bob", 20, 7), ("ann", 300, 5)] {
        inline.block_on(flow.orders.send(event(order))).expect("the flow takes it");
    }
    inline.block_on(flow.payments.send(event(("bob", 40, 7)))).expect("the flow takes it");
    inline.run();
    inline.block_on(flow.stop_with_checkpoint()).expect("the flow stops");
}

/// Goes on from a store, and finds what `write` has left there.
fn goes_on(path: &Path, shards: usize) {
    let store = path.display();
    let (flow, mut inline) = Shop
        .builder()
        .shards(shards)
        .durable(path)
        .inline()
        .unwrap_or_else(|error| panic!("{store}: {error}"));
    assert_eq!((flow.orders.committed(), flow.payments.committed()), (3, 1), "{store}");
    for order in [("ann", 400, 9), ("bob", 1000, 7)] {
        inline.block_on(flow.orders.send(event(order))).expect("the flow takes it");
    }
    inline.block_on(flow.payments.send(event(("ann", 500, 5)))).expect("the flow takes it");
    let unread = inline.block_on(flow.finish()).unwrap_or_else(|error| panic!("{store}: {error}"));

    let mut totals = unread.totals;
    totals.sort();
    assert_eq!(totals, [("ann".to_owned(), 19, Some(5)), ("bob".to_owned(), 14, Some(7))], "{store}");
    let mut hours: Vec<_> =
        unread.hourly.into_iter().map(|h| (h.who, h.orders, h.sum, h.mean, h.kinds, h.all)).collect();
    hours.sort_by(|one, other| one.0.cmp(&other.0));
    let expected = [
        ("ann".to_owned(), 3, 19, 19.0 / 3.0, 2, vec![5, 5, 9]),
        ("bob".to_owned(), 2, 14, 7.0, 1, vec![7, 7]),
    ];
    assert_eq!(hours, expected, "{store}");
    let mut visits: Vec<_> = unread.visits.into_iter().map(|v| (v.who, v.orders, v.first)).collect();
    visits.sort();
    let expected = [("ann".to_owned(), 3, 10), ("bob".to_owned(), 1, 20), ("bob".to_owned(), 1, 1000)];
    assert_eq!(visits, expected, "{store}");
    assert_eq!(unread.firsts, [], "{store}: both have been there before");
    let mut settled: Vec<(Event, Event)> = unread.settled;
    settled.sort();
    let met = |order, payment| (event(order), event(payment));
    let expected = [
        met(("ann", 10, 5), ("ann", 500, 5)),
        met(("ann", 300, 5), ("ann", 500, 5)),
        met(("ann", 400, 9), ("ann", 500, 5)),
        met(("bob", 1000, 7), ("bob", 40, 7)),
    ];
    assert_eq!(settled, expected, "{store}");
    let mut best: Vec<_> = unread.best.into_iter().map(|best| (best.who, best.most)).collect();
    best.sort();
    assert_eq!(best, [("ann".to_owned(), 9), ("bob".to_owned(), 7)], "{store}");
}

dataflow! {
    /// Asks somebody who answers once, and after a restart always.
    pub flow Asking {
        param answers: bool;
        input orders: Event;
        timed = orders -> event_time(|order| Timestamp::from_secs(i64::from(order.1)), lateness 1 min);
        asked: Event = timed -> map_async(|order: Event| async move {
            if !answers && order.2 > 1 {
                std::future::pending::<()>().await;
            }
            Ok::<_, String>(order)
        }, unordered) else fail;
        hours = asked -> key_by(who: String = |order| order.0.clone()) -> tumbling(1 hour) else late
            -> aggregate { all: Vec<u64> = collect(|order| order.2) };
        output asked;
        output hours;
        output late: psdf::Late<Event>;
    }
}

/// Calls in flight, before a watermark and after it.
fn write_calls(path: &Path) {
    let builder = Asking { answers: false }.builder().durable(path);
    let (flow, mut inline) = builder.inline().expect("the store is new");
    for order in [("ann", 10, 1), ("ann", 20, 2), ("ann", 3690, 3), ("ann", 30, 4)] {
        inline.block_on(flow.orders.send(event(order))).expect("the flow takes it");
    }
    inline.run();
    let unread = inline.block_on(flow.stop_with_checkpoint()).expect("the flow stops");
    assert_eq!((unread.asked.len(), unread.hours.len()), (1, 0));
}

fn calls_go_on(path: &Path) {
    let store = path.display();
    let started = Asking { answers: true }.builder().durable(path).inline();
    let (flow, mut inline) = started.unwrap_or_else(|error| panic!("{store}: {error}"));
    let unread = inline.block_on(flow.finish()).unwrap_or_else(|error| panic!("{store}: {error}"));
    let numbers: Vec<u64> = unread.asked.iter().map(|order| order.2).collect();
    assert_eq!(numbers, [2, 3, 4], "{store}");
    let hours: Vec<_> = unread.hours.into_iter().map(|hour| hour.all).collect();
    assert_eq!(hours, [vec![1, 2], vec![3]], "{store}");
    assert_eq!(unread.late.len(), 1, "{store}: the watermark is where it was");
}

/// An empty folder for a test.
fn folder(test: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("psdf-stored-{test}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&path);
    path
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder can be made");
    for entry in fs::read_dir(from).expect("the folder is there") {
        let entry = entry.expect("the folder can be read").path();
        let to = to.join(entry.file_name().expect("it has a name"));
        if entry.is_dir() {
            copy(&entry, &to);
        } else {
            fs::copy(&entry, to).expect("a file can be copied");
        }
    }
}

/// Shows a copy of each store that is a fixture of some kind.
fn each_fixture(kind: &str, see: impl Fn(&Path)) {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let mut seen = 0;
    for entry in fs::read_dir(fixtures).expect("the fixtures are part of the repository") {
        let fixture = entry.expect("the folder can be read").path();
        let name = fixture.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        if !name.starts_with(kind) {
            continue;
        }
        let store = folder(&name);
        copy(&fixture, &store);
        see(&store);
        fs::remove_dir_all(store).expect("it is ours");
        seen += 1;
    }
    assert!(seen >= 1, "the store of the first version is there");
}

#[test]
fn a_store_of_every_version_is_gone_on_from() {
    for shards in [2, 3] {
        each_fixture("state-v", |store| goes_on(store, shards));
    }
}

#[test]
fn calls_that_every_version_had_in_flight_are_made_again() {
    each_fixture("calls-v", calls_go_on);
}

fn of_this_version(test: &str, write: fn(&Path), goes_on: impl Fn(&Path)) {
    let store = folder(test);
    write(&store);
    if let Some(fixture) = std::env::var_os("PSDF_WRITE_FIXTURES") {
        copy(&store, Path::new(&fixture));
    }
    goes_on(&store);
    fs::remove_dir_all(store).expect("it is ours");
}

#[test]
fn a_store_of_every_kind_of_state_is_gone_on_from() {
    of_this_version("now", write, |store| goes_on(store, 1));
}

#[test]
fn a_store_of_calls_in_flight_is_gone_on_from() {
    of_this_version("calls", write_calls, calls_go_on);
}
