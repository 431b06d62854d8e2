//! What a table, a view, or a node between them does and holds, in words.

use super::shared::Shared;
use crate::graph::{Graph, TableKind, TableNode};
use crate::tables::{Seen, ViewStats};
use std::fmt::Write;

/// A sentence or a few about a table, a view, or a node between them.
pub(super) fn explain_table(shared: &Shared, table: &TableNode, finished: bool) -> String {
    let (flow, name) = (shared.graph.flow, table.name);
    if let Some(error) = shared.error() {
        return error.to_string();
    }
    if finished {
        return format!("flow `{flow}` has ended: `{name}` takes nothing more and computes nothing more");
    }
    let seen = shared.region.get();
    match table.kind {
        TableKind::Table => of_table(shared.graph, table) + &waits(seen),
        TableKind::Node => of_node(table),
        TableKind::View => of_view(table, seen.and_then(|seen| seen.stats(name))) + &waits(seen),
    }
}

fn of_table(graph: &Graph, table: &TableNode) -> String {
    let mut text = format!("`{}` is a table; its rows are found by its key {}", table.name, key(table.key));
    for index in table.indexes {
        // Writing to a `String` does not fail.
        let _ = write!(text, " and by the index `{}` {}", index.name, key(index.fields));
    }
    let feeds = graph.outputs.iter().filter(|port| port.into == Some(table.name));
    // The node that leads there has a name of ours.
    let led = feeds.filter_map(|port| graph.nodes.get(port.node)).flat_map(|node| node.reads);
    let feeds: Vec<String> =
        led.filter_map(|&from| Some(format!("`{}`", graph.nodes.get(from)?.name))).collect();
    if !feeds.is_empty() {
        let _ = write!(text, "; streams lead into it, from {}", feeds.join(" and "));
    }
    text
}

fn of_node(table: &TableNode) -> String {
    let held = match table.bound {
        Some(bound) => format!("it holds what was asked for, with `{bound}`"),
        None => "it holds nothing".to_owned(),
    };
    format!(
        "`{}` stands between tables and views and waits for nothing: it is computed with each write, and with each replay \
         of a view; {held}",
        table.name
    )
}

fn of_view(table: &TableNode, stats: Option<ViewStats>) -> String {
    let name = table.name;
    let mut text = format!(
        "`{name}` is a view by {}, and shows each write when that is acknowledged; what it has not in memory is computed from \
         {} when it is asked for",
        key(table.key),
        table.replay.join(", "),
    );
    if let Some(ViewStats { hits, misses, replays, evictions, keys, bytes, .. }) = stats {
        let bound = table.bound.map_or_else(String::new, |bound| format!(" (`{bound}`)"));
        let _ = write!(
            text,
            ". It holds {keys} keys, {bytes} bytes{bound}; {hits} reads found their key in memory and {misses} did not, for \
             which {replays} keys were computed; {evictions} were let go"
        );
    }
    text
}

fn waits(seen: Option<&Seen>) -> String {
    match seen.map_or(0, Seen::waiting) {
        0 => ". Nothing waits for the thread of the tables".to_owned(),
        1 => ". One write or replay is under way on the thread of the tables".to_owned(),
        n => format!(". {n} writes and replays wait for the thread of the tables, or are under way there"),
    }
}

/// `(article, user)`
fn key(fields: &[&str]) -> String {
    format!("({})", fields.join(", "))
}
