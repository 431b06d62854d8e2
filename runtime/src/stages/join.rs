//! Joins of two streams by key and time: each record meets those of the other side that are near enough.
//!
//! Both sides come through one kind of edge, as [`Side`]s, so that this is a stage like any other. What is held of a
//! key is two lists by time; a record that arrives looks through the part of the other list that it reaches, and joins
//! its own.
//!
//! - In: keyed records of both sides. Out: a pair for each two that meet, at once when the later of them to arrive is
//!   here; in an outer join also each record that met none, once the watermark says that none will come.
//! - State for each key: the records of both sides, each until the watermark passes the last time at which a record
//!   that it could meet would not be late.
//! - Time: a pair bears the later of its two times, a record that stays alone the last moment at which it could have met
//!   another.
//! - Cost: a search in the other list, a copy of both records for each pair, and for each key one entry on a heap.

use super::RESULTS_PER_CALL;
use super::hashed::Hashed;
use crate::checkpoint::value::{Shape, Stored, Unreadable, ValueReader, ValueWriter};
use crate::graph::StageMeta;
use crate::host::{Edge, Host, place};
use crate::outlet::Outlets;
use crate::panic::NodeId;
use crate::record::{Key, Keyed, Side, Stamp, StateData};
use crate::stage::{Local, Progress, Stage};
use crate::state::{Deadlines, InTable, Keep, KeyedTable, Place, StoredState, shape};
use crate::time::{Timestamp, Window, micros};
use serde::{Deserialize, Serialize, Serializer};
use std::collections::VecDeque;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

/// What a join makes of records that meet, and of those that meet none.
pub trait Joining<L, R>: Copy + Send + Sync + 'static {
    /// A result.
    type Pair: 'static;
    /// A result of a join in windows.
    type InWindow: 'static;
    /// Whether records that meet none are results too.
    const OUTER: bool;

    /// Two that meet.
    fn pair(left: L, right: R) -> Self::Pair;
    /// A left record that meets none.
    fn left(left: L) -> Option<Self::Pair>;
    /// A right record that meets none.
    fn right(right: R) -> Option<Self::Pair>;
    /// A result, with its window.
    fn in_window(window: Window, pair: Self::Pair) -> Self::InWindow;
}

/// `join`: only pairs.
#[derive(Clone, Copy, Debug)]
pub struct Inner;

/// `left_join`: also left records that meet none.
#[derive(Clone, Copy, Debug)]
pub struct LeftOuter;

/// `full_join`: also records of either side that meet none.
#[derive(Clone, Copy, Debug)]
pub struct FullOuter;

impl<L: 'static, R: 'static> Joining<L, R> for Inner {
    type Pair = (L, R);
    type InWindow = (Window, L, R);
    const OUTER: bool = false;

    fn pair(left: L, right: R) -> (L, R) {
        (left, right)
    }
    fn left(_: L) -> Option<(L, R)> {
        None
    }
    fn right(_: R) -> Option<(L, R)> {
        None
    }
    fn in_window(window: Window, (left, right): (L, R)) -> (Window, L, R) {
        (window, left, right)
    }
}

impl<L: 'static, R: 'static> Joining<L, R> for LeftOuter {
    type Pair = (L, Option<R>);
    type InWindow = (Window, L, Option<R>);
    const OUTER: bool = true;

    fn pair(left: L, right: R) -> Self::Pair {
        (left, Some(right))
    }
    fn left(left: L) -> Option<Self::Pair> {
        Some((left, None))
    }
    fn right(_: R) -> Option<Self::Pair> {
        None
    }
    fn in_window(window: Window, (left, right): Self::Pair) -> Self::InWindow {
        (window, left, right)
    }
}

impl<L: 'static, R: 'static> Joining<L, R> for FullOuter {
    type Pair = (Option<L>, Option<R>);
    type InWindow = (Window, Option<L>, Option<R>);
    const OUTER: bool = true;

    fn pair(left: L, right: R) -> Self::Pair {
        (Some(left), Some(right))
    }
    fn left(left: L) -> Option<Self::Pair> {
        Some((Some(left), None))
    }
    fn right(right: R) -> Option<Self::Pair> {
        Some((None, Some(right)))
    }
    fn in_window(window: Window, (left, right): Self::Pair) -> Self::InWindow {
        (window, left, right)
    }
}

