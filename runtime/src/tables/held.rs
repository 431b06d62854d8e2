//! What a node inside a region holds by key, within a budget.

use super::rel::RowKey;
use super::ring::Ring;
use crate::graph::Budget;
use crate::state::heap_bytes;
use hashbrown::HashMap;
use std::cell::RefCell;

/// What the map keeps for a key beside its entry.
const PER_KEY: usize = 1;

pub(super) struct Held<K, S> {
    budget: Option<Budget>,
    inner: RefCell<Inner<K, S>>,
}

struct Inner<K, S> {
    slots: HashMap<K, Slot<S>>,
    ring: Ring<K>,
    bytes: u64,
}

struct Slot<S> {
    value: S,
    place: usize,
    bytes: u64,
    used: bool,
}

impl<K: RowKey, S> Held<K, S> {
    pub(super) fn new(budget: Option<Budget>) -> Self {
        let inner = Inner { slots: HashMap::new(), ring: Ring::default(), bytes: 0 };
        Held { budget, inner: RefCell::new(inner) }
    }

    pub(super) fn contains(&self, key: &K) -> bool {
        self.inner.borrow().slots.contains_key(key)
    }

    /// Looks at what is there for a reader, which gives it its second chance.
    pub(super) fn read<T>(&self, key: &K, look: impl FnOnce(&S) -> T) -> Option<T> {
        let mut inner = self.inner.borrow_mut();
        let slot = inner.slots.get_mut(key)?;
        slot.used = true;
        Some(look(&slot.value))
    }

    /// Changes what is there. What it holds on the heap is measured anew.
    pub(super) fn change<T>(
        &self,
        key: &K,
        heap: impl FnOnce(&S) -> u64,
        change: impl FnOnce(&mut S) -> T,
    ) -> Option<T> {
        let mut inner = self.inner.borrow_mut();
        let slot = inner.slots.get_mut(key)?;
        let answer = change(&mut slot.value);
        let (before, after) = (slot.bytes, Self::bytes_of(key, heap(&slot.value)));
        slot.bytes = after;
        inner.bytes = inner.bytes + after - before;
        Some(answer)
    }

    /// Fills a hole.
    pub(super) fn fill(&self, key: &K, value: S, heap: u64) {
        self.remove(key);
        let mut inner = self.inner.borrow_mut();
        let place = inner.ring.add(key.clone());
        let bytes = Self::bytes_of(key, heap);
        inner.bytes += bytes;
        inner.slots.insert(key.clone(), Slot { value, place, bytes, used: false });
    }

    /// Makes a hole.
    pub(super) fn remove(&self, key: &K) {
        let inner = &mut *self.inner.borrow_mut();
        let Some(slot) = inner.slots.remove(key) else { return };
        inner.bytes -= slot.bytes;
        if let Some(moved) = inner.ring.remove(slot.place)
            && let Some(moved) = inner.slots.get_mut(moved)
        {
            moved.place = slot.place;
        }
    }

    pub(super) fn clear(&self) {
        let inner = &mut *self.inner.borrow_mut();
        inner.slots.clear();
        inner.ring.clear();
        inner.bytes = 0;
    }

    pub(super) fn over_budget(&self) -> bool {
        let inner = self.inner.borrow();
        !inner.slots.is_empty()
            && match self.budget {
                None => false,
                Some(Budget::Bytes(bytes)) => inner.bytes > bytes,
                Some(Budget::Keys(keys)) => inner.slots.len() as u64 > keys,
            }
    }

    pub(super) fn victim(&self) -> Option<K> {
        let inner = &mut *self.inner.borrow_mut();
        let slots = &mut inner.slots;
        let stays = |key: &K| slots.get_mut(key).is_some_and(|slot| std::mem::take(&mut slot.used));
        inner.ring.victim(stays, |_| true).cloned()
    }

    /// The keys that are there.
    #[cfg(test)]
    pub(super) fn keys(&self) -> Vec<K> {
        self.inner.borrow().ring.keys().to_vec()
    }

    fn bytes_of(key: &K, heap: u64) -> u64 {
        let lies = 2 * size_of::<K>() + size_of::<Slot<S>>() + PER_KEY;
        // A map that doubles is two thirds full over its life.
        (lies * 3 / 2 + 2 * heap_bytes(key)) as u64 + heap
    }
}
