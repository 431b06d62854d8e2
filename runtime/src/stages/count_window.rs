//! `count_window(n)`: every `n` records of a key, in the order in which they come, are a window.

use super::RESULTS_PER_CALL;
use super::hashed::Hashed;
use crate::checkpoint::value::{Shape, Stored, Unreadable, ValueReader, ValueWriter};
use crate::graph::StageMeta;
use crate::host::{Edge, Host, check, place};
use crate::outlet::Outlets;
use crate::record::{Key, Keyed, Record, Stamp, StateData};
use crate::stage::{Local, Progress, Stage};
use crate::state::{Deadlines, Entries, Expiry, InTable, Keep, KeyedTable, StoredState, Taken, shape};
use crate::time::{Timestamp, Window, micros};
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

/// Windows of so many records.
#[derive(Clone, Copy, Debug)]
pub struct CountWindows {
    size: u64,
    keep: Keep,
}

impl CountWindows {
    /// `count_window(size) .. keep`.
    #[must_use]
    pub fn new(size: u64, keep: Keep) -> Self {
        CountWindows { size, keep }
    }

    /// What keeps a stage of such windows from running.
    fn wrong(self) -> Option<&'static str> {
        (self.size == 0).then_some("a window needs at least one record")
    }

    /// The time of what a key leaves behind when it expires, or would if time went on.
    fn expires(self, last: Timestamp) -> Timestamp {
        match self.keep {
            Keep::For(keep) => last.plus_micros(micros(keep)).min(Timestamp(i64::MAX - 1)),
            Keep::Forever => last,
        }
    }
}

struct Open<S> {
    state: S,
    records: u64,
    /// From the earliest record to the latest.
    first: Timestamp,
    last: Timestamp,
}

struct Counted<S> {
    open: Option<Open<S>>,
    /// The greatest event time of the key's records.
    used: Timestamp,
}

struct Functions<Init, Add, Finish, Emit> {
    init: Init,
    add: Add,
    finish: Finish,
    emit: Emit,
}

struct CountStage<K, A, P, S, R, O, F> {
    windows: CountWindows,
    table: KeyedTable<K, Counted<S>>,
    expiry: Expiry<K>,
    /// At the end: what was taken out of the table last, and how far it has been emptied.
    left: Entries<K, Counted<S>>,
    taken: Taken,
    functions: Arc<F>,
    local: Local,
    types: PhantomData<fn(A, P, R, O)>,
}

/// Places a stage of windows that are counted out.
///
/// `init` makes the state of a key's window, `add` shows it a record, `finish` makes a result of it and of the time from
/// its earliest to its latest record; `emit` gets each result with the latter. What is incomplete is given when its key
/// expires, with that time, and at the end of the input. State for each key: that of one window, and three times.
#[allow(clippy::too_many_arguments)]
pub fn count_windows<H: Host, K: Key, A: Stamp, P: Record, S, R, O: Outlets>(
    host: &mut H,
    meta: &'static StageMeta,
    input: Edge<H, Keyed<K, A, P>>,
    lateness: &[Duration],
    windows: CountWindows,
    init: impl Fn() -> S + Send + Sync + 'static,
    add: impl Fn(&mut S, P, Timestamp) + Send + Sync + 'static,
    finish: impl Fn(K, Window, S) -> R + Send + Sync + 'static,
    emit: impl Fn(R, A, &mut Local, &mut O) + Send + Sync + 'static,
) -> O::Edges<H>
where
    S: StateData,
    R: 'static,
{
    check(host, meta, windows.wrong());
    let functions = Arc::new(Functions { init, add, finish, emit });
    place(host, meta, vec![input], || CountStage {
        windows,
        table: KeyedTable::new(),
        expiry: Expiry::new(windows.keep),
        left: Entries::default(),
        taken: Taken::default(),
        functions: Arc::clone(&functions),
        local: Local::new(lateness),
        types: PhantomData,
    })
}

impl<Init, Add, Finish, Emit> Functions<Init, Add, Finish, Emit> {
    /// Gives the result of a window, with a time.
    fn fire<K, A, S, R, O>(&self, key: K, open: Open<S>, at: Timestamp, local: &mut Local, outs: &mut O)
    where
        A: Stamp,
        Finish: Fn(K, Window, S) -> R,
        Emit: Fn(R, A, &mut Local, &mut O),
    {
        let window = Window { start: open.first, end: open.last.plus_micros(1) };
        (self.emit)((self.finish)(key, window, open.state), A::from_timestamp(at), local, outs);
    }
}

