//! q17: the bids on each auction in a day. A day bounds its state.

use psdf::dataflow;

use crate::event::{Bid, Event};
use crate::rank::{is_high, is_low, is_middle};

dataflow! {
    pub(crate) flow Q17 {
        input events: Event;
        days = events
            -> filter_map(Event::bid)
            -> event_time(Bid::at, lateness 1 s)
            -> key_by(auction: u64 = |bid| bid.auction)
            -> tumbling(1 day)
            -> aggregate {
                bids: u64 = count(),
                low_bids: u64 = count(where is_low),
                middle_bids: u64 = count(where is_middle),
                high_bids: u64 = count(where is_high),
                min_price: u64 = min(|bid| bid.price),
                max_price: u64 = max(|bid| bid.price),
                sum_price: u64 = sum(|bid| bid.price),
            };
        output days;
    }
}
