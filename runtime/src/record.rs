//! What travels on edges: records, and records with a time or a key.

use crate::requirement::{Met, Never, Unmet, requirement};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::hash::Hash;
use std::marker::PhantomData;

/// What may travel between two tasks. Every `Send + 'static` type is a record.
///
/// As a bound it says so of a parameter of a generic flow: `T: psdf::Record`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a record of a flow",
    label = "these records go to another task, so they must be `Send`",
    note = "hold `Arc` where there is `Rc`, and a `Mutex` or an atomic where there is `RefCell` or `Cell`"
)]
pub trait Record: Send + 'static {}

#[diagnostic::do_not_recommend]
impl<T: Send + 'static> Record for T {}

requirement! {
    /// [`Record`], as a flow asks for it.
    ///
    /// What a flow asks for is never the trait that users write as a bound: of a parameter with that bound rustc would
    /// know that it meets the requirement, and no longer what follows from it.
    #[diagnostic::on_unimplemented(
        message = "`{Self}` cannot be a record of a flow",
        label = "these records go to another task, so they must be `Send`",
        note = "hold `Arc` where there is `Rc`, and a `Mutex` or an atomic where there is `RefCell` or `Cell`"
    )]
    IsRecord: Send + 'static
}

/// What a stream may be keyed by. There for every type that is `Clone + Eq + Hash + Send + 'static`, and serde's
/// `Serialize + Deserialize`.
///
/// As a bound it says all of that of a parameter of a generic flow: `K: psdf::Key`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a key",
    label = "a key must be `Clone + Eq + Hash + Send`, and serde's `Serialize + Deserialize`",
    note = "derive `Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize` for it"
)]
pub trait Key: Hash + Eq + Clone + Send + Serialize + DeserializeOwned + 'static {}

#[diagnostic::do_not_recommend]
impl<T: Hash + Eq + Clone + Send + Serialize + DeserializeOwned + 'static> Key for T {}

/// What a stateful node may hold. There for every type that is `Clone + Send + 'static`, and serde's
/// `Serialize + Deserialize`.
///
/// As a bound it says all of that of a parameter of a generic flow: `T: psdf::StateData`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be held as state",
    label = "state must be `Clone + Send`, and serde's `Serialize + Deserialize`",
    note = "derive `Clone, serde::Serialize, serde::Deserialize` for it"
)]
pub trait StateData: Clone + Send + Serialize + DeserializeOwned + 'static {}

#[diagnostic::do_not_recommend]
impl<T: Clone + Send + Serialize + DeserializeOwned + 'static> StateData for T {}

requirement! {
    /// [`Key`], as a flow asks for it.
    #[diagnostic::on_unimplemented(
        message = "`{Self}` cannot be a key",
        label = "a key must be `Clone + Eq + Hash + Send`, and serde's `Serialize + Deserialize`",
        note = "derive `Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize` for it; \
                instead of a float, take an integer made of it"
    )]
    IsKey: Hash + Eq + Clone + Send + Serialize + DeserializeOwned + 'static
}

requirement! {
    /// [`StateData`], as a flow asks for it of what a stateful node holds.
    #[diagnostic::on_unimplemented(
        message = "`{Self}` cannot be held as state",
        label = "state must be `Clone + Send`, and serde's `Serialize + Deserialize`",
        note = "derive `Clone, serde::Serialize, serde::Deserialize` for it"
    )]
    IsState: Clone + Send + Serialize + DeserializeOwned + 'static
}

requirement! {
    /// What a join may hold: the records of both its sides.
    #[diagnostic::on_unimplemented(
        message = "`{Self}` cannot be held by a join",
        label = "a join holds these records until those they meet have come, so they must be `Clone + Send`, and serde's \
                 `Serialize + Deserialize`",
        note = "derive `Clone, serde::Serialize, serde::Deserialize` for it"
    )]
    Joined: Clone + Send + Serialize + DeserializeOwned + 'static
}

/// What several nodes may read.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be read by several nodes",
    label = "more than one node reads this, so its records must be `Clone`",
    note = "derive `Clone` for it, or wrap it in an `Arc` with a `map` before this"
)]
pub trait Shared<Record> {
    /// A copy for one of the readers.
    fn share(&self) -> Record;
}

#[diagnostic::do_not_recommend]
impl<T: Clone> Shared<T> for T {
    #[inline(always)]
    fn share(&self) -> T {
        self.clone()
    }
}

requirement! {
    /// [`IsRecord`], of what is made of the parameters of a generic flow.
    #[diagnostic::on_unimplemented(
        message = "`{Self}` cannot be a record of a flow",
        label = "these records go to another task, so they must be `Send`",
        note = "write `{Self}: psdf::Record` behind the flow's name"
    )]
    GenericRecord: Send + 'static
}

requirement! {
    /// [`IsKey`], of what is made of the parameters of a generic flow.
    #[diagnostic::on_unimplemented(
        message = "`{Self}` cannot be a key",
        label = "a key must be `Clone + Eq + Hash + Send`, and serde's `Serialize + Deserialize`",
        note = "write `{Self}: psdf::Key` behind the flow's name"
    )]
    GenericKey: Hash + Eq + Clone + Send + Serialize + DeserializeOwned + 'static
}

