//! The common part of every flow's handle: finishing, stopping, asking how it goes.

use super::epochs::{Epochs, Note};
use super::executor::Executor;
use super::explain::explain;
use super::guarantee::Guarantee;
use super::output::Drain;
use super::regions::stop_soon;
use super::shared::Shared;
use crate::error::FlowError;
use crate::graph::Graph;
use crate::state::MemoryCounts;
use crate::tables::Running;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio_util::task::TaskTracker;

/// What a running flow's handle can do whatever its ports are. Dropping it stops the flow's tasks.
pub struct FlowControl {
    shared: Arc<Shared>,
    tasks: TaskTracker,
    executor: Arc<dyn Executor>,
    /// In a durable flow.
    epochs: Option<Arc<Epochs>>,
    guarantees: Vec<Guarantee>,
    /// Of a flow with tables.
    region: Option<Running>,
}

/// Records that were on their way to a node or port when the flow was stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dropped {
    /// The node whose stage had them, or had not read them yet.
    pub node: &'static str,
    /// How many.
    pub records: u64,
}

/// What a node has let go and what it holds, counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeCounts {
    /// The node.
    pub node: &'static str,
    /// Records that came after their window had closed, where the node has no `else`.
    pub late: u64,
    /// Records that failed and that `else skip` let go.
    pub skipped: u64,
    /// Records that the node is there to leave out: the duplicates of `dedup`, what is out of date for `latest`, what no
    /// arm of a `route` with `else skip` takes.
    pub left_out: u64,
    /// The keys that the node holds state for, each counted once for every open window.
    pub keys: u64,
    /// What became of them, where the node has a budget of memory; all 0 where it has none.
    pub memory: MemoryCounts,
}

impl FlowControl {
    pub(super) fn new(
        shared: Arc<Shared>,
        tasks: TaskTracker,
        executor: Arc<dyn Executor>,
        epochs: Option<Arc<Epochs>>,
        guarantees: Vec<Guarantee>,
    ) -> Self {
        FlowControl { shared, tasks, executor, epochs, guarantees, region: None }
    }

    /// Takes the region of a flow that has tables. Its tables end with the flow, also where an error ends that.
    pub(super) fn has_region(&mut self, region: Option<Running>) {
        let Some(running) = &region else { return self.shared.region_ended.cancel() };
        self.shared.region.get_or_init(|| running.seen());
        let (shared, running) = (Arc::clone(&self.shared), running.clone());
        self.executor.spawn(Box::pin(async move {
            tokio::select! {
                () = shared.region_ended.cancelled() => {}
                () = shared.stopped.cancelled() => {
                    running.stop().await;
                    shared.region_ended.cancel();
                }
            }
        }));
        self.region = region;
    }

    /// Ends the region, after all that was sent to it.
    async fn stop_region(&self) {
        if let Some(region) = &self.region {
            region.stop().await;
            self.shared.region_ended.cancel();
        }
    }

    /// What is promised of each way from an input to an output.
    #[must_use]
    pub fn guarantees(&self) -> &[Guarantee] {
        &self.guarantees
    }

    /// The last epoch that is committed; 0 if there is none, or the flow is not durable.
    #[must_use]
    pub fn committed_epoch(&self) -> u64 {
        self.epochs.as_ref().map_or(0, |epochs| *epochs.committed.borrow())
    }

    /// The last committed epoch, and where the inputs stood then.
    pub(super) fn committed(&self) -> (u64, Vec<u64>) {
        let positions = self.epochs.iter().flat_map(|epochs| &epochs.positions);
        let positions = positions.map(|position| position.load(Ordering::Acquire)).collect();
        (self.committed_epoch(), positions)
    }

