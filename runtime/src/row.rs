//! What generated code asks of the rows of tables: their fields by name, and that rows which meet have one key.

use crate::requirement::requirement;
use crate::tables::Rel;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::hash::Hash;

/// The names of a row's fields. Derived with `psdf::Row`: a name is a number there, which the macro works out.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no fields that a key could be made of",
    label = "the struct of these rows does not derive `psdf::Row`",
    note = "a table's key and indexes are fields of its rows; the struct of the rows derives `psdf::Row`"
)]
pub trait Fields {
    /// In the order of the fields.
    const NAMES: &'static [u128];
}

/// A field of a row, by its place among them. At [`NOWHERE`] there is an [`Unknown`], so that rustc, which is told by
/// [`HasField`] of a name that no field has, has nothing else to say about it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no fields that a key could be made of",
    label = "the struct of these rows does not derive `psdf::Row`",
    note = "a table's key and indexes are fields of its rows; the struct of the rows derives `psdf::Row`"
)]
pub trait Field<const PLACE: usize> {
    /// Its type.
    type Type;

    /// The field.
    fn field(&self) -> &Self::Type;
}

/// The place of a field that a row does not have.
pub const NOWHERE: usize = usize::MAX;

/// The place of a name.
#[must_use]
pub const fn place(names: &[u128], name: u128) -> usize {
    let mut place = 0;
    while place < names.len() {
        if names[place] == name {
            return place;
        }
        place += 1;
    }
    NOWHERE
}

/// What stands for a field that a row does not have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Unknown;

/// Whether a row has a field.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no such field that a key could be made of",
    label = "no field of `{Self}` has this name",
    note = "a table's key and indexes are fields of its rows, but for those with `#[row(skip)]`"
)]
pub trait HasField<const IS: bool> {
    /// To ask for it.
    const ASKED: () = ();
}

#[diagnostic::do_not_recommend]
impl<Row> HasField<true> for Row {}

/// Shows a row to a closure.
#[inline(always)]
pub fn shown<'a, T, R>(value: &'a T, f: impl Fn(&'a T) -> R) -> R {
    f(value)
}

requirement! {
    /// [`RowKey`](crate::tables::RowKey), as a flow asks for it.
    #[diagnostic::on_unimplemented(
        message = "`{Self}` cannot be a key of rows",
        label = "rows are found by this, so it must be `Clone + Eq + Hash + Ord + Send + Sync`, and serde's `Serialize + Deserialize`",
        note = "derive `Clone, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize` for it; \
                instead of a float, take an integer made of it"
    )]
    IsRowKey: Hash + Eq + Ord + Clone + Send + Sync + Serialize + DeserializeOwned + 'static
}

requirement! {
    /// [`StoredRow`](crate::tables::StoredRow), as a flow asks for it.
    #[diagnostic::on_unimplemented(
        message = "`{Self}` cannot be a row of a table",
        label = "rows are stored, so they must be `Clone + PartialEq + Send + Sync`, and serde's `Serialize + Deserialize`",
        note = "derive `Clone, PartialEq, serde::Serialize, serde::Deserialize, psdf::Row` for it"
    )]
    IsStoredRow: PartialEq + Clone + Send + Sync + Serialize + DeserializeOwned + 'static
}

requirement! {
    /// [`RowValue`](crate::tables::RowValue), as a flow asks for it.
    #[diagnostic::on_unimplemented(
        message = "`{Self}` cannot be a value in a view",
        label = "values are compared and measured, so they must be `Clone + PartialEq + Send + Sync`, and serde's `Serialize`",
        note = "derive `Clone, PartialEq, serde::Serialize` for it"
    )]
    IsRowValue: PartialEq + Clone + Send + Sync + Serialize + 'static
}

requirement! {
    /// What a result between tables and views must be, beside what can be held as state.
    #[diagnostic::on_unimplemented(
        message = "`{Self}` cannot be a result that views are made of",
        label = "a result is held against the one before it, and read by many, so it must be `PartialEq + Sync`",
        note = "derive `PartialEq` for it; hold an atomic or a `Mutex` where there is `Cell` or `RefCell`"
    )]
    IsCompared: PartialEq + Sync
}

/// The key of rows that meet others.
#[diagnostic::on_unimplemented(
    message = "rows meet by their key, and here it is `{Self}`, and on the left `{Left}`",
    label = "the key of these rows is `{Self}`, that of those on the left is `{Left}`",
    note = "`rekey(index)` gives rows another key, in a node of its own"
)]
pub trait MeetsKey<Left>: Sized {
    /// The rows, by the key of those on the left.
    fn by_one_key<L, R>(left: Rel<Left, L>, right: Rel<Self, R>) -> Rel<Left, R>;
}

#[diagnostic::do_not_recommend]
impl<K> MeetsKey<K> for K {
    fn by_one_key<L, R>(_: Rel<K, L>, right: Rel<K, R>) -> Rel<K, R> {
        right
    }
}

/// Rows that are merged with others.
#[diagnostic::on_unimplemented(
    message = "`merge` unites rows of one type, and these are `{First}` and `{Self}`",
    label = "these rows are `{Self}`, the first are `{First}`",
    note = "`map_values` makes other rows of them, in a node of its own"
)]
pub trait MergesRows<First>: Sized {
    /// The rows, as those of the first.
    fn of_one_type<K>(first: Rel<K, First>, other: Rel<K, Self>) -> Rel<K, First>;
}

#[diagnostic::do_not_recommend]
impl<V> MergesRows<V> for V {
    fn of_one_type<K>(_: Rel<K, V>, other: Rel<K, V>) -> Rel<K, V> {
        other
    }
}
