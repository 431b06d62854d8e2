//! Hashes that are the same on all machines and in all versions: routing to key groups, fingerprints.
//!
//! xxh3 (the `xxhash-rust` crate) over the bytes that `Hash` feeds, numbers in little-endian and lengths as
//! 64 bits. Tables in memory do not use these: theirs is seeded per process.

use std::hash::{Hash, Hasher};
use std::ops::RangeInclusive;
use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

/// The number of key groups: the grain in which keyed state is spread over shards.
///
/// It is part of what is stored, so it never changes.
pub const KEY_GROUPS: u32 = 256;

/// Short keys, which are nearly all, are hashed without touching the heap.
const INLINE: usize = 64;

struct Bytes {
    inline: [u8; INLINE],
    len: usize,
    spilled: Vec<u8>,
}

impl Bytes {
    #[inline]
    fn of<T: Hash + ?Sized>(value: &T) -> Bytes {
        let mut bytes = Bytes { inline: [0; INLINE], len: 0, spilled: Vec::new() };
        value.hash(&mut bytes);
        bytes
    }

    #[inline]
    fn as_slice(&self) -> &[u8] {
        if self.spilled.is_empty() { &self.inline[..self.len] } else { &self.spilled }
    }
}

impl Hasher for Bytes {
    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        let end = self.len + bytes.len();
        if self.spilled.is_empty() && end <= INLINE {
            self.inline[self.len..end].copy_from_slice(bytes);
            self.len = end;
            return;
        }
        if self.spilled.is_empty() {
            self.spilled.extend_from_slice(&self.inline[..self.len]);
        }
        self.spilled.extend_from_slice(bytes);
    }

    #[inline]
    fn write_u16(&mut self, i: u16) {
        self.write(&i.to_le_bytes());
    }
    #[inline]
    fn write_u32(&mut self, i: u32) {
        self.write(&i.to_le_bytes());
    }
    #[inline]
    fn write_u64(&mut self, i: u64) {
        self.write(&i.to_le_bytes());
    }
    #[inline]
    fn write_u128(&mut self, i: u128) {
        self.write(&i.to_le_bytes());
    }
    #[inline]
    fn write_usize(&mut self, i: usize) {
        self.write_u64(i as u64);
    }
    #[inline]
    fn write_i16(&mut self, i: i16) {
        self.write_u16(i.cast_unsigned());
    }
    #[inline]
    fn write_i32(&mut self, i: i32) {
        self.write_u32(i.cast_unsigned());
    }
    #[inline]
    fn write_i64(&mut self, i: i64) {
        self.write_u64(i.cast_unsigned());
    }
    #[inline]
    fn write_i128(&mut self, i: i128) {
        self.write_u128(i.cast_unsigned());
    }
    #[inline]
    fn write_isize(&mut self, i: isize) {
        self.write_i64(i as i64);
    }

    #[inline]
    fn finish(&self) -> u64 {
        xxh3_64(self.as_slice())
    }
}

/// The key group of a key, less than [`KEY_GROUPS`].
#[inline]
pub fn key_group<K: Hash + ?Sized>(key: &K) -> u32 {
    (Bytes::of(key).finish() % u64::from(KEY_GROUPS)) as u32
}

/// The shard that owns a key group, where a stage runs as `shards` tasks.
pub(crate) fn shard_of(group: u32, shards: usize) -> usize {
    group as usize * shards / KEY_GROUPS as usize
}

/// The key groups that a shard owns, where a stage runs as `shards` tasks.
pub(crate) fn groups_of(shard: usize, shards: usize) -> RangeInclusive<u8> {
    let mut groups = (0..KEY_GROUPS).filter(|&group| shard_of(group, shards) == shard);
    let first = groups.next().unwrap_or(0);
    let last = groups.next_back().unwrap_or(first);
    u8::try_from(first).unwrap_or(0)..=u8::try_from(last).unwrap_or(u8::MAX)
}

/// A 128-bit fingerprint of a value. Among `n` values, two share one with a probability below `n² / 2^129`.
pub(crate) fn fingerprint<T: Hash + ?Sized>(value: &T) -> u128 {
    xxh3_128(Bytes::of(value).as_slice())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Stored state is ordered by key group: were one of these to change, no older checkpoint could be read.
    #[test]
    fn key_groups_never_change() {
        assert_eq!(key_group("psdf"), 227);
        assert_eq!(key_group(&42u64), 200);
        assert_eq!(key_group(&("a".repeat(100), -7i32)), 207);
    }

    #[test]
    fn every_shard_owns_some_group_and_no_group_is_lost() {
        for shards in 1..=64 {
            let mut owned = vec![0; shards];
            (0..KEY_GROUPS).for_each(|group| owned[shard_of(group, shards)] += 1);
            assert!(owned.iter().all(|&n| n > 0));
            let groups: Vec<_> = (0..shards).flat_map(|shard| groups_of(shard, shards)).collect();
            assert_eq!(groups, (0..=u8::MAX).collect::<Vec<_>>());
        }
    }
}
