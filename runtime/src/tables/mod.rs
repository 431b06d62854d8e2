//! Tables and views: partial state.
//!
//! A region is the tables of a flow, its views, and the nodes between them. It runs on one thread, on which each write,
//! each replay and each eviction runs to its end: no change is ever on its way past a replay. Layers, each of which imports
//! only from those before it:
//!
//! - words: [`rel`], [`error`], [`encode`], [`front`], [`store`], [`opened`], [`undo`], [`stats`], [`ring`];
//! - what nodes have in common: [`graph`], [`below`], [`changes`], [`held`], [`waiters`], [`published`];
//! - nodes: [`table`], [`fed`], [`filter`], [`map_values`], [`rekey`], [`merge`], [`join`], [`aggregate`], [`distinct`], [`view`];
//! - the thread and what leads to it: [`engine`], [`thread`], [`handle`], [`write_batch`], [`region`].

#![allow(rustdoc::private_intra_doc_links)]

mod aggregate;
mod below;
mod changes;
mod distinct;
mod encode;
mod engine;
mod error;
mod fed;
mod filter;
mod front;
mod graph;
mod handle;
mod held;
mod join;
mod map_values;
mod merge;
mod opened;
mod published;
mod region;
mod rekey;
mod rel;
mod ring;
mod stats;
mod store;
mod table;
#[cfg(test)]
mod tests_fed;
#[cfg(test)]
mod tests_filling;
#[cfg(test)]
mod tests_random;
mod thread;
mod undo;
mod view;
mod waiters;
mod write_batch;

pub use aggregate::{Functions, Retracted};
pub use error::{ReadError, RegionError, WriteError};
pub use front::{FrontMax, FrontMin, FrontTop, Heap, heap_of};
pub use handle::{Change, Changes, Peek, Table, View};
pub use published::Rows;
pub(crate) use region::Seen;
pub use region::{Keep, Region, RegionSettings, Running, ViewRel};
pub use rel::{Delta, Index, IndexId, Rel, RowKey, RowValue, StoredRow, TableRel};
pub use stats::ViewStats;
#[cfg(feature = "tables")]
pub use store::FjallTables;
pub use store::{MemoryTables, Pair, StoreBatch, TableStore};
pub use write_batch::WriteBatch;
