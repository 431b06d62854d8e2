//! The receiving end of an edge: it gives each parcel to the task that it is for.

use super::parcel::{Body, Parcel};
use crate::batch::Batch;
use crate::codec::CodecSlot;
use crate::embedded::queue::{QueueReader, QueueWriter, queue};
use crate::record::Record;
use std::collections::VecDeque;
use std::task::{Context, Poll};

/// The receiving end of an edge, for the host.
pub struct Inlet {
    /// The edge.
    pub edge: usize,
    /// Whether parcels come from other workers too.
    pub exchanged: bool,
    pub(super) door: Box<dyn Door>,
}

/// An inlet without the type of what it takes.
pub(super) trait Door: Send {
    fn deliver(&mut self, parcel: Parcel) -> Result<(), String>;
    fn poll_passed(&mut self, cx: &mut Context<'_>) -> Poll<()>;
}

impl Inlet {
    /// Takes a parcel.
    pub(super) fn deliver(&mut self, parcel: Parcel) -> Result<(), String> {
        self.door.deliver(parcel)
    }

    /// Passes on what it has taken, as there is room; ready when all of it has been read.
    pub(super) fn poll_passed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.door.poll_passed(cx)
    }
}

impl std::fmt::Debug for Inlet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inlet")
            .field("edge", &self.edge)
            .field("exchanged", &self.exchanged)
            .finish_non_exhaustive()
    }
}

/// From one task that writes to one that reads.
struct Way<T> {
    from: u32,
    lane: u32,
    writer: QueueWriter<T>,
    /// What there is no room for yet.
    waiting: VecDeque<Batch<T>>,
    /// Whether all that was given has been read.
    passed: bool,
}

pub(super) struct Ways<T> {
    ways: Vec<Way<T>>,
    codec: CodecSlot<T>,
}

impl<T: Record> Ways<T> {
    pub(super) fn new(codec: CodecSlot<T>) -> Self {
        Ways { ways: Vec::new(), codec }
    }

    /// Opens the way from a task to another; answers where that one reads.
    pub(super) fn open(&mut self, from: usize, lane: usize, capacity: usize) -> QueueReader<T> {
        let (writer, reader) = queue(capacity);
        let number = |place: usize| u32::try_from(place).unwrap_or(u32::MAX);
        let (from, lane) = (number(from), number(lane));
        self.ways.push(Way { from, lane, writer, waiting: VecDeque::new(), passed: true });
        reader
    }

    fn batch(&self, body: Body) -> Result<Batch<T>, String> {
        match body {
            Body::Here(batch) => {
                batch.downcast().map(|batch| *batch).map_err(|_| "it is of another edge".to_owned())
            }
            Body::Bytes(bytes) => {
                let codec = self.codec.get().ok_or("its records are no data")?;
                codec.decode(&bytes).map_err(|error| error.to_string())
            }
        }
    }
}

impl<T: Record> Door for Ways<T> {
    fn deliver(&mut self, parcel: Parcel) -> Result<(), String> {
        let batch = self.batch(parcel.body)?;
        let way = self.ways.iter_mut().find(|way| (way.from, way.lane) == (parcel.from, parcel.lane));
        let way = way.ok_or("it is for a task that is not here")?;
        way.waiting.push_back(batch);
        way.passed = false;
        Ok(())
    }

    fn poll_passed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut all = true;
        for way in &mut self.ways {
            all &= way.poll_passed(cx).is_ready();
        }
        if all { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl<T> Way<T> {
    fn poll_passed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.passed {
            return Poll::Ready(());
        }
        while let Some(batch) = self.waiting.pop_front() {
            let mut batch = Some(batch);
            match self.writer.poll_write(&mut batch, cx) {
                Poll::Ready(Ok(())) => {}
                // Nobody reads any more.
                Poll::Ready(Err(())) => self.waiting.clear(),
                Poll::Pending => {
                    self.waiting.extend(batch.take());
                    self.waiting.rotate_right(1);
                    return Poll::Pending;
                }
            }
        }
        self.passed = self.writer.poll_read_out(cx).is_ready();
        if self.passed { Poll::Ready(()) } else { Poll::Pending }
    }
}
