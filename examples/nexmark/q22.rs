//! q22: bids with the three directories of their URL.

use psdf::dataflow;

use crate::event::{Bid, Event};

dataflow! {
    pub(crate) flow Q22 {
        input events: Event;
        output bids: (Bid, [String; 3]) = events
            -> filter_map(Event::bid)
            -> map(|bid| { let directories = directories(&bid.url); (bid, directories) });
    }
}

/// What stands behind the third `/` of `https://host/a/b/c/page`, and behind the next two.
fn directories(url: &str) -> [String; 3] {
    let mut parts = url.split('/').skip(3);
    [(); 3].map(|()| parts.next().unwrap_or_default().to_owned())
}
