//! The keys of a table that are not in memory: which leave it, and how they come back.
//!
//! A key is in one place, in memory or in the tier. Which leaves is decided by a hand that goes round the buckets (CLOCK): it
//! passes over those that were used since it last came by. What a table costs is its buckets, of which it knows how many
//! there are, and what the entries hold on the heap, of which it measures samples.

use super::changes::{Kept, WriteValue};
use super::marks::Bits;
use super::measure::heap_bytes;
use super::tier::{Pair, Tier};
use crate::checkpoint::TableId;
use crate::checkpoint::value::{
    Migration, Stored, Unreadable, ValueReader, ValueWriter, read_key, write_key,
};
use crate::record::Key;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// How the values of a table get into a tier and back.
pub(crate) struct Codec<V> {
    write: WriteValue<V>,
    read: fn(&[u8]) -> Result<V, Unreadable>,
    heap: fn(&V) -> usize,
}

impl<V> Clone for Codec<V> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<V> Copy for Codec<V> {}

impl<V: Stored> Codec<V> {
    pub(crate) fn new() -> Self {
        Codec {
            write: |value, to| {
                let to = &mut ValueWriter::new(to);
                value.write(to);
                value.write_rest(to);
            },
            read: |from| {
                let migration = Migration::default();
                let from = &mut ValueReader::new(from, &migration);
                let mut value = V::read(from)?;
                value.read_rest(from)?;
                Ok(value)
            },
            heap: |value| {
                let mut heap = 0;
                value.write(&mut ValueWriter::measuring(&mut Vec::new(), &mut heap));
                heap
            },
        }
    }
}

/// The samples that what an entry holds is the mean of.
const SAMPLES: f64 = 512.0;
/// The buckets that the hand looks at before it gives up for now.
pub(super) const LOOKED_AT: usize = 256;
/// The keys that are let go at once.
const AT_ONCE: usize = 1024;
/// What a bucket costs beside its entry: a byte of hashbrown's, and the bits beside it.
const PER_BUCKET: usize = 1;
const BITS: usize = 4;

/// What of a table is in its tier.
pub(super) struct Cold<V> {
    pub(super) tier: Arc<Tier>,
    codec: Codec<V>,
    prefix: Vec<u8>,
    /// The keys that are not in memory.
    pub(super) len: usize,
    /// Not told to the tier yet.
    hits: u64,
    /// For each small table: what was used since the hand came by.
    used: Vec<Bits>,
    /// For each small table: where the hand is.
    hands: Vec<usize>,
    /// For each small table: the next entry to be measured.
    sampled: Vec<usize>,
    samples: f64,
    heap_of_one: f64,
    /// What the buckets cost.
    buckets: usize,
    /// What this table has counted with its tier: bytes and keys.
    counted: (i64, i64),
}

impl<V> Cold<V> {
    pub(super) fn new(tier: Arc<Tier>, table: TableId, codec: Codec<V>) -> Self {
        let prefix = tier.prefix(table);
        Cold {
            tier,
            codec,
            prefix,
            len: 0,
            hits: 0,
            used: Vec::new(),
            hands: Vec::new(),
            sampled: Vec::new(),
            samples: 0.0,
            heap_of_one: 0.0,
            buckets: 0,
            counted: (0, 0),
        }
    }

    /// The small tables have these numbers of buckets now.
    pub(super) fn shaped(&mut self, buckets: impl Iterator<Item = usize>) {
        self.used = buckets.map(Bits::of).collect();
        self.hands = vec![0; self.used.len()];
        self.sampled = vec![0; self.used.len()];
    }

    /// One of them has.
    pub(super) fn reshaped(&mut self, part: usize, buckets: usize) {
        self.used[part] = Bits::of(buckets);
        (self.hands[part], self.sampled[part]) = (0, 0);
    }

    pub(super) fn cost_of_buckets<K>(buckets: usize) -> usize {
        buckets * (size_of::<(K, V)>() + PER_BUCKET) + buckets * BITS / 8
    }

    /// The buckets of all small tables together.
    pub(super) fn has_buckets<K>(&mut self, buckets: usize) {
        self.buckets = Self::cost_of_buckets::<K>(buckets);
    }

    /// Counts what is in memory.
    pub(super) fn count(&mut self, len: usize) {
        let bytes = self.buckets + (self.heap_of_one * len as f64) as usize;
        let now = (i64::try_from(bytes).unwrap_or(i64::MAX), i64::try_from(len).unwrap_or(i64::MAX));
        self.tier.counts.bytes.fetch_add(now.0 - self.counted.0, Relaxed);
        self.tier.counts.keys.fetch_add(now.1 - self.counted.1, Relaxed);
        self.counted = now;
        self.tier.counts.hits.fetch_add(std::mem::take(&mut self.hits), Relaxed);
    }

    /// A key was needed, and in memory.
    #[inline(always)]
    pub(super) fn hit(&mut self, part: usize, bucket: usize) {
        self.used[part].set(bucket);
        self.hits += 1;
    }

    /// Whether the hand passes over an entry, because it has been used since it last came by.
    pub(super) fn is_spared(&mut self, part: usize, bucket: usize) -> bool {
        self.used[part].take(bucket)
    }

