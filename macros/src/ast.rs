//! What the user wrote, as it was written.

use crate::operators::{Function, Operator};
use proc_macro2::{Ident, Span};
use std::collections::HashSet;
use syn::{Attribute, Expr, Type, Visibility};

/// `pub flow Name { .. }`
pub(crate) struct Flow {
    pub(crate) docs: Vec<Attribute>,
    pub(crate) vis: Visibility,
    pub(crate) name: Ident,
    pub(crate) items: Vec<Item>,
    /// The words in items that could not be read: what seems unknown or unused may be there.
    pub(crate) unread: HashSet<String>,
}

pub(crate) enum Item {
    Param(Param),
    Input(Input),
    Node(Node),
    Output(Output),
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
    pub(crate) name: Option<Ident>,
    pub(crate) ty: Option<Type>,
    pub(crate) chain: Chain,
}

/// `output name: Type = chain;`
pub(crate) struct Output {
    pub(crate) docs: Vec<Attribute>,
    pub(crate) name: Ident,
    pub(crate) ty: Option<Type>,
    pub(crate) chain: Option<Chain>,
}

/// `source -> operator -> operator`
pub(crate) struct Chain {
    pub(crate) source: Vec<Ident>,
    /// Where `merge` stands, if the chain begins with it.
    pub(crate) merge: Option<Span>,
    pub(crate) operators: Vec<Op>,
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
    /// `(f, lateness d)`
    EventTime { f: Expr, lateness: Duration },
    /// `(name: Type = f, ..)`
    Key(Vec<KeyField>),
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
    /// Nothing
    None,
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
    pub(crate) name: Ident,
    pub(crate) ty: Type,
    pub(crate) function: Ident,
    pub(crate) row: &'static Function,
    pub(crate) args: FunctionArgs,
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

pub(crate) struct StateField {
    pub(crate) docs: Vec<Attribute>,
    pub(crate) name: Ident,
    pub(crate) ty: Type,
    pub(crate) default: Option<Expr>,
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
