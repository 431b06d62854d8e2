//! q15: how many bids, bidders and auctions each day has. A day bounds its state.

use psdf::dataflow;

use crate::event::{Bid, Event};
use crate::rank::{is_high, is_low, is_middle};

dataflow! {
    pub(crate) flow Q15 {
        input events: Event;
        days = events
            -> filter_map(Event::bid)
            -> event_time(Bid::at, lateness 1 s)
            -> tumbling(1 day)
            -> aggregate {
                bids: u64 = count(),
                low_bids: u64 = count(where is_low),
                middle_bids: u64 = count(where is_middle),
                high_bids: u64 = count(where is_high),
                bidders: u64 = distinct(|bid| bid.bidder),
                low_bidders: u64 = distinct(|bid| bid.bidder, where is_low),
                middle_bidders: u64 = distinct(|bid| bid.bidder, where is_middle),
                high_bidders: u64 = distinct(|bid| bid.bidder, where is_high),
                auctions: u64 = distinct(|bid| bid.auction),
                low_auctions: u64 = distinct(|bid| bid.auction, where is_low),
                middle_auctions: u64 = distinct(|bid| bid.auction, where is_middle),
                high_auctions: u64 = distinct(|bid| bid.auction, where is_high),
            };
        output days;
    }
}
