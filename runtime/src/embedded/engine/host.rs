//! The host that wires one worker's part of a flow.

use super::Team;
use super::inlet::{Inlet, Ways};
use super::link::{ClusterLink, Ends, OpenEdge, Outbox, Outlet, ParcelTransport, Reading};
use super::part::Part;
use super::ports::{Partitioned, Ports, partition_name};
use crate::codec::{Carries, CodecSlot};
use crate::embedded::EmbeddedHost;
use crate::embedded::channel::{Inbox, InputKind, Receiver, SourceAt, SourceReader};
use crate::embedded::gauge::Feeder;
use crate::embedded::host::{Attach, Prepared};
use crate::embedded::output::Output;
use crate::embedded::queue::{QueueWriter, queue};
use crate::embedded::tasks::Begin;
use crate::error::StartError;
use crate::graph::{OutletMeta, PortMeta, StageMeta, Subflow, TimeMeta};
use crate::host::{Host, Tasks, Timer, Transports};
use crate::record::Record;
use crate::stage::Stage;
use std::any::type_name;
use std::sync::{Arc, OnceLock};

/// Makes the tasks of one worker. `CROSSES`: whether there may be workers in other processes.
pub struct ClusterHost<const CROSSES: bool> {
    pub(super) base: EmbeddedHost,
    team: Team,
    ports: Arc<Ports>,
    /// The edges opened so far.
    edges: usize,
    /// Of the stage that is placed next.
    next: Next,
    pub(super) parts: Vec<Part>,
    crossing: Vec<Crossing>,
}

/// An edge on which records go from one process to another.
struct Crossing {
    from: &'static str,
    to: &'static str,
    /// Whether they can: that is known when all is wired.
    has_codec: Box<dyn Fn() -> bool>,
}

/// A stage on its way from being counted to being placed.
struct Next {
    tasks: Tasks,
    reading: Reading,
    outlets: Vec<Outlet>,
}

impl<const CROSSES: bool> ClusterHost<CROSSES> {
    pub(super) fn new(base: EmbeddedHost, team: Team, ports: Arc<Ports>) -> Self {
        let next = Next { tasks: Tasks::all_here(0), reading: Reading::Beside, outlets: Vec::new() };
        ClusterHost { base, team, ports, edges: 0, next, parts: Vec::new(), crossing: Vec::new() }
    }

    /// The edges of the whole flow.
    pub(super) fn edges(&self) -> usize {
        self.edges
    }

    /// Why the flow cannot start: something was refused, or the records of an edge cannot go where they have to.
    pub(super) fn refusal(&mut self) -> Option<StartError> {
        let lacking = self.crossing.iter().find(|edge| !(edge.has_codec)());
        let flow = self.base.shared.graph.flow;
        let lacking = lacking.map(|Crossing { from, to, .. }| StartError::Distributed {
            flow,
            what: format!(
                "the records that go from `{from}` to `{to}` cannot cross the network: derive `serde::Serialize` and \
                 `serde::Deserialize` for them"
            ),
        });
        self.base.refused.take().or(lacking)
    }

    fn refuse_port(&mut self, what: String) {
        let flow = self.base.shared.graph.flow;
        self.base.refused.get_or_insert(StartError::Distributed { flow, what });
    }

    /// The channels from an edge to the tasks that are made here, and what feeds them.
    fn read<T: Record>(
        &mut self,
        edge: OpenEdge<T>,
        reading: Reading,
        lanes: &[usize],
        receivers: &mut [Vec<Receiver<T>>],
        feeders: &mut Vec<Feeder>,
    ) -> Inlet {
        let team = self.team;
        let beside = reading == Reading::Beside;
        let senders: Vec<usize> =
            (0..edge.feeders.len()).filter(|&from| !beside || team.worker_of(from) == team.worker).collect();
        feeders.extend(senders.iter().map(|&from| edge.feeders[from]));
        let mut ways = Ways::new(Arc::clone(&edge.codec));
        for (receivers, &lane) in receivers.iter_mut().zip(lanes) {
            let readers = senders.iter().map(|&from| ways.open(from, lane, self.base.settings.capacity));
            receivers.extend(readers.map(Receiver::Task));
        }
        if !beside && team.workers > team.of_process {
            let codec = Arc::clone(&edge.codec);
            let has_codec = Box::new(move || codec.get().is_some());
            self.crossing.push(Crossing { from: edge.from, to: edge.to, has_codec });
        }
        // Each edge is read once.
        let _ = edge.reading.set(reading);
        Inlet { edge: edge.number, exchanged: !beside, door: Box::new(ways) }
    }

