//! Sessions that also fire early: `session(30 min, early every 5 min)`.
//!
//! What the records before a tick make may be two sessions, and one only with a record after it. So each session is
//! held in parts, those of the ticks to come apart from what has been given: then what an early result holds never
//! depends on how the stream was cut into batches.

use super::RESULTS_PER_CALL;
use super::hashed::Hashed;
use super::session::{Session, SessionWindows, Sessions, touch};
use super::thinned::Ticks;
use crate::checkpoint::value::{Shape, Stored, Unreadable, ValueReader, ValueWriter};
use crate::graph::StageMeta;
use crate::host::{Edge, Host, check, place};
use crate::outlet::Outlets;
use crate::record::{Key, Keyed, Record, StateData};
use crate::stage::{Local, Progress, Stage};
use crate::state::{Deadlines, InTable, KeyedTable, Place, StoredState, shape};
use crate::time::{Timestamp, Window};
use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;
use std::vec;

/// Records that no gap divides and that count for the same tick.
struct Part<S> {
    /// `None`: that tick has passed.
    tick: Option<Timestamp>,
    window: Window,
    state: S,
}

/// The parts of a session: what has been given first, then by tick.
struct Parts<S>(Vec<Part<S>>);

struct Functions<Init, Add, Merge, Finish, Late, Emit> {
    init: Init,
    add: Add,
    merge: Merge,
    finish: Finish,
    late: Late,
    emit: Emit,
}

struct EarlySessionStage<K, P, S, R, O, F> {
    windows: SessionWindows,
    ticks: Ticks,
    watermark: Timestamp,
    table: KeyedTable<K, Sessions<Parts<S>>>,
    deadlines: Deadlines<K>,
    /// The keys that something came of for each tick.
    ticking: BTreeMap<Timestamp, Vec<K>>,
    /// A tick that has passed, and the keys that have not yet given what they have.
    firing: (Timestamp, vec::IntoIter<K>),
    functions: Arc<F>,
    local: Local,
    types: PhantomData<fn(P, R, O)>,
}

/// Places a stage of sessions that also fire at the multiples of `ticks` inside them, where they have changed.
///
/// The closures are those of [`super::sessions`]. An early result holds the records that are before the tick, with the
/// window that they make, which ends after it; it has the last time before the tick. State: for each open session its own,
/// and once more for each tick that its records are ahead.
#[allow(clippy::too_many_arguments)]
pub fn early_sessions<H: Host, K: Key, P: Record, S, R, O: Outlets>(
    host: &mut H,
    meta: &'static StageMeta,
    input: Edge<H, Keyed<K, Timestamp, P>>,
    lateness: &[Duration],
    windows: SessionWindows,
    ticks: Ticks,
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
    let functions = Arc::new(Functions { init, add, merge, finish, late, emit });
    place(host, meta, vec![input], || EarlySessionStage {
        windows,
        ticks,
        watermark: Timestamp::MIN,
        table: KeyedTable::new(),
        deadlines: Deadlines::new(),
        ticking: BTreeMap::new(),
        firing: (Timestamp::MIN, Vec::new().into_iter()),
        functions: Arc::clone(&functions),
        local: Local::new(lateness),
        types: PhantomData,
    })
}

impl<S> Part<S> {
    fn and(mut self, other: Part<S>, merge: impl Fn(&mut S, S)) -> Self {
        self.tick = self.tick.max(other.tick);
        self.window.widen(&other.window);
        merge(&mut self.state, other.state);
        self
    }
}

/// Takes out the parts that touch `own`, as one.
fn take_touching<S>(
    parts: &mut Vec<Part<S>>,
    own: &Window,
    mut of: impl FnMut(&Part<S>) -> bool,
    merge: impl Fn(&mut S, S),
) -> Option<Part<S>> {
    let touching = parts.extract_if(.., |part| of(part) && touch(&part.window, own));
    touching.reduce(|part, other| part.and(other, &merge))
}

impl<S> Parts<S> {
    fn new() -> Self {
        Parts(Vec::with_capacity(1))
    }

    fn append(&mut self, other: Parts<S>) {
        self.0.extend(other.0);
        self.0.sort_by_key(|part| part.tick);
    }

