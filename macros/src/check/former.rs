//! Former names and types: each is that of some stored state, and of one only.

use crate::ast::Args;
use crate::diagnostics::{Code, Diagnostics};
use crate::graph::{Graph, Node, text};
use crate::parse::words;
use proc_macro2::Ident;
use quote::ToTokens;
use std::collections::{HashMap, HashSet};

/// Only state is stored by the name of its node.
pub(super) fn former_names_are_of_state(graph: &Graph, errors: &Diagnostics) {
    for node in graph.nodes.iter().filter(|node| node.core().is_none()) {
        if let Some(former) = node.formerly.first() {
            let message = format!(
                "`{}` holds no state that could be stored under a former name; remove `#[formerly(..)]`",
                node.name
            );
            errors.error(Code::Former, former, message);
        }
    }
}

/// What is stored under a name goes to one node.
pub(super) fn former_names_lead_to_one_node(graph: &Graph, errors: &Diagnostics) {
    let holds_state = |node: &&Node| node.core().is_some();
    let names = graph.nodes.iter().filter(holds_state).map(|node| (&node.name, &node.formerly));
    lead_to_one(names, "node", errors);
}

/// What is stored of a node under a field's name goes to one of its fields.
pub(super) fn former_names_lead_to_one_field(graph: &Graph, errors: &Diagnostics) {
    for op in graph.nodes.iter().flat_map(Node::ops) {
        match &op.args {
            Args::Aggregate(fields) => {
                lead_to_one(fields.iter().map(|field| (&field.name, &field.formerly)), "field", errors);
            }
            Args::Stateful(stateful) => {
                let fields = stateful.state.iter();
                lead_to_one(fields.map(|field| (&field.name, &field.formerly)), "field", errors);
            }
            Args::Closure(_)
            | Args::EventTime { .. }
            | Args::Key(_)
            | Args::MapAsync(_)
            | Args::Route(_)
            | Args::Window { .. }
            | Args::CountWindow(_)
            | Args::Fold(_)
            | Args::Join(_)
            | Args::None => {}
        }
    }
}

fn lead_to_one<'a>(
    named: impl Iterator<Item = (&'a Ident, &'a Vec<Ident>)> + Clone,
    what: &str,
    errors: &Diagnostics,
) {
    let now: HashSet<String> = named.clone().map(|(name, _)| text(name)).collect();
    let mut claimed: HashMap<String, &Ident> = HashMap::new();
    for (name, former) in named.flat_map(|(name, formerly)| formerly.iter().map(move |former| (name, former)))
    {
        if now.contains(&text(former)) {
            let message = format!(
                "there is a {what} `{former}` now, and what is stored under that name is its own; remove this former \
                 name, or give that {what} a new one"
            );
            errors.error(Code::Former, former, message);
        } else if let Some(other) = claimed.insert(text(former), name) {
            let message = if other == name {
                format!("`{former}` is said twice; remove one")
            } else {
                format!(
                    "`{other}` was `{former}` too, and what is stored under one name goes to one {what}; remove one"
                )
            };
            errors.error(Code::Former, former, message);
        }
    }
}

/// State is migrated before the flow has begun to run, by what is a constant.
pub(super) fn migrations_read_no_params(graph: &Graph, errors: &Diagnostics) {
    for op in graph.nodes.iter().flat_map(Node::ops) {
        let Args::Stateful(stateful) = &op.args else { continue };
        for migrate in stateful.state.iter().filter_map(|field| field.migrate.as_ref()) {
            let mut read = HashSet::new();
            words(migrate.f.to_token_stream(), &mut read);
            if let Some(param) = graph.params.iter().find(|param| read.contains(&text(&param.name))) {
                let message = format!(
                    "`{}` is a param, and what is stored is migrated alike whatever the params are; write the value itself",
                    param.name
                );
                errors.error(Code::Former, &migrate.f, message);
            }
        }
    }
}
