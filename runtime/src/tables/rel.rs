//! Words of a region: collections of rows by key, their changes, and the ways to look rows up.

use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt;
use std::hash::Hash;
use std::marker::PhantomData;

/// What rows can be found by: the key of a table, of an index, of a view.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the key of rows",
    label = "a key of rows must be `Clone + Eq + Hash + Ord + Send + Sync`, and serde's `Serialize + Deserialize`",
    note = "derive `Clone, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize` for it"
)]
pub trait RowKey: Clone + Eq + Hash + Ord + Serialize + DeserializeOwned + Send + Sync + 'static {}

#[diagnostic::do_not_recommend]
impl<T: Clone + Eq + Hash + Ord + Serialize + DeserializeOwned + Send + Sync + 'static> RowKey for T {}

/// What a node of a region can hold for a key.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a value in a table or a view",
    label = "a value must be `Clone + PartialEq + Send + Sync`, and serde's `Serialize`",
    note = "derive `Clone, PartialEq, serde::Serialize` for it"
)]
pub trait RowValue: Clone + PartialEq + Serialize + Send + Sync + 'static {}

#[diagnostic::do_not_recommend]
impl<T: Clone + PartialEq + Serialize + Send + Sync + 'static> RowValue for T {}

/// What a table can hold.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a row of a table",
    label = "a row must be `Clone + PartialEq + Send + Sync`, and serde's `Serialize + Deserialize`",
    note = "derive `Clone, PartialEq, serde::Serialize, serde::Deserialize, psdf::Row` for it"
)]
pub trait StoredRow: RowValue + DeserializeOwned {}

#[diagnostic::do_not_recommend]
impl<T: RowValue + DeserializeOwned> StoredRow for T {}

/// A node of a region that is being built: rows `(K, V)`, of which there may be several with one key.
pub struct Rel<K, V> {
    pub(super) id: usize,
    types: PhantomData<fn() -> (K, V)>,
}

impl<K, V> Rel<K, V> {
    pub(super) fn new(id: usize) -> Self {
        Rel { id, types: PhantomData }
    }
}

impl<K, V> Clone for Rel<K, V> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K, V> Copy for Rel<K, V> {}

impl<K, V> fmt::Debug for Rel<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Rel").field(&self.id).finish()
    }
}

/// A table of a region. It is a [`Rel`] by the table's key.
pub struct TableRel<K, R>(pub(super) Rel<K, R>);

impl<K, R> TableRel<K, R> {
    /// Its rows, by its key.
    pub fn rel(&self) -> Rel<K, R> {
        self.0
    }
}

impl<K, R> Clone for TableRel<K, R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K, R> Copy for TableRel<K, R> {}

impl<K, R> fmt::Debug for TableRel<K, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TableRel").field(&self.0.id).finish()
    }
}

impl<K, R> From<TableRel<K, R>> for Rel<K, R> {
    fn from(table: TableRel<K, R>) -> Self {
        table.0
    }
}

/// What the rows of a table can be found by, beside its key. `I` is the index's key.
pub struct Index<I, R> {
    pub(super) way: Way,
    types: PhantomData<fn() -> (I, R)>,
}

impl<I, R> Index<I, R> {
    pub(super) fn new(way: Way) -> Self {
        Index { way, types: PhantomData }
    }
}

impl<I, R> Clone for Index<I, R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<I, R> Copy for Index<I, R> {}

impl<I, R> fmt::Debug for Index<I, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Index").field(&self.way).finish()
    }
}

/// An index of a region, or the key of a table where it stands for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexId(pub(super) usize);

/// What a node is asked for its rows by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// The node's own key.
    Key,
    /// A key of an index of a table, for what lies under a `rekey`.
    Index(IndexId),
    /// Nothing: all that there are. The key is `()`.
    All,
}

/// A change of a collection: so many rows more, or fewer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delta<K, V> {
    /// The key of the rows.
    pub key: K,
    /// The row.
    pub value: V,
    /// How many more there are of it.
    pub diff: i64,
}

/// Whether two values are one. A NaN inside them is as good as itself, or it could never be taken away again.
pub(super) fn same<V: RowValue>(one: &V, other: &V) -> bool {
    one == other || (is_unlike_itself(one) && is_unlike_itself(other) && written(one) == written(other))
}

#[allow(clippy::eq_op)]
fn is_unlike_itself<V: PartialEq>(value: &V) -> bool {
    value != value
}

fn written<V: Serialize>(value: &V) -> Option<Vec<u8>> {
    postcard::to_stdvec(value).ok()
}

/// Takes one row out, if it is there.
pub(super) fn take_one<V: RowValue>(rows: &mut Vec<V>, value: &V) -> bool {
    match rows.iter().position(|row| same(row, value)) {
        Some(place) => {
            rows.remove(place);
            true
        }
        None => false,
    }
}
