//! Checkpoints: what a flow knows, as one transaction (Carbone et al., "Lightweight asynchronous snapshots for
//! distributed dataflows", 2015, with aligned barriers).
//!
//! A barrier with the number of an epoch passes through the flow. When it has come to a shard of a stage, from all that
//! feed it, the shard begins a [`Delta`]: what has changed since the barrier before. Each delta becomes a segment, and
//! when all segments of the epoch are stored one manifest is created that names them, with the positions of the inputs:
//! that is the commit.
//!
//! What is stored is drawn in `docs/checkpoint-format.md`.

mod bytes;
pub mod coordinator;
pub mod delta;
mod fields;
pub mod garbage;
mod layers;
pub mod manifest;
pub mod merge;
pub mod migrate;
pub mod names;
pub mod object;
pub mod recovery;
pub mod rescale;
pub mod savepoint;
pub mod schema;
pub mod segment;
pub mod shape;
pub mod storage;
pub mod value;

pub use delta::{Delta, TableId};
