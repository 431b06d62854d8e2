//! Streams and services write to one table at random, epochs are committed, and the process is killed, also while it starts:
//! what is there is what the writes that count would give, and indexes and views agree with it.
//!
//! What counts is said by a list: of a row, its last write by a service and the streams' since; without those of epochs
//! after the one that is gone on from.

use super::handle::{Table, View};
use super::region::{Keep, Region, RegionSettings, Running};
use super::store::{MemoryTables, Pair, StoreBatch, TableStore};
use super::write_batch::WriteBatch;
use crate::graph::Budget;
use crate::testing::Rng;
use serde::{Deserialize, Serialize};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};

const STREAMS: usize = 2;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Row {
    id: u8,
    of: u8,
    number: u64,
}

/// A store whose writes fail after so many.
#[derive(Clone)]
struct Failing {
    tables: MemoryTables,
    left: Arc<AtomicU64>,
}

impl TableStore for Failing {
    fn get(&self, key: &[u8]) -> io::Result<Option<Vec<u8>>> {
        self.tables.get(key)
    }

    fn scan(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> io::Result<Vec<Pair>> {
        self.tables.scan(prefix, after, limit)
    }

    fn write(&mut self, batch: StoreBatch) -> io::Result<()> {
        let left = self.left.load(Ordering::Relaxed);
        self.left.store(left.saturating_sub(1), Ordering::Relaxed);
        if left == 0 { Err(io::Error::other("it was killed")) } else { self.tables.write(batch) }
    }
}

struct Rows {
    running: Running,
    table: Table<u8, Row>,
    view: View<u8, Row>,
}

impl Rows {
    fn start(store: &Failing, epoch: Option<u64>) -> Option<Rows> {
        let mut region = Region::new("Rows");
        let rows = region.table("rows", |row: &Row| row.id);
        let of = region.index(&rows, "of", |row: &Row| row.of);
        let grouped = region.rekey("grouped", rows, of, |row| row.of);
        let view = region.view("view", grouped, Keep { budget: Some(Budget::Keys(2)) }, None);
        let settings = RegionSettings { epoch, ..RegionSettings::default() };
        let running = region.start_here(store.clone(), settings).ok()?;
        Some(Rows { table: running.table(rows), view: running.view(view), running })
    }
}

/// What is done where it is asked for is there at once.
fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer,
        Poll::Pending => unreachable!("nobody else could answer"),
    }
}

/// The writes of a row that count: of a service, and then those of streams with the epoch that was over.
#[derive(Clone, Default)]
struct Writes {
    service: Option<Row>,
    streams: Vec<(u64, Row)>,
}

impl Writes {
    fn row(&self) -> Option<&Row> {
        self.streams.last().map(|(_, row)| row).or(self.service.as_ref())
    }
}

#[derive(Default)]
struct Plain(BTreeMap<u8, Writes>);

impl Plain {
    fn by_service(&mut self, id: u8, row: Option<Row>) {
        self.0.insert(id, Writes { service: row, streams: Vec::new() });
    }

    fn by_stream(&mut self, after: u64, row: Row) {
        self.0.entry(row.id).or_default().streams.push((after, row));
    }

    fn go_on_from(&mut self, epoch: u64) {
        self.0.values_mut().for_each(|writes| writes.streams.retain(|(after, _)| *after < epoch));
    }

    fn agrees_with(&self, rows: &Rows, store: &Failing) {
        let expected: Vec<Row> = self.0.values().filter_map(Writes::row).cloned().collect();
        assert_eq!(now(rows.table.all()).unwrap(), expected);
        for of in 0..3 {
            let expected: Vec<Row> = expected.iter().filter(|row| row.of == of).cloned().collect();
            let mut shown = now(rows.view.get(&of)).unwrap().to_vec();
            shown.sort_by_key(|row| row.id);
            assert_eq!(shown, expected);
        }
        let entries = store.tables.scan(b"rows\0i", None, usize::MAX).unwrap();
        assert_eq!(entries.len(), expected.len());
    }
}

