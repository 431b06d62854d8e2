//! What is known of each stream without asking rustc: its key, whether it has time, its type.

use super::{
    Graph, Id, JoinedType, KnownType, Node, NodeChain, Origin, Reader, Stream, is_partly_inferred,
    module_name,
};
use crate::ast::{Args, Diversion, KeyField, Op};
use crate::operators::{Effect, JoinKind, Syntax};
use proc_macro2::Ident;
use syn::Type;

impl Graph {
    pub(super) fn add_readers(&mut self) {
        for id in 0..self.nodes.len() {
            if let Origin::Chain(chain) = &self.nodes[id].origin {
                let joined: Vec<Id> = chain.source[chain.begins_with().len()..].to_vec();
                for source in chain.begins_with().to_vec() {
                    self.nodes[source].readers.push(Reader::Node(id));
                }
                for other in joined {
                    match self.latest_looked_up(id) {
                        Some(_) => self.nodes[other].looked_up_by.push(id),
                        None => self.nodes[other].readers.push(Reader::Joined(id)),
                    }
                }
            }
        }
        for (place, output) in self.outputs.iter().enumerate() {
            if let Some(node) = output.node {
                self.nodes[node].readers.push(Reader::Output(place));
            }
        }
        for (of, subflow) in self.subflows.iter().enumerate() {
            for (input, given) in subflow.inputs.iter().enumerate() {
                self.nodes[given.node].readers.push(Reader::Subflow { of, input });
            }
        }
    }

    pub(super) fn add_streams(&mut self) {
        for id in 0..self.nodes.len() {
            // A node on a circle is read before its own turn: until then nothing is known of it.
            self.nodes[id].stream.unknown = true;
        }
        for id in self.order.clone() {
            let mut stream = match &self.nodes[id].origin {
                Origin::Input => Stream::default(),
                Origin::Flow { .. } => Stream { watermarked: true, ..Stream::default() },
                Origin::Chain(chain) => self.chain_stream(id, chain),
                Origin::Else { of, late } => self.diverted_stream(id, *of, *late),
                Origin::Arm { of } => self.before(*of, self.nodes[*of].ops().len().saturating_sub(1)),
            };
            if let Some(ty) = self.nodes[id].ty.as_ref().filter(|ty| !is_partly_inferred(ty)) {
                stream.ty = Some(KnownType::Written(ty.clone()));
            }
            self.nodes[id].stream = stream;
        }
    }

