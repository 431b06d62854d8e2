//! Tables on local disk: fjall.
//!
//! One keyspace for all tables and indexes: one that is idle would hold on to the journal of the others, and the disk
//! fill. A batch is one entry of the journal, which is synced before it is answered.

use super::{Pair, StoreBatch, TableStore};
use fjall::config::PartitioningPolicy;
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};
use std::io;
use std::ops::Bound;
use std::path::Path;

/// Blocks that were read are held in memory up to here, beside the budgets of views, if `open` is not told otherwise.
const CACHE: u64 = 32 << 20;
/// What was written is held in memory up to here, and then written in order.
const MEMTABLE: u64 = 16 << 20;
/// What is not yet written in order lies in the journal, which a start reads.
const JOURNAL: u64 = 64 << 20;

/// A [`TableStore`] in a directory on a local disk.
///
/// Every write waits for the disk, so it takes what a sync takes, a millisecond or so. Writes that wait share it.
pub struct FjallTables {
    database: Database,
    keyspace: Keyspace,
}

impl FjallTables {
    /// Opens the store in a directory, which is made if it is not there. It caches up to 32 MiB of what was read.
    ///
    /// # Errors
    /// If it cannot be read or written, is damaged, or another process has it open.
    pub fn open(path: impl AsRef<Path>) -> io::Result<FjallTables> {
        FjallTables::open_with_cache(path, CACHE)
    }

    /// The same, with so many bytes of cache.
    ///
    /// # Errors
    /// As for [`open`](FjallTables::open).
    pub fn open_with_cache(path: impl AsRef<Path>, cache_bytes: u64) -> io::Result<FjallTables> {
        let database = Database::builder(path.as_ref()).cache_size(cache_bytes).manual_journal_persist(true);
        let database =
            database.max_journaling_size(JOURNAL).worker_threads(1).open().map_err(io::Error::other)?;
        // Else a look-up reads the whole filter of a file, a megabyte for a million rows, which no cache of this size holds.
        let parts = || PartitioningPolicy::all(true);
        let options = || {
            let options = KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE);
            options.filter_block_partitioning_policy(parts()).index_block_partitioning_policy(parts())
        };
        let keyspace = database.keyspace("tables", options).map_err(io::Error::other)?;
        Ok(FjallTables { database, keyspace })
    }
}

impl TableStore for FjallTables {
    fn get(&self, key: &[u8]) -> io::Result<Option<Vec<u8>>> {
        let value = self.keyspace.get(key).map_err(io::Error::other)?;
        Ok(value.map(|value| value.to_vec()))
    }

    fn scan(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> io::Result<Vec<Pair>> {
        let from = after.map_or(Bound::Included(prefix), Bound::Excluded);
        let mut pairs = Vec::new();
        for guard in self.keyspace.range::<&[u8], _>((from, Bound::Unbounded)).take(limit) {
            let (key, value) = guard.into_inner().map_err(io::Error::other)?;
            if !key.starts_with(prefix) {
                break;
            }
            pairs.push((key.to_vec(), value.to_vec()));
        }
        Ok(pairs)
    }

    fn write(&mut self, batch: StoreBatch) -> io::Result<()> {
        let mut write = self.database.batch().durability(Some(PersistMode::SyncAll));
        for key in batch.deletes {
            write.remove(&self.keyspace, key);
        }
        for (key, value) in batch.puts {
            write.insert(&self.keyspace, key, value);
        }
        write.commit().map_err(io::Error::other)
    }
}

impl std::fmt::Debug for FjallTables {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FjallTables").finish_non_exhaustive()
    }
}
