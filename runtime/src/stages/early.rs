//! Tumbling and hopping windows that also fire early: `tumbling(1 hour, early every 5 min)`.
//!
//! As in [`super::thinned`], what comes between two ticks is gathered apart and merged when the watermark passes the
//! second, so that what an early result holds never depends on how the stream was cut into batches.

use super::RESULTS_PER_CALL;
use super::hashed::Hashed;
use super::thinned::Ticks;
use super::windows::TimeWindows;
use crate::checkpoint::value::{Migration, Shape, Stored, Unreadable, ValueReader, ValueWriter};
use crate::checkpoint::{Delta, TableId};
use crate::graph::StageMeta;
use crate::host::{Edge, Host, check, place};
use crate::outlet::Outlets;
use crate::record::{Key, Keyed, Record, StateData};
use crate::stage::{Local, Progress, Stage};
use crate::state::{
    Codec, Entries, KeyedTable, Panes, Place, StoredState, Taken, Tier, restore, shape, write_value,
};
use crate::time::{Timestamp, Window};
use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;
use std::vec;

/// What a key has in a window.
struct Held<S> {
    /// Of all ticks that have passed.
    whole: Option<S>,
    /// Of those to come, the next first. What is for none before the window's end is for that.
    parts: Vec<(Timestamp, S)>,
}

impl<S> Held<S> {
    /// What came for a tick so far, and whether that is nothing yet.
    fn part(&mut self, tick: Timestamp, init: impl Fn() -> S) -> (&mut S, bool) {
        let place = self.parts.partition_point(|(before, _)| *before < tick);
        let new = self.parts.get(place).is_none_or(|(at, _)| *at != tick);
        if new {
            self.parts.insert(place, (tick, init()));
        }
        (&mut self.parts[place].1, new)
    }

    /// Makes one of all that came for ticks up to `tick`; it must be something.
    fn unite(&mut self, tick: Timestamp, merge: impl Fn(&mut S, S)) -> &mut S {
        let passed = self.parts.partition_point(|(of, _)| *of <= tick);
        for (_, part) in self.parts.drain(..passed) {
            match &mut self.whole {
                Some(whole) => merge(whole, part),
                whole => *whole = Some(part),
            }
        }
        self.whole.as_mut().expect("a key is in a window because something came")
    }
}

struct Pane<K, S> {
    window: Window,
    fired: bool,
    table: KeyedTable<K, Held<S>>,
    /// The keys that something came of for each tick inside the window, in the order in which they first came.
    ticking: BTreeMap<Timestamp, Vec<K>>,
}

/// Results that are being handed over.
enum Firing<K, S> {
    Nothing,
    /// Those of the keys that changed before a tick.
    Early {
        window: Window,
        tick: Timestamp,
        keys: vec::IntoIter<K>,
    },
    /// Those of a window that has ended.
    Last {
        window: Window,
        taken: Taken,
        entries: Entries<K, Held<S>>,
    },
}

struct Functions<Init, Add, Copy, Merge, Finish, Late, Emit> {
    init: Init,
    add: Add,
    copy: Copy,
    merge: Merge,
    finish: Finish,
    late: Late,
    emit: Emit,
}

struct EarlyStage<K, P, S, R, O, F> {
    windows: TimeWindows,
    ticks: Ticks,
    watermark: Timestamp,
    tables: Panes<Held<S>>,
    /// By start, which is also by end.
    panes: Vec<Pane<K, S>>,
    firing: Firing<K, S>,
    functions: Arc<F>,
    local: Local,
    types: PhantomData<fn(P, R, O)>,
}

