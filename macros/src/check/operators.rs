//! Operators have what belongs to them, and nothing else.

use crate::ast::{Args, Diversion, Duration, DurationValue, Op};
use crate::diagnostics::{Code, Diagnostics};
use crate::graph::{Graph, Origin};
use crate::operators::{Effect, ElseRule, JoinKind, WindowKind};

pub(super) fn clauses_fit_their_operators(graph: &Graph, errors: &Diagnostics) {
    for node in &graph.nodes {
        if let Origin::Chain(chain) = &node.origin
            && let Some((merge, sources)) = chain.merge
            && sources < 2
        {
            errors.error_at(Code::Arguments, merge, "`merge` unites two streams or more: `merge(a, b)`");
        }
        for (place, op) in node.ops().iter().enumerate() {
            check_else(op, errors);
            let in_window = place > 0
                && matches!(node.ops()[place - 1].row.effect, Effect::Window(kind) if kind.is_of_time());
            check_every(op, node.window().is_some(), errors);
            check_keep(op, in_window, errors);
            check_window(op, errors);
            let earlier = node.ops()[..place].iter().find(|op| op.memory.is_some());
            check_memory(op, earlier, errors);
            if op.allow.is_some() && !matches!(op.row.effect, Effect::Window(kind) if kind.is_of_time()) {
                let message = format!("`{}` takes no `allow`: it belongs to a window of time", op.name);
                errors.error(Code::Arguments, &op.name, message);
            }
            if op.row.effect == Effect::Route && place + 1 < node.ops().len() {
                let message = "nothing can follow `route`: read its arms by their names";
                errors.error(Code::NotAStream, &node.ops()[place + 1].name, message);
            }
        }
    }
}

/// Nothing is lost in silence, and nothing is kept that never comes.
fn check_else(op: &Op, errors: &Diagnostics) {
    let name = &op.name;
    match (&op.diverted, op.row.diverts) {
        (None, ElseRule::Must) if op.row.effect == Effect::Route => {
            let message =
                "where do records go that fit no arm? Add `else rest`, or `else skip` to count them";
            errors.error(Code::NoElse, name, message);
        }
        (None, ElseRule::Must) => {
            let message = format!(
                "where do records go that fail? Add `else failed` to `{name}`, or `else skip` to count them, or \
                 `else fail` to end the flow"
            );
            errors.error(Code::NoElse, name, message);
        }
        (Some(diverted), ElseRule::Never) => {
            let message = format!("`{name}` diverts nothing, so there is nothing for `else`; remove it");
            errors.error_at(Code::IdleElse, diverted.span, message);
        }
        (Some(diverted), _)
            if matches!(diverted.to, Diversion::Fail)
                && !matches!(op.row.effect, Effect::Try | Effect::Call) =>
        {
            let message = format!("`{name}` has no failures that could end the flow; write `else name`");
            errors.error_at(Code::IdleElse, diverted.span, message);
        }
        (None, ElseRule::Never | ElseRule::May) | (Some(_), ElseRule::May | ElseRule::Must) => {}
    }
}

/// A window holds something, and no record falls between two of them.
fn check_window(op: &Op, errors: &Diagnostics) {
    let Args::Window { size, every, .. } = &op.args else { return };
    let begins = every.as_ref().and_then(|every| Some((micros(every)?, &every.written)));
    let Some(length) = micros(size) else { return };
    if length == 0 && op.row.effect != Effect::Window(WindowKind::Session) {
        let message = format!("a window of no length holds no record; write for example `{}`", op.row.usage);
        errors.error(Code::Arguments, &op.name, message);
    } else if begins.is_some_and(|(every, _)| every == 0) {
        let message = "`every 0` would begin a new window for ever; write for example `every 5 min`";
        errors.error(Code::Arguments, &op.name, message);
    } else if let Some((_, written)) = begins.filter(|(every, _)| *every > length) {
        let message = format!(
            "`every {written}` leaves gaps between windows of {}, and what falls there would be lost; write an `every` that \
             is no longer than the window",
            size.written
        );
        errors.error(Code::Arguments, &op.name, message);
    }
}