/// For ever, in microseconds.
const EVER: i64 = i64::MAX;

/// Which records meet.
#[derive(Clone, Copy, Debug)]
pub struct Pairing {
    /// How long before a left record a right one may be.
    before: i64,
    /// How long after it; `None` where each left record says so itself.
    after: Option<i64>,
}

impl Pairing {
    /// `within d`: those whose times are at most `d` apart.
    #[must_use]
    pub fn within(d: Duration) -> Self {
        Pairing { before: micros(d), after: Some(micros(d)) }
    }

    /// `until f`: right records from the left one's time up to what it says.
    #[must_use]
    pub fn until() -> Self {
        Pairing { before: 0, after: None }
    }

    /// `keep d`: the same as `within d`; `keep forever`: all.
    #[must_use]
    pub fn keep(keep: Keep) -> Self {
        match keep {
            Keep::For(keep) => Self::within(keep),
            Keep::Forever => Pairing { before: EVER, after: Some(EVER) },
        }
    }

    /// A record that is behind the watermark of its own side is late, unless all are kept: it depends on the records
    /// before it on that side, and neither on how far the other side has come nor on how the stream was cut into
    /// batches.
    fn is_late(&self, at: Timestamp, watermark: Timestamp) -> bool {
        at < watermark && self.before != EVER
    }

    /// The times of the right records that a left one meets.
    fn reach<L>(&self, left: &L, at: Timestamp, until: &impl Fn(&L) -> Timestamp) -> (Timestamp, Timestamp) {
        let last = match self.after {
            Some(after) => later(at, after),
            // Before all time ends, so that it is over then.
            None => until(left).max(at).min(Timestamp(i64::MAX - 1)),
        };
        (earlier(at, self.before), last)
    }
}

/// [`Timestamp::MAX`] stands for never: all else is over when time is.
fn later(at: Timestamp, by: i64) -> Timestamp {
    if by == EVER { Timestamp::MAX } else { at.plus_micros(by).min(Timestamp(i64::MAX - 1)) }
}

fn earlier(at: Timestamp, by: i64) -> Timestamp {
    if by == EVER { Timestamp::MIN } else { Timestamp(at.0.saturating_sub(by)) }
}

struct Held<T> {
    at: Timestamp,
    /// The last time at which it could meet another: when the watermark has passed it, the record goes.
    bound: Timestamp,
    met: bool,
    record: T,
}

/// The records of a side, by bound and then by time.
struct Records<T>(VecDeque<Held<T>>);

impl<T> Records<T> {
    /// Most records come in order: then this is a push.
    fn insert(&mut self, held: Held<T>) {
        let rank = |held: &Held<T>| (held.bound, held.at);
        let is_last = self.0.back().is_none_or(|last| rank(last) <= rank(&held));
        let place = if is_last { self.0.len() } else { self.0.partition_point(|h| rank(h) <= rank(&held)) };
        self.0.insert(place, held);
    }

    /// The first, if the watermark has passed its bound.
    fn pop_over(&mut self, watermark: Timestamp) -> Option<Held<T>> {
        if self.0.front()?.bound < watermark { self.0.pop_front() } else { None }
    }

    fn due(&self) -> Timestamp {
        self.0.front().map_or(Timestamp::MAX, |held| held.bound)
    }
}

/// What is held of one key.
struct Both<L, R> {
    left: Records<L>,
    right: Records<R>,
    /// When the key is next looked at.
    due: Timestamp,
}

impl<L, R> Both<L, R> {
    fn new() -> Self {
        Both { left: Records(VecDeque::new()), right: Records(VecDeque::new()), due: Timestamp::MAX }
    }
}

struct Functions<Until, Late, Emit> {
    until: Until,
    late: Late,
    emit: Emit,
}