impl<K, A, P, S, R, O, Init, Add, Finish, Emit> Stage
    for CountStage<K, A, P, S, R, O, Functions<Init, Add, Finish, Emit>>
where
    K: Key,
    A: Stamp,
    P: Record,
    S: StateData,
    R: 'static,
    O: Outlets,
    Init: Fn() -> S + Send + Sync + 'static,
    Add: Fn(&mut S, P, Timestamp) + Send + Sync + 'static,
    Finish: Fn(K, Window, S) -> R + Send + Sync + 'static,
    Emit: Fn(R, A, &mut Local, &mut O) + Send + Sync + 'static,
{
    type In = Keyed<K, A, P>;
    type Outs = O;

    fn on_batch(&mut self, items: Vec<Self::In>, outs: &mut O) {
        self.table.settle();
        let (functions, local, windows) = (&*self.functions, &mut self.local, self.windows);
        let mut items = Hashed::new(items);
        while items.load(self.table.hasher()) {
            items.locate(&mut self.table);
            for (place, Keyed { key, at, record }) in items.take_chunk() {
                let at = at.timestamp();
                let ((key, counted), new) =
                    self.table.find_or_insert(place, key, || Counted { open: None, used: at });
                if new {
                    self.expiry.add(key, at);
                } else if self.expiry.is_over(counted.used, at)
                    && let Some(open) = counted.open.take()
                {
                    functions.fire(key.clone(), open, windows.expires(counted.used), local, outs);
                }
                counted.used = at.max(counted.used);
                let open = counted.open.get_or_insert_with(|| Open {
                    state: (functions.init)(),
                    records: 0,
                    first: at,
                    last: at,
                });
                (functions.add)(&mut open.state, record, at);
                open.records += 1;
                (open.first, open.last) = (at.min(open.first), at.max(open.last));
                if open.records == windows.size
                    && let Some(open) = counted.open.take()
                {
                    let last = open.last;
                    functions.fire(key.clone(), open, last, local, outs);
                }
            }
        }
    }

    fn on_watermark(&mut self, watermark: Timestamp, outs: &mut O) -> Progress {
        let (functions, windows) = (&*self.functions, self.windows);
        for _ in 0..RESULTS_PER_CALL {
            let (key, counted) = if watermark == Timestamp::MAX {
                let Some(entry) = self.left.next() else {
                    let Some(left) = self.table.take_next(&mut self.taken) else {
                        self.table.clear();
                        return Progress::Done;
                    };
                    self.left = left;
                    continue;
                };
                entry
            } else {
                let used = |key: &K| self.table.get(key).map(|counted| counted.used);
                let Some(key) = self.expiry.next_expired(watermark, used) else { return Progress::Done };
                let counted = self.table.remove(&key).expect("a key that expires is there");
                (key, counted)
            };
            if let Some(open) = counted.open {
                functions.fire(key, open, windows.expires(counted.used), &mut self.local, outs);
            }
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

impl<S: StateData> Stored for Counted<S> {
    fn write(&self, to: &mut ValueWriter<'_>) {
        to.head(&(self.used, self.open.as_ref().map(|open| (open.records, open.first, open.last))));
        if let Some(open) = &self.open {
            to.state(&open.state);
        }
    }

    fn read(from: &mut ValueReader<'_>) -> Result<Self, Unreadable> {
        let (used, open): (_, Option<(u64, Timestamp, Timestamp)>) = from.head()?;
        let open = match open {
            Some((records, first, last)) => Some(Open { state: from.state()?, records, first, last }),
            None => None,
        };
        Ok(Counted { open, used })
    }
}

impl<K, A, P, S, R, O, Init, Add, Finish, Emit> InTable
    for CountStage<K, A, P, S, R, O, Functions<Init, Add, Finish, Emit>>
where
    K: Key,
    S: StateData,
    Init: Fn() -> S,
{
    type Key = K;
    type Value = Counted<S>;

    fn table(&mut self) -> &mut KeyedTable<K, Counted<S>> {
        &mut self.table
    }

    fn deadlines(&mut self) -> Vec<&mut Deadlines<K>> {
        vec![self.expiry.deadlines()]
    }

    fn restored(&mut self, _: Timestamp) {
        self.table.each(|key, counted| self.expiry.add(key, counted.used));
    }

    fn shape(&self) -> Shape {
        shape::<K, S>(Some(&(self.functions.init)()), PhantomData)
    }
}
