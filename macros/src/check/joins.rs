//! The two sides of a join have one key, one time, and one bound.

use crate::ast::{Args, Join, JoinBound, Op};
use crate::diagnostics::{Code, Diagnostics};
use crate::emit::written;
use crate::graph::{Graph, Id, Node, text};
use crate::operators::{Effect, JoinKind};
use proc_macro2::{Ident, Span};
use syn::Type;

/// A join of a node, with what it names.
struct Found<'a> {
    id: Id,
    node: &'a Node,
    place: usize,
    op: &'a Op,
    join: &'a Join,
    kind: JoinKind,
    other: Id,
    at: Span,
}

/// The joins whose other side is known.
fn joins(graph: &Graph) -> impl Iterator<Item = Found<'_>> {
    graph.nodes.iter().enumerate().filter_map(|(id, node)| {
        let place = node.core()?;
        let op = &node.ops()[place];
        let (Args::Join(join), Effect::Join(kind)) = (&op.args, op.row.effect) else { return None };
        let (other, at) = node.joins()?;
        Some(Found { id, node, place, op, join, kind, other, at })
    })
}

pub(super) fn both_sides_have_one_key(graph: &Graph, errors: &Diagnostics) {
    for Found { id, node, place, other, at, .. } in joins(graph) {
        let (left, Some(right)) = (graph.before(id, place), graph.joined_stream(id)) else { continue };
        let name = &graph.node(other).name;
        match (&left.key, &right.key) {
            (Some(left), Some(right)) if shown(left) != shown(right) => {
                let message = format!(
                    "`{}` joins by one key, but its own side has `{}` and `{name}` has `{}`; give both the same names and \
                     types",
                    node.name,
                    shown(left),
                    shown(right)
                );
                errors.error_at(Code::JoinKeys, at, message);
            }
            (left, None) if !right.unknown => {
                let key = left.as_deref().map_or_else(|| "name: Type".to_string(), shown);
                let message = format!(
                    "`{}` joins by key, but `{name}` has none; end its chain in `key_by({key} = |record| ..)`",
                    node.name
                );
                errors.error_at(Code::NoKey, at, message);
            }
            // The other side is spoken of where every operator's key is.
            _ => {}
        }
    }
}

fn shown(key: &[(Ident, Type)]) -> String {
    let fields: Vec<String> =
        key.iter().map(|(name, ty)| format!("{}: {}", text(name), written(ty))).collect();
    fields.join(", ")
}

pub(super) fn both_sides_have_event_time(graph: &Graph, errors: &Diagnostics) {
    for Found { id, node, place, op, join, kind, other, at } in joins(graph) {
        let keeps = op.keep.as_ref().is_some_and(|keep| keep.duration.is_some());
        let needs_time = keeps || join.bound.is_some() || node.window().is_some() || kind == JoinKind::Lookup;
        let add = "add `event_time(|record| .., lateness 1 min)` upstream";
        let (left, Some(right)) = (graph.before(id, place), graph.joined_stream(id)) else { continue };
        if needs_time && !right.timed && !right.unknown {
            let message = format!(
                "`{}` goes by event time, but nothing before `{}` sets it; {add}",
                op.name,
                graph.node(other).name
            );
            errors.error_at(Code::NoEventTime, at, message);
        }
        // Of windows and of `keep` this is said where they stand.
        let said = node.window().is_some() || keeps;
        if needs_time && !said && !left.timed && !left.unknown {
            let message = format!(
                "`{}` goes by event time, but nothing before `{}` sets it; {add}",
                op.name, node.name
            );
            errors.error(Code::NoEventTime, &op.name, message);
        }
    }
}

/// Without a bound each side would have to be kept for ever, and with two nobody could tell which holds.
pub(super) fn one_thing_bounds_a_join(graph: &Graph, errors: &Diagnostics) {
    for Found { id, node, op, join, kind, .. } in joins(graph) {
        let (name, other) = (&op.name, &join.other);
        let bound = join.bound.as_ref().map(|bound| match bound {
            JoinBound::Within(_) => "within",
            JoinBound::Until(_) => "until",
        });
        match (bound, &op.keep) {
            (Some(bound), _) if node.window().is_some() => {
                let message = format!("the window says already which records meet; remove `{bound}`");
                errors.error(Code::Arguments, name, message);
            }
            (Some(bound), Some(keep)) => {
                let message = format!("`{bound}` bounds this state already; remove `keep`");
                errors.error_at(Code::IdleKeep, keep.span, message);
            }
            // What `latest` keeps is there to be found.
            (None, None) if graph.latest_looked_up(id).is_some() => {}
            (None, None) if kind == JoinKind::Lookup => {
                let message = format!(
                    "how old may what is found in `{other}` be? Write `lookup({other}) keep 1 day` (or, if it may be of \
                     any age, `keep forever`)"
                );
                errors.error(Code::Unbounded, name, message);
            }
            (None, None) if node.window().is_none() => {
                let message = format!(
                    "which records of `{other}` meet which? Say how near they are: `{name}({other}, within 10 s)`; or let \
                     the record say: `{name}({other}, until |record| ..)`; or put a window before it: `tumbling(1 min) -> \
                     {name}({other})`; or say how long each side is kept: `{name}({other}) keep 7 days` (or, if it may \
                     grow, `keep forever`)"
                );
                errors.error(Code::Unbounded, name, message);
            }
            (None, Some(keep))
                if keep.duration.is_none()
                    && node.window().is_none()
                    && matches!(kind, JoinKind::Left | JoinKind::Full) =>
            {
                let message = format!(
                    "with `keep forever` nothing ever tells that a record meets none; write `{name}({other}, within 10 \
                     s)` or `keep 7 days`, or `join` if only pairs matter"
                );
                errors.error_at(Code::Arguments, keep.span, message);
            }
            _ => {}
        }
    }
}

/// A window's late records are the window's, and where all is kept for ever there are none.
pub(super) fn late_records_are_told_once(graph: &Graph, errors: &Diagnostics) {
    for Found { node, op, join, kind, .. } in joins(graph) {
        if let Some(allow) = node.window().filter(|window| window.allow.is_some()) {
            let message = format!(
                "a join gives each pair once, when its window ends, so `{}` takes no `allow` here; give `event_time` more \
                 lateness",
                allow.name
            );
            errors.error(Code::Arguments, &allow.name, message);
        }
        let Some(diverted) = &op.diverted else { continue };
        let forever = join.bound.is_none() && op.keep.as_ref().is_some_and(|keep| keep.duration.is_none());
        if node.window().is_some() {
            let message = "the window tells which records are late; write `else` after it";
            errors.error_at(Code::IdleElse, diverted.span, message);
        } else if forever && kind != JoinKind::Lookup {
            let message = "what is kept for ever meets every record, so none is late; remove `else`";
            errors.error_at(Code::IdleElse, diverted.span, message);
        }
    }
}

/// Which pairs there are is known when the windows of both sides are over, by the times of the records.
pub(super) fn windows_of_joins_go_by_event_time(graph: &Graph, errors: &Diagnostics) {
    for Found { node, .. } in joins(graph) {
        let Some(window) = node.window() else { continue };
        let Args::Window { early, by_wall_clock, .. } = &window.args else { continue };
        if early.is_some() || by_wall_clock.is_some() {
            let message = format!(
                "the windows of a join go by event time and give their pairs when they are over; remove `{}` from `{}`",
                if early.is_some() { "early .." } else { "processing_time" },
                window.name
            );
            errors.error(Code::Arguments, &window.name, message);
        }
    }
}
