//! What only the text of a type can tell, and rustc would say of what is generated from it.

use crate::ast::{AggregateField, Args};
use crate::diagnostics::{Code, Diagnostics};
use crate::emit::list_element;
use crate::graph::Graph;
use crate::operators::Holds;
use syn::visit::Visit;
use syn::{Type, TypeReference};

const OWNED: &str = "write `String` instead of `&str`, and `Vec<T>` instead of `&[T]`";

/// State is data: it is stored and read back, and what is read back has nothing to borrow from.
pub(super) fn state_owns_its_data(graph: &Graph, errors: &Diagnostics) {
    for op in graph.nodes.iter().flat_map(|node| node.ops()) {
        let (what, types) = held_types(&op.args);
        for reference in types.into_iter().filter_map(|ty| first_reference(ty, |_| true)) {
            errors.error(
                Code::Arguments,
                reference,
                format!("{what} is stored, so it must own its data: {OWNED}"),
            );
        }
    }
}

fn held_types(args: &Args) -> (&'static str, Vec<&Type>) {
    match args {
        Args::Key(fields) => ("a key", fields.iter().map(|field| &field.ty).collect()),
        Args::Aggregate(fields) => ("a result", fields.iter().map(|field| &field.ty).collect()),
        Args::Fold(fold) => ("a result", vec![&fold.ty]),
        Args::Stateful(stateful) => ("state", stateful.state.iter().map(|field| &field.ty).collect()),
        Args::Closure(_)
        | Args::MapAsync(_)
        | Args::EventTime { .. }
        | Args::Route(_)
        | Args::Window { .. } => ("", Vec::new()),
    }
}

/// Records go from task to task: what they refer to must outlive them all.
pub(super) fn records_own_their_data(graph: &Graph, errors: &Diagnostics) {
    let of_nodes = graph.nodes.iter().filter_map(|node| node.ty.as_ref());
    // An output with a chain is a node too, and has had its turn.
    let plain = graph.outputs.iter().filter(|output| {
        output.node.is_none_or(|id| graph.node(id).name != output.name || graph.node(id).ty.is_none())
    });
    let of_outputs = plain.filter_map(|output| output.ty.as_ref());
    let emitted = graph.nodes.iter().flat_map(|node| node.ops()).filter_map(|op| match &op.args {
        Args::Stateful(stateful) => Some(&stateful.out),
        _ => None,
    });
    for ty in of_nodes.chain(of_outputs).chain(emitted) {
        if let Some(reference) = first_reference(ty, |reference| reference.lifetime.is_none()) {
            let message = format!("records go from task to task, so they must own their data: {OWNED}");
            errors.error(Code::Arguments, reference, message);
        }
    }
}

fn first_reference(ty: &Type, wanted: fn(&TypeReference) -> bool) -> Option<TypeReference> {
    struct References(Option<TypeReference>, fn(&TypeReference) -> bool);

    impl<'ast> Visit<'ast> for References {
        fn visit_type_reference(&mut self, reference: &'ast TypeReference) {
            if self.0.is_none() && (self.1)(reference) {
                self.0 = Some(reference.clone());
            }
            syn::visit::visit_type_reference(self, reference);
        }
    }

    let mut references = References(None, wanted);
    references.visit_type(ty);
    references.0
}

/// The type of what is in a list is taken from the type of the list, which must therefore be plain to see.
pub(super) fn lists_are_vecs(graph: &Graph, errors: &Diagnostics) {
    for op in graph.nodes.iter().flat_map(|node| node.ops()) {
        let Args::Aggregate(fields) = &op.args else { continue };
        for AggregateField { name, ty, function, row, .. } in fields {
            if row.holds == Holds::List && list_element(ty).is_none() {
                let message =
                    format!("`{function}` makes a list, so write its type as one: `{name}: Vec<Type> = ..`");
                errors.error(Code::Arguments, ty, message);
            }
        }
    }
}
