//! Lookups, or temporal joins: each record with the newest of another stream's records of its key, as of its time.
//!
//! - In: keyed records of both sides. Out: each left record with the newest right one that is not after it, if there is
//!   one that is not too old, as soon as the watermark has passed the left one: then no other can come in between. So
//!   the order of arrival does not matter.
//! - State for each key: the left records that wait, and the right ones that a record to come may still look up: the
//!   newest that the watermark has passed, while it is kept, and all after it.
//! - Time: that of the left record. A record may bear the moment just before the watermark, so that is what is passed
//!   on.
//! - Cost: a search among the key's versions, nearly always one or two, and one entry on a heap for each key.

use super::RESULTS_PER_CALL;
use super::hashed::Hashed;
use super::join::node_id;
use crate::checkpoint::value::{Shape, Stored, Unreadable, ValueReader, ValueWriter};
use crate::graph::StageMeta;
use crate::host::{Edge, Host, place};
use crate::outlet::Outlets;
use crate::panic::NodeId;
use crate::record::{Key, Keyed, Side, StateData};
use crate::stage::{Local, Progress, Stage};
use crate::state::{Deadlines, InTable, Keep, KeyedTable, Place, StoredState, shape};
use crate::time::{Timestamp, micros};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

/// What is held of one key, each list by time.
struct Held<L, R> {
    waiting: VecDeque<(Timestamp, L)>,
    /// One for each time.
    versions: VecDeque<(Timestamp, R)>,
    /// When the key is next looked at.
    due: Timestamp,
}

impl<L, R> Held<L, R> {
    fn new() -> Self {
        Held { waiting: VecDeque::new(), versions: VecDeque::new(), due: Timestamp::MAX }
    }

    /// Among equals, the one that came last is the newest.
    fn add_version(&mut self, at: Timestamp, right: R) {
        let place = self.versions.partition_point(|(of, _)| *of < at);
        match self.versions.get_mut(place) {
            Some(version) if version.0 == at => version.1 = right,
            _ => self.versions.insert(place, (at, right)),
        }
    }

    fn add_waiting(&mut self, at: Timestamp, left: L) {
        let place = self.waiting.partition_point(|(of, _)| *of <= at);
        self.waiting.insert(place, (at, left));
    }

    /// The newest version that is not after `at`.
    fn version(&self, at: Timestamp) -> Option<&(Timestamp, R)> {
        self.versions.get(self.versions.partition_point(|(of, _)| *of <= at).checked_sub(1)?)
    }

    /// When a record here is answered, or let go.
    fn next_due(&self, keep: Option<i64>) -> Timestamp {
        let answer = self.waiting.front().map_or(Timestamp::MAX, |(at, _)| *at);
        let outdated = self.versions.get(1).map_or(Timestamp::MAX, |(at, _)| *at);
        let too_old = self.versions.front().zip(keep).map(|((at, _), keep)| at.plus_micros(keep));
        answer.min(outdated).min(too_old.unwrap_or(Timestamp::MAX))
    }
}

struct Functions<Late, Emit> {
    late: Late,
    emit: Emit,
}

struct Lookup<K, L, R, O, F> {
    node: NodeId,
    keep: Option<i64>,
    watermark: Timestamp,
    /// That of the sender at hand, or the stage's where that is greater.
    heard: Timestamp,
    table: KeyedTable<K, Held<L, R>>,
    deadlines: Deadlines<K>,
    functions: Arc<F>,
    local: Local,
    types: PhantomData<fn(O)>,
}

