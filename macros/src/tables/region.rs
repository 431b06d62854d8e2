//! The graph of a flow's region: its tables, its views, and the steps between them, each with its key and its value.

use super::ast;
use crate::ast::{AggregateField, Memory};
use crate::graph::text;
use proc_macro2::{Ident, Span};
use syn::{Attribute, Expr, Type};

/// A step, by its place in [`Region::steps`].
pub(crate) type StepId = usize;

#[derive(Default)]
pub(crate) struct Region {
    pub(crate) tables: Vec<Table>,
    /// The nodes and views, in the order of declaration.
    pub(crate) nodes: Vec<Node>,
    /// Each after those that it reads.
    pub(crate) steps: Vec<Step>,
}

pub(crate) struct Table {
    pub(crate) docs: Vec<Attribute>,
    pub(crate) name: Ident,
    pub(crate) ty: Type,
    pub(crate) key: Vec<Ident>,
    pub(crate) indexes: Vec<ast::Index>,
    pub(crate) step: StepId,
}

/// A node between tables and views, or a view.
pub(crate) struct Node {
    pub(crate) docs: Vec<Attribute>,
    pub(crate) name: Ident,
    pub(crate) ty: Option<Type>,
    pub(crate) view: Option<Span>,
    /// The names that its chain reads.
    pub(crate) reads: Vec<Source>,
    /// The names of its operators.
    pub(crate) operators: Vec<&'static str>,
    /// Its steps, in order; the last bears its name. Empty if something in it was wrong.
    pub(crate) steps: Vec<StepId>,
    pub(crate) is_read: bool,
    /// Where state is bounded, by operator; and whatever bounds what has none.
    pub(crate) idle_bounds: Vec<(String, Span)>,
    pub(crate) written: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Table(usize),
    Node(usize),
}

pub(crate) struct Step {
    pub(crate) op: StepOp,
    pub(crate) inputs: Vec<StepId>,
    /// Where its inputs beside the first are named.
    pub(crate) named: Vec<Span>,
    /// The operator, or the name of the table.
    pub(crate) at: Ident,
    /// The node it is of; `None` for a table.
    pub(crate) node: Option<usize>,
    pub(crate) key: Key,
    pub(crate) value: Value,
    /// Whether its rows are gathered by a key that is not their own.
    pub(crate) grouped: bool,
    pub(crate) bounds: StateBounds,
}

#[derive(Clone, Default)]
pub(crate) struct StateBounds {
    pub(crate) keeps: bool,
    pub(crate) keep_duration: Option<Span>,
    pub(crate) memory: Option<Memory>,
    pub(crate) max_rows: Option<(Span, u64)>,
    /// Whether a view shares the budget with the state it shows.
    pub(crate) halved: bool,
}

pub(crate) enum StepOp {
    Table(usize),
    Filter(Expr),
    MapValues(Expr),
    Rekey {
        to: Found,
    },
    /// All rows under one key.
    Whole,
    Aggregate(Vec<AggregateField>),
    Distinct,
    Join {
        left: bool,
    },
    Merge,
    View,
}

/// An index of a table, or its key, and where the rows are in a value.
#[derive(Clone)]
pub(crate) struct Found {
    pub(crate) index: IndexId,
    /// The way to the row: 0 for the left of a pair, 1 for the right.
    pub(crate) path: Vec<u8>,
}

/// An index of a table; `None` is its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct IndexId {
    pub(crate) table: usize,
    pub(crate) index: Option<usize>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    Of(IndexId),
    /// `()`: all rows have it.
    Whole,
    /// Something was wrong before.
    Unknown,
}

/// What is known of the values of a step.
#[derive(Clone)]
pub(crate) enum Value {
    Row(usize),
    Pair(Box<Value>, Box<Value>),
    Maybe(Box<Value>),
    /// The record generated for that node.
    Record(usize),
    /// What a closure makes: of a type that is written, or not.
    Made {
        ty: Option<Type>,
    },
    Unknown,
}

