//! What the macro implements for each flow.

use crate::embedded::{EmbeddedHost, FlowParts};
use crate::graph::Graph;
use crate::host::Host;
use crate::requirement::requirement;
use std::sync::Arc;

requirement! {
    /// What a param may be: the tasks of a flow share it.
    #[diagnostic::on_unimplemented(
        message = "`{Self}` cannot be a param",
        label = "the tasks of a flow share its params, so they must be `Send + Sync`",
        note = "hold `Arc` where there is `Rc`, and a `Mutex` or an atomic where there is `RefCell` or `Cell`"
    )]
    Param: Send + Sync + 'static
}

/// A flow declared with `dataflow!`. Implemented by the macro alone.
pub trait Flow: Sized + 'static {
    /// The flow as declared.
    const GRAPH: &'static Graph;

    /// The handle of the running flow: a field for each input and output.
    type Handle;

    /// The edges into the flow, in some host: a field for each input.
    type Inputs<H: Host>;

    /// The edges out of the flow, in some host: a field for each output.
    type Outputs<H: Host>;

    /// Wires the stages into a host.
    fn wire<H: Host>(flow: &Arc<Self>, host: &mut H, inputs: Self::Inputs<H>) -> Self::Outputs<H>;

    /// Wires the stages into a host, between the ports of that host.
    fn wire_ports<H: Host>(flow: &Arc<Self>, host: &mut H);

    /// Wires the stages, and the flow's region, into the embedded host.
    fn wire_embedded(flow: &Arc<Self>, host: &mut EmbeddedHost);

    /// Makes the handle.
    fn handle(parts: FlowParts<'_>) -> Self::Handle;
}

/// The type of a param, as borne by a type that mentions what no param does. Implemented for every type.
pub trait Bears<Param> {
    /// The param's type.
    type Param;
}

impl<Bearer, Param> Bears<Param> for Bearer {
    type Param = Param;
}

/// What stands for a flow in its generated module, which cannot name a flow declared in a function. Implemented by the
/// macro alone.
pub trait Standing {
    /// The flow.
    type Flow: Flow;
}

/// The defaults of a flow's params.
#[derive(Debug)]
pub struct Defaults;

/// Fills the params of a flow that stands in another.
#[diagnostic::on_unimplemented(
    message = "`{Flow}` has params without a default",
    label = "write them before what its inputs are given: `{Flow} {{ param: value }}(..)`"
)]
pub trait Fills<Flow> {
    /// The flow with its defaults.
    fn filled() -> Flow;
}

#[diagnostic::do_not_recommend]
impl<Flow: Default> Fills<Flow> for Defaults {
    fn filled() -> Flow {
        Flow::default()
    }
}
