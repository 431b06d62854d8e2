//! `min`, `max`.

use super::Aggregate;
use crate::record::StateData;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

macro_rules! extreme {
    ($(#[$doc:meta])* $name:ident, $better:tt) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Serialize, Deserialize)]
        pub struct $name<T>(Option<T>);

        impl<T> Default for $name<T> {
            fn default() -> Self {
                $name(None)
            }
        }

        impl<T: StateData + PartialOrd> Aggregate for $name<T> {
            type Input = T;
            type Output = T;

            #[inline]
            fn add(&mut self, value: T, _: Timestamp) {
                match &mut self.0 {
                    Some(best) if value $better *best => *best = value,
                    // A NaN is neither better nor worse than anything: it yields to the first number.
                    Some(best) if best.partial_cmp(&best).is_none() => *best = value,
                    Some(_) => {}
                    none => *none = Some(value),
                }
            }

            fn merge(&mut self, other: Self) {
                if let Some(value) = other.0 {
                    self.add(value, Timestamp::MIN);
                }
            }

            fn finish(self) -> T {
                self.0.expect("an aggregate is made for its first record")
            }

            /// What is not the extreme, nor equal to it, leaves no trace.
            fn retract(&mut self, value: T) -> bool {
                self.0.as_ref().is_some_and(|best| *best $better value)
            }
        }
    };
}

extreme! {
    /// `min(f)`: the least value. State: one value.
    Min, <
}
extreme! {
    /// `max(f)`: the greatest value. State: one value.
    Max, >
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_not_the_extreme_can_be_taken_back() {
        let mut max = Max::default();
        [3, 1, 3].into_iter().for_each(|value| max.add(value, Timestamp::MIN));
        assert!(max.retract(1));
        assert!(!max.retract(3));
    }

    #[test]
    fn nan_never_hides_a_number() {
        let mut max = Max::default();
        for value in [f64::NAN, 1.0, f64::NAN, 3.0, 2.0] {
            max.add(value, Timestamp::MIN);
        }
        assert_eq!(max.finish(), 3.0);
    }
}
