//! Session windows: a key's records with no gap longer than a given one between neighbours.
//!
//! A record opens a session of its own and takes in every session of its key that it touches, as in the
//! Dataflow model (Akidau et al., VLDB 2015), so that the order of arrival does not matter.

use super::RESULTS_PER_CALL;
use super::hashed::Hashed;
use crate::checkpoint::value::{Shape, Stored, Unreadable, ValueReader, ValueWriter};
use crate::graph::StageMeta;
use crate::host::{Edge, Host, check, place};
use crate::outlet::Outlets;
use crate::record::{Key, Keyed, Record, StateData};
use crate::stage::{Local, Progress, Stage};
use crate::state::{Deadlines, InTable, KeyedTable, Place, StoredState, shape};
use crate::time::{Timestamp, Window, micros};
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

/// Sessions that end after a `gap`, and take late records for `allow` after they have fired.
#[derive(Clone, Copy, Debug)]
pub struct SessionWindows {
    gap: i64,
    allow: i64,
    /// Whether what is behind the watermark of its own side of a join is late.
    by_side: bool,
}

impl SessionWindows {
    /// `session(gap)`: two records exactly `gap` apart are still in one session.
    #[must_use]
    pub fn new(gap: Duration, allow: Duration) -> Self {
        SessionWindows { gap: micros(gap), allow: micros(allow), by_side: false }
    }

    /// What keeps a stage of such sessions from running.
    pub(super) fn wrong(&self) -> Option<&'static str> {
        (self.gap <= 0).then_some("a session needs a gap of at least a microsecond")
    }

    /// The same for a join. Whether a session has ended depends on both sides, so here a record is late as soon as it is
    /// behind its own side: then it depends on that side alone.
    pub(super) fn by_side(self) -> Self {
        SessionWindows { by_side: true, ..self }
    }

    /// The session that a record makes alone. It must end before all time does, or it would not be over then.
    pub(super) fn of(&self, at: Timestamp) -> Window {
        Window { start: at, end: at.plus_micros(self.gap).min(Timestamp(i64::MAX - 1)) }
    }

    /// The last time at which a session takes late records.
    pub(super) fn closes(&self, session: &Window) -> Timestamp {
        session.end.plus_micros(self.allow)
    }

    /// Whether the watermark has passed all that: a record exactly there would still have been taken.
    pub(super) fn is_closed(&self, session: &Window, watermark: Timestamp) -> bool {
        self.closes(session) < watermark
    }
}

pub(super) struct Session<S> {
    /// From the first record to the last plus the gap.
    pub(super) window: Window,
    pub(super) fired: bool,
    pub(super) state: S,
}

/// The open sessions of one key: nearly always one.
pub(super) struct Sessions<S> {
    /// In no order; none touches another.
    pub(super) open: Vec<Session<S>>,
    /// When the key is next looked at.
    pub(super) due: Timestamp,
}

struct Functions<Init, Add, Merge, Finish, Late, Emit> {
    init: Init,
    add: Add,
    merge: Merge,
    finish: Finish,
    late: Late,
    emit: Emit,
}

struct SessionStage<K, P, S, R, O, F> {
    windows: SessionWindows,
    watermark: Timestamp,
    /// That of the sender at hand, or the stage's where that is greater.
    heard: Timestamp,
    table: KeyedTable<K, Sessions<S>>,
    deadlines: Deadlines<K>,
    functions: Arc<F>,
    local: Local,
    types: PhantomData<fn(P, R, O)>,
}

/// Places a stage of sessions. The closures are those of [`super::time_windows`], and `merge` for two sessions
/// that turn out to be one.
#[allow(clippy::too_many_arguments)]
pub fn sessions<H: Host, K: Key, P: Record, S, R, O: Outlets>(
    host: &mut H,
    meta: &'static StageMeta,
    input: Edge<H, Keyed<K, Timestamp, P>>,
    lateness: &[Duration],
    windows: SessionWindows,
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
    let functions = Arc::new(Functions { init, add, merge, finish, late, emit });
    place(host, meta, vec![input], || SessionStage {
        windows,
        watermark: Timestamp::MIN,
        heard: Timestamp::MIN,
        table: KeyedTable::new(),
        deadlines: Deadlines::new(),
        functions: Arc::clone(&functions),
        local: Local::new(lateness),
        types: PhantomData,
    })
}

impl<K, P, S, R, O, Init, Add, Merge, Finish, Late, Emit>
    SessionStage<K, P, S, R, O, Functions<Init, Add, Merge, Finish, Late, Emit>>
