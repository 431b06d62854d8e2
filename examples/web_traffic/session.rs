//! A visitor's session, from the times of its requests.

use psdf::Timestamp;
use serde::{Deserialize, Serialize};

use crate::request::Visitor;

/// The gap that still belongs to a session: one second more, and the next request opens another.
pub(crate) const GAP_SECONDS: i64 = 30 * 60;

/// Requests of one visitor without a longer gap between them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Session {
    pub(crate) visitor: Visitor,
    pub(crate) start: Timestamp,
    /// The time of the last request, not of the timeout after it.
    pub(crate) end: Timestamp,
    pub(crate) requests: u64,
    pub(crate) page_views: u64,
    /// How often two requests were exactly the longest gap apart: a hair's breadth from two sessions.
    pub(crate) longest_gaps: u64,
}

impl Session {
    /// A session of requests at these times, which come in any order; there is at least one.
    pub(crate) fn new(visitor: Visitor, mut times: Vec<Timestamp>, page_views: u64) -> Session {
        times.sort_unstable();
        let longest = times.windows(2).filter(|pair| pair[1].as_secs() - pair[0].as_secs() == GAP_SECONDS);
        Session {
            longest_gaps: longest.count() as u64,
            visitor,
            start: times[0],
            end: times[times.len() - 1],
            requests: times.len() as u64,
            page_views,
        }
    }

    pub(crate) fn seconds(&self) -> u64 {
        (self.end.as_secs() - self.start.as_secs()).unsigned_abs()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::Text;

    #[test]
    fn times_may_come_in_any_order() {
        let visitor = Visitor { host: Text::from(&b"h"[..]), agent: Text::from(&b""[..]) };
        let times = [3600, 0, 1800, 1800, 3000].map(Timestamp::from_secs);
        let session = Session::new(visitor, times.to_vec(), 2);
        assert_eq!((session.start.as_secs(), session.end.as_secs(), session.seconds()), (0, 3600, 3600));
        assert_eq!((session.requests, session.page_views, session.longest_gaps), (5, 2, 1));
    }
}
