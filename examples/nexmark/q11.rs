//! q11: how many bids each bidder made in a row, with no more than 10 s between two of them.

use psdf::dataflow;

use crate::event::{Bid, Event};

dataflow! {
    pub(crate) flow Q11 {
        input events: Event;
        sessions = events
            -> filter_map(Event::bid)
            -> event_time(Bid::at, lateness 1 s)
            -> key_by(bidder: u64 = |bid| bid.bidder)
            -> session(10 s)
            -> aggregate { bid_count: u64 = count() };
        output sessions;
    }
}
