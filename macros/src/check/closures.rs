//! Closures take what they are given, and keep nothing.

use crate::ast::{AggregateField, Args, FunctionArgs, JoinBound, Op};
use crate::diagnostics::{Code, Diagnostics};
use crate::emit::written;
use crate::graph::{Graph, text};
use crate::operators::Effect;
use crate::tables::region::StepOp;
use std::collections::HashSet;
use syn::visit::Visit;
use syn::{BinOp, Expr, ExprClosure, Pat, Type, UnOp};

/// A closure of an operator: what it belongs to, what it is, and what its parameters are.
pub(super) struct Used<'a> {
    operator: String,
    pub(super) closure: &'a Expr,
    parameters: &'static [&'static str],
}

const RECORD: &[&str] = &["record"];
const ROW: &[&str] = &["row"];
const FOLD: &[&str] = &["acc", "record"];
const MERGE: &[&str] = &["acc", "other"];
const STEP: &[&str] = &["state", "record", "out"];
const OLD: &[&str] = &["old"];
const TIMER: &[&str] = &["state", "at", "out"];

pub(super) fn closures_of(op: &Op) -> Vec<Used<'_>> {
    let name = op.name.to_string();
    let used = |closure, parameters| Used { operator: name.clone(), closure, parameters };
    match &op.args {
        Args::Closure(f) | Args::EventTime { f, .. } => vec![used(f, RECORD)],
        Args::Key(fields) => fields.iter().map(|field| used(&field.f, RECORD)).collect(),
        Args::Route(arms) => arms.iter().map(|arm| used(&arm.condition, RECORD)).collect(),
        Args::MapAsync(call) => vec![used(&call.f, RECORD)],
        Args::Window { .. } | Args::CountWindow(_) | Args::None => Vec::new(),
        Args::Join(join) => match &join.bound {
            Some(JoinBound::Until(f)) => vec![used(f, RECORD)],
            Some(JoinBound::Within(_)) | None => Vec::new(),
        },
        Args::Aggregate(fields) => fields.iter().flat_map(closures_of_field).collect(),
        Args::Fold(fold) => {
            let merge = fold.merge.as_ref().map(|merge| used(merge, MERGE));
            std::iter::once(used(&fold.step, FOLD)).chain(merge).collect()
        }
        Args::Stateful(stateful) => {
            let timer = stateful.timer.as_ref().map(|timer| used(timer, TIMER));
            let migrations =
                stateful.state.iter().filter_map(|field| field.migrate.as_ref()).map(|migrate| Used {
                    operator: "migrate".to_string(),
                    closure: &migrate.f,
                    parameters: OLD,
                });
            std::iter::once(used(&stateful.step, STEP)).chain(timer).chain(migrations).collect()
        }
    }
}

fn closures_of_field(field: &AggregateField) -> impl Iterator<Item = Used<'_>> {
    let filter = field.filter.as_ref().map(|filter| Used {
        operator: "where".to_string(),
        closure: &filter.f,
        parameters: RECORD,
    });
    let closures = function_closures(&field.args).map(|(closure, parameters)| Used {
        operator: written(&field.function),
        closure,
        parameters,
    });
    closures.chain(filter)
}

fn function_closures(args: &FunctionArgs) -> impl Iterator<Item = (&Expr, &'static [&'static str])> {
    let (first, second) = match args {
        FunctionArgs::None => (None, None),
        FunctionArgs::Closure(f) | FunctionArgs::Top { by: f, .. } | FunctionArgs::Quantile { f, .. } => {
            (Some((f, RECORD)), None)
        }
        FunctionArgs::Fold { step, merge, .. } => {
            (Some((step, FOLD)), merge.as_ref().map(|merge| (merge, MERGE)))
        }
    };
    first.into_iter().chain(second)
}

/// The closures between tables and views, all of which are shown their rows.
fn closures_of_tables(graph: &Graph) -> Vec<Used<'_>> {
    graph.region.steps.iter().flat_map(|step| closures_of_step(&step.op)).collect()
}

