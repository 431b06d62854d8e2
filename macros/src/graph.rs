//! The graph: nodes by id, what each reads, and what is known of each stream.
//!
//! Errors of building it are errors of names: unknown, defined twice, cyclic.

use crate::ast::{Args, Chain, Diversion, Duration, Flow, Input, Item, Keep, KeyField, Op, Param};
use crate::diagnostics::{Code, Diagnostics, did_you_mean};
use crate::operators::{Effect, Syntax};
use proc_macro2::{Ident, Span};
use quote::format_ident;
use std::collections::{HashMap, HashSet};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::visit::Visit;
use syn::{Attribute, Type, Visibility};

/// A node, by its place in [`Graph::nodes`].
pub(crate) type Id = usize;

pub(crate) struct Graph {
    pub(crate) docs: Vec<Attribute>,
    pub(crate) vis: Visibility,
    pub(crate) name: Ident,
    pub(crate) params: Vec<Param>,
    pub(crate) nodes: Vec<Node>,
    pub(crate) outputs: Vec<Output>,
    /// The nodes, each after those it reads. Those on a cycle are not in it.
    pub(crate) order: Vec<Id>,
    /// The words in items that could not be read: a name that seems unknown or unused may be there.
    pub(crate) unread: HashSet<String>,
}

pub(crate) struct Node {
    pub(crate) name: Ident,
    pub(crate) docs: Vec<Attribute>,
    /// The type the user wrote for its records.
    pub(crate) ty: Option<Type>,
    pub(crate) origin: Origin,
    /// What reads it, in the order of declaration.
    pub(crate) readers: Vec<Reader>,
    pub(crate) stream: Stream,
}

/// Where a node's records come from.
pub(crate) enum Origin {
    Input,
    Chain(NodeChain),
    /// What an operator of another node diverts.
    Else {
        of: Id,
        late: bool,
    },
    /// One of the streams of a `route`.
    Arm {
        of: Id,
    },
}

