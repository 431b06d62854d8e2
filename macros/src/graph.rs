//! The graph: nodes by id, what each reads, and what is known of each stream.
//!
//! Errors of building it are errors of names: unknown, defined twice, cyclic.

use crate::ast::{
    Args, Chain, Diversion, Duration, Flow, Input, Item, JoinBound, Keep, KeyField, Op, Param, Source,
};
use crate::diagnostics::{Code, Diagnostics, did_you_mean, nearest};
use crate::operators::{Effect, JoinKind, Syntax};
use proc_macro2::{Ident, Span};
use quote::format_ident;
use std::cell::{Cell, RefCell};
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
    /// The flows that stand in this one.
    pub(crate) subflows: Vec<Subflow>,
    /// The nodes, each after those it reads. Those on a cycle are not in it.
    pub(crate) order: Vec<Id>,
    /// The words in items that could not be read: a name that seems unknown or unused may be there.
    pub(crate) unread: HashSet<String>,
    /// Whether every item was read, and every name found.
    pub(crate) complete: bool,
    /// The names of nodes that could not be read.
    pub(crate) unread_names: Vec<Ident>,
    /// Names that do not lead to a stream, with what was meant if that can be told.
    pub(crate) misnamed: Vec<Option<String>>,
}

pub(crate) struct Node {
    pub(crate) name: Ident,
    pub(crate) docs: Vec<Attribute>,
    /// The type the user wrote for its records.
    pub(crate) ty: Option<Type>,
    pub(crate) origin: Origin,
    /// What reads it, in the order of declaration.
    pub(crate) readers: Vec<Reader>,
    /// The lookups that read what its `latest` takes: they need every version with its time, and not the latest alone.
    pub(crate) looked_up_by: Vec<Id>,
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
    /// An output of a flow that stands in this one.
    Flow {
        of: usize,
        output: Ident,
        /// What that flow reads.
        reads: Vec<Id>,
    },
}

/// A flow that stands in another.
pub(crate) struct Subflow {
    pub(crate) name: Ident,
    pub(crate) flow: syn::Path,
    /// The flow with its params, where they are written.
    pub(crate) value: Option<syn::Expr>,
    /// What its inputs are given, and where that is written.
    pub(crate) inputs: Vec<SubflowInput>,
}

pub(crate) struct SubflowInput {
    pub(crate) name: Ident,
    pub(crate) node: Id,
    pub(crate) named: Span,
}

pub(crate) struct NodeChain {
    pub(crate) source: Vec<Id>,
    /// Where each of them is named.
    pub(crate) named: Vec<Span>,
    /// How many of them, the last ones, are what its joins name.
    pub(crate) joined: usize,
    /// Where `merge` stands, and how many names it was given.
    pub(crate) merge: Option<(Span, usize)>,
    pub(crate) ops: Vec<Op>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reader {
    /// The chain of that node.
    Node(Id),
    /// The join of that node, which names it.
    Joined(Id),
    /// That output.
    Output(usize),
    /// An input of a flow that stands in this one.
    Subflow { of: usize, input: usize },
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
    /// Its records have no time here, and yet come with a watermark: an output of another flow.
    pub(crate) watermarked: bool,
    pub(crate) ty: Option<KnownType>,
    /// How its records follow one another depends on how long a `map_async` took: the node that it is of.
    pub(crate) unordered: Option<Ident>,
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
    /// What a join makes.
    Joined(Box<JoinedType>),
}

/// The types of a join's two sides, and what it makes of them.
#[derive(Clone)]
pub(crate) struct JoinedType {
    pub(crate) left: KnownType,
    pub(crate) right: KnownType,
    pub(crate) kind: JoinKind,
    pub(crate) windowed: bool,
}

impl NodeChain {
    /// The nodes that it begins with.
    pub(crate) fn begins_with(&self) -> &[Id] {
        &self.source[..self.source.len().saturating_sub(self.joined)]
    }