/// Places a stage of windows that also fire at the multiples of `ticks` inside them, for the keys that changed.
///
/// The closures are those of [`super::time_windows`], and `merge` for what came between two ticks. An early result holds
/// the records of its window that are before the tick, and has the last time before that; the last one is as without early
/// ones. State: for each key in an open window its own, and once more for each tick that its records are ahead.
#[allow(clippy::too_many_arguments)]
pub fn early_windows<H: Host, K: Key, P: Record, S, R, O: Outlets>(
    host: &mut H,
    meta: &'static StageMeta,
    input: Edge<H, Keyed<K, Timestamp, P>>,
    lateness: &[Duration],
    windows: TimeWindows,
    ticks: Ticks,
    copy: impl Fn(&P) -> P + Send + Sync + 'static,
    init: impl Fn() -> S + Send + Sync + 'static,
    add: impl Fn(&mut S, P, Timestamp) + Send + Sync + 'static,
    merge: impl Fn(&mut S, S) + Send + Sync + 'static,
    finish: impl Fn(K, Window, S) -> R + Send + Sync + 'static,
    late: impl Fn(P, Timestamp, Timestamp, &mut Local, &mut O) + Send + Sync + 'static,
    emit: impl Fn(R, Timestamp, &mut Local, &mut O) + Send + Sync + 'static,
) -> O::Edges<H>
where
    S: StateData,
    R: 'static,
{
    check(host, meta, windows.wrong().or(ticks.wrong()));
    let functions = Arc::new(Functions { init, add, copy, merge, finish, late, emit });
    place(host, meta, vec![input], || EarlyStage {
        windows,
        ticks,
        watermark: Timestamp::MIN,
        tables: Panes::new(),
        panes: Vec::new(),
        firing: Firing::Nothing,
        functions: Arc::clone(&functions),
        local: Local::new(lateness),
        types: PhantomData,
    })
}

impl<K: Key, P, S, R, O, F> EarlyStage<K, P, S, R, O, F> {
    /// The place of a window, opened if it is not.
    fn pane(&mut self, window: Window) -> usize {
        let place = self.panes.partition_point(|pane| pane.window.start < window.start);
        if self.panes.get(place).is_none_or(|pane| pane.window != window) {
            let (table, fired) = (self.tables.open(window.start.0), window.end <= self.watermark);
            self.panes.insert(place, Pane { window, fired, table, ticking: BTreeMap::new() });
        }
        place
    }
}

impl<K, P, S, R, O, Init, Add, Copy, Merge, Finish, Late, Emit>
    EarlyStage<K, P, S, R, O, Functions<Init, Add, Copy, Merge, Finish, Late, Emit>>
where
    K: Key,
    S: Clone,
    Init: Fn() -> S,
    Add: Fn(&mut S, P, Timestamp),
    Copy: Fn(&P) -> P,
    Merge: Fn(&mut S, S),
    Finish: Fn(K, Window, S) -> R,
    Late: Fn(P, Timestamp, Timestamp, &mut Local, &mut O),
    Emit: Fn(R, Timestamp, &mut Local, &mut O),
{
    fn on_record(&mut self, place: Place, keyed: Keyed<K, Timestamp, P>, outs: &mut O) {
        let Keyed { key, at, record } = keyed;
        let (windows, watermark) = (self.windows, self.watermark);
        let mut open = windows.starts(at).filter(|&start| !windows.is_closed(start, watermark));
        let Some(first) = open.next() else {
            (self.functions.late)(record, at, watermark, &mut self.local, outs);
            return;
        };
        for start in open {
            let copy = (self.functions.copy)(&record);
            self.add(windows.window(start), place, key.clone(), at, copy, outs);
        }
        self.add(windows.window(first), place, key, at, record, outs);
    }

    fn add(&mut self, window: Window, place: Place, key: K, at: Timestamp, record: P, outs: &mut O) {
        let pane = self.pane(window);
        let (functions, pane) = (&*self.functions, &mut self.panes[pane]);
        let tick = self.ticks.of(at, self.watermark).min(window.end);
        let held =
            pane.table.upsert(place, key.clone(), || Held { whole: None, parts: Vec::with_capacity(1) });
        let (part, new) = held.part(tick, &functions.init);
        (functions.add)(part, record, at);
        if pane.fired {
            // Late, but allowed: the window fires again for this key.
            let state = held.unite(window.end, &functions.merge).clone();
            functions.fire(window, key, state, window.last(), &mut self.local, outs);
        } else if new && tick < window.end {
            pane.ticking.entry(tick).or_default().push(key);
        }
    }

    /// The next results that are due: false if there are none.
    fn next_firing(&mut self) -> bool {
        let watermark = self.watermark;
        for pane in self.panes.iter_mut().filter(|pane| !pane.fired) {
            if let Some(next) = pane.ticking.first_entry().filter(|next| *next.key() <= watermark) {
                let (tick, keys) = next.remove_entry();
                self.firing = Firing::Early { window: pane.window, tick, keys: keys.into_iter() };
                return true;
            }
            if pane.window.end <= watermark {
                pane.fired = true;
                self.firing = Firing::Last {
                    window: pane.window,
                    taken: Taken::default(),
                    entries: Entries::default(),
                };
                return true;
            }
        }
        false
    }

    fn fire_early(&mut self, window: Window, tick: Timestamp, key: K, outs: &mut O) {
        let pane = self.pane(window);
        let functions = &*self.functions;
        if let Some(held) = self.panes[pane].table.get_mut(&key) {
            let state = held.unite(tick, &functions.merge).clone();
            functions.fire(window, key, state, tick.plus_micros(-1), &mut self.local, outs);
        }
    }

    /// Gives the results of a window that stays open to late records.
    fn fire_and_keep(&mut self, window: Window, outs: &mut O) {
        let pane = self.pane(window);
        let (functions, pane) = (&*self.functions, &mut self.panes[pane]);
        pane.table.change_each(|key, held| {
            let state = held.unite(window.end, &functions.merge).clone();
            functions.fire(window, key.clone(), state, window.last(), &mut self.local, outs);
        });
    }
}

