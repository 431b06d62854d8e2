//! A stage, or the way into a sink, on one worker.

use super::inlet::Inlet;
use super::link::{Outlet, lost};
use super::parcel::Parcel;
use crate::embedded::epochs::Epochs;
use crate::embedded::executor::BoxFuture;
use crate::embedded::gauge::Gauge;
use crate::embedded::shared::Shared;
use std::sync::Arc;
use std::task::{Context, Poll};

/// What one operator runs: the tasks of a stage that are made here, between its inlets and its outlets. Where an edge leads
/// into a sink there are no tasks, but the inlets pass on what they take.
pub struct Part {
    /// The stage, or the output.
    pub name: &'static str,
    /// Where parcels are to be given.
    pub inlets: Vec<Inlet>,
    /// Where parcels are to be taken.
    pub outlets: Vec<Outlet>,
    /// Whether it reads an input, so that records come in although no parcel does.
    pub reads_input: bool,
    pub(super) tasks: Vec<BoxFuture>,
    pub(super) gauges: Vec<Arc<Gauge>>,
    /// In a durable flow.
    pub(super) epochs: Option<Arc<Epochs>>,
    pub(super) shared: Arc<Shared>,
    pub(super) edges: Vec<(&'static str, &'static str)>,
}

impl Part {
    /// The tasks that have not ended.
    pub(super) fn shards(&self) -> usize {
        self.tasks.len()
    }

    /// Whether a barrier is asked for that one of its tasks has yet to pass on. Others may wait for it, and hold back what
    /// they have got until then.
    #[must_use]
    pub fn owes_barrier(&self) -> bool {
        let owes = |epochs: &Arc<Epochs>| {
            let asked = epochs.asked().epoch;
            asked > epochs.restored && self.gauges.iter().any(|gauge| gauge.owes_barrier(asked))
        };
        self.epochs.as_ref().is_some_and(owes)
    }

    /// Gives a parcel to an inlet.
    pub fn deliver(&mut self, inlet: usize, parcel: Parcel) {
        if let Err(error) = self.inlets[inlet].deliver(parcel) {
            self.shared.fail(lost(&self.shared, self.edges[inlet], error));
        }
    }

    /// Passes on what the inlets have taken, as there is room; whether all of it has been read. The context is woken when
    /// there is more room.
    pub fn poll_inlets(&mut self, cx: &mut Context<'_>) -> bool {
        let mut all = true;
        for inlet in &mut self.inlets {
            all &= matches!(inlet.poll_passed(cx), Poll::Ready(()));
        }
        all
    }

    /// Lets its tasks work, once; whether all have ended. The context is woken when they can go on.
    pub fn poll_tasks(&mut self, cx: &mut Context<'_>) -> bool {
        self.tasks.retain_mut(|task| task.as_mut().poll(cx).is_pending());
        self.tasks.is_empty()
    }
}

impl std::fmt::Debug for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Part")
            .field("name", &self.name)
            .field("inlets", &self.inlets)
            .field("tasks", &self.tasks.len())
            .finish_non_exhaustive()
    }
}
