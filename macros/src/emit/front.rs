//! Functions that hold the front of a group's rows: `min`, `max`, and `top` where the order of rows is in the rows.

use super::body::ident;
use crate::ast::{AggregateField, FunctionArgs};
use crate::operators::{FunctionState, TakesBack};
use crate::tables::region::{Region, StepId, Value};
use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote};

/// What holds the front of a group's rows for a function.
pub(super) struct Front {
    /// Its type, in `tables`.
    pub(super) holder: Ident,
    /// For `top`: the rows in a value whose keys say which of two equals is in front.
    pub(super) rows: Vec<RowAt>,
}

/// A row of a table in a value.
pub(super) struct RowAt {
    pub(super) table: usize,
    /// The way to it: 0 for the left of a pair, 1 for the right.
    pub(super) path: Vec<u8>,
}

impl Front {
    /// What the function of a field holds over the rows that a step reads; `None` if it is no front.
    pub(super) fn of(region: &Region, step: StepId, field: &AggregateField) -> Option<Front> {
        if field.row.takes_back != TakesBack::FromFront || field.own.is_some() {
            return None;
        }
        let (FunctionState::OfField(holder) | FunctionState::OfElement(holder)) = field.row.state else {
            return None;
        };
        let mut rows = Vec::new();
        if let FunctionArgs::Top { .. } = field.args {
            let &input = region.steps[step].inputs.first()?;
            if !rows_in(&region.steps[input].value, &mut Vec::new(), &mut rows) || rows.is_empty() {
                return None;
            }
        }
        Some(Front { holder: format_ident!("Front{holder}", span = crate::compile::own()), rows })
    }

    /// `field: state`, before the first row.
    pub(super) fn init(&self, field: &AggregateField, rt: &TokenStream, rows: &Ident) -> TokenStream {
        let (name, holder) = (&field.name, &self.holder);
        quote!(#name: #rt::tables::#holder::expecting(#rows))
    }

    /// `field: result`
    pub(super) fn result(field: &AggregateField, held: &TokenStream) -> TokenStream {
        let name = &field.name;
        match &field.args {
            FunctionArgs::Top { n, .. } => quote!(#name: (#held).finish(#n)),
            _ => {
                let result = ident(if field.may_be_missing() { "first" } else { "finish" });
                quote!(#name: (#held).#result())
            }
        }
    }
}

/// Finds the rows of tables in a value: whether their keys tell all values of a group apart.
///
/// A result of an `aggregate` is the only one with its key, which is that of the rows beside it. What may be missing is so
/// too, if it is such a result; several rows of a table may stand there one after the other.
fn rows_in(value: &Value, path: &mut Vec<u8>, rows: &mut Vec<RowAt>) -> bool {
    match value {
        Value::Row(table) => {
            rows.push(RowAt { table: *table, path: path.clone() });
            true
        }
        Value::Pair(left, right) => [(0, left), (1, right)].into_iter().all(|(side, value)| {
            path.push(side);
            let found = rows_in(value, path, rows);
            path.pop();
            found
        }),
        Value::Record(_) => true,
        Value::Maybe(value) => matches!(**value, Value::Record(_)),
        Value::Made { .. } | Value::Unknown => false,
    }
}
