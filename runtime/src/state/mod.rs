//! Keyed state in memory.

mod expiry;
mod table;

pub(crate) use expiry::{Deadlines, Expiry};
pub use expiry::Keep;
pub(crate) use table::{Entries, KeyedTable, Place};
