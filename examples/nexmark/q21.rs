//! q21: bids with the id of the channel that they came through.

use psdf::dataflow;

use crate::event::{Bid, Event};

dataflow! {
    pub(crate) flow Q21 {
        input events: Event;
        output bids: (Bid, String) = events
            -> filter_map(Event::bid)
            -> filter_map(|bid| channel_id(&bid).map(|id| (bid, id)));
    }
}

fn channel_id(bid: &Bid) -> Option<String> {
    const KNOWN: [(&str, &str); 4] = [("apple", "0"), ("google", "1"), ("facebook", "2"), ("baidu", "3")];
    let known = KNOWN.iter().find(|(name, _)| bid.channel.eq_ignore_ascii_case(name)).map(|(_, id)| *id);
    let in_url = || bid.url.split_once("channel_id=")?.1.split('&').next();
    known.or_else(in_url).map(str::to_owned)
}
