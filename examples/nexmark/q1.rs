//! q1: bids with their price in euros.

use psdf::dataflow;

use crate::event::{Bid, Event};
use crate::money::Euros;

dataflow! {
    pub(crate) flow Q1 {
        input events: Event;
        output bids: (Bid, Euros) = events
            -> filter_map(Event::bid)
            -> map(|bid| { let euros = Euros::of_dollars(bid.price); (bid, euros) });
    }
}
