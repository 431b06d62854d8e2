//! q7: the highest bids of each 10 s.

use psdf::dataflow;

use crate::event::{Bid, Event};

dataflow! {
    /// Bids are held until the window that they fall into has ended, and the next one.
    pub(crate) flow Q7 {
        input events: Event;
        bids = events -> filter_map(Event::bid) -> event_time(Bid::at, lateness 1 s);

        highest = bids
            -> tumbling(10 s)
            -> aggregate { price: u64 = max(|bid| bid.price) };

        by_price = bids -> key_by(price: u64 = |bid| bid.price);

        /// As published, a bid at the very end of a window counts in it too.
        output winners: (q7::Highest, Bid) = highest
            -> key_by(price: u64 = |highest| highest.price)
            -> join(by_price, within 10 s)
            -> filter(|(highest, bid)| {
                let window = highest.window;
                window.start <= bid.at() && bid.at() <= window.end
            });
    }
}
