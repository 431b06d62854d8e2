//! The stateless operators: what generated code calls for each record.
//!
//! Each takes the record first and the closure last, so that rustc infers the closure's parameter from the
//! record. References are of one lifetime, not of all, so that a closure may return part of what it is shown.

use crate::aggregate::{Aggregate, Quantile};
use crate::panic::{NodeId, on_behalf_of};
use crate::requirement::{Met, Never, Unmet};
use crate::time::Timestamp;
use std::error::Error;
use std::hash::Hash;

/// `map(f)`.
#[inline(always)]
pub fn map<T, R>(node: NodeId, record: T, f: impl Fn(T) -> R) -> R {
    on_behalf_of(node, || f(record))
}

/// `filter(f)`: whether the record goes on.
#[inline(always)]
pub fn filter<'a, T>(node: NodeId, record: &'a T, f: impl Fn(&'a T) -> bool) -> bool {
    on_behalf_of(node, || f(record))
}

/// `filter_map(f)`.
#[inline(always)]
pub fn filter_map<T, R>(node: NodeId, record: T, f: impl Fn(T) -> Option<R>) -> Option<R> {
    on_behalf_of(node, || f(record))
}

/// `try_map(f)`: what the closure makes of the record, of which [`Outcome`] is asked.
#[inline(always)]
pub fn try_map<T, R>(node: NodeId, record: T, f: impl Fn(T) -> R) -> R {
    on_behalf_of(node, || f(record))
}

/// `inspect(f)`.
#[inline(always)]
pub fn inspect<'a, T>(node: NodeId, record: &'a T, f: impl Fn(&'a T)) {
    on_behalf_of(node, || f(record));
}

/// `event_time(f, ..)`: what the closure makes of the record, of which [`EventTime`](crate::time::EventTime) is asked.
#[inline(always)]
pub fn event_time<'a, T, A>(node: NodeId, record: &'a T, f: impl Fn(&'a T) -> A) -> A {
    on_behalf_of(node, || f(record))
}

/// `key_by(name: K = f)`: the record's key.
#[inline(always)]
pub fn key<'a, T, K>(node: NodeId, record: &'a T, f: impl Fn(&'a T) -> K) -> K {
    on_behalf_of(node, || f(record))
}

/// What an aggregate function takes of a record.
#[inline(always)]
pub fn project<'a, T, V>(node: NodeId, record: &'a T, f: impl Fn(&'a T) -> V) -> V {
    on_behalf_of(node, || f(record))
}

/// Shows a record's input to a user's own aggregate function.
#[inline(always)]
pub fn add_own<A: Aggregate>(node: NodeId, state: &mut A, input: A::Input, at: Timestamp) {
    on_behalf_of(node, || state.add(input, at));
}

/// Unites two states of a user's own aggregate function.
pub fn merge_own<A: Aggregate>(node: NodeId, state: &mut A, other: A) {
    on_behalf_of(node, || state.merge(other));
}

/// Lets a user's own aggregate function take an input back: whether it could.
pub fn retract_own<A: Aggregate>(node: NodeId, state: &mut A, input: A::Input) -> bool {
    on_behalf_of(node, || state.retract(input))
}

/// Whether the result of a user's own aggregate function depends on the order of what it is shown.
pub fn depends_on_order<A: Aggregate>(_: &A) -> bool {
    A::DEPENDS_ON_ORDER
}

/// The result of a user's own aggregate function.
pub fn finish_own<A: Aggregate>(node: NodeId, state: A) -> A::Output {
    on_behalf_of(node, || state.finish())
}

/// The result of `quantile(q, f)`.
///
/// # Panics
/// If `q` is not from 0 to 1.
pub fn quantile(node: NodeId, sketch: &Quantile, q: impl FnOnce() -> f64) -> f64 {
    on_behalf_of(node, || {
        let q = q();
        assert!((0.0..=1.0).contains(&q), "`quantile` was asked for {q}, which is not from 0.0 to 1.0");
        sketch.at(q)
    })
}

/// What `distinct` and `approx_distinct` can tell apart.
#[diagnostic::on_unimplemented(
    message = "one `{Self}` cannot be told from another",
    label = "the closure of `distinct` or `approx_distinct` must return something that is `Hash`"
)]
pub trait Distinguished {
    /// What is kept of it: see [`crate::aggregate::Distinct`].
    fn fingerprint(&self) -> u128;
}

#[diagnostic::do_not_recommend]
impl<V: Hash> Distinguished for V {
    #[inline(always)]
    fn fingerprint(&self) -> u128 {
        crate::hash::fingerprint(self)
    }
}

/// One step of a fold: `|acc, record|`.
#[inline(always)]
pub fn fold<'a, S, T>(node: NodeId, acc: &'a mut S, record: &'a T, f: impl Fn(&'a mut S, &'a T)) {
    on_behalf_of(node, || f(acc, record));
}

/// The merge of a fold: `|acc, other|`.
#[inline(always)]
pub fn merge<S>(node: NodeId, acc: &mut S, other: S, f: impl Fn(&mut S, S)) {
    on_behalf_of(node, || f(acc, other));
}

/// One step of a stateful node: `|state, record, out|`, and its timer: `|state, at, out|`.
#[inline(always)]
pub fn step<S, T, E>(node: NodeId, state: &mut S, record: T, out: &mut E, f: impl Fn(&mut S, T, &mut E)) {
    on_behalf_of(node, || f(state, record, out));
}

/// What generated code evaluates for a node outside a closure: an initial state.
#[inline(always)]
pub fn init<S>(node: NodeId, f: impl FnOnce() -> S) -> S {
    on_behalf_of(node, f)
}

/// `flat_map(f)`: what the record becomes.
#[inline(always)]
pub fn flat_map<T, I>(node: NodeId, record: T, f: impl Fn(T) -> I) -> I {
    on_behalf_of(node, || f(record))
}

