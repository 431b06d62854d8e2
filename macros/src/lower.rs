//! From nodes to stages: what is fused, where the graph is cut, what each edge carries.

use crate::ast::{Args, Diversion, Duration, Op};
use crate::graph::{Graph, Id, Node, Origin, Reader};
use crate::operators::{Effect, JoinKind, Projection, Unites, WindowKind};
use std::collections::HashMap;
use syn::{GenericArgument, PathArguments, Type};

/// The stages of a flow, each after those that feed it.
pub(crate) struct Plan {
    pub(crate) stages: Vec<Stage>,
}

/// What one task runs.
pub(crate) struct Stage {
    /// The node it begins with.
    pub(crate) node: Id,
    pub(crate) head: Head,
    /// What happens to each record of the head.
    pub(crate) body: Body,
    /// What happens to its late records, where they have a name.
    pub(crate) late: Option<Body>,
    pub(crate) outlets: Vec<Outlet>,
    /// The lateness of each `event_time` inside.
    pub(crate) clocks: Vec<Duration>,
    /// Whether the records that come in carry their time.
    pub(crate) timed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Head {
    Input,
    Merge,
    /// The `map_async` at that place in the chain of the node.
    Call(usize),
    /// The window without a key that the node has, over the records that come to each of several tasks.
    Spread,
    /// The stateful operator of the node; behind `Spread`, what unites its parts.
    Core,
    /// What follows the stateful operator, where that sets time: its clock must see the records of all shards.
    Relay,
    /// An output of a flow that stands in this one.
    Flow,
}

/// Steps in order; a `Fork` or `Send` is the last.
pub(crate) type Body = Vec<Step>;

pub(crate) enum Step {
    /// A stateless operator: the one at `place` in the chain of `node`.
    Op {
        node: Id,
        place: usize,
        /// The clock of an `event_time`.
        clock: Option<usize>,
        /// For `route` the arms, and last what fits none; for `try_map` what happens to failures.
        branches: Vec<Branch>,
    },
    /// Here the records bear the name of a node.
    Named(Id),
    /// Several readers.
    Fork(Vec<Body>),
    /// The record leaves through an outlet.
    Send(usize),
}

/// Where a diverted record goes.
pub(crate) enum Branch {
    To(Body),
    Skip,
    Fail,
}

/// An edge out of a stage.
pub(crate) struct Outlet {
    pub(crate) from: Id,
    pub(crate) target: Target,
    /// Where its watermark comes from; `None` if nothing downstream needs time.
    pub(crate) time: Option<Time>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Output(usize),
    /// The stage of a merge, of a `map_async`, or of a relay.
    Merge(usize),
    /// The stage of a stateful operator.
    Core(usize),
    /// The stage that unites the parts of a window.
    Parts(usize),
    /// An input of a flow that stands in this one.
    Subflow {
        of: usize,
        input: usize,
    },
    /// The stage of a join, as what it names.
    Joined(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Time {
    Stage,
    Clock(usize),
}

/// Cuts a graph without mistakes into stages.
pub(crate) fn lower(graph: &Graph) -> Plan {
    let mut heads = Vec::new();
    for &id in &graph.order {
        let node = graph.node(id);
        if matches!(node.origin, Origin::Input) {
            heads.push((id, Head::Input));
        }
        if matches!(node.origin, Origin::Flow { .. }) {
            heads.push((id, Head::Flow));
        }
        if node.is_merge() {
            heads.push((id, Head::Merge));
        }
        for (place, op) in node.ops().iter().enumerate() {
            if op.row.effect == Effect::Call {
                heads.push((id, Head::Call(place)));
            }
            // What is only looked up is held by whoever looks it up.
            let only_looked_up = node.readers.is_empty() && !node.looked_up_by.is_empty();
            if node.core() == Some(place) && !only_looked_up {
                if is_spread(graph, id) {
                    heads.push((id, Head::Spread));
                }
                heads.push((id, Head::Core));
                if sets_time(graph, id, place + 1) {
                    heads.push((id, Head::Relay));
                }
            }
        }
    }
    let mut lowering =
        Lowering { graph, heads: &heads, matters: HashMap::new(), outlets: Vec::new(), clocks: Vec::new() };
    let stages = heads.iter().map(|&(id, head)| lowering.stage(id, head)).collect();
    Plan { stages }
}

struct Lowering<'a> {
    graph: &'a Graph,
    heads: &'a [(Id, Head)],
    /// Whether time matters from an operator of a node on.
    matters: HashMap<(Id, usize), bool>,
    /// Of the stage at hand.
    outlets: Vec<Outlet>,
    clocks: Vec<Duration>,
}

impl Lowering<'_> {
    fn stage(&mut self, id: Id, head: Head) -> Stage {
        let timed = self.is_timed(id, head);
        let time = timed.then_some(Time::Stage);
        let node = self.graph.node(id);
        let (body, late) = match head {
            Head::Input | Head::Flow => (self.named(id, time), None),
            Head::Merge => (self.chain(id, 0, time), None),
            Head::Relay => (self.chain(id, after_core(node), time), None),
            Head::Call(place) => {
                let branches = self.branches(id, place, time);
                let mut body = vec![Step::Op { node: id, place, clock: None, branches }];
                body.extend(self.chain(id, place + 1, time));
                (body, None)
            }
            Head::Spread => {
                let target = Target::Parts(self.stage_of(id, Head::Core));
                (vec![self.send(id, target, time)], None)
            }
            Head::Core => {
                let late = late_node(self.graph, id);
                let body = if self.heads.contains(&(id, Head::Relay)) {
                    let target = Target::Merge(self.stage_of(id, Head::Relay));
                    let time = time.filter(|_| self.is_timed(id, Head::Relay));
                    vec![self.send(id, target, time)]
                } else {
                    self.chain(id, after_core(node), time)
                };
                (body, late.map(|late| self.named(late, time)))
            }
        };
        let (outlets, clocks) = (std::mem::take(&mut self.outlets), std::mem::take(&mut self.clocks));
        Stage { node: id, head, body, late, outlets, clocks, timed }
    }

