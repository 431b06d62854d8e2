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

/// Makes a struct a row of tables: `key` and `index` of a `table` then find its fields by their names, with their types.
///
/// It is for structs with named fields, and asks nothing of the types of fields. `#[row(skip)]` before a field leaves it out:
/// no key is made of it, and its type may be private where the struct is public. `#[row(crate = path)]` before the struct says
/// where psdf is, if it goes by another name.
///
/// ```text
/// #[derive(Clone, PartialEq, Serialize, Deserialize, psdf::Row)]
/// struct Article { id: u64, author: u64, title: String }
/// ```
#[proc_macro_derive(Row, attributes(row))]
pub fn derive_row(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    tables::row::derive(input.into()).into()
}

/// Declares flows. Use it through the crate `psdf`, whose macro of the same name says where the runtime is.
#[proc_macro]
pub fn dataflow(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    compile::compile(input.into()).into()
}
