//! The region of a flow as it is seen: the types of its results, its part of the handle, of `GRAPH` and of the docs.

use super::Context;
use super::body::ident;
use super::description::option;
use super::front::Front;
use super::names::declared;
use super::place::Place;
use super::types::{Field, distinct, documented, front_state, function_state, of_fields, results, state_of};
use crate::ast::AggregateField;
use crate::graph::{Graph, KnownType, Origin, record_name, text};
use crate::tables::region::{Key, Region, Source, StepId, Value};
use crate::tables::row;
use proc_macro2::{Ident, TokenStream};
use quote::quote;

/// The records and states of all aggregates on tables.
pub(super) fn records_and_states(context: &Context<'_>) -> TokenStream {
    let region = &context.graph.region;
    let mut seen = Vec::new();
    // A node with two has been told so.
    let mut is_new = |step: StepId| {
        let new = !seen.contains(&region.steps[step].node);
        seen.push(region.steps[step].node);
        new
    };
    let first = region.aggregates().filter(|(step, _)| is_new(*step) && !has_parameters(context, *step));
    first.map(|(step, fields)| types_of(context, step, fields)).collect()
}

fn types_of(context: &Context<'_>, step: StepId, fields: &[AggregateField]) -> TokenStream {
    let region = &context.graph.region;
    let here = &region.steps[step];
    let Some(node) = here.node.map(|node| &region.nodes[node]) else { return TokenStream::new() };
    let docs = documented(&node.docs, &format!("A result of the node `{}`.", node.name));
    let mut of_record = key_fields(context, &here.key);
    of_record.extend(
        fields.iter().map(|AggregateField { docs, name, ty, .. }| {
            Field::written(context, quote!(#(#docs)*), name, ty)
        }),
    );
    let of_record = distinct(of_record);
    let parameters = of_fields(context, &of_record);
    let record = results(context, &docs, &record_name(&node.name), &parameters, &of_record);
    let state = |field| match Front::of(region, step, field) {
        Some(front) => front_state(context, field, &front.holder),
        None => function_state(context, field),
    };
    let states = fields.iter().map(state).collect();
    let state = state_of(context, &node.name, states);
    quote!(#record #state)
}

fn key_fields(context: &Context<'_>, key: &Key) -> Vec<Field> {
    let Key::Of(id) = key else { return Vec::new() };
    let of_key = |name: &Ident| {
        let ty = field_type(context, id.table, name);
        Field { docs: quote!(#[doc = "The key."]), name: name.clone(), ty: ty.clone(), doubtful: Some(ty) }
    };
    context.graph.region.fields(*id).iter().map(of_key).collect()
}

/// The type of a field of a table's rows.
///
/// It stands at the field's name, and its place among the others at the type of the rows, so that rustc says of one that is
/// not there, or of rows without fields, so once.
pub(super) fn field_type(context: &Context<'_>, table: usize, field: &Ident) -> TokenStream {
    let (rt, table) = (&context.rt, &context.graph.region.tables[table].ty);
    let row = context.ty(table);
    let place = row::place_of(rt, &row, field);
    let place = Place::of(table).put(quote!({ #place }));
    let here = Place::at(field.span());
    let (begin, end) = (here.put(quote!(<#row as #rt::row::Field<)), here.put(quote!(>>::Type)));
    quote!(#begin #place #end)
}

/// The type of a key, in the generated module or beside it.
fn key_type(context: &Context<'_>, key: &Key) -> TokenStream {
    let Key::Of(id) = key else { return quote!(()) };
    let fields = context.graph.region.fields(*id).iter();
    let types: Vec<TokenStream> = fields.map(|field| field_type(context, id.table, field)).collect();
    if let [ty] = &types[..] { quote!(#ty) } else { quote!((#(#types),*)) }
}

/// Where a key is written: its last field, or the name of what has none.
fn place_of_key(region: &Region, key: &Key, name: &Ident) -> Place {
    let field = match key {
        Key::Of(id) => region.fields(*id).last(),
        Key::Whole | Key::Unknown => None,
    };
    Place::at(field.unwrap_or(name).span())
}

/// The type of a value, in the generated module, as a reader of the docs should see it. Checks have seen that it is known.
fn value_type(context: &Context<'_>, value: &Value) -> TokenStream {
    let region = &context.graph.region;
    match value {
        Value::Row(table) => declared(context, &KnownType::Written(region.tables[*table].ty.clone())),
        Value::Pair(left, right) => {
            let (left, right) = (value_type(context, left), value_type(context, right));
            quote!((#left, #right))
        }
        Value::Maybe(value) => {
            let value = value_type(context, value);
            quote!(::core::option::Option<#value>)
        }
        Value::Record(node) => {
            let record = record_name(&region.nodes[*node].name);
            quote!(#record)
        }
        Value::Made { ty: Some(ty) } => context.inside(ty),
        Value::Made { ty: None } | Value::Unknown => quote!(()),
    }
}

/// Whether what a step is made of has types that nobody knows, which has been called a mistake.
fn has_parameters(context: &Context<'_>, step: StepId) -> bool {
    let region = &context.graph.region;
    region
        .tables_under(step)
        .iter()
        .any(|&table| !context.graph.mentioned(&region.tables[table].ty).is_empty())
}

/// A field of the handle.
struct Port<'a> {
    name: &'a Ident,
    docs: Vec<TokenStream>,
    /// `Table` or `View`
    kind: Ident,
    key: TokenStream,
    value: TokenStream,
    /// Where its key is written.
    place: Place,
}

/// The tables and views of which the types are known.
fn ports<'a>(context: &'a Context<'_>) -> Vec<Port<'a>> {
    let region = &context.graph.region;
    let tables = region
        .tables
        .iter()
        .filter(|table| !table.key.is_empty() && !has_parameters(context, table.step))
        .map(|table| Port {
            name: &table.name,
            docs: documented(&table.docs, &format!("The table `{}`.", table.name)),
            kind: ident("Table"),
            key: key_type(context, &region.steps[table.step].key),
            value: declared(context, &KnownType::Written(table.ty.clone())),
            place: place_of_key(region, &region.steps[table.step].key, &table.name),
        });
    let views = region.nodes.iter().filter(|node| node.view.is_some()).filter_map(|node| {
        let step = *node.steps.last().filter(|&&step| !has_parameters(context, step))?;
        let last = &region.steps[step];
        let value = match &node.ty {
            Some(ty) => context.inside(ty),
            None => value_type(context, &last.value),
        };
        let docs = documented(&node.docs, &format!("The view `{}`.", node.name));
        let kind = ident("View");
        let place = place_of_key(region, &last.key, &node.name);
        Some(Port { name: &node.name, docs, kind, key: key_type(context, &last.key), value, place })
    });
    // What bears the name of another field of the handle has been told so.
    let inputs = context.graph.nodes.iter().filter(|node| matches!(node.origin, Origin::Input));
    let outputs = context.graph.outputs.iter().map(|output| text(&output.name));
    let mut seen: Vec<String> = inputs.map(|node| text(&node.name)).chain(outputs).collect();
    seen.push("control".to_string());
    let mut is_new = |port: &Port<'_>| {
        let new = !seen.contains(&text(port.name));
        seen.push(text(port.name));
        new
    };
    tables.chain(views).filter(|port| is_new(port)).collect()
}

/// `pub articles: Table<u64, Article>`
pub(super) fn handle_fields(context: &Context<'_>) -> Vec<TokenStream> {
    let rt = &context.rt;
    let field = |Port { name, docs, kind, key, value, .. }: &Port<'_>| quote!(#(#docs)* pub #name: #rt::tables::#kind<#key, #value>);
    ports(context).iter().map(field).collect()
}

/// `articles: host.take_of_region("articles")`
pub(super) fn handle_takes(context: &Context<'_>) -> Vec<TokenStream> {
    let take = |Port { name, place, .. }: &Port<'_>| {
        let (text, rt) = (text(name), &context.rt);
        let taken = place.called(
            &place.put(quote!(#rt::ops::same)),
            [quote!(parts.host.take_of_region(#text))],
            &context.rt,
        );
        quote!(#name: #taken)
    };
    ports(context).iter().map(take).collect()
}

/// The region in `GRAPH`: the tables, and then the nodes.
pub(super) fn description(context: &Context<'_>) -> Vec<TokenStream> {
    let (region, rt) = (&context.graph.region, &context.path);
    let names = |names: &[Ident]| -> Vec<String> { names.iter().map(text).collect() };
    let tables = region.tables.iter().map(|table| {
        let (name, key, line) = (text(&table.name), names(&table.key), line_of(&table.name));
        let indexes = table.indexes.iter().map(|index| {
            let (name, fields) = (text(&index.name), names(&index.fields));
            quote!(#rt::graph::IndexMeta { name: #name, fields: &[#(#fields),*] })
        });
        quote!(#rt::graph::TableNode {
            name: #name, kind: #rt::graph::TableKind::Table, operators: &[], reads: &[], key: &[#(#key),*],
            indexes: &[#(#indexes),*], bound: ::core::option::Option::None, memory: ::core::option::Option::None,
            replay: &[], line: #line,
        })
    });
    let nodes = region.nodes.iter().map(|node| {
        let (name, operators, line) = (text(&node.name), &node.operators, line_of(&node.name));
        let kind = ident(if node.view.is_some() { "View" } else { "Node" });
        let reads = node.reads.iter().map(|source| match source {
            Source::Table(table) => *table,
            Source::Node(node) => region.tables.len() + node,
        });
        let key = node.steps.last().map_or(&Key::Unknown, |&step| &region.steps[step].key);
        let key = match key {
            Key::Of(id) => names(region.fields(*id)),
            Key::Whole | Key::Unknown => Vec::new(),
        };
        let bound = option(node.written.as_ref().map(|bound| quote!(#bound)));
        let memory = node.steps.iter().rev().find_map(|&step| region.steps[step].bounds.memory.as_ref());
        let memory = option(memory.map(|memory| super::description::budget(rt, memory.budget)));
        let replay = region.replay_of(node);
        quote!(#rt::graph::TableNode {
            name: #name, kind: #rt::graph::TableKind::#kind, operators: &[#(#operators),*], reads: &[#(#reads),*],
            key: &[#(#key),*], indexes: &[], bound: #bound, memory: #memory, replay: &[#(#replay),*], line: #line,
        })
    });
    tables.chain(nodes).collect()
}

fn line_of(name: &Ident) -> u32 {
    u32::try_from(crate::graph::line(name)).unwrap_or(0)
}

/// The region for the docs: a line for each table, node and view.
pub(super) fn listing(graph: &Graph) -> Vec<String> {
    let region = &graph.region;
    let tables = region.tables.iter().map(|table| {
        let key: Vec<String> = table.key.iter().map(text).collect();
        format!("table {}: {} by {}", table.name, super::written(&table.ty), key.join(", "))
    });
    let nodes = region.nodes.iter().map(|node| {
        let reads: Vec<String> = node.reads.iter().map(|source| region.source_name(*source)).collect();
        let chain: Vec<String> =
            std::iter::once(reads.join(", ")).chain(node.operators.iter().map(ToString::to_string)).collect();
        let view = if node.view.is_some() { "view " } else { "" };
        let bound = node.written.as_ref().map_or_else(String::new, |bound| format!("   [{bound}]"));
        let replay = region.replay_of(node).join(", ");
        let replay = if node.view.is_some() { format!("   replay: {replay}") } else { String::new() };
        format!("{view}{} = {}{bound}{replay}", node.name, chain.join(" -> "))
    });
    tables.chain(nodes).collect()
}
