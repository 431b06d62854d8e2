//! Tumbling and hopping windows of event time, aligned to the epoch.
//!
//! Each open window has a table of its own: a record costs one look-up for each window it falls in, and a window
//! that fires hands over its table, without a timer for each key. (The panes of Li et al., "No pane, no gain",
//! 2005, would save look-ups where windows overlap a lot; they need aggregates that merge.)

use super::RESULTS_PER_CALL;
use super::hashed::Hashed;
use crate::batch::Parts;
use crate::checkpoint::value::{Migration, Shape, Unreadable};
use crate::checkpoint::{Delta, TableId};
use crate::combiner::{Cell, Combiner, Part};
use crate::graph::StageMeta;
use crate::host::{Edge, Host, check, place};
use crate::outlet::Outlets;
use crate::panic::NodeId;
use crate::record::{Key, Keyed, Record, StateData};
use crate::stage::{Local, Progress, Stage};
use crate::state::{
    Codec, Entries, KeyedTable, Panes, Place, State, StoredState, Taken, Tier, restore, shape, write_value,
};
use crate::time::{Timestamp, Window, micros};
use std::collections::VecDeque;
use std::hash::BuildHasher;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

/// Windows of a fixed width: each `size` long, a new one `every` so often, open to late records for `allow` after
/// they have fired.
#[derive(Clone, Copy, Debug)]
pub struct TimeWindows {
    size: i64,
    every: i64,
    allow: i64,
    /// Whether a window is closed to each side of a join when that side's own watermark has passed its end.
    by_side: bool,
}

impl TimeWindows {
    /// `tumbling(size)`: each record falls into one window.
    #[must_use]
    pub fn tumbling(size: Duration, allow: Duration) -> Self {
        Self::hopping(size, size, allow)
    }

    /// `hopping(size, every d)`: each record falls into about `size / d` windows.
    #[must_use]
    pub fn hopping(size: Duration, every: Duration, allow: Duration) -> Self {
        let (size, every, allow) = (micros(size), micros(every), micros(allow));
        TimeWindows { size, every, allow, by_side: false }
    }

    /// The same for a join: what is late depends on the records before it on its own side, and not on how far the other
    /// side has come.
    pub(super) fn by_side(self) -> Self {
        TimeWindows { by_side: true, ..self }
    }

    /// What keeps a stage of such windows from running.
    pub(super) fn wrong(&self) -> Option<&'static str> {
        if self.size <= 0 {
            return Some("a window needs a width of at least a microsecond");
        }
        if self.every <= 0 {
            return Some(
                "a new window can begin every microsecond at most; make its `every` at least that long",
            );
        }
        (self.every > self.size)
            .then_some("its `every` is longer than its windows, and what falls between two would be lost; make it no longer")
    }

    pub(super) fn window(&self, start: Timestamp) -> Window {
        Window { start, end: start.plus_micros(self.size) }
    }

    /// Whether one that has fired waits for late records.
    pub(super) fn stay_open(&self) -> bool {
        self.allow > 0
    }

    pub(super) fn is_closed(&self, start: Timestamp, watermark: Timestamp) -> bool {
        self.window(start).end.plus_micros(self.allow) <= watermark
    }

    /// The starts of the windows that a record falls into, the latest first.
    pub(super) fn starts(self, at: Timestamp) -> impl Iterator<Item = Timestamp> {
        let last = at.align_down(self.every);
        // The first window there can be may begin before time does: then it is the last of these.
        let starts =
            std::iter::successors(Some(last), move |start| start.0.checked_sub(self.every).map(Timestamp));
        starts.take_while(move |&start| self.window(start).end > at)
    }

    /// The records that fall into the same windows as one at that time.
    fn cell(self, at: Timestamp) -> Cell {
        debug_assert!(
            !self.stay_open(),
            "a window that fires for each late record is not given several as one"
        );
        let width = common_divisor(self.size, self.every);
        let start = at.0.checked_sub(at.0.rem_euclid(width));
        let Some((start, end)) = start.and_then(|start| Some((start, start.checked_add(width)?))) else {
            // Where time begins and ends: too few records to unite.
            return Cell::NONE;
        };
        let ends = self.starts(at).last().map_or(Timestamp::MIN, |first| self.window(first).end);
        Cell { start: Timestamp(start), end: Timestamp(end), ends }
    }
}

