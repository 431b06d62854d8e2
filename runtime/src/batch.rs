//! What crosses an edge: records in batches, with the watermarks between them.

use crate::time::Timestamp;

/// Whether more is to be expected of a sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It holds the watermark of those it feeds.
    Active,
    /// It has been silent for a while and does not hold the watermark back until it speaks again.
    Idle,
    /// It has sent its last batch.
    Ended,
}

/// Records in order, with marks: watermarks that hold from a place in that order on.
#[derive(Debug)]
pub struct Batch<T> {
    /// The records.
    pub items: Vec<T>,
    /// Watermarks inside the batch: each holds before the item at its place. Rare: only late records cause them.
    pub marks: Vec<(usize, Timestamp)>,
    /// The watermark after the last item; [`Timestamp::MIN`] if the sender has none.
    pub watermark: Timestamp,
    /// The sender's status after this batch.
    pub status: Status,
    /// The epoch whose barrier follows the last item; 0 if none does.
    pub barrier: u64,
}

impl<T> Batch<T> {
    /// Records of an active sender without a watermark of its own.
    #[must_use]
    pub fn of(items: Vec<T>) -> Batch<T> {
        Batch { items, marks: Vec::new(), watermark: Timestamp::MIN, status: Status::Active, barrier: 0 }
    }
}
