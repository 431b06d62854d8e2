//! What the user wrote, as it was written.

use crate::operators::{Function, Operator};
use proc_macro2::{Ident, Span};
use std::collections::HashSet;
use syn::{Attribute, Expr, ExprPath, Generics, Path, Type, Visibility};

/// `pub flow Name { .. }`
pub(crate) struct Flow {
    pub(crate) docs: Vec<Attribute>,
    pub(crate) vis: Visibility,
    pub(crate) name: Ident,
    /// With its `where`.
    pub(crate) generics: Generics,
    pub(crate) items: Vec<Item>,
    /// The words of all of them.
    pub(crate) said: HashSet<String>,
    /// The words in items that could not be read: what seems unknown or unused may be there.
    pub(crate) unread: HashSet<String>,
    /// Whether every item was read as it was meant.
    pub(crate) complete: bool,
    /// The names of nodes that could not be read.
    pub(crate) unread_names: Vec<Ident>,
    /// Whether an item was not read of which not even the name is known.
    pub(crate) nameless: bool,
}

pub(crate) enum Item {
    Subflow(Subflow),
    Param(Param),
    Input(Input),
    Node(Node),
    Output(Output),
    /// A table, a view, or what is between them.
    Region(crate::tables::ast::Item),
    Feed(Feed),
}

/// `chain -> into table;`
pub(crate) struct Feed {
    pub(crate) table: Ident,
    pub(crate) chain: Chain,
}

/// `param name: Type = default;`
pub(crate) struct Param {
    pub(crate) docs: Vec<Attribute>,
    pub(crate) name: Ident,
    pub(crate) ty: Type,
    pub(crate) default: Option<Expr>,
}

/// `input name: Type;`
pub(crate) struct Input {
    pub(crate) docs: Vec<Attribute>,
    pub(crate) name: Ident,
    pub(crate) ty: Type,
}

/// `name: Type = chain;`, or a chain without a name that ends in `route`.
pub(crate) struct Node {
    pub(crate) docs: Vec<Attribute>,
    pub(crate) formerly: Vec<Ident>,
    pub(crate) name: Option<Ident>,
    pub(crate) ty: Option<Type>,
    pub(crate) chain: Chain,
}

/// `output name: Type = chain;`
pub(crate) struct Output {
    pub(crate) docs: Vec<Attribute>,
    pub(crate) formerly: Vec<Ident>,
    pub(crate) name: Ident,
    pub(crate) ty: Option<Type>,
    pub(crate) chain: Option<Chain>,
}

/// `name = Flow { param: value }(input = node, ..);`
pub(crate) struct Subflow {
    /// `None` where an output is read on the spot.
    pub(crate) name: Option<Ident>,
    pub(crate) flow: Path,
    /// The flow with its params, where they are written.
    pub(crate) value: Option<Expr>,
    pub(crate) inputs: Vec<(Ident, Source)>,
}

/// Where a chain begins, and what an input of another flow is given.
pub(crate) enum Source {
    /// `name`
    Node(Ident),
    /// `flow.output`
    Output { flow: Ident, output: Ident },
    /// `Flow(input = node).output`
    Flow { flow: Box<Subflow>, output: Ident },
}

impl Source {
    /// Where it is written.
    pub(crate) fn span(&self) -> Span {
        match self {
            Source::Node(name) => name.span(),
            Source::Output { output, .. } | Source::Flow { output, .. } => output.span(),
        }
    }
}

/// `source -> operator -> operator`
pub(crate) struct Chain {
    pub(crate) source: Vec<Source>,
    /// Where `merge` stands, if the chain begins with it.
    pub(crate) merge: Option<Span>,
    pub(crate) operators: Vec<Op>,
    /// The table that it leads into.
    pub(crate) into: Option<Ident>,
}

