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
mod tables;

/// Makes a struct a row of tables: see `psdf::Row`, which is documented there.
#[proc_macro_derive(Row, attributes(row))]
pub fn derive_row(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    tables::row::derive(input.into()).into()
}

/// Declares flows. Use it through the crate `psdf`, whose macro of the same name says where the runtime is.
#[proc_macro]
pub fn dataflow(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    compile::compile(input.into()).into()
}