    /// The next bucket for the hand.
    pub(super) fn hand(&mut self, part: usize, buckets: usize) -> usize {
        let at = self.hands[part] % buckets;
        self.hands[part] = at + 1;
        at
    }

    pub(super) fn sample_hand(&mut self, part: usize, buckets: usize) -> usize {
        let at = self.sampled[part] % buckets;
        self.sampled[part] = at + 1;
        at
    }

    pub(super) fn measure<K: Key>(&mut self, (key, value): &(K, V)) {
        let heap = heap_bytes(key) + (self.codec.heap)(value);
        self.samples = (self.samples + 1.0).min(SAMPLES);
        self.heap_of_one += (heap as f64 - self.heap_of_one) / self.samples;
    }

    fn key<K: Key>(&self, key: &K) -> Vec<u8> {
        let mut stored = self.prefix.clone();
        write_key(key, &mut stored);
        stored
    }

    /// Puts an entry into the tier. It may leave memory then.
    pub(super) fn put<K: Key>(&mut self, (key, value): &(K, V), kept: Kept) -> usize {
        let mut bytes = Vec::new();
        kept.write(&mut bytes);
        (self.codec.write)(value, &mut bytes);
        let key = self.key(key);
        self.tier.put(&key, &bytes);
        key.len() + bytes.len()
    }

    /// An entry has left memory, for so many bytes.
    pub(super) fn evicted(&mut self, bytes: usize) {
        self.len += 1;
        self.tier.counts.cold_bytes.fetch_add(i64::try_from(bytes).unwrap_or(0), Relaxed);
        self.tier.counts.evictions.fetch_add(1, Relaxed);
        self.tier.counts.cold.fetch_add(1, Relaxed);
    }

    /// Takes a key out of the tier.
    pub(super) fn take<K: Key>(&mut self, key: &K) -> Option<(V, Kept)> {
        if self.len == 0 {
            return None;
        }
        let stored = self.key(key);
        let bytes = self.tier.get(&stored)?;
        let entry = self.decode(&bytes);
        self.tier.delete(&stored);
        self.tier.counts.misses.fetch_add(1, Relaxed);
        self.gone(1, stored.len() + bytes.len());
        Some(entry)
    }

    fn gone(&mut self, keys: usize, bytes: usize) {
        self.len -= keys;
        self.tier.counts.cold_bytes.fetch_sub(i64::try_from(bytes).unwrap_or(0), Relaxed);
        self.tier.counts.cold.fetch_sub(i64::try_from(keys).unwrap_or(0), Relaxed);
    }

    fn decode(&self, bytes: &[u8]) -> (V, Kept) {
        let decoded = Kept::read(bytes).and_then(|(kept, value)| Ok(((self.codec.read)(value)?, kept)));
        decoded.unwrap_or_else(|error| self.tier.give_up(io::Error::other(error)))
    }

    /// The keys after `after`, with their values.
    pub(super) fn next<K: Key>(&self, after: &mut Option<Vec<u8>>, limit: usize) -> Vec<(K, V, Kept)> {
        let pairs = self.scan(after, limit);
        pairs.iter().map(|pair| self.entry(pair)).collect()
    }

    /// Takes the keys after `after` out.
    pub(super) fn take_next<K: Key>(&mut self, after: &mut Option<Vec<u8>>, limit: usize) -> Vec<(K, V)> {
        let pairs = self.scan(after, limit);
        self.let_go(&pairs);
        let entry = |pair: &Pair| {
            let (key, value, _) = self.entry(pair);
            (key, value)
        };
        pairs.iter().map(entry).collect()
    }

    fn scan(&self, after: &mut Option<Vec<u8>>, limit: usize) -> Vec<Pair> {
        if self.len == 0 {
            return Vec::new();
        }
        let pairs = self.tier.scan(&self.prefix, after.as_deref(), limit);
        if let Some((last, _)) = pairs.last() {
            *after = Some(last.clone());
        }
        pairs
    }

    fn entry<K: Key>(&self, (key, value): &Pair) -> (K, V, Kept) {
        let read = read_key(&key[self.prefix.len()..]);
        let key = read.unwrap_or_else(|error| self.tier.give_up(io::Error::other(error)));
        let (value, kept) = self.decode(value);
        (key, value, kept)
    }

    fn let_go(&mut self, pairs: &[Pair]) {
        pairs.iter().for_each(|(key, _)| self.tier.delete(key));
        self.gone(pairs.len(), pairs.iter().map(|(key, value)| key.len() + value.len()).sum());
    }

    /// Lets all go.
    fn forget(&mut self) {
        let mut after = None;
        loop {
            let pairs = self.scan(&mut after, AT_ONCE);
            if pairs.is_empty() {
                return;
            }
            self.let_go(&pairs);
        }
    }

    /// Whether so many buckets more fit.
    pub(super) fn fits<K>(&self, buckets: usize) -> bool {
        i64::try_from(Self::cost_of_buckets::<K>(buckets)).is_ok_and(|bytes| bytes <= self.tier.left())
    }

    /// The table goes.
    pub(super) fn close(mut self) {
        self.forget();
        self.buckets = 0;
        self.count(0);
    }
}
