//! `view`: what readers see, a leaf of the region.

use super::changes::{Changes, by_key};
use super::error::PullError;
use super::graph::{AnyKey, Cx, Graph, Operator, Part, Rule, State};
use super::published::{Entry, Published, Rows};
use super::rel::{Delta, Rel, RowKey, RowValue, Way, take_one};
use super::ring::Ring;
use crate::graph::Budget;
use crate::state::heap_bytes;
use hashbrown::HashSet;
use std::any::Any;
use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// What an entry costs beside its key and its rows: the map's slot with room to grow, the map's allocation, the `Arc`'s
/// counts, and what the allocator keeps beside both.
const PER_ENTRY: usize = 24 + 16 + 2 * 16;

pub(super) struct View<K, V> {
    name: &'static str,
    input: Rel<K, V>,
    budget: Option<Budget>,
    max_rows: Option<usize>,
    published: Arc<Published<K, V>>,
    owned: RefCell<Owned<K>>,
}

/// What only the region's thread needs of the entries.
struct Owned<K> {
    ring: Ring<K>,
    pins: HashSet<K>,
    bytes: u64,
}

impl<K: RowKey, V: RowValue> View<K, V> {
    pub(super) fn new(
        name: &'static str,
        input: Rel<K, V>,
        budget: Option<Budget>,
        max_rows: Option<usize>,
        published: Arc<Published<K, V>>,
    ) -> Self {
        let owned = RefCell::new(Owned { ring: Ring::default(), pins: HashSet::new(), bytes: 0 });
        View { name, input, budget, max_rows, published, owned }
    }

    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    pub(super) fn max_rows(&self) -> Option<usize> {
        self.max_rows
    }

    /// The rows of a key, which is in memory then.
    pub(super) fn replay(&self, cx: &Cx<'_>, key: &K) -> Result<Rows<V>, PullError> {
        if let Some(entry) = self.published.entry(key) {
            return Ok(Rows(entry));
        }
        self.published.counts.replays.fetch_add(1, Ordering::Relaxed);
        let rows = cx.values(self.input, key)?;
        if self.max_rows.is_some_and(|max| rows.len() > max) {
            return Err(PullError::TooManyRows);
        }
        Ok(Rows(self.publish(key, rows, None)))
    }

    pub(super) fn pin(&self, key: K) {
        self.owned.borrow_mut().pins.insert(key);
    }

    pub(super) fn unpin(&self, key: &K) {
        self.owned.borrow_mut().pins.remove(key);
    }

    fn publish(&self, key: &K, mut rows: Vec<V>, before: Option<&Entry<V>>) -> Arc<Entry<V>> {
        if rows.capacity() > rows.len() {
            // An allocation that is shrunk where it lies leaves a hole behind it, between what stays.
            let mut exact = Vec::with_capacity(rows.len());
            exact.append(&mut rows);
            rows = exact;
        }
        let owned = &mut *self.owned.borrow_mut();
        let place = match before {
            Some(before) => before.place.load(Ordering::Relaxed),
            None => owned.ring.add(key.clone()),
        };
        let used = before.is_some_and(|before| before.used.load(Ordering::Relaxed));
        let bytes = Self::bytes_of(key, &rows);
        owned.bytes = owned.bytes + bytes - before.map_or(0, |before| before.bytes);
        self.published.counts.bytes.store(owned.bytes, Ordering::Relaxed);
        let entry = Entry { rows, used: AtomicBool::new(used), place: AtomicUsize::new(place), bytes };
        let entry = Arc::new(entry);
        self.published.entries.pin().insert(key.clone(), entry.clone());
        entry
    }

    fn bytes_of(key: &K, rows: &Vec<V>) -> u64 {
        let lies = 2 * size_of::<K>() + size_of::<Entry<V>>() + PER_ENTRY;
        (lies + 2 * heap_bytes(key) + heap_bytes(rows)) as u64
    }

    fn update(&self, key: &K, before: &Entry<V>, changes: &Changes<V>) {
        let mut rows = before.rows.clone();
        let mut right = true;
        for (value, diff) in changes {
            for _ in *diff..0 {
                right &= take_one(&mut rows, value);
            }
            for _ in 0..*diff {
                rows.push(value.clone());
            }
        }
        // A closure that does not always answer the same gives rows that cannot be taken back: they are read again then.
        let fits = self.max_rows.is_none_or(|max| rows.len() <= max);
        if right && fits {
            self.publish(key, rows, Some(before));
        } else {
            self.remove(key);
        }
    }

