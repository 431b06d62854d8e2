//! A new index is filled a page at a time, while rows are written and views that need no such index are read: when it is whole
//! it agrees with the rows, and views by it show them.

use super::engine::{Engine, Stage};
use super::region::{Keep, Region, ViewRel};
use super::rel::TableRel;
use super::store::{MemoryTables, TableStore};
use super::table::table_of;
use super::undo::Writer;
use crate::testing::Rng;
use std::collections::BTreeMap;

const ROWS: u64 = 10_000;

type Row = (u64, u64);

struct Built {
    engine: Engine,
    rows: TableRel<u64, Row>,
    by_key: ViewRel<u64, Row>,
    by_other: Option<ViewRel<u64, Row>>,
}

fn build(store: &MemoryTables, with_index: bool) -> Built {
    let mut region = Region::new("Rows");
    let rows = region.table("rows", |row: &Row| row.0);
    let by_key = region.view("by_key", rows, Keep::default(), None);
    let by_other = with_index.then(|| {
        let index = region.index(&rows, "other", |row: &Row| row.1);
        let grouped = region.rekey("grouped", rows, index, |row| row.1);
        region.view("by_other", grouped, Keep::default(), None)
    });
    let (mut engine, _) = region.engine(Box::new(store.clone())).unwrap();
    engine.open(None).unwrap();
    Built { engine, rows, by_key, by_other }
}

fn upsert(rows: TableRel<u64, Row>, row: Row) -> Stage {
    Box::new(move |cx| table_of(cx.graph, rows.0).upsert(cx, Writer::Service, row))
}

fn delete(rows: TableRel<u64, Row>, key: u64) -> Stage {
    Box::new(move |cx| table_of(cx.graph, rows.0).delete(cx, key).map(drop))
}

#[test]
fn an_index_is_filled_while_rows_are_written_and_is_right_when_it_is_whole() {
    for seed in 0..20 {
        let (mut rng, store) = (Rng::new(seed), MemoryTables::new());
        let mut plain: BTreeMap<u64, u64> = (0..ROWS).map(|key| (2 * key, key % 7)).collect();
        let Built { mut engine, rows, .. } = build(&store, false);
        let written = engine.write(plain.iter().map(|(key, other)| upsert(rows, (*key, *other))).collect());
        assert!(written.iter().all(Result::is_ok));
        drop(engine);
        let mut starts = 0;
        loop {
            starts += 1;
            let Built { mut engine, rows, by_key, by_other } = build(&store, true);
            let by_other = by_other.unwrap();
            let mut pages = 0;
            // It is cut short by the first start, now and then, and begun again by the next.
            while engine.fills() && (starts > 1 || pages < seed % 4) {
                assert!(!engine.answers(Some(by_other.id)) && engine.answers(Some(by_key.id)));
                let (key, other) = (rng.below(2 * ROWS), rng.below(9));
                let write = if rng.one_in(2) { upsert(rows, (key, other)) } else { delete(rows, key) };
                if rng.one_in(2) {
                    engine.read::<u64, Row>(by_key.id, &key).unwrap();
                }
                engine.write(vec![write]).pop().unwrap().unwrap();
                let stored = engine.look(|cx| cx.values(rows.0, &key)).unwrap();
                match stored.first() {
                    Some((_, other)) => plain.insert(key, *other),
                    None => plain.remove(&key),
                };
                let shown = engine.read::<u64, Row>(by_key.id, &key).unwrap();
                assert_eq!(shown[..], stored[..]);
                engine.fill();
                pages += 1;
            }
            if engine.fills() {
                continue;
            }
            assert!(pages >= 3, "it is filled in pages");
            assert!(engine.answers(None) && engine.unfilled.is_none());
            for other in 0..9 {
                let shown = engine.read::<u64, Row>(by_other.id, &other).unwrap();
                let expected =
                    plain.iter().filter(|(_, of)| **of == other).map(|(key, other)| (*key, *other));
                assert_eq!(shown[..], expected.collect::<Vec<_>>()[..]);
            }
            let entries = store.scan(b"rows\0i", None, usize::MAX).unwrap();
            assert_eq!(entries.len(), plain.len());
            break;
        }
    }
}

#[test]
fn a_closure_of_an_index_that_panics_is_told_to_who_reads_by_it() {
    let store = MemoryTables::new();
    let Built { mut engine, rows, .. } = build(&store, false);
    engine.write(vec![upsert(rows, (13, 13))]);
    drop(engine);
    let mut region = Region::new("Rows");
    let rows = region.table("rows", |row: &Row| row.0);
    let index = region.index(&rows, "other", |row: &Row| {
        assert!(row.1 != 13, "thirteen");
        row.1
    });
    let grouped = region.rekey("grouped", rows, index, |row| row.1);
    let by_other = region.view("by_other", grouped, Keep::default(), None);
    let (mut engine, _) = region.engine(Box::new(store)).unwrap();
    engine.open(None).unwrap();
    engine.fill();
    assert!(engine.answers(Some(by_other.id)), "nobody waits for what does not come");
    let error = engine.read::<u64, Row>(by_other.id, &1).unwrap_err().to_string();
    assert!(error.contains("thirteen"), "{error}");
    assert_eq!(engine.write(vec![upsert(rows, (1, 1))]).len(), 1);
}
