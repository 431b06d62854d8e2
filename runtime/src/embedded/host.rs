//! The embedded host: it wires stages to channels and gathers the tasks.

use super::builder::Settings;
use super::channel::{Inbox, InputKind, Link, PushedReader, Receiver, SourceAt, SourceReader};
use super::driver;
use super::durability::Durability;
use super::executor::{BoxFuture, Executor};
use super::gauge::{Feeder, Gauge, Origin};
use super::input::Input;
use super::names;
use super::output::{AnyOutput, Hold, Output, Partaker};
use super::queue::{QueueWriter, queue};
use super::regions::{IntoTable, Regions};
use super::shared::{Place, Shared};
use super::stage_task::Task;
use super::tasks::{self, Begin};
use crate::connect::{Sink, Source};
use crate::error::StartError;
use crate::graph::{Graph, OutletMeta, PortMeta, StageMeta, Subflow, TimeMeta};
use crate::host::{Host, Tasks, Timer, Transports};
use crate::record::Record;
use crate::stage::{Keeps, Stage};
use crate::tables::{Region, RowKey, Running, StoredRow, Table};
use std::any::Any;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Puts what is attached to a port to work: given the channel's end, and where it goes on from, the task that serves it.
pub(super) type Attach<End, From> = Box<dyn FnOnce(End, Arc<Shared>, usize, From) -> BoxFuture + Send>;

/// What a sink prepared for the epoch that is restored.
pub(super) type Prepared = Option<(u64, Vec<u8>)>;

/// A source on its way to its input.
pub(super) struct AttachedSource {
    /// An `Attach` of the port's type.
    pub(super) attach: Box<dyn Any + Send>,
    /// Where it stands; `None` if it cannot tell, and so cannot begin again.
    pub(super) position: Option<u64>,
}

/// Runs the stages of a flow as tasks of this process.
pub struct EmbeddedHost {
    pub(super) settings: Settings,
    pub(super) shared: Arc<Shared>,
    pub(super) executor: Arc<dyn Executor>,
    tasks: Vec<BoxFuture>,
    /// The flow that is being wired: the flow itself, or one that stands in it.
    scope: Scope,
    /// Sources and sinks by port, as `Attach` of the port's type.
    attached: Attached,
    /// In a durable flow.
    pub(super) durable: Option<Durability>,
    /// Handles of inputs by port, as `Input` of the port's type.
    inputs: HashMap<&'static str, Box<dyn Any + Send>>,
    outputs: HashMap<&'static str, AnyOutput>,
    /// The stages placed so far.
    pub(super) placed: usize,
    regions: Regions,
    /// The stage that is placed next keeps state, though none of its tasks is made here.
    pub(super) keeps_unseen: Keeps,
    /// Why the flow cannot start.
    pub(super) refused: Option<StartError>,
}

/// A flow among those that stand in each other.
#[derive(Clone, Copy)]
pub(super) struct Scope {
    graph: &'static Graph,
    /// The names that lead to it, joined; empty for the outermost.
    path: &'static str,
    /// Where its nodes begin among all.
    first_node: usize,
    /// The stages of its own placed so far: generated code places them in the order of the graph.
    placed: usize,
}

impl Scope {
    /// That of a flow that stands in this one, after those `before`.
    fn inner(self, before: &[Subflow], subflow: &Subflow) -> Scope {
        let before: usize = before.iter().map(|other| other.graph.node_count()).sum();
        Scope {
            graph: subflow.graph,
            path: names::join(self.path, subflow.name),
            first_node: self.first_node + self.graph.nodes.len() + before,
            placed: 0,
        }
    }

    /// The next stage that is placed in it.
    fn next_stage(&mut self) -> Origin {
        self.placed += 1;
        Origin { graph: self.graph, path: self.path, place: self.placed - 1 }
    }

    fn place(self, name: &'static str) -> Place {
        Place { name: names::join(self.path, name), first_node: self.first_node }
    }
}

/// A sink on its way to its output.
pub(super) struct AttachedSink {
    /// An `Attach` of the port's type.
    pub(super) attach: Box<dyn Any + Send>,
    pub(super) is_transactional: bool,
}

/// What is attached to the ports of a flow.
#[derive(Default)]
pub(super) struct Attached {
    pub(super) sources: HashMap<&'static str, AttachedSource>,
    pub(super) sinks: HashMap<&'static str, AttachedSink>,
    /// Each a `Hold` of the port's type.
    pub(super) holds: HashMap<&'static str, Box<dyn Any + Send>>,
}

impl Attached {
    pub(super) fn add_source<S: Source>(&mut self, port: &'static str, source: S) {
        self.sources.insert(port, AttachedSource::of(port, source));
    }

