//! q14: bids of some size in euros, with the time of day they were made at and a count of letters.

use psdf::dataflow;

use crate::calendar::hour_of_day;
use crate::event::{Bid, Event};
use crate::money::Euros;

dataflow! {
    pub(crate) flow Q14 {
        input events: Event;
        output bids: LargeBid = events
            -> filter_map(Event::bid)
            -> map(LargeBid::new)
            -> filter(|bid| bid.price > Euros::whole(1_000_000) && bid.price < Euros::whole(50_000_000));
    }
}

#[derive(Clone)]
pub(crate) struct LargeBid {
    pub(crate) auction: u64,
    pub(crate) bidder: u64,
    pub(crate) price: Euros,
    pub(crate) time_type: &'static str,
    pub(crate) date_time: u64,
    pub(crate) c_counts: usize,
    pub(crate) extra: String,
}

impl LargeBid {
    fn new(bid: Bid) -> LargeBid {
        LargeBid {
            auction: bid.auction,
            bidder: bid.bidder,
            price: Euros::of_dollars(bid.price),
            time_type: match hour_of_day(bid.date_time) {
                8..=18 => "dayTime",
                0..=6 | 20.. => "nightTime",
                _ => "otherTime",
            },
            date_time: bid.date_time,
            c_counts: bid.extra.matches('c').count(),
            extra: bid.extra,
        }
    }
}