    /// Writes the type of what each `top` lists, where the macro knows it. It stands where `top` does.
    pub(super) fn spell_tops(&mut self) {
        let module = module_name(&self.name);
        for id in 0..self.nodes.len() {
            let Some(core) = self.nodes[id].core() else { continue };
            let known = self.before(id, core).ty;
            let record = known.map(|known| known.spelled(&module, self));
            let Origin::Chain(chain) = &mut self.nodes[id].origin else { continue };
            let op = &mut chain.ops[core];
            if let (Syntax::Top, Args::Aggregate(fields), Some(record)) =
                (op.row.syntax, &mut op.args, record)
            {
                fields[0].ty = syn::parse_quote_spanned!(op.name.span()=> Vec<#record>);
            }
        }
    }

    /// What `else` gives: late records keep their type, failures have one of their own.
    fn diverted_stream(&self, id: Id, of: Id, late: bool) -> Stream {
        let ops = self.nodes[of].ops();
        let diverts = |op: &Op| {
            matches!(op.diverted.as_ref().map(|diverted| &diverted.to),
            Some(Diversion::Node { name, .. }) if *name == self.node(id).name)
        };
        let place = ops.iter().position(diverts).unwrap_or(0);
        let before = self.before(of, place);
        let unordered = ops
            .get(place)
            .map_or_else(|| before.unordered.clone(), |op| unordered_after(self.node(of), op, &before));
        let routed = ops.get(place).is_some_and(|op| op.row.effect == Effect::Route);
        let ty = match before.ty {
            Some(ty) if late => Some(KnownType::Late(Box::new(ty))),
            ty if routed => ty,
            _ => None,
        };
        let (key, unknown) = (None, before.unknown);
        Stream { key, timed: before.timed, watermarked: false, ty, unordered, unknown }
    }

    fn chain_stream(&self, id: Id, chain: &NodeChain) -> Stream {
        self.before(id, chain.ops.len())
    }

    /// The stream in a node's chain before the operator at that place.
    pub(crate) fn before(&self, id: Id, place: usize) -> Stream {
        let node = &self.nodes[id];
        let Origin::Chain(chain) = &node.origin else { return node.stream.clone() };
        let mut stream = self.source_stream(chain);
        for op in &chain.ops[..place.min(chain.ops.len())] {
            stream = match (op.row.effect, chain.joins()) {
                (Effect::Join(kind), Some((other, _))) => {
                    let right = self.joined_stream(id).unwrap_or_else(|| self.nodes[other].stream.clone());
                    joined(kind, node.window().is_some(), stream, &right)
                }
                _ => after(node, op, stream),
            };
        }
        stream
    }

    /// The node whose current values a `lookup` looks up, where they are those of a `latest`, and the place of that.
    pub(crate) fn latest_looked_up(&self, id: Id) -> Option<(Id, usize)> {
        let node = &self.nodes[id];
        if node.ops()[node.core()?].row.effect != Effect::Join(JoinKind::Lookup) {
            return None;
        }
        let (other, _) = node.joins()?;
        let ops = self.nodes[other].ops();
        let place = ops.len().checked_sub(1).filter(|&last| ops[last].row.effect == Effect::Latest)?;
        Some((other, place))
    }

    /// The node whose `keep` bounds the state of this one: itself, or the `latest` that a `lookup` without its own looks up.
    pub(crate) fn keeper(&self, id: Id) -> &Node {
        let node = &self.nodes[id];
        let latest = self.latest_looked_up(id).filter(|_| node.keep().is_none());
        latest.map_or(node, |(latest, _)| &self.nodes[latest])
    }

    /// The stream that the join of a node names.
    pub(crate) fn joined_stream(&self, id: Id) -> Option<Stream> {
        match self.latest_looked_up(id) {
            Some((other, place)) => Some(self.before(other, place)),
            None => self.nodes[id].joins().map(|(other, _)| self.nodes[other].stream.clone()),
        }
    }

    fn source_stream(&self, chain: &NodeChain) -> Stream {
        let sources = chain.begins_with().iter().map(|&source| &self.nodes[source].stream);
        if chain.merge.is_none() {
            return sources.clone().next().cloned().unwrap_or(Stream { unknown: true, ..Stream::default() });
        }
        Stream {
            unknown: chain.begins_with().is_empty() || sources.clone().any(|stream| stream.unknown),
            key: None,
            timed: !chain.begins_with().is_empty() && sources.clone().all(|stream| stream.timed),
            watermarked: sources.clone().any(|stream| stream.watermarked)
                && sources.clone().all(|stream| stream.timed || stream.watermarked),
            ty: sources.clone().find_map(|stream| stream.ty.clone()),
            unordered: sources.clone().find_map(|stream| stream.unordered.clone()),
        }
    }

    /// Whether the results of a node say of which window they are.
    pub(crate) fn has_window(&self, id: Id) -> bool {
        let node = &self.nodes[id];
        node.is_bounded_by_window()
            || node.window().is_some() && node.core().is_some_and(|core| self.before(id, core).timed)
    }

    /// The node of a reader, and the place in its chain from which it goes on.
    pub(crate) fn node(&self, id: Id) -> &Node {
        &self.nodes[id]
    }
}

fn after(node: &Node, op: &Op, before: Stream) -> Stream {
    let effect = op.row.effect;
    let record = || KnownType::Record(node.record_name());
    match (effect, &op.args) {
        // What the wall clock gathers has no event time any more.
        (_, Args::Window { by_wall_clock: Some(_), .. }) => Stream { timed: false, ..before },
        (Effect::SetTime, _) => Stream { timed: true, ..before },
        (Effect::Call, _) => {
            let unordered = unordered_after(node, op, &before);
            Stream { key: None, ty: None, unordered, ..before }
        }
        (_, Args::Key(fields)) => Stream { key: Some(key(fields)), ..before },
        (Effect::Aggregate, _) => {
            // The results of a window come with the watermark, whatever order its records came in.
            let unordered = before.unordered.filter(|_| node.window().is_none());
            Stream { key: None, ty: Some(record()), unordered, watermarked: false, ..before }
        }
        (_, Args::Stateful(stateful)) => {
            let ty = Some(KnownType::Written(stateful.out.clone()));
            Stream { key: None, ty, watermarked: false, ..before }
        }
        (Effect::Dedup | Effect::Latest, _) => Stream { key: None, ..before },
        (Effect::Route, _) => before,
        _ if effect.keeps_type() => before,
        _ => Stream { ty: None, ..before },
    }
}

/// The stream of a join: it has time where both sides have.
fn joined(kind: JoinKind, windowed: bool, left: Stream, right: &Stream) -> Stream {
    let types = left.ty.zip(right.ty.clone());
    let ty =
        types.map(|(left, right)| KnownType::Joined(Box::new(JoinedType { left, right, kind, windowed })));
    let unknown = left.unknown || right.unknown;
    let unordered = left.unordered.or_else(|| right.unordered.clone());
    Stream { key: None, timed: left.timed && right.timed, watermarked: false, ty, unordered, unknown }
}

/// The node whose `map_async` leaves the records after an operator in no order that can be told.
fn unordered_after(node: &Node, op: &Op, before: &Stream) -> Option<Ident> {
    let unordered = matches!(&op.args, Args::MapAsync(call) if call.is_unordered());
    before.unordered.clone().or_else(|| unordered.then(|| node.name.clone()))
}

fn key(fields: &[KeyField]) -> Vec<(Ident, Type)> {
    fields.iter().map(|field| (field.name.clone(), field.ty.clone())).collect()
}
