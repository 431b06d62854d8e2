//! q20: bids on things of category 10, with their auction.

use psdf::dataflow;

use crate::event::{Auction, Bid, Event};

dataflow! {
    /// A bid counts whenever it comes, before and after its auction: nothing bounds the state but the number of them.
    pub(crate) flow Q20 {
        input events: Event;
        events -> route { opened: Event::is_auction, offered: Event::is_bid } else skip;

        auctions = opened
            -> filter_map(Event::auction)
            -> filter(|auction| auction.category == 10)
            -> key_by(auction: u64 = |auction| auction.id);

        output bids: (Bid, Auction) = offered
            -> filter_map(Event::bid)
            -> key_by(auction: u64 = |bid| bid.auction)
            -> join(auctions, keep forever);
    }
}
