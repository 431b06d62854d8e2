//! Running aggregates that are thinned out: `aggregate { .. } every d`.
//!
//! What comes between two ticks is gathered apart and merged when the watermark passes the second, so that what a tick
//! gives depends on the records before it and never on how the stream was cut into batches.

use super::RESULTS_PER_CALL;
use super::hashed::Hashed;
use super::running::Changes;
use crate::checkpoint::value::{Shape, Stored, Unreadable, ValueReader, ValueWriter};
use crate::graph::StageMeta;
use crate::host::{Edge, Host, check, place};
use crate::outlet::Outlets;
use crate::record::{Key, Keyed, Record, StateData};
use crate::stage::{Local, Progress, Stage};
use crate::state::{Deadlines, InTable, Keep, KeyedTable, StoredState, shape};
use crate::time::{Timestamp, micros};
use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;
use std::vec;

/// The multiples of a duration.
#[derive(Clone, Copy, Debug)]
pub struct Ticks(i64);

impl Ticks {
    /// `every d`.
    #[must_use]
    pub fn every(every: Duration) -> Ticks {
        Ticks(micros(every))
    }

    /// What keeps a stage with such ticks from running.
    pub(super) fn wrong(self) -> Option<&'static str> {
        (self.0 <= 0).then_some(
            "it cannot give results more often than every microsecond; make its `every` at least that long",
        )
    }

    /// The tick that a record counts for: the first after it, or, for one that the watermark has passed, after that.
    pub(super) fn of(self, at: Timestamp, watermark: Timestamp) -> Timestamp {
        at.max(watermark).align_down(self.0).plus_micros(self.0)
    }
}

/// What came for one tick.
struct Part<S> {
    tick: Timestamp,
    /// The least and the greatest event time of its records.
    first: Timestamp,
    last: Timestamp,
    state: S,
}

struct Thinned<S> {
    /// Of all ticks that have passed, with the greatest event time.
    whole: Option<(Timestamp, S)>,
    /// Of those to come, the next first: nearly always one or two.
    parts: Vec<Part<S>>,
    /// When it is next asked whether the key has expired.
    due: Timestamp,
}

struct Functions<Init, Add, Merge, Finish, Emit> {
    init: Init,
    add: Add,
    merge: Merge,
    finish: Finish,
    emit: Emit,
}

struct ThinnedStage<K, P, S, R, O, F> {
    ticks: Ticks,
    /// `None`: forever.
    keep: Option<i64>,
    watermark: Timestamp,
    table: KeyedTable<K, Thinned<S>>,
    deadlines: Deadlines<K>,
    /// The keys that have a part for each tick, in the order in which they first came.
    ticking: BTreeMap<Timestamp, Vec<K>>,
    firing: (Timestamp, vec::IntoIter<K>),
    functions: Arc<F>,
    local: Local,
    types: PhantomData<fn(P, R, O)>,
}

