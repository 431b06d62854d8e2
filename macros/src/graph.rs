//! The graph: nodes by id, what each reads, and what is known of each stream.

mod build;
mod generics;
mod names;
mod streams;

pub(crate) use build::build;
pub(crate) use generics::{Names, parameter_ident, parameter_name};
pub(crate) use names::{identifier, module_name, record_name, state_name, text};

use crate::ast::{AggregateField, Args, Duration, JoinBound, Keep, Memory, Op, Param};
use crate::operators::{Effect, JoinKind};
use crate::tables::region::Region;
use proc_macro2::{Ident, Span};
use std::collections::HashSet;
use syn::spanned::Spanned;
use syn::visit::Visit;
use syn::{Attribute, Generics, Type, Visibility};

/// A node, by its place in [`Graph::nodes`].
pub(crate) type Id = usize;

pub(crate) struct Graph {
    pub(crate) docs: Vec<Attribute>,
    pub(crate) vis: Visibility,
    pub(crate) name: Ident,
    pub(crate) generics: Generics,
    /// The words of its items.
    pub(crate) said: HashSet<String>,
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
    /// Its tables and views.
    pub(crate) region: Region,
}

pub(crate) struct Node {
    pub(crate) name: Ident,
    pub(crate) docs: Vec<Attribute>,
    /// The names it had before.
    pub(crate) formerly: Vec<Ident>,
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
    /// The table that it leads into, in place of a port.
    pub(crate) into: Option<usize>,
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
    /// The type as a user could write it beside the flow, whose module that is.
    fn spelled(&self, module: &Ident, graph: &Graph) -> Type {
        match self {
            KnownType::Written(ty) => ty.clone(),
            KnownType::Record(name) => {
                let arguments = graph.arguments(&graph.parameters_of_record(name));
                if arguments.is_empty() {
                    return syn::parse_quote!(#module::#name);
                }
                syn::parse_quote!(#module::#name<#(#arguments),*>)
            }
            KnownType::Late(record) => {
                let record = record.spelled(module, graph);
                syn::parse_quote!(__psdf::record::Late<#record>)
            }
            KnownType::Joined(joined) => {
                let (left, right) = (joined.left.spelled(module, graph), joined.right.spelled(module, graph));
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

    /// How much of its state may be in memory.
    pub(crate) fn memory(&self) -> Option<&Memory> {
        let own = self.ops()[self.core()?].memory.as_ref();
        own.or_else(|| self.window()?.memory.as_ref())
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

impl Graph {
    /// The fields of every `aggregate`, on streams and on tables.
    pub(crate) fn aggregates(&self) -> impl Iterator<Item = &[AggregateField]> {
        let of_streams = self.nodes.iter().flat_map(Node::ops).filter_map(|op| match &op.args {
            Args::Aggregate(fields) => Some(&fields[..]),
            _ => None,
        });
        of_streams.chain(self.region.aggregates().map(|(_, fields)| fields))
    }
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

/// What bounds the state of a node: the duration of a window or of `keep`, and its budget, as they were written.
pub(crate) fn bound(graph: &Graph, id: Id) -> Option<String> {
    let memory = graph.node(id).memory().map(|memory| format!("memory {}", memory.written));
    match (bound_in_time(graph, id), memory) {
        (Some(time), Some(memory)) => Some(format!("{time}, {memory}")),
        (time, memory) => time.or(memory),
    }
}

fn bound_in_time(graph: &Graph, id: Id) -> Option<String> {
    let node = graph.node(id);
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
    let keep = graph.keeper(id).keep()?;
    let duration = keep.duration.as_ref().map_or("forever", |duration: &Duration| &duration.written);
    Some(format!("{counted}keep {duration}"))
}
