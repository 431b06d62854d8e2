//! What readers of a view see: its entries, published by the region's thread alone, and who waits for one.

use super::rel::RowKey;
use super::stats::{Spread, ViewStats};
use super::waiters::Waiters;
use hashbrown::DefaultHashBuilder;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use tokio::sync::broadcast;

/// Changes of keys that a reader of `changes` may be behind by.
const CHANGES: usize = 1024;

/// The rows of a key, as they were at one moment. They do not change under the reader.
pub struct Rows<V>(pub(super) Arc<Entry<V>>);

impl<V> Deref for Rows<V> {
    type Target = [V];

    fn deref(&self) -> &[V] {
        &self.0.rows
    }
}

impl<V> Clone for Rows<V> {
    fn clone(&self) -> Self {
        Rows(self.0.clone())
    }
}

impl<V: std::fmt::Debug> std::fmt::Debug for Rows<V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl<'a, V> IntoIterator for &'a Rows<V> {
    type Item = &'a V;
    type IntoIter = std::slice::Iter<'a, V>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// What is published for a key. With no rows it says that there are none.
pub(super) struct Entry<V> {
    pub(super) rows: Vec<V>,
    /// Whether it was read since the hand of CLOCK last came by.
    pub(super) used: AtomicBool,
    /// Its place in the ring. Only the region's thread looks at it.
    pub(super) place: AtomicUsize,
    pub(super) bytes: u64,
}

pub(super) struct Published<K, V> {
    pub(super) name: &'static str,
    pub(super) entries: papaya::HashMap<K, Arc<Entry<V>>, DefaultHashBuilder>,
    pub(super) waiters: Waiters<K, V>,
    pub(super) changes: broadcast::Sender<K>,
    pub(super) counts: Counts,
}

#[derive(Default)]
pub(super) struct Counts {
    pub(super) hits: Spread,
    pub(super) misses: AtomicU64,
    pub(super) replays: AtomicU64,
    pub(super) evictions: AtomicU64,
    pub(super) holes_dropped: AtomicU64,
    pub(super) bytes: AtomicU64,
}

impl<K: RowKey, V> Published<K, V> {
    pub(super) fn new(name: &'static str) -> Self {
        Published {
            name,
            entries: papaya::HashMap::with_hasher(DefaultHashBuilder::default()),
            waiters: Waiters::new(),
            changes: broadcast::Sender::new(CHANGES),
            counts: Counts::default(),
        }
    }

    pub(super) fn stats(&self) -> ViewStats {
        let counts = &self.counts;
        ViewStats {
            hits: counts.hits.sum(),
            misses: counts.misses.load(Ordering::Relaxed),
            replays: counts.replays.load(Ordering::Relaxed),
            evictions: counts.evictions.load(Ordering::Relaxed),
            holes_dropped: counts.holes_dropped.load(Ordering::Relaxed),
            keys: self.entries.len() as u64,
            bytes: counts.bytes.load(Ordering::Relaxed),
        }
    }

    /// What is there for a key, without being a reader.
    pub(super) fn entry(&self, key: &K) -> Option<Arc<Entry<V>>> {
        self.entries.pin().get(key).cloned()
    }

    /// Reads a key, if it is in memory.
    #[inline]
    pub(super) fn read(&self, key: &K) -> Option<Rows<V>> {
        let entries = self.entries.pin();
        let Some(entry) = entries.get(key) else {
            self.counts.misses.fetch_add(1, Ordering::Relaxed);
            return None;
        };
        // A line that all readers write would go to and fro between the cores.
        if !entry.used.load(Ordering::Relaxed) {
            entry.used.store(true, Ordering::Relaxed);
        }
        self.counts.hits.count();
        Some(Rows(entry.clone()))
    }
}
