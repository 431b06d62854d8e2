//! What the tasks and handles of one running flow share.

use super::control::{Dropped, NodeCounts};
use super::gauge::Gauge;
use super::names::{self, Name};
use crate::error::FlowError;
use crate::graph::{Graph, NodeKind};
use crate::panic::{self, NodeId};
use crate::stage::Counts;
use crate::state::{MemoryCounts, Tier};
use crate::tables::Seen;
use std::any::Any;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, RwLockReadGuard};
use tokio_util::sync::CancellationToken;

/// Locks; what these mutexes guard is whole between any two statements, so a panic elsewhere does not spoil it.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a task runs: its name, and where the nodes of its flow begin among all.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) name: &'static str,
    pub(super) first_node: usize,
}

impl Place {
    /// Of what belongs to the flow itself, and not to one that stands in it.
    pub(super) fn outside(name: &'static str) -> Place {
        Place { name, first_node: 0 }
    }

    /// A node of the task's flow, among all.
    pub(super) fn node(self, id: NodeId) -> usize {
        self.first_node + usize::from(id)
    }
}

/// The state of a running flow.
pub(super) struct Shared {
    pub(super) graph: &'static Graph,
    /// The names of all nodes: those of the graph, then those of each flow that stands in it, led by its name there.
    names: Vec<Name>,
    /// The inputs that are pushed into take no more.
    pub(super) closing: CancellationToken,
    /// The sources give no more.
    pub(super) quitting: CancellationToken,
    /// Every task is to stop where it stands.
    pub(super) stopped: CancellationToken,
    /// The flow's tables take no more, if it has any.
    pub(super) region_ended: CancellationToken,
    error: Mutex<Option<FlowError>>,
    /// Whether inputs take nothing any more, because what they hold is being counted, or soon will be.
    shut: RwLock<bool>,
    dropped: Mutex<Vec<Dropped>>,
    late: Vec<AtomicU64>,
    skipped: Vec<AtomicU64>,
    left_out: Vec<AtomicU64>,
    keys: Vec<AtomicU64>,
    /// Of the nodes with a budget of memory: one for each shard.
    tiers: Mutex<Vec<(usize, Arc<Tier>)>>,
    /// Of every task of a stage.
    gauges: Mutex<Vec<Arc<Gauge>>>,
    /// Of a flow with tables that run.
    pub(super) region: OnceLock<Seen>,
}

impl Shared {
    pub(super) fn new(graph: &'static Graph) -> Shared {
        let names = names::of_nodes(graph);
        let counters = || names.iter().map(|_| AtomicU64::new(0)).collect();
        Shared {
            graph,
            closing: CancellationToken::new(),
            quitting: CancellationToken::new(),
            stopped: CancellationToken::new(),
            region_ended: CancellationToken::new(),
            error: Mutex::new(None),
            shut: RwLock::new(false),
            dropped: Mutex::new(Vec::new()),
            late: counters(),
            skipped: counters(),
            left_out: counters(),
            keys: counters(),
            names,
            tiers: Mutex::default(),
            gauges: Mutex::default(),
            region: OnceLock::new(),
        }
    }

    /// The names of all nodes.
    pub(super) fn node_names(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.names.iter().map(|name| name.text)
    }

