//! `collect`.

use super::Aggregate;
use crate::record::StateData;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

/// `collect(f)`: all values, in the order of event time, then of arrival. State: every value, and 8 bytes each.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Collect<T>(Vec<(Timestamp, T)>);

impl<T> Default for Collect<T> {
    fn default() -> Self {
        Collect(Vec::new())
    }
}

impl<T: StateData> Aggregate for Collect<T> {
    type Input = T;
    type Output = Vec<T>;

    fn add(&mut self, value: T, at: Timestamp) {
        self.0.push((at, value));
    }

    fn merge(&mut self, mut other: Self) {
        self.0.append(&mut other.0);
    }

    fn finish(mut self) -> Vec<T> {
        self.0.sort_by_key(|(at, _)| *at);
        self.0.into_iter().map(|(_, value)| value).collect()
    }
}