    pub(super) fn add_sink<K: Sink>(&mut self, port: &'static str, sink: K) {
        self.sinks.insert(port, AttachedSink::of(port, sink));
    }
}

impl AttachedSource {
    pub(super) fn of<S: Source>(port: &'static str, source: S) -> AttachedSource {
        let position = source.position();
        let attach: Attach<QueueWriter<S::Item>, Begin> = Box::new(move |writer, shared, limit, begin| {
            Box::pin(tasks::feed(source, port, writer, shared, limit, begin))
        });
        AttachedSource { attach: Box::new(attach), position }
    }
}

impl AttachedSink {
    pub(super) fn of<K: Sink>(port: &'static str, sink: K) -> AttachedSink {
        let is_transactional = sink.is_transactional();
        let attach: Attach<Output<K::Item>, Prepared> = Box::new(move |output, shared, _, prepared| {
            Box::pin(tasks::drain(sink, port, output, shared, prepared))
        });
        AttachedSink { attach: Box::new(attach), is_transactional }
    }
}

impl EmbeddedHost {
    pub(super) fn new(
        settings: Settings,
        shared: Arc<Shared>,
        executor: Arc<dyn Executor>,
        attached: Attached,
        durable: Option<Durability>,
        regions: Regions,
    ) -> Self {
        let scope = Scope { graph: shared.graph, path: "", first_node: 0, placed: 0 };
        EmbeddedHost {
            settings,
            shared,
            executor,
            tasks: Vec::new(),
            scope,
            attached,
            durable,
            inputs: HashMap::new(),
            outputs: HashMap::new(),
            placed: 0,
            regions,
            keeps_unseen: Keeps::Nothing,
            refused: None,
        }
    }

    pub(super) fn add_task(&mut self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.push(Box::pin(tasks::guarded(task, name, Arc::clone(&self.shared))));
    }

    /// The tasks of a stage, each fed by its receivers, their gauges, and the stage's name.
    pub(super) fn stage_tasks<S: Stage>(
        &mut self,
        meta: &'static StageMeta,
        tasks: &Tasks,
        mut shards: Vec<(S, S::Outs)>,
        receivers: Vec<Vec<Receiver<S::In>>>,
        feeders: &[Feeder],
        input: Option<InputKind>,
    ) -> (&'static str, Vec<BoxFuture>, Vec<Arc<Gauge>>) {
        let (stage, origin, place) = (self.placed, self.scope.next_stage(), self.scope.place(meta.name));
        self.placed += 1;
        let node = &self.scope.graph.nodes[meta.node];
        let unseen = std::mem::replace(&mut self.keeps_unseen, Keeps::Nothing);
        let keeps = shards.first_mut().map_or(unseen, |(head, _)| Keeps::of(head));
        let mut participants = match &mut self.durable {
            Some(durable) => {
                let number = (place, place.first_node + meta.node);
                let shared = &self.shared;
                durable.add_stage(place.name, node, number, tasks, keeps, &mut shards, feeders, shared)
            }
            None => Vec::new(),
        }
        .into_iter();
        let (mut futures, mut gauges): (Vec<BoxFuture>, Vec<_>) = (Vec::new(), Vec::new());
        for (&shard, ((head, outs), receivers)) in tasks.here.iter().zip(shards.into_iter().zip(receivers)) {
            let gauge = Gauge::new(stage, shard, origin, feeders.to_vec(), self.settings.idle_after);
            let gauge = Arc::new(gauge);
            self.shared.add_gauge(Arc::clone(&gauge));
            gauges.push(Arc::clone(&gauge));
            let (participant, resumed) = participants.next().unzip();
            let epochs = self.durable.as_ref().map(|durable| Arc::clone(&durable.epochs));
            let inbox = Inbox::new(receivers, epochs);
            let (shared, limit) = (Arc::clone(&self.shared), self.settings.batch_limit);
            let mut task =
                Task::new(head, outs, meta, place, Arc::clone(&shared), gauge, inbox, limit, participant);
            if let Some(at) = resumed.flatten() {
                task.resume(&at);
            }
            let watch = input.map(|kind| (kind, self.settings.idle_after));
            let executor = Arc::clone(&self.executor);
            futures.push(Box::pin(driver::run(Box::new(task), place, shared, executor, watch)));
        }
        (place.name, futures, gauges)
    }

    /// Goes on with a flow that stands in the one at hand; answers that.
    pub(super) fn enter(&mut self, before: &'static [Subflow], subflow: &'static Subflow) -> Scope {
        let inner = self.scope.inner(before, subflow);
        std::mem::replace(&mut self.scope, inner)
    }

    /// Goes on with the outer flow.
    pub(super) fn leave(&mut self, outer: Scope) {
        self.scope = outer;
    }