    pub(super) fn node_name(&self, node: usize) -> &'static str {
        self.names.get(node).map_or("?", |name| name.text)
    }

    /// Ends the flow. The first error is the one that everybody is told.
    pub(super) fn fail(&self, error: FlowError) {
        let mut first = lock(&self.error);
        if first.is_none() {
            match &error {
                FlowError::Stopped { .. } => tracing::debug!(flow = self.graph.flow, "{error}"),
                _ => tracing::error!(flow = self.graph.flow, "{error}"),
            }
            *first = Some(error);
        }
        drop(first);
        *self.shut.write().unwrap_or_else(PoisonError::into_inner) = true;
        self.stopped.cancel();
    }

    /// Leave to put records into an input, for as long as it is held: the tasks are not stopped before it is given back,
    /// so the task that reads the input finds them. `None` once they are.
    pub(super) fn leave_to_send(&self) -> Option<RwLockReadGuard<'_, bool>> {
        let shut = self.shut.read().unwrap_or_else(PoisonError::into_inner);
        (!*shut).then_some(shut)
    }

    /// Ends the flow because something panicked on this thread: the closure of a node, or what belongs to `place`.
    pub(super) fn fail_by_panic(&self, place: Place, panic: &(dyn Any + Send)) {
        self.fail(FlowError::Panicked {
            flow: self.graph.flow,
            node: panic::take_node().map_or(place.name, |node| self.node_name(place.node(node))),
            message: panic::message(panic),
        });
    }

    /// Ends the flow although nothing went wrong.
    pub(super) fn stop(&self) {
        self.fail(FlowError::Stopped { flow: self.graph.flow });
    }

    pub(super) fn error(&self) -> Option<FlowError> {
        lock(&self.error).clone()
    }

    pub(super) fn count(&self, node: usize, counts: Counts) {
        let Counts { late, skipped, left_out } = counts;
        self.left_out[node].fetch_add(left_out, Ordering::Relaxed);
        if late > 0 && self.late[node].fetch_add(late, Ordering::Relaxed) == 0 {
            let node = self.node_name(node);
            tracing::warn!(
                flow = self.graph.flow,
                node,
                "records came after their window had closed and are only counted; `else name` would keep them"
            );
        }
        if skipped > 0 && self.skipped[node].fetch_add(skipped, Ordering::Relaxed) == 0 {
            let node = self.node_name(node);
            tracing::warn!(flow = self.graph.flow, node, "records failed and are only counted: `else skip`");
        }
    }

    /// Notes how the number of keys of one shard of a node has changed.
    pub(super) fn note_keys(&self, node: usize, before: u64, now: u64) {
        if before != now {
            self.keys[node].fetch_add(now.wrapping_sub(before), Ordering::Relaxed);
        }
    }

    pub(super) fn add_tiers(&self, node: usize, tiers: &[Arc<Tier>]) {
        lock(&self.tiers).extend(tiers.iter().map(|tier| (node, Arc::clone(tier))));
    }

    /// What became of the keys of a node with a budget; nothing of one without.
    fn memory(&self, node: usize) -> MemoryCounts {
        let tiers = lock(&self.tiers);
        let of_node = tiers.iter().filter(|(of, _)| *of == node);
        of_node.map(|(_, tier)| tier.counted()).fold(MemoryCounts::default(), MemoryCounts::plus)
    }

    pub(super) fn add_gauge(&self, gauge: Arc<Gauge>) {
        lock(&self.gauges).push(gauge);
    }

    pub(super) fn gauges(&self) -> Vec<Arc<Gauge>> {
        lock(&self.gauges).clone()
    }

    pub(super) fn counts(&self) -> Vec<NodeCounts> {
        // What stands for an output of a flow inside has the name of the node in there, which counts.
        let nodes = self.names.iter().enumerate().filter(|(_, name)| name.kind != NodeKind::Flow);
        let counts = nodes.map(|(id, name)| NodeCounts {
            node: name.text,
            late: self.late[id].load(Ordering::Relaxed),
            skipped: self.skipped[id].load(Ordering::Relaxed),
            left_out: self.left_out[id].load(Ordering::Relaxed),
            keys: self.keys[id].load(Ordering::Relaxed),
            memory: self.memory(id),
        });
        counts.collect()
    }

    /// Notes records that were on their way to a node when the flow stopped.
    pub(super) fn note_dropped(&self, node: &'static str, records: u64) {
        if records == 0 {
            return;
        }
        let mut dropped = lock(&self.dropped);
        match dropped.iter_mut().find(|known| known.node == node) {
            Some(known) => known.records += records,
            None => dropped.push(Dropped { node, records }),
        }
    }

    pub(super) fn take_dropped(&self) -> Vec<Dropped> {
        std::mem::take(&mut *lock(&self.dropped))
    }
}
