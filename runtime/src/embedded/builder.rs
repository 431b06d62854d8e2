//! Settings of a flow, and what is attached to its ports, before it runs.

use super::checkpointer::Schedule;
use super::control::FlowControl;
use super::durability::{Durability, KeptState};
use super::executor::{Executor, Tokio};
use super::guarantee::{Guarantee, guarantees};
use super::host::{Attached, EmbeddedHost};
use super::inline::{Inline, Stepped};
use super::output::Hold;
use super::regions::{Regions, TablesAt};
use super::shared::Shared;
use super::tiers::{Tiers, Where, refuse_budgets};
use crate::checkpoint::manifest::Manifest;
use crate::checkpoint::storage::{DirStorage, MemoryStorage, Storage};
use crate::connect::{Sink, Source};
use crate::error::StartError;
use crate::flow::Flow;
use crate::graph::Graph;
use crate::panic;
use crate::record::StateData;
use crate::state::TierStore;
use crate::tables::TableStore;
use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::task::TaskTracker;

/// How a flow runs.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// The tasks of each stage that has a key. Default 1; at most 256, the number of key groups.
    pub shards: usize,
    /// The batches that each edge holds before it makes its writers wait. Default 16.
    pub capacity: usize,
    /// The most records of a batch. Default 4,096.
    pub batch_limit: usize,
    /// The silence, in wall time, after which an input no longer holds back the watermark of what it is merged
    /// with. Default 10 s.
    pub idle_after: Duration,
    /// The time from one checkpoint of a durable flow to the next. Default 10 s.
    pub checkpoint_every: Duration,
    /// How long the store of a durable flow may fail before the flow does; until then it is tried again. Default 30 s.
    pub store_patience: Duration,
    /// The newest epochs that are kept: at least 2, so that one may be damaged. Default 2.
    pub kept_epochs: usize,
    /// How long a read of a view waits for its answer. Default: as long as it takes.
    pub read_deadline: Option<Duration>,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            shards: 1,
            capacity: 16,
            batch_limit: 4096,
            idle_after: Duration::from_secs(10),
            checkpoint_every: Duration::from_secs(10),
            store_patience: Duration::from_secs(30),
            kept_epochs: 2,
            read_deadline: None,
        }
    }
}

impl Settings {
    pub(super) fn check(&self, flow: &'static str) -> Result<(), StartError> {
        let bounds = [
            (1..=256).contains(&self.shards).then_some(()).ok_or("`shards` must be from 1 to 256"),
            (self.capacity > 0).then_some(()).ok_or("`capacity` must be above 0"),
            (self.batch_limit > 0).then_some(()).ok_or("`batch_limit` must be above 0"),
            (!self.checkpoint_every.is_zero()).then_some(()).ok_or("`checkpoint_every` must be above 0"),
            (self.kept_epochs >= 2).then_some(()).ok_or("`kept_epochs` must be at least 2"),
        ];
        bounds.into_iter().collect::<Result<(), _>>().map_err(|what| StartError::Setting { flow, what })
    }
}

/// A flow that does not run yet.
pub struct Builder<F> {
    flow: F,
    settings: Settings,
    attached: Attached,
    store: Option<Store>,
    tier: Where,
    tables: TablesAt,
    forgotten: HashSet<String>,
}

/// Where a durable flow keeps its checkpoints.
enum Store {
    Directory(PathBuf),
    Storage(Arc<dyn Storage>),
}

impl Store {
    fn open(self, flow: &'static str) -> Result<Arc<dyn Storage>, StartError> {
        match self {
            Store::Storage(storage) => Ok(storage),
            Store::Directory(path) => {
                let opened = DirStorage::open(&path);
                let storage = opened.map_err(|error| StartError::Store { flow, what: error.to_string() })?;
                Ok(Arc::new(storage))
            }
        }
    }
}

/// What generated code makes a flow's typed handle of.
pub struct FlowParts<'a> {
    /// Gives the ports.
    pub host: &'a mut EmbeddedHost,
    /// The common part of the handle.
    pub control: FlowControl,
}

impl<F: Flow> Builder<F> {
    /// With the default settings and nothing attached.
    pub fn new(flow: F) -> Self {
        Builder {
            flow,
            settings: Settings::default(),
            attached: Attached::default(),
            store: None,
            tier: Where::Unsaid,
            tables: TablesAt::Unsaid,
            forgotten: HashSet::new(),
        }
    }

    /// Changes settings.
    #[must_use]
    pub fn set(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(&mut self.settings);
        self
    }

    /// Feeds an input from a source.
    #[must_use]
    pub fn source(mut self, input: &'static str, source: impl Source) -> Self {
        self.attached.add_source(input, source);
        self
    }

    /// Leads an output into a sink.
    #[must_use]
    pub fn sink(mut self, output: &'static str, sink: impl Sink) -> Self {
        self.attached.add_sink(output, sink);
        self
    }