where
    K: Key,
    S: Clone,
    Init: Fn() -> S,
    Add: Fn(&mut S, P, Timestamp),
    Merge: Fn(&mut S, S),
    Finish: Fn(K, Window, S) -> R,
    Late: Fn(P, Timestamp, Timestamp, &mut Local, &mut O),
    Emit: Fn(R, Timestamp, &mut Local, &mut O),
{
    fn on_record(&mut self, place: Place, keyed: Keyed<K, Timestamp, P>, outs: &mut O) {
        let Keyed { key, at, record } = keyed;
        let functions = &*self.functions;
        if self.windows.by_side && at < self.heard {
            (functions.late)(record, at, self.heard, &mut self.local, outs);
            return;
        }
        let own = self.windows.of(at);
        let closed = self.windows.is_closed(&own, self.watermark);
        let known = if closed { self.table.get(&key) } else { None };
        if closed && known.is_none_or(|sessions| !sessions.open.iter().any(|s| touch(&s.window, &own))) {
            (functions.late)(record, at, self.watermark, &mut self.local, outs);
            return;
        }
        let sessions = self
            .table
            .upsert(place, key.clone(), || Sessions { open: Vec::with_capacity(1), due: Timestamp::MAX });
        let session = sessions.take_in(own, &functions.init, &functions.merge);
        (functions.add)(&mut session.state, record, at);
        let (window, end) = (session.window, session.window.end);
        // One that has ended, and is still open, fires for each record; one that the record prolongs ends anew.
        session.fired = end < self.watermark;
        let again = session.fired.then(|| session.state.clone());
        if end < sessions.due {
            sessions.due = end;
            self.deadlines.set(end, key.clone());
        }
        if let Some(state) = again {
            emit(functions, &mut self.local, window, key, state, outs);
        }
    }

    /// Fires the sessions of a key that have ended, forgets those that are closed, and answers when to look again.
    fn look_at(&mut self, key: K, now: Timestamp, outs: &mut O) -> usize {
        let Some(sessions) = self.table.get_mut(&key) else { return 0 };
        if sessions.due != now {
            return 0;
        }
        let (watermark, windows) = (self.watermark, self.windows);
        let mut fired = 0;
        let mut open = Vec::new();
        for mut session in sessions.open.drain(..) {
            let ended = session.window.end < watermark;
            let closed = windows.is_closed(&session.window, watermark);
            if ended && !session.fired {
                fired += 1;
                session.fired = true;
                emit(
                    &self.functions,
                    &mut self.local,
                    session.window,
                    key.clone(),
                    session.state.clone(),
                    outs,
                );
            }
            if !closed {
                open.push(session);
            }
        }
        if open.is_empty() {
            self.table.remove(&key);
            return fired;
        }
        sessions.open = open;
        sessions.due = sessions.next_due(windows);
        let due = sessions.due;
        self.deadlines.set(due, key);
        fired
    }
}

fn emit<K, S, R, O, Init, Add, Merge, Finish, Late, Emit>(
    functions: &Functions<Init, Add, Merge, Finish, Late, Emit>,
    local: &mut Local,
    window: Window,
    key: K,
    state: S,
    outs: &mut O,
) where
    Finish: Fn(K, Window, S) -> R,
    Emit: Fn(R, Timestamp, &mut Local, &mut O),
{
    (functions.emit)((functions.finish)(key, window, state), window.last(), local, outs);
}

/// Whether two sessions are one: each reaches a gap beyond its last record, so they touch where they meet.
pub(super) fn touch(a: &Window, b: &Window) -> bool {
    a.start <= b.end && b.start <= a.end
}

impl<S> Sessions<S> {
    /// When the next of them ends, or, if it has fired, is closed.
    pub(super) fn next_due(&self, windows: SessionWindows) -> Timestamp {
        let next = |s: &Session<S>| if s.fired { windows.closes(&s.window) } else { s.window.end };
        self.open.iter().map(next).min().unwrap_or(Timestamp::MAX)
    }

    /// The session that holds `own`, made of all that it touches.
    pub(super) fn take_in(
        &mut self,
        own: Window,
        init: impl Fn() -> S,
        merge: impl Fn(&mut S, S),
    ) -> &mut Session<S> {
        let Some(place) = self.open.iter().position(|session| touch(&session.window, &own)) else {
            self.open.push(Session { window: own, fired: false, state: init() });
            return self.open.last_mut().expect("it was just pushed");
        };
        self.open[place].window.widen(&own);
        while let Some(other) = self.touching(place) {
            let other = self.open.swap_remove(other);
            let session = &mut self.open[place];
            session.window.widen(&other.window);
            merge(&mut session.state, other.state);
        }
        &mut self.open[place]
    }

