//! q13: bids with what a second stream says of their auction.

use psdf::{Timestamp, dataflow};
use serde::{Deserialize, Serialize};

use crate::event::{Bid, Event};

/// How many rows the second stream has.
pub(crate) const SIDE_ROWS: u64 = 10_000;

/// What is known of the auctions whose id leaves this remainder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Side {
    pub(crate) key: u64,
    pub(crate) value: String,
}

dataflow! {
    /// As large as the second stream, which is known from the beginning of time.
    pub(crate) flow Q13 {
        input events: Event;
        input side: Side;

        known = side -> event_time(|_| Timestamp::from_secs(0), lateness 0 s) -> key_by(key: u64 = |side| side.key);

        output bids: (Bid, String) = events
            -> filter_map(Event::bid)
            -> event_time(Bid::at, lateness 1 s)
            -> key_by(key: u64 = |bid| bid.auction % SIDE_ROWS)
            -> lookup(known) keep forever
            -> filter_map(|(bid, side)| side.map(|side| (bid, side.value)));
    }
}