/// One operator of a chain.
pub(crate) struct Op {
    pub(crate) name: Ident,
    pub(crate) row: &'static Operator,
    pub(crate) args: Args,
    pub(crate) allow: Option<Duration>,
    pub(crate) diverted: Option<Else>,
    pub(crate) keep: Option<Keep>,
    pub(crate) every: Option<Every>,
    pub(crate) memory: Option<Memory>,
}

/// `every d`
pub(crate) struct Every {
    pub(crate) span: Span,
    pub(crate) duration: Duration,
}

/// What an operator was given.
pub(crate) enum Args {
    /// `(f)`
    Closure(Expr),
    /// `(f, lateness d)`, or `(f)`, which keeps the watermark that there is.
    EventTime { f: Expr, lateness: Option<Duration> },
    /// `(name: Type = f, ..)`
    Key(Vec<KeyField>),
    /// `(f, concurrency n, ordered | unordered, timeout d, retry n)`
    MapAsync(Box<MapAsync>),
    /// `{ name: cond, .. }`
    Route(Vec<Arm>),
    /// `(d)`, `(d, every d)`, each also with `early every d` or `processing_time`
    Window { size: Duration, every: Option<Duration>, early: Option<Duration>, by_wall_clock: Option<Span> },
    /// `(n)`
    CountWindow(Expr),
    /// `{ field: Type = function(..), .. }`
    Aggregate(Vec<AggregateField>),
    /// `(Type = init, step)`, also with `merge f`
    Fold(Box<Fold>),
    /// `(Out) { state { .. } keep ..; |state, record, out| .. on timer |state, at, out| .. }`
    Stateful(Box<Stateful>),
    /// `(other)`, `(other, within d)`, `(other, until f)`
    Join(Box<Join>),
    /// Nothing
    None,
}

pub(crate) struct MapAsync {
    pub(crate) f: Expr,
    /// As they were written.
    pub(crate) options: Vec<AsyncOption>,
}

pub(crate) struct AsyncOption {
    pub(crate) name: Ident,
    pub(crate) value: AsyncValue,
}

pub(crate) enum AsyncValue {
    Concurrency(Expr),
    Ordered,
    Unordered,
    Timeout(Duration),
    Retry(Expr),
}

impl MapAsync {
    fn find<'a, T>(&'a self, wanted: impl Fn(&'a AsyncOption) -> Option<T>) -> Option<T> {
        self.options.iter().find_map(wanted)
    }

    pub(crate) fn concurrency(&self) -> Option<(&Ident, &Expr)> {
        self.find(|option| match &option.value {
            AsyncValue::Concurrency(value) => Some((&option.name, value)),
            _ => None,
        })
    }

    pub(crate) fn is_unordered(&self) -> bool {
        self.options.iter().any(|option| matches!(option.value, AsyncValue::Unordered))
    }

    pub(crate) fn timeout(&self) -> Option<&Duration> {
        self.find(|option| match &option.value {
            AsyncValue::Timeout(value) => Some(value),
            _ => None,
        })
    }

    pub(crate) fn retry(&self) -> Option<(&Ident, &Expr)> {
        self.find(|option| match &option.value {
            AsyncValue::Retry(value) => Some((&option.name, value)),
            _ => None,
        })
    }
}

pub(crate) struct KeyField {
    pub(crate) name: Ident,
    pub(crate) ty: Type,
    pub(crate) f: Expr,
}

pub(crate) struct Arm {
    pub(crate) name: Ident,
    pub(crate) condition: Expr,
}

pub(crate) struct AggregateField {
    pub(crate) docs: Vec<Attribute>,
    pub(crate) formerly: Vec<Ident>,
    pub(crate) name: Ident,
    pub(crate) ty: Type,
    pub(crate) function: ExprPath,
    pub(crate) row: &'static Function,
    /// The type by whose path the user calls a function of their own.
    pub(crate) own: Option<Type>,
    pub(crate) args: FunctionArgs,
    pub(crate) filter: Option<Filter>,
}

impl AggregateField {
    /// Whether its result is missing where no record passes its filter.
    pub(crate) fn may_be_missing(&self) -> bool {
        self.filter.is_some() && self.row.needs_one
    }
}

