//! What generated code asks of the rows of tables: their fields by name, and that rows which meet have one key.

use crate::tables::{Rel, RowKey, RowValue};

/// A field of a row, by its name. Derived with `psdf::Row`: the name is a number there, which the macro works out.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no such field that a key could be made of",
    label = "no field of `{Self}` has this name, or its struct does not derive `psdf::Row`",
    note = "a table's key and indexes are fields of its rows; the struct of the rows derives `psdf::Row`"
)]
pub trait Field<const NAME: u128> {
    /// Its type.
    type Type;

    /// The field.
    fn field(&self) -> &Self::Type;
}

/// Shows a row to a closure.
#[inline(always)]
pub fn shown<'a, T, R>(value: &'a T, f: impl Fn(&'a T) -> R) -> R {
    f(value)
}

/// What can be joined: rows with the same key.
#[diagnostic::on_unimplemented(
    message = "the keys of these rows are of different types",
    label = "rows meet by their key, and the keys of the two sides are of different types",
    note = "`rekey(index)` gives rows another key, in a node of its own"
)]
pub trait JoinsRows<Left> {
    /// The rows.
    type Joined;

    /// The rows, if they have the key of the others.
    fn by_one_key(self, left: Left) -> Self::Joined;
}

#[diagnostic::do_not_recommend]
impl<K: RowKey, L: RowValue, R: RowValue> JoinsRows<Rel<K, L>> for Rel<K, R> {
    type Joined = Rel<K, R>;

    fn by_one_key(self, _: Rel<K, L>) -> Rel<K, R> {
        self
    }
}

/// What can be merged: rows of one type, with the same key.
#[diagnostic::on_unimplemented(
    message = "`merge` unites rows of one type with keys of one type, and these are of two",
    label = "these rows, or their key, are of another type than those of the first",
    note = "`map_values` makes other rows of them, `rekey(index)` gives them another key"
)]
pub trait MergesRows<First> {
    /// The rows.
    type Merged;

    /// The rows, if they are of the kind of the first.
    fn of_one_kind(self, first: First) -> Self::Merged;
}

#[diagnostic::do_not_recommend]
impl<K: RowKey, V: RowValue> MergesRows<Rel<K, V>> for Rel<K, V> {
    type Merged = Rel<K, V>;

    fn of_one_kind(self, _: Rel<K, V>) -> Rel<K, V> {
        self
    }
}
