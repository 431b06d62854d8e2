//! What only the text of a type can tell, and rustc would say of what is generated from it.

use crate::ast::{AggregateField, Args, FunctionArgs, StateField};
use crate::diagnostics::{Code, Diagnostics};
use crate::emit::{list_element, optional, written};
use crate::graph::Graph;
use crate::operators::{Holds, Syntax};
use syn::visit::Visit;
use syn::{Expr, Lit, Type, TypeReference, UnOp};

const OWNED: &str = "write `String` instead of `&str`, and `Vec<T>` instead of `&[T]`";

/// State is data: it is stored and read back, and what is read back has nothing to borrow from.
pub(super) fn state_owns_its_data(graph: &Graph, errors: &Diagnostics) {
    let of_streams = graph.nodes.iter().flat_map(|node| node.ops()).map(|op| held_types(&op.args));
    for (what, types) in of_streams.chain(graph.region.held_types()) {
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
        Args::Stateful(stateful) => ("state", stateful.state.iter().flat_map(StateField::types).collect()),
        Args::Closure(_)
        | Args::MapAsync(_)
        | Args::EventTime { .. }
        | Args::Route(_)
        | Args::Window { .. }
        | Args::CountWindow(_)
        | Args::Join(_)
        | Args::None => ("", Vec::new()),
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
        let passes = |reference: &TypeReference| {
            reference.lifetime.as_ref().is_none_or(|lifetime| lifetime.ident != "static")
        };
        if let Some(reference) = first_reference(ty, passes) {
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

/// `top` holds records, and what is held has a type that is written somewhere.
pub(super) fn tops_know_their_records(graph: &Graph, errors: &Diagnostics) {
    for (id, node) in graph.nodes.iter().enumerate() {
        for (place, op) in node.ops().iter().enumerate() {
            let before = graph.before(id, place);
            if op.row.syntax != Syntax::Top || before.ty.is_some() || before.unknown {
                continue;
            }
            let message = format!(
                "`{}` holds records, so their type must be written; end what makes them in a node of its own, with its \
                 type: `records: Type = ..; {} = records -> ..`",
                node.name, node.name
            );
            errors.error(Code::Arguments, &op.name, message);
        }
    }
}

/// The type of what is in a list is taken from the type of the list, which must therefore be plain to see.
pub(super) fn lists_are_vecs(graph: &Graph, errors: &Diagnostics) {
    for fields in graph.aggregates() {
        for AggregateField { name, ty, function, row, .. } in fields {
            if row.holds == Holds::List && list_element(ty).is_none() {
                let function = written(function);
                let message =
                    format!("`{function}` makes a list, so write its type as one: `{name}: Vec<Type> = ..`");
                errors.error(Code::Arguments, ty, message);
            }
        }
    }
}

/// Where no record passes its filter, a function may have no result: then its field says so.
pub(super) fn what_may_be_missing_is_optional(graph: &Graph, errors: &Diagnostics) {
    for fields in graph.aggregates() {
        for field in fields.iter().filter(|field| field.may_be_missing() && optional(&field.ty).is_none()) {
            let (name, ty, function) = (&field.name, written(&field.ty), written(&field.function));
            let message = format!(
                "where no record passes its filter `{function}` has no result, so write `{name}: Option<{ty}> = ..`"
            );
            errors.error(Code::Arguments, &field.ty, message);
        }
    }
}

/// A share of the records is from none to all. What is not a literal is looked at when it is known.
pub(super) fn quantiles_are_fractions(graph: &Graph, errors: &Diagnostics) {
    for fields in graph.aggregates() {
        for field in fields {
            let FunctionArgs::Quantile { q, .. } = &field.args else { continue };
            let Some((value, is_float)) = literal(q) else { continue };
            let message = if !(0.0..=1.0).contains(&value) {
                let meant = if value > 1.0 && value <= 100.0 {
                    format!("; if {} per cent are meant, write `{:?}`", written(q), value / 100.0)
                } else {
                    String::new()
                };
                format!("`quantile` takes a part of all values, from `0.0` to `1.0`{meant}")
            } else if !is_float {
                format!("`quantile` takes an `f64`: write `{value:?}`")
            } else {
                continue;
            };
            errors.error(Code::Arguments, q, message);
        }
    }
}

/// The value of a number as it is written, and whether that is a float.
fn literal(expr: &Expr) -> Option<(f64, bool)> {
    match expr {
        Expr::Lit(lit) => match &lit.lit {
            Lit::Float(float) => Some((float.base10_parse().ok()?, true)),
            Lit::Int(int) => Some((int.base10_parse().ok()?, matches!(int.suffix(), "f64" | "f32"))),
            _ => None,
        },
        Expr::Unary(unary) if matches!(unary.op, UnOp::Neg(_)) => {
            literal(&unary.expr).map(|(value, is_float)| (-value, is_float))
        }
        Expr::Paren(inner) => literal(&inner.expr),
        Expr::Group(inner) => literal(&inner.expr),
        _ => None,
    }
}
