//! Stateful nodes: the user's own state for each key, and timers.

use super::hashed::Hashed;
use super::{Emit, RESULTS_PER_CALL};
use crate::checkpoint::value::{Shape, Stored, Unreadable, ValueReader, ValueWriter};
use crate::graph::StageMeta;
use crate::host::{Edge, Host, place};
use crate::outlet::Outlets;
use crate::record::{Key, Keyed, Record, Stamp, StateData};
use crate::stage::{Local, Progress, Stage};
use crate::state::{Deadlines, Expiry, InTable, Keep, KeyedTable, Place, StoredState, shape};
use crate::time::Timestamp;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

struct Held<S> {
    state: S,
    /// The greatest time of the key's records and timers.
    used: Timestamp,
    /// The timers that are set, in no order.
    timers: Vec<Timestamp>,
}

struct Functions<Init, Step, Timer, Send> {
    init: Init,
    step: Step,
    timer: Timer,
    send: Send,
}

struct Stateful<K, A, T, S, R, O, F> {
    table: KeyedTable<K, Held<S>>,
    expiry: Expiry<K>,
    deadlines: Deadlines<K>,
    watermark: Timestamp,
    /// The watermark that those downstream have been told.
    told: Timestamp,
    /// What a call of the user's closure leaves behind: empty between calls.
    emitted: Vec<R>,
    armed: Vec<Timestamp>,
    functions: Arc<F>,
    local: Local,
    types: PhantomData<fn(A, T, O)>,
}