struct JoinStage<K, A, L, R, J, O, F> {
    node: NodeId,
    pairing: Pairing,
    watermark: Timestamp,
    /// That of the sender at hand, or the stage's where that is greater.
    heard: Timestamp,
    table: KeyedTable<K, Both<L, R>>,
    deadlines: Deadlines<K>,
    functions: Arc<F>,
    local: Local,
    types: PhantomData<fn(A, J, O)>,
}

/// A node as what a stage counts for.
pub(super) fn node_id(meta: &'static StageMeta) -> NodeId {
    NodeId::try_from(meta.node).unwrap_or(NodeId::MAX)
}

/// Places a stage that joins two streams. `until` says of a left record up to when it meets right ones, where the pairing
/// leaves that to it; `late` gets left records that came too late, with the watermark (right ones are counted); `emit`
/// gets each result.
#[allow(clippy::too_many_arguments)]
pub fn join<H: Host, K: Key, A: Stamp, L: StateData, R: StateData, J: Joining<L, R>, O: Outlets>(
    host: &mut H,
    meta: &'static StageMeta,
    input: Edge<H, Keyed<K, A, Side<L, R>>>,
    lateness: &[Duration],
    _: J,
    pairing: Pairing,
    until: impl Fn(&L) -> Timestamp + Send + Sync + 'static,
    late: impl Fn(L, Timestamp, Timestamp, &mut Local, &mut O) + Send + Sync + 'static,
    emit: impl Fn(J::Pair, A, &mut Local, &mut O) + Send + Sync + 'static,
) -> O::Edges<H> {
    let functions = Arc::new(Functions { until, late, emit });
    place(host, meta, vec![input], || JoinStage::<K, A, L, R, J, O, _> {
        node: node_id(meta),
        pairing,
        watermark: Timestamp::MIN,
        heard: Timestamp::MIN,
        table: KeyedTable::new(),
        deadlines: Deadlines::new(),
        functions: Arc::clone(&functions),
        local: Local::new(lateness),
        types: PhantomData,
    })
}

impl<K, A, L, R, J, O, Until, Late, Emit> JoinStage<K, A, L, R, J, O, Functions<Until, Late, Emit>>
where
    K: Key,
    A: Stamp,
    L: StateData,
    R: StateData,
    J: Joining<L, R>,
    Until: Fn(&L) -> Timestamp,
    Late: Fn(L, Timestamp, Timestamp, &mut Local, &mut O),
    Emit: Fn(J::Pair, A, &mut Local, &mut O),
{
    fn on_record(&mut self, place: Place, keyed: Keyed<K, A, Side<L, R>>, outs: &mut O) {
        let Keyed { key, at, record } = keyed;
        match record {
            Side::Left(left) => self.on_left(place, key, at.timestamp(), left, outs),
            Side::Right(right) => self.on_right(place, key, at.timestamp(), right, outs),
        }
    }

    fn on_left(&mut self, place: Place, key: K, at: Timestamp, left: L, outs: &mut O) {
        let functions = &*self.functions;
        if self.pairing.is_late(at, self.heard) {
            (functions.late)(left, at, self.heard, &mut self.local, outs);
            return;
        }
        let (first, last) = self.pairing.reach(&left, at, &functions.until);
        let ((key, both), _) = self.table.find_or_insert(place, key, Both::new);
        let mut met = false;
        let begin = both.right.0.partition_point(|right| right.at < first);
        for right in both.right.0.range_mut(begin..).take_while(|right| right.at <= last) {
            (met, right.met) = (true, true);
            let pair = J::pair(left.clone(), right.record.clone());
            (functions.emit)(pair, A::from_timestamp(at.max(right.at)), &mut self.local, outs);
        }
        both.left.insert(Held { at, bound: last, met, record: left });
        note_due(&mut self.deadlines, key, &mut both.due, last);
    }

    fn on_right(&mut self, place: Place, key: K, at: Timestamp, right: R, outs: &mut O) {
        let functions = &*self.functions;
        if self.pairing.is_late(at, self.heard) {
            self.local.late(self.node);
            return;
        }
        let Pairing { before, after } = self.pairing;
        let bound = later(at, before);
        let ((key, both), _) = self.table.find_or_insert(place, key, Both::new);
        let mut met = false;
        let begin = both.left.0.partition_point(|left| left.bound < at);
        for left in both.left.0.range_mut(begin..) {
            if earlier(left.at, before) > at {
                // Where all reach equally far, those behind begin later still.
                if after.is_some() {
                    break;
                }
                continue;
            }
            (met, left.met) = (true, true);
            let pair = J::pair(left.record.clone(), right.clone());
            (functions.emit)(pair, A::from_timestamp(at.max(left.at)), &mut self.local, outs);
        }
        both.right.insert(Held { at, bound, met, record: right });
        note_due(&mut self.deadlines, key, &mut both.due, bound);
    }

    /// Lets go of the records of a key that are over, and answers how many; not of more than some at once.
    fn look_at(&mut self, key: K, now: Timestamp, outs: &mut O) -> usize {
        let Some(both) = self.table.get_mut(&key) else { return 0 };
        if both.due != now {
            return 0;
        }
        let (functions, watermark, mut gone) = (&*self.functions, self.watermark, 0);
        while gone < RESULTS_PER_CALL {
            let alone = if let Some(over) = both.left.pop_over(watermark) {
                (if over.met { None } else { J::left(over.record) }, over.bound)
            } else if let Some(over) = both.right.pop_over(watermark) {
                (if over.met { None } else { J::right(over.record) }, over.bound)
            } else {
                break;
            };
            gone += 1;
            if let (Some(alone), at) = alone {
                (functions.emit)(alone, A::from_timestamp(at), &mut self.local, outs);
            }
        }
        if both.left.0.is_empty() && both.right.0.is_empty() {
            self.table.remove(&key);
            return gone;
        }
        let next = both.left.due().min(both.right.due());
        both.due = Timestamp::MAX;
        note_due(&mut self.deadlines, &key, &mut both.due, next);
        gone
    }
}

