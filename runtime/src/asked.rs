//! What `map_async` asks of its closure, and how the flow's params come into a future.

use crate::ops::Outcome;
use crate::panic::{NodeId, on_behalf_of};
use crate::requirement::{Met, Never, Unmet};
use std::fmt;
use std::future::Future;
use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;

/// `map_async(f, ..)`: the call that the closure makes of the record.
#[inline(always)]
pub fn call<T, R>(node: NodeId, record: T, f: impl FnOnce(T) -> R) -> R {
    on_behalf_of(node, || f(record))
}

/// A future on its way to the task that waits for it. Its type is forgotten: so little is compiled for each call.
pub type Waiting<A> = Pin<Box<dyn Future<Output = A> + Send>>;

/// What `map_async` can wait for.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a future, so there is nothing to wait for",
    label = "the closure of `map_async` must return a future: `|record| async move {{ .. }}`",
    note = "what needs no waiting is a `map` or a `try_map`"
)]
pub trait Later: Sized {
    /// The future.
    type Call: Future;

    /// The future.
    fn later(self) -> Self::Call;
}

#[diagnostic::do_not_recommend]
impl<F: Future> Later for F {
    type Call = F;

    #[inline(always)]
    fn later(self) -> F {
        self
    }
}

/// A future that can go with its task from thread to thread.
pub trait Moved: Future + Sized {
    /// The future, without its type.
    fn moved(self) -> Waiting<Self::Output>;
}

impl<F: Future + Send + 'static> Moved for F {
    fn moved(self) -> Waiting<F::Output> {
        Box::pin(self)
    }
}

/// What the future of a `map_async` can give. For `How` see [`crate::requirement`].
#[diagnostic::on_unimplemented(
    message = "the future of `map_async` gives `{Self}`",
    label = "it must give a `Result` of types that are `Send`: `Ok(record)`, or an `Err` for `else`"
)]
pub trait Answer<How = Met>: Sized {
    /// `X`, if it can.
    type Given<X>;

    /// The future, if it can.
    fn given(waiting: Waiting<Self>) -> Self::Given<Waiting<Self>>;
}

#[diagnostic::do_not_recommend]
impl<R: Outcome<Success: Send + 'static, Failure: Send + 'static>> Answer for R {
    type Given<X> = X;

    #[inline(always)]
    fn given(waiting: Waiting<Self>) -> Waiting<Self> {
        waiting
    }
}

#[diagnostic::do_not_recommend]
impl<T: Never> Answer<Unmet> for T {
    type Given<X> = X;

    fn given(waiting: Waiting<Self>) -> Waiting<Self> {
        waiting
    }
}

/// What `else name` of a `map_async` can give back.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be given back when its call fails",
    label = "`else` gives the record with its error, so the records before `map_async` must be `Clone`",
    note = "derive `Clone` for it, wrap it in an `Arc` with a `map` before this, or write `else skip` or `else fail`"
)]
pub trait GivenBack<Record> {
    /// A copy.
    fn copy(&self) -> Record;
}

#[diagnostic::do_not_recommend]
impl<T: Clone> GivenBack<T> for T {
    #[inline(always)]
    fn copy(&self) -> T {
        self.clone()
    }
}

/// What `map_async` can try again.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be tried again",
    label = "`retry` calls again with a copy of the record, so the records before `map_async` must be `Clone`",
    note = "derive `Clone` for it, or wrap it in an `Arc` with a `map` before this"
)]
pub trait TriedAgain<Record> {
    /// A copy.
    fn copy(&self) -> Record;
}

#[diagnostic::do_not_recommend]
impl<T: Clone> TriedAgain<T> for T {
    #[inline(always)]
    fn copy(&self) -> T {
        self.clone()
    }
}

/// A param that a future of `map_async` holds: it is read through it, as through an [`Arc`].
pub struct Held<F, T> {
    flow: Arc<F>,
    param: fn(&F) -> &T,
}

impl<F, T> Deref for Held<F, T> {
    type Target = T;

    fn deref(&self) -> &T {
        (self.param)(&self.flow)
    }
}

impl<F, T: fmt::Debug> fmt::Debug for Held<F, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        T::fmt(self, f)
    }
}

impl<F, T: fmt::Display> fmt::Display for Held<F, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        T::fmt(self, f)
    }
}

/// Reads a param inside the closure of a `map_async`, whose future outlives the closure: a `Copy` one by value, any
/// other as [`Held`]. How it is told: see [`crate::ops::Param`].
pub struct FutureParam<'a, F, T> {
    /// The flow.
    pub flow: &'a Arc<F>,
    /// Which of its params.
    pub param: fn(&F) -> &T,
}

/// See [`FutureParam`].
pub trait HeldByValue {
    /// What the closure sees.
    type Seen;
    /// The param.
    fn get(&self) -> Self::Seen;
}

impl<F, T: Copy> HeldByValue for FutureParam<'_, F, T> {
    type Seen = T;
    fn get(&self) -> T {
        *(self.param)(self.flow)
    }
}

/// See [`FutureParam`].
pub trait HeldByFlow {
    /// What the closure sees.
    type Seen;
    /// The param.
    fn get(&self) -> Self::Seen;
}

impl<F, T> HeldByFlow for &FutureParam<'_, F, T> {
    type Seen = Held<F, T>;
    fn get(&self) -> Held<F, T> {
        Held { flow: Arc::clone(self.flow), param: self.param }
    }
}