/// What `flat_map` can make records of. For `How` see [`crate::requirement`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not hold records",
    label = "the closure of `flat_map` must return what can be iterated over: a `Vec`, an `Option`, an iterator"
)]
pub trait Several<How = Met>: Sized {
    /// The iterator.
    type Each: Iterator;

    /// The records.
    fn each(self, node: NodeId) -> FlatMap<Self::Each>;
}

#[diagnostic::do_not_recommend]
impl<I: IntoIterator> Several for I {
    type Each = I::IntoIter;

    #[inline(always)]
    fn each(self, node: NodeId) -> FlatMap<I::IntoIter> {
        FlatMap { node, inner: on_behalf_of(node, || self.into_iter()) }
    }
}

#[diagnostic::do_not_recommend]
impl<I: Never + IntoIterator> Several<Unmet> for I {
    type Each = I::IntoIter;

    fn each(self, node: NodeId) -> FlatMap<I::IntoIter> {
        FlatMap { node, inner: self.into_iter() }
    }
}

/// The user's iterator, whose code runs on behalf of its node.
pub struct FlatMap<I> {
    node: NodeId,
    inner: I,
}

impl<I: Iterator> Iterator for FlatMap<I> {
    type Item = I::Item;

    #[inline(always)]
    fn next(&mut self) -> Option<I::Item> {
        on_behalf_of(self.node, || self.inner.next())
    }
}

/// What `else fail` can end a flow with.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an error that can end a flow",
    label = "`else fail` needs a `std::error::Error` that is `Send + Sync`, or a `String`",
    note = "implement `std::error::Error` for it, or lead the failures on with `else name`"
)]
pub trait Failure {
    /// The error.
    fn error(self) -> Box<dyn Error + Send + Sync>;
}

#[diagnostic::do_not_recommend]
impl<E: Into<Box<dyn Error + Send + Sync>>> Failure for E {
    fn error(self) -> Box<dyn Error + Send + Sync> {
        self.into()
    }
}

/// A record that an operator gives to a function by its path. For `How` see [`crate::requirement`].
#[diagnostic::on_unimplemented(
    message = "this function does not take `{Self}`",
    label = "the record comes as `{Self}`, and this is `{Function}`"
)]
pub trait GivenTo<Function, Record, How = Met>: Sized {
    /// What the function makes of it.
    type Made;

    /// Calls the function.
    fn give_to(self, function: &Function) -> Self::Made;
}

#[diagnostic::do_not_recommend]
impl<T, R, F: Fn(T) -> R> GivenTo<F, T> for T {
    type Made = R;

    #[inline(always)]
    fn give_to(self, function: &F) -> R {
        function(self)
    }
}

#[diagnostic::do_not_recommend]
impl<T, F: Never> GivenTo<F, T, Unmet> for T {
    type Made = T;

    fn give_to(self, _: &F) -> T {
        self
    }
}

/// A record whose type rustc must know where it leaves for another task: later it could only guess.
pub trait Known {
    /// The record.
    fn known(&self) {}
}

impl<T> Known for T {}

/// A type by another name.
pub type Same<T> = T;

/// What it is given.
#[inline(always)]
pub fn same<T>(value: T) -> T {
    value
}

/// What `try_map` can tell success from failure by.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a `Result`",
    label = "the closure of `try_map` must return a `Result`; `filter_map` takes an `Option`"
)]
pub trait Outcome {
    /// The record.
    type Success;
    /// What `else` gets.
    type Failure;

    /// One or the other.
    fn outcome(self) -> Result<Self::Success, Self::Failure>;
}

#[diagnostic::do_not_recommend]
impl<T, E> Outcome for Result<T, E> {
    type Success = T;
    type Failure = E;

    #[inline(always)]
    fn outcome(self) -> Result<T, E> {
        self
    }
}

/// Reads a param inside a closure: a `Copy` one by value, any other by reference.
///
/// `Param(&value).get()` finds the method on `Param<T>` where `T: Copy`, else, one dereference further, the
/// other.
pub struct Param<'a, T>(pub &'a T);

/// See [`Param`].
pub trait ByValue {
    /// What the closure sees.
    type Seen;
    /// The param.
    fn get(&self) -> Self::Seen;
}

impl<T: Copy> ByValue for Param<'_, T> {
    type Seen = T;
    #[inline(always)]
    fn get(&self) -> T {
        *self.0
    }
}

/// See [`Param`].
pub trait ByReference {
    /// What the closure sees.
    type Seen;
    /// The param.
    fn get(&self) -> Self::Seen;
}

impl<'a, T> ByReference for &Param<'a, T> {
    type Seen = &'a T;
    #[inline(always)]
    fn get(&self) -> &'a T {
        self.0
    }
}

/// Shows a field in `Debug`, if its type can be shown: `Debugged(&value).shown()`. See [`Param`] for how.
pub struct Debugged<'a, T>(pub &'a T);

/// See [`Debugged`].
pub trait Shown<'a> {
    /// The value, to be shown.
    fn shown(&self) -> &'a dyn std::fmt::Debug;
}

impl<'a, T: std::fmt::Debug> Shown<'a> for Debugged<'a, T> {
    fn shown(&self) -> &'a dyn std::fmt::Debug {
        self.0
    }
}

/// See [`Debugged`].
pub trait Opaque {
    /// Something in place of the value.
    fn shown(&self) -> &'static dyn std::fmt::Debug;
}

struct Hidden;

impl std::fmt::Debug for Hidden {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("..")
    }
}

impl<T> Opaque for &Debugged<'_, T> {
    fn shown(&self) -> &'static dyn std::fmt::Debug {
        &Hidden
    }
}
