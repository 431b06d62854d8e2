//! q10: bids written to files by day and minute, which `partitions.rs` does.

use psdf::dataflow;

use crate::calendar::Minute;
use crate::event::{Bid, Event};

dataflow! {
    pub(crate) flow Q10 {
        input events: Event;
        output log: (Minute, Bid) = events
            -> filter_map(Event::bid)
            -> map(|bid| (Minute::of(bid.date_time), bid));
    }
}
