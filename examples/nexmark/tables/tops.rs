//! Queries that hold the last or the highest bids.

use std::io;

use crate::csv::{Lines, Table};
use crate::event::Bid;
use crate::q18::Q18;
use crate::q19::{Q19, q19};

impl Table for Q18 {
    type Row = Bid;
    const HEADER: &'static str = "auction,bidder,price,channel,url,date_time,extra";
    const CHANGES: bool = true;

    fn place(bid: &Bid) -> impl Ord {
        (bid.bidder, bid.auction)
    }

    fn write(bid: &Bid, lines: &mut Lines) -> io::Result<()> {
        let Bid { auction, bidder, price, channel, url, date_time, extra } = bid;
        lines.line(&[auction, bidder, price, channel, url, date_time, extra])
    }
}

impl Table for Q19 {
    type Row = q19::Highest;
    const HEADER: &'static str = "auction,bidder,price,channel,url,date_time,extra,rank_number";
    const CHANGES: bool = true;

    fn place(highest: &q19::Highest) -> impl Ord {
        highest.auction
    }

    fn write(highest: &q19::Highest, lines: &mut Lines) -> io::Result<()> {
        highest.top.iter().zip(1..).try_for_each(|(bid, rank): (_, u64)| {
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
