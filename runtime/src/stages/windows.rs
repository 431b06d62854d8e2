//! Tumbling and hopping windows of event time, aligned to the epoch.
//!
//! Each open window has a table of its own: a record costs one look-up for each window it falls in, and a window
//! that fires hands over its table, without a timer for each key. (The panes of Li et al., "No pane, no gain",
//! 2005, would save look-ups where windows overlap a lot; they need aggregates that merge.)

use super::RESULTS_PER_CALL;
use super::hashed::Hashed;
use crate::graph::StageMeta;
use crate::host::{Edge, Host, check, place};
use crate::outlet::Outlets;
use crate::record::{Key, Keyed, Record};
use crate::stage::{Local, Progress, Stage};
use crate::state::{Entries, KeyedTable, Place};
use crate::time::{Timestamp, Window, micros};
use hashbrown::DefaultHashBuilder;
use std::collections::VecDeque;
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
    table: KeyedTable<K, S>,
}

/// A window in the middle of handing over its results.
struct Firing<K, S> {
    window: Window,
    part: usize,
    entries: Entries<K, S>,
}

pub(super) struct Functions<Init, Add, Copy, Finish, Late, Emit> {
    pub(super) init: Init,
    pub(super) add: Add,
    pub(super) copy: Copy,
    pub(super) finish: Finish,
    pub(super) late: Late,
    pub(super) emit: Emit,
}

pub(super) struct Windowed<K, P, S, R, O, F> {
    windows: TimeWindows,
    watermark: Timestamp,
    /// What decides whether a window is closed to the records at hand.
    heard: Timestamp,
    hasher: DefaultHashBuilder,
    /// By start, which is also by end.
    panes: VecDeque<Pane<K, S>>,
    /// Where the last record's window was: most likely where the next one's is.
    hint: usize,
    firing: Option<Firing<K, S>>,
    functions: Arc<F>,
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
    S: Clone + Send + 'static,
    R: 'static,
{
    check(host, meta, windows.wrong());
    let functions = Arc::new(Functions { init, add, copy, finish, late, emit });
    place(host, meta, vec![input], || Windowed::new(windows, Arc::clone(&functions), lateness))
}

impl<K, P, S, R, O, F> Windowed<K, P, S, R, O, F> {
    pub(super) fn new(windows: TimeWindows, functions: Arc<F>, lateness: &[Duration]) -> Self {
        Windowed {
            windows,
            watermark: Timestamp::MIN,
            heard: Timestamp::MIN,
            hasher: DefaultHashBuilder::default(),
            panes: VecDeque::new(),
            hint: 0,
            firing: None,
            functions,
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
            let table = KeyedTable::with_hasher(self.hasher.clone());
            // One that late records open has no end to come: it fires for each of them.
            let fired = self.windows.window(start).end <= self.watermark;
            self.panes.insert(place, Pane { start, fired, table });
        }
        self.hint = place;
        place
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
            let state = pane.table.upsert(place, key, || (functions.init)());
            (functions.add)(state, record, at);
            return;
        }
        // Late, but allowed: the window fires again for this key.
        let state = pane.table.upsert(place, key.clone(), || (functions.init)());
        (functions.add)(state, record, at);
        let state = state.clone();
        self.emit(self.windows.window(start), key, state, outs);
    }

    fn emit(&mut self, window: Window, key: K, state: S, outs: &mut O) {
        let result = (self.functions.finish)(key, window, state);
        (self.functions.emit)(result, window.last(), &mut self.local, outs);
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
        items.locate(&pane.table);
        let functions = &*self.functions;
        for (place, Keyed { key, at, record }) in items.take_chunk() {
            let state = pane.table.upsert(place, key, || (functions.init)());
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
                Some((key, state)) => self.emit(firing.window, key, state, outs),
                None => {
                    let pane = &mut self.panes[0];
                    if firing.part == pane.table.parts() {
                        return true;
                    }
                    firing.entries = pane.table.take_part(firing.part);
                    firing.part += 1;
                }
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
        for part in 0..pane.table.parts() {
            for (key, state) in pane.table.part_mut(part) {
                let result = (self.functions.finish)(key.clone(), window, state.clone());
                (self.functions.emit)(result, window.last(), &mut self.local, outs);
            }
        }
    }
}

impl<K, P, S, R, O, Init, Add, Copy, Finish, Late, Emit> Stage
    for Windowed<K, P, S, R, O, Functions<Init, Add, Copy, Finish, Late, Emit>>
where
    K: Key,
    P: Record,
    S: Clone + Send + 'static,
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
        let mut items = Hashed::new(items);
        while items.load(&self.hasher) {
            if self.take_chunk_of_one_window(&mut items) {
                continue;
            }
            for (place, keyed) in items.take_chunk() {
                self.on_record(place, keyed, outs);
            }
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
                self.panes.pop_front();
                self.hint = 0;
            }
            let Some(due) = self.due() else { break };
            if self.windows.allow == 0 {
                let window = self.windows.window(self.panes[0].start);
                self.firing = Some(Firing { window, part: 0, entries: Default::default() });
            } else {
                self.fire_and_keep(due, outs);
            }
        }
        while self
            .panes
            .front()
            .is_some_and(|pane| pane.fired && self.windows.is_closed(pane.start, watermark))
        {
            self.panes.pop_front();
            self.hint = 0;
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
}