fn common_divisor(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { common_divisor(b, a % b) }
}

/// For windows in which each record is needed once: see [`time_windows`].
///
/// # Panics
/// Always: a tumbling window never asks.
pub fn taken_once<P>(_: &P) -> P {
    unreachable!("a record falls into one tumbling window")
}

struct Pane<K, S> {
    start: Timestamp,
    fired: bool,
    table: KeyedTable<K, State<S>>,
}

/// A window in the middle of handing over its results.
struct Firing<K, S> {
    window: Window,
    taken: Taken,
    entries: Entries<K, State<S>>,
}

pub(super) struct Functions<Init, Add, Copy, Finish, Late, Emit> {
    pub(super) init: Init,
    pub(super) add: Add,
    pub(super) copy: Copy,
    pub(super) finish: Finish,
    pub(super) late: Late,
    pub(super) emit: Emit,
}

/// Makes one state of two.
type Merge<S> = dyn Fn(&mut S, S) + Send + Sync;

/// What is done with what senders have united.
struct Uniting<S> {
    node: NodeId,
    merge: Arc<Merge<S>>,
}

pub(super) struct Windowed<K, P, S, R, O, F> {
    windows: TimeWindows,
    watermark: Timestamp,
    /// What decides whether a window is closed to the records at hand.
    heard: Timestamp,
    tables: Panes<State<S>>,
    /// By start, which is also by end.
    panes: VecDeque<Pane<K, S>>,
    /// Where the last record's window was: most likely where the next one's is.
    hint: usize,
    firing: Option<Firing<K, S>>,
    functions: Arc<F>,
    uniting: Option<Uniting<S>>,
    local: Local,
    types: PhantomData<fn(P, R, O)>,
}

/// Places a stage of tumbling or hopping windows.
///
/// `init` makes the state of a key in a window, `add` shows it a record, `finish` makes the result; `copy` copies
/// a record that falls into several windows. `late` gets what came after all its windows had closed, with the
/// watermark. `emit` gets each result with its event time.
#[allow(clippy::too_many_arguments)]
pub fn time_windows<H: Host, K: Key, P: Record, S, R, O: Outlets>(
    host: &mut H,
    meta: &'static StageMeta,
    input: Edge<H, Keyed<K, Timestamp, P>>,
    lateness: &[Duration],
    windows: TimeWindows,
    copy: impl Fn(&P) -> P + Send + Sync + 'static,
    init: impl Fn() -> S + Send + Sync + 'static,
    add: impl Fn(&mut S, P, Timestamp) + Send + Sync + 'static,
    finish: impl Fn(K, Window, S) -> R + Send + Sync + 'static,
    late: impl Fn(P, Timestamp, Timestamp, &mut Local, &mut O) + Send + Sync + 'static,
    emit: impl Fn(R, Timestamp, &mut Local, &mut O) + Send + Sync + 'static,
) -> O::Edges<H>
where
    S: StateData,
    R: 'static,
{
    check(host, meta, windows.wrong());
    let functions = Arc::new(Functions { init, add, copy, finish, late, emit });
    place(host, meta, vec![input], || Windowed::new(windows, Arc::clone(&functions), lateness))
}

/// As [`time_windows`], where those who send may unite records of a key before they send them.
///
/// `merge` makes one state of two. Late records have no stream; they are counted for `node`. A window must be closed once
/// it has fired.
#[allow(clippy::too_many_arguments)]
pub fn combined_windows<H: Host, K: Key, P: Record, S, R, O: Outlets>(
    host: &mut H,
    meta: &'static StageMeta,
    input: Edge<H, Keyed<K, Timestamp, P>>,
    lateness: &[Duration],
    windows: TimeWindows,
    node: NodeId,
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
    check(host, meta, windows.wrong());
    let functions = Arc::new(Functions { init, add, copy, finish, late, emit });
    let merge: Arc<Merge<S>> = Arc::new(merge);
    let of_sender = Arc::clone(&functions);
    let input = input.combined(Box::new(move |shards| {
        let (begins, adds) = (Arc::clone(&of_sender), Arc::clone(&of_sender));
        let init = move || (begins.init)();
        let add = move |state: &mut S, record: P, at: Timestamp| (adds.add)(state, record, at);
        Box::new(Combiner::new(shards, move |at| windows.cell(at), init, add))
    }));
    place(host, meta, vec![input], || {
        let mut stage = Windowed::new(windows, Arc::clone(&functions), lateness);
        stage.uniting = Some(Uniting { node, merge: Arc::clone(&merge) });
        stage
    })
}