/// For a stateful node without `on timer`.
pub fn no_timer<S, K, A, R>(_: &mut S, _: Timestamp, _: &mut Emit<'_, K, A, R>) {}

/// Places a stateful node: `init` makes a key's state, `step` takes each record, `timer` each timer that is due;
/// `send` gets what they emit.
#[allow(clippy::too_many_arguments)]
pub fn stateful<H: Host, K: Key, A: Stamp, T: Record, S, R, O: Outlets>(
    host: &mut H,
    meta: &'static StageMeta,
    input: Edge<H, Keyed<K, A, T>>,
    lateness: &[Duration],
    keep: Keep,
    init: impl Fn() -> S + Send + Sync + 'static,
    step: impl Fn(&mut S, T, &mut Emit<'_, K, A, R>) + Send + Sync + 'static,
    timer: impl Fn(&mut S, Timestamp, &mut Emit<'_, K, A, R>) + Send + Sync + 'static,
    send: impl Fn(R, A, &mut Local, &mut O) + Send + Sync + 'static,
) -> O::Edges<H>
where
    S: StateData,
    R: Record,
{
    let functions = Arc::new(Functions { init, step, timer, send });
    place(host, meta, vec![input], || Stateful {
        table: KeyedTable::new(),
        expiry: Expiry::new(keep),
        deadlines: Deadlines::new(),
        watermark: Timestamp::MIN,
        told: Timestamp::MIN,
        emitted: Vec::new(),
        armed: Vec::new(),
        functions: Arc::clone(&functions),
        local: Local::new(lateness),
        types: PhantomData,
    })
}

impl<K, A, T, S, R, O, Init, Step, Timer, Out> Stateful<K, A, T, S, R, O, Functions<Init, Step, Timer, Out>>
where
    K: Key,
    A: Stamp,
    Init: Fn() -> S,
    Step: Fn(&mut S, T, &mut Emit<'_, K, A, R>),
    Timer: Fn(&mut S, Timestamp, &mut Emit<'_, K, A, R>),
    Out: Fn(R, A, &mut Local, &mut O),
{
    fn on_record(&mut self, place: Place, keyed: Keyed<K, A, T>, outs: &mut O) {
        let Keyed { key, at, record } = keyed;
        let functions = &*self.functions;
        let (entry, new) = self.table.find_or_insert(place, key, || Held {
            state: (functions.init)(),
            used: at.timestamp(),
            timers: Vec::new(),
        });
        let (key, held) = entry;
        if new {
            self.expiry.add(key, at.timestamp());
        } else if held.timers.is_empty() && self.expiry.is_over(held.used, at.timestamp()) {
            held.state = (functions.init)();
        }
        held.used = at.timestamp().max(held.used);
        let mut emit =
            Emit { key, at, watermark: self.watermark, emitted: &mut self.emitted, timers: &mut self.armed };
        (functions.step)(&mut held.state, record, &mut emit);
        held.arm(key, &mut self.armed, &mut self.deadlines);
        for record in self.emitted.drain(..) {
            (functions.send)(record, at, &mut self.local, outs);
        }
    }

    /// Calls `on timer` for a key, if that timer is still set.
    fn on_timer(&mut self, at: Timestamp, key: &K, outs: &mut O) {
        let functions = &*self.functions;
        let Some(held) = self.table.get_mut(key) else { return };
        let Some(place) = held.timers.iter().position(|&set| set == at) else { return };
        held.timers.swap_remove(place);
        // A timer that was set for a time already past must not make its results late.
        let stamp = A::from_timestamp(at.max(self.told));
        let mut emit = Emit {
            key,
            at: A::from_timestamp(at),
            watermark: self.watermark,
            emitted: &mut self.emitted,
            timers: &mut self.armed,
        };
        (functions.timer)(&mut held.state, at, &mut emit);
        if self.watermark == Timestamp::MAX {
            self.armed.clear();
        }
        held.arm(key, &mut self.armed, &mut self.deadlines);
        for record in self.emitted.drain(..) {
            (functions.send)(record, stamp, &mut self.local, outs);
        }
    }
}

impl<S> Held<S> {
    fn arm<K: Key>(&mut self, key: &K, armed: &mut Vec<Timestamp>, deadlines: &mut Deadlines<K>) {
        for at in armed.drain(..) {
            if !self.timers.contains(&at) {
                self.timers.push(at);
                self.used = at.max(self.used);
                deadlines.set(at, key.clone());
            }
        }
    }
}

impl<K, A, T, S, R, O, Init, Step, Timer, Out> Stage
    for Stateful<K, A, T, S, R, O, Functions<Init, Step, Timer, Out>>
where
    K: Key,
    A: Stamp,
    T: Record,
    S: StateData,
    R: Record,
    O: Outlets,
    Init: Fn() -> S + Send + Sync + 'static,
    Step: Fn(&mut S, T, &mut Emit<'_, K, A, R>) + Send + Sync + 'static,
    Timer: Fn(&mut S, Timestamp, &mut Emit<'_, K, A, R>) + Send + Sync + 'static,
    Out: Fn(R, A, &mut Local, &mut O) + Send + Sync + 'static,
{
    type In = Keyed<K, A, T>;
    type Outs = O;

    fn on_batch(&mut self, items: Vec<Self::In>, outs: &mut O) {
        self.table.settle();
        let mut items = Hashed::new(items);
        while items.load(self.table.hasher()) {
            items.locate(&mut self.table);
            for (place, keyed) in items.take_chunk() {
                self.on_record(place, keyed, outs);
            }
        }
    }

    fn on_watermark(&mut self, watermark: Timestamp, outs: &mut O) -> Progress {
        self.watermark = watermark;
        for _ in 0..RESULTS_PER_CALL {
            if let Some((at, key)) = self.deadlines.next_due(watermark) {
                self.on_timer(at, &key, outs);
                continue;
            }
            let used = |key: &K| self.table.get(key).map(|held| held.used);
            let Some(key) = self.expiry.next_expired(watermark, used) else {
                self.told = watermark;
                return Progress::Done;
            };
            self.table.remove(&key);
        }
        Progress::More
    }

    fn waits_for(&self) -> Option<Timestamp> {
        self.deadlines.earliest()
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

impl<S: StateData> Stored for Held<S> {
    fn write(&self, to: &mut ValueWriter<'_>) {
        to.head(&(self.used, &self.timers));
        to.state(&self.state);
    }

    fn read(from: &mut ValueReader<'_>) -> Result<Self, Unreadable> {
        let (used, timers) = from.head()?;
        Ok(Held { state: from.state()?, used, timers })
    }
}

impl<K, A, T, S, R, O, Init, Step, Timer, Out> InTable
    for Stateful<K, A, T, S, R, O, Functions<Init, Step, Timer, Out>>
where
    K: Key,
    S: StateData,
    Init: Fn() -> S,
{
    type Key = K;
    type Value = Held<S>;

    fn table(&mut self) -> &mut KeyedTable<K, Held<S>> {
        &mut self.table
    }

    fn deadlines(&mut self) -> Vec<&mut Deadlines<K>> {
        vec![&mut self.deadlines, self.expiry.deadlines()]
    }

    fn restored(&mut self, watermark: Timestamp) {
        (self.watermark, self.told) = (watermark, watermark);
        self.table.each(|key, held| {
            self.expiry.add(key, held.used);
            held.timers.iter().for_each(|&at| self.deadlines.set(at, key.clone()));
        });
    }

    fn shape(&self) -> Shape {
        shape::<K, S>(Some(&(self.functions.init)()), PhantomData)
    }
}
