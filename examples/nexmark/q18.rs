//! q18: the last bid of each bidder on each auction.

use psdf::dataflow;

use crate::event::{Bid, Event};

dataflow! {
    /// A bid is held for as long as an earlier one may still come, and nobody holds back a later one.
    pub(crate) flow Q18 {
        input events: Event;
        output bids: Bid = events
            -> filter_map(Event::bid)
            -> event_time(Bid::at, lateness 1 s)
            -> key_by(bidder: u64 = |bid| bid.bidder, auction: u64 = |bid| bid.auction)
            -> latest keep 1 s;
    }
}