impl<K, P, S, R, O, F> Windowed<K, P, S, R, O, F> {
    pub(super) fn new(windows: TimeWindows, functions: Arc<F>, lateness: &[Duration]) -> Self {
        Windowed {
            windows,
            watermark: Timestamp::MIN,
            heard: Timestamp::MIN,
            tables: Panes::new(),
            panes: VecDeque::new(),
            hint: 0,
            firing: None,
            functions,
            uniting: None,
            local: Local::new(lateness),
            types: PhantomData,
        }
    }

    /// When the next window ends, of those in which there is something.
    pub(super) fn next_end(&self) -> Option<Timestamp> {
        let next = self.panes.iter().find(|pane| !pane.fired)?;
        Some(self.windows.window(next.start).end)
    }
}

impl<K: Key, P, S, R, O, F> Windowed<K, P, S, R, O, F> {
    /// The place of the window that starts there, opened if it is not.
    fn pane(&mut self, start: Timestamp) -> usize {
        if self.panes.get(self.hint).is_some_and(|pane| pane.start == start) {
            return self.hint;
        }
        let place = self.panes.partition_point(|pane| pane.start < start);
        if self.panes.get(place).is_none_or(|pane| pane.start != start) {
            let table = self.tables.open(start.0);
            // One that late records open has no end to come: it fires for each of them.
            let fired = self.windows.window(start).end <= self.watermark;
            self.panes.insert(place, Pane { start, fired, table });
        }
        self.hint = place;
        place
    }

    fn close_first(&mut self) {
        if let Some(pane) = self.panes.pop_front() {
            self.tables.close(pane.table);
        }
        self.hint = 0;
    }

    /// The first window that has ended and not fired.
    fn due(&self) -> Option<usize> {
        let due = self.panes.iter().position(|pane| !pane.fired)?;
        (self.windows.window(self.panes[due].start).end <= self.watermark).then_some(due)
    }
}

impl<K, P, S, R, O, Init, Add, Copy, Finish, Late, Emit>
    Windowed<K, P, S, R, O, Functions<Init, Add, Copy, Finish, Late, Emit>>
