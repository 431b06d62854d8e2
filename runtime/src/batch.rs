//! What crosses an edge: records in batches, with the watermarks between them.

use crate::time::Timestamp;
use std::any::Any;
use std::fmt;

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

/// What stands for records that their sender has united: of a type that only the stage that reads them knows.
pub struct Parts {
    parts: Box<dyn Any + Send>,
    records: usize,
}

impl Parts {
    pub(crate) fn new<T: Send + 'static>(parts: Vec<T>, records: usize) -> Parts {
        Parts { parts: Box::new(parts), records }
    }

    pub(crate) fn records(&self) -> usize {
        self.records
    }

    /// What they are; nothing, if they are of another type.
    pub(crate) fn take<T: 'static>(self) -> Vec<T> {
        let parts = self.parts.downcast::<Vec<T>>();
        debug_assert!(parts.is_ok(), "who reads an edge makes what unites its records");
        parts.map_or_else(|_| Vec::new(), |parts| *parts)
    }
}

impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parts").field("records", &self.records).finish_non_exhaustive()
    }
}

/// Records in order, with marks: watermarks that hold from a place in that order on.
#[derive(Debug)]
pub struct Batch<T> {
    /// Records that their sender has united. They are before all others, and before all marks.
    pub parts: Option<Parts>,
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
        let (watermark, status) = (Timestamp::MIN, Status::Active);
        Batch { parts: None, items, marks: Vec::new(), watermark, status, barrier: 0 }
    }

    /// How many records it stands for.
    pub(crate) fn records(&self) -> usize {
        self.items.len() + self.parts.as_ref().map_or(0, Parts::records)
    }
}
