//! Which node's closure panicked: known at no cost on the way there.

use std::any::Any;
use std::cell::Cell;

/// A node of a flow, by its place in the graph's list.
pub type NodeId = u16;

/// In place of a node: the one on whose behalf this runs already.
pub const ENCLOSING: NodeId = NodeId::MAX;

thread_local! {
    static PANICKED_IN: Cell<Option<NodeId>> = const { Cell::new(None) };
}

/// Names the node if what runs inside unwinds.
///
/// It is forgotten on the ordinary way out, so it costs a landing pad and no instruction.
struct Unwinding(NodeId);

impl Drop for Unwinding {
    #[cold]
    fn drop(&mut self) {
        if self.0 != ENCLOSING && PANICKED_IN.get().is_none() {
            PANICKED_IN.set(Some(self.0));
        }
    }
}

/// Runs a user's code on behalf of a node.
#[inline(always)]
pub fn on_behalf_of<R>(node: NodeId, code: impl FnOnce() -> R) -> R {
    let unwinding = Unwinding(node);
    let result = code();
    std::mem::forget(unwinding);
    result
}

/// The node whose code the panic just caught on this thread came from, if it came from a node's.
pub(crate) fn take_node() -> Option<NodeId> {
    PANICKED_IN.take()
}

/// What the panic said.
pub(crate) fn message(payload: &(dyn Any + Send)) -> String {
    payload
        .downcast_ref::<&str>()
        .map(ToString::to_string)
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a message".into())
}