pub(crate) struct NodeChain {
    pub(crate) source: Vec<Id>,
    /// Where each of them is named.
    pub(crate) named: Vec<Span>,
    /// Where `merge` stands, and how many names it was given.
    pub(crate) merge: Option<(Span, usize)>,
    pub(crate) ops: Vec<Op>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reader {
    /// The chain of that node.
    Node(Id),
    /// That output.
    Output(usize),
}

pub(crate) struct Output {
    pub(crate) name: Ident,
    /// The type the user wrote.
    pub(crate) ty: Option<Type>,
    pub(crate) node: Option<Id>,
}

/// What is known of a stream without asking rustc.
#[derive(Clone, Default)]
pub(crate) struct Stream {
    pub(crate) key: Option<Vec<(Ident, Type)>>,
    pub(crate) timed: bool,
    pub(crate) ty: Option<KnownType>,
    /// It comes from a name that is unknown, or from a circle: nothing more is to be said of it.
    pub(crate) unknown: bool,
}

/// A record type that the macro can write down.
#[derive(Clone)]
pub(crate) enum KnownType {
    Written(Type),
    /// The record generated for that node.
    Record(Ident),
    Late(Box<KnownType>),
}

impl KnownType {
    /// The type as a user could write it beside the flow whose module that is.
    fn spelled(&self, module: &Ident) -> Type {
        match self {
            KnownType::Written(ty) => ty.clone(),
            KnownType::Record(name) => syn::parse_quote!(#module::#name),
            KnownType::Late(record) => {
                let record = record.spelled(module);
                syn::parse_quote!(__psdf::record::Late<#record>)
            }
        }
    }
}

impl Node {
    pub(crate) fn ops(&self) -> &[Op] {
        match &self.origin {
            Origin::Chain(chain) => &chain.ops,
            Origin::Input | Origin::Else { .. } | Origin::Arm { .. } => &[],
        }
    }

    /// The nodes it reads.
    pub(crate) fn sources(&self) -> &[Id] {
        match &self.origin {
            Origin::Input => &[],
            Origin::Chain(chain) => &chain.source,
            Origin::Else { of, .. } | Origin::Arm { of } => std::slice::from_ref(of),
        }
    }

    pub(crate) fn is_merge(&self) -> bool {
        matches!(&self.origin, Origin::Chain(chain) if chain.merge.is_some())
    }

    /// The place of its stateful operator.
    pub(crate) fn core(&self) -> Option<usize> {
        self.ops().iter().position(|op| op.row.effect.is_core())
    }

    /// The window before its stateful operator.
    pub(crate) fn window(&self) -> Option<&Op> {
        let before = self.core()?.checked_sub(1)?;
        Some(&self.ops()[before]).filter(|op| matches!(op.row.effect, Effect::Window(_)))
    }

    /// Whether a window bounds its state: one that is counted out may stay incomplete.
    pub(crate) fn is_bounded_by_window(&self) -> bool {
        self.window().is_some_and(|op| matches!(op.row.effect, Effect::Window(kind) if kind.is_of_time()))
    }

    /// Whether its window goes by the wall clock.
    pub(crate) fn is_by_wall_clock(&self) -> bool {
        let window = self.window().map(|op| &op.args);
        matches!(window, Some(Args::Window { by_wall_clock: Some(_), .. }))
    }

    /// How often its window fires before it ends.
    pub(crate) fn early(&self) -> Option<&Duration> {
        match &self.window()?.args {
            Args::Window { early, .. } => early.as_ref(),
            _ => None,
        }
    }

    /// What `keep` says of its state.
    pub(crate) fn keep(&self) -> Option<&Keep> {
        self.ops()[self.core()?].keep.as_ref()
    }

    /// The name of the record generated for it.
    pub(crate) fn record_name(&self) -> Ident {
        identifier(&pascal(&text(&self.name)), self.name.span())
    }

    /// The name of the state struct generated for it.
    pub(crate) fn state_name(&self) -> Ident {
        identifier(&format!("{}State", pascal(&text(&self.name))), self.name.span())
    }
}

/// A name as it is shown, stored and compared: without the `r#` that makes a name of a keyword.
pub(crate) fn text(name: &Ident) -> String {
    name.unraw().to_string()
}

/// The name of the module of a flow, which is another than that of the flow itself.
pub(crate) fn module_name(flow: &Ident) -> Ident {
    let (flow, span) = (text(flow), flow.span());
    let module = snake(&flow);
    if module == flow { identifier(&format!("{module}_"), span) } else { identifier(&module, span) }
}

/// What is nearest to a text and can be a name.
fn identifier(text: &str, span: Span) -> Ident {
    let text = match text.chars().next() {
        Some(first) if !first.is_numeric() => text.to_string(),
        _ => format!("_{text}_"),
    };
    match text.as_str() {
        "self" | "Self" | "super" | "crate" | "_" => Ident::new(&format!("{text}_"), span),
        text if syn::parse_str::<Ident>(text).is_ok() => Ident::new(text, span),
        text => Ident::new_raw(text, span),
    }
}

/// `page_hours` becomes `PageHours`.
fn pascal(name: &str) -> String {
    let mut result = String::new();
    for part in name.split('_') {
        let mut letters = part.chars();
        result.extend(letters.next().into_iter().flat_map(char::to_uppercase));
        result.extend(letters);
    }
    result
}

/// `WebTraffic` becomes `web_traffic`.
fn snake(name: &str) -> String {
    let mut result = String::new();
    let letters: Vec<char> = name.chars().collect();
    for (i, &letter) in letters.iter().enumerate() {
        let begins = letter.is_uppercase()
            && i > 0
            && (!letters[i - 1].is_uppercase() || letters.get(i + 1).is_some_and(|next| next.is_lowercase()))
            && letters[i - 1] != '_';
        if begins {
            result.push('_');
        }
        result.extend(letter.to_lowercase());
    }
    result
}

pub(crate) fn build(flow: Flow, errors: &Diagnostics) -> Graph {
    let unread = flow.unread;
    let mut builder =
        Builder { errors, names: HashMap::new(), nodes: Vec::new(), chains: Vec::new(), unread: &unread };
    let (mut params, mut outputs) = (Vec::new(), Vec::new());
    for item in flow.items {
        match item {
            Item::Param(param) => {
                builder.define(&param.name, None);
                params.push(param);
            }
            Item::Input(input) => builder.input(input),
            Item::Node(node) => builder.node(node),
            Item::Output(output) => outputs.push(output),
        }
    }
    let outputs = builder.outputs(outputs);
    builder.resolve();
    let order = builder.order();
    let nodes = builder.nodes;
    let mut graph =
        Graph { docs: flow.docs, vis: flow.vis, name: flow.name, params, nodes, outputs, order, unread };
    graph.add_readers();
    graph.add_streams();
    graph.spell_tops();
    graph
}

struct Builder<'a> {
    errors: &'a Diagnostics,
    /// What each name stands for: a node, or (`None`) a param.
    names: HashMap<String, (Option<Id>, Ident)>,
    nodes: Vec<Node>,
    /// The chains whose sources are not looked up yet: all names must be known first.
    chains: Vec<(Id, Chain)>,
    unread: &'a HashSet<String>,
}

impl Builder<'_> {
    fn define(&mut self, name: &Ident, node: Option<Id>) {
        if let Some((_, first)) = self.names.get(&text(name)) {
            let message = format!(
                "`{name}` is defined twice, first on line {}; every name is one node, so give this one another name",
                line(first)
            );
            self.errors.error(Code::DefinedTwice, name, message);
            return;
        }
        self.names.insert(text(name), (node, name.clone()));
    }

