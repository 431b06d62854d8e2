//! Events that are made up, always the same ones, by the generator that other engines use too.

use nexmark::EventGenerator;
use nexmark::config::NexmarkConfig;
use nexmark::event as made;

use crate::event::{Auction, Bid, Event, Person};

/// 2015-07-15T00:00:00Z. Without one, the events would begin now and be others each time.
const BASE_TIME_MS: u64 = 1_436_918_400_000;

/// The first `count` events of a house where `rate` of them happen in a second of event time.
pub(crate) fn events(count: usize, rate: usize) -> impl Iterator<Item = Event> {
    let config = NexmarkConfig {
        base_time: BASE_TIME_MS,
        first_rate: rate,
        // Another one would let the rate swing.
        next_rate: rate,
        // As in the data files.
        avg_person_byte_size: 200,
        avg_auction_byte_size: 200,
        avg_bid_byte_size: 50,
        ..NexmarkConfig::default()
    };
    EventGenerator::new(config).take(count).map(Event::from)
}

impl From<made::Event> for Event {
    fn from(event: made::Event) -> Event {
        match event {
            made::Event::Person(person) => Event::Person(Person {
                id: person.id as u64,
                name: person.name,
                email_address: person.email_address,
                credit_card: person.credit_card,
                city: person.city,
                state: person.state,
                date_time: person.date_time,
                extra: person.extra,
            }),
            made::Event::Auction(auction) => Event::Auction(Auction {
                id: auction.id as u64,
                item_name: auction.item_name,
                description: auction.description,
                initial_bid: auction.initial_bid as u64,
                reserve: auction.reserve as u64,
                date_time: auction.date_time,
                expires: auction.expires,
                seller: auction.seller as u64,
                category: auction.category as u64,
                extra: auction.extra,
            }),
            made::Event::Bid(bid) => Event::Bid(Bid {
                auction: bid.auction as u64,
                bidder: bid.bidder as u64,
                price: bid.price as u64,
                channel: bid.channel,
                url: bid.url,
                date_time: bid.date_time,
                extra: bid.extra,
            }),
        }
    }
}