impl<Init, Add, Copy, Merge, Finish, Late, Emit> Functions<Init, Add, Copy, Merge, Finish, Late, Emit> {
    fn fire<K, S, R, O>(
        &self,
        window: Window,
        key: K,
        state: S,
        at: Timestamp,
        local: &mut Local,
        outs: &mut O,
    ) where
        Finish: Fn(K, Window, S) -> R,
        Emit: Fn(R, Timestamp, &mut Local, &mut O),
    {
        (self.emit)((self.finish)(key, window, state), at, local, outs);
    }
}

impl<K, P, S, R, O, Init, Add, Copy, Merge, Finish, Late, Emit> Stage
    for EarlyStage<K, P, S, R, O, Functions<Init, Add, Copy, Merge, Finish, Late, Emit>>
where
    K: Key,
    P: Record,
    S: StateData,
    R: 'static,
    O: Outlets,
    Init: Fn() -> S + Send + Sync + 'static,
    Add: Fn(&mut S, P, Timestamp) + Send + Sync + 'static,
    Copy: Fn(&P) -> P + Send + Sync + 'static,
    Merge: Fn(&mut S, S) + Send + Sync + 'static,
    Finish: Fn(K, Window, S) -> R + Send + Sync + 'static,
    Late: Fn(P, Timestamp, Timestamp, &mut Local, &mut O) + Send + Sync + 'static,
    Emit: Fn(R, Timestamp, &mut Local, &mut O) + Send + Sync + 'static,
{
    type In = Keyed<K, Timestamp, P>;
    type Outs = O;

    fn on_batch(&mut self, items: Vec<Self::In>, outs: &mut O) {
        self.panes.iter_mut().for_each(|pane| pane.table.settle());
        self.tables.make_way(self.panes.iter_mut().map(|pane| &mut pane.table), items.len());
        let mut items = Hashed::new(items);
        while items.load(self.tables.hasher()) {
            for (place, keyed) in items.take_chunk() {
                self.on_record(place, keyed, outs);
            }
        }
    }

    fn on_watermark(&mut self, watermark: Timestamp, outs: &mut O) -> Progress {
        self.watermark = watermark;
        for _ in 0..RESULTS_PER_CALL {
            match &mut self.firing {
                Firing::Nothing => {
                    if !self.next_firing() {
                        let windows = self.windows;
                        let is_over = |pane: &mut Pane<K, S>| {
                            pane.fired && windows.is_closed(pane.window.start, watermark)
                        };
                        let over = self.panes.extract_if(.., is_over);
                        over.for_each(|pane| self.tables.close(pane.table));
                        return Progress::Done;
                    }
                }
                Firing::Early { window, tick, keys } => {
                    let (window, tick) = (*window, *tick);
                    match keys.next() {
                        Some(key) => self.fire_early(window, tick, key, outs),
                        None => self.firing = Firing::Nothing,
                    }
                }
                Firing::Last { window, .. } if self.windows.stay_open() => {
                    let window = *window;
                    self.fire_and_keep(window, outs);
                    self.firing = Firing::Nothing;
                }
                Firing::Last { window, taken, entries } => {
                    // The others end later, and all that ended before are gone.
                    let (window, pane, functions) = (*window, &mut self.panes[0], &*self.functions);
                    if let Some((key, mut held)) = entries.next() {
                        let state = held.unite(window.end, &functions.merge).clone();
                        functions.fire(window, key, state, window.last(), &mut self.local, outs);
                    } else if let Some(next) = pane.table.take_next(taken) {
                        *entries = next;
                    } else {
                        let pane = self.panes.remove(0);
                        self.tables.close(pane.table);
                        self.firing = Firing::Nothing;
                    }
                }
            }
        }
        Progress::More
    }

    fn waits_for(&self) -> Option<Timestamp> {
        let next = |pane: &Pane<K, S>| {
            let tick = pane.ticking.first_key_value().map(|(tick, _)| *tick);
            tick.into_iter().chain([pane.window.end]).min()
        };
        self.panes.iter().filter(|pane| !pane.fired).filter_map(next).min()
    }

    fn local(&mut self) -> &mut Local {
        &mut self.local
    }

    fn keys(&self) -> usize {
        self.panes.iter().map(|pane| pane.table.len()).sum()
    }

    fn stored(&mut self) -> Option<&mut dyn StoredState> {
        Some(self)
    }
}