    /// Whether records come into a stage with their time.
    fn is_timed(&mut self, id: Id, head: Head) -> bool {
        let place = match head {
            Head::Input | Head::Flow => return false,
            Head::Merge => 0,
            Head::Call(place) => place,
            Head::Spread | Head::Core => self.graph.node(id).core().unwrap_or(0),
            Head::Relay => after_core(self.graph.node(id)),
        };
        // The two sides of a join have one kind of edge.
        let other = self.graph.node(id).joins().filter(|_| head == Head::Core);
        other.is_none_or(|_| self.graph.joined_stream(id).is_some_and(|stream| stream.timed))
            && self.graph.before(id, place).timed
            && self.time_matters(id, place)
    }

    /// Whether anything from here on asks for a record's time, before another `event_time` sets it anew.
    fn time_matters(&mut self, id: Id, place: usize) -> bool {
        if let Some(known) = self.matters.get(&(id, place)) {
            return *known;
        }
        let node = self.graph.node(id);
        let matters = match node.ops().get(place) {
            Some(op) if sets_clock(op) => false,
            Some(op) if node.is_by_wall_clock() && (op.row.effect.is_core() || is_window(op)) => false,
            Some(op) if op.row.effect == Effect::Route => {
                arms(self.graph, id).any(|arm| self.name_matters(arm))
            }
            Some(_) if asks_for_time(node, place) => true,
            Some(op) if diverted_to(self.graph, op).is_some_and(|to| self.name_matters(to)) => true,
            Some(_) => self.time_matters(id, place + 1),
            None => self.name_matters(id),
        };
        self.matters.insert((id, place), matters);
        matters
    }

    fn name_matters(&mut self, id: Id) -> bool {
        let readers = self.graph.node(id).readers.clone();
        readers.into_iter().any(|reader| match reader {
            Reader::Node(reader) => self.time_matters(reader, 0),
            Reader::Joined(reader) => self.is_timed(reader, Head::Core),
            Reader::Output(_) | Reader::Subflow { .. } => false,
        })
    }

