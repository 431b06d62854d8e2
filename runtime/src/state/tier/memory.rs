//! A tier in memory, for tests: it saves none.

use super::{Pair, TierStore};
use std::collections::BTreeMap;
use std::io;
use std::ops::Bound;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A [`TierStore`] that keeps all in memory. Its clones are one store.
#[derive(Clone, Default)]
pub struct MemoryTier {
    pairs: Arc<Mutex<BTreeMap<Vec<u8>, Vec<u8>>>>,
    full: Arc<AtomicBool>,
}

impl MemoryTier {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// From here on nothing more can be put, as on a disk that is full; or again.
    pub fn set_full(&self, full: bool) {
        self.full.store(full, Ordering::Relaxed);
    }

    /// Drops all, as a start does.
    #[cfg(test)]
    pub(crate) fn forget_all(&self) {
        self.pairs().clear();
    }

    /// How many keys it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.pairs().len()
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pairs().is_empty()
    }

    fn pairs(&self) -> MutexGuard<'_, BTreeMap<Vec<u8>, Vec<u8>>> {
        self.pairs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TierStore for MemoryTier {
    fn put(&self, key: &[u8], value: &[u8]) -> io::Result<()> {
        if self.full.load(Ordering::Relaxed) {
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        self.pairs().insert(key.to_vec(), value.to_vec());
        Ok(())
    }

    fn get(&self, key: &[u8]) -> io::Result<Option<Vec<u8>>> {
        Ok(self.pairs().get(key).cloned())
    }

    fn delete(&self, key: &[u8]) -> io::Result<()> {
        self.pairs().remove(key);
        Ok(())
    }

    fn scan(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> io::Result<Vec<Pair>> {
        let from = after.map_or(Bound::Included(prefix), Bound::Excluded);
        let pairs = self.pairs();
        let pairs = pairs.range::<[u8], _>((from, Bound::Unbounded));
        let pairs = pairs.take_while(|(key, _)| key.starts_with(prefix)).take(limit);
        Ok(pairs.map(|(key, value)| (key.clone(), value.clone())).collect())
    }

    fn bytes(&self) -> u64 {
        self.pairs().iter().map(|(key, value)| (key.len() + value.len()) as u64).sum()
    }
}
