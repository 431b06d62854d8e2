//! The operators and aggregate functions of the language, as tables.
//!
//! Nothing else matches on their names: an operator is a row here, a function of the runtime, a UI test, a page.

/// How an operator's arguments are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Syntax {
    /// `(f)`, where a closure has so many parameters.
    Closure(usize),
    /// `(f, lateness d)`
    EventTime,
    /// `(name: Type = f, ..)`
    Key,
    /// `(f, concurrency n, ordered | unordered, timeout d, retry n)`
    MapAsync,
    /// `{ name: cond, .. }`
    Route,
    /// `(d)`
    Window,
    /// `(d, every d)`
    HoppingWindow,
    /// `(n)`
    CountWindow,
    /// `{ field: Type = function(..), .. }`
    Aggregate,
    /// `(Type = init, step)`
    Fold,
    /// `(Out) { .. }`
    Stateful,
    /// `(other)`, `(other, within d)`, `(other, until f)`, `(other, keep ..)`
    Join,
    /// `(other)`
    Lookup,
    /// Nothing: all there is to say is `keep`.
    Bare,
    /// `(n, by f)`
    Top,
}

/// What an operator does to a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Each record becomes another.
    Replace,
    /// Each record stays or goes.
    Select,
    /// Each record becomes another or goes.
    ReplaceOrDrop,
    /// Each record becomes any number of others.
    Expand,
    /// Each record is looked at.
    Inspect,
    /// Each record becomes another or is diverted.
    Try,
    /// Something outside of the flow is asked for each record, which becomes the answer or is diverted.
    Call,
    /// Each record gets a time.
    SetTime,
    /// Each record gets a key.
    SetKey,
    /// Each record goes to one of several streams.
    Route,
    /// The next operator works in windows.
    Window(WindowKind),
    /// Keyed state: results, running or for each window.
    Aggregate,
    /// Keyed state: the user's own.
    Stateful,
    /// Keyed state: which keys there were. Records pass or go.
    Dedup,
    /// Keyed state: the latest record. Records pass or go.
    Latest,
    /// Keyed state: the records of two streams.
    Join(JoinKind),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum JoinKind {
    /// Pairs.
    Inner,
    /// Also what is alone on the left.
    Left,
    /// Also what is alone on either side.
    Full,
    /// What is on the left, with the newest on the right.
    Lookup,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WindowKind {
    Tumbling,
    Hopping,
    Session,
    Count,
}

impl WindowKind {
    /// Whether it ends with time, and the state in it.
    pub(crate) fn is_of_time(self) -> bool {
        self != WindowKind::Count
    }
}

impl Effect {
    /// Whether it begins a stage, because it holds state by key.
    pub(crate) fn is_core(self) -> bool {
        matches!(
            self,
            Effect::Aggregate | Effect::Stateful | Effect::Dedup | Effect::Latest | Effect::Join(_)
        )
    }

    /// Whether what it holds for a key is a struct that is generated for it.
    pub(crate) fn has_state_struct(self) -> bool {
        matches!(self, Effect::Aggregate | Effect::Stateful)
    }

    /// Whether the records after it are of the type of those before it.
    pub(crate) fn keeps_type(self) -> bool {
        matches!(
            self,
            Effect::Select
                | Effect::Inspect
                | Effect::SetTime
                | Effect::SetKey
                | Effect::Window(_)
                | Effect::Dedup
                | Effect::Latest
        )
    }
}

/// What may follow `else`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ElseRule {
    /// Nothing is diverted.
    Never,
    /// Without it, what is diverted is counted.
    May,
    /// What is diverted must have a place: a name, `skip` or `fail`.
    Must,
}

/// A row: an operator.
#[derive(Debug)]
pub(crate) struct Operator {
    pub(crate) name: &'static str,
    pub(crate) syntax: Syntax,
    pub(crate) effect: Effect,
    pub(crate) diverts: ElseRule,
    /// How it is used, for messages.
    pub(crate) usage: &'static str,
}

const fn op(
    name: &'static str,
    syntax: Syntax,
    effect: Effect,
    diverts: ElseRule,
    usage: &'static str,
) -> Operator {
    Operator { name, syntax, effect, diverts, usage }
}

use Effect as E;
use ElseRule::{May, Must, Never};
use Syntax as S;

