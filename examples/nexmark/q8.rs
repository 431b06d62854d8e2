//! q8: who joined and opened an auction in the same 10 s.

use psdf::{Window, dataflow};

use crate::event::{Event, Person};

dataflow! {
    /// The window bounds its state.
    pub(crate) flow Q8 {
        input events: Event;
        events
            -> event_time(Event::at, lateness 1 s)
            -> route { joined: Event::is_person, opened: Event::is_auction } else skip;

        sellers = opened
            -> filter_map(Event::auction)
            -> key_by(seller: u64 = |auction| auction.seller)
            -> tumbling(10 s)
            -> aggregate { auctions: u64 = count() };
        by_person = sellers -> key_by(person: u64 = |seller| seller.seller);

        output newcomers: (Window, Person, q8::Sellers) = joined
            -> filter_map(Event::person)
            -> key_by(person: u64 = |person| person.id)
            -> tumbling(10 s)
            -> join(by_person);
    }
}