fn micros(duration: &Duration) -> Option<u64> {
    match duration.value {
        DurationValue::Micros(micros) => Some(micros),
        DurationValue::Expr(_) => None,
    }
}

/// `every` thins out what would come after each batch.
fn check_every(op: &Op, windowed: bool, errors: &Diagnostics) {
    let Some(every) = &op.every else { return };
    if op.row.effect != Effect::Aggregate {
        let message =
            format!("`{}` takes no `every`: it thins out a running `aggregate`, `fold` or `top`", op.name);
        errors.error_at(Code::Arguments, every.span, message);
    } else if windowed {
        let message = "the window says already when its results come; remove `every`";
        errors.error_at(Code::Arguments, every.span, message);
    }
}

/// `keep` bounds state that nothing else bounds.
fn check_keep(op: &Op, windowed: bool, errors: &Diagnostics) {
    let Some(keep) = &op.keep else { return };
    if !op.row.effect.is_core() {
        let message = format!("`{}` holds no state, so there is nothing to keep; remove `keep`", op.name);
        errors.error_at(Code::IdleKeep, keep.span, message);
    } else if windowed {
        let message = "the window bounds this state already; remove `keep`";
        errors.error_at(Code::IdleKeep, keep.span, message);
    }
}

/// What holds nothing needs no memory, and what is held is counted once.
fn check_memory(op: &Op, earlier: Option<&Op>, errors: &Diagnostics) {
    let Some(memory) = &op.memory else { return };
    if !op.row.effect.is_core() && !matches!(op.row.effect, Effect::Window(_)) {
        let message = format!("`{}` holds no state, so it needs no budget; remove `memory`", op.name);
        errors.error_at(Code::IdleKeep, memory.span, message);
    } else if let Some(earlier) = earlier {
        let message = format!("`{}` has a budget for this state already; remove one `memory`", earlier.name);
        errors.error_at(Code::Arguments, memory.span, message);
    }
}

/// By the wall clock nothing is late, and a window is open for as long as it lasts.
pub(super) fn wall_clocks_divert_nothing(graph: &Graph, errors: &Diagnostics) {
    for op in graph.nodes.iter().flat_map(|node| node.ops()) {
        let Args::Window { by_wall_clock: Some(at), early, .. } = &op.args else { continue };
        if let Some(diverted) = &op.diverted {
            let message = "nothing is late by the wall clock, so there is nothing for `else`; remove it";
            errors.error_at(Code::IdleElse, diverted.span, message);
        }
        if op.allow.is_some() || early.is_some() {
            let message = "a window of `processing_time` fires once, when it ends; remove its `allow` or `early every ..`";
            errors.error_at(Code::Arguments, *at, message);
        }
        if op.row.effect == Effect::Window(WindowKind::Session) {
            let message = "a session needs event time; `tumbling` and `hopping` can go by `processing_time`";
            errors.error_at(Code::Arguments, *at, message);
        }
    }
}

/// A window is a promise to aggregate: alone it has no records.
pub(super) fn windows_are_aggregated(graph: &Graph, errors: &Diagnostics) {
    for node in &graph.nodes {
        for (place, op) in node.ops().iter().enumerate() {
            let Effect::Window(window) = op.row.effect else { continue };
            let works_in_windows = |op: &Op| match op.row.effect {
                Effect::Aggregate => true,
                Effect::Join(kind) => kind != JoinKind::Lookup && window.is_of_time(),
                _ => false,
            };
            if !node.ops().get(place + 1).is_some_and(works_in_windows) {
                let message = format!(
                    "a window needs an aggregate: write `{} -> aggregate {{ n: u64 = count() }}`, or `-> fold(..)`, or \
                     `-> join(other)`",
                    op.row.usage
                );
                errors.error(Code::Window, &op.name, message);
            }
        }
    }
}
