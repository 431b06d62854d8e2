//! What is known of the entries of a table by the buckets they are in: a few bits for each.

/// A bit for each bucket.
#[derive(Default)]
pub(super) struct Bits(Vec<u64>);

impl Bits {
    pub(super) fn of(buckets: usize) -> Bits {
        Bits(vec![0; buckets.div_ceil(64)])
    }

    /// Makes room for so many.
    pub(super) fn fit(&mut self, buckets: usize) {
        self.0.resize(buckets.div_ceil(64).max(self.0.len()), 0);
    }

    #[inline(always)]
    pub(super) fn has(&self, bucket: usize) -> bool {
        self.0[bucket / 64] >> (bucket % 64) & 1 == 1
    }

    #[inline(always)]
    pub(super) fn set(&mut self, bucket: usize) {
        self.0[bucket / 64] |= 1 << (bucket % 64);
    }

    #[inline(always)]
    pub(super) fn take(&mut self, bucket: usize) -> bool {
        let had = self.has(bucket);
        self.0[bucket / 64] &= !(1 << (bucket % 64));
        had
    }

    /// The first that is set, from a bucket on.
    pub(super) fn next(&self, from: usize) -> Option<usize> {
        let (first, bit) = (from / 64, from % 64);
        let rest = self.0.get(first)? >> bit << bit;
        let (word, bits) = if rest != 0 {
            (first, rest)
        } else {
            let (skipped, bits) = self.0[first + 1..].iter().enumerate().find(|(_, word)| **word != 0)?;
            (first + 1 + skipped, *bits)
        };
        Some(word * 64 + bits.trailing_zeros() as usize)
    }
}

/// The marks of the entries of a small table. No entry is both changed and due: before it changes it is copied.
#[derive(Default)]
pub(super) struct Marks {
    /// Changed since the last barrier.
    changed: Bits,
    /// Changed before it, and not copied yet.
    due: Bits,
    /// In a snapshot already, in whatever state.
    stored: Bits,
}

impl Marks {
    pub(super) fn of(buckets: usize) -> Marks {
        Marks { changed: Bits::of(buckets), due: Bits::of(buckets), stored: Bits::of(buckets) }
    }

    /// An entry is about to change: whether it must be copied first.
    #[inline(always)]
    pub(super) fn change(&mut self, bucket: usize) -> bool {
        let (word, bit) = (bucket / 64, 1 << (bucket % 64));
        let changed = &mut self.changed.0[word];
        if *changed & bit != 0 {
            return false;
        }
        *changed |= bit;
        self.due.take(bucket)
    }

    /// An entry is about to be copied.
    pub(super) fn copied(&mut self, bucket: usize) {
        self.due.take(bucket);
        self.stored.set(bucket);
    }

    /// An entry that comes from a snapshot is there.
    pub(super) fn restored(&mut self, bucket: usize) {
        self.stored.set(bucket);
    }

    /// Whether an entry is still to be copied.
    pub(super) fn is_due(&self, bucket: usize) -> bool {
        self.due.has(bucket)
    }

    /// The next that is to be copied.
    pub(super) fn next_due(&self, from: usize) -> Option<usize> {
        self.due.next(from)
    }

    /// An entry goes: whether it is in a snapshot.
    pub(super) fn remove(&mut self, bucket: usize) -> bool {
        self.changed.take(bucket);
        self.due.take(bucket);
        self.stored.take(bucket)
    }

    /// A barrier: what has changed is to be copied. What was to be copied has been.
    pub(super) fn begin_snapshot(&mut self) {
        debug_assert!(self.due.next(0).is_none(), "the snapshot before is copied to its end");
        std::mem::swap(&mut self.changed, &mut self.due);
    }

    /// An entry leaves memory, and is not due: whether it has changed, and whether it is in a snapshot.
    pub(super) fn evict(&mut self, bucket: usize) -> (bool, bool) {
        debug_assert!(!self.due.has(bucket), "it is copied before");
        (self.changed.take(bucket), self.stored.take(bucket))
    }

    /// Takes over the marks of an entry that moves here.
    pub(super) fn move_here(&mut self, bucket: usize, from: &Marks, old: usize) {
        for (bits, from) in
            [(&mut self.changed, &from.changed), (&mut self.due, &from.due), (&mut self.stored, &from.stored)]
        {
            if from.has(old) {
                bits.set(bucket);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bit_that_is_set_is_found_once() {
        let set = [0, 3, 63, 64, 130, 191, 192, 255];
        let mut bits = Bits::of(256);
        set.iter().for_each(|&bucket| bits.set(bucket));
        let mut found = Vec::new();
        let mut from = 0;
        while let Some(bucket) = bits.next(from) {
            found.push(bucket);
            from = bucket + 1;
        }
        assert_eq!(found, set);
        assert!(set.iter().all(|&bucket| bits.take(bucket) && !bits.take(bucket)));
        assert_eq!(bits.next(0), None);
    }

    #[test]
    fn what_changes_after_a_barrier_is_to_be_copied_first_and_once() {
        let mut marks = Marks::of(64);
        assert!(!marks.change(5), "nothing is to be copied before a barrier");
        marks.begin_snapshot();
        assert!(marks.is_due(5));
        assert!(marks.change(5));
        marks.copied(5);
        assert!(!marks.change(5));
        assert_eq!(marks.next_due(0), None);
        assert!(marks.remove(5), "it is in a snapshot");
        assert!(!marks.remove(5));
    }
}