    /// Shows a record to the part that holds `own` for a tick, and answers whether that is new.
    fn add(
        &mut self,
        own: Window,
        tick: Timestamp,
        init: impl Fn() -> S,
        merge: impl Fn(&mut S, S),
        add: impl FnOnce(&mut S),
    ) -> bool {
        let tick = Some(tick);
        let known = take_touching(&mut self.0, &own, |part| part.tick == tick, &merge);
        let new = known.is_none();
        let mut part = known.unwrap_or_else(|| Part { tick, window: own, state: init() });
        part.window.widen(&own);
        add(&mut part.state);
        let place = self.0.partition_point(|part| part.tick <= tick);
        self.0.insert(place, part);
        new
    }

    /// Makes one, where they touch, of the parts of all ticks up to `tick`, and shows those that changed with it.
    fn pass(&mut self, tick: Timestamp, merge: impl Fn(&mut S, S), mut changed: impl FnMut(Window, &S)) {
        let later = self.0.split_off(self.0.partition_point(|part| part.tick <= Some(tick)));
        for part in std::mem::take(&mut self.0) {
            // What came for an earlier tick goes first: records of one time stay in the order in which they came.
            let part = match take_touching(&mut self.0, &part.window, |_| true, &merge) {
                Some(passed) => passed.and(part, &merge),
                None => part,
            };
            self.0.push(part);
        }
        for part in &mut self.0 {
            if part.tick.take().is_some() {
                changed(part.window, &part.state);
            }
        }
        self.0.extend(later);
    }

    /// Makes one of all parts.
    fn unite(&mut self, merge: impl Fn(&mut S, S)) -> &S {
        self.pass(Timestamp::MAX, merge, |_, _| ());
        &self.0[0].state
    }
}

impl<K, P, S, R, O, Init, Add, Merge, Finish, Late, Emit>
    EarlySessionStage<K, P, S, R, O, Functions<Init, Add, Merge, Finish, Late, Emit>>
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
        let session = sessions.take_in(own, Parts::new, Parts::append);
        let tick = self.ticks.of(at, self.watermark);
        let add = |state: &mut S| (functions.add)(state, record, at);
        let new = session.state.add(own, tick, &functions.init, &functions.merge, add);
        let (window, end) = (session.window, session.window.end);
        // One that has ended, and is still open, fires for each record; one that the record prolongs ends anew.
        session.fired = end < self.watermark;
        let again = session.fired.then(|| session.state.unite(&functions.merge).clone());
        if end < sessions.due {
            sessions.due = end;
            self.deadlines.set(end, key.clone());
        }
        match again {
            Some(state) => functions.fire(window, key, state, window.last(), &mut self.local, outs),
            None if new => self.ticking.entry(tick).or_default().push(key),
            None => {}
        }
    }

    /// Gives what the sessions of a key have at a tick, where they changed and go on.
    fn fire_early(&mut self, tick: Timestamp, key: K, outs: &mut O) -> usize {
        let (functions, local) = (&*self.functions, &mut self.local);
        let Some(sessions) = self.table.get_mut(&key) else { return 0 };
        let mut fired = 0;
        for session in sessions.open.iter_mut().filter(|session| !session.fired) {
            session.state.pass(tick, &functions.merge, |window, state| {
                if window.end > tick {
                    fired += 1;
                    functions.fire(window, key.clone(), state.clone(), tick.plus_micros(-1), local, outs);
                }
            });
        }
        fired
    }

    /// Fires the sessions of a key that have ended by `now`, forgets those that are closed, and says when to look again.
    fn look_at(&mut self, key: K, now: Timestamp, outs: &mut O) -> usize {
        let (functions, local, windows) = (&*self.functions, &mut self.local, self.windows);
        let Some(sessions) = self.table.get_mut(&key).filter(|sessions| sessions.due == now) else {
            return 0;
        };
        let mut fired = 0;
        for session in sessions.open.iter_mut().filter(|s| !s.fired && s.window.end <= now) {
            fired += 1;
            session.fired = true;
            let (window, state) = (session.window, session.state.unite(&functions.merge).clone());
            functions.fire(window, key.clone(), state, window.last(), local, outs);
        }
        sessions.open.retain(|session| windows.closes(&session.window) > now);
        if sessions.open.is_empty() {
            self.table.remove(&key);
            return fired;
        }
        sessions.due = sessions.next_due(windows);
        self.deadlines.set(sessions.due, key);
        fired
    }
}