    /// Commits one more epoch, after which the inputs give no more, and stops: the flow goes on from there when it is
    /// started again. No window fires for it. The outputs are emptied, as they fill; what nobody had read of them is not
    /// lost to the caller. Answers the epoch.
    ///
    /// # Errors
    /// If the flow ends before that with an error, or is not durable.
    pub async fn stop_with_checkpoint(&mut self, outputs: &mut [&mut dyn Drain]) -> Result<u64, FlowError> {
        let stopped = FlowError::Stopped { flow: self.shared.graph.flow };
        let Some(epochs) = &self.epochs else {
            // Tables are committed with every write.
            self.stop_region().await;
            let whole = self.region.is_some() && self.shared.graph.stages.is_empty();
            return if whole { Ok(0) } else { Err(stopped) };
        };
        let (tell, mut told) = oneshot::channel();
        epochs.note(Note::Stop(tell));
        let mut open: Vec<_> = outputs.iter_mut().collect();
        let epoch = std::future::poll_fn(|cx| {
            open.retain_mut(|output| output.poll_drain(cx).is_pending());
            Pin::new(&mut told).poll(cx)
        })
        .await;
        self.shared.stop();
        self.tasks.wait().await;
        self.stop_region().await;
        match (epoch, self.error()) {
            (Ok(epoch), _) => Ok(epoch),
            (Err(_), error) => Err(error.unwrap_or(stopped)),
        }
    }

    /// The flow's graph.
    #[must_use]
    pub fn graph(&self) -> &'static Graph {
        self.shared.graph
    }

    /// The error that ended the flow, if one did.
    #[must_use]
    pub fn error(&self) -> Option<FlowError> {
        self.shared.error()
    }

    /// Whether all tasks of the flow have ended, and its tables take no more.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.tasks.is_empty() && self.shared.region_ended.is_cancelled()
    }

    /// Whether all tasks have ended; tables may take more.
    pub(super) fn has_drained(&self) -> bool {
        self.tasks.is_empty()
    }

    /// Late and skipped records of each node so far, and the keys it holds now.
    #[must_use]
    pub fn counts(&self) -> Vec<NodeCounts> {
        self.shared.counts()
    }

    /// Why a node gives nothing, in a sentence or a few: which watermark it has, which end or timer it waits for, and who
    /// holds the watermark back, with the inputs and how long they have been silent. For a person: the words may change.
    #[must_use]
    pub fn explain(&self, node: &str) -> String {
        explain(&self.shared, node, self.executor.now(), self.is_finished())
    }

    /// Closes the inputs that are pushed into, lets sources come to their end, empties the outputs as they fill, and
    /// waits for the tasks.
    ///
    /// # Errors
    /// The error that ended the flow, if it did not drain.
    pub async fn finish(&mut self, outputs: &mut [&mut dyn Drain]) -> Result<(), FlowError> {
        self.drain(outputs).await;
        self.stop_region().await;
        self.error().map_or(Ok(()), Err)
    }

    /// As [`FlowControl::finish`], but sources give no more, and when the deadline has passed the tasks are stopped
    /// where they stand. A durable flow is to go on later: it does [`FlowControl::stop_with_checkpoint`] instead, by the
    /// deadline. Answers what was on its way then, and what of the outputs nobody had read: nothing if the flow
    /// drained in time and its outputs were read.
    ///
    /// # Errors
    /// The error that ended the flow, if it was another than the deadline.
    pub async fn shutdown(
        &mut self,
        deadline: Duration,
        outputs: &mut [&mut dyn Drain],
    ) -> Result<Vec<Dropped>, FlowError> {
        if self.epochs.is_some() {
            return self.stop_by(deadline, outputs).await;
        }
        self.shared.quitting.cancel();
        let timeout = self.executor.sleep(deadline);
        tokio::select! {
            biased;
            () = self.drain(outputs) => {}
            () = timeout => {
                self.shared.stop();
                self.tasks.wait().await;
            }
        }
        self.stop_region().await;
        let ports = self.shared.graph.outputs.iter().filter(|port| port.into.is_none());
        for (port, output) in ports.zip(outputs) {
            self.shared.note_dropped(port.name, output.abandon());
        }
        match self.error() {
            None | Some(FlowError::Stopped { .. }) => Ok(self.shared.take_dropped()),
            Some(error) => Err(error),
        }
    }

    /// The shutdown of a durable flow. What it drops comes again.
    async fn stop_by(
        &mut self,
        deadline: Duration,
        outputs: &mut [&mut dyn Drain],
    ) -> Result<Vec<Dropped>, FlowError> {
        let timeout = self.executor.sleep(deadline);
        let stopped = tokio::select! {
            biased;
            stopped = self.stop_with_checkpoint(outputs) => Some(stopped),
            () = timeout => None,
        };
        if stopped.is_none() {
            self.shared.stop();
            self.tasks.wait().await;
        }
        self.stop_region().await;
        let ports = self.shared.graph.outputs.iter().filter(|port| port.into.is_none());
        for (port, output) in ports.zip(outputs) {
            self.shared.note_dropped(port.name, output.abandon());
        }
        match stopped {
            Some(Err(error)) if !matches!(error, FlowError::Stopped { .. }) => Err(error),
            _ => Ok(self.shared.take_dropped()),
        }
    }

    async fn drain(&self, outputs: &mut [&mut dyn Drain]) {
        self.shared.closing.cancel();
        let mut open: Vec<_> = outputs.iter_mut().collect();
        std::future::poll_fn(|cx| {
            open.retain_mut(|output| output.poll_drain(cx).is_pending());
            if open.is_empty() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        self.tasks.wait().await;
    }

    /// What a health check or a page of metrics needs: it can be cloned, and does not keep the flow running.
    #[must_use]
    pub fn watch(&self) -> FlowWatch {
        FlowWatch {
            shared: Arc::clone(&self.shared),
            tasks: self.tasks.clone(),
            executor: Arc::clone(&self.executor),
        }
    }

    /// All tasks are there: when none is left the flow has ended.
    pub(super) fn has_started(&self) {
        self.tasks.close();
    }

    /// Runs a task of the flow.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.executor.spawn(Box::pin(self.tasks.track_future(task)));
    }
}