    fn source<T: Record>(
        &mut self,
        port: &'static PortMeta,
        partition: usize,
        source: &Partitioned,
    ) -> Option<Receiver<T>> {
        let name = partition_name(port.name, partition, source.partitions);
        let (place, from) = self.base.durable.as_ref().map_or((0, None), |durable| durable.input(&name));
        let source = (source.make)(port.name, partition);
        if self.base.durable.is_some() && source.position.is_none() {
            let flow = self.base.shared.graph.flow;
            self.base.refused.get_or_insert(StartError::NotReplayable { flow, input: port.name });
        }
        let attach: Box<Attach<QueueWriter<T>, Begin>> = source.attach.downcast().ok()?;
        let (writer, reader) = queue(1);
        let at = Arc::new(SourceAt::new(place, from.or(source.position).unwrap_or(0)));
        let begin = Begin { from, at: Arc::clone(&at) };
        let feeding = attach(writer, Arc::clone(&self.base.shared), self.base.settings.batch_limit, begin);
        Some(Receiver::Source(SourceReader::new(feeding, reader, at)))
    }

    /// Whether the clock of an `event_time` runs in a stage: it must see the records of all that feed it.
    fn has_clock(stage: &'static StageMeta) -> bool {
        stage.outlets.iter().any(|outlet| matches!(outlet.time, Some(TimeMeta::Clock(_))))
    }
}

impl<const CROSSES: bool> Host for ClusterHost<CROSSES> {
    const CROSSES: bool = CROSSES;

    type Edge<T: 'static> = ClusterLink<T>;

    fn shards(&self, stage: &'static StageMeta) -> usize {
        if stage.keyed { self.team.shards() } else { 1 }
    }

    fn tasks<S: Stage>(&mut self, stage: &'static StageMeta, inputs: &[ClusterLink<S::In>]) -> Tasks {
        let partitions = inputs.iter().find_map(|ClusterLink(ends)| match ends {
            Ends::Input { partitions, .. } => Some(*partitions),
            Ends::Open(_) => None,
        });
        let (all, reading) = match partitions {
            Some(partitions) => (partitions, Reading::Beside),
            None if stage.keyed && self.base.has_key(stage) => {
                (self.team.shards(), Reading::ByTasks(self.team.shards()))
            }
            // What each of them holds of a window has no key by which it could be divided among more or fewer.
            None if stage.keyed && self.base.durable.is_none() => (self.team.workers, Reading::Beside),
            None if S::KEEPS_NOTHING && !Self::has_clock(stage) => (self.team.workers, Reading::Beside),
            None => (1, Reading::ByTasks(1)),
        };
        let tasks = Tasks { all, here: self.team.own(all) };
        self.next = Next { tasks: tasks.clone(), reading, outlets: Vec::new() };
        tasks
    }

    fn unseen(&mut self, keeps: bool) {
        self.base.keeps_unseen = keeps;
    }

