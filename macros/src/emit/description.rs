//! `GRAPH`: the flow as a constant, and its listing in the docs.

use super::body::ident;
use super::place::Place;
use super::{Context, written};
use crate::ast::{AggregateField, Args, Budget, StateField};
use crate::graph::{Graph, Node, Origin, bound, line, text};
use crate::lower::{Body, Branch, Head, Outlet, Plan, Step, Target, Time};
use proc_macro2::{Ident, TokenStream};
use quote::quote;

pub(super) fn description(context: &Context<'_>, plan: Option<&Plan>) -> TokenStream {
    let Context { graph, path: rt, .. } = context;
    let flow = text(&graph.name);
    let stage_of = stages_of_nodes(graph, plan);
    let nodes = graph.nodes.iter().enumerate().map(|(id, node)| {
        let name = node.shown(graph);
        let kind = kind(node);
        let operators = operators(graph, node);
        let reads = node.sources();
        let core = node.core();
        let key = core.and_then(|core| graph.before(id, core).key).unwrap_or_default();
        let key = key.iter().map(|(name, ty)| field(rt, &text(name), &written(ty), None));
        let state = super::join::held(context, id).unwrap_or_else(|| state_fields(context, node));
        let formerly = node.formerly.iter().map(text);
        let bound = option(bound(graph, id).map(|bound| quote!(#bound)));
        let memory = option(node.memory().map(|memory| budget(rt, memory.budget)));
        let stage = option(stage_of[id].map(|stage| quote!(#stage)));
        let line = u32::try_from(line(&node.name)).unwrap_or(0);
        quote!(#rt::graph::Node {
            name: #name, formerly: &[#(#formerly),*], kind: #rt::graph::NodeKind::#kind, operators: &[#(#operators),*], reads: &[#(#reads),*],
            key: &[#(#key),*], state: &[#(#state),*], bound: #bound, memory: #memory, stage: #stage, line: #line,
        })
    });
    let stages = plan.map_or(&[][..], |plan| &plan.stages).iter().map(|stage| {
        let node = stage.node;
        // Without a key there is one state, which one task holds, or puts together.
        let core = graph.node(node).core().filter(|_| stage.head == Head::Core);
        let keyed =
            stage.head == Head::Spread || core.is_some_and(|core| graph.before(node, core).key.is_some());
        let name = graph.node(node).shown(graph);
        let outlets = stage.outlets.iter().map(|outlet| outlet_meta(context, plan, outlet));
        quote!(#rt::graph::StageMeta { name: #name, node: #node, keyed: #keyed, outlets: &[#(#outlets),*] })
    });
    let port = |name: &Ident, node: usize, into: Option<usize>| {
        let name = text(name);
        let into = option(into.map(|table| {
            let table = text(&graph.region.tables[table].name);
            quote!(#table)
        }));
        quote!(#rt::graph::PortMeta { name: #name, node: #node, into: #into })
    };
    let inputs = graph.nodes.iter().enumerate().filter(|(_, node)| matches!(node.origin, Origin::Input));
    let inputs = inputs.map(|(id, node)| port(&node.name, id, None));
    let outputs =
        graph.outputs.iter().map(|output| port(&output.name, output.node.unwrap_or(0), output.into));
    // Of a flow with mistakes, what stands in it may be one.
    let subflows = plan.map_or(&[][..], |_| &graph.subflows).iter().map(|subflow| {
        let (name, flow) = (text(&subflow.name), &subflow.flow);
        quote!(#rt::graph::Subflow { name: #name, graph: <#flow as #rt::flow::Flow>::GRAPH })
    });
    let tables = super::tables::description(context);
    quote!(#rt::graph::Graph {
        flow: #flow, nodes: &[#(#nodes),*], stages: &[#(#stages),*], inputs: &[#(#inputs),*], outputs: &[#(#outputs),*],
        subflows: &[#(#subflows),*], tables: &[#(#tables),*],
    })
}

/// A budget, as the runtime has it.
pub(super) fn budget(rt: &TokenStream, budget: Budget) -> TokenStream {
    match budget {
        Budget::Bytes(bytes) => quote!(#rt::graph::Budget::Bytes(#bytes)),
        Budget::Keys(keys) => quote!(#rt::graph::Budget::Keys(#keys)),
    }
}

pub(super) fn option(value: Option<TokenStream>) -> TokenStream {
    value.map_or(quote!(::core::option::Option::None), |value| quote!(::core::option::Option::Some(#value)))
}

fn kind(node: &Node) -> Ident {
    let kind = match (&node.origin, node.core()) {
        (Origin::Input, _) => "Input",
        (Origin::Flow { .. }, _) => "Flow",
        (_, Some(_)) => "Stateful",
        _ => "Stateless",
    };
    Ident::new(kind, crate::compile::own())
}

/// The operators of a node, as names; for what is diverted, the word that diverts it.
fn operators(graph: &Graph, node: &Node) -> Vec<String> {
    match &node.origin {
        Origin::Input => Vec::new(),
        Origin::Else { .. } => vec!["else".into()],
        Origin::Arm { .. } => vec!["route".into()],
        Origin::Flow { of, .. } => vec![written(&graph.subflows[*of].flow)],
        Origin::Chain(chain) => {
            let merge = chain.merge.map(|_| "merge".to_string());
            merge.into_iter().chain(chain.ops.iter().map(|op| op.row.name.to_string())).collect()
        }
    }
}

fn state_fields(context: &Context<'_>, node: &Node) -> Vec<TokenStream> {
    let rt = &context.path;
    match node.core().map(|core| &node.ops()[core].args) {
        Some(Args::Aggregate(fields)) => fields
            .iter()
            .map(|AggregateField { name, ty, formerly, .. }| {
                let before = Before { formerly, migrated: None };
                field(rt, &text(name), &written(ty), Some(before))
            })
            .collect(),
        Some(Args::Stateful(stateful)) => stateful
            .state
            .iter()
            .map(|state @ StateField { name, ty, formerly, .. }| {
                let before = Before { formerly, migrated: migrated(context, state) };
                field(rt, &text(name), &written(ty), Some(before))
            })
            .collect(),
        Some(Args::Fold(fold)) => vec![field(rt, "value", &written(&fold.ty), None)],
        _ => Vec::new(),
    }
}

/// What a field was before.
pub(super) struct Before<'a> {
    formerly: &'a [Ident],
    migrated: Option<TokenStream>,
}

/// A field of a key or a state.
pub(super) fn field(rt: &TokenStream, name: &str, ty: &str, before: Option<Before<'_>>) -> TokenStream {
    let (formerly, migrated) = before.map_or((&[][..], None), |before| (before.formerly, before.migrated));
    let (formerly, migrated) = (formerly.iter().map(text), option(migrated));
    quote!(#rt::graph::Field { name: #name, ty: #ty, formerly: &[#(#formerly),*], migrated: #migrated })
}

/// How what was stored of another type becomes what the field is now; the flow of one with mistakes is never run.
fn migrated(context: &Context<'_>, field: &StateField) -> Option<TokenStream> {
    let migrate = field.migrate.as_ref().filter(|_| context.whole)?;
    let (path, rt, import) = (&context.path, &context.rt, context.import());
    let (name, f, bytes) = (text(&field.name), &migrate.f, ident("bytes"));
    let (from, to) = (context.ty(&migrate.from), context.ty(&field.ty));
    let from_written = written(&migrate.from);
    let function = ident("convert");
    // Whatever is said of the type that was stored is said once: see `psdf_runtime::requirement`.
    let place = Place::of(&migrate.from);
    let shape_of = context.given_stored(&migrate.from, quote!(#rt::checkpoint::migrate::shape_of));
    let convert = context.given_stored(&migrate.from, quote!(#rt::checkpoint::migrate::migrate));
    let (open, close) = (place.put(quote!(#rt::checkpoint::migrate::Convert<)), place.put(quote!(>)));
    Some(quote!(#path::graph::MigrateField {
        from: #from_written,
        shape: || { #import #shape_of(::core::marker::PhantomData::<#from>) },
        convert: |#bytes| {
            #import
            let #function: #open #from, #to #close = #f;
            #convert(#name, #bytes, #function)
        },
    }))
}

fn outlet_meta(context: &Context<'_>, plan: Option<&Plan>, outlet: &Outlet) -> TokenStream {
    let Context { graph, path: rt, .. } = context;
    let from = graph.node(outlet.from).shown(graph);
    let stage_name =
        |stage: usize| plan.map_or_else(String::new, |plan| graph.node(plan.stages[stage].node).shown(graph));
    let to = match outlet.target {
        Target::Output(output) => text(&graph.outputs[output].name),
        Target::Merge(stage) | Target::Core(stage) | Target::Parts(stage) | Target::Joined(stage) => {
            stage_name(stage)
        }
        Target::Subflow { of, input } => {
            let subflow = &graph.subflows[of];
            format!("{}.{}", text(&subflow.name), text(&subflow.inputs[input].name))
        }
    };
    let time = option(outlet.time.map(|time| match time {
        Time::Stage => quote!(#rt::graph::TimeMeta::Stage),
        Time::Clock(clock) => quote!(#rt::graph::TimeMeta::Clock(#clock)),
    }));
    let leaves = matches!(outlet.target, Target::Output(_));
    quote!(#rt::graph::OutletMeta { from: #from, to: #to, time: #time, leaves: #leaves })
}

/// The stage each node's records come to exist in.
fn stages_of_nodes(graph: &Graph, plan: Option<&Plan>) -> Vec<Option<usize>> {
    let mut stages = vec![None; graph.nodes.len()];
    for (place, stage) in plan.map_or(&[][..], |plan| &plan.stages).iter().enumerate() {
        note_names(&stage.body, place, &mut stages);
        stage.late.iter().for_each(|late| note_names(late, place, &mut stages));
    }
    stages
}

fn note_names(body: &Body, stage: usize, stages: &mut [Option<usize>]) {
    for step in body {
        match step {
            Step::Named(id) => stages[*id] = Some(stage),
            Step::Fork(bodies) => bodies.iter().for_each(|body| note_names(body, stage, stages)),
            Step::Op { branches, .. } => {
                for branch in branches {
                    if let Branch::To(body) = branch {
                        note_names(body, stage, stages);
                    }
                }
            }
            Step::Send(_) => {}
        }
    }
}

/// The graph for the docs: a line for each node.
pub(super) fn listing(graph: &Graph) -> Vec<String> {
    let lines = graph.nodes.iter().enumerate().map(|(id, node)| {
        let reads: Vec<_> = node.sources().iter().map(|&id| graph.node(id).shown(graph)).collect();
        let from = if reads.is_empty() { "input".to_string() } else { reads.join(", ") };
        let chain: Vec<String> = std::iter::once(from).chain(operators(graph, node)).collect();
        let bound = bound(graph, id).map_or_else(String::new, |bound| format!("   [{bound}]"));
        format!("{} = {}{bound}", node.shown(graph), chain.join(" -> "))
    });
    let outputs = graph.outputs.iter().map(|output| match output.into {
        Some(table) => format!("{} -> into {}", output.name, graph.region.tables[table].name),
        None => format!("output {}", output.name),
    });
    lines.chain(outputs).chain(super::tables::listing(graph)).collect()
}
