//! When keys are due: timers, ends of sessions, and what `keep` says.

use super::tier::Tier;
use crate::checkpoint::TableId;
use crate::checkpoint::value::{read_key, write_key};
use crate::graph::Budget;
use crate::record::Key;
use crate::time::{Timestamp, micros};
use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::io;
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
    far: Option<Far>,
}

/// The share of a budget that deadlines may take: one in so many bytes.
const SHARE: u64 = 16;
/// Those that come back from a tier together.
const AT_ONCE: usize = 256;

/// Deadlines in a tier, under their time and a number that makes each one of its own.
struct Far {
    tier: Arc<Tier>,
    prefix: Vec<u8>,
    /// As many are in memory before others go to the tier.
    limit: usize,
    next_number: u64,
    /// None in the tier is earlier; `None`: there is none.
    first: Option<Timestamp>,
}

impl Far {
    fn put<K: Key>(&mut self, at: Timestamp, key: &K) {
        let mut stored = self.prefix.clone();
        // So that bytes have the order of times.
        stored.extend((at.0.cast_unsigned() ^ 1 << 63).to_be_bytes());
        stored.extend(self.next_number.to_be_bytes());
        self.next_number += 1;
        let mut bytes = Vec::new();
        write_key(key, &mut bytes);
        self.tier.put(&stored, &bytes);
        self.first = Some(self.first.map_or(at, |first| first.min(at)));
    }

    /// Takes the first of them out.
    fn take_first<K: Key>(&mut self) -> Vec<Deadline<K>> {
        let pairs = self.tier.scan(&self.prefix, None, AT_ONCE);
        let (tier, prefix) = (&self.tier, self.prefix.len());
        let taken: Vec<Deadline<K>> = pairs
            .iter()
            .map(|(stored, key)| {
                tier.delete(stored);
                let at =
                    stored.get(prefix..prefix + 8).and_then(|at| at.try_into().ok()).map(u64::from_be_bytes);
                let at = Timestamp((at.unwrap_or(0) ^ 1 << 63).cast_signed());
                let key = read_key(key).unwrap_or_else(|error| tier.give_up(io::Error::other(error)));
                Deadline { at, key }
            })
            .collect();
        self.first = taken.last().map(|last| last.at).filter(|_| taken.len() == AT_ONCE);
        taken
    }
}

impl<K: Key> Deadlines<K> {
    pub(crate) fn new() -> Self {
        Deadlines { near: BinaryHeap::new(), far: None }
    }

    /// From here on those that are due later are in a tier. `table`: where, among the tables of a stage.
    pub(super) fn spill(&mut self, tier: &Arc<Tier>, table: TableId) {
        let limit = match tier.budget() {
            Budget::Keys(keys) => keys,
            Budget::Bytes(bytes) => bytes / SHARE / size_of::<Deadline<K>>() as u64,
        };
        let limit = usize::try_from(limit).unwrap_or(usize::MAX).max(1);
        self.far = Some(Far {
            tier: Arc::clone(tier),
            prefix: tier.prefix(table),
            limit,
            next_number: 0,
            first: None,
        });
    }

    pub(crate) fn set(&mut self, at: Timestamp, key: K) {
        if let Some(far) = &mut self.far
            && self.near.len() >= far.limit
        {
            far.put(at, &key);
            return;
        }
        self.near.push(Deadline { at, key });
    }

    /// When the next key is due, or before.
    pub(crate) fn earliest(&self) -> Option<Timestamp> {
        let far = self.far.as_ref().and_then(|far| far.first);
        self.near.peek().map(|due| due.at).into_iter().chain(far).min()
    }

    /// The next key that is due where everything before `watermark` has been seen.
    pub(crate) fn next_due(&mut self, watermark: Timestamp) -> Option<(Timestamp, K)> {
        if self.earliest()? > watermark {
            return None;
        }
        while let Some(far) = &mut self.far
            && let Some(first) = far.first
            && first <= watermark
            && self.near.peek().is_none_or(|near| first < near.at)
        {
            self.near.extend(far.take_first());
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
        let tier = Tier::new(Arc::new(store.clone()), (0, 0), Budget::Keys(3), Duration::ZERO, fail);
        let mut deadlines = Deadlines::new();
        deadlines.spill(&Arc::new(tier), 0);
        // In no order, some before the epoch, some at one time.
        let times: Vec<i64> = (0..2_000i64).map(|n| n * 7_919 % 1_009 - 500).collect();
        let (mut expected, mut given) = (times.clone(), Vec::new());
        expected.sort_unstable();
        for (key, &at) in (0u64..).zip(&times) {
            deadlines.set(Timestamp(at), key);
        }
        assert!(store.len() >= 1_997);
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
