//! Running aggregates: one state for each key, and after each batch the new result of every key that it changed.

use super::RESULTS_PER_CALL;
use super::hashed::Hashed;
use crate::checkpoint::value::{Shape, Stored, Unreadable, ValueReader, ValueWriter};
use crate::graph::StageMeta;
use crate::host::{Edge, Host, place};
use crate::outlet::Outlets;
use crate::record::{Key, Keyed, Record, Stamp, StateData};
use crate::stage::{Local, Progress, Stage};
use crate::state::{
    Deadlines, Expiry, InTable, Keep, KeyedTable, Place, StoredState, shape, stamp_of, stored_stamp,
};
use crate::time::Timestamp;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

struct Running<A, S> {
    state: S,
    /// The greatest event time of the key's records.
    last: A,
    /// Whether the key is already among those that changed in this batch.
    changed: bool,
}

struct Functions<Init, Add, Finish, Emit> {
    init: Init,
    add: Add,
    finish: Finish,
    emit: Emit,
}

struct RunningStage<K, A, P, S, R, O, F> {
    table: KeyedTable<K, Running<A, S>>,
    expiry: Expiry<K>,
    /// The keys that this batch changed, with their places, in the order in which they first came.
    changed: Vec<(Place, K)>,
    functions: Arc<F>,
    local: Local,
    types: PhantomData<fn(P, R, O)>,
}

/// Whether showing a record to a state may have changed its result.
pub trait Changes {
    /// Whether it has.
    fn changes(self) -> bool;
}

/// What does not say may always have.
impl Changes for () {
    #[inline(always)]
    fn changes(self) -> bool {
        true
    }
}

impl Changes for bool {
    #[inline(always)]
    fn changes(self) -> bool {
        self
    }
}

/// Places a stage with a running aggregate.
///
/// `init` makes the state of a key, `add` shows it a record, `finish` makes a result; `emit` gets each result
/// with the event time of the key's latest record.
#[allow(clippy::too_many_arguments)]
pub fn running<H: Host, K: Key, A: Stamp, P: Record, S, C: Changes, R, O: Outlets>(
    host: &mut H,
    meta: &'static StageMeta,
    input: Edge<H, Keyed<K, A, P>>,
    lateness: &[Duration],
    keep: Keep,
    init: impl Fn() -> S + Send + Sync + 'static,
    add: impl Fn(&mut S, P, Timestamp) -> C + Send + Sync + 'static,
    finish: impl Fn(K, S) -> R + Send + Sync + 'static,
    emit: impl Fn(R, A, &mut Local, &mut O) + Send + Sync + 'static,
) -> O::Edges<H>
where
    S: StateData,
    R: 'static,
{
    let functions = Arc::new(Functions { init, add, finish, emit });
    place(host, meta, vec![input], || RunningStage {
        table: KeyedTable::new(),
        expiry: Expiry::new(keep),
        changed: Vec::new(),
        functions: Arc::clone(&functions),
        local: Local::new(lateness),
        types: PhantomData,
    })
}

impl<K, A, P, S, C, R, O, Init, Add, Finish, Emit> Stage
    for RunningStage<K, A, P, S, R, O, Functions<Init, Add, Finish, Emit>>
where
    K: Key,
    A: Stamp,
    P: Record,
    S: StateData,
    C: Changes,
    R: 'static,
    O: Outlets,
    Init: Fn() -> S + Send + Sync + 'static,
    Add: Fn(&mut S, P, Timestamp) -> C + Send + Sync + 'static,
    Finish: Fn(K, S) -> R + Send + Sync + 'static,
    Emit: Fn(R, A, &mut Local, &mut O) + Send + Sync + 'static,
{
    type In = Keyed<K, A, P>;
    type Outs = O;

    fn on_batch(&mut self, items: Vec<Self::In>, outs: &mut O) {
        self.table.settle();
        let functions = &*self.functions;
        let mut items = Hashed::new(items);
        while items.load(self.table.hasher()) {
            items.locate(&mut self.table);
            for (place, Keyed { key, at, record }) in items.take_chunk() {
                let (entry, new) = self.table.find_or_insert(place, key, || Running {
                    state: (functions.init)(),
                    last: at,
                    changed: false,
                });
                let (key, running) = entry;
                if new {
                    self.expiry.add(key, at.timestamp());
                } else if self.expiry.is_over(running.last.timestamp(), at.timestamp()) {
                    running.state = (functions.init)();
                }
                let changes = (functions.add)(&mut running.state, record, at.timestamp()).changes();
                if at.timestamp() > running.last.timestamp() {
                    running.last = at;
                }
                if changes && !running.changed {
                    running.changed = true;
                    self.changed.push((place, key.clone()));
                }
            }
        }
        for (place, key) in self.changed.drain(..) {
            let running = self.table.get_again_mut(place, &key).expect("a key that changed is there");
            running.changed = false;
            let (last, state) = (running.last, running.state.clone());
            (functions.emit)((functions.finish)(key, state), last, &mut self.local, outs);
        }
    }

    fn on_watermark(&mut self, watermark: Timestamp, _: &mut O) -> Progress {
        for _ in 0..RESULTS_PER_CALL {
            let last = |key: &K| self.table.get(key).map(|running| running.last.timestamp());
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

impl<A: Stamp, S: StateData> Stored for Running<A, S> {
    fn write(&self, to: &mut ValueWriter<'_>) {
        to.head(&stored_stamp(self.last));
        to.state(&self.state);
    }

    fn read(from: &mut ValueReader<'_>) -> Result<Self, Unreadable> {
        let last = stamp_of(from.head()?);
        Ok(Running { state: from.state()?, last, changed: false })
    }

    fn write_rest(&self, to: &mut ValueWriter<'_>) {
        to.head(&self.changed);
    }

    fn read_rest(&mut self, from: &mut ValueReader<'_>) -> Result<(), Unreadable> {
        self.changed = from.head()?;
        Ok(())
    }
}

impl<K, A, P, S, R, O, Init, Add, Finish, Emit> InTable
    for RunningStage<K, A, P, S, R, O, Functions<Init, Add, Finish, Emit>>
where
    K: Key,
    A: Stamp,
    S: StateData,
    Init: Fn() -> S,
{
    type Key = K;
    type Value = Running<A, S>;

    fn table(&mut self) -> &mut KeyedTable<K, Running<A, S>> {
        &mut self.table
    }

    fn deadlines(&mut self) -> Vec<&mut Deadlines<K>> {
        vec![self.expiry.deadlines()]
    }

    fn restored(&mut self, _: Timestamp) {
        self.table.each(|key, running| self.expiry.add(key, running.last.timestamp()));
    }

    fn shape(&self) -> Shape {
        shape::<K, S>(Some(&(self.functions.init)()), PhantomData)
    }
}
