//! What each auction is sold for: what q4 and q6 begin with.

use psdf::{Timestamp, dataflow};
use serde::{Deserialize, Serialize};

use crate::event::Event;

dataflow! {
    /// The highest valid bid of each auction that has one. An auction and its bids are held until it has expired.
    pub(crate) flow ClosedAuctions {
        input events: Event;
        events
            -> event_time(Event::at, lateness 1 s)
            -> route { opened: Event::is_auction, offered: Event::is_bid } else skip;

        lots = opened -> filter_map(Lot::of) -> key_by(auction: u64 = |lot| lot.id);
        offers = offered -> filter_map(Offer::of) -> key_by(auction: u64 = |offer| offer.auction);

        /// With the time at which the auction expires, so that all its bids are in one window.
        valid: (Lot, Offer) = lots
            -> join(offers, until |lot| lot.expires)
            -> event_time(|(lot, _)| lot.expires);

        closed = valid
            -> key_by(lot: Lot = |(lot, _)| *lot)
            -> tumbling(1 s)
            -> aggregate { price: u64 = max(|(_, offer)| offer.price) };

        output closed;
    }
}

/// What is needed of an auction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Lot {
    pub(crate) id: u64,
    pub(crate) seller: u64,
    pub(crate) category: u64,
    pub(crate) expires: Timestamp,
}

/// What is needed of a bid.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Offer {
    auction: u64,
    price: u64,
}

impl Lot {
    fn of(event: Event) -> Option<Lot> {
        event.auction().map(|auction| Lot {
            id: auction.id,
            seller: auction.seller,
            category: auction.category,
            expires: auction.expires_at(),
        })
    }
}

impl Offer {
    fn of(event: Event) -> Option<Offer> {
        event.bid().map(|bid| Offer { auction: bid.auction, price: bid.price })
    }
}