fn run(seed: u64, kills: &Cell<u32>) {
    let mut rng = Rng::new(seed);
    let store = Failing { tables: MemoryTables::new(), left: Arc::new(AtomicU64::new(u64::MAX)) };
    let (mut plain, mut number) = (Plain::default(), 0);
    // The last epoch that is committed, the one before it, and of each stream the last that is over.
    let (mut committed, mut before, mut over) = (0, 0, [0; STREAMS]);
    let mut rows = Rows::start(&store, Some(0)).unwrap();
    for _ in 0..120 {
        let mut byte = |below| u8::try_from(rng.below(below)).expect("it is below");
        number += 1;
        let (row, other) =
            (Row { id: byte(6), of: byte(3), number }, Row { id: byte(6), of: byte(3), number });
        match rng.below(12) {
            0..5 => {
                let after = over[rng.place(STREAMS)];
                now(rows.table.feed(vec![row.clone(), other.clone()], Some(after))).unwrap();
                plain.by_stream(after, row);
                plain.by_stream(after, other);
            }
            5 => {
                now(rows.table.upsert(row.clone())).unwrap();
                plain.by_service(row.id, Some(row));
            }
            6 => {
                now(rows.table.delete(row.id)).unwrap();
                if plain.0.get(&row.id).is_some_and(|writes| writes.row().is_some()) {
                    plain.by_service(row.id, None);
                }
            }
            7 => {
                // The last is refused, and with it the others.
                let mut batch = WriteBatch::new();
                batch.upsert(&rows.table, row).upsert(&rows.table, other.clone()).insert(&rows.table, other);
                assert!(now(batch.commit()).is_err());
            }
            8..10 => {
                let stream = rng.place(STREAMS);
                if over[stream] == committed {
                    over[stream] += 1;
                }
                if over.iter().all(|over| *over > committed) {
                    (before, committed) = (committed, committed + 1);
                    if rng.one_in(2) {
                        // It is killed before it has let go what it need not put back any more, or while it does.
                        store.left.store(rng.below(2), Ordering::Relaxed);
                    }
                    let settled = now(rows.table.settle(before));
                    if settled.is_err() || store.left.swap(u64::MAX, Ordering::Relaxed) == 0 {
                        rows = killed(rows, &store, committed, &mut plain, &mut over, kills, &mut rng);
                    }
                }
            }
            10 => {
                // An epoch that turns out to be damaged is passed over.
                let epoch = if rng.one_in(4) { before } else { committed };
                rows = killed(rows, &store, epoch, &mut plain, &mut over, kills, &mut rng);
                committed = epoch;
                before = before.min(epoch);
            }
            _ => now(rows.view.evict(row.of)),
        }
        plain.agrees_with(&rows, &store);
    }
    now(rows.running.stop());
}

fn killed(
    rows: Rows,
    store: &Failing,
    epoch: u64,
    plain: &mut Plain,
    over: &mut [u64; STREAMS],
    kills: &Cell<u32>,
    rng: &mut Rng,
) -> Rows {
    now(rows.running.stop());
    plain.go_on_from(epoch);
    *over = [epoch; STREAMS];
    kills.set(kills.get() + 1);
    store.left.store(rng.below(4), Ordering::Relaxed);
    let started = Rows::start(store, Some(epoch));
    store.left.store(u64::MAX, Ordering::Relaxed);
    started.or_else(|| Rows::start(store, Some(epoch))).unwrap()
}

#[test]
fn after_a_kill_a_table_holds_what_services_wrote_and_streams_have_committed() {
    let kills = Rc::new(Cell::new(0));
    for seed in 0..300 {
        let told = Told(seed);
        run(seed, &kills);
        std::mem::forget(told);
    }
    assert!(kills.get() > 3000, "{} kills", kills.get());
}

struct Told(u64);

impl Drop for Told {
    fn drop(&mut self) {
        eprintln!("seed {} failed", self.0);
    }
}

#[test]
fn what_was_written_stands_where_no_epoch_is_gone_on_from() {
    let store = Failing { tables: MemoryTables::new(), left: Arc::new(AtomicU64::new(u64::MAX)) };
    let row = Row { id: 1, of: 1, number: 1 };
    let rows = Rows::start(&store, Some(0)).unwrap();
    now(rows.table.feed(vec![row.clone()], Some(0))).unwrap();
    now(rows.running.stop());
    now(Rows::start(&store, None).unwrap().running.stop());
    let rows = Rows::start(&store, Some(0)).unwrap();
    assert_eq!(now(rows.table.all()).unwrap(), [row]);
}
