//! Stores that earlier versions wrote, each in a folder `tests/fixtures/state-v*`: this version goes on from them.
//!
//! Before a version is released that writes another format, its store is added beside the others:
//!
//! ```sh
//! PSDF_WRITE_FIXTURES=tests/fixtures/state-v2 cargo test --test stored_fixtures
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

#[test]
fn a_store_of_every_version_is_gone_on_from() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let mut seen = 0;
    for entry in fs::read_dir(fixtures).expect("the fixtures are part of the repository") {
        let fixture = entry.expect("the folder can be read").path();
        let name = fixture.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        if !name.starts_with("state-v") {
            continue;
        }
        for shards in [2, 3] {
            let store = folder(&name);
            copy(&fixture, &store);
            goes_on(&store, shards);
            fs::remove_dir_all(store).expect("it is ours");
        }
        seen += 1;
    }
    assert!(seen >= 1, "the store of the first version is there");
}

#[test]
fn a_store_of_this_version_is_gone_on_from() {
    let store = folder("now");
    write(&store);
    if let Some(fixture) = std::env::var_os("PSDF_WRITE_FIXTURES") {
        copy(&store, Path::new(&fixture));
    }
    goes_on(&store, 1);
    fs::remove_dir_all(store).expect("it is ours");
}