where
    K: Key,
    S: Clone,
    Init: Fn() -> S,
    Add: Fn(&mut S, P, Timestamp),
    Copy: Fn(&P) -> P,
    Finish: Fn(K, Window, S) -> R,
    Late: Fn(P, Timestamp, Timestamp, &mut Local, &mut O),
    Emit: Fn(R, Timestamp, &mut Local, &mut O),
{
    #[inline]
    fn add(&mut self, start: Timestamp, place: Place, key: K, at: Timestamp, record: P, outs: &mut O) {
        let at_pane = self.pane(start);
        let functions = &*self.functions;
        let pane = &mut self.panes[at_pane];
        if !pane.fired {
            let State(state) = pane.table.upsert(place, key, || State((functions.init)()));
            (functions.add)(state, record, at);
            return;
        }
        // Late, but allowed: the window fires again for this key.
        let State(state) = pane.table.upsert(place, key.clone(), || State((functions.init)()));
        (functions.add)(state, record, at);
        let state = state.clone();
        self.emit(self.windows.window(start), key, state, outs);
    }

    fn emit(&mut self, window: Window, key: K, state: S, outs: &mut O) {
        let result = (self.functions.finish)(key, window, state);
        (self.functions.emit)(result, window.last(), &mut self.local, outs);
    }

    fn add_part(&mut self, start: Timestamp, place: Place, key: K, part: S, merge: &dyn Fn(&mut S, S)) {
        let at_pane = self.pane(start);
        let table = &mut self.panes[at_pane].table;
        table.settle();
        let State(state) = table.upsert(place, key, || State((self.functions.init)()));
        merge(state, part);
    }

    /// Takes a chunk whose records all fall into the tumbling window of the record before, as most do: that takes no
    /// division and no search, and its keys can be looked up together. Whether the chunk was one.
    #[inline]
    fn take_chunk_of_one_window(&mut self, items: &mut Hashed<K, Timestamp, P>) -> bool {
        let (windows, heard) = (self.windows, self.heard);
        let open = |pane: &&mut Pane<K, S>| !pane.fired && !windows.is_closed(pane.start, heard);
        let Some(pane) = self.panes.get_mut(self.hint).filter(open) else { return false };
        let inside = pane.start..windows.window(pane.start).end;
        if windows.size != windows.every || !items.chunk().iter().all(|keyed| inside.contains(&keyed.at)) {
            return false;
        }
        pane.table.settle();
        items.locate(&mut pane.table);
        let functions = &*self.functions;
        for (place, Keyed { key, at, record }) in items.take_chunk() {
            let State(state) = pane.table.upsert(place, key, || State((functions.init)()));
            (functions.add)(state, record, at);
        }
        true
    }

    fn on_record(&mut self, place: Place, keyed: Keyed<K, Timestamp, P>, outs: &mut O) {
        let Keyed { key, at, record } = keyed;
        let (windows, watermark) = (self.windows, self.heard);
        let mut open = windows.starts(at).filter(|&start| !windows.is_closed(start, watermark));
        let Some(first) = open.next() else {
            (self.functions.late)(record, at, watermark, &mut self.local, outs);
            return;
        };
        for start in open {
            let copy = (self.functions.copy)(&record);
            self.add(start, place, key.clone(), at, copy, outs);
        }
        self.add(first, place, key, at, record, outs);
    }

    /// Hands over results of the window in `firing`; whether it has given all.
    fn fire(&mut self, mut firing: Firing<K, S>, outs: &mut O) -> bool {
        for _ in 0..RESULTS_PER_CALL {
            match firing.entries.next() {
                Some((key, State(state))) => self.emit(firing.window, key, state, outs),
                None => match self.panes[0].table.take_next(&mut firing.taken) {
                    Some(entries) => firing.entries = entries,
                    None => return true,
                },
            }
        }
        self.firing = Some(firing);
        false
    }

    /// Gives the results of a window that stays open to late records.
    fn fire_and_keep(&mut self, place: usize, outs: &mut O) {
        let window = self.windows.window(self.panes[place].start);
        let pane = &mut self.panes[place];
        pane.fired = true;
        pane.table.each(|key, State(state)| {
            let result = (self.functions.finish)(key.clone(), window, state.clone());
            (self.functions.emit)(result, window.last(), &mut self.local, outs);
        });
    }
}

impl<K, P, S, R, O, Init, Add, Copy, Finish, Late, Emit> Stage
    for Windowed<K, P, S, R, O, Functions<Init, Add, Copy, Finish, Late, Emit>>