    fn codec<T: 'static>(edge: &ClusterLink<T>) -> CodecSlot<T> {
        match &edge.0 {
            Ends::Open(edge) => Arc::clone(&edge.codec),
            Ends::Input { .. } => CodecSlot::default(),
        }
    }

    fn carry<T: Record, C: Carries<T>>(&mut self, slot: &CodecSlot<T>) {
        // Told once.
        let _ = slot.set(C::codec());
    }

    fn open<T: Record>(&mut self, outlet: &'static OutletMeta, _: usize) -> (Transports<T>, ClusterLink<T>) {
        let clock = matches!(outlet.time, Some(TimeMeta::Clock(_)));
        let (stage, from) = (self.base.placed, outlet.from);
        let feeders =
            (0..self.next.tasks.all).map(|shard| Feeder::Shard { stage, shard, from, clock }).collect();
        let (reading, codec, outbox) = (Arc::new(OnceLock::new()), CodecSlot::default(), Outbox::default());
        let transports = self.next.tasks.here.iter().map(|&from| {
            let transport = ParcelTransport {
                team: self.team,
                from,
                reading: Arc::clone(&reading),
                outbox: Arc::clone(&outbox),
                codec: Arc::clone(&codec),
                shared: Arc::clone(&self.base.shared),
                edge: (outlet.from, outlet.to),
            };
            Box::new(transport) as _
        });
        let transports = transports.collect();
        let number = self.edges;
        self.edges += 1;
        self.next.outlets.push(Outlet { edge: number, outbox });
        let edge = OpenEdge { number, from: outlet.from, to: outlet.to, feeders, reading, codec };
        (transports, ClusterLink(Ends::Open(edge)))
    }

    fn place<S: Stage>(
        &mut self,
        meta: &'static StageMeta,
        inputs: Vec<ClusterLink<S::In>>,
        shards: Vec<(S, S::Outs)>,
    ) {
        let (tasks, reading) = (self.next.tasks.clone(), self.next.reading);
        let outlets = std::mem::take(&mut self.next.outlets);
        // A task that runs beside what feeds it has the number of its worker.
        let (mut receivers, mut feeders) = (Vec::new(), Vec::new());
        receivers.resize_with(shards.len(), Vec::new);
        let (mut inlets, mut edges, mut reads_input) = (Vec::new(), Vec::new(), false);
        for ClusterLink(ends) in inputs {
            match ends {
                Ends::Open(edge) => {
                    edges.push((edge.from, edge.to));
                    inlets.push(self.read(edge, reading, &tasks.here, &mut receivers, &mut feeders));
                }
                Ends::Input { name, here, .. } => {
                    reads_input = true;
                    feeders.push(Feeder::Input(name));
                    for (receivers, source) in receivers.iter_mut().zip(here) {
                        receivers.push(source);
                    }
                }
            }
        }
        let kind = reads_input.then_some(InputKind::Fed);
        let (name, tasks, gauges) = self.base.stage_tasks(meta, &tasks, shards, receivers, &feeders, kind);
        let shared = Arc::clone(&self.base.shared);
        let epochs = self.base.durable.as_ref().map(|durable| Arc::clone(&durable.epochs));
        self.parts.push(Part { name, inlets, outlets, reads_input, tasks, gauges, epochs, shared, edges });
    }

    fn refuse(&mut self, stage: &'static StageMeta, what: &'static str) {
        self.base.refuse(stage, what);
    }

    fn timer(&self) -> Arc<dyn Timer> {
        self.base.timer()
    }

    fn input<T: Record>(&mut self, port: &'static PortMeta) -> ClusterLink<T> {
        let ports = Arc::clone(&self.ports);
        let name = port.name;
        let Some(source) = ports.sources.get(name) else {
            self.refuse_port(format!("nothing feeds the input `{name}`: give it a source"));
            return ClusterLink(Ends::Input { name, partitions: 0, here: Vec::new() });
        };
        let own = self.team.own(source.partitions);
        let here: Option<Vec<Receiver<T>>> =
            own.into_iter().map(|partition| self.source(port, partition, source)).collect();
        if here.is_none() {
            let (given, asked) = (source.record, type_name::<T>());
            self.refuse_port(format!(
                "the source of the input `{name}` gives `{given}`, which takes `{asked}`"
            ));
        }
        ClusterLink(Ends::Input { name, partitions: source.partitions, here: here.unwrap_or_default() })
    }

    fn output<T: Record>(&mut self, port: &'static PortMeta, edge: ClusterLink<T>) {
        let ports = Arc::clone(&self.ports);
        let name = port.name;
        let Ends::Open(edge) = edge.0 else { return };
        if ports.let_go.iter().any(|other| other == name) {
            return;
        }
        let Some(sink) = ports.sinks.get(name) else {
            self.refuse_port(format!("nothing takes the output `{name}`: give it a sink, or let it go"));
            return;
        };
        let is_here = self.team.worker == 0;
        let lanes: &[usize] = if is_here { &[0] } else { &[] };
        let mut receivers: Vec<Vec<Receiver<T>>> = lanes.iter().map(|_| Vec::new()).collect();
        let edges = vec![(edge.from, edge.to)];
        let inlet = self.read(edge, Reading::ByTasks(1), lanes, &mut receivers, &mut Vec::new());
        let shared = Arc::clone(&self.base.shared);
        let part = Part {
            name,
            inlets: vec![inlet],
            outlets: Vec::new(),
            reads_input: false,
            tasks: Vec::new(),
            gauges: Vec::new(),
            epochs: None,
            shared: Arc::clone(&shared),
            edges,
        };
        self.parts.push(part);
        let Some(receivers) = receivers.pop() else { return };
        let attached = (sink.make)(name, 0);
        let Ok(attach) = attached.attach.downcast() else {
            let (takes, given) = (sink.record, type_name::<T>());
            self.refuse_port(format!(
                "the sink of the output `{name}` takes `{takes}`, which gives `{given}`"
            ));
            return;
        };
        let attach: Box<Attach<Output<T>, Prepared>> = attach;
        let epochs = self.base.durable.as_ref().map(|durable| Arc::clone(&durable.epochs));
        let mut output = Output::new(Some(Inbox::new(receivers, epochs)), Arc::clone(&shared));
        let prepared = self.base.make_durable(name, &mut output, true);
        let task = attach(output, shared, self.base.settings.batch_limit, prepared);
        self.base.add_task(name, task);
    }

    fn carries_watermarks(&self, outlet: &'static OutletMeta) -> bool {
        self.base.carries_watermarks(outlet)
    }

    fn inside<R>(
        &mut self,
        before: &'static [Subflow],
        subflow: &'static Subflow,
        wire: impl FnOnce(&mut Self) -> R,
    ) -> R {
        let outer = self.base.enter(before, subflow);
        let wired = wire(self);
        self.base.leave(outer);
        wired
    }
}