fn closures_of_step(step: &StepOp) -> Vec<Used<'_>> {
    let used = |operator: &str, closure| Used { operator: operator.to_string(), closure, parameters: ROW };
    match step {
        StepOp::Filter(closure) => vec![used("filter", closure)],
        StepOp::MapValues(closure) => vec![used("map_values", closure)],
        StepOp::Aggregate(fields) => fields.iter().flat_map(closures_of_field).collect(),
        StepOp::Table(_)
        | StepOp::Rekey { .. }
        | StepOp::Whole
        | StepOp::Distinct
        | StepOp::Join { .. }
        | StepOp::Merge
        | StepOp::View => Vec::new(),
    }
}

pub(super) fn closures_have_the_right_parameters(graph: &Graph, errors: &Diagnostics) {
    let of_streams = graph.nodes.iter().flat_map(|node| node.ops()).flat_map(closures_of);
    for used in of_streams.chain(closures_of_tables(graph)) {
        {
            let Expr::Closure(closure) = used.closure else { continue };
            if closure.inputs.len() != used.parameters.len() {
                let message = format!(
                    "the closure of `{}` takes {}: `|{}| ..`",
                    used.operator,
                    match used.parameters.len() {
                        1 => "one parameter".to_string(),
                        n => format!("{n} parameters"),
                    },
                    used.parameters.join(", ")
                );
                let inputs = &closure.inputs;
                if inputs.is_empty() {
                    errors.error(Code::Arguments, closure.inputs_begin, message);
                } else {
                    errors.error(Code::Arguments, inputs, message);
                }
            }
        }
    }
}

/// Closures run inside the loop of a stage, which waits for nobody.
pub(super) fn closures_do_not_wait(graph: &Graph, errors: &Diagnostics) {
    let ops = graph.nodes.iter().flat_map(|node| node.ops()).filter(|op| op.row.effect != Effect::Call);
    for used in ops.flat_map(closures_of).chain(closures_of_tables(graph)) {
        if let Expr::Closure(closure) = used.closure
            && let Some(word) = &closure.asyncness
        {
            let message = format!(
                "the closure of `{}` cannot be `async`; ask in a `map_async(|record| async move {{ .. }})` of its own",
                used.operator
            );
            errors.error(Code::Arguments, word, message);
        }
    }
}

/// What only looks at records is shown them.
pub(super) fn closures_that_look_take_references(graph: &Graph, errors: &Diagnostics) {
    let shown = |op: &&Op| {
        matches!(op.row.effect, Effect::Select | Effect::Inspect | Effect::SetTime | Effect::SetKey)
            || matches!(op.row.effect, Effect::Route)
            || matches!(op.args, Args::Aggregate(_))
    };
    let of_streams = graph.nodes.iter().flat_map(|node| node.ops()).filter(shown).flat_map(closures_of);
    let all = of_streams.chain(closures_of_tables(graph));
    for used in all.filter(|used| used.parameters.len() == 1) {
        {
            if let Expr::Closure(closure) = used.closure
                && let Some(Pat::Type(typed)) = closure.inputs.first()
                && matches!(&*typed.ty, Type::Path(_) | Type::Tuple(_))
            {
                let ty = crate::emit::written(&typed.ty);
                let message =
                    format!("`{}` shows its closure a reference to the record; write `&{ty}`", used.operator);
                errors.error(Code::Arguments, &typed.ty, message);
            }
        }
    }
}

