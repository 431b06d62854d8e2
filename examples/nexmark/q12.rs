//! q12: how many bids each bidder makes in 10 s. As published it goes by the clock on the wall; here by event time.

use psdf::dataflow;

use crate::event::{Bid, Event};

dataflow! {
    pub(crate) flow Q12 {
        input events: Event;
        counts = events
            -> filter_map(Event::bid)
            -> event_time(Bid::at, lateness 1 s)
            -> key_by(bidder: u64 = |bid| bid.bidder)
            -> tumbling(10 s)
            -> aggregate { bid_count: u64 = count() };
        output counts;
    }
}
