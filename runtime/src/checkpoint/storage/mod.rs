//! Where checkpoints are kept.

mod dir;
mod memory;
#[doc(hidden)]
pub mod suite;

pub use dir::DirStorage;
pub use memory::{Fate, MemoryStorage};

use std::io;

/// A place for whole objects under names such as `segments/17-hourly-0-9f3c.seg`.
///
/// What has been put or created and answered `Ok` survives a crash of the process and of the machine. What was being put
/// when it crashed is there whole, in part, or not at all: readers check what they read. Calls block.
pub trait Storage: Send + Sync + 'static {
    /// Keeps an object under a name, in place of any that is there.
    ///
    /// # Errors
    /// If it is not kept for sure. Something may be there all the same.
    fn put(&self, name: &str, bytes: &[u8]) -> io::Result<()>;

    /// As [`Storage::put`], of an object that comes in parts, one after the other. If one is an error nothing is kept.
    ///
    /// What is not overwritten here holds all of it in memory.
    ///
    /// # Errors
    /// As for [`Storage::put`]; that of a part is given back as it is.
    fn put_parts(&self, name: &str, parts: &mut dyn Iterator<Item = io::Result<Vec<u8>>>) -> io::Result<()> {
        let all = parts.collect::<io::Result<Vec<_>>>()?;
        self.put(name, &all.concat())
    }

    /// Keeps an object under a name that is not in use; of several who try one succeeds, and it is there whole at once.
    ///
    /// # Errors
    /// [`io::ErrorKind::AlreadyExists`] if the name is in use. After another error it is unknown whether the object is
    /// there.
    fn create(&self, name: &str, bytes: &[u8]) -> io::Result<()>;

    /// The object under a name.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] if there is none.
    fn get(&self, name: &str) -> io::Result<Vec<u8>>;

    /// A part of the object under a name; less if it ends before.
    ///
    /// # Errors
    /// As for [`Storage::get`].
    fn get_range(&self, name: &str, from: u64, len: u64) -> io::Result<Vec<u8>>;

    /// The names that begin so, in no order. Those of objects that were being put when a process crashed need not be
    /// among them.
    ///
    /// # Errors
    /// If they cannot be told.
    fn list(&self, prefix: &str) -> io::Result<Vec<String>>;

    /// Lets an object go; it is no error if there is none.
    ///
    /// # Errors
    /// If it may still be there.
    fn delete(&self, name: &str) -> io::Result<()>;
}
