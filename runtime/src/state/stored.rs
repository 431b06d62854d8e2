//! The state of a stage as checkpoints see it.

use crate::checkpoint::value::{Migration, Shape, Unreadable};
use crate::checkpoint::{Delta, TableId};
use crate::time::Timestamp;

/// The keyed state of one shard of a stage.
///
/// Between the barrier and the end of a snapshot the stage goes on: what is about to change is copied before it does.
pub trait StoredState {
    /// From here on changes are noted. Before anything is restored.
    fn track(&mut self);

    /// A barrier has come: what has changed since the one before is what the snapshot that begins here holds. The one
    /// before has been copied to its end.
    fn begin_snapshot(&mut self);

    /// Copies about so many entries into the snapshot at hand; whether that were the last.
    fn copy_some(&mut self, entries: usize, into: &mut Delta) -> bool;

    /// Puts an entry back.
    ///
    /// # Errors
    /// If the bytes do not make a key and a value.
    fn restore(
        &mut self,
        table: TableId,
        key: &[u8],
        value: &[u8],
        migration: &Migration,
    ) -> Result<(), Unreadable>;

    /// All entries are back: what follows from them (timers, ends of windows) is made again. `watermark` is the stage's.
    fn restored(&mut self, watermark: Timestamp);

    /// How keys and values are written.
    fn shape(&self) -> Shape;
}