requirement! {
    /// [`IsState`], of what is made of the parameters of a generic flow.
    #[diagnostic::on_unimplemented(
        message = "`{Self}` cannot be held as state",
        label = "state must be `Clone + Send`, and serde's `Serialize + Deserialize`",
        note = "write `{Self}: psdf::StateData` behind the flow's name"
    )]
    GenericState: Clone + Send + Serialize + DeserializeOwned + 'static
}

requirement! {
    /// [`Joined`], of what is made of the parameters of a generic flow.
    #[diagnostic::on_unimplemented(
        message = "`{Self}` cannot be held by a join",
        label = "a join holds these records until those they meet have come, so they must be `Clone + Send`, and serde's \
                 `Serialize + Deserialize`",
        note = "write `{Self}: psdf::StateData` behind the flow's name"
    )]
    GenericJoined: Clone + Send + Serialize + DeserializeOwned + 'static
}

/// [`Shared`], in a generic flow.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be read by several nodes",
    label = "more than one node reads this, so its records must be `Clone`",
    note = "write `{Self}: Clone` behind the flow's name, or wrap it in an `Arc` with a `map` before this"
)]
pub trait GenericShared<Record> {
    /// A copy for one of the readers.
    fn share(&self) -> Record;
}

#[diagnostic::do_not_recommend]
impl<T: Clone> GenericShared<T> for T {
    #[inline(always)]
    fn share(&self) -> T {
        self.clone()
    }
}

/// What falls into several windows at once.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot fall into several windows",
    label = "`hopping` windows overlap, so the records before them must be `Clone`",
    note = "derive `Clone` for it, or wrap it in an `Arc` with a `map` before this"
)]
pub trait Overlapping<Record> {
    /// A copy for one of the windows.
    fn overlap(&self) -> Record;
}

#[diagnostic::do_not_recommend]
impl<T: Clone> Overlapping<T> for T {
    #[inline(always)]
    fn overlap(&self) -> T {
        self.clone()
    }
}

/// The type that the user wrote for a node, held against what its records are; where rustc does not know that yet, it
/// learns it here. For `How` see [`crate::requirement`].
#[diagnostic::on_unimplemented(
    message = "the records here are `{Found}`, not `{Self}`",
    label = "this says `{Self}`, and what comes here is `{Found}`"
)]
pub trait Written<Found, How = Met>: Sized {
    /// `X`, if they are the same.
    type Given<X>;

    /// The record.
    fn typed(found: Found, written: PhantomData<Self>) -> Self::Given<Self>;

    /// Looks at a record that is not given away, and gives `x` back.
    fn given_for<X>(found: &Found, written: PhantomData<Self>, x: X) -> Self::Given<X>;
}

#[diagnostic::do_not_recommend]
impl<T: Same<Found>, Found> Written<Found> for T {
    type Given<X> = X;

    #[inline(always)]
    fn typed(found: Found, _: PhantomData<T>) -> T {
        T::same(found)
    }

    #[inline(always)]
    fn given_for<X>(_: &Found, _: PhantomData<T>, x: X) -> X {
        x
    }
}

#[diagnostic::do_not_recommend]
impl<T: Never, Found> Written<Found, Unmet> for T {
    type Given<X> = X;

    fn typed(_: Found, _: PhantomData<T>) -> T {
        T::default()
    }

    fn given_for<X>(_: &Found, _: PhantomData<T>, x: X) -> X {
        x
    }
}

/// One type by two names.
pub trait Same<T> {
    /// The value, by the other name.
    fn same(value: T) -> Self;
}

impl<T> Same<T> for T {
    #[inline(always)]
    fn same(value: T) -> T {
        value
    }
}

/// The time a record carries: a [`Timestamp`], or `()` on edges where no node downstream needs one.
pub trait Stamp: Copy + Send + 'static {
    /// The event time; [`Timestamp::MIN`] where there is none, which makes order of arrival decide.
    fn timestamp(self) -> Timestamp;

    /// The stamp of that time.
    fn from_timestamp(at: Timestamp) -> Self;
}

impl Stamp for Timestamp {
    fn timestamp(self) -> Timestamp {
        self
    }
    fn from_timestamp(at: Timestamp) -> Self {
        at
    }
}

impl Stamp for () {
    fn timestamp(self) -> Timestamp {
        Timestamp::MIN
    }
    fn from_timestamp(_: Timestamp) -> Self {}
}

/// A record with its event time.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Timed<T> {
    /// The event time.
    pub at: Timestamp,
    /// The record.
    pub record: T,
}

/// A record with its key and its stamp.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Keyed<K, A, T> {
    /// The key.
    pub key: K,
    /// The event time, or `()`.
    pub at: A,
    /// The record, or what an aggregate needs of it.
    pub record: T,
}

/// A record on its way into a stage that has two inputs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Side<L, R> {
    /// Of the stream that the join stands in.
    Left(L),
    /// Of the stream that it names.
    Right(R),
}

/// A record that came after its window had closed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Late<T> {
    /// The record itself.
    pub record: T,
    /// Its event time.
    pub at: Timestamp,
    /// The watermark when it came: later than the end of every window that it belonged to.
    pub watermark: Timestamp,
}

impl<T> Late<T> {
    /// How far behind the watermark the record was.
    pub fn behind(&self) -> std::time::Duration {
        self.watermark.since(self.at)
    }
}
