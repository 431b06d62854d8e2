//! The embedded host: it wires stages to channels and gathers the tasks.

use super::builder::Settings;
use super::channel::{Inbox, Link, Receiver, SourceReader};
use super::driver::{self, Task};
use super::executor::{BoxFuture, Executor};
use super::gauge::{Feeder, Gauge, Origin};
use super::input::Input;
use super::names;
use super::output::{AnyOutput, Output};
use super::queue::{QueueWriter, queue};
use super::shared::{Place, Shared};
use super::tasks;
use crate::connect::{Sink, Source};
use crate::error::StartError;
use crate::graph::{Graph, OutletMeta, PortMeta, StageMeta, Subflow, TimeMeta};
use crate::host::{Host, Timer, Transports};
use crate::record::Record;
use crate::stage::Stage;
use std::any::Any;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Puts what is attached to a port to work: given the channel's end, the task that serves it.
type Attach<End> = Box<dyn FnOnce(End, Arc<Shared>, usize) -> BoxFuture + Send>;

/// Runs the stages of a flow as tasks of this process.
pub struct EmbeddedHost {
    settings: Settings,
    shared: Arc<Shared>,
    executor: Arc<dyn Executor>,
    tasks: Vec<BoxFuture>,
    /// The flow that is being wired: the flow itself, or one that stands in it.
    scope: Scope,
    /// Sources and sinks by port, as `Attach` of the port's type.
    attached: HashMap<&'static str, Box<dyn Any + Send>>,
    /// Handles of inputs by port, as `Input` of the port's type.
    inputs: HashMap<&'static str, Box<dyn Any + Send>>,
    outputs: HashMap<&'static str, AnyOutput>,
    /// The stages placed so far.
    placed: usize,
    /// Why the flow cannot start.
    refused: Option<StartError>,
}

/// A flow among those that stand in each other.
#[derive(Clone, Copy)]
struct Scope {
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

pub(super) fn attach_source<S: Source>(port: &'static str, source: S) -> Box<dyn Any + Send> {
    let attach: Attach<QueueWriter<S::Item>> =
        Box::new(move |writer, shared, limit| Box::pin(tasks::feed(source, port, writer, shared, limit)));
    Box::new(attach)
}

pub(super) fn attach_sink<K: Sink>(port: &'static str, sink: K) -> Box<dyn Any + Send> {
    let attach: Attach<Output<K::Item>> =
        Box::new(move |output, shared, _| Box::pin(tasks::drain(sink, port, output, shared)));
    Box::new(attach)
}

impl EmbeddedHost {
    pub(super) fn new(
        settings: Settings,
        shared: Arc<Shared>,
        executor: Arc<dyn Executor>,
        attached: HashMap<&'static str, Box<dyn Any + Send>>,
    ) -> Self {
        let scope = Scope { graph: shared.graph, path: "", first_node: 0, placed: 0 };
        EmbeddedHost {
            settings,
            shared,
            executor,
            tasks: Vec::new(),
            scope,
            attached,
            inputs: HashMap::new(),
            outputs: HashMap::new(),
            placed: 0,
            refused: None,
        }
    }

    fn add_task(&mut self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.push(Box::pin(tasks::guarded(task, name, Arc::clone(&self.shared))));
    }

    /// The tasks of the flow, if it can start.
    pub(super) fn take_tasks(&mut self) -> Result<Vec<BoxFuture>, StartError> {
        self.refused.take().map_or_else(|| Ok(std::mem::take(&mut self.tasks)), Err)
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
        if stage.keyed { self.settings.shards } else { 1 }
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
        let (stage, origin, place) = (self.placed, self.scope.next_stage(), self.scope.place(meta.name));
        self.placed += 1;
        let mut receivers: Vec<Vec<_>> = shards.iter().map(|_| Vec::new()).collect();
        for edge in inputs {
            for (shard, of_edge) in edge.read_by(shards.len(), self.settings.capacity).into_iter().enumerate()
            {
                receivers[shard].extend(of_edge);
            }
        }
        for (shard, ((head, outs), receivers)) in shards.into_iter().zip(receivers).enumerate() {
            let gauge = Gauge::new(stage, shard, origin, feeders.clone(), self.settings.idle_after);
            let gauge = Arc::new(gauge);
            self.shared.add_gauge(Arc::clone(&gauge));
            let inbox = Inbox::new(receivers);
            let shared = Arc::clone(&self.shared);
            let limit = self.settings.batch_limit;
            let is_input = input.is_some();
            let task = Task::new(head, outs, meta, place, Arc::clone(&shared), gauge, inbox, is_input, limit);
            let watch = input.map(|kind| (kind, self.settings.idle_after));
            let executor = Arc::clone(&self.executor);
            self.add_task(place.name, driver::run(Box::new(task), place, shared, executor, watch));
        }
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
        let inner = self.scope.inner(before, subflow);
        let outer = std::mem::replace(&mut self.scope, inner);
        let wired = wire(self);
        self.scope = outer;
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
        let attached = self.attached.remove(port.name).and_then(|source| source.downcast().ok());
        let (handle, receiver) = match attached {
            Some(attach) => {
                let attach: Box<Attach<QueueWriter<T>>> = attach;
                // A batch at a time: the next is asked for when this one is read.
                let (writer, reader) = queue(1);
                let feeding = attach(writer, Arc::clone(&shared), limit);
                (Input::<T>::new(None, shared, limit), Receiver::Source(SourceReader::new(feeding, reader)))
            }
            None => {
                let (sender, receiver) = mpsc::channel(self.settings.capacity);
                (Input::new(Some(sender), shared, limit), Receiver::Pushed(receiver))
            }
        };
        self.inputs.insert(port.name, Box::new(handle));
        Link::of_input(port.name, receiver)
    }

    fn output<T: Record>(&mut self, port: &'static PortMeta, edge: Link<T>) {
        let receivers = edge.read_by(1, self.settings.capacity).into_iter().flatten().collect();
        let output = Output::new(Some(Inbox::new(receivers)), Arc::clone(&self.shared));
        let attached = self.attached.remove(port.name).and_then(|sink| sink.downcast().ok());
        let handle = match attached {
            Some(attach) => {
                let attach: Box<Attach<Output<T>>> = attach;
                let (shared, limit) = (Arc::clone(&self.shared), self.settings.batch_limit);
                self.add_task(port.name, attach(output, Arc::clone(&shared), limit));
                Output::<T>::new(None, shared)
            }
            None => output,
        };
        self.outputs.insert(port.name, AnyOutput::new(port.name, handle));
    }
}