/// Sees to it that a key is looked at when the watermark passes `bound`.
fn note_due<K: Key>(deadlines: &mut Deadlines<K>, key: &K, due: &mut Timestamp, bound: Timestamp) {
    if bound < *due {
        *due = bound;
        deadlines.set(bound, key.clone());
    }
}

impl<K, A, L, R, J, O, Until, Late, Emit> Stage for JoinStage<K, A, L, R, J, O, Functions<Until, Late, Emit>>
where
    K: Key,
    A: Stamp,
    L: StateData,
    R: StateData,
    J: Joining<L, R>,
    O: Outlets,
    Until: Fn(&L) -> Timestamp + Send + Sync + 'static,
    Late: Fn(L, Timestamp, Timestamp, &mut Local, &mut O) + Send + Sync + 'static,
    Emit: Fn(J::Pair, A, &mut Local, &mut O) + Send + Sync + 'static,
{
    type In = Keyed<K, A, Side<L, R>>;
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
        // A record exactly at the watermark may still come, and meet one whose bound that is.
        let passed = watermark.plus_micros(-1);
        let mut gone = 0;
        while gone < RESULTS_PER_CALL {
            let Some((at, key)) = self.deadlines.next_due(passed) else { return Progress::Done };
            gone += self.look_at(key, at, outs);
        }
        Progress::More
    }

    /// A record whose bound is just at the watermark is still held, and may bear that time as one that met none.
    fn passes_on(&self, watermark: Timestamp) -> Timestamp {
        if J::OUTER && watermark != Timestamp::MAX { watermark.plus_micros(-1) } else { watermark }
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
struct Sides<L, R> {
    left: L,
    right: R,
}

/// The records of a side without what the join knows of them.
struct Bare<'a, T>(&'a Records<T>);

impl<T: Serialize> Serialize for Bare<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.0.iter().map(|held| &held.record))
    }
}

/// What a join knows of a record: its time, its bound, and whether it has met another.
type Known = (Timestamp, Timestamp, bool);

impl<T> Records<T> {
    fn known(&self) -> Vec<Known> {
        self.0.iter().map(|held| (held.at, held.bound, held.met)).collect()
    }

