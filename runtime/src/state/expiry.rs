//! When keys are due: timers, ends of sessions, and what `keep` says.

use super::far::Far;
use super::tier::Tier;
use crate::graph::Budget;
use crate::record::Key;
use crate::time::{Timestamp, micros};
use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::sync::Arc;
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

/// Keys by when they are due, earliest first. With a budget only some of those that are due next are in memory.
pub(crate) struct Deadlines<K> {
    near: BinaryHeap<Deadline<K>>,
    spilled: Option<Spilled>,
}

/// The share of a budget that deadlines may take: one in so many bytes.
const SHARE: u64 = 16;
/// Those in a tier, and how many are in memory before others go there.
struct Spilled {
    far: Far,
    limit: usize,
}

impl<K: Key> Deadlines<K> {
    pub(crate) fn new() -> Self {
        Deadlines { near: BinaryHeap::new(), spilled: None }
    }

    /// From here on those that are due later are in a tier.
    pub(super) fn spill(&mut self, tier: &Arc<Tier>) {
        let limit = match tier.budget() {
            Budget::Keys(keys) => keys,
            Budget::Bytes(bytes) => bytes / SHARE / size_of::<Deadline<K>>() as u64,
        };
        let limit = usize::try_from(limit).unwrap_or(usize::MAX).max(1);
        self.spilled = Some(Spilled { far: Far::new(tier), limit });
    }

    pub(crate) fn set(&mut self, at: Timestamp, key: K) {
        if let Some(Spilled { far, limit }) = &mut self.spilled
            && self.near.len() >= *limit
        {
            far.put(at, &key);
            return;
        }
        self.near.push(Deadline { at, key });
    }

    /// When the next key is due, or before.
    pub(crate) fn earliest(&self) -> Option<Timestamp> {
        let far = self.spilled.as_ref().and_then(|spilled| spilled.far.first());
        self.near.peek().map(|due| due.at).into_iter().chain(far).min()
    }

    /// The next key that is due where everything before `watermark` has been seen.
    pub(crate) fn next_due(&mut self, watermark: Timestamp) -> Option<(Timestamp, K)> {
        if self.earliest()? > watermark {
            return None;
        }
        while let Some(Spilled { far, .. }) = &mut self.spilled
            && let Some(first) = far.first()
            && first <= watermark
            && self.near.peek().is_none_or(|near| first < near.at)
        {
            self.near.extend(far.take_first().into_iter().map(|(at, key)| Deadline { at, key }));
        }
        self.near.peek().filter(|due| due.at <= watermark)?;
        self.near.pop().map(|due| (due.at, due.key))
    }
}

/// Applies `keep` to the keys of a node: each has one deadline, moved on when it turns out that the key has had
/// another record since. So a record costs nothing here, and a key one entry.
pub(crate) struct Expiry<K> {
    keep: Option<i64>,
    deadlines: Deadlines<K>,
}

impl<K: Key> Expiry<K> {
    pub(crate) fn new(keep: Keep) -> Self {
        let keep = match keep {
            Keep::For(duration) => Some(micros(duration)),
            Keep::Forever => None,
        };
        Expiry { keep, deadlines: Deadlines::new() }
    }

    /// Its deadlines, for a tier.
    pub(crate) fn deadlines(&mut self) -> &mut Deadlines<K> {
        &mut self.deadlines
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::MemoryTier;

    #[test]
    fn what_is_due_comes_in_order_although_most_is_not_in_memory() {
        let store = MemoryTier::new();
        let fail = Arc::new(|error| panic!("{error}"));
        let tier = Tier::new(&store, "0", Budget::Keys(3), Duration::ZERO, fail).unwrap();
        let mut deadlines = Deadlines::new();
        deadlines.spill(&Arc::new(tier));
        // In no order, some before the epoch, some at one time.
        let times: Vec<i64> = (0..2_000i64).map(|n| n * 7_919 % 1_009 - 500).collect();
        let (mut expected, mut given) = (times.clone(), Vec::new());
        expected.sort_unstable();
        for (key, &at) in (0u64..).zip(&times) {
            deadlines.set(Timestamp(at), key);
        }
        assert!(store.bytes() >= 1_900 * 10);
        for watermark in -600..600 {
            while let Some((at, key)) = deadlines.next_due(Timestamp(watermark)) {
                assert_eq!(at.0, times[usize::try_from(key).unwrap()]);
                given.push(at.0);
            }
            assert!(deadlines.earliest().is_none_or(|next| next.0 >= watermark));
        }
        assert_eq!(given, expected);
        assert!(store.is_empty());
    }
}
