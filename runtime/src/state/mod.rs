//! Keyed state in memory.

mod expiry;
mod table;

pub use expiry::Keep;
pub(crate) use expiry::{Deadlines, Expiry};
pub(crate) use table::{Entries, KeyedTable, Place};
