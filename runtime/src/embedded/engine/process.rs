//! What the workers of one process share while a flow runs.

use super::Team;
use super::host::ClusterHost;
use super::part::Part;
use super::ports::Ports;
use crate::embedded::Settings;
use crate::embedded::control::{FlowControl, FlowWatch};
use crate::embedded::executor::{Executor, Tokio};
use crate::embedded::host::{Attached, EmbeddedHost};
use crate::embedded::regions::{Regions, TablesAt};
use crate::embedded::shared::Shared;
use crate::error::{FlowError, StartError};
use crate::flow::Flow;
use crate::graph::Graph;
use crate::panic;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use tokio_util::task::TaskTracker;

/// A flow as it runs in one process.
pub struct Process {
    shared: Arc<Shared>,
    executor: Arc<dyn Executor>,
    control: FlowControl,
    ports: Arc<Ports>,
    settings: Settings,
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
        let shared = Arc::new(Shared::new(graph));
        let executor: Arc<dyn Executor> = Arc::new(Tokio::new(runtime));
        let tasks = TaskTracker::new();
        let mut control =
            FlowControl::new(Arc::clone(&shared), tasks, Arc::clone(&executor), None, Vec::new());
        control.has_region(None);
        Ok(Process { shared, executor, control, ports: Arc::new(ports), settings })
    }

    /// Makes one worker's part of the flow; its sinks run from then on.
    ///
    /// # Errors
    /// If the flow cannot start.
    pub fn wire<F: Flow>(&self, flow: &Arc<F>, team: Team) -> Result<Wired, StartError> {
        let base = EmbeddedHost::new(
            self.settings,
            Arc::clone(&self.shared),
            Arc::clone(&self.executor),
            Attached::default(),
            None,
            Regions::new(TablesAt::Nowhere, None),
        );
        let mut host = ClusterHost::new(base, team, Arc::clone(&self.ports));
        let wired = catch_unwind(AssertUnwindSafe(|| F::wire_ports(flow, &mut host)));
        let flow = self.shared.graph.flow;
        wired.map_err(|payload| StartError::Panicked { flow, message: panic::message(&*payload) })?;
        if let Some(error) = host.refusal() {
            return Err(error);
        }
        for task in host.base.take_tasks()? {
            self.control.spawn(task);
        }
        Ok(Wired { edges: host.edges(), parts: host.parts })
    }

    /// All workers are wired: when all tasks have ended, the flow has.
    pub fn has_started(&self) {
        self.control.has_started();
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
    pub fn quit(&self) {
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
