//! Aggregate functions: what each keeps of the records it has seen, and what it makes of that.

mod collect;
mod distinct;
mod extreme;
mod first;
mod holds;
mod sum;
mod top;

pub use collect::Collect;
pub use distinct::Distinct;
pub use extreme::{Max, Min};
pub use first::{First, Last};
pub use holds::{Averaged, Compared, Counted, Summed};
pub use sum::{Count, Mean, MeanInput, Sum};
pub use top::{Rank, Top};

use crate::record::StateData;
use crate::time::Timestamp;

/// The state of one aggregate function for one key (and window).
pub trait Aggregate: StateData + Default {
    /// What it takes of each record.
    type Input;
    /// What it makes of all of them.
    type Output;

    /// Takes a record's input. `at` is the record's event time; where the stream has none, [`Timestamp::MIN`].
    fn add(&mut self, input: Self::Input, at: Timestamp);

    /// Takes what another state has seen: two sessions that turned out to be one.
    fn merge(&mut self, other: Self);

    /// The result.
    fn finish(self) -> Self::Output;
}
