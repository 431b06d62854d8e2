//! The keys of a table that are not in memory: which leave it, and how they come back.
//!
//! A key is in one place, in memory or in the tier. Which leaves is decided by a hand that goes round the buckets (CLOCK): it
//! passes over those that were used since it last came by, and over those that were used again once more. What a table costs is its buckets, of which it knows how many
//! there are, and what the entries hold on the heap, of which it measures samples.

use super::changes::{Kept, WriteValue};
use super::marks::Bits;
use super::measure::heap_bytes;
use super::stored::write_value;
use super::tier::{TableAt, Tier, put_len, take_len};
use crate::checkpoint::value::{
    Migration, Stored, Unreadable, ValueReader, ValueWriter, read_key, write_key,
};
use crate::record::Key;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// How the values of a table get into a tier and back.
pub(crate) struct Codec<V> {
    /// As snapshots have it.
    write: WriteValue<V>,
    /// What they do not need.
    write_rest: WriteValue<V>,
    read: fn(&[u8], &[u8]) -> Result<V, Unreadable>,
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
            write: write_value,
            write_rest: |value, to| value.write_rest(&mut ValueWriter::new(to)),
            read: |value, rest| {
                let migration = Migration::default();
                let mut value = V::read(&mut ValueReader::new(value, &migration))?;
                value.read_rest(&mut ValueReader::new(rest, &migration))?;
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
/// One entry is measured for so many that come.
const MEASURED_FOR: u32 = 16;
/// The buckets that the hand looks at before it gives up for now.
pub(super) const LOOKED_AT: usize = 256;
/// What a bucket costs beside its entry: a byte of hashbrown's, and the bits beside it.
const PER_BUCKET: usize = 1;
const BITS: usize = 5;
/// How full tables are that have as many entries as they may.
const FILLED: f64 = 0.75;
/// No small table is made for fewer buckets.
const SMALLEST: usize = 256;

/// How often entries were used: an entry that was used and then again is passed over twice. (To count further finds hardly
/// more; what comes counts as not used, or keys that come once would push out those that come again.)
pub(super) struct Used {
    once: Bits,
    often: Bits,
}

impl Used {
    fn of(buckets: usize) -> Used {
        Used { once: Bits::of(buckets), often: Bits::of(buckets) }
    }
}

/// An entry that lies in a page: the hash of its key, the entry, and what snapshots know about it.
type FromPage<K, V> = (u64, (K, V), Kept);

/// What of a table is in its tier.
pub(super) struct Cold<V> {
    pub(super) tier: Arc<Tier>,
    codec: Codec<V>,
    at: TableAt,
    /// Room to write a key in, and what is read back.
    key: Vec<u8>,
    value: Vec<u8>,
    /// The keys that are not in memory.
    pub(super) len: usize,
    /// Not told to the tier yet.
    hits: u64,
    /// For each small table: how often entries were used.
    used: Vec<Used>,
    /// For each small table: where the hand is.
    hands: Vec<usize>,
    /// For each small table: the next entry to be measured.
    sampled: Vec<usize>,
    measured: usize,
    samples: f64,
    /// Entries have come since one was measured.
    unmeasured: u32,
    heap_of_one: f64,
    /// What the buckets cost.
    buckets: usize,
    /// The small table that is emptied until it can be halved.
    pub(super) emptied: usize,
    /// What this table has counted with its tier: bytes and keys.
    counted: (i64, i64),
}

impl<V> Cold<V> {
    pub(super) fn new(tier: Arc<Tier>, codec: Codec<V>) -> Self {
        let at = tier.with(|pages| pages.open());
        Cold {
            tier,
            codec,
            at,
            key: Vec::new(),
            value: Vec::new(),
            len: 0,
            hits: 0,
            used: Vec::new(),
            hands: Vec::new(),
            sampled: Vec::new(),
            measured: 0,
            samples: 0.0,
            unmeasured: 0,
            heap_of_one: 0.0,
            buckets: 0,
            emptied: 0,
            counted: (0, 0),
        }
    }

    /// The small tables have these numbers of buckets now. How often their entries were used before.
    pub(super) fn shaped(&mut self, buckets: impl Iterator<Item = usize>) -> Vec<Used> {
        let used = std::mem::replace(&mut self.used, buckets.map(Used::of).collect());
        self.hands = vec![0; self.used.len()];
        self.sampled = vec![0; self.used.len()];
        self.emptied = 0;
        used
    }

    /// One of them has. The hand goes on where it was, as entries are about where they were.
    pub(super) fn reshaped(&mut self, part: usize, buckets: usize) -> Used {
        (self.hands[part], self.sampled[part]) = (self.hands[part] % buckets.max(1), 0);
        std::mem::replace(&mut self.used[part], Used::of(buckets))
    }

    /// An entry has moved, of which this is known.
    pub(super) fn moved(&mut self, part: usize, bucket: usize, from: &Used, old: usize) {
        let used = &mut self.used[part];
        for (bits, from) in [(&mut used.once, &from.once), (&mut used.often, &from.often)] {
            if from.has(old) {
                bits.set(bucket);
            }
        }
    }

    pub(super) fn cost_of_buckets<K>(buckets: usize) -> usize {
        buckets * (size_of::<(K, V)>() + PER_BUCKET) + buckets * BITS / 8
    }

    /// How many small tables a table should have that outgrows `one`: so many that with buckets to the power of two they
    /// take what there is, and no less than `least`.
    pub(super) fn parts<K>(&self, least: usize) -> usize {
        let Some(left) = self.tier.left_for_tables() else { return least };
        let bytes = left.saturating_add(self.buckets);
        let one = Self::cost_of_buckets::<K>(1) as f64 + self.heap_of_one * FILLED;
        let buckets = (bytes as f64 / one) as usize;
        let size = (buckets / (8 * least)).next_power_of_two().max(SMALLEST);
        (buckets / size).max(least)
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
        let used = &mut self.used[part];
        if used.once.has(bucket) {
            used.often.set(bucket);
        } else {
            used.once.set(bucket);
        }
        self.hits += 1;
    }

    /// Whether the hand passes over an entry, because it has been used more often than the hand has come by.
    pub(super) fn is_spared(&mut self, part: usize, bucket: usize) -> bool {
        let used = &mut self.used[part];
        used.often.take(bucket) || used.once.take(bucket)
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

    /// Whether an entry is to be measured where one comes: of the first all, and then not for each.
    pub(super) fn is_to_measure(&mut self) -> bool {
        self.unmeasured += 1;
        self.samples < SAMPLES || self.unmeasured.is_multiple_of(MEASURED_FOR)
    }

    /// The small tables of which an entry is measured next.
    pub(super) fn measured_next(&mut self, most: usize, parts: usize) -> std::ops::Range<usize> {
        let first = self.measured % parts;
        self.measured = first + most;
        first..first + most
    }

    pub(super) fn measure<K: Key>(&mut self, (key, value): &(K, V)) {
        let heap = heap_bytes(key) + (self.codec.heap)(value);
        self.samples = (self.samples + 1.0).min(SAMPLES);
        self.heap_of_one += (heap as f64 - self.heap_of_one) / self.samples;
    }

    /// Puts an entry into the tier. It may leave memory then.
    pub(super) fn put<K: Key>(&mut self, (key, value): &(K, V), hash: u64, kept: Kept) {
        let (room, codec) = (&mut self.value, self.codec);
        self.tier.with(|pages| {
            let key = |to: &mut Vec<u8>| write_key(key, to);
            pages.put(self.at, hash as u32, kept.has_changed(), key, |to| {
                kept.write(to);
                room.clear();
                (codec.write)(value, room);
                put_len(room.len(), to);
                to.extend_from_slice(room);
                (codec.write_rest)(value, to);
            });
        });
    }

    /// Entries have come: what waits is written, if it is too much.
    pub(super) fn settle(&self) {
        self.tier.settle();
    }

    /// An entry has left memory.
    pub(super) fn evicted(&mut self) {
        self.len += 1;
        self.tier.counts.evictions.fetch_add(1, Relaxed);
        self.tier.counts.cold.fetch_add(1, Relaxed);
    }

    /// Takes a key out of the tier.
    pub(super) fn take<K: Key>(&mut self, key: &K, hash: u64) -> Option<(V, Kept)> {
        if self.len == 0 {
            return None;
        }
        self.key.clear();
        write_key(key, &mut self.key);
        let (at, key, value) = (self.at, &self.key, &mut self.value);
        let found = self.tier.patiently(|pages| pages.take(at, hash as u32, key, value))?;
        let entry = self.decode(&self.value, found.is_due);
        let entry = entry.unwrap_or_else(|error| self.tier.give_up(io::Error::other(error)));
        self.tier.counts.misses.fetch_add(1, Relaxed);
        self.gone(1);
        Some(entry)
    }

    fn gone(&mut self, keys: usize) {
        self.len -= keys;
        self.tier.counts.cold.fetch_sub(i64::try_from(keys).unwrap_or(0), Relaxed);
    }

    fn decode(&self, bytes: &[u8], is_due: bool) -> Result<(V, Kept), Unreadable> {
        let (kept, value, rest) = parts(bytes, is_due)?;
        Ok(((self.codec.read)(value, rest)?, kept))
    }

    /// The entries of a page, each with its hash; `None` if there is no such page.
    pub(super) fn page<K: Key>(&self, number: usize) -> Option<Vec<FromPage<K, V>>> {
        if !self.tier.patiently(|pages| pages.load(self.at, number)) {
            return None;
        }
        let (mut entries, mut failed) = (Vec::new(), None);
        let shown = self.tier.with(|pages| {
            let is_due = pages.is_due(self.at, number);
            pages.show(self.at, number, |hash, key, rest| match self.entry(key, rest, is_due) {
                Ok((entry, kept)) => entries.push((u64::from(hash), entry, kept)),
                Err(error) => failed = Some(error),
            })
        });
        self.is_read(shown, failed);
        Some(entries)
    }

    fn entry<K: Key>(&self, key: &[u8], bytes: &[u8], is_due: bool) -> Result<((K, V), Kept), Unreadable> {
        let (value, kept) = self.decode(bytes, is_due)?;
        Ok(((read_key(key)?, value), kept))
    }

    /// Ends the flow if a page is not what was written.
    fn is_read(&self, shown: io::Result<()>, failed: Option<Unreadable>) {
        let failed = failed.map_or(shown, |error| Err(io::Error::other(error)));
        failed.unwrap_or_else(|error| self.tier.give_up(error));
    }

    /// Takes the entries of a page out.
    pub(super) fn take_page<K: Key>(&mut self, number: usize) -> Option<Vec<FromPage<K, V>>> {
        let entries = self.page(number)?;
        self.tier.with(|pages| pages.clear(self.at, number));
        self.gone(entries.len());
        Some(entries)
    }

    /// Puts those back that were taken, while somebody goes through all pages.
    pub(super) fn put_back<K: Key>(&mut self, entries: &[FromPage<K, V>]) {
        for (hash, entry, kept) in entries {
            self.put(entry, *hash, *kept);
        }
        self.len += entries.len();
        self.tier.counts.cold.fetch_add(i64::try_from(entries.len()).unwrap_or(0), Relaxed);
        self.tier.settle();
    }

    /// Somebody goes through all pages and changes them, or has done so.
    pub(super) fn keep_still(&self, still: bool) {
        self.tier.with(|pages| pages.keep_still(still));
    }

    pub(super) fn begin_snapshot(&mut self) {
        self.tier.with(|pages| pages.begin_snapshot(self.at));
    }

    /// Shows a page of entries with changes that are to be copied: the key, the value as snapshots have it; how many there
    /// were, `None` if there is no such page.
    pub(super) fn copy_page(&mut self, mut see: impl FnMut(&[u8], &[u8], Kept)) -> Option<usize> {
        let number = self.tier.with(|pages| pages.next_due(self.at, 0))?;
        self.tier.patiently(|pages| pages.load(self.at, number));
        let (mut copied, mut failed) = (0, None);
        let shown = self.tier.with(|pages| {
            let shown = pages.show(self.at, number, |_, key, bytes| {
                copied += 1;
                match parts(bytes, true) {
                    Ok((kept, value, _)) => see(key, value, kept),
                    Err(error) => failed = Some(error),
                }
            });
            pages.copied(self.at, number);
            shown
        });
        self.is_read(shown, failed);
        Some(copied)
    }

    /// Whether entries have much of what they cost on the heap, which they give back when they go.
    pub(super) fn is_mostly_heap<K>(&self) -> bool {
        self.heap_of_one > size_of::<(K, V)>() as f64 / 2.0
    }

    pub(super) fn is_over_in_bytes(&self) -> bool {
        self.tier.left() < 0
    }

    /// Whether so many buckets more fit.
    pub(super) fn fits<K>(&self, buckets: usize) -> bool {
        i64::try_from(Self::cost_of_buckets::<K>(buckets)).is_ok_and(|bytes| bytes <= self.tier.left())
    }

    /// The table goes.
    pub(super) fn close(mut self) {
        self.tier.with(|pages| pages.close(self.at));
        self.gone(self.len);
        self.buckets = 0;
        self.count(0);
    }
}

/// What is put beside a key: what snapshots know of it, its value as they have it, and the rest of the value.
fn parts(bytes: &[u8], is_due: bool) -> Result<(Kept, &[u8], &[u8]), Unreadable> {
    let (kept, mut left) = Kept::read(bytes, is_due)?;
    let parts = take_len(&mut left).and_then(|len| left.split_at_checked(len));
    let (value, rest) = parts.ok_or_else(|| Unreadable("it ends too soon".to_owned()))?;
    Ok((kept, value, rest))
}