    /// Another session, after `place`, that the one at `place` touches.
    fn touching(&self, place: usize) -> Option<usize> {
        let window = self.open[place].window;
        let after = self.open[place + 1..].iter().position(|session| touch(&session.window, &window));
        after.map(|offset| place + 1 + offset)
    }
}

impl Window {
    pub(super) fn widen(&mut self, other: &Window) {
        self.start = self.start.min(other.start);
        self.end = self.end.max(other.end);
    }
}

impl<K, P, S, R, O, Init, Add, Merge, Finish, Late, Emit> Stage
    for SessionStage<K, P, S, R, O, Functions<Init, Add, Merge, Finish, Late, Emit>>
where
    K: Key,
    P: Record,
    S: StateData,
    R: 'static,
    O: Outlets,
    Init: Fn() -> S + Send + Sync + 'static,
    Add: Fn(&mut S, P, Timestamp) + Send + Sync + 'static,
    Merge: Fn(&mut S, S) + Send + Sync + 'static,
    Finish: Fn(K, Window, S) -> R + Send + Sync + 'static,
    Late: Fn(P, Timestamp, Timestamp, &mut Local, &mut O) + Send + Sync + 'static,
    Emit: Fn(R, Timestamp, &mut Local, &mut O) + Send + Sync + 'static,
{
    type In = Keyed<K, Timestamp, P>;
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

    fn on_sender(&mut self, watermark: Timestamp) {
        self.heard = watermark.max(self.watermark);
    }

    fn on_watermark(&mut self, watermark: Timestamp, outs: &mut O) -> Progress {
        self.watermark = watermark;
        // A session that ends just at the watermark may still grow.
        let passed = watermark.plus_micros(-1);
        let mut fired = 0;
        while fired < RESULTS_PER_CALL {
            let Some((at, key)) = self.deadlines.next_due(passed) else { return Progress::Done };
            fired += self.look_at(key, at, outs);
        }
        Progress::More
    }

    fn waits_for(&self) -> Option<Timestamp> {
        self.deadlines.earliest()
    }

    fn local(&mut self) -> &mut Local {
        &mut self.local
    }

    /// A session that ends just at the watermark is still open, and its result will bear the time before its end.
    fn passes_on(&self, watermark: Timestamp) -> Timestamp {
        if watermark == Timestamp::MAX { watermark } else { watermark.plus_micros(-1) }
    }

    fn keys(&self) -> usize {
        self.table.len()
    }

    fn stored(&mut self) -> Option<&mut dyn StoredState> {
        Some(self)
    }
}

impl<S: StateData> Stored for Sessions<S> {
    fn write(&self, to: &mut ValueWriter<'_>) {
        to.head(&self.open.iter().map(|session| session.window).collect::<Vec<_>>());
        self.open.iter().for_each(|session| to.state(&session.state));
    }

    fn read(from: &mut ValueReader<'_>) -> Result<Self, Unreadable> {
        let windows: Vec<Window> = from.head()?;
        let session = |window| Ok(Session { window, fired: false, state: from.state()? });
        let open = windows.into_iter().map(session).collect::<Result<_, _>>()?;
        Ok(Sessions { open, due: Timestamp::MAX })
    }

    fn write_rest(&self, to: &mut ValueWriter<'_>) {
        to.head(&self.due);
        self.open.iter().for_each(|session| to.head(&session.fired));
    }

    fn read_rest(&mut self, from: &mut ValueReader<'_>) -> Result<(), Unreadable> {
        self.due = from.head()?;
        for session in &mut self.open {
            session.fired = from.head()?;
        }
        Ok(())
    }
}

impl<K, P, S, R, O, Init, Add, Merge, Finish, Late, Emit> InTable
    for SessionStage<K, P, S, R, O, Functions<Init, Add, Merge, Finish, Late, Emit>>
where
    K: Key,
    S: StateData,
    Init: Fn() -> S,
{
    type Key = K;
    type Value = Sessions<S>;

    fn table(&mut self) -> &mut KeyedTable<K, Sessions<S>> {
        &mut self.table
    }

    fn deadlines(&mut self) -> Vec<&mut Deadlines<K>> {
        vec![&mut self.deadlines]
    }

    fn restored(&mut self, watermark: Timestamp) {
        (self.watermark, self.heard) = (watermark, watermark);
        let windows = self.windows;
        self.table.each_restored(|key, sessions| {
            sessions.open.iter_mut().for_each(|session| session.fired = session.window.end < watermark);
            sessions.due = sessions.next_due(windows);
            self.deadlines.set(sessions.due, key.clone());
        });
    }

    fn shape(&self) -> Shape {
        shape::<K, S>(Some(&(self.functions.init)()), PhantomData)
    }
}