impl<Init, Add, Merge, Finish, Late, Emit> Functions<Init, Add, Merge, Finish, Late, Emit> {
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

impl<K, P, S, R, O, Init, Add, Merge, Finish, Late, Emit> Stage
    for EarlySessionStage<K, P, S, R, O, Functions<Init, Add, Merge, Finish, Late, Emit>>
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

    fn on_watermark(&mut self, watermark: Timestamp, outs: &mut O) -> Progress {
        self.watermark = watermark;
        // A session that ends just at the watermark may still grow.
        let passed = watermark.plus_micros(-1);
        let mut fired = 0;
        while fired < RESULTS_PER_CALL {
            let (tick, keys) = &mut self.firing;
            if let Some(key) = keys.next() {
                let tick = *tick;
                fired += self.fire_early(tick, key, outs);
                continue;
            }
            // In the order of time, so that the results of a key are the same however far the watermark leaps.
            let next = self.ticking.first_entry().filter(|next| *next.key() <= watermark);
            let before = next.as_ref().map_or(passed, |next| next.key().plus_micros(-1));
            if let Some((at, key)) = self.deadlines.next_due(before) {
                fired += self.look_at(key, at, outs);
            } else if let Some(next) = next {
                let (tick, keys) = next.remove_entry();
                self.firing = (tick, keys.into_iter());
            } else {
                return Progress::Done;
            }
        }
        Progress::More
    }

    fn waits_for(&self) -> Option<Timestamp> {
        let tick = self.ticking.first_key_value().map(|(tick, _)| *tick);
        self.deadlines.earliest().into_iter().chain(tick).min()
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

/// What is stored of a session beside the states of its parts: its window, and of each part its tick and its window.
type Head = (Window, Vec<(Option<Timestamp>, Window)>);

impl<S: StateData> Stored for Sessions<Parts<S>> {
    fn write(&self, to: &mut ValueWriter<'_>) {
        let head = |session: &Session<Parts<S>>| -> Head {
            (session.window, session.state.0.iter().map(|part| (part.tick, part.window)).collect())
        };
        to.head(&self.open.iter().map(head).collect::<Vec<_>>());
        let parts = self.open.iter().flat_map(|session| &session.state.0);
        parts.for_each(|part| to.state(&part.state));
    }

    fn read(from: &mut ValueReader<'_>) -> Result<Self, Unreadable> {
        let heads: Vec<Head> = from.head()?;
        let mut open = Vec::with_capacity(heads.len());
        for (window, parts) in heads {
            let part = |(tick, window)| Ok(Part { tick, window, state: from.state()? });
            let parts = parts.into_iter().map(part).collect::<Result<Vec<_>, Unreadable>>()?;
            if parts.is_empty() {
                return Err(Unreadable("a session has nothing in it".to_owned()));
            }
            open.push(Session { window, fired: false, state: Parts(parts) });
        }
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
    for EarlySessionStage<K, P, S, R, O, Functions<Init, Add, Merge, Finish, Late, Emit>>
where
    K: Key,
    S: StateData,
    Init: Fn() -> S,
{
    type Key = K;
    type Value = Sessions<Parts<S>>;

    fn table(&mut self) -> &mut KeyedTable<K, Sessions<Parts<S>>> {
        &mut self.table
    }

    fn deadlines(&mut self) -> Vec<&mut Deadlines<K>> {
        vec![&mut self.deadlines]
    }

    fn restored(&mut self, watermark: Timestamp) {
        self.watermark = watermark;
        let windows = self.windows;
        self.table.each_restored(|key, sessions| {
            for session in &mut sessions.open {
                session.fired = session.window.end < watermark;
                for tick in session.state.0.iter().filter_map(|part| part.tick) {
                    self.ticking.entry(tick).or_default().push(key.clone());
                }
            }
            sessions.due = sessions.next_due(windows);
            self.deadlines.set(sessions.due, key.clone());
        });
    }

    fn shape(&self) -> Shape {
        shape::<K, S>(Some(&(self.functions.init)()), PhantomData)
    }
}
