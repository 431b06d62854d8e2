//! Keyed state in memory.

mod changes;
mod expiry;
mod marks;
mod panes;
mod stored;
mod table;

pub use expiry::Keep;
pub(crate) use expiry::{Deadlines, Expiry};
pub(crate) use panes::Panes;
pub use stored::StoredState;
pub(crate) use stored::{InTable, State, restore, shape, stamp_of, stored_stamp, write_value};
pub(crate) use table::{Entries, KeyedTable, Place};
