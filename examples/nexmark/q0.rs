//! q0: bids as they are.

use psdf::dataflow;

use crate::event::{Bid, Event};

dataflow! {
    pub(crate) flow Q0 {
        input events: Event;
        output bids: Bid = events -> filter_map(Event::bid);
    }
}
