//! The operators on tables, as a table: nothing else matches on their names.

/// What an operator does to keyed rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Rows stay or go.
    Select,
    /// Each row's value becomes another.
    Replace,
    /// Rows get another key.
    Rekey,
    /// State: a result for each key.
    Aggregate,
    /// State: each row once.
    Distinct,
    /// Pairs of rows with one key.
    Join,
    /// Also those that are alone on the left.
    LeftJoin,
    /// Rows of several nodes.
    Merge,
}

impl Effect {
    /// Whether it holds state by key.
    pub(crate) fn has_state(self) -> bool {
        matches!(self, Effect::Aggregate | Effect::Distinct)
    }
}

/// How an operator's arguments are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Syntax {
    Index,
    Closure,
    Aggregate,
    Other,
    Others,
    Bare,
}

/// A row: an operator.
#[derive(Debug)]
pub(crate) struct Operator {
    pub(crate) name: &'static str,
    pub(crate) syntax: Syntax,
    pub(crate) effect: Effect,
    pub(crate) usage: &'static str,
}

const fn op(name: &'static str, syntax: Syntax, effect: Effect, usage: &'static str) -> Operator {
    Operator { name, syntax, effect, usage }
}

pub(crate) const OPERATORS: &[Operator] = &[
    op("group_by", Syntax::Index, Effect::Rekey, "group_by(index)"),
    op("rekey", Syntax::Index, Effect::Rekey, "rekey(index)"),
    op("aggregate", Syntax::Aggregate, Effect::Aggregate, "aggregate { n: u64 = count() } keep forever"),
    op("filter", Syntax::Closure, Effect::Select, "filter(|row| ..)"),
    op("map_values", Syntax::Closure, Effect::Replace, "map_values(|row| ..)"),
    op("join", Syntax::Other, Effect::Join, "join(other)"),
    op("left_join", Syntax::Other, Effect::LeftJoin, "left_join(other)"),
    op("merge", Syntax::Others, Effect::Merge, "merge(other, ..)"),
    op("distinct", Syntax::Bare, Effect::Distinct, "distinct keep forever"),
];

/// What operators on tables are called elsewhere: on streams, or in other libraries.
pub(crate) const ELSEWHERE: &[(&str, &str)] = &[
    ("map", "map_values"),
    ("filter_map", "map_values"),
    ("key_by", "rekey"),
    ("partition_by", "rekey"),
    ("union", "merge"),
    ("concat", "merge"),
    ("dedup", "distinct"),
    ("reduce", "aggregate"),
    ("fold", "aggregate"),
    ("lookup", "left_join"),
    ("inner_join", "join"),
];

/// The operator of that name.
pub(crate) fn operator(name: &str) -> Option<&'static Operator> {
    OPERATORS.iter().find(|row| row.name == name)
}
