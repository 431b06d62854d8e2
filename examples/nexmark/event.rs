//! What happens at an auction house, as the data files have it: one JSON object a line, times in ms since the epoch.

use psdf::Timestamp;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(crate) enum Event {
    Person(Person),
    Auction(Auction),
    Bid(Bid),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Person {
    pub(crate) id: u64,
    pub(crate) name: String,
    pub(crate) email_address: String,
    pub(crate) credit_card: String,
    pub(crate) city: String,
    pub(crate) state: String,
    pub(crate) date_time: u64,
    pub(crate) extra: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Auction {
    pub(crate) id: u64,
    pub(crate) item_name: String,
    pub(crate) description: String,
    pub(crate) initial_bid: u64,
    pub(crate) reserve: u64,
    pub(crate) date_time: u64,
    pub(crate) expires: u64,
    pub(crate) seller: u64,
    pub(crate) category: u64,
    pub(crate) extra: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Bid {
    pub(crate) auction: u64,
    pub(crate) bidder: u64,
    pub(crate) price: u64,
    pub(crate) channel: String,
    pub(crate) url: String,
    pub(crate) date_time: u64,
    pub(crate) extra: String,
}

impl Event {
    pub(crate) fn date_time(&self) -> u64 {
        match self {
            Event::Person(person) => person.date_time,
            Event::Auction(auction) => auction.date_time,
            Event::Bid(bid) => bid.date_time,
        }
    }

    pub(crate) fn at(&self) -> Timestamp {
        from_ms(self.date_time())
    }

    pub(crate) fn is_person(&self) -> bool {
        matches!(self, Event::Person(_))
    }

    pub(crate) fn is_auction(&self) -> bool {
        matches!(self, Event::Auction(_))
    }

    pub(crate) fn is_bid(&self) -> bool {
        matches!(self, Event::Bid(_))
    }

    pub(crate) fn person(self) -> Option<Person> {
        if let Event::Person(person) = self { Some(person) } else { None }
    }

    pub(crate) fn auction(self) -> Option<Auction> {
        if let Event::Auction(auction) = self { Some(auction) } else { None }
    }

    pub(crate) fn bid(self) -> Option<Bid> {
        if let Event::Bid(bid) = self { Some(bid) } else { None }
    }
}

impl Auction {
    pub(crate) fn expires_at(&self) -> Timestamp {
        from_ms(self.expires)
    }
}

impl Bid {
    pub(crate) fn at(&self) -> Timestamp {
        from_ms(self.date_time)
    }
}

fn from_ms(millis: u64) -> Timestamp {
    Timestamp::from_millis(i64::try_from(millis).unwrap_or(i64::MAX))
}
