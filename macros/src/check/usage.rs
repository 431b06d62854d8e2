//! Nothing is declared in vain.

use crate::ast::Op;
use crate::diagnostics::{Code, Diagnostics};
use crate::graph::{Graph, Node, Origin, Reader, text};
use crate::operators::{Effect, ElseRule};

/// A node that nobody reads is a mistake, or work for nothing.
///
/// A name that leads nowhere was meant to be somebody's: whoever seems unread for its sake is not blamed as well.
pub(super) fn every_node_feeds_something(graph: &Graph, errors: &Diagnostics) {
    let mut strays = graph.misnamed.iter().filter(|meant| meant.is_none()).count();
    for (id, node) in graph.nodes.iter().enumerate() {
        let name = &node.name;
        let routes = node.ops().iter().any(|op| op.row.effect == Effect::Route);
        // An item that could not be read may be the one that reads it.
        let maybe_read = graph.unread.contains(&text(name));
        let defined_before = graph.nodes[..id].iter().any(|other| text(&other.name) == text(name))
            || graph.params.iter().any(|param| text(&param.name) == text(name));
        let meant = graph.misnamed.iter().flatten().any(|meant| node.name == meant);
        // `else` where nothing is diverted has been called a mistake.
        let idle = matches!(node.origin, Origin::Else { of, .. } if graph.node(of).ops().iter().any(diverts_in_vain));
        if !node.readers.is_empty()
            || !node.looked_up_by.is_empty()
            || routes
            || maybe_read
            || defined_before
            || meant
            || idle
        {
            continue;
        }
        if strays > 0 {
            strays -= 1;
            continue;
        }
        match &node.origin {
            Origin::Input => {
                let message = format!("nothing reads the input `{name}`; read it in a node, or remove it");
                errors.error(Code::UnusedInput, name, message);
            }
            Origin::Else { .. } => {
                let message = format!(
                    "nothing reads `{name}`; lead it out with `output {name};`, read it in a node, or write `else skip`"
                );
                errors.error(Code::FeedsNothing, name, message);
            }
            // It is there because it is read.
            Origin::Flow { .. } => {}
            Origin::Chain(_) | Origin::Arm { .. } => {
                let message = format!(
                    "nothing reads `{name}`; lead it out with `output {name};`, read it in a node, or remove it"
                );
                errors.error(Code::FeedsNothing, name, message);
            }
        }
    }
}

fn diverts_in_vain(op: &Op) -> bool {
    op.diverted.is_some() && op.row.diverts == ElseRule::Never
}

/// A `route` sends its records to its arms: under its own name there is nothing.
pub(super) fn every_reader_reads_records(graph: &Graph, errors: &Diagnostics) {
    for node in &graph.nodes {
        let Some(route) = node.ops().last().filter(|op| op.row.effect == Effect::Route) else { continue };
        for reader in &node.readers {
            let at = match reader {
                Reader::Node(id) | Reader::Joined(id) => &graph.node(*id).name,
                Reader::Output(place) => &graph.outputs[*place].name,
                Reader::Subflow { of, input } => &graph.subflows[*of].inputs[*input].name,
            };
            let message = format!(
                "`{}` has no records of its own: its `{}` sends them to its arms; read one of those",
                node.name, route.name
            );
            errors.error(Code::NotAStream, at, message);
        }
    }
}

/// A flow that stands in another for nothing.
pub(super) fn every_subflow_is_read(graph: &Graph, errors: &Diagnostics) {
    for (place, subflow) in graph.subflows.iter().enumerate() {
        let name = &subflow.name;
        let is_output = |node: &Node| matches!(node.origin, Origin::Flow { of, .. } if of == place);
        let meant = graph.unread.contains(&text(name))
            || graph.misnamed.iter().flatten().any(|meant| *meant == text(name));
        if !graph.nodes.iter().any(is_output) && !meant {
            let message =
                format!("nothing reads an output of `{name}`; read one, `{name}.output`, or remove it");
            errors.error(Code::FeedsNothing, name, message);
        }
    }
}

/// A flow in itself would have no end.
pub(super) fn no_flow_stands_in_itself(graph: &Graph, errors: &Diagnostics) {
    for subflow in graph.subflows.iter().filter(|subflow| subflow.flow.is_ident(&graph.name)) {
        let message = format!("`{}` cannot be a part of itself", graph.name);
        errors.error(Code::Cycle, &subflow.flow, message);
    }
}