    fn of(known: Vec<Known>, records: Vec<T>) -> Result<Self, Unreadable> {
        if known.len() != records.len() {
            return Err(Unreadable("a join holds another number of records than it says".to_owned()));
        }
        let held = |((at, bound, met), record)| Held { at, bound, met, record };
        Ok(Records(known.into_iter().zip(records).map(held).collect()))
    }
}

impl<L: StateData, R: StateData> Stored for Both<L, R> {
    fn write(&self, to: &mut ValueWriter<'_>) {
        to.head(&(self.left.known(), self.right.known()));
        to.state(&Sides { left: Bare(&self.left), right: Bare(&self.right) });
    }

    fn read(from: &mut ValueReader<'_>) -> Result<Self, Unreadable> {
        let (left, right) = from.head()?;
        let records: Sides<Vec<L>, Vec<R>> = from.state()?;
        let (left, right) = (Records::of(left, records.left)?, Records::of(right, records.right)?);
        Ok(Both { left, right, due: Timestamp::MAX })
    }

    fn write_rest(&self, to: &mut ValueWriter<'_>) {
        to.head(&self.due);
    }

    fn read_rest(&mut self, from: &mut ValueReader<'_>) -> Result<(), Unreadable> {
        self.due = from.head()?;
        Ok(())
    }
}

impl<K, A, L, R, J, O, F> InTable for JoinStage<K, A, L, R, J, O, F>
where
    K: Key,
    L: StateData,
    R: StateData,
{
    type Key = K;
    type Value = Both<L, R>;

    fn table(&mut self) -> &mut KeyedTable<K, Both<L, R>> {
        &mut self.table
    }

    fn deadlines(&mut self) -> Vec<&mut Deadlines<K>> {
        vec![&mut self.deadlines]
    }

    fn restored(&mut self, watermark: Timestamp) {
        (self.watermark, self.heard) = (watermark, watermark);
        self.table.each_restored(|key, both| {
            let next = both.left.due().min(both.right.due());
            note_due(&mut self.deadlines, key, &mut both.due, next);
        });
    }

    fn shape(&self) -> Shape {
        shape::<K, Sides<Vec<L>, Vec<R>>>(None, PhantomData)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reach(pairing: Pairing, at: i64, until: i64) -> (i64, i64) {
        let (first, last) = pairing.reach(&(), Timestamp(at), &|()| Timestamp(until));
        (first.0, last.0)
    }

    #[test]
    fn a_left_record_reaches_as_far_as_its_join_says() {
        let ten = Duration::from_micros(10);
        assert_eq!(reach(Pairing::within(ten), 5, 0), (-5, 15));
        assert_eq!(reach(Pairing::keep(Keep::For(ten)), 5, 0), (-5, 15));
        assert_eq!(reach(Pairing::until(), 5, 7), (5, 7));
        assert_eq!(reach(Pairing::until(), 5, 3), (5, 5), "no earlier than itself");
        assert_eq!(reach(Pairing::keep(Keep::Forever), 5, 0), (i64::MIN, i64::MAX));
    }

    #[test]
    fn whatever_is_not_for_ever_is_over_when_time_is() {
        let ten = Duration::from_micros(10);
        assert_eq!(reach(Pairing::within(ten), i64::MAX, 0).1, i64::MAX - 1);
        assert_eq!(reach(Pairing::within(Duration::MAX), 0, 0).1, i64::MAX);
        assert_eq!(reach(Pairing::until(), 0, i64::MAX).1, i64::MAX - 1);
        assert_eq!(reach(Pairing::within(ten), i64::MIN, 0).0, i64::MIN);
    }

    #[test]
    fn records_go_in_the_order_of_their_bounds() {
        let mut records = Records(VecDeque::new());
        for (bound, at) in [(5, 1), (9, 2), (7, 3), (7, 1), (9, 2)] {
            let held = Held { at: Timestamp(at), bound: Timestamp(bound), met: false, record: () };
            records.insert(held);
        }
        let mut over = Vec::new();
        while let Some(held) = records.pop_over(Timestamp(9)) {
            over.push((held.bound.0, held.at.0));
        }
        assert_eq!(over, [(5, 1), (7, 1), (7, 3)]);
        assert_eq!(records.due(), Timestamp(9));
    }
}
