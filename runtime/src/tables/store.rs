//! Where tables are kept: an ordered store of bytes, written in atomic batches.
//!
//! Keys of the store, in which `key` and `index key` are written so that their bytes have the order of the values
//! ([`encode`](super::encode)):
//!
//! ```text
//! row          TABLE 0 'r' key                       -> the row, as postcard writes it
//! index entry  TABLE 0 'i' INDEX 0 index key, key    -> nothing
//! to put back  TABLE 0 'u' EPOCH 0 key               -> what a stream's row has replaced ([`undo`](super::undo))
//! declaration  TABLE 0 's'                           -> how its types are written, and which indexes are whole
//! ```

#[cfg(feature = "tables")]
mod fjall;
mod memory;

#[cfg(feature = "tables")]
pub use self::fjall::FjallTables;
pub use memory::MemoryTables;

use std::io;

/// A key of the store and its value.
pub type Pair = (Vec<u8>, Vec<u8>);

/// Where a region keeps its tables. It is used by the region's thread alone, which waits for each call.
pub trait TableStore: Send {
    /// The value of a key.
    ///
    /// # Errors
    /// If the store cannot be read.
    fn get(&self, key: &[u8]) -> io::Result<Option<Vec<u8>>>;

    /// The keys that begin with `prefix` and come after `after`, in order of their bytes: as many as there are, and at
    /// most `limit`.
    ///
    /// # Errors
    /// If the store cannot be read.
    fn scan(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> io::Result<Vec<Pair>>;

    /// Writes all of a batch or nothing, also if the process dies meanwhile. When it returns, a crash of the machine
    /// cannot undo it.
    ///
    /// # Errors
    /// If it could not be written. Whether it will be found after a restart is then open.
    fn write(&mut self, batch: StoreBatch) -> io::Result<()>;
}

impl TableStore for Box<dyn TableStore> {
    fn get(&self, key: &[u8]) -> io::Result<Option<Vec<u8>>> {
        (**self).get(key)
    }

    fn scan(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> io::Result<Vec<Pair>> {
        (**self).scan(prefix, after, limit)
    }

    fn write(&mut self, batch: StoreBatch) -> io::Result<()> {
        (**self).write(batch)
    }
}

/// What is written at once. No key is in it twice.
#[derive(Debug, Default)]
pub struct StoreBatch {
    /// Keys and their values, in no order.
    pub puts: Vec<Pair>,
    /// Keys that go.
    pub deletes: Vec<Vec<u8>>,
}

impl StoreBatch {
    /// Whether nothing is to be done.
    pub fn is_empty(&self) -> bool {
        self.puts.is_empty() && self.deletes.is_empty()
    }
}
