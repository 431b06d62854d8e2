//! `dedup keep d`: the first record of each key.

use super::RESULTS_PER_CALL;
use super::hashed::Hashed;
use crate::checkpoint::value::{Shape, Stored, Unreadable, ValueReader, ValueWriter};
use crate::graph::StageMeta;
use crate::host::{Edge, Host, place};
use crate::outlet::Outlets;
use crate::panic::NodeId;
use crate::record::{Key, Keyed, Record, Stamp};
use crate::stage::{Local, Progress, Stage};
use crate::state::{
    Deadlines, Expiry, InTable, Keep, KeyedTable, StoredState, shape, stamp_of, stored_stamp,
};
use crate::time::Timestamp;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

/// The greatest event time of a key's records.
struct Last<A>(A);

struct Dedup<K, A, T, O, F> {
    node: NodeId,
    table: KeyedTable<K, Last<A>>,
    expiry: Expiry<K>,
    emit: Arc<F>,
    local: Local,
    types: PhantomData<fn(T, O)>,
}

/// Places a stage that passes the first record of each key on, and counts the others for as long as the key is kept.
///
/// Every record of a key keeps it, those that are left out too. State for each key: the time of its latest record, or
/// nothing where there is no event time. What is passed on keeps its order and its time; the watermark passes as it is.
pub fn dedup<H: Host, K: Key, A: Stamp, T: Record, O: Outlets>(
    host: &mut H,
    meta: &'static StageMeta,
    input: Edge<H, Keyed<K, A, T>>,
    lateness: &[Duration],
    node: NodeId,
    keep: Keep,
    emit: impl Fn(T, A, &mut Local, &mut O) + Send + Sync + 'static,
) -> O::Edges<H> {
    let emit = Arc::new(emit);
    place(host, meta, vec![input], || Dedup {
        node,
        table: KeyedTable::new(),
        expiry: Expiry::new(keep),
        emit: Arc::clone(&emit),
        local: Local::new(lateness),
        types: PhantomData,
    })
}

impl<K, A, T, O, Emit> Stage for Dedup<K, A, T, O, Emit>
where
    K: Key,
    A: Stamp,
    T: Record,
    O: Outlets,
    Emit: Fn(T, A, &mut Local, &mut O) + Send + Sync + 'static,
{
    type In = Keyed<K, A, T>;
    type Outs = O;

    fn on_batch(&mut self, items: Vec<Self::In>, outs: &mut O) {
        self.table.settle();
        let mut items = Hashed::new(items);
        while items.load(self.table.hasher()) {
            items.locate(&mut self.table);
            for (place, Keyed { key, at, record }) in items.take_chunk() {
                let ((key, Last(last)), new) = self.table.find_or_insert(place, key, || Last(at));
                if new {
                    self.expiry.add(key, at.timestamp());
                }
                let first = new || self.expiry.is_over(last.timestamp(), at.timestamp());
                if at.timestamp() > last.timestamp() {
                    *last = at;
                }
                if first {
                    (self.emit)(record, at, &mut self.local, outs);
                } else {
                    self.local.leave_out(self.node);
                }
            }
        }
    }

    fn on_watermark(&mut self, watermark: Timestamp, _: &mut O) -> Progress {
        for _ in 0..RESULTS_PER_CALL {
            let last = |key: &K| self.table.get(key).map(|last| last.0.timestamp());
            let Some(key) = self.expiry.next_expired(watermark, last) else { return Progress::Done };
            self.table.remove(&key);
        }
        Progress::More
    }

    fn local(&mut self) -> &mut Local {
        &mut self.local
    }

    fn keys(&self) -> usize {
        self.table.len()
    }

    fn stored(&mut self) -> Option<&mut dyn StoredState> {
        Some(self)
    }
}

impl<A: Stamp> Stored for Last<A> {
    fn write(&self, to: &mut ValueWriter<'_>) {
        to.head(&stored_stamp(self.0));
    }

    fn read(from: &mut ValueReader<'_>) -> Result<Self, Unreadable> {
        Ok(Last(stamp_of(from.head()?)))
    }
}

impl<K: Key, A: Stamp, T, O, Emit> InTable for Dedup<K, A, T, O, Emit> {
    type Key = K;
    type Value = Last<A>;

    fn table(&mut self) -> &mut KeyedTable<K, Last<A>> {
        &mut self.table
    }

    fn deadlines(&mut self) -> Vec<&mut Deadlines<K>> {
        vec![self.expiry.deadlines()]
    }

    fn restored(&mut self, _: Timestamp) {
        self.table.each(|key, last| self.expiry.add(key, last.0.timestamp()));
    }

    fn shape(&self) -> Shape {
        shape::<K, ()>(None, PhantomData)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    thread_local! {
        static PASSED: RefCell<Vec<i64>> = const { RefCell::new(Vec::new()) };
    }

    fn record(key: u8, at: i64) -> Keyed<u8, Timestamp, i64> {
        Keyed { key, at: Timestamp(at), record: at }
    }

    #[test]
    fn a_key_is_as_new_once_nothing_of_it_has_come_for_longer_than_it_is_kept() {
        let mut stage = Dedup::<u8, Timestamp, i64, (), _> {
            node: 0,
            table: KeyedTable::new(),
            expiry: Expiry::new(Keep::For(Duration::from_micros(10))),
            emit: Arc::new(|record, _, _: &mut Local, _: &mut ()| {
                PASSED.with_borrow_mut(|all| all.push(record))
            }),
            local: Local::new(&[]),
            types: PhantomData,
        };
        stage.on_batch(
            vec![record(1, 0), record(1, 10), record(2, 10), record(1, 20), record(1, 31)],
            &mut (),
        );
        assert_eq!(PASSED.take(), [0, 10, 31]);
        assert_eq!(stage.on_watermark(Timestamp(21), &mut ()), Progress::Done);
        assert_eq!(stage.keys(), 1, "the second key is forgotten, the first is still in use");
        stage.local.take_counts(|_, counts| assert_eq!(counts.left_out, 2));
    }
}
