//! Tables, views and what is between them, as it was written.

use super::operators::Operator;
use crate::ast::{AggregateField, Keep, Memory};
use proc_macro2::{Ident, Span};
use syn::{Attribute, Expr, Type};

pub(crate) enum Item {
    Table(Table),
    Derived(Derived),
}

impl Item {
    pub(crate) fn name(&self) -> &Ident {
        match self {
            Item::Table(table) => &table.name,
            Item::Derived(derived) => &derived.name,
        }
    }
}

/// `table name: Row { key f; index i: f; }`
pub(crate) struct Table {
    pub(crate) docs: Vec<Attribute>,
    pub(crate) name: Ident,
    pub(crate) ty: Type,
    /// The fields of each `key` that was written: there should be one.
    pub(crate) keys: Vec<Key>,
    pub(crate) indexes: Vec<Index>,
}

/// `key f`, `key (f, g)`
pub(crate) struct Key {
    pub(crate) span: Span,
    pub(crate) fields: Vec<Ident>,
}

/// `index name: f`, `index name: (f, g)`
pub(crate) struct Index {
    pub(crate) name: Ident,
    pub(crate) fields: Vec<Ident>,
}

/// `name: Type = chain;`, `view name: Type = chain;`
pub(crate) struct Derived {
    pub(crate) docs: Vec<Attribute>,
    pub(crate) name: Ident,
    pub(crate) ty: Option<Type>,
    /// Where `view` stands.
    pub(crate) view: Option<Span>,
    pub(crate) begin: Begin,
    pub(crate) ops: Vec<Op>,
    /// What follows the source where there are no operators.
    pub(crate) bounds: Bounds,
}

/// What a chain begins with.
pub(crate) enum Begin {
    Name(Ident),
    /// `merge(a, b)`
    Merge(Span, Vec<Ident>),
}

impl Begin {
    pub(crate) fn names(&self) -> &[Ident] {
        match self {
            Begin::Name(name) => std::slice::from_ref(name),
            Begin::Merge(_, names) => names,
        }
    }
}

/// One operator of a chain.
pub(crate) struct Op {
    pub(crate) name: Ident,
    pub(crate) row: &'static Operator,
    pub(crate) args: Args,
    pub(crate) bounds: Bounds,
}

pub(crate) enum Args {
    /// `(index)`, `(table.index)`; more than one where a key of several was meant.
    Index(Vec<IndexRef>),
    /// `(f)`
    Closure(Expr),
    /// `{ field: Type = function(..), .. }`
    Aggregate(Vec<AggregateField>),
    /// `(other)`, `(other, ..)`
    Others(Vec<Ident>),
    /// Nothing
    None,
}

/// `by_author`, `articles.by_author`
pub(crate) struct IndexRef {
    pub(crate) table: Option<Ident>,
    pub(crate) index: Ident,
}

/// `keep forever, memory 64 MiB, max_rows 10_000`
#[derive(Default)]
pub(crate) struct Bounds {
    pub(crate) keep: Option<Keep>,
    pub(crate) memory: Option<Memory>,
    pub(crate) max_rows: Option<MaxRows>,
}

pub(crate) struct MaxRows {
    pub(crate) span: Span,
    pub(crate) rows: u64,
}

impl Bounds {
    /// The first word of them.
    pub(crate) fn span(&self) -> Option<Span> {
        let keep = self.keep.as_ref().map(|keep| keep.span);
        let memory = || self.memory.as_ref().map(|memory| memory.span);
        let rows = || self.max_rows.as_ref().map(|rows| rows.span);
        keep.or_else(memory).or_else(rows)
    }
}