/// `where f`
pub(crate) struct Filter {
    pub(crate) span: Span,
    pub(crate) f: Expr,
}

/// What an aggregate function was given.
pub(crate) enum FunctionArgs {
    None,
    /// `(f)`
    Closure(Expr),
    /// `(n, by f)`
    Top {
        n: Expr,
        by: Expr,
    },
    /// `(init, step)`, also with `merge f`
    Fold {
        init: Expr,
        step: Expr,
        merge: Option<Expr>,
    },
    /// `(q, f)`
    Quantile {
        q: Expr,
        f: Expr,
    },
}

impl FunctionArgs {
    /// The closure that says what is taken of a record, if the function takes but a part of it.
    pub(crate) fn taken(&self) -> Option<&Expr> {
        match self {
            FunctionArgs::Closure(f) | FunctionArgs::Quantile { f, .. } => Some(f),
            FunctionArgs::None | FunctionArgs::Top { .. } | FunctionArgs::Fold { .. } => None,
        }
    }
}

pub(crate) struct Fold {
    pub(crate) ty: Type,
    pub(crate) init: Expr,
    pub(crate) step: Expr,
    pub(crate) merge: Option<Expr>,
}

pub(crate) struct Stateful {
    pub(crate) out: Type,
    pub(crate) state: Vec<StateField>,
    pub(crate) step: Expr,
    pub(crate) timer: Option<Expr>,
}

pub(crate) struct Join {
    /// The stream on the right.
    pub(crate) other: Ident,
    pub(crate) bound: Option<JoinBound>,
}

/// Which records of a join meet.
pub(crate) enum JoinBound {
    /// `within d`
    Within(Duration),
    /// `until f`
    Until(Expr),
}

pub(crate) struct StateField {
    pub(crate) docs: Vec<Attribute>,
    pub(crate) formerly: Vec<Ident>,
    pub(crate) migrate: Option<Migrate>,
    pub(crate) name: Ident,
    pub(crate) ty: Type,
    pub(crate) default: Option<Expr>,
}

impl StateField {
    /// Its type, and the one it had before.
    pub(crate) fn types(&self) -> impl Iterator<Item = &Type> {
        std::iter::once(&self.ty).chain(self.migrate.as_ref().map(|migrate| &migrate.from))
    }
}

/// `#[migrate(from = Type, f)]`
pub(crate) struct Migrate {
    pub(crate) from: Type,
    pub(crate) f: Expr,
}

/// A duration, with what was written for pictures and messages.
#[derive(Clone)]
pub(crate) struct Duration {
    pub(crate) value: DurationValue,
    pub(crate) written: String,
}

#[derive(Clone)]
pub(crate) enum DurationValue {
    Micros(u64),
    /// A param, or an expression of `std::time::Duration` in parentheses.
    Expr(Box<Expr>),
}

/// `keep d` or `keep forever`
pub(crate) struct Keep {
    pub(crate) span: Span,
    /// `None`: forever.
    pub(crate) duration: Option<Duration>,
}

/// `memory 64 MiB`, with what was written for pictures.
#[derive(Clone)]
pub(crate) struct Memory {
    pub(crate) span: Span,
    pub(crate) budget: Budget,
    pub(crate) written: String,
}

/// How much of the state may be in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Budget {
    Bytes(u64),
    Keys(u64),
}

/// `else name: Type`, `else skip`, `else fail`
pub(crate) struct Else {
    pub(crate) span: Span,
    pub(crate) to: Diversion,
}

pub(crate) enum Diversion {
    Node { name: Ident, ty: Option<Type> },
    Skip,
    Fail,
}

impl Else {
    /// The type written for what is diverted.
    pub(crate) fn ty(&self) -> Option<&Type> {
        match &self.to {
            Diversion::Node { ty, .. } => ty.as_ref(),
            Diversion::Skip | Diversion::Fail => None,
        }
    }
}
