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

    fn add(&mut self, others: &Bits) {
        self.0.iter_mut().zip(&others.0).for_each(|(word, others)| *word |= others);
    }

    fn len(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    #[inline(always)]
    fn put(&mut self, bucket: usize, is_set: bool) {
        let word = &mut self.0[bucket / 64];
        *word = *word & !(1 << (bucket % 64)) | u64::from(is_set) << (bucket % 64);
    }
}

/// The marks of the entries of a small table: each has one at least. No entry is both changed and due: before it changes it
/// is copied.
#[derive(Default)]
pub(super) struct Marks {
    /// Changed since the last barrier.
    changed: Bits,
    /// Changed before it, and not copied yet.
    due: Bits,
    /// In a snapshot already, in whatever state.
    stored: Bits,
    /// A bit for 64 buckets: all entries that they hold have changed. These are so few that they stay in the nearest cache,
    /// and where entries change often mostly no other mark is read.
    all_changed: Bits,
    /// How many have changed.
    changed_len: usize,
}

impl Marks {
    pub(super) fn of(buckets: usize) -> Marks {
        let bits = || Bits::of(buckets);
        let all_changed = Bits::of(buckets.div_ceil(64));
        Marks { changed: bits(), due: bits(), stored: bits(), all_changed, changed_len: 0 }
    }

    /// Whether an entry has changed, as far as that is seen at once. No bucket is so far off that it could not be asked for.
    #[inline(always)]
    pub(super) fn are_all_changed(&self, bucket: usize) -> bool {
        let word = self.all_changed.0.get(bucket / (64 * 64));
        word.is_none_or(|word| word >> (bucket / 64 % 64) & 1 == 1)
    }

    /// Whether an entry has changed since the last barrier.
    #[inline(always)]
    pub(super) fn has_changed(&self, bucket: usize) -> bool {
        self.changed.has(bucket)
    }

    /// An entry is about to change, or has just come: whether it must be copied first.
    #[inline(always)]
    pub(super) fn change(&mut self, bucket: usize) -> bool {
        if self.changed.has(bucket) {
            return false;
        }
        self.changed.set(bucket);
        self.changed_len += 1;
        let was_due = self.due.take(bucket);
        self.look_around(bucket);
        was_due
    }

    /// Whether all have changed around a bucket.
    #[inline(always)]
    fn look_around(&mut self, bucket: usize) {
        let word = bucket / 64;
        let others = (self.due.0[word] | self.stored.0[word]) & !self.changed.0[word];
        self.all_changed.put(word, others == 0);
    }

    /// An entry is about to be copied.
    #[inline(always)]
    pub(super) fn copied(&mut self, bucket: usize) {
        self.due.take(bucket);
        self.stored.set(bucket);
        self.look_around(bucket);
    }

    /// An entry that comes from a snapshot is there.
    pub(super) fn restored(&mut self, bucket: usize) {
        self.stored.set(bucket);
        self.look_around(bucket);
    }

    /// Whether an entry is still to be copied. No bucket is so far off that it could not be asked for.
    #[inline(always)]
    pub(super) fn is_due(&self, bucket: usize) -> bool {
        self.due.0.get(bucket / 64).is_some_and(|word| word >> (bucket % 64) & 1 == 1)
    }

    /// The next that is to be copied.
    pub(super) fn next_due(&self, from: usize) -> Option<usize> {
        self.due.next(from)
    }

    /// How many have changed since the last barrier.
    pub(super) fn changed_len(&self) -> usize {
        self.changed_len
    }

    /// An entry goes: whether it is in a snapshot.
    pub(super) fn remove(&mut self, bucket: usize) -> bool {
        self.due.take(bucket);
        self.changed_len -= usize::from(self.changed.take(bucket));
        self.stored.take(bucket)
    }

    /// A barrier: what has changed is to be copied, or all there is. What was to be copied has been.
    pub(super) fn begin_snapshot(&mut self, all: bool) {
        debug_assert!(self.due.next(0).is_none(), "the snapshot before is copied to its end");
        debug_assert_eq!(self.changed_len, self.changed.len());
        std::mem::swap(&mut self.changed, &mut self.due);
        if all {
            self.due.add(&self.stored);
        }
        self.changed_len = 0;
        self.all_changed.0.fill(0);
    }

    /// An entry leaves memory, and is not due: whether it has changed, and whether it is in a snapshot.
    pub(super) fn evict(&mut self, bucket: usize) -> (bool, bool) {
        debug_assert!(!self.due.has(bucket), "it is copied before");
        let changed = self.changed.take(bucket);
        self.changed_len -= usize::from(changed);
        (changed, self.stored.take(bucket))
    }

    /// Takes over the marks of an entry that moves here.
    pub(super) fn move_here(&mut self, bucket: usize, from: &Marks, old: usize) {
        self.changed_len += usize::from(from.changed.has(old));
        for (bits, from) in
            [(&mut self.changed, &from.changed), (&mut self.due, &from.due), (&mut self.stored, &from.stored)]
        {
            if from.has(old) {
                bits.set(bucket);
            }
        }
        self.look_around(bucket);
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
    fn all_that_is_to_be_copied_is_found_once() {
        let changed = [0, 3, 63, 64, 130, 191, 192, 255];
        let mut marks = Marks::of(256);
        changed.iter().for_each(|&bucket| _ = marks.change(bucket));
        assert_eq!(marks.changed_len(), changed.len());
        marks.begin_snapshot(false);
        assert_eq!(marks.changed_len(), 0);
        let mut found = Vec::new();
        while let Some(bucket) = marks.next_due(found.last().map_or(0, |last| last + 1)) {
            marks.copied(bucket);
            found.push(bucket);
        }
        assert_eq!(found, changed);
        assert_eq!(marks.next_due(0), None);
    }

    #[test]
    fn of_a_snapshot_of_all_what_has_not_changed_is_to_be_copied_too() {
        let mut marks = Marks::of(128);
        marks.restored(7);
        marks.change(100);
        marks.begin_snapshot(true);
        assert!(marks.is_due(7) && marks.is_due(100));
        assert_eq!(marks.next_due(8), Some(100));
    }

    #[test]
    fn an_entry_that_comes_where_all_have_changed_does_not_count_as_changed_by_that() {
        let mut marks = Marks::of(64);
        marks.change(1);
        marks.begin_snapshot(false);
        marks.copied(1);
        marks.change(1);
        assert!(marks.are_all_changed(1));
        marks.restored(2);
        assert!(!marks.are_all_changed(1));
        marks.change(2);
        assert!(marks.are_all_changed(1));
        marks.change(3);
        assert_eq!(marks.changed_len(), 3);
        marks.begin_snapshot(false);
        assert!([1, 2, 3].into_iter().all(|bucket| marks.change(bucket)), "all three are to be copied");
    }

    #[test]
    fn what_changes_after_a_barrier_is_to_be_copied_first_and_once() {
        let mut marks = Marks::of(64);
        marks.change(5);
        assert!(!marks.change(5), "nothing is to be copied before a barrier");
        marks.begin_snapshot(false);
        assert!(marks.is_due(5));
        assert!(marks.change(5));
        marks.copied(5);
        assert!(!marks.change(5));
        assert_eq!(marks.next_due(0), None);
        assert!(marks.remove(5), "it is in a snapshot");
        assert!(!marks.remove(5));
    }
}
