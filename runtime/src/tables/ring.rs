//! The keys of a state in a ring, round which the hand of CLOCK goes.
//!
//! Second chance (Corbató, "A paging experiment with the Multics system", 1968): a key that was read since the hand last
//! came by stays. The hand looks at a few keys only; if all were read, the last goes, so that a read that has to wait for
//! an eviction waits no longer with a million keys than with ten.

/// How many keys the hand looks at before it takes one that was read.
const LOOKS: usize = 16;
/// How many keys that may not go it comes by before it gives up until it is asked again.
const PATIENCE: usize = 1024;

pub(super) struct Ring<K> {
    keys: Vec<K>,
    hand: usize,
}

impl<K> Default for Ring<K> {
    fn default() -> Self {
        Ring { keys: Vec::new(), hand: 0 }
    }
}

impl<K> Ring<K> {
    /// Adds a key: its place.
    pub(super) fn add(&mut self, key: K) -> usize {
        self.keys.push(key);
        self.keys.len() - 1
    }

    /// Takes a key out: the one that has its place now.
    pub(super) fn remove(&mut self, place: usize) -> Option<&K> {
        self.keys.swap_remove(place);
        self.keys.get(place)
    }

    pub(super) fn keys(&self) -> &[K] {
        &self.keys
    }

    pub(super) fn clear(&mut self) {
        self.keys.clear();
        self.hand = 0;
    }

    /// The key that should go. `stays` is told of each key that the hand comes by, and takes its second chance from it;
    /// `may_go` says whether it can go at all.
    pub(super) fn victim(
        &mut self,
        mut stays: impl FnMut(&K) -> bool,
        may_go: impl Fn(&K) -> bool,
    ) -> Option<&K> {
        let mut candidate = None;
        for look in 0..self.keys.len().min(PATIENCE) {
            if self.hand >= self.keys.len() {
                self.hand = 0;
            }
            let place = self.hand;
            self.hand += 1;
            if !may_go(&self.keys[place]) {
                continue;
            }
            let stays = stays(&self.keys[place]);
            candidate = Some(place);
            if !stays || look >= LOOKS {
                break;
            }
        }
        candidate.map(|place| &self.keys[place])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn a_key_that_was_read_has_a_second_chance() {
        let mut ring = Ring::default();
        (0..4).for_each(|key| {
            ring.add(key);
        });
        let mut read = HashSet::from([0, 1, 3]);
        assert_eq!(ring.victim(|key| read.remove(key), |_| true), Some(&2));
        assert_eq!(ring.remove(2), Some(&3));
        assert_eq!(ring.victim(|key| read.remove(key), |key| *key != 0), Some(&1));
    }

    #[test]
    fn none_goes_where_none_may() {
        let mut ring = Ring::default();
        ring.add('a');
        assert_eq!(ring.victim(|_| false, |_| false), None);
    }
}
