//! What the workers of one process share while a flow runs.

use super::Team;
use super::across::{Across, Checkpoints, Letters, Orders};
use super::host::ClusterHost;
use super::part::Part;
use super::ports::Ports;
use crate::embedded::Settings;
use crate::embedded::control::{FlowControl, FlowWatch};
use crate::embedded::executor::{Executor, Tokio};
use crate::embedded::host::{Attached, EmbeddedHost};
use crate::embedded::regions::{Regions, TablesAt};
use crate::embedded::shared::Shared;
use crate::embedded::tiers::refuse_budgets;
use crate::error::{FlowError, StartError};
use crate::flow::Flow;
use crate::graph::Graph;
use crate::panic;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio_util::task::TaskTracker;

/// A flow as it runs in one process.
pub struct Process {
    shared: Arc<Shared>,
    executor: Arc<dyn Executor>,
    control: FlowControl,
    ports: Arc<Ports>,
    settings: Settings,
    /// Of a durable flow.
    across: Option<Across>,
    /// Whether this process commits epochs.
    commits: bool,
    /// The shards made here.
    shards: AtomicUsize,
}

/// One worker's part of a flow.
#[derive(Debug)]
pub struct Wired {
    /// Its stages and the ways into its sinks, each after those that feed it. Every worker has as many, in the same order.
    pub parts: Vec<Part>,
    /// The edges of the whole flow.
    pub edges: usize,
}

impl Process {
    /// Nothing is wired yet. What is not a stage will run on that runtime.
    ///
    /// # Errors
    /// If the flow, or a setting, is none that a cluster can have.
    pub fn new(
        graph: &'static Graph,
        settings: Settings,
        ports: Ports,
        runtime: tokio::runtime::Handle,
        (checkpoints, commits): (Option<Checkpoints>, bool),
    ) -> Result<Process, StartError> {
        settings.check(graph.flow)?;
        let refused = |what: String| Err(StartError::Distributed { flow: graph.flow, what });
        if !graph.tables.is_empty() {
            return refused("its tables are of one process: a cluster has none".to_owned());
        }
        let is_port = |all: &[crate::graph::PortMeta], name: &str| all.iter().any(|port| port.name == name);
        if let Some(name) = ports.sources.keys().find(|name| !is_port(graph.inputs, name)) {
            return refused(format!("it has no input `{name}`, for which there is a source"));
        }
        let outputs = ports.sinks.keys().chain(&ports.let_go);
        if let Some(name) = outputs.into_iter().find(|name| !is_port(graph.outputs, name)) {
            return refused(format!("it has no output `{name}`"));
        }
        if let Some((name, _)) = ports.sources.iter().find(|(_, source)| source.partitions == 0) {
            return refused(format!("the source of the input `{name}` has no partition"));
        }
        let across = match checkpoints {
            Some(checkpoints) => Some(Across::open(graph, checkpoints, ports.partitions(graph), commits)?),
            None => {
                refuse_budgets(graph)?;
                None
            }
        };
        let shared = Arc::new(Shared::new(graph));
        let executor: Arc<dyn Executor> = Arc::new(Tokio::new(runtime));
        let tasks = TaskTracker::new();
        let mut control =
            FlowControl::new(Arc::clone(&shared), tasks, Arc::clone(&executor), None, Vec::new());
        control.has_region(None);
        let (ports, shards) = (Arc::new(ports), AtomicUsize::new(0));
        Ok(Process { shared, executor, control, ports, settings, across, commits, shards })
    }

    /// Makes one worker's part of the flow; its sinks run from then on.
    ///
    /// # Errors
    /// If the flow cannot start.
    pub fn wire<F: Flow, const CROSSES: bool>(&self, flow: &Arc<F>, team: Team) -> Result<Wired, StartError> {
        let durable =
            self.across.as_ref().map(|across| across.durability(&self.settings, team)).transpose()?;
        let base = EmbeddedHost::new(
            self.settings,
            Arc::clone(&self.shared),
            Arc::clone(&self.executor),
            Attached::default(),
            durable,
            Regions::new(TablesAt::Nowhere, None),
        );
        let mut host = ClusterHost::<CROSSES>::new(base, team, Arc::clone(&self.ports));
        let wired = catch_unwind(AssertUnwindSafe(|| F::wire_ports(flow, &mut host)));
        let flow = self.shared.graph.flow;
        wired.map_err(|payload| StartError::Panicked { flow, message: panic::message(&*payload) })?;
        if let Some(error) = host.refusal() {
            return Err(error);
        }
        let tasks = host.base.take_tasks()?;
        if let (Some(across), Some(durable)) = (&self.across, host.base.take_durability()) {
            across.is_wired(durable)?;
        }
        self.shards.fetch_add(host.parts.iter().map(Part::shards).sum(), Ordering::Relaxed);
        tasks.into_iter().for_each(|task| self.control.spawn(task));
        Ok(Wired { edges: host.edges(), parts: host.parts })
    }

    /// All workers are wired: epochs begin, and when all tasks have ended, the flow has. Answers what this process says to the
    /// one that commits epochs, or to those that do not.
    ///
    /// # Errors
    /// If what is stored is not what the flow needs.
    pub fn has_started(&self) -> Result<(Option<Letters>, Option<Orders>), StartError> {
        let (mut letters, mut orders) = (None, None);
        if let Some(across) = &self.across {
            let (shared, executor, settings) = (&self.shared, &self.executor, &self.settings);
            if self.commits {
                across.commit(shared, executor, settings, &self.control)?;
                orders = across.orders();
            } else {
                let shards = self.shards.load(Ordering::Relaxed);
                letters = across.tell(shared, executor, settings, (&self.control, shards))?;
            }
        }
        self.control.has_started();
        Ok((letters, orders))
    }

    /// What a shard of another process says.
    pub fn hear(&self, letter: &[u8]) {
        self.across.iter().for_each(|across| across.hear(letter));
    }

    /// Does what the process that commits epochs has ordered.
    pub fn obey(&self, order: &[u8]) {
        if self.across.as_ref().is_some_and(|across| across.obey(order)) {
            self.stop();
        }
    }

    /// The last committed epoch, as far as this process knows; 0 if there is none.
    #[must_use]
    pub fn committed(&self) -> u64 {
        self.across.as_ref().map_or(0, Across::committed)
    }

    /// Ends the flow in good order: a durable one commits one more epoch and goes on from there when it is started again,
    /// if this process commits epochs, and else waits for the one that does; any other drains, without more from its
    /// sources. To be called once.
    pub fn end(&self) {
        match &self.across {
            None => self.quit(),
            Some(across) if self.commits => across.stop(),
            Some(_) => {}
        }
    }

    /// Whether the flow was stopped and nothing went wrong.
    #[must_use]
    pub fn was_stopped(&self) -> bool {
        matches!(self.error(), Some(FlowError::Stopped { .. }))
    }

    /// The error that ended the flow, if one did.
    #[must_use]
    pub fn error(&self) -> Option<FlowError> {
        self.shared.error()
    }

    /// Whether everything is to stop where it stands.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.shared.stopped.is_cancelled()
    }

    /// Ends the flow although nothing went wrong.
    pub fn stop(&self) {
        self.shared.stop();
    }

    /// The sources give no more, and the flow drains.
    fn quit(&self) {
        self.shared.quitting.cancel();
    }

    /// Looks on.
    #[must_use]
    pub fn watch(&self) -> FlowWatch {
        self.control.watch()
    }
}

impl std::fmt::Debug for Process {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Process").field("flow", &self.shared.graph.flow).finish_non_exhaustive()
    }
}