where
    K: Key,
    P: Record,
    S: StateData,
    R: 'static,
    O: Outlets,
    Init: Fn() -> S + Send + Sync + 'static,
    Add: Fn(&mut S, P, Timestamp) + Send + Sync + 'static,
    Copy: Fn(&P) -> P + Send + Sync + 'static,
    Finish: Fn(K, Window, S) -> R + Send + Sync + 'static,
    Late: Fn(P, Timestamp, Timestamp, &mut Local, &mut O) + Send + Sync + 'static,
    Emit: Fn(R, Timestamp, &mut Local, &mut O) + Send + Sync + 'static,
{
    type In = Keyed<K, Timestamp, P>;
    type Outs = O;

    fn on_batch(&mut self, items: Vec<Self::In>, outs: &mut O) {
        self.tables.make_way(self.panes.iter_mut().map(|pane| &mut pane.table), items.len());
        let mut items = Hashed::new(items);
        while items.load(self.tables.hasher()) {
            if self.take_chunk_of_one_window(&mut items) {
                continue;
            }
            for (place, keyed) in items.take_chunk() {
                self.on_record(place, keyed, outs);
            }
        }
    }

    fn on_parts(&mut self, parts: Parts) {
        let Some(Uniting { node, merge }) = &self.uniting else { return };
        let (node, merge, windows) = (*node, Arc::clone(merge), self.windows);
        for Part { key, at, state, records } in parts.take::<Part<K, S>>() {
            let place = Place::of_hash(self.tables.hasher().hash_one(&key));
            let watermark = self.watermark;
            let mut open = windows.starts(at).filter(|&start| !windows.is_closed(start, watermark));
            let Some(first) = open.next() else {
                self.local.all_late(node, records);
                continue;
            };
            for start in open {
                self.add_part(start, place, key.clone(), state.clone(), &*merge);
            }
            self.add_part(first, place, key, state, &*merge);
        }
    }

    fn on_sender(&mut self, watermark: Timestamp) {
        self.heard = if self.windows.by_side { watermark.max(self.watermark) } else { self.watermark };
    }

    fn on_watermark(&mut self, watermark: Timestamp, outs: &mut O) -> Progress {
        self.watermark = watermark;
        loop {
            if let Some(firing) = self.firing.take() {
                if !self.fire(firing, outs) {
                    return Progress::More;
                }
                self.close_first();
            }
            let Some(due) = self.due() else { break };
            if self.windows.allow == 0 {
                let window = self.windows.window(self.panes[0].start);
                self.firing = Some(Firing { window, taken: Taken::default(), entries: Entries::default() });
            } else {
                self.fire_and_keep(due, outs);
            }
        }
        while self
            .panes
            .front()
            .is_some_and(|pane| pane.fired && self.windows.is_closed(pane.start, watermark))
        {
            self.close_first();
        }
        Progress::Done
    }

    fn waits_for(&self) -> Option<Timestamp> {
        let next = self.panes.iter().find(|pane| !pane.fired)?;
        Some(self.windows.window(next.start).end)
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

impl<K, P, S, R, O, Init, Add, Copy, Finish, Late, Emit> StoredState
    for Windowed<K, P, S, R, O, Functions<Init, Add, Copy, Finish, Late, Emit>>
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
        let pane = self.pane(Timestamp(table));
        restore(&mut self.panes[pane].table, key, value, migration)
    }

    fn restored(&mut self, watermark: Timestamp) {
        (self.watermark, self.heard) = (watermark, watermark);
        for pane in &mut self.panes {
            pane.fired = self.windows.window(pane.start).end <= watermark;
        }
    }

    fn shape(&self) -> Shape {
        shape::<K, S>(Some(&(self.functions.init)()), PhantomData)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_falls_into_every_window_that_holds_its_time() {
        let windows =
            TimeWindows::hopping(Duration::from_micros(10), Duration::from_micros(4), Duration::ZERO);
        let starts: Vec<_> = windows.starts(Timestamp(9)).map(|start| start.0).collect();
        assert_eq!(starts, [8, 4, 0]);
        let starts: Vec<_> = windows.starts(Timestamp(-1)).map(|start| start.0).collect();
        assert_eq!(starts, [-4, -8]);
    }

    #[test]
    fn what_is_in_one_cell_falls_into_the_same_windows() {
        for (size, every) in [(10, 10), (10, 4), (12, 8), (4, 10), (7, 3), (3, 7)] {
            let windows = TimeWindows { size, every, allow: 0, by_side: false };
            let starts = |at| windows.starts(at).collect::<Vec<_>>();
            for at in (-50..50).map(Timestamp) {
                let cell = windows.cell(at);
                assert!(cell.start <= at && at < cell.end);
                assert!((cell.start.0..cell.end.0).all(|other| starts(Timestamp(other)) == starts(at)));
                let ends = starts(at).into_iter().map(|start| windows.window(start).end).min();
                assert_eq!(cell.ends, ends.unwrap_or(Timestamp::MIN));
            }
        }
    }

    #[test]
    fn nothing_is_united_where_time_begins_and_ends() {
        let windows = TimeWindows::tumbling(Duration::from_micros(10), Duration::ZERO);
        for at in [i64::MIN, i64::MIN + 3, i64::MAX - 3, i64::MAX] {
            assert_eq!(windows.cell(Timestamp(at)).ends, Timestamp::MIN);
        }
    }
}