    fn stage_of(&self, id: Id, head: Head) -> usize {
        let found = self.heads.iter().position(|&known| known == (id, head));
        found.expect("every merge and every stateful operator is the head of a stage")
    }

    fn send(&mut self, from: Id, target: Target, time: Option<Time>) -> Step {
        self.outlets.push(Outlet { from, target, time });
        Step::Send(self.outlets.len() - 1)
    }

    /// The chain of a node from an operator on, up to where it leaves the stage.
    fn chain(&mut self, id: Id, from: usize, mut time: Option<Time>) -> Body {
        let node = self.graph.node(id);
        let mut body = Vec::new();
        for (place, op) in node.ops().iter().enumerate().skip(from) {
            match op.row.effect {
                Effect::Window(_) => continue,
                Effect::Call => {
                    let head = Head::Call(place);
                    let target = Target::Merge(self.stage_of(id, head));
                    let time = time.filter(|_| self.is_timed(id, head));
                    let source = node.sources().first().copied().unwrap_or(id);
                    let from = if from == 0 && !node.is_merge() { source } else { id };
                    body.push(self.send(from, target, time));
                    return body;
                }
                effect if effect.is_core() => {
                    let source = node.sources().first().copied().unwrap_or(id);
                    let from = if from == 0 && !node.is_merge() { source } else { id };
                    body.extend(self.at_core(id, from, time));
                    return body;
                }
                _ => {}
            }
            let clock = match &op.args {
                Args::EventTime { lateness: Some(lateness), .. } => {
                    self.clocks.push(lateness.clone());
                    time = Some(Time::Clock(self.clocks.len() - 1));
                    Some(self.clocks.len() - 1)
                }
                Args::EventTime { lateness: None, .. } => {
                    time = time.or(Some(Time::Stage));
                    None
                }
                _ => None,
            };
            let branches = self.branches(id, place, time);
            body.push(Step::Op { node: id, place, clock, branches });
            if op.row.effect == Effect::Route {
                return body;
            }
        }
        body.extend(self.named(id, time));
        body
    }

    /// What happens to the records before a node's stateful operator: they go there, and to those who look them up.
    fn at_core(&mut self, id: Id, from: Id, time: Option<Time>) -> Body {
        let mut ends: Vec<Body> = Vec::new();
        if self.heads.contains(&(id, Head::Core)) {
            let spread = self.heads.contains(&(id, Head::Spread));
            let target = Target::Core(self.stage_of(id, if spread { Head::Spread } else { Head::Core }));
            let time = time.filter(|_| self.is_timed(id, Head::Core));
            ends.push(vec![self.send(from, target, time)]);
        }
        for lookup in self.graph.node(id).looked_up_by.clone() {
            let target = Target::Joined(self.stage_of(lookup, Head::Core));
            let time = time.filter(|_| self.is_timed(lookup, Head::Core));
            ends.push(vec![self.send(from, target, time)]);
        }
        if ends.len() == 1 { ends.swap_remove(0) } else { vec![Step::Fork(ends)] }
    }

    /// Where an operator's diverted records go.
    fn branches(&mut self, id: Id, place: usize, time: Option<Time>) -> Vec<Branch> {
        let op = &self.graph.node(id).ops()[place];
        let mut branches = Vec::new();
        if op.row.effect == Effect::Route {
            let arms: Vec<Id> = arms(self.graph, id).collect();
            branches.extend(arms.into_iter().map(|arm| Branch::To(self.named(arm, time))));
        }
        if let Some(diverted) = &op.diverted {
            branches.push(match &diverted.to {
                Diversion::Skip => Branch::Skip,
                Diversion::Fail => Branch::Fail,
                Diversion::Node { name, .. } => {
                    let node = self.graph.nodes.iter().position(|node| node.name == *name);
                    Branch::To(self.named(node.expect("what `else` names is a node"), time))
                }
            });
        }
        branches
    }

    /// What the readers of a node do.
    fn named(&mut self, id: Id, time: Option<Time>) -> Body {
        let node = self.graph.node(id);
        let mut bodies: Vec<Body> =
            node.readers.clone().into_iter().map(|reader| self.reader(id, reader, time)).collect();
        let mut body = vec![Step::Named(id)];
        match bodies.len() {
            1 => body.append(&mut bodies[0]),
            _ => body.push(Step::Fork(bodies)),
        }
        body
    }

