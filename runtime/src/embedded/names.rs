//! The names of nodes of flows that stand in others.

use super::shared::lock;
use crate::graph::{Graph, NodeKind};
use std::collections::HashSet;
use std::sync::{LazyLock, Mutex};

/// A node's name, and its kind.
#[derive(Clone, Copy)]
pub(super) struct Name {
    pub(super) text: &'static str,
    pub(super) kind: NodeKind,
}

/// The names of a graph's nodes, and of those of the flows that stand in it: first its own, then flow by flow.
pub(super) fn of_nodes(graph: &Graph) -> Vec<Name> {
    let mut names = Vec::with_capacity(graph.node_count());
    add("", graph, &mut names);
    names
}

fn add(path: &str, graph: &Graph, names: &mut Vec<Name>) {
    names.extend(graph.nodes.iter().map(|node| Name { text: join(path, node.name), kind: node.kind }));
    for subflow in graph.subflows {
        add(join(path, subflow.name), subflow.graph, names);
    }
}

/// A name led by the path to its flow. Errors and counts bear `'static` names, so each is kept once it was made: there
/// are as many as the program declares.
pub(super) fn join(path: &str, name: &'static str) -> &'static str {
    static MADE: LazyLock<Mutex<HashSet<&'static str>>> = LazyLock::new(Mutex::default);
    if path.is_empty() {
        return name;
    }
    let joined = format!("{path}.{name}");
    let mut made = lock(&MADE);
    if let Some(known) = made.get(joined.as_str()) {
        return known;
    }
    let joined: &'static str = Box::leak(joined.into_boxed_str());
    made.insert(joined);
    joined
}
