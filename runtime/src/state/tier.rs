//! Where keys go that leave memory: pages on local disk, as a cache that is dropped at every start.

mod disk;
mod memory;
mod pages;
mod record;

pub use disk::DiskTier;
pub use memory::MemoryTier;
use pages::Pages;
pub(super) use pages::TableAt;
pub(super) use record::{put_len, take_len};

use crate::graph::Budget;
use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Where keys go that are not in memory.
///
/// It need not survive anything: what makes state safe are the checkpoints.
pub trait TierStore: Send + Sync + 'static {
    /// An empty place for the pages of one shard of a stage. `name` is its own, and can be that of a file.
    ///
    /// # Errors
    /// If there is none.
    fn open(&self, name: &str) -> io::Result<Box<dyn TierPages>>;
}

/// The pages of one shard of a stage. Calls block, for about as long as reading or writing one on a local disk takes.
pub trait TierPages: Send {
    /// Keeps a page.
    ///
    /// # Errors
    /// If it cannot be kept: the disk is full, or failed. Pages that were kept before are still there.
    fn write(&mut self, page: &[u8]) -> io::Result<PageAt>;

    /// Reads some bytes of a page, in place of what is in `into`. What comes back is checked by whoever asked.
    ///
    /// # Errors
    /// If the disk failed.
    fn read(&mut self, at: PageAt, part: Range<u32>, into: &mut Vec<u8>) -> io::Result<()>;

    /// Lets a page go.
    fn free(&mut self, at: PageAt);

    /// As many bytes as a page should have at the most; some have more.
    fn best(&self) -> usize;

    /// The bytes that all take.
    fn bytes(&self) -> u64;
}

/// Where a page is, as who keeps it says, and its length in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageAt {
    /// Where.
    pub place: u32,
    /// How long it is.
    pub len: u32,
}

/// What has become of the keys of a node.
#[derive(Debug, Default)]
pub(crate) struct TierCounts {
    /// Keys that were needed and in memory.
    pub(crate) hits: AtomicU64,
    /// Keys that had to be read back.
    pub(crate) misses: AtomicU64,
    /// Keys that left memory.
    pub(crate) evictions: AtomicU64,
    /// What is in memory: bytes, and keys.
    pub(crate) bytes: AtomicI64,
    pub(crate) keys: AtomicI64,
    /// The keys that are not.
    pub(crate) cold: AtomicI64,
    /// What those take of memory, and of the disk.
    pub(crate) index_bytes: AtomicI64,
    pub(crate) waiting_bytes: AtomicI64,
    pub(crate) cold_bytes: AtomicI64,
}

/// What has become of the keys of a node with a budget of memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryCounts {
    /// Keys that were needed and in memory.
    pub hits: u64,
    /// Keys that had to be read back.
    pub misses: u64,
    /// Keys that left memory.
    pub evictions: u64,
    /// What is in memory, in bytes: an estimate, as the documentation of the language says.
    pub bytes_in_memory: u64,
    /// The keys that are not in memory.
    pub keys_on_disk: u64,
    /// What those take of the disk.
    pub bytes_on_disk: u64,
}

impl MemoryCounts {
    /// Those of two shards together.
    pub(crate) fn plus(self, other: MemoryCounts) -> MemoryCounts {
        MemoryCounts {
            hits: self.hits + other.hits,
            misses: self.misses + other.misses,
            evictions: self.evictions + other.evictions,
            bytes_in_memory: self.bytes_in_memory + other.bytes_in_memory,
            keys_on_disk: self.keys_on_disk + other.keys_on_disk,
            bytes_on_disk: self.bytes_on_disk + other.bytes_on_disk,
        }
    }
}

/// What ends the flow when the store has failed for too long.
pub(crate) type Fail = Arc<dyn Fn(io::Error) + Send + Sync>;

/// The part of a store that belongs to one shard of a stage, and its share of the node's budget.
pub struct Tier {
    /// Only the stage asks for it, so nobody ever waits.
    pages: Mutex<Pages>,
    budget: Budget,
    /// The bytes that may wait to be written.
    set_aside: i64,
    pub(crate) counts: TierCounts,
    patience: Duration,
    /// Since when writing has failed.
    failing: Mutex<Option<Failing>>,
    fail: Fail,
}

#[derive(Clone, Copy)]
struct Failing {
    since: Instant,
    last: Instant,
}

/// How long a stage waits before it asks a store again that has failed.
const PAUSE: Duration = Duration::from_millis(5);
/// Of a budget in bytes, one in so many may be entries that have left their table and wait for others of their page.
const WAITING: u64 = 8;
/// One in so many are what directories take where there is several times as much state as memory.
const DIRECTORIES: u64 = 16;
/// So many bytes for each key of a budget in keys.
const WAITING_FOR_KEY: u64 = 16;
/// No more wait than these, whatever the budget.
const MOST_WAITING: u64 = 16 << 20;
/// While writing fails, so many times as much may wait as otherwise, before the stage stands still.
const WHILE_FAILING: usize = 2;

/// What a stage unwinds with when its state is out of its reach. The flow has the reason.
struct OutOfReach;