/// Places a stage that looks the records of one stream up in another. `keep` says how old what is found may be. A record
/// behind the watermark of its own side is late: `late` gets left ones, right ones are counted. `emit` gets each left
/// record with what was found.
#[allow(clippy::too_many_arguments)]
pub fn lookup<H: Host, K: Key, L: StateData, R: StateData, O: Outlets>(
    host: &mut H,
    meta: &'static StageMeta,
    input: Edge<H, Keyed<K, Timestamp, Side<L, R>>>,
    lateness: &[Duration],
    keep: Keep,
    late: impl Fn(L, Timestamp, Timestamp, &mut Local, &mut O) + Send + Sync + 'static,
    emit: impl Fn((L, Option<R>), Timestamp, &mut Local, &mut O) + Send + Sync + 'static,
) -> O::Edges<H> {
    let functions = Arc::new(Functions { late, emit });
    let keep = match keep {
        Keep::For(keep) => Some(micros(keep)),
        Keep::Forever => None,
    };
    place(host, meta, vec![input], || Lookup {
        node: node_id(meta),
        keep,
        watermark: Timestamp::MIN,
        heard: Timestamp::MIN,
        table: KeyedTable::new(),
        deadlines: Deadlines::new(),
        functions: Arc::clone(&functions),
        local: Local::new(lateness),
        types: PhantomData,
    })
}

impl<K, L, R, O, Late, Emit> Lookup<K, L, R, O, Functions<Late, Emit>>
where
    K: Key,
    L: StateData,
    R: StateData,
    Late: Fn(L, Timestamp, Timestamp, &mut Local, &mut O),
    Emit: Fn((L, Option<R>), Timestamp, &mut Local, &mut O),
{
    fn on_record(&mut self, place: Place, keyed: Keyed<K, Timestamp, Side<L, R>>, outs: &mut O) {
        let Keyed { key, at, record } = keyed;
        if at < self.heard {
            match record {
                Side::Left(left) => (self.functions.late)(left, at, self.heard, &mut self.local, outs),
                Side::Right(_) => self.local.late(self.node),
            }
            return;
        }
        let ((key, held), _) = self.table.find_or_insert(place, key, Held::new);
        match record {
            // It must be answered before all time is over.
            Side::Left(left) => held.add_waiting(at.min(Timestamp(i64::MAX - 1)), left),
            Side::Right(right) => held.add_version(at, right),
        }
        note_due(&mut self.deadlines, key, held, self.keep);
    }

    /// Answers records of a key, lets go of versions that nobody can look up any more, and tells how many; not of more
    /// than some at once.
    fn look_at(&mut self, key: K, now: Timestamp, outs: &mut O) -> usize {
        let Some(held) = self.table.get_mut(&key) else { return 0 };
        if held.due != now {
            return 0;
        }
        let (functions, watermark, mut done) = (&*self.functions, self.watermark, 0);
        while done < RESULTS_PER_CALL && held.waiting.front().is_some_and(|(at, _)| *at < watermark) {
            let Some((at, left)) = held.waiting.pop_front() else { break };
            let keep = self.keep;
            let young = |of: Timestamp| keep.is_none_or(|keep| of.plus_micros(keep) >= at);
            let right = held.version(at).filter(|(of, _)| young(*of)).map(|(_, right)| right.clone());
            (functions.emit)((left, right), at, &mut self.local, outs);
            done += 1;
        }
        // Those that wait have times of their own; only when they are answered the watermark is the least to come.
        let least = held.waiting.front().map_or(watermark, |(at, _)| watermark.min(*at));
        while held.versions.get(1).is_some_and(|(at, _)| *at <= least)
            || held
                .versions
                .front()
                .zip(self.keep)
                .is_some_and(|((at, _), keep)| at.plus_micros(keep) < least)
        {
            held.versions.pop_front();
            done += 1;
        }
        if held.waiting.is_empty() && held.versions.is_empty() {
            self.table.remove(&key);
            return done;
        }
        held.due = Timestamp::MAX;
        note_due(&mut self.deadlines, &key, held, self.keep);
        done
    }
}

fn note_due<K: Key, L, R>(deadlines: &mut Deadlines<K>, key: &K, held: &mut Held<L, R>, keep: Option<i64>) {
    let due = held.next_due(keep);
    if due < held.due {
        held.due = due;
        deadlines.set(due, key.clone());
    }
}

