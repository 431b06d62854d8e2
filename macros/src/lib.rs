//! The `dataflow!` compiler: parse, build the graph, check, lower, emit.
//!
//! Everything but this shell is ordinary code over `proc_macro2`, with unit tests.

mod ast;
mod check;
mod compile;
mod diagnostics;
mod emit;
#[cfg(test)]
mod expansion;
mod graph;
mod lower;
mod operators;
mod parse;
#[cfg(test)]
mod robustness;

/// Declares flows. Use it through the crate `psdf`, whose macro of the same name says where the runtime is.
#[proc_macro]
pub fn dataflow(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    compile::compile(input.into()).into()
}