    fn add(&mut self, name: Ident, docs: Vec<Attribute>, ty: Option<Type>, origin: Origin) -> Id {
        let id = self.nodes.len();
        self.define(&name, Some(id));
        self.nodes.push(Node { name, docs, ty, origin, readers: Vec::new(), stream: Stream::default() });
        id
    }

    fn input(&mut self, input: Input) {
        self.add(input.name, input.docs, Some(input.ty), Origin::Input);
    }

    fn node(&mut self, node: crate::ast::Node) {
        let routes = node.chain.operators.iter().find(|op| op.row.effect == Effect::Route);
        let name = match (&node.name, routes) {
            (Some(name), _) => name.clone(),
            // A route without a name: its arms have theirs. It still is a node, to be spoken of.
            (None, Some(route)) => format_ident!("route_{}", self.nodes.len(), span = route.name.span()),
            (None, None) => {
                let at = node.chain.source.first().map_or_else(Span::call_site, Ident::span);
                let message = "this chain has no name; write `name = ..`, or `output name = ..`";
                self.errors.error_at(Code::Syntax, at, message);
                return;
            }
        };
        self.chain(name, node.docs, node.ty, node.chain);
    }

    fn chain(&mut self, name: Ident, docs: Vec<Attribute>, ty: Option<Type>, chain: Chain) -> Id {
        let merge = chain.merge.map(|at| (at, chain.source.len()));
        let origin = NodeChain { source: Vec::new(), named: Vec::new(), merge, ops: Vec::new() };
        let id = self.add(name, docs, ty, Origin::Chain(origin));
        for op in &chain.operators {
            if let Some(diverted) = &op.diverted
                && let Diversion::Node { name, ty } = &diverted.to
            {
                let late = op.row.effect != Effect::Try && op.row.effect != Effect::Route;
                self.add(name.clone(), Vec::new(), ty.clone(), Origin::Else { of: id, late });
            }
            if let crate::ast::Args::Route(arms) = &op.args {
                for arm in arms {
                    self.add(arm.name.clone(), Vec::new(), None, Origin::Arm { of: id });
                }
            }
        }
        self.chains.push((id, chain));
        id
    }

    /// Outputs with a chain of their own are nodes too.
    fn outputs(&mut self, outputs: Vec<crate::ast::Output>) -> Vec<Output> {
        let mut defined: HashMap<String, Span> = HashMap::new();
        let mut result = Vec::new();
        let mut to_find = Vec::new();
        for output in outputs {
            if let Some(first) = defined.insert(text(&output.name), output.name.span()) {
                let line = first.start().line;
                let message = format!("the output `{}` is declared twice, first on line {line}", output.name);
                self.errors.error(Code::DefinedTwice, &output.name, message);
                continue;
            }
            let node = output
                .chain
                .map(|chain| self.chain(output.name.clone(), output.docs, output.ty.clone(), chain));
            if node.is_none() {
                to_find.push(result.len());
            }
            result.push(Output { name: output.name, ty: output.ty, node });
        }
        for place in to_find {
            let name = result[place].name.clone();
            result[place].node = self.find(&name);
        }
        result
    }