impl<K, L, R, O, Late, Emit> Stage for Lookup<K, L, R, O, Functions<Late, Emit>>
where
    K: Key,
    L: StateData,
    R: StateData,
    O: Outlets,
    Late: Fn(L, Timestamp, Timestamp, &mut Local, &mut O) + Send + Sync + 'static,
    Emit: Fn((L, Option<R>), Timestamp, &mut Local, &mut O) + Send + Sync + 'static,
{
    type In = Keyed<K, Timestamp, Side<L, R>>;
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
        // A right record exactly at the watermark may still come, and is what a left one at that time finds.
        let passed = watermark.plus_micros(-1);
        let mut done = 0;
        while done < RESULTS_PER_CALL {
            let Some((at, key)) = self.deadlines.next_due(passed) else { return Progress::Done };
            done += self.look_at(key, at, outs);
        }
        Progress::More
    }

    fn passes_on(&self, watermark: Timestamp) -> Timestamp {
        if watermark == Timestamp::MAX { watermark } else { watermark.plus_micros(-1) }
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

/// What is held of a key, as it is stored.
#[derive(Serialize, Deserialize)]
struct Lists<Waiting, Versions> {
    waiting: Waiting,
    versions: Versions,
}

type ByTime<T> = VecDeque<(Timestamp, T)>;

impl<L: StateData, R: StateData> Stored for Held<L, R> {
    fn write(&self, to: &mut ValueWriter<'_>) {
        to.state(&Lists { waiting: &self.waiting, versions: &self.versions });
    }

    fn read(from: &mut ValueReader<'_>) -> Result<Self, Unreadable> {
        let Lists { waiting, versions } = from.state()?;
        Ok(Held { waiting, versions, due: Timestamp::MAX })
    }

    fn write_rest(&self, to: &mut ValueWriter<'_>) {
        to.head(&self.due);
    }

    fn read_rest(&mut self, from: &mut ValueReader<'_>) -> Result<(), Unreadable> {
        self.due = from.head()?;
        Ok(())
    }
}

impl<K: Key, L: StateData, R: StateData, O, F> InTable for Lookup<K, L, R, O, F> {
    type Key = K;
    type Value = Held<L, R>;

    fn table(&mut self) -> &mut KeyedTable<K, Held<L, R>> {
        &mut self.table
    }

    fn deadlines(&mut self) -> Vec<&mut Deadlines<K>> {
        vec![&mut self.deadlines]
    }

    fn restored(&mut self, watermark: Timestamp) {
        (self.watermark, self.heard) = (watermark, watermark);
        let keep = self.keep;
        self.table.each_restored(|key, held| note_due(&mut self.deadlines, key, held, keep));
    }

    fn shape(&self) -> Shape {
        shape::<K, Lists<ByTime<L>, ByTime<R>>>(None, PhantomData)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_version_that_is_not_after_a_time_holds_then() {
        let mut held = Held::<(), char>::new();
        for (at, version) in [(10, 'b'), (5, 'a'), (20, 'c'), (10, 'd')] {
            held.add_version(Timestamp(at), version);
        }
        let at = |at| held.version(Timestamp(at)).map(|(_, version)| *version);
        assert_eq!(
            [4, 5, 9, 10, 19, 20].map(at),
            [None, Some('a'), Some('a'), Some('d'), Some('d'), Some('c')]
        );
    }

    #[test]
    fn a_key_is_looked_at_when_something_of_it_is_over() {
        let mut held = Held::<(), char>::new();
        held.add_version(Timestamp(5), 'a');
        assert_eq!([held.next_due(None), held.next_due(Some(100))], [Timestamp::MAX, Timestamp(105)]);
        held.add_version(Timestamp(20), 'b');
        assert_eq!(held.next_due(Some(100)), Timestamp(20), "then the first is out of date");
        held.add_waiting(Timestamp(7), ());
        assert_eq!(held.next_due(Some(100)), Timestamp(7));
    }
}