    /// The node that its join names, and where.
    pub(crate) fn joins(&self) -> Option<(Id, Span)> {
        let first = self.source.len().checked_sub(self.joined)?;
        Some((*self.source.get(first)?, *self.named.get(first)?))
    }
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
            KnownType::Joined(joined) => {
                let (left, right) = (joined.left.spelled(module), joined.right.spelled(module));
                let option = |ty: &Type| -> Type { syn::parse_quote!(::core::option::Option<#ty>) };
                let (left, right) = match joined.kind {
                    JoinKind::Inner => (left, right),
                    JoinKind::Left | JoinKind::Lookup => (left, option(&right)),
                    JoinKind::Full => (option(&left), option(&right)),
                };
                if joined.windowed {
                    syn::parse_quote!((__psdf::time::Window, #left, #right))
                } else {
                    syn::parse_quote!((#left, #right))
                }
            }
        }
    }
}

impl Node {
    pub(crate) fn ops(&self) -> &[Op] {
        match &self.origin {
            Origin::Chain(chain) => &chain.ops,
            Origin::Input | Origin::Else { .. } | Origin::Arm { .. } | Origin::Flow { .. } => &[],
        }
    }

    /// The nodes it reads.
    pub(crate) fn sources(&self) -> &[Id] {
        match &self.origin {
            Origin::Input => &[],
            Origin::Chain(chain) => &chain.source,
            Origin::Else { of, .. } | Origin::Arm { of } => std::slice::from_ref(of),
            Origin::Flow { reads, .. } => reads,
        }
    }

    /// The node that its join names, and where.
    pub(crate) fn joins(&self) -> Option<(Id, Span)> {
        let Origin::Chain(chain) = &self.origin else { return None };
        chain.joins()
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

    /// Its name as it is shown and counted.
    pub(crate) fn shown(&self, graph: &Graph) -> String {
        match &self.origin {
            Origin::Flow { of, output, .. } => {
                format!("{}.{}", text(&graph.subflows[*of].name), text(output))
            }
            Origin::Input | Origin::Chain(_) | Origin::Else { .. } | Origin::Arm { .. } => text(&self.name),
        }
    }

    /// The name of the record generated for it.
    pub(crate) fn record_name(&self) -> Ident {
        record_name(&self.name)
    }

    /// The name of the state struct generated for it.
    pub(crate) fn state_name(&self) -> Ident {
        state_name(&self.name)
    }
}

pub(crate) fn record_name(node: &Ident) -> Ident {
    identifier(&pascal(&text(node)), node.span())
}

pub(crate) fn state_name(node: &Ident) -> Ident {
    identifier(&format!("{}State", pascal(&text(node))), node.span())
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
pub(crate) fn identifier(text: &str, span: Span) -> Ident {
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
    let mut builder = Builder {
        errors,
        names: HashMap::new(),
        nodes: Vec::new(),
        chains: Vec::new(),
        subflows: Vec::new(),
        unread: &unread,
        twice: HashSet::new(),
        nameless: Cell::new(flow.nameless),
        misnamed: RefCell::default(),
    };
    let (mut params, mut outputs, mut declared) = (Vec::new(), Vec::new(), Vec::new());
    for item in flow.items {
        match item {
            Item::Param(param) => {
                builder.define(&param.name, Named::Param);
                params.push(param);
            }
            Item::Input(input) => builder.input(input),
            Item::Node(node) => builder.node(node),
            Item::Subflow(subflow) => declared.push((builder.declare(&subflow), subflow)),
            Item::Output(output) => outputs.push(output),
        }
    }
    let outputs = builder.outputs(outputs);
    for (place, subflow) in declared {
        builder.give(place, subflow.inputs);
    }
    builder.resolve();
    let order = builder.order();
    let known = flow.complete && builder.twice.is_empty();
    let (nodes, subflows, misnamed) = (builder.nodes, builder.subflows, builder.misnamed.into_inner());
    let complete = known && misnamed.is_empty() && outputs.iter().all(|output| output.node.is_some());
    let mut graph = Graph {
        docs: flow.docs,
        vis: flow.vis,
        name: flow.name,
        params,
        nodes,
        outputs,
        subflows,
        order,
        unread,
        complete,
        unread_names: flow.unread_names,
        misnamed,
    };
    graph.add_readers();
    graph.add_streams();
    graph.spell_tops();
    graph
}

struct Builder<'a> {
    errors: &'a Diagnostics,
    /// What each name stands for.
    names: HashMap<String, (Named, Ident)>,
    nodes: Vec<Node>,
    /// The chains whose sources are not looked up yet: all names must be known first.
    chains: Vec<(Id, Chain)>,
    subflows: Vec<Subflow>,
    unread: &'a HashSet<String>,
    /// The names that are defined twice.
    twice: HashSet<String>,
    /// Whether some node's name is not known, so that a name that is not found may be that one's.
    nameless: Cell<bool>,
    /// Names that do not lead to a stream.
    misnamed: RefCell<Vec<Option<String>>>,
}

/// What a name stands for.
#[derive(Clone, Copy)]
enum Named {
    Node(Id),
    Param,
    /// A flow, by its place in [`Graph::subflows`].
    Flow(usize),
}

impl Builder<'_> {
    fn define(&mut self, name: &Ident, named: Named) {
        if let Some((_, first)) = self.names.get(&text(name)) {
            let message = format!(
                "`{name}` is defined twice, first on line {}; every name is one node, so give this one another name",
                line(first)
            );
            self.errors.error(Code::DefinedTwice, name, message);
            // Perhaps it was meant to have the name of something that will now be missed.
            self.twice.insert(name.to_string());
            self.nameless.set(true);
            return;
        }
        self.names.insert(text(name), (named, name.clone()));
    }

    fn add(&mut self, name: Ident, docs: Vec<Attribute>, ty: Option<Type>, origin: Origin) -> Id {
        let id = self.nodes.len();
        self.define(&name, Named::Node(id));
        self.nodes.push(Node {
            name,
            docs,
            ty,
            origin,
            readers: Vec::new(),
            looked_up_by: Vec::new(),
            stream: Stream::default(),
        });
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
                let at = node.chain.source.first().map_or_else(Span::call_site, Source::span);
                let message = "this chain has no name; write `name = ..`, or `output name = ..`";
                self.errors.error_at(Code::Syntax, at, message);
                self.nameless.set(true);
                let meant = node.chain.source.iter().map(|source| match source {
                    Source::Node(name) => Some(name.to_string()),
                    Source::Output { .. } | Source::Flow { .. } => None,
                });
                self.misnamed.borrow_mut().extend(meant);
                return;
            }
        };
        self.chain(name, node.docs, node.ty, node.chain);
    }

    fn chain(&mut self, name: Ident, docs: Vec<Attribute>, ty: Option<Type>, chain: Chain) -> Id {
        let merge = chain.merge.map(|at| (at, chain.source.len()));
        let origin = NodeChain { source: Vec::new(), named: Vec::new(), joined: 0, merge, ops: Vec::new() };
        let id = self.add(name, docs, ty, Origin::Chain(origin));
        for op in &chain.operators {
            if let Some(diverted) = &op.diverted
                && let Diversion::Node { name, ty } = &diverted.to
            {
                let late = !matches!(op.row.effect, Effect::Try | Effect::Call | Effect::Route);
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
            Some((Named::Node(id), _)) => Some(*id),
            Some((Named::Flow(_), _)) => {
                self.misnamed.borrow_mut().push(Some(text(name)));
                let message =
                    format!("`{name}` is a flow with outputs of its own: read one of them, `{name}.output`");
                self.errors.error(Code::NotAStream, name, message);
                None
            }
            Some((Named::Param, _)) if self.twice.contains(&name.to_string()) => None,
            Some((Named::Param, _)) => {
                self.misnamed.borrow_mut().push(None);
                let message = format!("`{name}` is a param, not a stream: closures read it by its name");
                self.errors.error(Code::NotAStream, name, message);
                None
            }
            // The item that could not be read may have defined it.
            None if self.unread.contains(&text(name)) => None,
            None => {
                let nodes = self.names.values().filter(|(named, _)| !matches!(named, Named::Param));
                let known: Vec<String> = nodes.map(|(_, name)| name.to_string()).collect();
                let meant = nearest(&name.to_string(), known.iter().map(String::as_str)).map(str::to_string);
                self.misnamed.borrow_mut().push(meant.clone());
                if meant.is_none() && self.nameless.get() {
                    return None;
                }
                let near = did_you_mean(&name.to_string(), meant.as_deref());
                self.errors.error(Code::UnknownName, name, format!("there is no node `{name}`{near}"));
                None
            }
        }
    }

    fn resolve(&mut self) {
        for (id, chain) in std::mem::take(&mut self.chains) {
            let mut found = Vec::new();
            for source in chain.source {
                let span = source.span();
                found.extend(self.source(source).map(|id| (id, span)));
            }
            let (source, named): (Vec<Id>, Vec<Span>) = found.into_iter().unzip();
            let joins = chain.operators.iter().filter_map(|op| match &op.args {
                crate::ast::Args::Join(join) => Some((self.find(&join.other)?, join.other.span())),
                _ => None,
            });
            let joins: Vec<(Id, Span)> = joins.collect();
            if let Origin::Chain(origin) = &mut self.nodes[id].origin {
                (origin.source, origin.named) = (source, named);
                origin.joined = joins.len();
                joins.into_iter().for_each(|(other, at)| {
                    origin.source.push(other);
                    origin.named.push(at);
                });
                origin.ops = chain.operators;
            }
        }
    }

    /// The node that a chain begins with, or an input of another flow is given.
    fn source(&mut self, source: Source) -> Option<Id> {
        match source {
            Source::Node(name) => self.find(&name),
            Source::Output { flow, output } => match self.names.get(&text(&flow)).map(|(named, _)| *named) {
                Some(Named::Flow(place)) => Some(self.output_of(place, output)),
                Some(Named::Node(_) | Named::Param) => {
                    self.misnamed.borrow_mut().push(Some(text(&flow)));
                    let message =
                        format!("`{flow}` is no flow, so it has no outputs; only `name = Flow(..);` has");
                    self.errors.error(Code::NotAStream, &flow, message);
                    None
                }
                None => self.find(&flow),
            },
            Source::Flow { flow, output } => {
                let place = self.declare(&flow);
                self.give(place, flow.inputs);
                Some(self.output_of(place, output))
            }
        }
    }

    /// Notes a flow that stands in this one. One without a name gets its own, in small letters.
    fn declare(&mut self, subflow: &crate::ast::Subflow) -> usize {
        let place = self.subflows.len();
        let name = match &subflow.name {
            Some(name) => name.clone(),
            None => self.free_name(&subflow.flow),
        };
        self.define(&name, Named::Flow(place));
        let (flow, value) = (subflow.flow.clone(), subflow.value.clone());
        self.subflows.push(Subflow { name, flow, value, inputs: Vec::new() });
        place
    }

    fn free_name(&self, flow: &syn::Path) -> Ident {
        let last = flow.segments.last().map(|segment| segment.ident.clone());
        let last = last.unwrap_or_else(|| Ident::new("Flow", Span::call_site()));
        let name = snake(&text(&last));
        let others = (2..).map(|number| format!("{name}_{number}"));
        let free = std::iter::once(name.clone()).chain(others).find(|name| !self.names.contains_key(name));
        identifier(&free.unwrap_or(name), last.span())
    }

    /// Finds what the inputs of a flow are given.
    fn give(&mut self, place: usize, inputs: Vec<(Ident, Source)>) {
        for (name, source) in inputs {
            let named = source.span();
            if let Some(node) = self.source(source) {
                self.subflows[place].inputs.push(SubflowInput { name, node, named });
            }
        }
        let given: Vec<Id> = self.subflows[place].inputs.iter().map(|input| input.node).collect();
        for node in &mut self.nodes {
            if let Origin::Flow { of, reads, .. } = &mut node.origin
                && *of == place
            {
                reads.clone_from(&given);
            }
        }
    }

    /// The node of an output of a flow that stands in this one: there is one for all who read it.
    fn output_of(&mut self, place: usize, wanted: Ident) -> Id {
        let is_it = |node: &Node| matches!(&node.origin, Origin::Flow { of, output, .. } if *of == place && *output == wanted);
        if let Some(known) = self.nodes.iter().position(is_it) {
            return known;
        }
        let reads = self.subflows[place].inputs.iter().map(|input| input.node).collect();
        let name = format_ident!("{}_{wanted}", self.subflows[place].name, span = wanted.span());
        let origin = Origin::Flow { of: place, output: wanted, reads };
        let (docs, readers, looked_up_by, stream) = (Vec::new(), Vec::new(), Vec::new(), Stream::default());
        self.nodes.push(Node { name, docs, ty: None, origin, readers, looked_up_by, stream });
        self.nodes.len() - 1
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
                self.misnamed.borrow_mut().push(None);
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

    fn add_streams(&mut self) {
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
        (_, crate::ast::Args::Key(fields)) => Stream { key: Some(key(fields)), ..before },
        (Effect::Aggregate, _) => {
            // The results of a window come with the watermark, whatever order its records came in.
            let unordered = before.unordered.filter(|_| node.window().is_none());
            Stream { key: None, ty: Some(record()), unordered, watermarked: false, ..before }
        }
        (_, crate::ast::Args::Stateful(stateful)) => {
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
    let unordered = matches!(&op.args, crate::ast::Args::MapAsync(call) if call.is_unordered());
    before.unordered.clone().or_else(|| unordered.then(|| node.name.clone()))
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
    let core = &node.ops()[node.core()?];
    if let crate::ast::Args::Join(join) = &core.args
        && let Some(bound) = &join.bound
    {
        return Some(match bound {
            JoinBound::Within(d) => format!("within {}", d.written),
            JoinBound::Until(f) => format!("until {}", crate::emit::written(f)),
        });
    }
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