    /// The node of that name; reports it if there is none.
    fn find(&self, name: &Ident) -> Option<Id> {
        match self.names.get(&text(name)) {
            Some((Some(id), _)) => Some(*id),
            Some((None, _)) => {
                let message = format!("`{name}` is a param, not a stream: closures read it by its name");
                self.errors.error(Code::NotAStream, name, message);
                None
            }
            // The item that could not be read may have defined it.
            None if self.unread.contains(&text(name)) => None,
            None => {
                let nodes = self.names.values().filter(|(node, _)| node.is_some());
                let known: Vec<String> = nodes.map(|(_, name)| name.to_string()).collect();
                let near = did_you_mean(&name.to_string(), known.iter().map(String::as_str));
                self.errors.error(Code::UnknownName, name, format!("there is no node `{name}`{near}"));
                None
            }
        }
    }

    fn resolve(&mut self) {
        for (id, chain) in std::mem::take(&mut self.chains) {
            let found = chain.source.iter().filter_map(|name| Some((self.find(name)?, name.span())));
            let (source, named) = found.unzip();
            if let Origin::Chain(origin) = &mut self.nodes[id].origin {
                (origin.source, origin.named) = (source, named);
                origin.ops = chain.operators;
            }
        }
    }

    /// The nodes in an order in which each comes after those it reads; reports cycles.
    fn order(&self) -> Vec<Id> {
        let mut order = Vec::new();
        let mut seen = vec![Seen::Not; self.nodes.len()];
        let mut path = Vec::new();
        for id in 0..self.nodes.len() {
            self.visit(id, &mut seen, &mut path, &mut order);
        }
        order
    }

    fn visit(&self, id: Id, seen: &mut [Seen], path: &mut Vec<Id>, order: &mut Vec<Id>) {
        match seen[id] {
            Seen::Whole => {}
            Seen::OnPath => {
                let begin = path.iter().position(|&on| on == id).unwrap_or(0);
                // The path was walked from reader to source: records flow the other way.
                let mut cycle: Vec<_> =
                    path[begin..].iter().rev().map(|&id| self.nodes[id].name.to_string()).collect();
                let last = cycle.last().cloned().unwrap_or_default();
                cycle.insert(0, last);
                let message = format!("these nodes read each other in a circle: {}", cycle.join(" -> "));
                self.errors.error(Code::Cycle, &self.nodes[id].name, message);
            }
            Seen::Not => {
                seen[id] = Seen::OnPath;
                path.push(id);
                for &source in self.nodes[id].sources() {
                    self.visit(source, seen, path, order);
                }
                path.pop();
                seen[id] = Seen::Whole;
                order.push(id);
            }
        }
    }
}

#[derive(Clone, Copy)]
enum Seen {
    Not,
    OnPath,
    Whole,
}

impl Graph {
    fn add_readers(&mut self) {
        for id in 0..self.nodes.len() {
            if let Origin::Chain(chain) = &self.nodes[id].origin {
                for source in chain.source.clone() {
                    self.nodes[source].readers.push(Reader::Node(id));
                }
            }
        }
        for (place, output) in self.outputs.iter().enumerate() {
            if let Some(node) = output.node {
                self.nodes[node].readers.push(Reader::Output(place));
            }
        }
    }

    fn add_streams(&mut self) {
        for id in 0..self.nodes.len() {
            // A node on a circle is read before its own turn: until then nothing is known of it.
            self.nodes[id].stream.unknown = true;
        }
        for id in self.order.clone() {
            let mut stream = match &self.nodes[id].origin {
                Origin::Input => Stream::default(),
                Origin::Chain(chain) => self.chain_stream(id, chain),
                Origin::Else { of, late } => self.diverted_stream(*of, *late),
                Origin::Arm { of } => self.before(*of, self.nodes[*of].ops().len().saturating_sub(1)),
            };
            if let Some(ty) = self.nodes[id].ty.as_ref().filter(|ty| !is_partly_inferred(ty)) {
                stream.ty = Some(KnownType::Written(ty.clone()));
            }
            self.nodes[id].stream = stream;
        }
    }

