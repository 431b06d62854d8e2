//! q2: bids on some of the auctions.

use psdf::dataflow;

use crate::event::{Bid, Event};

dataflow! {
    pub(crate) flow Q2 {
        input events: Event;
        output bids: Bid = events -> filter_map(Event::bid) -> filter(|bid| bid.auction % 123 == 0);
    }
}
