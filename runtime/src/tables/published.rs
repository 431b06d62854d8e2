//! What readers of a view see: its entries, published by the region's thread alone, and who waits for one.

use super::error::ReadError;
use super::rel::RowKey;
use super::stats::Spread;
use hashbrown::{DefaultHashBuilder, HashMap};
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{broadcast, oneshot};

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

type Answer<V> = Result<Rows<V>, ReadError>;

pub(super) struct Published<K, V> {
    pub(super) entries: papaya::HashMap<K, Arc<Entry<V>>, DefaultHashBuilder>,
    waiters: Mutex<Waiters<K, V>>,
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

struct Waiters<K, V> {
    by_key: HashMap<K, Vec<oneshot::Sender<Answer<V>>>>,
    /// Nobody answers any more.
    closed: bool,
}

/// Whether the one who waits has to ask for a replay.
pub(super) enum Waiting<V> {
    First(oneshot::Receiver<Answer<V>>),
    Behind(oneshot::Receiver<Answer<V>>),
    Closed,
}

impl<K: RowKey, V> Published<K, V> {
    pub(super) fn new() -> Self {
        Published {
            entries: papaya::HashMap::with_hasher(DefaultHashBuilder::default()),
            waiters: Mutex::new(Waiters { by_key: HashMap::new(), closed: false }),
            changes: broadcast::Sender::new(CHANGES),
            counts: Counts::default(),
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

    /// Waits for the answer to a key. Who is `First` must ask the region's thread for it, or give up for all.
    ///
    /// This wakes everyone: who is in the map before the thread takes the waiters of a key out is answered then; who comes
    /// after is first again. And the answer is as new as it must be: the thread takes them out in the same command in which it
    /// replays, and a write that was acknowledged before somebody began to wait is a command before it.
    pub(super) fn wait(&self, key: &K) -> Waiting<V> {
        let (sender, receiver) = oneshot::channel();
        let mut waiters = self.waiters.lock().unwrap_or_else(PoisonError::into_inner);
        if waiters.closed {
            return Waiting::Closed;
        }
        match waiters.by_key.get_mut(key) {
            Some(waiting) => {
                waiting.push(sender);
                Waiting::Behind(receiver)
            }
            None => {
                waiters.by_key.insert(key.clone(), vec![sender]);
                Waiting::First(receiver)
            }
        }
    }

    /// Answers all who wait for a key.
    pub(super) fn answer(&self, key: &K, answer: &Answer<V>) {
        let waiting = self.waiters.lock().unwrap_or_else(PoisonError::into_inner).by_key.remove(key);
        for waiter in waiting.into_iter().flatten() {
            // Who does not wait any more has gone.
            let _ = waiter.send(answer.clone());
        }
    }

    /// Nobody is answered any more: who waits learns it, and who comes.
    pub(super) fn close(&self) {
        let mut waiters = self.waiters.lock().unwrap_or_else(PoisonError::into_inner);
        waiters.closed = true;
        waiters.by_key.clear();
    }
}
