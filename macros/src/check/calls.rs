//! Calls to what lies outside of a flow: how many, in which order, and who waits.

use super::closures::closures_of;
use crate::ast::{Args, AsyncValue, MapAsync};
use crate::diagnostics::{Code, Diagnostics};
use crate::graph::Graph;
use crate::operators::Effect;
use syn::visit::Visit;
use syn::{Expr, ExprAsync, ExprAwait, ExprClosure, Lit};

pub(super) fn options_fit_together(graph: &Graph, errors: &Diagnostics) {
    for op in graph.nodes.iter().flat_map(|node| node.ops()) {
        let Args::MapAsync(call) = &op.args else { continue };
        each_option_stands_once(call, errors);
        if let Some((_, value)) = call.concurrency().filter(|(_, value)| is_zero(value)) {
            let message = "with `concurrency 0` no record would ever be asked for; write how many calls there may be \
                           at a time: `concurrency 16`";
            errors.error(Code::Arguments, value, message);
        }
    }
}

fn each_option_stands_once(call: &MapAsync, errors: &Diagnostics) {
    let is_order = |value: &AsyncValue| matches!(value, AsyncValue::Ordered | AsyncValue::Unordered);
    for (place, option) in call.options.iter().enumerate() {
        let before = &call.options[..place];
        let message = if before.iter().any(|other| other.name == option.name) {
            format!("`{}` stands here twice; remove one", option.name)
        } else if is_order(&option.value) && before.iter().any(|other| is_order(&other.value)) {
            "results come either `ordered` or `unordered`; remove one (without either they are ordered)"
                .into()
        } else {
            continue;
        };
        errors.error(Code::Arguments, &option.name, message);
    }
}

fn is_zero(value: &Expr) -> bool {
    let Expr::Lit(literal) = value else { return false };
    matches!(&literal.lit, Lit::Int(number) if number.base10_parse::<u128>().is_ok_and(|number| number == 0))
}

/// A stage does not wait for one record while others come: only a future can.
pub(super) fn nothing_waits_outside_of_a_future(graph: &Graph, errors: &Diagnostics) {
    for op in graph.nodes.iter().flat_map(|node| node.ops()) {
        for used in closures_of(op) {
            for at in waits(used.closure) {
                let message = if op.row.effect == Effect::Call {
                    "only a future can wait: write `|record| async move { .. }` around this".to_string()
                } else {
                    format!(
                        "`{}` cannot wait for one record while others come; ask in a \
                         `map_async(|record| async move {{ .. }})` of its own",
                        op.name
                    )
                };
                errors.error(Code::Arguments, at, message);
            }
        }
    }
}

/// Where a closure says `.await` outside of any future.
fn waits(closure: &Expr) -> Vec<syn::token::Await> {
    #[derive(Default)]
    struct Waits(Vec<syn::token::Await>);

    impl<'ast> Visit<'ast> for Waits {
        fn visit_expr_async(&mut self, _: &'ast ExprAsync) {}

        fn visit_expr_closure(&mut self, closure: &'ast ExprClosure) {
            if closure.asyncness.is_none() {
                syn::visit::visit_expr_closure(self, closure);
            }
        }

        fn visit_item(&mut self, _: &'ast syn::Item) {}

        fn visit_expr_await(&mut self, wait: &'ast ExprAwait) {
            self.0.push(wait.await_token);
            syn::visit::visit_expr_await(self, wait);
        }
    }

    let mut waits = Waits::default();
    waits.visit_expr(closure);
    waits.0
}

/// A watermark is made of the times seen so far. Where how long calls took decides what was seen, it would decide which
/// records are late. Without a lateness the watermark that comes is kept, and no record leaves its place among those.
pub(super) fn time_is_set_where_order_is_known(graph: &Graph, errors: &Diagnostics) {
    for (id, node) in graph.nodes.iter().enumerate() {
        for (place, op) in node.ops().iter().enumerate() {
            if !matches!(op.args, Args::EventTime { lateness: Some(_), .. }) {
                continue;
            }
            if let Some(unordered) = graph.before(id, place).unordered {
                let message = format!(
                    "which records are late would depend on how long the `unordered` calls of `{unordered}` take; set \
                     the time before `map_async`, which keeps it, or let it be `ordered`"
                );
                errors.error(Code::NoOrder, &op.name, message);
            }
        }
    }
}