impl Value {
    /// Whether its type is.
    pub(crate) fn is_known(&self) -> bool {
        match self {
            Value::Row(_) | Value::Record(_) | Value::Unknown => true,
            Value::Pair(left, right) => left.is_known() && right.is_known(),
            Value::Maybe(value) => value.is_known(),
            Value::Made { ty } => ty.is_some(),
        }
    }
}

impl Region {
    pub(crate) fn is_empty(&self) -> bool {
        self.tables.is_empty() && self.nodes.is_empty()
    }

    /// Whether the types of all that it gives the handle are known.
    pub(crate) fn is_complete(&self) -> bool {
        let is_typed = |node: &Node| match (&node.ty, node.steps.last()) {
            (_, None) => false,
            (Some(ty), Some(_)) => !crate::graph::is_partly_inferred(ty),
            (None, Some(&last)) => node.view.is_none() || self.steps[last].value.is_known(),
        };
        self.tables.iter().all(|table| !table.key.is_empty()) && self.nodes.iter().all(is_typed)
    }

    /// The name of a step's node or table.
    pub(crate) fn name_of(&self, step: StepId) -> &Ident {
        match self.steps[step].node {
            Some(node) => &self.nodes[node].name,
            None => &self.steps[step].at,
        }
    }

    /// The fields of an index, or of a key.
    pub(crate) fn fields(&self, id: IndexId) -> &[Ident] {
        let table = &self.tables[id.table];
        id.index.map_or(&table.key[..], |index| &table.indexes[index].fields)
    }

    /// `votes.by_article`, `articles.key`
    pub(crate) fn shown(&self, id: IndexId) -> String {
        let table = &self.tables[id.table];
        let index = id.index.map_or_else(|| "key".to_string(), |index| text(&table.indexes[index].name));
        format!("{}.{index}", text(&table.name))
    }

    /// The fields of a key, as they are spoken of.
    pub(crate) fn shown_key(&self, key: &Key) -> String {
        match key {
            Key::Of(id) => {
                let fields: Vec<String> = self.fields(*id).iter().map(text).collect();
                if let [field] = &fields[..] { field.clone() } else { format!("({})", fields.join(", ")) }
            }
            Key::Whole => "()".to_string(),
            Key::Unknown => "_".to_string(),
        }
    }

    /// The steps that aggregate, and what.
    pub(crate) fn aggregates(&self) -> impl Iterator<Item = (StepId, &[AggregateField])> {
        self.steps.iter().enumerate().filter_map(|(step, here)| match &here.op {
            StepOp::Aggregate(fields) => Some((step, &fields[..])),
            _ => None,
        })
    }

    /// Types of what is held or stored.
    pub(crate) fn held_types(&self) -> impl Iterator<Item = (&'static str, Vec<&Type>)> {
        let results = self
            .aggregates()
            .map(|(_, fields)| ("a result", fields.iter().map(|field| &field.ty).collect::<Vec<_>>()));
        let rows = self.tables.iter().map(|table| ("a row", vec![&table.ty]));
        let values = self.nodes.iter().filter_map(|node| node.ty.as_ref()).map(|ty| ("a value", vec![ty]));
        results.chain(rows).chain(values)
    }

    /// The step under a source's name.
    pub(crate) fn step_of(&self, source: Source) -> Option<StepId> {
        match source {
            Source::Table(table) => Some(self.tables[table].step),
            Source::Node(node) => self.nodes[node].steps.last().copied(),
        }
    }

    /// The tables that a step's rows come from.
    pub(crate) fn tables_under(&self, step: StepId) -> Vec<usize> {
        let mut found = Vec::new();
        let mut to_see = vec![step];
        while let Some(step) = to_see.pop() {
            if let StepOp::Table(table) = self.steps[step].op
                && !found.contains(&table)
            {
                found.push(table);
            }
            to_see.extend(&self.steps[step].inputs);
        }
        found
    }
}
