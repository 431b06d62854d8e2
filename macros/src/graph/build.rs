//! From what was written to nodes that know each other. What can be wrong here is names: unknown, defined twice, cyclic.

use super::names::{identifier, snake, text};
use super::{Graph, Id, Node, NodeChain, Origin, Output, Stream, Subflow, SubflowInput, line};
use crate::ast::{Chain, Diversion, Feed, Flow, Input, Item, Source};
use crate::diagnostics::{Code, Diagnostics, did_you_mean, nearest};
use crate::operators::Effect;
use crate::tables::build::{self, Others};
use crate::tables::region::Region;
use proc_macro2::{Group, Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, format_ident};
use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use syn::{Attribute, Type};

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
    let (mut of_tables, mut feeds) = (Vec::new(), Vec::new());
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
            Item::Region(item) => {
                builder.define(item.name(), Named::OfTables);
                of_tables.push(item);
            }
            Item::Feed(feed) => feeds.push(feed),
        }
    }
    let mut outputs = builder.outputs(outputs);
    let is_stream = |name: &str| matches!(builder.names.get(name), Some((Named::Node(_), _)));
    let others = Others { streams: &is_stream, misnamed: &builder.misnamed, unread: &unread };
    let region = build::build(of_tables, &others, errors);
    for feed in feeds {
        outputs.extend(builder.feed(feed, &region));
    }
    for (place, subflow) in declared {
        builder.give(place, subflow.inputs);
    }
    builder.resolve();
    let order = builder.order();
    let known = flow.complete && builder.twice.is_empty() && !super::generics::has_mistakes(&flow.generics);
    let (nodes, subflows, misnamed) = (builder.nodes, builder.subflows, builder.misnamed.into_inner());
    let complete = known
        && misnamed.is_empty()
        && outputs.iter().all(|output| output.node.is_some())
        && region.is_complete();
    let mut graph = Graph {
        docs: flow.docs,
        vis: flow.vis,
        name: flow.name,
        generics: flow.generics,
        said: flow.said,
        params,
        nodes,
        outputs,
        subflows,
        order,
        unread,
        complete,
        unread_names: flow.unread_names,
        misnamed,
        region,
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
    /// A table, a view, or what is between them.
    OfTables,
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
            formerly: Vec::new(),
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
        let id = self.chain(name, node.docs, node.ty, node.chain);
        self.nodes[id].formerly = node.formerly;
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
            let node = output.chain.map(|chain| {
                let id = self.chain(output.name.clone(), output.docs, output.ty.clone(), chain);
                self.nodes[id].formerly = output.formerly;
                id
            });
            if node.is_none() {
                to_find.push(result.len());
            }
            result.push(Output { name: output.name, ty: output.ty, node, into: None });
        }
        for place in to_find {
            let name = result[place].name.clone();
            result[place].node = self.find(&name);
        }
        result
    }

    /// What leads a stream into a table: a node, and a port that nobody sees.
    fn feed(&mut self, feed: Feed, region: &Region) -> Option<Output> {
        let Some(table) = region.tables.iter().position(|table| text(&table.name) == text(&feed.table))
        else {
            self.misnamed.borrow_mut().push(None);
            let name = &feed.table;
            let near = did_you_mean(
                &name.to_string(),
                region
                    .tables
                    .iter()
                    .map(|table| text(&table.name))
                    .collect::<Vec<_>>()
                    .iter()
                    .map(String::as_str),
            );
            if !self.unread.contains(&text(name)) {
                self.errors.error(Code::UnknownName, name, format!("there is no table `{name}`{near}"));
            }
            return None;
        };
        let into = &region.tables[table];
        let names = std::iter::once(format!("into_{}", text(&into.name)));
        let mut names = names.chain((2..).map(|number| format!("into_{}_{number}", text(&into.name))));
        let name = names.find(|name| !self.names.contains_key(name))?;
        let name = identifier(&name, feed.table.span());
        let node = self.chain(name.clone(), Vec::new(), None, feed.chain);
        // What does not fit is blamed here, and not where the table is declared.
        let ty = syn::parse2(spanned(into.ty.to_token_stream(), feed.table.span())).ok()?;
        Some(Output { name, ty: Some(ty), node: Some(node), into: Some(table) })
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
            Some((Named::OfTables, _)) => {
                self.misnamed.borrow_mut().push(None);
                let message = format!(
                    "`{name}` is made of tables, and this is for streams: what is in tables is read by key, through a `view`"
                );
                self.errors.error(Code::TablesAndStreams, name, message);
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
                Some(Named::Node(_) | Named::Param | Named::OfTables) => {
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
        self.nodes.push(Node {
            name,
            docs: Vec::new(),
            formerly: Vec::new(),
            ty: None,
            origin,
            readers: Vec::new(),
            looked_up_by: Vec::new(),
            stream: Stream::default(),
        });
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

/// Tokens as if they stood elsewhere.
fn spanned(tokens: TokenStream, span: Span) -> TokenStream {
    let moved = tokens.into_iter().map(|mut tree| {
        if let TokenTree::Group(group) = &tree {
            tree = Group::new(group.delimiter(), spanned(group.stream(), span)).into();
        }
        tree.set_span(span);
        tree
    });
    moved.collect()
}

#[derive(Clone, Copy)]
enum Seen {
    Not,
    OnPath,
    Whole,
}
