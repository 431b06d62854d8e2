//! q3: who sells things of category 10 in Oregon, Idaho or California.

use psdf::dataflow;

use crate::event::{Auction, Event, Person};

dataflow! {
    /// An auction may come at any time after its seller, and before: nothing bounds the state but the number of them.
    pub(crate) flow Q3 {
        input events: Event;
        events -> route { joined: Event::is_person, opened: Event::is_auction } else skip;

        sellers = joined
            -> filter_map(Event::person)
            -> filter(|person| ["or", "id", "ca"].contains(&person.state.as_str()))
            -> key_by(seller: u64 = |person| person.id);

        output sales: (Auction, Person) = opened
            -> filter_map(Event::auction)
            -> filter(|auction| auction.category == 10)
            -> key_by(seller: u64 = |auction| auction.seller)
            -> join(sellers, keep forever);
    }
}
