//! Edges between the tasks of several workers.

use super::Team;
use super::parcel::{Body, Parcel};
use crate::batch::Batch;
use crate::codec::CodecSlot;
use crate::embedded::channel::Receiver;
use crate::embedded::gauge::Feeder;
use crate::embedded::shared::{Shared, lock};
use crate::error::FlowError;
use crate::outlet::Transport;
use crate::record::Record;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, OnceLock};
use std::task::{Context, Poll};

/// An edge that nobody reads yet.
pub struct ClusterLink<T>(pub(super) Ends<T>);

pub(super) enum Ends<T> {
    /// From a stage.
    Open(OpenEdge<T>),
    /// From an input, of whose partitions these are read here.
    Input { name: &'static str, partitions: usize, here: Vec<Receiver<T>> },
}

/// An edge out of a stage.
pub(super) struct OpenEdge<T> {
    pub(super) number: usize,
    /// Where it leads, for errors.
    pub(super) from: &'static str,
    pub(super) to: &'static str,
    /// All tasks that write into it, in order.
    pub(super) feeders: Vec<Feeder>,
    pub(super) reading: Arc<OnceLock<Reading>>,
    pub(super) codec: CodecSlot<T>,
}

/// Who reads an edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// So many tasks, wherever they are.
    ByTasks(usize),
    /// On each worker the one task there.
    Beside,
}

/// Where the batches for one edge wait until the host takes them.
pub(super) type Outbox = Arc<Mutex<VecDeque<Parcel>>>;

/// The sending end of an edge, for the host.
#[derive(Debug)]
pub struct Outlet {
    /// The edge.
    pub edge: usize,
    pub(super) outbox: Outbox,
}

impl Outlet {
    /// Takes what waits to be sent.
    #[must_use]
    pub fn take(&self) -> VecDeque<Parcel> {
        std::mem::take(&mut *lock(&self.outbox))
    }
}

/// How one task writes into an edge.
pub(super) struct ParcelTransport<T> {
    pub(super) team: Team,
    /// The task, by its place among those of its stage.
    pub(super) from: usize,
    pub(super) reading: Arc<OnceLock<Reading>>,
    pub(super) outbox: Outbox,
    pub(super) codec: CodecSlot<T>,
    pub(super) shared: Arc<Shared>,
    pub(super) edge: (&'static str, &'static str),
}

impl<T: Record> ParcelTransport<T> {
    fn body(&self, batch: Batch<T>, to: usize) -> Option<Body> {
        if self.team.is_near(to) {
            return Some(Body::Here(Box::new(batch)));
        }
        let encoded = match self.codec.get() {
            Some(codec) => codec.encode(&batch).map_err(|error| error.to_string()),
            None => Err("they are no data".to_owned()),
        };
        encoded.map(Body::Bytes).map_err(|error| self.shared.fail(lost(&self.shared, self.edge, error))).ok()
    }
}

/// What is said where the records of an edge cannot cross the network.
pub(super) fn lost(shared: &Shared, (from, to): (&'static str, &'static str), error: String) -> FlowError {
    FlowError::Network { flow: shared.graph.flow, from, to, error }
}

impl<T: Record> Transport<T> for ParcelTransport<T> {
    fn lanes(&self) -> usize {
        match self.reading.get() {
            Some(Reading::ByTasks(tasks)) => *tasks,
            Some(Reading::Beside) => 1,
            None => 0,
        }
    }

    fn poll_send(&mut self, lane: usize, batch: &mut Option<Batch<T>>, _: &mut Context<'_>) -> Poll<()> {
        let Some(batch) = batch.take() else { return Poll::Ready(()) };
        let (to, lane) = match self.reading.get() {
            Some(Reading::ByTasks(_)) => (self.team.worker_of(lane), lane),
            Some(Reading::Beside) => (self.team.worker, self.team.worker),
            // An output of a flow that stands in another has no reader if nothing there reads it.
            None => return Poll::Ready(()),
        };
        let number = |place: usize| u32::try_from(place).unwrap_or(u32::MAX);
        let records = number(batch.records());
        if let Some(body) = self.body(batch, to) {
            let parcel =
                Parcel { to: number(to), from: number(self.from), lane: number(lane), records, body };
            lock(&self.outbox).push_back(parcel);
        }
        Poll::Ready(())
    }

    fn is_closed(&self) -> bool {
        false
    }

    fn carries_parts(&self) -> bool {
        false
    }
}
