//! q6: what each seller's last ten auctions were sold for, on average.

use psdf::dataflow;

use crate::closed::{ClosedAuctions, closed_auctions};
use crate::event::Event;

dataflow! {
    pub(crate) flow Q6 {
        input events: Event;

        closed: closed_auctions::Closed = ClosedAuctions(events = events).closed;

        /// A seller may close another auction at any time: ten auctions are held for each.
        recent = closed
            -> key_by(seller: u64 = |closed| closed.lot.seller)
            -> top(10, by |closed| (closed.lot.expires, closed.lot.id)) keep forever;

        output recent;
    }
}
