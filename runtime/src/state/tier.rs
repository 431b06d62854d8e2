//! Where keys go that leave memory: a store on local disk, as a cache that is dropped at every start.

#[cfg(feature = "disk")]
mod disk;
mod memory;

#[cfg(feature = "disk")]
pub use disk::DiskTier;
pub use memory::MemoryTier;

use crate::graph::Budget;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// A store of keys that are not in memory.
///
/// It need not survive anything: what makes state safe are the checkpoints. Its calls block, for about as long as one read
/// of a local disk takes. What was put by a thread is seen by it.
pub trait TierStore: Send + Sync + 'static {
    /// Puts a value under a key, in the place of the one that was there.
    ///
    /// # Errors
    /// If it cannot be kept: the disk is full, or failed.
    fn put(&self, key: &[u8], value: &[u8]) -> io::Result<()>;

    /// The value of a key.
    ///
    /// # Errors
    /// If the disk failed.
    fn get(&self, key: &[u8]) -> io::Result<Option<Vec<u8>>>;

    /// Lets a key go.
    ///
    /// # Errors
    /// If the disk failed.
    fn delete(&self, key: &[u8]) -> io::Result<()>;

    /// The first keys that begin with `prefix` and come after `after`, at most `limit` of them, in order, with their
    /// values.
    ///
    /// # Errors
    /// If the disk failed.
    fn scan(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> io::Result<Vec<Pair>>;

    /// The bytes it takes.
    fn bytes(&self) -> u64;
}

/// A key and its value.
pub type Pair = (Vec<u8>, Vec<u8>);

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
    /// The keys that are not, and what was written of them.
    pub(crate) cold: AtomicI64,
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
    /// What was written of those.
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
    store: Arc<dyn TierStore>,
    /// What its keys begin with.
    scope: [u8; 4],
    budget: Budget,
    pub(crate) counts: TierCounts,
    patience: Duration,
    fail: Fail,
}

/// How long a stage waits before it asks a store again that has failed.
const PAUSE: Duration = Duration::from_millis(5);

/// What a stage unwinds with when its state is out of its reach. The flow has the reason.
struct OutOfReach;

impl Tier {
    pub(crate) fn new(
        store: Arc<dyn TierStore>,
        (stage, shard): (usize, usize),
        budget: Budget,
        patience: Duration,
        fail: Fail,
    ) -> Tier {
        let [.., a, b] = stage.to_be_bytes();
        let [.., c, d] = shard.to_be_bytes();
        Tier { store, scope: [a, b, c, d], budget, counts: TierCounts::default(), patience, fail }
    }

    /// What has become of its keys.
    pub(crate) fn counted(&self) -> MemoryCounts {
        let counts = &self.counts;
        let now = |count: &AtomicI64| u64::try_from(count.load(Relaxed)).unwrap_or(0);
        MemoryCounts {
            hits: counts.hits.load(Relaxed),
            misses: counts.misses.load(Relaxed),
            evictions: counts.evictions.load(Relaxed),
            bytes_in_memory: now(&counts.bytes),
            keys_on_disk: now(&counts.cold),
            bytes_on_disk: now(&counts.cold_bytes),
        }
    }

    pub(super) fn budget(&self) -> Budget {
        self.budget
    }

    /// What the keys of a table begin with.
    pub(super) fn prefix(&self, table: i64) -> Vec<u8> {
        let mut prefix = self.scope.to_vec();
        prefix.extend(table.to_be_bytes());
        prefix
    }

    /// The bytes that may still come into memory, where bytes are counted.
    pub(super) fn left(&self) -> i64 {
        match self.budget {
            Budget::Bytes(bytes) => {
                i64::try_from(bytes).unwrap_or(i64::MAX).saturating_sub(self.counts.bytes.load(Relaxed))
            }
            Budget::Keys(_) => i64::MAX,
        }
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

    pub(super) fn put(&self, key: &[u8], value: &[u8]) {
        self.patiently(|store| store.put(key, value));
    }

    pub(super) fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.patiently(|store| store.get(key))
    }

    pub(super) fn delete(&self, key: &[u8]) {
        self.patiently(|store| store.delete(key));
    }

    pub(super) fn scan(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Vec<Pair> {
        self.patiently(|store| store.scan(prefix, after, limit))
    }

    /// Asks until the store answers. Meanwhile the stage stands still, and what feeds it waits: nothing that is in memory
    /// leaves it before the store has it.
    fn patiently<T>(&self, ask: impl Fn(&dyn TierStore) -> io::Result<T>) -> T {
        let mut since = None;
        loop {
            match ask(&*self.store) {
                Ok(answer) => return answer,
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
