//! q4: what things of each category are sold for, on average.

use psdf::dataflow;

use crate::closed::ClosedAuctions;
use crate::event::Event;

dataflow! {
    pub(crate) flow Q4 {
        input events: Event;

        /// There are few categories.
        prices = ClosedAuctions(events = events).closed
            -> key_by(category: u64 = |closed| closed.lot.category)
            -> aggregate {
                auctions: u64 = count(),
                sum_final: u64 = sum(|closed| closed.price),
            } keep forever;

        output prices;
    }
}
