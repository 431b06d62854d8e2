//! Queries that hold the last or the highest bids.

use std::io;

use crate::csv::{Lines, Table};
use crate::q19::{Q19, q19};

impl Table for Q19 {
    type Row = q19::Highest;
    const HEADER: &'static str = "auction,bidder,price,channel,url,date_time,extra,rank_number";
    const CHANGES: bool = true;

    fn place(highest: &q19::Highest) -> impl Ord {
        highest.auction
    }

    fn write(highest: &q19::Highest, lines: &mut Lines) -> io::Result<()> {
        highest.bids.iter().zip(1..).try_for_each(|(bid, rank): (_, u64)| {
            let (channel, url) = (&bid.channel, &bid.url);
            lines.line(&[
                &bid.auction,
                &bid.bidder,
                &bid.price,
                channel,
                url,
                &bid.date_time,
                &bid.extra,
                &rank,
            ])
        })
    }
}