    /// Writes the type of what each `top` lists, where the macro knows it. It stands where `top` does.
    fn spell_tops(&mut self) {
        let module = module_name(&self.name);
        for id in 0..self.nodes.len() {
            let Some(core) = self.nodes[id].core() else { continue };
            let known = self.before(id, core).ty;
            let Origin::Chain(chain) = &mut self.nodes[id].origin else { continue };
            let op = &mut chain.ops[core];
            if let (Syntax::Top, Args::Aggregate(fields), Some(known)) = (op.row.syntax, &mut op.args, known)
            {
                let record = known.spelled(&module);
                fields[0].ty = syn::parse_quote_spanned!(op.name.span()=> Vec<#record>);
            }
        }
    }

    /// What `else` gives: late records keep their type, failures have one of their own.
    fn diverted_stream(&self, of: Id, late: bool) -> Stream {
        let ops = self.nodes[of].ops();
        let place = ops.iter().position(|op| op.diverted.is_some()).unwrap_or(0);
        let before = self.before(of, place);
        let routed = ops.get(place).is_some_and(|op| op.row.effect == Effect::Route);
        let ty = match before.ty {
            Some(ty) if late => Some(KnownType::Late(Box::new(ty))),
            ty if routed => ty,
            _ => None,
        };
        Stream { key: None, timed: before.timed, ty, unknown: before.unknown }
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
            stream = after(node, op, stream);
        }
        stream
    }

    fn source_stream(&self, chain: &NodeChain) -> Stream {
        let sources = chain.source.iter().map(|&source| &self.nodes[source].stream);
        if chain.merge.is_none() {
            return sources.clone().next().cloned().unwrap_or(Stream { unknown: true, ..Stream::default() });
        }
        Stream {
            unknown: chain.source.is_empty() || sources.clone().any(|stream| stream.unknown),
            key: None,
            timed: !chain.source.is_empty() && sources.clone().all(|stream| stream.timed),
            ty: sources.clone().find_map(|stream| stream.ty.clone()),
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
        (_, crate::ast::Args::Key(fields)) => Stream { key: Some(key(fields)), ..before },
        (Effect::Aggregate, _) => Stream { key: None, ty: Some(record()), ..before },
        (_, crate::ast::Args::Stateful(stateful)) => {
            let ty = Some(KnownType::Written(stateful.out.clone()));
            Stream { key: None, ty, ..before }
        }
        (Effect::Dedup | Effect::Latest, _) => Stream { key: None, ..before },
        (Effect::Route, _) => before,
        _ if effect.keeps_type() => before,
        _ => Stream { ty: None, ..before },
    }
}

fn key(fields: &[KeyField]) -> Vec<(Ident, Type)> {
    fields.iter().map(|field| (field.name.clone(), field.ty.clone())).collect()
}

/// Whether a type leaves something to rustc.
pub(crate) fn is_partly_inferred(ty: &Type) -> bool {
    #[derive(Default)]
    struct Inferred(bool);

    impl<'ast> Visit<'ast> for Inferred {
        fn visit_type_infer(&mut self, _: &'ast syn::TypeInfer) {
            self.0 = true;
        }
    }

    let mut inferred = Inferred::default();
    inferred.visit_type(ty);
    inferred.0
}

/// The line on which something was written.
pub(crate) fn line(at: &impl Spanned) -> usize {
    at.span().start().line
}

/// The duration of a window or of `keep`, as it was written.
pub(crate) fn bound(node: &Node) -> Option<String> {
    let counted = match node.window().map(|op| (op, &op.args)) {
        Some((op, Args::Window { size, every, by_wall_clock, .. })) => {
            let every = every.as_ref().map_or_else(String::new, |every| format!(", every {}", every.written));
            let clock = by_wall_clock.map_or("", |_| ", processing_time");
            return Some(format!("{}({}{every}{clock})", op.row.name, size.written));
        }
        Some((op, Args::CountWindow(size))) => format!("{}({}), ", op.row.name, crate::emit::written(size)),
        _ => String::new(),
    };
    let keep = node.keep()?;
    let duration = keep.duration.as_ref().map_or("forever", |duration: &Duration| &duration.written);
    Some(format!("{counted}keep {duration}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_change_case_as_rust_does() {
        assert_eq!(pascal("page_hours"), "PageHours");
        assert_eq!(snake("WebTraffic"), "web_traffic");
        assert_eq!(snake("HTTPLog"), "http_log");
    }

    #[test]
    fn every_name_leads_to_names() {
        let named = |name: &str| identifier(name, Span::call_site()).to_string();
        assert_eq!([pascal("_"), pascal("__1")], ["", "1"]);
        assert_eq!(
            [named(""), named("1"), named("Self"), named("type"), named("a")],
            ["__", "_1_", "Self_", "r#type", "a"]
        );
    }
}