    fn reader(&mut self, id: Id, reader: Reader, time: Option<Time>) -> Body {
        match reader {
            Reader::Output(output) => vec![self.send(id, Target::Output(output), time)],
            Reader::Subflow { of, input } => vec![self.send(id, Target::Subflow { of, input }, None)],
            Reader::Node(reader) if self.graph.node(reader).is_merge() => {
                let stage = self.stage_of(reader, Head::Merge);
                let timed = self.is_timed(reader, Head::Merge);
                // Where one of the streams has no times but a watermark, only watermarks go on.
                let watermarked = self.graph.before(reader, 0).watermarked && self.time_matters(reader, 0);
                let time = match time {
                    _ if !timed && !watermarked => None,
                    None => watermarked.then_some(Time::Stage),
                    time => time,
                };
                vec![self.send(id, Target::Merge(stage), time)]
            }
            Reader::Node(reader) => self.chain(reader, 0, time),
            Reader::Joined(reader) => {
                let stage = self.stage_of(reader, Head::Core);
                let time = time.filter(|_| self.is_timed(reader, Head::Core));
                vec![self.send(id, Target::Joined(stage), time)]
            }
        }
    }
}

fn after_core(node: &Node) -> usize {
    node.core().map_or(0, |core| core + 1)
}

/// Whether what is fused from an operator of a node on sets time.
fn sets_time(graph: &Graph, id: Id, place: usize) -> bool {
    let name_sets_time = |id: Id| {
        graph.node(id).readers.iter().any(|reader| match *reader {
            Reader::Node(reader) => !graph.node(reader).is_merge() && sets_time(graph, reader, 0),
            Reader::Output(_) | Reader::Subflow { .. } | Reader::Joined(_) => false,
        })
    };
    for op in &graph.node(id).ops()[place..] {
        if op.row.effect.is_core() || op.row.effect == Effect::Call {
            return false;
        }
        if sets_clock(op) || (op.row.effect == Effect::Route && arms(graph, id).any(name_sets_time)) {
            return true;
        }
        if let Some(Diversion::Node { name, .. }) = op.diverted.as_ref().map(|diverted| &diverted.to)
            && !matches!(op.row.effect, Effect::Window(_))
            && graph.nodes.iter().position(|node| node.name == *name).is_some_and(name_sets_time)
        {
            return true;
        }
    }
    name_sets_time(id)
}

/// Whether an operator makes watermarks of its own.
fn sets_clock(op: &Op) -> bool {
    matches!(op.args, Args::EventTime { lateness: Some(_), .. })
}

/// The streams of a `route`, in the order of its arms.
fn arms(graph: &Graph, of: Id) -> impl Iterator<Item = Id> + '_ {
    let is_arm = move |node: &Node| matches!(node.origin, Origin::Arm { of: owner } if owner == of);
    graph.nodes.iter().enumerate().filter(move |(_, node)| is_arm(node)).map(|(id, _)| id)
}

/// The node that an operator diverts to.
fn diverted_to(graph: &Graph, op: &Op) -> Option<Id> {
    match &op.diverted.as_ref()?.to {
        Diversion::Node { name, .. } => graph.nodes.iter().position(|node| node.name == *name),
        Diversion::Skip | Diversion::Fail => None,
    }
}

/// The stream of the late records of a node's window.
fn late_node(graph: &Graph, of: Id) -> Option<Id> {
    graph
        .nodes
        .iter()
        .position(|node| matches!(node.origin, Origin::Else { of: owner, late: true } if owner == of))
}

fn is_window(op: &Op) -> bool {
    matches!(op.row.effect, Effect::Window(_))
}

