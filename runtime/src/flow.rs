//! What the macro implements for each flow.

use crate::embedded::{EmbeddedHost, FlowParts};
use crate::graph::Graph;
use std::sync::Arc;

/// A flow declared with `dataflow!`. Implemented by the macro alone.
pub trait Flow: Send + Sync + Sized + 'static {
    /// The flow as declared.
    const GRAPH: &'static Graph;

    /// The handle of the running flow: a field for each input and output.
    type Handle;

    /// Wires the stages into the embedded host.
    fn wire_embedded(flow: &Arc<Self>, host: &mut EmbeddedHost);

    /// Makes the handle.
    fn handle(parts: FlowParts<'_>) -> Self::Handle;
}
