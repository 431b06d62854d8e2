//! Queries that give each bid by itself.

use std::io;

use crate::csv::{Lines, Table};
use crate::event::Bid;
use crate::money::Euros;
use crate::q0::Q0;
use crate::q1::Q1;
use crate::q2::Q2;
use crate::q13::Q13;
use crate::q14::{LargeBid, Q14};
use crate::q21::Q21;
use crate::q22::Q22;

impl Table for Q0 {
    type Row = Bid;
    const HEADER: &'static str = "auction,bidder,price,date_time,extra";

    fn place(bid: &Bid) -> impl Ord {
        bid.date_time
    }

    fn write(bid: &Bid, lines: &mut Lines) -> io::Result<()> {
        lines.line(&[&bid.auction, &bid.bidder, &bid.price, &bid.date_time, &bid.extra])
    }
}

impl Table for Q1 {
    type Row = (Bid, Euros);
    const HEADER: &'static str = "auction,bidder,price_eur,date_time,extra";

    fn place((bid, _): &(Bid, Euros)) -> impl Ord {
        bid.date_time
    }

    fn write((bid, price): &(Bid, Euros), lines: &mut Lines) -> io::Result<()> {
        lines.line(&[&bid.auction, &bid.bidder, price, &bid.date_time, &bid.extra])
    }
}

impl Table for Q2 {
    type Row = Bid;
    const HEADER: &'static str = "auction,price,date_time";

    fn place(bid: &Bid) -> impl Ord {
        bid.date_time
    }

    fn write(bid: &Bid, lines: &mut Lines) -> io::Result<()> {
        lines.line(&[&bid.auction, &bid.price, &bid.date_time])
    }
}

impl Table for Q13 {
    type Row = (Bid, String);
    const HEADER: &'static str = "auction,bidder,price,date_time,value";

    fn place((bid, _): &(Bid, String)) -> impl Ord {
        (bid.date_time, bid.auction, bid.bidder)
    }

    fn write((bid, value): &(Bid, String), lines: &mut Lines) -> io::Result<()> {
        lines.line(&[&bid.auction, &bid.bidder, &bid.price, &bid.date_time, value])
    }
}

impl Table for Q14 {
    type Row = LargeBid;
    const HEADER: &'static str = "auction,bidder,price_eur,bid_time_type,date_time,extra,c_counts";

    fn place(bid: &LargeBid) -> impl Ord {
        bid.date_time
    }

    fn write(bid: &LargeBid, lines: &mut Lines) -> io::Result<()> {
        let LargeBid { auction, bidder, price, time_type, date_time, c_counts, extra } = bid;
        lines.line(&[auction, bidder, price, time_type, date_time, extra, c_counts])
    }
}

impl Table for Q21 {
    type Row = (Bid, String);
    const HEADER: &'static str = "auction,bidder,price,channel,date_time,channel_id";

    fn place((bid, _): &(Bid, String)) -> impl Ord {
        bid.date_time
    }

    fn write((bid, id): &(Bid, String), lines: &mut Lines) -> io::Result<()> {
        lines.line(&[&bid.auction, &bid.bidder, &bid.price, &bid.channel, &bid.date_time, id])
    }
}

impl Table for Q22 {
    type Row = (Bid, [String; 3]);
    const HEADER: &'static str = "auction,bidder,price,channel,date_time,dir1,dir2,dir3";

    fn place((bid, _): &(Bid, [String; 3])) -> impl Ord {
        bid.date_time
    }

    fn write((bid, [dir1, dir2, dir3]): &(Bid, [String; 3]), lines: &mut Lines) -> io::Result<()> {
        lines.line(&[&bid.auction, &bid.bidder, &bid.price, &bid.channel, &bid.date_time, dir1, dir2, dir3])
    }
}
