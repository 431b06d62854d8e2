//! State has a key, a bound, and a beginning.

use crate::ast::{Args, FunctionArgs};
use crate::diagnostics::{Code, Diagnostics};
use crate::graph::{Graph, Id, Node};
use crate::operators::{Effect, WindowKind};
use proc_macro2::Ident;
use std::collections::HashSet;
use syn::visit::Visit;
use syn::{Expr, ExprMethodCall, Pat};

/// What is spoken of as the source of a node's records.
fn source_name(graph: &Graph, node: &Node) -> String {
    node.sources().first().map_or_else(String::new, |&id| graph.node(id).name.to_string())
}

/// State is held by key; without one there is no telling whose it is.
pub(super) fn stateful_operators_have_a_key(graph: &Graph, errors: &Diagnostics) {
    for (id, node) in graph.nodes.iter().enumerate() {
        for (place, op) in node.ops().iter().enumerate() {
            let windowed = place > 0 && matches!(node.ops()[place - 1].row.effect, Effect::Window(_));
            // A window of time bounds the one state there is where there is no key.
            let counts_out = matches!(op.row.effect, Effect::Window(kind) if !kind.is_of_time());
            let needs_key = counts_out || (op.row.effect.is_core() && !windowed);
            let before = graph.before(id, place);
            if !needs_key || before.key.is_some() || before.unknown {
                continue;
            }
            let message = format!(
                "`{}` needs a key, but `{}` has none; add `key_by(name: Type = |record| ..)` before `{}`",
                node.name,
                source_name(graph, node),
                op.name
            );
            errors.error(Code::NoKey, &op.name, message);
        }
    }
}

/// One `event_time` may be missing for many: it is asked for where it is first missed.
pub(super) fn windows_and_timers_have_event_time(graph: &Graph, errors: &Diagnostics) {
    let mut asked: HashSet<Id> = HashSet::new();
    for &id in &graph.order {
        let node = graph.node(id);
        if node.sources().iter().any(|source| asked.contains(source)) {
            asked.insert(id);
            continue;
        }
        let before = errors.found();
        ask_for_event_time(graph, id, errors);
        if errors.found() > before {
            asked.insert(id);
        }
    }
}

fn ask_for_event_time(graph: &Graph, id: Id, errors: &Diagnostics) {
    let node = graph.node(id);
    for (place, op) in node.ops().iter().enumerate() {
        let before = graph.before(id, place);
        if before.timed || before.unknown {
            continue;
        }
        let add = "add `event_time(|record| .., lateness 1 min)`";
        let by_wall_clock = matches!(op.args, Args::Window { by_wall_clock: Some(_), .. });
        if matches!(op.row.effect, Effect::Window(kind) if kind.is_of_time()) && !by_wall_clock {
            let message = format!(
                "the window of `{}` needs event time, but `{}` has none; {add} before `key_by`",
                node.name,
                source_name(graph, node)
            );
            errors.error(Code::NoEventTime, &op.name, message);
        }
        let bounds_state = op.row.effect.is_core() && !node.is_bounded_by_window();
        if let Some(keep) = op.keep.as_ref().filter(|keep| keep.duration.is_some() && bounds_state) {
            let message = format!(
                "`keep` counts in event time, but nothing before `{}` sets it; {add} upstream, or write \
                     `keep forever`",
                node.name
            );
            errors.error_at(Code::NoEventTime, keep.span, message);
        }
        if let Some(every) = op.every.as_ref().filter(|_| op.row.effect == Effect::Aggregate) {
            let message = format!(
                "`every` counts in event time, but nothing before `{}` sets it; {add} upstream, or remove `every`",
                node.name
            );
            errors.error_at(Code::NoEventTime, every.span, message);
        }
        if let Args::Stateful(stateful) = &op.args {
            let name = &node.name;
            if let Some(timer) = &stateful.timer {
                let message =
                    format!("timers run on event time, but nothing before `{name}` sets it; {add} upstream");
                errors.error(Code::NoEventTime, timer, message);
            } else if let Some(call) = call_on_out(&stateful.step, &["time", "watermark", "set_timer"]) {
                let message = format!(
                    "`{call}` speaks of event time, but nothing before `{name}` sets it; {add} upstream"
                );
                errors.error(Code::NoEventTime, call, message);
            }
        }
    }
}

/// Without a lateness of its own `event_time` goes by the watermark that comes: there must be one.
pub(super) fn event_time_has_a_watermark(graph: &Graph, errors: &Diagnostics) {
    for (id, node) in graph.nodes.iter().enumerate() {
        for (place, op) in node.ops().iter().enumerate() {
            let before = graph.before(id, place);
            let has_none = !before.timed && !before.watermarked && !before.unknown;
            if matches!(op.args, Args::EventTime { lateness: None, .. }) && has_none {
                let message = "how far out of order may records be? Add `, lateness 1 min` (it can be left out only \
                               where a stream has event time already, or is an output of another flow)";
                errors.error(Code::NoEventTime, &op.name, message);
            }
        }
    }
}