pub(crate) const OPERATORS: &[Operator] = &[
    op("map", S::Closure(1), E::Replace, Never, "map(|record| ..)"),
    op("filter", S::Closure(1), E::Select, Never, "filter(|record| ..)"),
    op("filter_map", S::Closure(1), E::ReplaceOrDrop, Never, "filter_map(|record| ..)"),
    op("flat_map", S::Closure(1), E::Expand, Never, "flat_map(|record| ..)"),
    op("inspect", S::Closure(1), E::Inspect, Never, "inspect(|record| ..)"),
    op("try_map", S::Closure(1), E::Try, Must, "try_map(|record| ..) else failed"),
    op(
        "map_async",
        S::MapAsync,
        E::Call,
        Must,
        "map_async(|record| async move { .. }, concurrency 16, timeout 2 s, retry 3) else failed",
    ),
    op("event_time", S::EventTime, E::SetTime, Never, "event_time(|record| .., lateness 1 min)"),
    op("key_by", S::Key, E::SetKey, Never, "key_by(name: Type = |record| ..)"),
    op("route", S::Route, E::Route, Must, "route { name: |record| .., other: |record| .. } else rest"),
    op("tumbling", S::Window, E::Window(WindowKind::Tumbling), May, "tumbling(1 hour)"),
    op("hopping", S::HoppingWindow, E::Window(WindowKind::Hopping), May, "hopping(1 hour, every 5 min)"),
    op("session", S::Window, E::Window(WindowKind::Session), May, "session(30 min)"),
    op("count_window", S::CountWindow, E::Window(WindowKind::Count), Never, "count_window(100)"),
    op("aggregate", S::Aggregate, E::Aggregate, Never, "aggregate { name: u64 = count() }"),
    op("fold", S::Fold, E::Aggregate, Never, "fold(Type = init, |acc, record| ..)"),
    op(
        "stateful",
        S::Stateful,
        E::Stateful,
        Never,
        "stateful(Out) { state { name: Type = init } keep 7 days; |state, record, out| { .. } }",
    ),
    op("top", S::Top, E::Aggregate, Never, "top(10, by |record| ..)"),
    op("dedup", S::Bare, E::Dedup, Never, "dedup keep 1 hour"),
    op("latest", S::Bare, E::Latest, Never, "latest keep 7 days"),
    op("join", S::Join, E::Join(JoinKind::Inner), May, "join(other, within 10 s)"),
    op("left_join", S::Join, E::Join(JoinKind::Left), May, "left_join(other, within 10 s)"),
    op("full_join", S::Join, E::Join(JoinKind::Full), May, "full_join(other, within 10 s)"),
    op("lookup", S::Lookup, E::Join(JoinKind::Lookup), May, "lookup(other) keep 1 day"),
];

/// What operators and aggregate functions are called elsewhere, for those who come from there.
pub(crate) const ELSEWHERE: &[(&str, &str)] = &[
    ("average", "mean"),
    ("avg", "mean"),
    ("count_distinct", "distinct"),
    ("for_each", "inspect"),
    ("group_by", "key_by"),
    ("list", "collect"),
    ("partition_by", "key_by"),
    ("process", "stateful"),
    ("reduce", "fold"),
    ("scan", "stateful"),
    ("sliding", "hopping"),
    ("split", "route"),
    ("window", "tumbling"),
];

/// The operator of that name.
pub(crate) fn operator(name: &str) -> Option<&'static Operator> {
    OPERATORS.iter().find(|row| row.name == name)
}

/// How an aggregate function's arguments are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FunctionSyntax {
    /// `()`
    None,
    /// `(f)`
    Closure,
    /// `(n, by f)`
    Top,
    /// `(init, step)`, also with `merge f`
    Fold,
    /// `(q, f)`
    Quantile,
    /// `()` or `(f)`
    Own,
}

/// The state of an aggregate function: which type of the runtime's, and over what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FunctionState {
    /// `Name`
    Plain(&'static str),
    /// `Name<FieldType>`
    OfField(&'static str),
    /// `Name<V>`, where the field's type is `Vec<V>`
    OfElement(&'static str),
    /// The field's type itself
    Field,
    /// The type by whose path the user calls it
    Own,
}

/// How a record becomes the input of an aggregate function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Projection {
    /// It needs nothing of the record.
    Nothing,
    /// The closure's value.
    Value,
    /// The closure's value, as `f64`.
    Number,
    /// The closure's value, hashed.
    Fingerprint,
    /// The whole record.
    Record,
    /// The closure's value, which the user's own function says the type of.
    Own,
}

/// What a field must be to hold the result of an aggregate function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Holds {
    /// `u64`
    Count,
    /// `f64`
    Mean,
    /// What can be added up.
    Sum,
    /// What can be compared.
    Extreme,
    /// A `Vec`.
    List,
    /// Any state.
    Any,
    /// What the user's own function makes.
    Own,
}

/// Whether partial results, each of some of the records, can be united to what all of them give: exactly the same,
/// whichever records are together and in whichever order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unites {
    /// Whatever the records are.
    Always,
    /// Where equal values cannot be told apart, and adding them up is exact.
    Exact,
    /// Order decides, or rounding.
    Never,
}

/// How an aggregate on tables lets go of a row that it has taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TakesBack {
    /// It says of each whether it can.
    Asked,
    /// What was added up is subtracted.
    Subtracted,
    /// It holds the front of the group's rows in their order.
    FromFront,
    /// It cannot: the rows of the key are read again.
    Never,
}

