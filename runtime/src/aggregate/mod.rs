//! Aggregate functions: what each keeps of the records it has seen, and what it makes of that.

mod approx_distinct;
mod collect;
mod distinct;
mod extreme;
mod filtered;
mod first;
mod holds;
mod own;
mod quantile;
mod sum;
mod top;

pub use approx_distinct::ApproxDistinct;
pub use collect::Collect;
pub use distinct::Distinct;
pub use extreme::{Max, Min};
pub use filtered::Filtered;
pub use first::{First, Last};
pub use holds::{Averaged, Compared, Counted, Summed};
pub use own::{OwnFunction, ResultOf};
pub use quantile::Quantile;
pub use sum::{Count, Mean, MeanInput, Sum};
pub use top::{Rank, Top};

use crate::time::Timestamp;

/// An aggregate function: the type that holds what it has seen of the records of one key (and window).
///
/// Implement it for a type of yours, and `aggregate` calls it by its name as it calls `count` or `sum`:
///
/// ```text
/// -> aggregate { spread: f64 = Spread(|reading| reading.celsius), .. }
/// ```
///
/// There the closure makes the function's [`Input`](Aggregate::Input) of each record, before the record crosses to the
/// task that holds the state, and the field has the type of its [`Output`](Aggregate::Output). `Name()` is the same
/// where the input is `()`. With a filter, `Name(f, where g)`, the field is an `Option` of it.
///
/// The state begins as [`Default`] and is there for each key (and window) that had a record. It is
/// [data](crate::record::StateData): `Clone` and `Send`, and serde's `Serialize` and `Deserialize`. A running aggregate
/// clones it for every result.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an aggregate function",
    label = "an aggregate function implements `psdf::Aggregate`"
)]
pub trait Aggregate: Sized {
    /// What it takes of each record. It travels between tasks, so it must be `Send`.
    type Input;
    /// What it makes of all of them.
    type Output;

    /// Takes a record's input. `at` is the record's event time; where the stream has none, [`Timestamp::MIN`].
    ///
    /// Records come in the order of arrival, which need not be that of their time.
    fn add(&mut self, input: Self::Input, at: Timestamp);

    /// Takes what another state has seen: two sessions that turned out to be one. Either may have been there first.
    fn merge(&mut self, other: Self);

    /// The result. At least one record was added.
    fn finish(self) -> Self::Output;

    /// Whether the result depends on the order in which records are added. Over the rows of tables such a function is shown
    /// all rows of a key again, in the order of the table's key, whenever one of them changes. Say `false` only where every
    /// order gives the same result.
    const DEPENDS_ON_ORDER: bool = true;

    /// Takes back an input that was added: a row of a table that has gone. Answers whether it could; where it could not, it
    /// may leave the state as it likes, and begins again with all rows of the key that are left. Only asked of a function
    /// that does not [depend on order](Aggregate::DEPENDS_ON_ORDER).
    fn retract(&mut self, _input: Self::Input) -> bool {
        false
    }
}