    /// Whether the node that a stage is for has a key.
    pub(super) fn has_key(&self, stage: &'static StageMeta) -> bool {
        !self.scope.graph.nodes[stage.node].key.is_empty()
    }

    pub(super) fn take_durability(&mut self) -> Option<Durability> {
        self.durable.take()
    }

    /// The tasks of the flow, if it can start.
    pub(super) fn take_tasks(&mut self) -> Result<Vec<BoxFuture>, StartError> {
        self.refused.take().map_or_else(|| Ok(std::mem::take(&mut self.tasks)), Err)
    }

    /// Gives an output its part in epochs; answers what its sink prepared for the one that is restored.
    pub(super) fn make_durable<T: Record>(
        &mut self,
        port: &'static str,
        output: &mut Output<T>,
        has_sink: bool,
    ) -> Prepared {
        let durable = self.durable.as_mut()?;
        let hold = self.attached.holds.remove(port).and_then(|hold| hold.downcast::<Hold<T>>().ok());
        let (place, at) = durable.output(port);
        let at = at.cloned();
        let (epochs, records) = (Arc::clone(&durable.epochs), at.as_ref().map_or(0, |at| at.records));
        let mut held = Vec::new();
        if let (Some(hold), Some(at)) = (&hold, &at) {
            let bytes = durable.held(at);
            match (hold.decode)(&bytes) {
                Ok(records) => held = records,
                Err(error) => {
                    durable.refuse(format!("the records held for output `{port}` cannot be read: {error}"))
                }
            }
        }
        let epoch = epochs.restored;
        let partaker = Partaker::new(place, epochs, records, hold.map(|hold| *hold));
        output.take_part_in_epochs(if has_sink { partaker.of_sink() } else { partaker }, held);
        at.map(|at| (epoch, at.prepared))
    }

    /// Starts the flow's region on the store of its tables; `None` if the flow cannot start, or nothing is to run.
    #[must_use]
    pub fn start_region(&mut self, region: Region) -> Option<Running> {
        let epoch = self.durable.as_ref().map(|durable| durable.epochs.restored);
        let started = self.regions.start(region, self.shared.graph.flow, epoch);
        started.unwrap_or_else(|error| {
            self.refused.get_or_insert(error);
            None
        })
    }

    /// Leaves the handle of a table or a view, for who makes the flow's.
    pub fn give_of_region<T: Send + 'static>(&mut self, name: &'static str, handle: T) {
        self.regions.give(name, Box::new(handle));
    }

    /// The handle of a table or a view. Generated code knows its type.
    ///
    /// # Panics
    /// If the flow has no such table or view, of that type.
    #[must_use]
    pub fn take_of_region<T: 'static>(&mut self, name: &str) -> T {
        self.regions.take(name).expect("generated code leaves the handle of every table and view")
    }

    /// Leads what comes out at a port into a table.
    pub fn lead_into_table<K: RowKey, R: StoredRow>(&mut self, port: &'static str, table: Table<K, R>) {
        let shared = Arc::clone(&self.shared);
        let over = self.durable.as_ref().map(|durable| durable.epochs.restored);
        let (committed, kept) = (over.into_iter().collect(), self.settings.kept_epochs);
        self.attached.add_sink(port, IntoTable { table, shared, over, committed, kept });
    }

    pub(super) fn take_region(&mut self) -> Option<Running> {
        self.regions.take_running()
    }

    /// The handle of an input. Generated code knows its type.
    ///
    /// # Panics
    /// If the flow has no such input of that type.
    #[must_use]
    pub fn take_input<T: Record>(&mut self, port: &'static str) -> Input<T> {
        let taken = self.inputs.remove(port).and_then(|handle| handle.downcast().ok());
        *taken.expect("generated code wires every input, of its type, before it asks for it")
    }

    /// The handle of an output. Generated code knows its type.
    ///
    /// # Panics
    /// If the flow has no such output of that type.
    #[must_use]
    pub fn take_output<T: Record>(&mut self, port: &'static str) -> Output<T> {
        let typed = self.take_any_output(port).typed();
        typed.expect("generated code wires every output of the type it asks for")
    }

    /// The handle of an output whose type the flow does not write.
    ///
    /// # Panics
    /// If the flow has no such output.
    #[must_use]
    pub fn take_any_output(&mut self, port: &'static str) -> AnyOutput {
        self.outputs.remove(port).expect("generated code wires every output before it asks for it")
    }
}

impl Host for EmbeddedHost {
    type Edge<T: 'static> = Link<T>;

    fn shards(&self, stage: &'static StageMeta) -> usize {
        // What several tasks hold of one window has no key by which it could be divided among more or fewer after a restart.
        if stage.keyed && (self.has_key(stage) || self.durable.is_none()) { self.settings.shards } else { 1 }
    }

