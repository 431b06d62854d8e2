//! Tables in memory, for tests and for flows whose tables live no longer than they do.

use super::{Pair, StoreBatch, TableStore};
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::io;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A [`TableStore`] in memory. Its clones are one store, so that a flow can be stopped and started again on it.
#[derive(Clone, Debug, Default)]
pub struct MemoryTables(Arc<Mutex<BTreeMap<Vec<u8>, Vec<u8>>>>);

impl MemoryTables {
    /// An empty store.
    pub fn new() -> MemoryTables {
        MemoryTables::default()
    }

    /// The rows of a table.
    pub(crate) fn rows<R: DeserializeOwned>(&self, table: &str) -> io::Result<Vec<R>> {
        let rows = self.scan(&[table.as_bytes(), b"\0r"].concat(), None, usize::MAX)?;
        rows.iter().map(|(_, row)| postcard::from_bytes(row).map_err(io::Error::other)).collect()
    }

    fn pairs(&self) -> MutexGuard<'_, BTreeMap<Vec<u8>, Vec<u8>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TableStore for MemoryTables {
    fn get(&self, key: &[u8]) -> io::Result<Option<Vec<u8>>> {
        Ok(self.pairs().get(key).cloned())
    }

    fn scan(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> io::Result<Vec<Pair>> {
        let from = after.map_or(Bound::Included(prefix), Bound::Excluded);
        let pairs = self.pairs();
        let found = pairs.range::<[u8], _>((from, Bound::Unbounded));
        let found = found.take_while(|(key, _)| key.starts_with(prefix)).take(limit);
        Ok(found.map(|(key, value)| (key.clone(), value.clone())).collect())
    }

    fn write(&mut self, batch: StoreBatch) -> io::Result<()> {
        let mut pairs = self.pairs();
        for key in batch.deletes {
            pairs.remove(&key);
        }
        pairs.extend(batch.puts);
        Ok(())
    }
}