    fn remove(&self, key: &K) {
        let owned = &mut *self.owned.borrow_mut();
        let entries = self.published.entries.pin();
        let Some(entry) = entries.remove(key) else { return };
        owned.bytes -= entry.bytes;
        self.published.counts.bytes.store(owned.bytes, Ordering::Relaxed);
        self.published.counts.evictions.fetch_add(1, Ordering::Relaxed);
        let place = entry.place.load(Ordering::Relaxed);
        if let Some(moved) = owned.ring.remove(place)
            && let Some(moved) = entries.get(moved)
        {
            moved.place.store(place, Ordering::Relaxed);
        }
    }
}

impl<K: RowKey, V: RowValue> Operator<K, V> for View<K, V> {
    fn change(&self, cx: &Cx<'_>) -> Result<Vec<Delta<K, V>>, PullError> {
        let counts = &self.published.counts;
        for (key, changes) in by_key(&cx.deltas(self.input)) {
            match self.published.entry(&key) {
                Some(before) => self.update(&key, &before, &changes),
                None if cx.breaks(Rule::Holes) => {
                    let rows = changes.into_iter().filter(|(_, diff)| *diff > 0).map(|(value, _)| value);
                    self.publish(&key, rows.collect(), None);
                }
                None => {
                    counts.holes_dropped.fetch_add(1, Ordering::Relaxed);
                    continue;
                }
            }
            if self.published.changes.receiver_count() > 0 {
                // Whoever listened may have gone meanwhile.
                let _ = self.published.changes.send(key);
            }
        }
        Ok(Vec::new())
    }

    fn pull(&self, _: &Cx<'_>, _: Way, _: &dyn Any) -> Result<Vec<(K, V)>, PullError> {
        Err(PullError::NoWay)
    }
}

impl<K: RowKey, V: RowValue> Part for View<K, V> {
    fn inputs(&self) -> Vec<usize> {
        vec![self.input.id]
    }

    fn needs(&self) -> Vec<(usize, Way)> {
        vec![(self.input.id, Way::Key)]
    }

    fn serves(&self, _: &Graph, _: Way) -> bool {
        false
    }

    fn origins(&self, _: &Cx<'_>, _: Way, _: &dyn Any, _: Way) -> Result<Vec<AnyKey>, PullError> {
        Err(PullError::NoWay)
    }

    fn state(&self) -> Option<&dyn State> {
        Some(self)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl<K: RowKey, V: RowValue> State for View<K, V> {
    fn holds(&self, key: &dyn Any) -> bool {
        key.downcast_ref::<K>().is_some_and(|key| self.published.entries.pin().contains_key(key))
    }

    fn let_go(&self, key: &dyn Any) {
        key.downcast_ref::<K>().into_iter().for_each(|key| self.remove(key));
    }

    fn let_all_go(&self) {
        let owned = &mut *self.owned.borrow_mut();
        owned.ring.clear();
        owned.bytes = 0;
        self.published.counts.bytes.store(0, Ordering::Relaxed);
        self.published.entries.pin().clear();
    }

    fn over_budget(&self) -> bool {
        let owned = self.owned.borrow();
        let keys = owned.ring.keys().len();
        keys > 0
            && match self.budget {
                None => false,
                Some(Budget::Bytes(bytes)) => owned.bytes > bytes,
                Some(Budget::Keys(bound)) => keys as u64 > bound,
            }
    }

    fn victim(&self) -> Option<AnyKey> {
        let Owned { ring, pins, .. } = &mut *self.owned.borrow_mut();
        let entries = self.published.entries.pin();
        let stays = |key: &K| entries.get(key).is_some_and(|entry| entry.used.swap(false, Ordering::Relaxed));
        ring.victim(stays, |key| !pins.contains(key)).map(|key| Box::new(key.clone()) as AnyKey)
    }

    fn has_pins(&self) -> bool {
        !self.owned.borrow().pins.is_empty()
    }

    fn is_pinned(&self, key: &dyn Any) -> bool {
        key.downcast_ref::<K>().is_some_and(|key| self.owned.borrow().pins.contains(key))
    }

    #[cfg(test)]
    fn audit(&self, cx: &Cx<'_>) -> Result<Option<String>, PullError> {
        for key in self.owned.borrow().ring.keys() {
            let Some(entry) = self.published.entry(key) else {
                return Ok(Some(format!("a key of view `{}` is in the ring and not published", self.name)));
            };
            let mut fresh = cx.values(self.input, key)?;
            if fresh.len() != entry.rows.len() || !entry.rows.iter().all(|row| take_one(&mut fresh, row)) {
                return Ok(Some(format!("a key of view `{}` does not show what a replay gives", self.name)));
            }
        }
        Ok(None)
    }
}

/// The view of a `Rel`.
pub(super) fn view_of<K: RowKey, V: RowValue>(graph: &Graph, id: usize) -> &View<K, V> {
    let view = graph.part(id).as_any().downcast_ref();
    view.expect("a `ViewRel` has the types of the view that it was made for")
}
