//! Keyed state in memory.

mod assumed;
mod changes;
mod cold;
mod expiry;
mod far;
mod marks;
mod measure;
mod panes;
mod stored;
mod table;
mod tier;

pub(crate) use cold::Codec;
pub use expiry::Keep;
pub(crate) use expiry::{Deadlines, Expiry};
pub(crate) use measure::heap_bytes;
pub(crate) use panes::Panes;
pub use stored::StoredState;
pub(crate) use stored::{InTable, State, restore, shape, stamp_of, stored_stamp, write_value};
pub(crate) use table::{Entries, KeyedTable, Place, Taken};
pub use tier::{DiskTier, MemoryCounts, MemoryTier, PageAt, Tier, TierPages, TierStore};