/// A closure runs again when a record is replayed, and on as many shards as there are: what it changed outside itself
/// would be neither stored nor the same twice. So closures are `Fn`, and this says it in the flow's words.
pub(super) fn closures_keep_no_state(graph: &Graph, errors: &Diagnostics) {
    for node in &graph.nodes {
        for op in node.ops() {
            let stateful = matches!(op.args, Args::Stateful(_));
            for used in closures_of(op) {
                let Expr::Closure(closure) = used.closure else { continue };
                let instead = if stateful {
                    format!("declare it in the `state {{ .. }}` of `{}`", node.name)
                } else {
                    "hold it in the state of a `stateful` node, or count it with `aggregate`".to_string()
                };
                for (name, at) in assigned_outside(closure) {
                    let message = format!(
                        "the closure of `{}` changes `{name}`, which lives outside of it and would be lost; {instead}",
                        used.operator
                    );
                    errors.error(Code::CapturedState, at, message);
                }
            }
        }
    }
    for used in closures_of_tables(graph) {
        let Expr::Closure(closure) = used.closure else { continue };
        for (name, at) in assigned_outside(closure) {
            let message = format!(
                "the closure of `{}` changes `{name}`, which lives outside of it, and it runs again for every replay; count \
                 with `aggregate`, or write into a table",
                used.operator
            );
            errors.error(Code::CapturedState, at, message);
        }
    }
}

/// The variables that a closure assigns to and does not own.
fn assigned_outside(closure: &ExprClosure) -> Vec<(String, syn::Ident)> {
    let mut names = Names::default();
    names.visit_expr_closure(closure);
    names.assigned.retain(|(name, _)| !names.bound.contains(name));
    names.assigned
}

#[derive(Default)]
struct Names {
    /// Every name bound anywhere inside: more than are in scope, so that no closure is blamed wrongly.
    bound: HashSet<String>,
    assigned: Vec<(String, syn::Ident)>,
}

impl Names {
    fn assign(&mut self, place: &Expr) {
        match place {
            Expr::Path(path) => {
                if let Some(name) = path.path.get_ident() {
                    self.assigned.push((text(name), name.clone()));
                }
            }
            Expr::Field(field) => self.assign(&field.base),
            Expr::Index(index) => self.assign(&index.expr),
            Expr::Paren(inner) => self.assign(&inner.expr),
            Expr::Unary(unary) if matches!(unary.op, UnOp::Deref(_)) => self.assign(&unary.expr),
            _ => {}
        }
    }
}

impl<'ast> Visit<'ast> for Names {
    fn visit_pat(&mut self, pat: &'ast Pat) {
        if let Pat::Ident(ident) = pat {
            self.bound.insert(text(&ident.ident));
        }
        syn::visit::visit_pat(self, pat);
    }

    fn visit_expr_assign(&mut self, assign: &'ast syn::ExprAssign) {
        self.assign(&assign.left);
        syn::visit::visit_expr_assign(self, assign);
    }

    fn visit_expr_binary(&mut self, binary: &'ast syn::ExprBinary) {
        let assigns = matches!(
            binary.op,
            BinOp::AddAssign(_)
                | BinOp::SubAssign(_)
                | BinOp::MulAssign(_)
                | BinOp::DivAssign(_)
                | BinOp::RemAssign(_)
                | BinOp::BitXorAssign(_)
                | BinOp::BitAndAssign(_)
                | BinOp::BitOrAssign(_)
                | BinOp::ShlAssign(_)
                | BinOp::ShrAssign(_)
        );
        if assigns {
            self.assign(&binary.left);
        }
        syn::visit::visit_expr_binary(self, binary);
    }

    fn visit_expr_reference(&mut self, reference: &'ast syn::ExprReference) {
        if reference.mutability.is_some() {
            self.assign(&reference.expr);
        }
        syn::visit::visit_expr_reference(self, reference);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assigned(closure: &str) -> Vec<String> {
        let closure: ExprClosure = syn::parse_str(closure).expect("a closure");
        assigned_outside(&closure).into_iter().map(|(name, _)| name).collect()
    }

    #[test]
    fn only_what_lies_outside_counts() {
        assert_eq!(
            assigned("|r| { total += r.n; seen[0] = 1; *last = r.at; &mut cache; r }"),
            ["total", "seen", "last", "cache"]
        );
        assert_eq!(
            assigned("|mut r| { r.n += 1; let mut n = 0; n += 1; if let Some(x) = &mut r.o { *x = n } }"),
            [""; 0]
        );
    }
}
