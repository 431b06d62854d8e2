//! What a flow asks of its users' own aggregate functions.

use super::Aggregate;
use crate::panic::{NodeId, on_behalf_of};
use crate::record::Same;
use crate::requirement::{Met, Never, Unmet};
use std::marker::PhantomData;

/// What a flow can call by a path where an aggregate function stands. For `How` see [`crate::requirement`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an aggregate function",
    label = "this is none of psdf's, so it must be a type that implements `psdf::Aggregate` and `Default`"
)]
pub trait OwnFunction<How = Met>: Sized {
    /// What it takes of each record.
    type Taken;
    /// What it keeps: itself.
    type State;
    /// `X`, if it is an aggregate function.
    #[doc(hidden)]
    type Given<X>;

    /// See [`crate::requirement`].
    #[doc(hidden)]
    fn given<X>(x: X) -> Self::Given<X>;

    /// Before the first record.
    #[doc(hidden)]
    fn begin(node: NodeId) -> Self::Given<Self>;

    /// What it takes of a record.
    #[doc(hidden)]
    fn project<'a, R>(node: NodeId, record: &'a R, f: impl Fn(&'a R) -> Self::Taken) -> Self::Taken;
}

#[diagnostic::do_not_recommend]
impl<A: Aggregate + Default> OwnFunction for A {
    type Taken = A::Input;
    type State = A;
    type Given<X> = X;

    #[inline(always)]
    fn given<X>(x: X) -> X {
        x
    }

    #[inline(always)]
    fn begin(node: NodeId) -> A {
        on_behalf_of(node, A::default)
    }

    #[inline(always)]
    fn project<'a, R>(node: NodeId, record: &'a R, f: impl Fn(&'a R) -> A::Input) -> A::Input {
        on_behalf_of(node, || f(record))
    }
}

#[diagnostic::do_not_recommend]
impl<A: Never + Aggregate> OwnFunction<Unmet> for A {
    type Taken = A::Input;
    type State = A;
    type Given<X> = X;

    fn given<X>(x: X) -> X {
        x
    }

    fn begin(_: NodeId) -> A {
        A::default()
    }

    fn project<'a, R>(_: NodeId, record: &'a R, f: impl Fn(&'a R) -> A::Input) -> A::Input {
        f(record)
    }
}

/// The type of a field, held against what the user's own function makes. For `How` see [`crate::requirement`].
#[diagnostic::on_unimplemented(
    message = "the result here is `{Made}`, not `{Self}`",
    label = "this says `{Self}`, and the function makes `{Made}`"
)]
pub trait ResultOf<Made, How = Met>: Sized {
    /// The result.
    fn result(made: Made, written: PhantomData<Self>) -> Self;
}

#[diagnostic::do_not_recommend]
impl<T: Same<Made>, Made> ResultOf<Made> for T {
    #[inline(always)]
    fn result(made: Made, _: PhantomData<T>) -> T {
        T::same(made)
    }
}

#[diagnostic::do_not_recommend]
impl<T: Never, Made> ResultOf<Made, Unmet> for T {
    fn result(_: Made, _: PhantomData<T>) -> T {
        T::default()
    }
}
