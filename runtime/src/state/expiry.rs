//! When keys are due: timers, ends of sessions, and what `keep` says.

use crate::time::{Timestamp, micros};
use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::time::Duration;

/// How long a stateful node keeps a key after its last record, in event time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// `keep 7 days`.
    For(Duration),
    /// `keep forever`.
    Forever,
}

struct Deadline<K> {
    at: Timestamp,
    key: K,
}

impl<K> PartialEq for Deadline<K> {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}
impl<K> Eq for Deadline<K> {}
impl<K> PartialOrd for Deadline<K> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
/// The earliest is the greatest, which is what a `BinaryHeap` gives first.
impl<K> Ord for Deadline<K> {
    fn cmp(&self, other: &Self) -> Ordering {
        other.at.cmp(&self.at)
    }
}

/// Keys by when they are due, earliest first.
pub(crate) struct Deadlines<K>(BinaryHeap<Deadline<K>>);

impl<K> Deadlines<K> {
    pub(crate) fn new() -> Self {
        Deadlines(BinaryHeap::new())
    }

    pub(crate) fn set(&mut self, at: Timestamp, key: K) {
        self.0.push(Deadline { at, key });
    }

    /// When the next key is due.
    pub(crate) fn earliest(&self) -> Option<Timestamp> {
        self.0.peek().map(|due| due.at)
    }

    /// The next key that is due where everything before `watermark` has been seen.
    pub(crate) fn next_due(&mut self, watermark: Timestamp) -> Option<(Timestamp, K)> {
        if self.0.peek()?.at > watermark {
            return None;
        }
        self.0.pop().map(|due| (due.at, due.key))
    }
}

/// Applies `keep` to the keys of a node: each has one deadline, moved on when it turns out that the key has had
/// another record since. So a record costs nothing here, and a key one entry.
pub(crate) struct Expiry<K> {
    keep: Option<i64>,
    deadlines: Deadlines<K>,
}

impl<K: Clone> Expiry<K> {
    pub(crate) fn new(keep: Keep) -> Self {
        let keep = match keep {
            Keep::For(duration) => Some(micros(duration)),
            Keep::Forever => None,
        };
        Expiry { keep, deadlines: Deadlines::new() }
    }

    /// A key is new, with its first record at `at`.
    pub(crate) fn add(&mut self, key: &K, at: Timestamp) {
        if let Some(keep) = self.keep {
            self.deadlines.set(at.plus_micros(keep), key.clone());
        }
    }

    /// Whether a record at `at` is the first of its key anew, because the key was last in use at `last`. The record's
    /// own time decides, and not the watermark, so that it does not matter how the stream was cut into batches.
    #[inline]
    pub(crate) fn is_over(&self, last: Timestamp, at: Timestamp) -> bool {
        self.keep.is_some_and(|keep| at > last.plus_micros(keep))
    }

    /// The next key to forget. `last` tells a key's last time in use; `None` if there is no such key any more.
    pub(crate) fn next_expired(
        &mut self,
        watermark: Timestamp,
        mut last: impl FnMut(&K) -> Option<Timestamp>,
    ) -> Option<K> {
        let keep = self.keep?;
        // A key is in use up to and with its deadline: a record exactly `keep` later still finds it.
        let passed = watermark.plus_micros(-1);
        loop {
            let (_, key) = self.deadlines.next_due(passed)?;
            let Some(last) = last(&key) else { continue };
            let deadline = last.plus_micros(keep);
            if deadline <= passed {
                return Some(key);
            }
            self.deadlines.set(deadline, key);
        }
    }
}