/// Places a stage with a running aggregate that gives the result of a key at each multiple of `ticks` before which it
/// changed, when the watermark passes that.
///
/// The closures are those of [`super::running`], and `merge` for what came between two ticks. `emit` gets each result
/// with the last time before its tick. A record that the watermark has passed counts for the tick that comes next. State for
/// each key: as for a running aggregate, and once more for each tick that its records are ahead of the watermark.
#[allow(clippy::too_many_arguments)]
pub fn thinned<H: Host, K: Key, P: Record, S, C: Changes, R, O: Outlets>(
    host: &mut H,
    meta: &'static StageMeta,
    input: Edge<H, Keyed<K, Timestamp, P>>,
    lateness: &[Duration],
    ticks: Ticks,
    keep: Keep,
    init: impl Fn() -> S + Send + Sync + 'static,
    add: impl Fn(&mut S, P, Timestamp) + Send + Sync + 'static,
    merge: impl Fn(&mut S, S) -> C + Send + Sync + 'static,
    finish: impl Fn(K, S) -> R + Send + Sync + 'static,
    emit: impl Fn(R, Timestamp, &mut Local, &mut O) + Send + Sync + 'static,
) -> O::Edges<H>
where
    S: StateData,
    R: 'static,
{
    check(host, meta, ticks.wrong());
    let functions = Arc::new(Functions { init, add, merge, finish, emit });
    place(host, meta, vec![input], || ThinnedStage {
        ticks,
        keep: match keep {
            Keep::For(keep) => Some(micros(keep)),
            Keep::Forever => None,
        },
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

impl<K, P, S, R, O, Init, Add, Merge, Finish, Emit>
    ThinnedStage<K, P, S, R, O, Functions<Init, Add, Merge, Finish, Emit>>
where
    K: Key,
    S: Clone,
{
    /// Forgets a key that has expired, or says when to ask again.
    fn look_at(&mut self, key: K, due: Timestamp, keep: i64) {
        let Some(thinned) = self.table.get_mut(&key).filter(|thinned| thinned.due == due) else { return };
        let until = thinned.in_use_until(self.watermark, keep);
        if until < self.watermark {
            self.table.remove(&key);
        } else {
            thinned.due = until;
            self.deadlines.set(until, key);
        }
    }

    /// Gives the result of a key at a tick, if what came before it changed that.
    fn fire<C: Changes>(&mut self, key: K, tick: Timestamp, outs: &mut O)
    where
        Merge: Fn(&mut S, S) -> C,
        Finish: Fn(K, S) -> R,
        Emit: Fn(R, Timestamp, &mut Local, &mut O),
    {
        let functions = &*self.functions;
        let thinned = self.table.get_mut(&key).expect("a key is kept while it has a part");
        let part = thinned.parts.remove(0);
        // Whether the key had expired is said by the times of the records: that it is still there may only mean that the
        // watermark has not been heard yet.
        let changed = match &mut thinned.whole {
            Some((last, state)) if self.keep.is_none_or(|keep| part.first <= last.plus_micros(keep)) => {
                *last = part.last.max(*last);
                (functions.merge)(state, part.state).changes()
            }
            whole => {
                *whole = Some((part.last, part.state));
                true
            }
        };
        if let Some(keep) = self.keep {
            let until = thinned.in_use_until(Timestamp::MIN, keep);
            if until < thinned.due {
                thinned.due = until;
                self.deadlines.set(until, key.clone());
            }
        }
        if let (Some((_, state)), true) = (&thinned.whole, changed) {
            let result = (functions.finish)(key, state.clone());
            (functions.emit)(result, tick.plus_micros(-1), &mut self.local, outs);
        }
    }
}

impl<S> Thinned<S> {
    /// How long a key is in use by what is known of it. What has expired is forgotten, whatever came since: a record that
    /// is late then must not find it.
    fn in_use_until(&mut self, watermark: Timestamp, keep: i64) -> Timestamp {
        // None that is to come is before the next: late ones count for that.
        let next = self.parts.first().map(|part| (part.first, part.tick.plus_micros(-1)));
        if let Some((last, _)) = &self.whole {
            let expires = last.plus_micros(keep);
            match next {
                Some((first, given)) if first <= expires => return given.max(expires),
                Some(_) if expires < watermark => self.whole = None,
                _ => return expires,
            }
        }
        next.map_or(Timestamp::MIN, |(_, given)| given)
    }

    /// What came for a tick up to a record, and whether that is the first.
    fn part(&mut self, tick: Timestamp, at: Timestamp, init: impl Fn() -> S) -> (&mut Part<S>, bool) {
        let place = self.parts.partition_point(|part| part.tick < tick);
        let new = self.parts.get(place).is_none_or(|part| part.tick != tick);
        if new {
            self.parts.insert(place, Part { tick, first: at, last: at, state: init() });
        }
        let part = &mut self.parts[place];
        (part.first, part.last) = (at.min(part.first), at.max(part.last));
        (part, new)
    }
}

impl<K, P, S, C, R, O, Init, Add, Merge, Finish, Emit> Stage
    for ThinnedStage<K, P, S, R, O, Functions<Init, Add, Merge, Finish, Emit>>
where
    K: Key,
    P: Record,
    S: StateData,
    C: Changes,
    R: 'static,
    O: Outlets,
    Init: Fn() -> S + Send + Sync + 'static,
    Add: Fn(&mut S, P, Timestamp) + Send + Sync + 'static,
    Merge: Fn(&mut S, S) -> C + Send + Sync + 'static,
    Finish: Fn(K, S) -> R + Send + Sync + 'static,
    Emit: Fn(R, Timestamp, &mut Local, &mut O) + Send + Sync + 'static,
{
    type In = Keyed<K, Timestamp, P>;
    type Outs = O;

    fn on_batch(&mut self, items: Vec<Self::In>, _: &mut O) {
        self.table.settle();
        let functions = &*self.functions;
        let mut items = Hashed::new(items);
        while items.load(self.table.hasher()) {
            items.locate(&mut self.table);
            for (place, Keyed { key, at, record }) in items.take_chunk() {
                let tick = self.ticks.of(at, self.watermark);
                let ((key, thinned), _) = self.table.find_or_insert(place, key, || Thinned {
                    whole: None,
                    parts: Vec::with_capacity(1),
                    due: Timestamp::MAX,
                });
                let (part, new_part) = thinned.part(tick, at, &functions.init);
                (functions.add)(&mut part.state, record, at);
                if new_part {
                    self.ticking.entry(tick).or_default().push(key.clone());
                }
            }
        }
    }

    fn on_watermark(&mut self, watermark: Timestamp, outs: &mut O) -> Progress {
        self.watermark = watermark;
        for _ in 0..RESULTS_PER_CALL {
            if let Some(key) = self.firing.1.next() {
                self.fire(key, self.firing.0, outs);
                continue;
            }
            if let Some(next) = self.ticking.first_entry().filter(|next| *next.key() <= watermark) {
                let (tick, keys) = next.remove_entry();
                self.firing = (tick, keys.into_iter());
                continue;
            }
            // A key is in use up to and with its deadline.
            let passed = watermark.plus_micros(-1);
            let next = self.keep.and_then(|keep| Some((self.deadlines.next_due(passed)?, keep)));
            let Some(((due, key), keep)) = next else { return Progress::Done };
            self.look_at(key, due, keep);
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

impl<S: StateData> Stored for Thinned<S> {
    fn write(&self, to: &mut ValueWriter<'_>) {
        let parts: Vec<_> = self.parts.iter().map(|part| (part.tick, part.first, part.last)).collect();
        to.head(&(self.whole.as_ref().map(|(last, _)| *last), parts));
        let whole = self.whole.iter().map(|(_, state)| state);
        whole.chain(self.parts.iter().map(|part| &part.state)).for_each(|state| to.state(state));
    }

    fn read(from: &mut ValueReader<'_>) -> Result<Self, Unreadable> {
        let (whole, parts): (Option<Timestamp>, Vec<(Timestamp, Timestamp, Timestamp)>) = from.head()?;
        let whole = match whole {
            Some(last) => Some((last, from.state()?)),
            None => None,
        };
        let part = |(tick, first, last)| Ok(Part { tick, first, last, state: from.state()? });
        let parts = parts.into_iter().map(part).collect::<Result<_, _>>()?;
        Ok(Thinned { whole, parts, due: Timestamp::MAX })
    }

    fn write_rest(&self, to: &mut ValueWriter<'_>) {
        to.head(&self.due);
    }

    fn read_rest(&mut self, from: &mut ValueReader<'_>) -> Result<(), Unreadable> {
        self.due = from.head()?;
        Ok(())
    }
}

impl<K, P, S, R, O, Init, Add, Merge, Finish, Emit> InTable
    for ThinnedStage<K, P, S, R, O, Functions<Init, Add, Merge, Finish, Emit>>
where
    K: Key,
    S: StateData,
    Init: Fn() -> S,
{
    type Key = K;
    type Value = Thinned<S>;

    fn table(&mut self) -> &mut KeyedTable<K, Thinned<S>> {
        &mut self.table
    }

    fn deadlines(&mut self) -> Vec<&mut Deadlines<K>> {
        vec![&mut self.deadlines]
    }

    fn restored(&mut self, watermark: Timestamp) {
        self.watermark = watermark;
        self.table.each_restored(|key, thinned| {
            for part in &thinned.parts {
                self.ticking.entry(part.tick).or_default().push(key.clone());
            }
            if let Some(keep) = self.keep {
                thinned.due = thinned.in_use_until(Timestamp::MIN, keep);
                self.deadlines.set(thinned.due, key.clone());
            }
        });
    }

    fn shape(&self) -> Shape {
        shape::<K, S>(Some(&(self.functions.init)()), PhantomData)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_counts_for_the_next_tick_that_can_still_be_given() {
        let ticks = Ticks::every(Duration::from_micros(10));
        let of = |at, watermark| ticks.of(Timestamp(at), Timestamp(watermark)).0;
        assert_eq!([of(0, -50), of(9, 9), of(10, 9), of(-1, -50)], [10, 10, 20, 0]);
        assert_eq!([of(3, 25), of(3, 30)], [30, 40]);
        assert_eq!(ticks.of(Timestamp(5), Timestamp::MIN), Timestamp(10));
    }
}