    /// Holds the records of an output, which no sink takes, until their epoch is committed.
    #[must_use]
    pub fn on_commit<T: StateData>(mut self, output: &'static str) -> Self {
        self.attached.holds.insert(output, Box::new(Hold::<T>::new()));
        self
    }

    /// Makes the flow durable: its checkpoints are kept in a directory, which is made if it is not there, and it goes on
    /// from the last of them.
    #[must_use]
    pub fn durable(mut self, path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        if let Where::Unsaid = self.tier {
            self.tier = Where::Directory(path.join("tier"));
        }
        if let TablesAt::Unsaid = self.tables {
            self.tables = TablesAt::Directory(path.join("tables"));
        }
        self.store = Some(Store::Directory(path));
        self
    }

    /// Makes the flow durable, with a storage of one's own.
    #[must_use]
    pub fn durable_in(mut self, storage: impl Storage) -> Self {
        self.store = Some(Store::Storage(Arc::new(storage)));
        self
    }

    /// Where the keys go that are over a node's budget of `memory`: a directory on a local disk, which is emptied when the
    /// flow starts. Default: `tier`, in the directory of a flow that is [durable](Builder::durable) in one.
    #[must_use]
    pub fn tier(mut self, path: impl Into<PathBuf>) -> Self {
        self.tier = Where::Directory(path.into());
        self
    }

    /// As [`tier`](Builder::tier), with an empty store of one's own.
    #[must_use]
    pub fn tier_in(mut self, store: impl TierStore) -> Self {
        self.tier = Where::Store(Arc::new(store));
        self
    }

    /// Where the flow's tables are: a directory on a local disk, which is made if it is not there. Default: `tables`, in the
    /// directory of a flow that is [durable](Builder::durable) in one; in memory for a flow that is not durable. Needs the
    /// feature `tables`.
    #[must_use]
    pub fn tables(mut self, path: impl Into<PathBuf>) -> Self {
        self.tables = TablesAt::Directory(path.into());
        self
    }

    /// As [`tables`](Builder::tables), with a store of one's own.
    #[must_use]
    pub fn tables_in(mut self, store: impl TableStore + 'static) -> Self {
        self.tables = TablesAt::Store(Box::new(store));
        self
    }

    /// Tables without a thread of their own.
    pub(crate) fn simulated_tables(mut self, store: impl TableStore + 'static) -> Self {
        self.tables = TablesAt::Simulated(Box::new(store));
        self
    }

    /// Lets keys leave memory in nodes of the seed's choice, all but a few.
    pub(crate) fn forced_eviction(mut self, seed: u64) -> Self {
        self.tier = Where::Forced(seed);
        self
    }

    /// What is promised of each way from an input to an output, with what is attached now.
    #[must_use]
    pub fn guarantees(&self) -> Vec<Guarantee> {
        guarantees(F::GRAPH, &self.attached, self.store.is_some())
    }

    /// Lets the stored state of a node go that the flow does not have any more, and the records of its calls that were in
    /// flight, if the flow cannot go on with them.
    #[must_use]
    pub fn forget_state_of(mut self, node: &str) -> Self {
        self.forgotten.insert(node.to_owned());
        self
    }

    /// Runs the flow as tasks of the tokio runtime at hand. A durable flow reads its last checkpoint first.
    ///
    /// # Errors
    /// If there is none, a setting is out of its bounds, or what the flow evaluates before it runs panics.
    pub fn spawn(self) -> Result<F::Handle, StartError> {
        let runtime = tokio::runtime::Handle::try_current();
        let runtime = runtime.map_err(|_| StartError::NoRuntime { flow: F::GRAPH.flow })?;
        // tokio has no way to ask: it panics where a timer is made.
        let timer = catch_unwind(|| drop(tokio::time::sleep(Duration::ZERO)));
        timer.map_err(|_| StartError::NoTimer { flow: F::GRAPH.flow })?;
        self.start(Arc::new(Tokio::new(runtime)))
    }

    /// Runs the flow by hand on this thread, with a clock turned by hand: for tests.
    ///
    /// # Errors
    /// If a setting is out of its bounds.
    pub fn inline(self) -> Result<(F::Handle, Inline), StartError> {
        let inline = Inline::new();
        let handle = self.start(inline.executor())?;
        Ok((handle, inline))
    }

    /// Runs the flow step by step, in an order that the seed decides. Outputs without a sink are let go.
    pub(crate) fn stepped(self, seed: u64) -> Result<Stepped, StartError> {
        let inline = Inline::new();
        let (_, control) = self.wire(inline.executor())?;
        Ok(Stepped::new(inline, seed, control))
    }

