//! What a random flow is, as data, and the functions of its user, which the flow and the interpreter both call.

use psdf::{Aggregate, Timestamp, dataflow};
use serde::{Deserialize, Serialize};

/// Every node of a random flow is a stream of these. Its `at` is its event time, wherever a stream is `on_time`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct Rec {
    pub(crate) key: u8,
    pub(crate) at: i64,
    pub(crate) value: i64,
}

/// The nodes of a flow, each after those it reads. The first two are the inputs.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) nodes: Vec<Node>,
}

#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) op: Op,
    pub(crate) from: Vec<usize>,
    pub(crate) order: Order,
    /// Whether its records have their `at` as event time, and none is behind the watermark.
    pub(crate) on_time: bool,
    /// Whether it is led out, and nothing reads it: its results depend on batches, but for the last of each key.
    pub(crate) last_of_key: bool,
}

/// What is promised of the order of a stream. Operators that go by the order of arrival stand only where that is known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Order {
    /// That in which the records were sent.
    Sent,
    /// That, among the records of one `key`.
    OfKey,
    Unknown,
}

#[derive(Clone, Debug)]
pub(crate) enum Op {
    /// Its events are at most so far behind the latest before them.
    Input {
        lateness: i64,
    },
    /// The records of an input again, without event time.
    Untimed {
        input: usize,
    },
    Map {
        by: i64,
    },
    Filter {
        by: i64,
    },
    FilterMap {
        by: i64,
    },
    FlatMap,
    Rekey {
        by: u8,
    },
    /// The flow [`Sums`], with its output timed again.
    Inner,
    /// One of the three nodes of a `route`; the first of them bears its text. So with the two of the next ones.
    Route {
        by: i64,
        arm: i64,
    },
    TryMap {
        by: i64,
        failed: bool,
    },
    MapAsync {
        by: i64,
        ordered: bool,
        failed: bool,
    },
    Merge,
    /// Later times, with the watermark that is there.
    Shift {
        by: i64,
    },
    /// The same times, with a watermark of their own.
    Clock {
        lateness: i64,
    },
    Window {
        key: KeyBy,
        window: Window,
        allow: i64,
        reduce: Reduce,
    },
    CountWindow {
        key: KeyBy,
        n: usize,
        reduce: Reduce,
    },
    Running {
        key: KeyBy,
        reduce: Reduce,
        every: Option<i64>,
        keep: Option<i64>,
    },
    Thinned {
        key: KeyBy,
        every: i64,
        functions: Vec<Function>,
    },
    Stateful {
        key: KeyBy,
    },
    Timers {
        key: KeyBy,
        after: i64,
    },
    Dedup {
        key: KeyBy,
        keep: Option<i64>,
    },
    Latest {
        key: KeyBy,
        keep: Option<i64>,
    },
    Join {
        key: KeyBy,
        outer: Outer,
        bound: Bound,
    },
    Lookup {
        key: KeyBy,
        keep: Option<i64>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum KeyBy {
    Own,
    Parity,
    /// Two fields: `key`, and whether the value is even.
    Both,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Window {
    Tumbling {
        size: i64,
        early: Option<i64>,
    },
    Hopping {
        size: i64,
        every: i64,
        early: Option<i64>,
    },
    Session {
        gap: i64,
    },
    /// Without a key.
    Global {
        size: i64,
    },
}

#[derive(Clone, Debug)]
pub(crate) enum Reduce {
    Aggregate(Vec<Function>),
    /// In the order of arrival.
    Fold,
    /// In any order.
    MergedFold,
    Top(usize),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Function {
    Count,
    CountWhere,
    Sum,
    Min,
    MaxWhere,
    Mean,
    Distinct,
    ApproxDistinct,
    Top,
    MergedFold,
    Spread,
    // Of these equal times go by arrival.
    First,
    Last,
    Collect,
    CollectWhere,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Outer {
    Inner,
    Left,
    Full,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Bound {
    Within(i64),
    Keep(i64),
    Until,
    Forever,
    Windows(Window),
}

/// A function of the user's own: the difference between the greatest and the least.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Spread(Option<(i64, i64)>);

impl Aggregate for Spread {
    type Input = i64;
    type Output = i64;

    fn add(&mut self, value: i64, _: Timestamp) {
        self.merge(Spread(Some((value, value))));
    }

    fn merge(&mut self, other: Self) {
        self.0 = match (self.0, other.0) {
            (Some(own), Some(other)) => Some((own.0.min(other.0), own.1.max(other.1))),
            (own, other) => own.or(other),
        };
    }

    fn finish(self) -> i64 {
        self.0.map_or(0, |(least, greatest)| greatest - least)
    }
}

dataflow! {
    /// A flow inside of others.
    pub(crate) flow Sums {
        input records: Rec;
        sums = records -> event_time(|r| Timestamp(r.at), lateness 50 us) -> key_by(key: u8 = |r| r.key)
            -> tumbling(10 us) -> aggregate { sum: i64 = sum(|r| r.value) };
        output made: Rec = sums -> map(|w| made(w.key, w.window.last(), &[w.sum]));
    }
}

pub(crate) fn changed(rec: Rec, by: i64) -> Rec {
    Rec { value: digest(&[rec.value, by]), ..rec }
}

pub(crate) fn is_kept(rec: &Rec, by: i64) -> bool {
    rec.value.rem_euclid(by) != 0
}

pub(crate) fn halves(rec: Rec) -> Vec<Rec> {
    let half = rec.value / 2;
    vec![Rec { value: half, ..rec }, Rec { value: rec.value - half, ..rec }]
}

pub(crate) fn rekeyed(rec: Rec, by: u8) -> Rec {
    Rec { key: (rec.key * by + 1) % 4, ..rec }
}

pub(crate) fn later(rec: Rec, by: i64) -> Rec {
    Rec { at: rec.at + by, ..rec }
}

pub(crate) fn is_even(rec: &Rec) -> bool {
    rec.value % 2 == 0
}

/// Until when a record waits in a join; some times are before its own.
pub(crate) fn until(rec: &Rec) -> Timestamp {
    Timestamp(rec.at + rec.value.rem_euclid(20) - 3)
}

pub(crate) fn in_order(acc: &mut i64, rec: &Rec) {
    *acc = digest(&[*acc, rec.value]);
}

pub(crate) fn in_any_order(acc: &mut i64, rec: &Rec) {
    *acc += rec.value * rec.value + i64::from(rec.key);
}

pub(crate) fn add(acc: &mut i64, other: i64) {
    *acc += other;
}

pub(crate) fn made(key: u8, at: Timestamp, parts: &[i64]) -> Rec {
    Rec { key, at: at.0, value: digest(parts) }
}

pub(crate) fn paired(at: Timestamp, left: Option<&Rec>, right: Option<&Rec>) -> Rec {
    let key = left.or(right).expect("a pair is not empty").key;
    made(key, at, &[d(&left.cloned()), d(&right.cloned())])
}

/// The time of a pair of an interval join: the later one; of what is alone, when it is known to be.
pub(crate) fn time_of(
    left: Option<&Rec>,
    right: Option<&Rec>,
    alone: impl Fn(&Rec, bool) -> i64,
) -> Timestamp {
    Timestamp(match (left, right) {
        (Some(left), Some(right)) => left.at.max(right.at),
        (Some(left), None) => alone(left, true),
        (None, Some(right)) => alone(right, false),
        (None, None) => unreachable!("a pair is not empty"),
    })
}

pub(crate) fn ranked(at: Timestamp, key: u8, top: &[Rec]) -> Vec<Rec> {
    (0..).zip(top).map(|(place, rec)| made(key, at, &[place, d(rec)])).collect()
}

/// The sum of what has a time before `at`.
pub(crate) fn before(seen: &[(i64, i64)], at: Timestamp) -> i64 {
    seen.iter().filter(|(time, _)| *time < at.0).map(|(_, value)| value).sum()
}

/// The last moment before the next multiple of `every`.
pub(crate) fn tick(at: i64, every: i64) -> Timestamp {
    Timestamp((at.div_euclid(every) + 1) * every - 1)
}

/// A small number out of some.
pub(crate) fn digest(parts: &[i64]) -> i64 {
    parts.iter().fold(7, |acc, part| (acc * 31 + part).rem_euclid(1009))
}

pub(crate) fn d<T: Digest>(result: &T) -> i64 {
    result.digest()
}

/// A result of an aggregate function as a number.
pub(crate) trait Digest {
    fn digest(&self) -> i64;
}

impl Digest for i64 {
    fn digest(&self) -> i64 {
        *self
    }
}

impl Digest for u64 {
    fn digest(&self) -> i64 {
        i64::try_from(*self).expect("counts are small")
    }
}

impl Digest for f64 {
    fn digest(&self) -> i64 {
        (*self * 1000.0) as i64
    }
}

impl Digest for Rec {
    fn digest(&self) -> i64 {
        digest(&[i64::from(self.key), self.at, self.value])
    }
}

impl<T: Digest> Digest for Option<T> {
    fn digest(&self) -> i64 {
        self.as_ref().map_or(-1, Digest::digest)
    }
}

impl<T: Digest> Digest for Vec<T> {
    fn digest(&self) -> i64 {
        digest(&self.iter().map(Digest::digest).collect::<Vec<_>>())
    }
}
