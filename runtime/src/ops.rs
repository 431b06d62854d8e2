//! The stateless operators: what generated code calls for each record.
//!
//! Each takes the record first and the closure last, so that rustc infers the closure's parameter from the
//! record. References are of one lifetime, not of all, so that a closure may return part of what it is shown.

use crate::panic::{NodeId, on_behalf_of};
use crate::record::{Key, Record, Shared, StateData};
use crate::time::{EventTime, Timestamp};
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

/// `try_map(f)`.
#[inline(always)]
pub fn try_map<T, R, E>(node: NodeId, record: T, f: impl Fn(T) -> Result<R, E>) -> Result<R, E> {
    on_behalf_of(node, || f(record))
}

/// `inspect(f)`.
#[inline(always)]
pub fn inspect<'a, T>(node: NodeId, record: &'a T, f: impl Fn(&'a T)) {
    on_behalf_of(node, || f(record));
}

/// `event_time(f, ..)`: the record's time.
#[inline(always)]
pub fn event_time<'a, T, A: EventTime>(node: NodeId, record: &'a T, f: impl Fn(&'a T) -> A) -> Timestamp {
    on_behalf_of(node, || f(record).timestamp())
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

/// What `distinct(f)` takes of a record: see [`crate::aggregate::Distinct`].
#[inline(always)]
pub fn fingerprint<'a, T, V: Hash>(node: NodeId, record: &'a T, f: impl Fn(&'a T) -> V) -> u128 {
    on_behalf_of(node, || crate::hash::fingerprint(&f(record)))
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

/// `flat_map(f)`: an iterator over what the record becomes.
#[inline(always)]
pub fn flat_map<T, I: IntoIterator>(node: NodeId, record: T, f: impl Fn(T) -> I) -> FlatMap<I::IntoIter> {
    FlatMap { node, inner: on_behalf_of(node, || f(record).into_iter()) }
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

/// A copy for one of several readers.
#[inline(always)]
pub fn share<T: Shared>(record: &T) -> T {
    record.clone()
}

/// A record about to leave for another task. The call bears the span of the node's name.
#[inline(always)]
pub fn sent<T: Record>(record: T) -> T {
    record
}

/// A named node's record, of the type the user wrote. The call bears the span of that type.
#[inline(always)]
pub fn typed<T>(record: T) -> T {
    record
}

/// Asks rustc, at the span of a key's type, whether it can be a key.
pub fn assert_key<K: Key>() {}

/// Asks rustc, at the span of a state field's type, whether it can be held.
pub fn assert_state<S: StateData>() {}

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

/// As [`typed`], where the record is not given away.
#[inline(always)]
pub fn typed_ref<T>(_: &T) {}
