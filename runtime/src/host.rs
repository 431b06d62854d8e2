//! Where a flow runs: the seam between the stages that the macro wires and what drives them.

use crate::codec::{Carries, CodecSlot};
use crate::graph::{OutletMeta, PortMeta, StageMeta, Subflow};
use crate::outlet::{CombinerSlot, MakeCombiner, Outlets, Transport};
use crate::record::Record;
use crate::stage::Stage;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

/// A place where flows can run. The macro generates one `wire` function, generic over its host.
///
/// A host opens edges, places stages and connects ports. It knows nothing of windows or joins; stages know
/// nothing of it.
pub trait Host: Sized + 'static {
    /// An edge that nobody reads yet.
    type Edge<T: 'static>: 'static;

    /// Whether it leads records from one process to another, so that a flow whose records are no data does not compile for
    /// it.
    const CROSSES: bool = false;

    /// How many tasks a stage runs as.
    fn shards(&self, stage: &'static StageMeta) -> usize;

    /// The tasks of a stage that is placed next, and which of them are made here: all, where one host makes a whole flow.
    fn tasks<S: Stage>(&mut self, stage: &'static StageMeta, _inputs: &[Self::Edge<S::In>]) -> Tasks {
        Tasks::all_here(self.shards(stage))
    }

    /// None of the tasks of the stage that is placed next is made here; whether it keeps state.
    fn unseen(&mut self, _keeps: bool) {}

    /// Where an edge is told how its records cross a network. Of no use where none do.
    fn codec<T: 'static>(_edge: &Self::Edge<T>) -> CodecSlot<T> {
        CodecSlot::default()
    }

    /// Tells an edge how its records cross a network, if they can. A host that crosses none lets nothing be compiled for it.
    fn carry<T: Record, C: Carries<T>>(&mut self, _slot: &CodecSlot<T>) {}

    /// Opens an edge out of the stage that is placed next: a transport for each of the `producers` that are made here, and
    /// the end to read.
    fn open<T: Record>(
        &mut self,
        outlet: &'static OutletMeta,
        producers: usize,
    ) -> (Transports<T>, Self::Edge<T>);

    /// Runs a stage: the shards, each with its outlets, fed by all of `inputs`.
    fn place<S: Stage>(
        &mut self,
        stage: &'static StageMeta,
        inputs: Vec<Self::Edge<S::In>>,
        shards: Vec<(S, S::Outs)>,
    );

    /// A stage cannot run as the flow's params have it, and `what` says why: the flow is not to start.
    fn refuse(&mut self, stage: &'static StageMeta, what: &'static str);

    /// The clock that stages wait by, where they wait for something outside of the flow.
    fn timer(&self) -> Arc<dyn Timer>;

    /// The stream that comes in at a port.
    fn input<T: Record>(&mut self, port: &'static PortMeta) -> Self::Edge<T>;

    /// Leads an edge out at a port.
    fn output<T: Record>(&mut self, port: &'static PortMeta, edge: Self::Edge<T>);

    /// Whether an edge carries watermarks.
    fn carries_watermarks(&self, outlet: &'static OutletMeta) -> bool {
        outlet.time.is_some() && !outlet.leaves
    }

    /// Wires a flow that stands in the one at hand. `before`: those that stand in it before this one.
    fn inside<R>(
        &mut self,
        before: &'static [Subflow],
        subflow: &'static Subflow,
        wire: impl FnOnce(&mut Self) -> R,
    ) -> R;
}

/// The tasks of a stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tasks {
    /// How many there are.
    pub all: usize,
    /// Those that are made here, by their places among all, in order.
    pub here: Vec<usize>,
}

impl Tasks {
    /// So many, and all of them are made here.
    #[must_use]
    pub fn all_here(all: usize) -> Tasks {
        Tasks { all, here: (0..all).collect() }
    }
}

/// A host's clock.
pub trait Timer: Send + Sync {
    /// Waits for so long, from now on.
    fn sleep(&self, duration: Duration) -> Sleep;
}

/// A wait.
pub type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;

/// How each shard of a stage sends into one edge.
pub type Transports<T> = Vec<Box<dyn Transport<T>>>;

/// An edge that nobody reads yet, carrying records of type `T`.
///
/// A nominal type, so that rustc can infer `T` through the closures of the stages on both of its sides.
pub struct Edge<H: Host, T: 'static>(H::Edge<T>, Vec<H::Edge<T>>, CombinerSlot<T>);

