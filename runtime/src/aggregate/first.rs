//! `first`, `last`: by event time, then by arrival.

use super::Aggregate;
use crate::record::StateData;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

macro_rules! by_time {
    ($(#[$doc:meta])* $name:ident, $sooner:tt) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Serialize, Deserialize)]
        pub struct $name<T>(Option<(Timestamp, T)>);

        impl<T> Default for $name<T> {
            fn default() -> Self {
                $name(None)
            }
        }

        impl<T: StateData> Aggregate for $name<T> {
            type Input = T;
            type Output = T;

            #[inline]
            fn add(&mut self, value: T, at: Timestamp) {
                if self.0.as_ref().is_none_or(|(held, _)| at $sooner *held) {
                    self.0 = Some((at, value));
                }
            }

            fn merge(&mut self, other: Self) {
                if let Some((at, value)) = other.0 {
                    self.add(value, at);
                }
            }

            fn finish(self) -> T {
                self.0.expect("an aggregate is made for its first record").1
            }
        }
    };
}

by_time! {
    /// `first(f)`: the value of the record with the least event time. State: one value and 8 bytes.
    First, <
}
by_time! {
    /// `last(f)`: the value of the record with the greatest event time. State: one value and 8 bytes.
    Last, >=
}
