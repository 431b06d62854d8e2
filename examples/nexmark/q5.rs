//! q5: the auctions with the most bids in the last 10 s, every 2 s.

use psdf::{Window, dataflow};

use crate::event::{Bid, Event};

dataflow! {
    pub(crate) flow Q5 {
        input events: Event;

        counts = events
            -> filter_map(Event::bid)
            -> event_time(Bid::at, lateness 1 s)
            -> key_by(auction: u64 = |bid| bid.auction)
            -> hopping(10 s, every 2 s)
            -> aggregate { num: u64 = count() };

        /// Counts have the last time of their window, so each 2 s hold those of one.
        hottest = counts
            -> key_by(hop: Window = |count| count.window)
            -> tumbling(2 s)
            -> fold(Vec<q5::Counts> = Vec::new(), |hottest, count| {
                let most = hottest.first().map_or(0, |first| first.num);
                if count.num > most {
                    hottest.clear();
                }
                if count.num >= most {
                    hottest.push(count.clone());
                }
            });

        output hot: q5::Counts = hottest -> flat_map(|hop| hop.value);
    }
}