/// A timer that rings where nobody is would be lost in silence.
pub(super) fn timers_are_heard(graph: &Graph, errors: &Diagnostics) {
    for node in &graph.nodes {
        for op in node.ops() {
            if let Args::Stateful(stateful) = &op.args
                && stateful.timer.is_none()
                && let Some(call) = call_on_out(&stateful.step, &["set_timer"])
            {
                let message = format!(
                    "`{}` sets timers and does not say what they do; add `on timer |state, at, out| {{ .. }}` after \
                     this closure",
                    node.name
                );
                errors.error(Code::Arguments, call, message);
            }
        }
    }
}

/// The first call, in a closure `|state, record, out|`, of one of these methods on `out`.
fn call_on_out(closure: &Expr, methods: &'static [&'static str]) -> Option<Ident> {
    struct Calls {
        out: Ident,
        methods: &'static [&'static str],
        first: Option<Ident>,
    }

    impl<'ast> Visit<'ast> for Calls {
        fn visit_expr_method_call(&mut self, call: &'ast ExprMethodCall) {
            let on_out = matches!(&*call.receiver, Expr::Path(path) if path.path.is_ident(&self.out));
            if on_out && self.first.is_none() && self.methods.iter().any(|method| call.method == method) {
                self.first = Some(call.method.clone());
            }
            syn::visit::visit_expr_method_call(self, call);
        }
    }

    let Expr::Closure(closure) = closure else { return None };
    let Some(Pat::Ident(out)) = closure.inputs.iter().nth(2) else { return None };
    let mut calls = Calls { out: out.ident.clone(), methods, first: None };
    calls.visit_expr(&closure.body);
    calls.first
}

/// Nothing grows without saying so.
pub(super) fn state_is_bounded(graph: &Graph, errors: &Diagnostics) {
    for node in &graph.nodes {
        let Some(core) = node.core() else { continue };
        let op = &node.ops()[core];
        if op.keep.is_some() || node.is_bounded_by_window() {
            continue;
        }
        let message = match &op.args {
            // Which records meet is a question of its own.
            Args::Join(_) => continue,
            Args::Stateful(_) => format!(
                "the state of `{}` grows with every new key; say how long a key is kept after its last record: \
                 `state {{ .. }} keep 7 days;` (or, if it may grow, `keep forever;`)",
                node.name
            ),
            Args::None => format!(
                "the state of `{}` grows with every new key; say how long a key is kept after its last record: `{} \
                 keep 1 day` (or, if it may grow, `keep forever`)",
                node.name, op.name
            ),
            _ if node.window().is_some() => format!(
                "a window of `{}` that never fills would be held for ever; say how long after its key's last record it \
                 is given all the same: `.. keep 1 day` (or, if that may be at the end, `keep forever`)",
                node.name
            ),
            _ => format!(
                "the state of `{}` grows with every new key; put a window before it, such as `tumbling(1 hour)`, or \
                 say how long a key is kept: `.. keep 7 days` (or, if it may grow, `keep forever`)",
                node.name
            ),
        };
        errors.error(Code::Unbounded, &op.name, message);
    }
}

pub(super) fn state_fields_have_a_first_value(graph: &Graph, errors: &Diagnostics) {
    for node in &graph.nodes {
        for op in node.ops() {
            let Args::Stateful(stateful) = &op.args else { continue };
            for field in stateful.state.iter().filter(|field| field.default.is_none()) {
                let message = format!(
                    "the state field `{}` of `{}` needs the value it begins with: `{}: {} = ..`",
                    field.name,
                    node.name,
                    field.name,
                    shown(&field.ty)
                );
                errors.error(Code::NoDefault, &field.name, message);
            }
        }
    }
}

fn shown(ty: &syn::Type) -> String {
    crate::emit::written(ty)
}

/// A late record can show that two sessions are one: then their states become one, and `fold` must say how.
pub(super) fn sessions_can_merge(graph: &Graph, errors: &Diagnostics) {
    for id in 0..graph.nodes.len() {
        session_can_merge(graph, id, errors);
    }
}

fn session_can_merge(graph: &Graph, id: Id, errors: &Diagnostics) {
    let node = graph.node(id);
    let is_session = node.window().is_some_and(|op| op.row.effect == Effect::Window(WindowKind::Session));
    let Some(core) = node.core() else { return };
    let message = if is_session {
        "two sessions may turn out to be one, so a fold in a session says how to unite them: add `, merge |acc, other| ..`"
    } else if node.is_bounded_by_window()
        && graph.before(id, core).key.is_none()
        && !graph.before(id, core).unknown
    {
        "a window without a key is gathered in parts, so a fold in it says how to unite them: add `, merge |acc, other| ..`, \
         or `key_by(name: Type = |record| ..)` before the window"
    } else if node.ops()[core].every.is_some() || node.early().is_some() {
        "what comes between two results is gathered apart, so this fold says how to unite it with what was \
         there: add `, merge |acc, other| ..`"
    } else {
        return;
    };
    match &node.ops()[core].args {
        Args::Fold(fold) if fold.merge.is_none() => {
            errors.error(Code::NoMerge, &node.ops()[core].name, message)
        }
        Args::Aggregate(fields) => {
            for field in fields {
                if matches!(field.args, FunctionArgs::Fold { merge: None, .. }) {
                    errors.error(Code::NoMerge, &field.function, message);
                }
            }
        }
        _ => {}
    }
}