impl<S: StateData> Stored for Held<S> {
    fn write(&self, to: &mut ValueWriter<'_>) {
        to.head(&(self.whole.is_some(), self.parts.iter().map(|(tick, _)| *tick).collect::<Vec<_>>()));
        let parts = self.parts.iter().map(|(_, state)| state);
        self.whole.iter().chain(parts).for_each(|state| to.state(state));
    }

    fn read(from: &mut ValueReader<'_>) -> Result<Self, Unreadable> {
        let (has_whole, ticks): (bool, Vec<Timestamp>) = from.head()?;
        let whole = if has_whole { Some(from.state()?) } else { None };
        let part = |tick| Ok((tick, from.state()?));
        let parts = ticks.into_iter().map(part).collect::<Result<_, _>>()?;
        Ok(Held { whole, parts })
    }
}

impl<K, P, S, R, O, Init, Add, Copy, Merge, Finish, Late, Emit> StoredState
    for EarlyStage<K, P, S, R, O, Functions<Init, Add, Copy, Merge, Finish, Late, Emit>>
where
    K: Key,
    S: StateData,
    Init: Fn() -> S,
{
    fn track(&mut self) {
        self.tables.track(write_value);
    }

    fn spill(&mut self, tier: &Arc<Tier>) {
        self.tables.spill(tier, Codec::new());
    }

    fn begin_snapshot(&mut self) -> bool {
        self.tables.begin_snapshot(self.panes.iter_mut().map(|pane| &mut pane.table))
    }

    fn copy_some(&mut self, entries: usize, into: &mut Delta) -> bool {
        self.tables.copy_some(self.panes.iter_mut().map(|pane| &mut pane.table), entries, into)
    }

    fn restore(
        &mut self,
        table: TableId,
        key: &[u8],
        value: &[u8],
        migration: &Migration,
    ) -> Result<(), Unreadable> {
        let pane = self.pane(self.windows.window(Timestamp(table)));
        restore(&mut self.panes[pane].table, key, value, migration)
    }

    fn restored(&mut self, watermark: Timestamp) {
        self.watermark = watermark;
        for pane in &mut self.panes {
            pane.fired = pane.window.end <= watermark;
            if pane.fired {
                continue;
            }
            pane.table.each(|key, held| {
                let inside = held.parts.iter().filter(|(tick, _)| *tick < pane.window.end);
                inside.for_each(|(tick, _)| pane.ticking.entry(*tick).or_default().push(key.clone()));
            });
        }
    }

    fn shape(&self) -> Shape {
        shape::<K, S>(Some(&(self.functions.init)()), PhantomData)
    }
}