    /// The nodes that keep state, and how it is stored. Nothing runs.
    pub(crate) fn kept_state(self) -> Result<Vec<KeptState>, StartError> {
        let (inline, shared) = (Inline::new(), Arc::new(Shared::new(F::GRAPH)));
        // Budgets do not matter to how state is stored.
        let tiers = Tiers::open(Where::Forced(0), F::GRAPH, self.settings.store_patience)?;
        let durable = Durability::open(Arc::new(MemoryStorage::new()), F::GRAPH, HashSet::new(), tiers)?;
        let (settings, attached) = (self.settings, self.attached);
        let regions = Regions::new(TablesAt::Nowhere, None);
        let mut host =
            EmbeddedHost::new(settings, shared, inline.executor(), attached, Some(durable), regions);
        F::wire_embedded(&Arc::new(self.flow), &mut host);
        Ok(host.take_durability().map(Durability::kept).unwrap_or_default())
    }

    fn start(self, executor: Arc<dyn Executor>) -> Result<F::Handle, StartError> {
        let (mut host, control) = self.wire(executor)?;
        Ok(F::handle(FlowParts { host: &mut host, control }))
    }

    fn wire(self, executor: Arc<dyn Executor>) -> Result<(EmbeddedHost, FlowControl), StartError> {
        self.settings.check(F::GRAPH.flow)?;
        let flow = F::GRAPH.flow;
        refuse_inner_tables(F::GRAPH, F::GRAPH)?;
        self.tables.check(F::GRAPH, self.store.is_some())?;
        let promised = self.guarantees();
        let durable = match self.store {
            // Tables alone commit with every write: there is nothing to checkpoint.
            Some(_) if F::GRAPH.stages.is_empty() => None,
            Some(store) => {
                let storage = store.open(flow)?;
                let tiers = Tiers::open(self.tier, F::GRAPH, self.settings.store_patience)?;
                Some(Durability::open(storage, F::GRAPH, self.forgotten, tiers)?)
            }
            None => {
                refuse_budgets(F::GRAPH)?;
                None
            }
        };
        if let Some(durable) = &durable {
            let sources = &self.attached.sources;
            if let Some((input, _)) = sources.iter().find(|(_, source)| source.position.is_none()) {
                return Err(StartError::NotReplayable { flow, input });
            }
            // What the last epoch has for outputs may not have come there before a crash.
            let owes = |manifest: &Manifest| {
                manifest.outputs.iter().any(|at| !at.prepared.is_empty() || at.held.is_some())
            };
            let finished = durable.manifest().is_some_and(|manifest| manifest.finished && !owes(manifest));
            if finished && F::GRAPH.inputs.iter().any(|input| !sources.contains_key(input.name)) {
                return Err(StartError::Finished { flow });
            }
        }
        let shared = Arc::new(Shared::new(F::GRAPH));
        let epochs = durable.as_ref().map(|durable| Arc::clone(&durable.epochs));
        let (tasks, clock) = (TaskTracker::new(), Arc::clone(&executor));
        let mut control = FlowControl::new(Arc::clone(&shared), tasks, clock, epochs, promised);
        let settings = self.settings;
        let regions = Regions::new(self.tables, settings.read_deadline);
        let mut host = EmbeddedHost::new(
            settings,
            Arc::clone(&shared),
            Arc::clone(&executor),
            self.attached,
            durable,
            regions,
        );
        let wired = catch_unwind(AssertUnwindSafe(|| F::wire_embedded(&Arc::new(self.flow), &mut host)));
        wired.map_err(|payload| StartError::Panicked {
            flow: F::GRAPH.flow,
            message: panic::message(&*payload),
        })?;
        let tasks = host.take_tasks()?;
        control.has_region(host.take_region());
        if let Some(durable) = host.take_durability() {
            let Settings { checkpoint_every: every, store_patience: patience, kept_epochs: keep, .. } =
                settings;
            let checkpointer = durable.finish(&shared, &executor, Schedule { every, patience, keep })?;
            control.spawn(checkpointer.run());
        }
        for task in tasks {
            control.spawn(task);
        }
        control.has_started();
        Ok((host, control))
    }
}

/// A flow that stands in another is wired into it, stage by stage, and a region is no stage.
fn refuse_inner_tables(outer: &'static Graph, graph: &'static Graph) -> Result<(), StartError> {
    for subflow in graph.subflows {
        if !subflow.graph.tables.is_empty() {
            let what = format!(
                "flow `{}` stands in it as `{}`, and has tables: declare them in the outer flow, and lead streams into them",
                subflow.graph.flow, subflow.name
            );
            return Err(StartError::Tables { flow: outer.flow, what });
        }
        refuse_inner_tables(outer, subflow.graph)?;
    }
    Ok(())
}

impl<F: std::fmt::Debug> std::fmt::Debug for Builder<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Builder")
            .field("flow", &self.flow)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