    fn open<T: Record>(&mut self, outlet: &'static OutletMeta, producers: usize) -> (Transports<T>, Link<T>) {
        let clock = matches!(outlet.time, Some(TimeMeta::Clock(_)));
        // An edge is opened just before its stage is placed.
        let (stage, from) = (self.placed, outlet.from);
        let feeder = |shard| Feeder::Shard { stage, shard, from, clock };
        Link::open((0..producers).map(feeder).collect())
    }

    fn place<S: Stage>(
        &mut self,
        meta: &'static StageMeta,
        inputs: Vec<Link<S::In>>,
        shards: Vec<(S, S::Outs)>,
    ) {
        let input = inputs.iter().find_map(Link::input_kind);
        let feeders: Vec<Feeder> = inputs.iter().flat_map(Link::feeders).copied().collect();
        let mut receivers: Vec<Vec<_>> = shards.iter().map(|_| Vec::new()).collect();
        for edge in inputs {
            for (shard, of_edge) in edge.read_by(shards.len(), self.settings.capacity).into_iter().enumerate()
            {
                receivers[shard].extend(of_edge);
            }
        }
        let tasks = Tasks::all_here(shards.len());
        let (name, tasks, _) = self.stage_tasks(meta, &tasks, shards, receivers, &feeders, input);
        tasks.into_iter().for_each(|task| self.add_task(name, task));
    }

    fn carries_watermarks(&self, outlet: &'static OutletMeta) -> bool {
        outlet.time.is_some() && (!outlet.leaves || !self.scope.path.is_empty())
    }

    fn inside<R>(
        &mut self,
        before: &'static [Subflow],
        subflow: &'static Subflow,
        wire: impl FnOnce(&mut Self) -> R,
    ) -> R {
        let outer = self.enter(before, subflow);
        let wired = wire(self);
        self.leave(outer);
        wired
    }

    fn refuse(&mut self, stage: &'static StageMeta, what: &'static str) {
        let (flow, node) = (self.shared.graph.flow, self.scope.place(stage.name).name);
        self.refused.get_or_insert(StartError::Node { flow, node, what });
    }

    fn timer(&self) -> Arc<dyn Timer> {
        Arc::clone(&self.executor) as _
    }

    fn input<T: Record>(&mut self, port: &'static PortMeta) -> Link<T> {
        let (shared, limit) = (Arc::clone(&self.shared), self.settings.batch_limit);
        let (place, from) = self.durable.as_ref().map_or((0, None), |durable| durable.input(port.name));
        let attached = self.attached.sources.remove(port.name);
        let attached = attached.and_then(|source| Some((source.attach.downcast().ok()?, source.position)));
        let (mut handle, receiver) = match attached {
            Some((attach, position)) => {
                let attach: Box<Attach<QueueWriter<T>, Begin>> = attach;
                // A batch at a time: the next is asked for when this one is read.
                let (writer, reader) = queue(1);
                let at = Arc::new(SourceAt::new(place, from.or(position).unwrap_or(0)));
                let begin = Begin { from, at: Arc::clone(&at) };
                let feeding = attach(writer, Arc::clone(&shared), limit, begin);
                let reader = SourceReader::new(feeding, reader, at);
                (Input::<T>::new(None, shared, limit), Receiver::Source(reader))
            }
            None => {
                let (sender, receiver) = mpsc::channel(self.settings.capacity);
                let reader = PushedReader::new(receiver, place, from.unwrap_or(0));
                (Input::new(Some(sender), shared, limit), Receiver::Pushed(reader))
            }
        };
        if let Some(durable) = &self.durable {
            handle.take_part_in_epochs(place, Arc::clone(&durable.epochs));
        }
        self.inputs.insert(port.name, Box::new(handle));
        Link::of_input(port.name, receiver)
    }

    fn output<T: Record>(&mut self, port: &'static PortMeta, edge: Link<T>) {
        let receivers = edge.read_by(1, self.settings.capacity).into_iter().flatten().collect();
        let epochs = self.durable.as_ref().map(|durable| Arc::clone(&durable.epochs));
        let mut output = Output::new(Some(Inbox::new(receivers, epochs)), Arc::clone(&self.shared));
        let attached = self.attached.sinks.remove(port.name).and_then(|sink| sink.attach.downcast().ok());
        let prepared = self.make_durable(port.name, &mut output, attached.is_some());
        let handle = match attached {
            Some(attach) => {
                let attach: Box<Attach<Output<T>, Prepared>> = attach;
                let (shared, limit) = (Arc::clone(&self.shared), self.settings.batch_limit);
                self.add_task(port.name, attach(output, Arc::clone(&shared), limit, prepared));
                Output::<T>::new(None, shared)
            }
            None => output,
        };
        self.outputs.insert(port.name, AnyOutput::new(port.name, handle));
    }
}