/// Looks on a running flow, from anywhere: see [`FlowControl::watch`].
#[derive(Clone)]
pub struct FlowWatch {
    shared: Arc<Shared>,
    tasks: TaskTracker,
    executor: Arc<dyn Executor>,
}

impl FlowWatch {
    /// The flow's graph.
    #[must_use]
    pub fn graph(&self) -> &'static Graph {
        self.shared.graph
    }

    /// The error that ended the flow, if one did.
    #[must_use]
    pub fn error(&self) -> Option<FlowError> {
        self.shared.error()
    }

    /// Whether all tasks of the flow have ended, and its tables take no more.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.tasks.is_empty() && self.shared.region_ended.is_cancelled()
    }

    /// Late and skipped records of each node so far, and the keys it holds now.
    #[must_use]
    pub fn counts(&self) -> Vec<NodeCounts> {
        self.shared.counts()
    }

    /// Why a node gives nothing, in a sentence or a few: which watermark it has, which end or timer it waits for, and who
    /// holds the watermark back, with the inputs and how long they have been silent. For a person: the words may change.
    #[must_use]
    pub fn explain(&self, node: &str) -> String {
        explain(&self.shared, node, self.executor.now(), self.is_finished())
    }

    /// Waits until all tasks of the flow have ended, and its tables take no more.
    ///
    /// # Errors
    /// The error that ended the flow, if it did not drain.
    pub async fn ended(&self) -> Result<(), FlowError> {
        self.tasks.wait().await;
        self.shared.region_ended.cancelled().await;
        self.error().map_or(Ok(()), Err)
    }
}

impl std::fmt::Debug for FlowWatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FlowWatch")
            .field("flow", &self.shared.graph.flow)
            .field("finished", &self.is_finished())
            .field("error", &self.error())
            .finish_non_exhaustive()
    }
}

impl Drop for FlowControl {
    fn drop(&mut self) {
        if !self.tasks.is_empty() {
            self.shared.stop();
        }
        if let Some(region) = &self.region {
            stop_soon(region);
            self.shared.region_ended.cancel();
        }
    }
}

impl std::fmt::Debug for FlowControl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FlowControl")
            .field("flow", &self.shared.graph.flow)
            .field("tasks", &self.tasks.len())
            .field("error", &self.error())
            .finish_non_exhaustive()
    }
}
