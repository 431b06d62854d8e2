//! What lies below a key: the states that were computed from it, through nodes that remember nothing.
//!
//! This must stay true: where a state has a key, every state that it was computed from has what it needs. So a change of a
//! hole can be dropped, because nothing below knows of it; and a key that goes takes with it what lies below.

use super::error::PullError;
use super::graph::{Cx, Rule, State};
use std::any::Any;

/// Makes a key of a state a hole, and before it what lies below.
pub(super) fn evict(cx: &Cx<'_>, node: usize, key: &dyn Any) -> Result<(), PullError> {
    let Some(state) = cx.graph.part(node).state() else { return Ok(()) };
    if !state.holds(key) {
        return Ok(());
    }
    states_below(cx, node, key, &mut |below, key| evict(cx, below, key))?;
    state.let_go(key);
    Ok(())
}

/// Whether something at or below this key must stay.
pub(super) fn is_pinned(cx: &Cx<'_>, node: usize, key: &dyn Any) -> Result<bool, PullError> {
    let Some(state) = cx.graph.part(node).state() else { return Ok(false) };
    if !state.holds(key) {
        return Ok(false);
    }
    let mut pinned = state.is_pinned(key);
    states_below(cx, node, key, &mut |below, key| {
        pinned = pinned || is_pinned(cx, below, key)?;
        Ok(())
    })?;
    Ok(pinned)
}

/// Whether some state below may hold the key: if none does, a node need not work for its changes. Where rows get another key there it is not asked, because that would cost
/// what it is to save.
pub(super) fn is_wanted(cx: &Cx<'_>, node: usize, key: &dyn Any) -> bool {
    cx.graph.below(node).iter().any(|&below| {
        let part = cx.graph.part(below);
        match part.state() {
            Some(state) => state.holds(key),
            None => part.rekeys() || is_wanted(cx, below, key),
        }
    })
}

fn states_below(
    cx: &Cx<'_>,
    node: usize,
    key: &dyn Any,
    visit: &mut dyn FnMut(usize, &dyn Any) -> Result<(), PullError>,
) -> Result<(), PullError> {
    for &below in cx.graph.below(node) {
        let part = cx.graph.part(below);
        if cx.breaks(Rule::EvictThroughJoins) && part.inputs().iter().skip(1).any(|&input| input == node) {
            continue;
        }
        match part.keys_below(cx, key) {
            None => at(cx, below, key, part.state(), visit)?,
            Some(_) if cx.breaks(Rule::EvictThroughRekeys) => {}
            Some(keys) => {
                for key in keys? {
                    at(cx, below, &*key, part.state(), visit)?;
                }
            }
        }
    }
    Ok(())
}

fn at(
    cx: &Cx<'_>,
    node: usize,
    key: &dyn Any,
    state: Option<&dyn State>,
    visit: &mut dyn FnMut(usize, &dyn Any) -> Result<(), PullError>,
) -> Result<(), PullError> {
    if state.is_some() { visit(node, key) } else { states_below(cx, node, key, visit) }
}
