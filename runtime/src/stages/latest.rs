//! `latest keep d`: the current record of each key.

use super::RESULTS_PER_CALL;
use super::hashed::Hashed;
use crate::checkpoint::value::{Shape, Stored, Unreadable, ValueReader, ValueWriter};
use crate::graph::StageMeta;
use crate::host::{Edge, Host, place};
use crate::outlet::Outlets;
use crate::panic::NodeId;
use crate::record::{Key, Keyed, Record, Stamp, StateData};
use crate::stage::{Local, Progress, Stage};
use crate::state::{
    Deadlines, Expiry, InTable, Keep, KeyedTable, StoredState, shape, stamp_of, stored_stamp,
};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

struct Held<A, T> {
    at: A,
    /// `None` only while the key is put in.
    record: Option<T>,
}

struct Latest<K, A, T, O, F> {
    node: NodeId,
    table: KeyedTable<K, Held<A, T>>,
    expiry: Expiry<K>,
    emit: Arc<F>,
    local: Local,
    types: PhantomData<fn(O)>,
}

/// Places a stage that holds the record of each key with the greatest event time, and emits each that becomes it.
///
/// Among equal times, and where there is none, the later arrival is the latest. A record that is older than the one
/// held changes nothing and is counted as left out. State for each key: one record and its time. Each record costs a
/// copy, for the one that is held. What is emitted has its own time, in the order of arrival; the watermark passes as it is.
pub fn latest<H: Host, K: Key, A: Stamp, T: Record + StateData, O: Outlets>(
    host: &mut H,
    meta: &'static StageMeta,
    input: Edge<H, Keyed<K, A, T>>,
    lateness: &[Duration],
    node: NodeId,
    keep: Keep,
    emit: impl Fn(T, A, &mut Local, &mut O) + Send + Sync + 'static,
) -> O::Edges<H> {
    let emit = Arc::new(emit);
    place(host, meta, vec![input], || Latest {
        node,
        table: KeyedTable::new(),
        expiry: Expiry::new(keep),
        emit: Arc::clone(&emit),
        local: Local::new(lateness),
        types: PhantomData,
    })
}

impl<K, A, T, O, Emit> Stage for Latest<K, A, T, O, Emit>
where
    K: Key,
    A: Stamp,
    T: Record + StateData,
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
                let ((key, held), new) = self.table.find_or_insert(place, key, || Held { at, record: None });
                if new {
                    self.expiry.add(key, at.timestamp());
                } else if at.timestamp() < held.at.timestamp() {
                    self.local.leave_out(self.node);
                    continue;
                }
                *held = Held { at, record: Some(record.clone()) };
                (self.emit)(record, at, &mut self.local, outs);
            }
        }
    }

    fn on_watermark(&mut self, watermark: Timestamp, _: &mut O) -> Progress {
        for _ in 0..RESULTS_PER_CALL {
            let last = |key: &K| self.table.get(key).map(|held| held.at.timestamp());
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

/// What is held, as it is stored.
#[derive(Serialize, Deserialize)]
struct Current<T> {
    record: T,
}

impl<A: Stamp, T: StateData> Stored for Held<A, T> {
    fn write(&self, to: &mut ValueWriter<'_>) {
        to.head(&stored_stamp(self.at));
        if let Some(record) = &self.record {
            to.state(&Current { record });
        }
    }

    fn read(from: &mut ValueReader<'_>) -> Result<Self, Unreadable> {
        let at = stamp_of(from.head()?);
        let Current { record } = from.state()?;
        Ok(Held { at, record: Some(record) })
    }
}

impl<K: Key, A: Stamp, T: StateData, O, Emit> InTable for Latest<K, A, T, O, Emit> {
    type Key = K;
    type Value = Held<A, T>;

    fn table(&mut self) -> &mut KeyedTable<K, Held<A, T>> {
        &mut self.table
    }

    fn deadlines(&mut self) -> Vec<&mut Deadlines<K>> {
        vec![self.expiry.deadlines()]
    }

    fn restored(&mut self, _: Timestamp) {
        self.table.each(|key, held| self.expiry.add(key, held.at.timestamp()));
    }

    fn shape(&self) -> Shape {
        shape::<K, Current<T>>(None, PhantomData)
    }
}
