//! What has a result only if there was a record.

use super::Aggregate;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

/// A function with a filter (`where`), whose result is missing if no record passed it. State: that of the function,
/// once a record has passed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Filtered<A>(Option<A>);

impl<A> Default for Filtered<A> {
    fn default() -> Self {
        Filtered(None)
    }
}

impl<A: Aggregate + Default> Aggregate for Filtered<A> {
    type Input = A::Input;
    type Output = Option<A::Output>;

    #[inline]
    fn add(&mut self, input: A::Input, at: Timestamp) {
        self.0.get_or_insert_default().add(input, at);
    }

    fn merge(&mut self, other: Self) {
        match (&mut self.0, other.0) {
            (Some(held), Some(other)) => held.merge(other),
            (Some(_), None) => {}
            (none, other) => *none = other,
        }
    }

    fn finish(self) -> Option<A::Output> {
        self.0.map(Aggregate::finish)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aggregate::Min;

    #[test]
    fn is_nothing_until_a_record_has_passed() {
        let of = |values: &[i32]| {
            let mut min = Filtered::<Min<i32>>::default();
            values.iter().for_each(|value| min.add(*value, Timestamp::MIN));
            min
        };
        assert_eq!(of(&[]).finish(), None);
        assert_eq!(of(&[3, 2]).finish(), Some(2));
        for (one, other, least) in
            [(&[][..], &[][..], None), (&[], &[1], Some(1)), (&[2], &[], Some(2)), (&[2], &[1], Some(1))]
        {
            let mut min = of(one);
            min.merge(of(other));
            assert_eq!(min.finish(), least);
        }
    }
}