impl Tier {
    /// # Errors
    /// If the store has no place for it.
    pub(crate) fn new(
        store: &dyn TierStore,
        name: &str,
        budget: Budget,
        patience: Duration,
        fail: Fail,
    ) -> io::Result<Tier> {
        let waiting = match budget {
            Budget::Bytes(bytes) => bytes / WAITING,
            Budget::Keys(keys) => keys.saturating_mul(WAITING_FOR_KEY),
        };
        let waiting = usize::try_from(waiting.min(MOST_WAITING)).unwrap_or(usize::MAX);
        let pages = Mutex::new(Pages::new(store.open(name)?, waiting));
        let (counts, failing) = (TierCounts::default(), Mutex::default());
        let set_aside = i64::try_from(waiting).unwrap_or(i64::MAX);
        Ok(Tier { pages, budget, set_aside, counts, patience, failing, fail })
    }

    /// What has become of its keys.
    pub(crate) fn counted(&self) -> MemoryCounts {
        let counts = &self.counts;
        let now = |count: &AtomicI64| u64::try_from(count.load(Relaxed)).unwrap_or(0);
        MemoryCounts {
            hits: counts.hits.load(Relaxed),
            misses: counts.misses.load(Relaxed),
            evictions: counts.evictions.load(Relaxed),
            bytes_in_memory: now(&counts.bytes) + now(&counts.index_bytes) + now(&counts.waiting_bytes),
            keys_on_disk: now(&counts.cold),
            bytes_on_disk: now(&counts.cold_bytes),
        }
    }

    pub(super) fn budget(&self) -> Budget {
        self.budget
    }

    /// The bytes that may still come into memory, where bytes are counted.
    pub(super) fn left(&self) -> i64 {
        match self.budget {
            Budget::Bytes(bytes) => {
                // What may wait is set aside from the beginning: tables do not readily become smaller.
                let waiting = self.counts.waiting_bytes.load(Relaxed).max(self.set_aside);
                let used = self.counts.bytes.load(Relaxed) + self.counts.index_bytes.load(Relaxed) + waiting;
                i64::try_from(bytes).unwrap_or(i64::MAX).saturating_sub(used)
            }
            Budget::Keys(_) => i64::MAX,
        }
    }

    /// The bytes that tables may still grow by, where bytes are counted, once so many keys are not in memory that directories
    /// have what they usually need.
    pub(super) fn left_for_tables(&self) -> Option<usize> {
        let Budget::Bytes(bytes) = self.budget else { return None };
        let directories = i64::try_from(bytes / DIRECTORIES).unwrap_or(i64::MAX);
        Some(usize::try_from(self.left().saturating_sub(directories)).unwrap_or(0))
    }

    /// Whether there is more in memory than may be, once `more` keys have come.
    pub(super) fn is_over(&self, more: i64) -> bool {
        match self.budget {
            Budget::Bytes(_) => self.left() < 0,
            Budget::Keys(keys) => {
                let keys = i64::try_from(keys).unwrap_or(i64::MAX);
                self.counts.keys.load(Relaxed).saturating_add(more) > keys
            }
        }
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for something that does not fail.
    pub(super) fn with<T>(&self, ask: impl FnOnce(&mut Pages) -> T) -> T {
        let mut pages = self.pages();
        let answer = ask(&mut pages);
        self.count(&pages);
        answer
    }

    fn count(&self, pages: &Pages) {
        let count = |bytes: usize| i64::try_from(bytes).unwrap_or(i64::MAX);
        self.counts.index_bytes.store(count(pages.index()), Relaxed);
        self.counts.waiting_bytes.store(count(pages.waiting()), Relaxed);
        self.counts.cold_bytes.store(i64::try_from(pages.on_disk()).unwrap_or(i64::MAX), Relaxed);
    }

    /// Writes pages, if too many entries wait for that. A disk that fails for a moment is not waited for: only if very many
    /// wait, the stage stands still.
    pub(super) fn settle(&self) {
        let mut pages = self.pages();
        while pages.has_to_write() {
            let mut failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
            let may_wait = !pages.is_full(WHILE_FAILING);
            if may_wait && failing.is_some_and(|failing| failing.last.elapsed() < PAUSE) {
                break;
            }
            match pages.write_one() {
                Ok(()) => *failing = None,
                Err(error) => {
                    let last = Instant::now();
                    let since = failing.map_or(last, |failing| failing.since);
                    *failing = Some(Failing { since, last });
                    if may_wait {
                        break;
                    }
                    if since.elapsed() >= self.patience {
                        self.give_up(error);
                    }
                    std::thread::sleep(PAUSE);
                }
            }
        }
        self.count(&pages);
    }

    /// Asks until the store answers. Meanwhile the stage stands still, and what feeds it waits.
    pub(super) fn patiently<T>(&self, mut ask: impl FnMut(&mut Pages) -> io::Result<T>) -> T {
        let mut pages = self.pages();
        let mut since = None;
        loop {
            match ask(&mut pages) {
                Ok(answer) => {
                    self.count(&pages);
                    return answer;
                }
                Err(error) if since.get_or_insert_with(Instant::now).elapsed() >= self.patience => {
                    self.give_up(error)
                }
                Err(_) => std::thread::sleep(PAUSE),
            }
        }
    }

    /// Ends the flow: it stands as of its last checkpoint.
    pub(super) fn give_up(&self, error: io::Error) -> ! {
        (self.fail)(error);
        std::panic::resume_unwind(Box::new(OutOfReach))
    }
}

impl std::fmt::Debug for Tier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tier").field("budget", &self.budget).finish_non_exhaustive()
    }
}