/// Whether an operator asks for the time of its records.
fn asks_for_time(node: &Node, place: usize) -> bool {
    let op = &node.ops()[place];
    let keeps = op.keep.as_ref().is_some_and(|keep| keep.duration.is_some());
    match &op.args {
        Args::Stateful(_) | Args::Window { .. } | Args::CountWindow(_) => true,
        Args::Aggregate(fields) => {
            keeps
                || op.every.is_some()
                || node.window().is_some()
                || fields.iter().any(|field| field.row.by_time)
        }
        Args::Fold(_) => keeps || op.every.is_some() || node.window().is_some(),
        Args::None => keeps || op.row.effect == Effect::Latest,
        // The one that has no lateness of its own goes by the watermark that comes.
        Args::EventTime { lateness, .. } => lateness.is_none(),
        Args::Join(join) => {
            keeps
                || join.bound.is_some()
                || node.window().is_some()
                || op.row.effect == Effect::Join(JoinKind::Lookup)
        }
        Args::Closure(_) | Args::MapAsync(_) | Args::Key(_) | Args::Route(_) => false,
    }
}

/// Whether the stateful operator of a node needs whole records, or only what its aggregate functions take of them.
///
/// What they take is taken before the edge: then a record that several nodes read is not copied for this one, and
/// only a few bytes travel.
pub(crate) fn needs_records(node: &Node) -> bool {
    let Some(core) = node.core() else { return false };
    let late_are_kept = node.window().is_some_and(|window| {
        window.diverted.as_ref().is_some_and(|diverted| matches!(diverted.to, Diversion::Node { .. }))
    });
    late_are_kept
        || match &node.ops()[core].args {
            Args::Aggregate(fields) => fields.iter().any(|field| field.row.projection == Projection::Record),
            _ => true,
        }
}

/// Whether the window of a node is spread over several tasks, each of which takes some of the records, and their parts
/// united: it has no key by which to divide them.
fn is_spread(graph: &Graph, id: Id) -> bool {
    gives_the_same_divided(graph, id) && !has_key(graph, id)
}

/// Whether records of one key may be united before they are sent to the shard that has the key.
pub(crate) fn is_combined(graph: &Graph, id: Id) -> bool {
    gives_the_same_divided(graph, id) && has_key(graph, id)
}

fn has_key(graph: &Graph, id: Id) -> bool {
    graph.node(id).core().is_some_and(|core| graph.before(id, core).key.is_some())
}

/// Whether the windows of a node fire once, and its functions give the same however the records are divided.
fn gives_the_same_divided(graph: &Graph, id: Id) -> bool {
    let node = graph.node(id);
    let (Some(core), Some(window)) = (node.core(), node.window()) else { return false };
    let Args::Aggregate(fields) = &node.ops()[core].args else { return false };
    let fires_once = matches!(&window.args, Args::Window { early: None, by_wall_clock: None, .. })
        && matches!(window.row.effect, Effect::Window(WindowKind::Tumbling | WindowKind::Hopping))
        && window.allow.is_none();
    fires_once && !needs_records(node) && fields.iter().all(unites)
}

/// Whether a function gives the same in whichever order records come, and however they are divided.
pub(crate) fn unites(field: &crate::ast::AggregateField) -> bool {
    match field.row.unites {
        Unites::Always => true,
        Unites::Exact => is_exact(&field.ty),
        Unites::Never => false,
    }
}

/// Types of which it is known that values add up exactly, and that of equal ones it does not matter which is taken.
const EXACT: &[&str] = &[
    "u8", "u16", "u32", "u64", "u128", "usize", "i8", "i16", "i32", "i64", "i128", "isize", "bool", "char",
    "String",
];

/// Whether a type is one of those, as it is written, or an `Option` or a tuple of them.
fn is_exact(ty: &Type) -> bool {
    match ty {
        Type::Tuple(tuple) => tuple.elems.iter().all(is_exact),
        Type::Path(path) if path.qself.is_none() && path.path.segments.len() == 1 => {
            let last = &path.path.segments[0];
            match &last.arguments {
                PathArguments::None => EXACT.iter().any(|name| last.ident == name),
                PathArguments::AngleBracketed(inner) if last.ident == "Option" => {
                    inner.args.iter().all(|arg| matches!(arg, GenericArgument::Type(ty) if is_exact(ty)))
                }
                PathArguments::AngleBracketed(_) | PathArguments::Parenthesized(_) => false,
            }
        }
        _ => false,
    }
}
