//! The whole pipeline.

use crate::diagnostics::Diagnostics;
use crate::{check, emit, graph, lower, parse};
use proc_macro2::{Span, TokenStream};

/// Compiles what stands between the braces of `dataflow! { .. }`, led by the path of the facade.
pub(crate) fn compile(input: TokenStream) -> TokenStream {
    let errors = Diagnostics::new();
    let (facade, flows) = parse::flows(input, &errors);
    let mut code = TokenStream::new();
    for flow in flows {
        let graph = graph::build(flow, &errors);
        check::check(&graph, &errors);
        // A flow with a mistake gets the types its users name, and no body: rustc then has nothing to add.
        let plan = if errors.is_empty() { Some(lower::lower(&graph)) } else { None };
        code.extend(emit::flow(&graph, plan.as_ref(), &facade));
    }
    code.extend(errors.into_tokens());
    code
}

/// The span that our own names bear: they neither collide with the user's nor are seen by them.
pub(crate) fn own() -> Span {
    Span::mixed_site()
}
