//! q19: the ten highest bids on each auction.

use std::cmp::Reverse;

use psdf::dataflow;

use crate::event::{Bid, Event};

dataflow! {
    pub(crate) flow Q19 {
        input events: Event;

        bids: Bid = events
            -> filter_map(Event::bid)
            -> event_time(Bid::at, lateness 1 s);

        /// An auction on which nobody has bid for a day is forgotten.
        highest = bids
            -> key_by(auction: u64 = |bid| bid.auction)
            -> top(10, by |bid| (bid.price, Reverse(bid.date_time))) keep 1 day;

        output highest;
    }
}
