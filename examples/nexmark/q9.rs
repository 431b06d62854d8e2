//! q9: the bid that wins each auction.

use std::cmp::Reverse;

use psdf::dataflow;

use crate::event::{Auction, Bid, Event};

dataflow! {
    /// An auction and its bids are held until it has expired.
    pub(crate) flow Q9 {
        input events: Event;
        events
            -> event_time(Event::at, lateness 1 s)
            -> route { opened: Event::is_auction, offered: Event::is_bid } else skip;

        bids = offered -> filter_map(Event::bid) -> key_by(auction: u64 = |bid| bid.auction);

        /// With the time at which the auction expires, so that all its bids are in one window.
        valid: (Auction, Bid) = opened
            -> filter_map(Event::auction)
            -> key_by(auction: u64 = |auction| auction.id)
            -> join(bids, until Auction::expires_at)
            -> event_time(|(auction, _)| auction.expires_at());

        won = valid
            -> key_by(auction: u64 = |(auction, _)| auction.id)
            -> tumbling(1 s)
            -> top(1, by |(_, bid)| (bid.price, Reverse(bid.date_time)));

        output winners: (Auction, Bid) = won -> flat_map(|won| won.top);
    }
}
