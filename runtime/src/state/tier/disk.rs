//! A tier on local disk: fjall, as a cache that is dropped at every start.
//!
//! One keyspace for all nodes: an idle one beside it would hold on to the journal. It is emptied by removing its directory,
//! never by `clear`. Nothing is synced, because nothing of it is read after a crash.

use super::{Pair, TierStore};
use fjall::{Database, Keyspace, KeyspaceCreateOptions};
use std::io;
use std::ops::Bound;
use std::path::Path;

/// Blocks that were read are held in memory up to here: beside the budgets, and the same for any number of keys.
const CACHE: u64 = 16 << 20;
/// What was put is held in memory up to here, and then written.
const MEMTABLE: u64 = 16 << 20;

/// A [`TierStore`] in a directory on a local disk.
pub struct DiskTier {
    database: Database,
    keyspace: Keyspace,
}

impl DiskTier {
    /// Empties the directory, which is made if it is not there, and opens a store in it.
    ///
    /// # Errors
    /// If it cannot be emptied or written to.
    pub fn open(path: &Path) -> io::Result<DiskTier> {
        match std::fs::remove_dir_all(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Err(_) | Ok(()) => {}
        }
        std::fs::create_dir_all(path)?;
        let database = Database::builder(path).cache_size(CACHE).manual_journal_persist(true);
        let database =
            database.max_journaling_size(64 << 20).worker_threads(1).open().map_err(io::Error::other)?;
        let options = || KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE);
        let keyspace = database.keyspace("keys", options).map_err(io::Error::other)?;
        Ok(DiskTier { database, keyspace })
    }
}

impl TierStore for DiskTier {
    fn put(&self, key: &[u8], value: &[u8]) -> io::Result<()> {
        self.keyspace.insert(key, value).map_err(io::Error::other)
    }

    fn get(&self, key: &[u8]) -> io::Result<Option<Vec<u8>>> {
        let value = self.keyspace.get(key).map_err(io::Error::other)?;
        Ok(value.map(|value| value.to_vec()))
    }

    fn delete(&self, key: &[u8]) -> io::Result<()> {
        self.keyspace.remove(key).map_err(io::Error::other)
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

    fn bytes(&self) -> u64 {
        self.database.disk_space().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_is_found_until_it_is_deleted_and_not_by_the_next_start() {
        let path = std::env::temp_dir().join(format!("psdf-tier-{}", std::process::id()));
        let store = DiskTier::open(&path).unwrap();
        for key in 0..100u8 {
            store.put(&[1, key], &[key; 3]).unwrap();
        }
        store.put(&[2, 0], &[]).unwrap();
        store.delete(&[1, 7]).unwrap();
        assert_eq!(store.get(&[1, 8]).unwrap(), Some(vec![8; 3]));
        assert_eq!(store.get(&[1, 7]).unwrap(), None);
        let first = store.scan(&[1], None, 8).unwrap();
        assert_eq!(first.len(), 8);
        assert_eq!(first[7].0, [1, 8]);
        assert_eq!(store.scan(&[1], Some(&[1, 8]), 1000).unwrap().len(), 91);
        drop(store);
        let store = DiskTier::open(&path).unwrap();
        assert_eq!(store.get(&[1, 8]).unwrap(), None);
        drop(store);
        std::fs::remove_dir_all(&path).unwrap();
    }
}
