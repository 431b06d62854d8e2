//! Keyed state in memory.

mod expiry;
mod stored;
mod table;

pub use expiry::Keep;
pub use stored::StoredState;
pub(crate) use expiry::{Deadlines, Expiry};
pub(crate) use table::{Entries, KeyedTable, Place};