impl<H: Host, T: 'static> Edge<H, T> {
    pub(crate) fn one(edge: H::Edge<T>) -> Self {
        Edge(edge, Vec::new(), CombinerSlot::default())
    }

    pub(crate) fn combiner(&self) -> CombinerSlot<T> {
        Arc::clone(&self.2)
    }

    /// Asks those who write to unite records before they divide them among the shards that read.
    pub(crate) fn combined(self, make: MakeCombiner<T>) -> Self {
        // Who reads an edge is placed once.
        let _ = self.2.set(make);
        self
    }

    /// This edge and another, both to be read by one stage: the two sides of a join.
    #[must_use]
    pub fn with(mut self, other: Self) -> Self {
        self.1.push(other.0);
        self.1.extend(other.1);
        self
    }
}

impl<H: Host, T: Record> Edge<H, T> {
    /// The stream that comes in at a port.
    pub fn input(host: &mut H, port: &'static PortMeta) -> Self {
        Edge::one(host.input(port))
    }

    /// Leads this edge out at a port.
    pub fn output(self, host: &mut H, port: &'static PortMeta) {
        host.output(port, self.0);
    }

    /// This edge with its type forgotten: all that can be done with it is to lead it out.
    pub fn erase(self) -> AnyEdge<H> {
        AnyEdge(Box::new(move |host, port| self.output(host, port)))
    }
}

/// Where an edge is told how its records cross a network.
pub fn codec_of<H: Host, T: 'static>(edge: &Edge<H, T>) -> CodecSlot<T> {
    H::codec(&edge.0)
}

/// The records of a stream that `merge` unites with another.
#[diagnostic::on_unimplemented(
    message = "`merge` unites streams of one type, and these are `{First}` and `{Self}`",
    label = "the records of this stream are `{Self}`, those of the first are `{First}`"
)]
pub trait Merges<First: 'static>: Sized + 'static {
    /// The edge, as one more of the first's kind.
    fn merged<H: Host>(first: &Edge<H, First>, edge: Edge<H, Self>) -> Edge<H, First>;
}

#[diagnostic::do_not_recommend]
impl<T: 'static> Merges<T> for T {
    fn merged<H: Host>(_: &Edge<H, T>, edge: Edge<H, T>) -> Edge<H, T> {
        edge
    }
}

/// What an input of a flow that stands in another takes from there: records of its own type.
pub trait Enters<Wanted: 'static>: Sized + 'static {
    /// The edge, as one of the input's kind.
    fn enter<H: Host>(edge: Edge<H, Self>) -> Edge<H, Wanted>;
}

impl<T: 'static> Enters<T> for T {
    fn enter<H: Host>(edge: Edge<H, T>) -> Edge<H, T> {
        edge
    }
}

/// An output that another flow can read.
#[diagnostic::on_unimplemented(
    message = "the type of this output's records is not known outside of its flow",
    label = "write it where the output is declared: `output name: Type;`"
)]
pub trait Leaves<H: Host> {
    /// Its records.
    type Record: 'static;

    /// The edge.
    fn edge(self) -> Edge<H, Self::Record>;
}

#[diagnostic::do_not_recommend]
impl<H: Host, T: 'static> Leaves<H> for Edge<H, T> {
    type Record = T;

    fn edge(self) -> Edge<H, T> {
        self
    }
}

/// What leads an edge out, without its type.
type LeadOut<H> = Box<dyn FnOnce(&mut H, &'static PortMeta)>;

/// An edge whose record type the flow does not write.
pub struct AnyEdge<H: Host>(LeadOut<H>);

impl<H: Host> AnyEdge<H> {
    /// Leads this edge out at a port.
    pub fn output(self, host: &mut H, port: &'static PortMeta) {
        (self.0)(host, port);
    }
}

/// Has the flow not start where there is something wrong with a stage.
pub(crate) fn check<H: Host>(host: &mut H, meta: &'static StageMeta, wrong: Option<&'static str>) {
    if let Some(what) = wrong {
        host.refuse(meta, what);
    }
}

/// Places a stage with all that belongs to it, and answers the edges that leave it.
pub(crate) fn place<H: Host, S: Stage>(
    host: &mut H,
    meta: &'static StageMeta,
    inputs: Vec<Edge<H, S::In>>,
    make: impl Fn() -> S,
) -> <S::Outs as Outlets>::Edges<H> {
    let inputs: Vec<_> = inputs.into_iter().flat_map(|edge| std::iter::once(edge.0).chain(edge.1)).collect();
    let here = host.tasks::<S>(meta, &inputs).here.len();
    if here == 0 {
        host.unseen(make().stored().is_some());
    }
    let (outlets, edges) = S::Outs::open(host, meta.outlets, here);
    let tasks = outlets.into_iter().map(|outlets| (make(), outlets)).collect();
    host.place(meta, inputs, tasks);
    edges
}