/// A row: an aggregate function.
#[derive(Debug)]
pub(crate) struct Function {
    pub(crate) name: &'static str,
    pub(crate) syntax: FunctionSyntax,
    pub(crate) state: FunctionState,
    pub(crate) holds: Holds,
    pub(crate) projection: Projection,
    /// Whether the result depends on the order of event time.
    pub(crate) by_time: bool,
    /// Whether it has no result where there was no record. With a filter its field is then an `Option`.
    pub(crate) needs_one: bool,
    pub(crate) unites: Unites,
    /// How one record's part is taken back.
    pub(crate) takes_back: TakesBack,
    pub(crate) usage: &'static str,
}

impl Function {
    const fn by_time(self) -> Function {
        Function { by_time: true, ..self }
    }

    const fn needs_one(self) -> Function {
        Function { needs_one: true, ..self }
    }

    const fn takes_back(self, takes_back: TakesBack) -> Function {
        Function { takes_back, ..self }
    }

    const fn unites(self, unites: Unites) -> Function {
        Function { unites, ..self }
    }
}

const fn function(
    name: &'static str,
    syntax: FunctionSyntax,
    state: FunctionState,
    holds: Holds,
    projection: Projection,
    usage: &'static str,
) -> Function {
    Function {
        name,
        syntax,
        state,
        holds,
        projection,
        by_time: false,
        needs_one: false,
        unites: Unites::Never,
        takes_back: TakesBack::Never,
        usage,
    }
}

use FunctionState as Held;
use FunctionSyntax as F;
use Projection as P;

pub(crate) const FUNCTIONS: &[Function] = &[
    function("count", F::None, Held::Plain("Count"), Holds::Count, P::Nothing, "n: u64 = count()")
        .unites(Unites::Always)
        .takes_back(TakesBack::Asked),
    function("sum", F::Closure, Held::OfField("Sum"), Holds::Sum, P::Value, "total: u64 = sum(|record| ..)")
        .unites(Unites::Exact)
        .takes_back(TakesBack::Subtracted),
    function(
        "min",
        F::Closure,
        Held::OfField("Min"),
        Holds::Extreme,
        P::Value,
        "least: u64 = min(|record| ..)",
    )
    .needs_one()
    .unites(Unites::Exact)
    .takes_back(TakesBack::FromFront),
    function(
        "max",
        F::Closure,
        Held::OfField("Max"),
        Holds::Extreme,
        P::Value,
        "most: u64 = max(|record| ..)",
    )
    .needs_one()
    .unites(Unites::Exact)
    .takes_back(TakesBack::FromFront),
    function(
        "mean",
        F::Closure,
        Held::Plain("Mean"),
        Holds::Mean,
        P::Number,
        "mean: f64 = mean(|record| ..)",
    )
    .needs_one(),
    function(
        "first",
        F::Closure,
        Held::OfField("First"),
        Holds::Any,
        P::Value,
        "first: String = first(|record| ..)",
    )
    .by_time()
    .needs_one(),
    function(
        "last",
        F::Closure,
        Held::OfField("Last"),
        Holds::Any,
        P::Value,
        "last: String = last(|record| ..)",
    )
    .by_time()
    .needs_one(),
    function(
        "distinct",
        F::Closure,
        Held::Plain("Distinct"),
        Holds::Count,
        P::Fingerprint,
        "n: u64 = distinct(|record| ..)",
    )
    .unites(Unites::Always),
    function(
        "collect",
        F::Closure,
        Held::OfElement("Collect"),
        Holds::List,
        P::Value,
        "all: Vec<u64> = collect(|record| ..)",
    )
    .by_time(),
    function(
        "top",
        F::Top,
        Held::OfElement("Top"),
        Holds::List,
        P::Record,
        "best: Vec<Record> = top(10, by |record| ..)",
    )
    .by_time()
    .takes_back(TakesBack::FromFront),
    function("fold", F::Fold, Held::Field, Holds::Any, P::Record, "acc: Type = fold(init, |acc, record| ..)"),
    function(
        "approx_distinct",
        F::Closure,
        Held::Plain("ApproxDistinct"),
        Holds::Count,
        P::Fingerprint,
        "n: u64 = approx_distinct(|record| ..)",
    )
    .unites(Unites::Always),
    function(
        "quantile",
        F::Quantile,
        Held::Plain("Quantile"),
        Holds::Mean,
        P::Number,
        "p99: f64 = quantile(0.99, |record| ..)",
    )
    .needs_one()
    .unites(Unites::Always),
];

/// A user's own aggregate function, called by its path.
pub(crate) static OWN_FUNCTION: Function =
    function("", F::Own, Held::Own, Holds::Own, P::Own, "name: Type = Function(|record| ..)")
        .by_time()
        .needs_one()
        .takes_back(TakesBack::Asked);

/// The aggregate function of that name.
pub(crate) fn aggregate_function(name: &str) -> Option<&'static Function> {
    FUNCTIONS.iter().find(|row| row.name == name)
}
