//! Deadlines that are far off, in a tier: of them only when the first is due is known in memory.
//!
//! A radix heap (Ahuja et al., "Faster algorithms for the shortest path problem", 1990): a deadline lies with those whose time
//! differs from a time that has passed in the same highest bit. Those with the lowest such bit come first; they are divided
//! again by the earliest of them. So each is written again at most once for each bit in which times differ, and always in
//! pages.

use super::tier::{PageAt, Tier, put_len, take_len};
use crate::checkpoint::value::{read_key, write_key};
use crate::record::Key;
use crate::time::Timestamp;
use std::io;
use std::sync::Arc;

/// See the [module](self).
pub(super) struct Far {
    tier: Arc<Tier>,
    /// None of those that are not in the first bucket is earlier.
    passed: u64,
    /// By the highest bit in which times differ from that which has passed; in the first those that do not.
    buckets: Vec<Bucket>,
    best: usize,
}

#[derive(Default)]
struct Bucket {
    pages: Vec<PageAt>,
    /// What is not written yet.
    rest: Vec<u8>,
    /// None of them is earlier.
    first: Option<u64>,
}

/// So that numbers have the order of times.
fn number(at: Timestamp) -> u64 {
    at.0.cast_unsigned() ^ 1 << 63
}

fn time(number: u64) -> Timestamp {
    Timestamp((number ^ 1 << 63).cast_signed())
}

impl Far {
    pub(super) fn new(tier: &Arc<Tier>) -> Far {
        let mut buckets = Vec::new();
        buckets.resize_with(65, Bucket::default);
        let best = tier.with(|pages| pages.best());
        Far { tier: Arc::clone(tier), passed: 0, buckets, best }
    }

    /// None of them is due earlier; `None`: there are none.
    pub(super) fn first(&self) -> Option<Timestamp> {
        self.buckets.iter().find_map(|bucket| bucket.first).map(time)
    }

    pub(super) fn put<K: Key>(&mut self, at: Timestamp, key: &K) {
        let mut bytes = Vec::new();
        write_key(key, &mut bytes);
        self.put_bytes(number(at), &bytes);
    }

    fn put_bytes(&mut self, at: u64, key: &[u8]) {
        let differs = (at ^ self.passed).checked_ilog2().map_or(0, |bit| bit as usize + 1);
        let bucket = &mut self.buckets[if at <= self.passed { 0 } else { differs }];
        bucket.first = Some(bucket.first.map_or(at, |first| first.min(at)));
        bucket.rest.extend(at.to_le_bytes());
        put_len(key.len(), &mut bucket.rest);
        bucket.rest.extend_from_slice(key);
        if bucket.rest.len() >= self.best {
            let (rest, tier) = (std::mem::take(&mut bucket.rest), &self.tier);
            bucket.pages.push(tier.patiently(|pages| pages.write_other(&rest)));
        }
    }

    /// Takes some of the first of them out.
    pub(super) fn take_first<K: Key>(&mut self) -> Vec<(Timestamp, K)> {
        let Some(place) = self.buckets.iter().position(|bucket| bucket.first.is_some()) else {
            return Vec::new();
        };
        let bucket = &mut self.buckets[place];
        // A few need not be divided.
        if place == 0 || bucket.pages.is_empty() {
            let bytes = take_some(&self.tier, bucket);
            if bucket.pages.is_empty() && bucket.rest.is_empty() {
                bucket.first = None;
            }
            let mut taken = Vec::new();
            self.each(&bytes, |far, at, key| {
                let key = read_key(key).unwrap_or_else(|error| far.tier.give_up(io::Error::other(error)));
                taken.push((time(at), key));
            });
            return taken;
        }
        let mut divided = std::mem::take(bucket);
        self.passed = divided.first.unwrap_or(self.passed);
        while !(divided.pages.is_empty() && divided.rest.is_empty()) {
            let bytes = take_some(&self.tier, &mut divided);
            self.each(&bytes, |far, at, key| far.put_bytes(at, key));
        }
        self.take_first()
    }

    fn each(&mut self, bytes: &[u8], mut see: impl FnMut(&mut Far, u64, &[u8])) {
        let mut left = bytes;
        while !left.is_empty() {
            let Some((at, key)) = next(&mut left) else {
                self.tier
                    .give_up(io::Error::new(io::ErrorKind::InvalidData, "a page of deadlines is damaged"))
            };
            see(self, at, key);
        }
    }
}

fn next<'a>(left: &mut &'a [u8]) -> Option<(u64, &'a [u8])> {
    let (at, rest) = left.split_first_chunk::<8>()?;
    *left = rest;
    let len = take_len(left)?;
    let (key, rest) = left.split_at_checked(len)?;
    *left = rest;
    Some((u64::from_le_bytes(*at), key))
}

/// Takes one page out.
fn take_some(tier: &Tier, bucket: &mut Bucket) -> Vec<u8> {
    let Some(at) = bucket.pages.pop() else { return std::mem::take(&mut bucket.rest) };
    let mut bytes = Vec::new();
    tier.patiently(|pages| pages.read_other(at, &mut bytes));
    tier.with(|pages| pages.free_other(at));
    bytes
}
