//! A tier in memory, for tests: it saves none.

use super::{PageAt, TierPages, TierStore};
use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A [`TierStore`] that keeps all in memory. Its clones are one store.
#[derive(Clone, Default)]
pub struct MemoryTier {
    pages: Arc<Mutex<Pages>>,
    full: Arc<AtomicBool>,
    fails: Arc<AtomicU32>,
}

/// By whose they are, and a number.
#[derive(Default)]
struct Pages {
    pages: BTreeMap<(u32, u32), Vec<u8>>,
    next: u32,
}

impl MemoryTier {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// From here on nothing more can be written, as on a disk that is full; or again.
    pub fn set_full(&self, full: bool) {
        self.full.store(full, Ordering::Relaxed);
    }

    /// The next so many reads and writes fail.
    pub fn fail(&self, times: u32) {
        self.fails.store(times, Ordering::Relaxed);
    }

    /// How many pages it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.pages().pages.len()
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes that are in its pages.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.pages().pages.values().map(|page| page.len() as u64).sum()
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn may_fail(&self) -> io::Result<()> {
        let less = |times: u32| times.checked_sub(1);
        match self.fails.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less) {
            Ok(_) => Err(io::Error::other("it was told to fail")),
            Err(_) => Ok(()),
        }
    }
}

impl TierStore for MemoryTier {
    fn open(&self, _: &str) -> io::Result<Box<dyn TierPages>> {
        let mut pages = self.pages();
        pages.next += 1;
        Ok(Box::new(Own { store: self.clone(), number: pages.next, bytes: 0 }))
    }
}

/// The pages of one shard. They go with it.
struct Own {
    store: MemoryTier,
    number: u32,
    bytes: u64,
}

impl TierPages for Own {
    fn write(&mut self, page: &[u8]) -> io::Result<PageAt> {
        self.store.may_fail()?;
        if self.store.full.load(Ordering::Relaxed) {
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        let mut pages = self.store.pages();
        pages.next += 1;
        let at = PageAt { place: pages.next, len: page.len() as u32 };
        pages.pages.insert((self.number, at.place), page.to_vec());
        self.bytes += u64::from(at.len);
        Ok(at)
    }

    fn read(&mut self, at: PageAt, part: Range<u32>, into: &mut Vec<u8>) -> io::Result<()> {
        self.store.may_fail()?;
        let pages = self.store.pages();
        let page = pages.pages.get(&(self.number, at.place));
        let part = page.and_then(|page| page.get(part.start as usize..part.end as usize));
        let part = part.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        into.clear();
        into.extend_from_slice(part);
        Ok(())
    }

    fn free(&mut self, at: PageAt) {
        self.store.pages().pages.remove(&(self.number, at.place));
        self.bytes -= u64::from(at.len);
    }

    fn best(&self) -> usize {
        // So that tests have many of them.
        128
    }

    fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        let number = self.number;
        self.store.pages().pages.retain(|(of, _), _| *of != number);
    }
}
