//! How far a log is out of order: Apache stamps a request when it starts and writes its line when it ends.

use psdf::Timestamp;
use serde::{Deserialize, Serialize};

/// Looks at the requests in the order of their lines.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Disorder {
    latest: Option<Timestamp>,
    /// The most that a request was behind the latest one before it.
    pub(crate) most_seconds_behind: i64,
}

impl Disorder {
    pub(crate) fn observe(&mut self, at: Timestamp) {
        let latest = self.latest.map_or(at, |latest| latest.max(at));
        self.most_seconds_behind = self.most_seconds_behind.max(latest.as_secs() - at.as_secs());
        self.latest = Some(latest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_request_is_held_against_the_latest_before_it() {
        let mut disorder = Disorder::default();
        for second in [-5, 10, 7, 12, 8, 11] {
            disorder.observe(Timestamp::from_secs(second));
        }
        assert_eq!(disorder.most_seconds_behind, 4);
    }
}
