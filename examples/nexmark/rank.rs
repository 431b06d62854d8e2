//! The three ranks into which q15 to q17 put bids by their price.

use crate::event::Bid;

pub(crate) fn is_low(bid: &Bid) -> bool {
    bid.price < 10_000
}

pub(crate) fn is_middle(bid: &Bid) -> bool {
    (10_000..1_000_000).contains(&bid.price)
}

pub(crate) fn is_high(bid: &Bid) -> bool {
    bid.price >= 1_000_000
}
