//! The columns of each query's results, and their order.

use std::io;

use crate::calendar::{Day, Minute};
use crate::csv::{Lines, Table};
use crate::event::Bid;
use crate::money::Euros;
use crate::q0::Q0;
use crate::q1::Q1;
use crate::q2::Q2;
use crate::q5::{Q5, q5};
use crate::q11::{Q11, q11};
use crate::q12::{Q12, q12};
use crate::q14::{LargeBid, Q14};
use crate::q15::{Q15, q15};
use crate::q16::{Q16, q16};
use crate::q17::{Q17, q17};
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

impl Table for Q5 {
    type Row = q5::Counts;
    const HEADER: &'static str = "starttime,endtime,auction,num";

    fn place(hot: &q5::Counts) -> impl Ord {
        (hot.window.start, hot.auction)
    }

    fn write(hot: &q5::Counts, lines: &mut Lines) -> io::Result<()> {
        let (start, end) = (hot.window.start.as_millis(), hot.window.end.as_millis());
        lines.line(&[&start, &end, &hot.auction, &hot.num])
    }
}

impl Table for Q11 {
    type Row = q11::Sessions;
    const HEADER: &'static str = "bidder,bid_count,starttime,endtime";

    fn place(session: &q11::Sessions) -> impl Ord {
        (session.window.start, session.bidder)
    }

    fn write(session: &q11::Sessions, lines: &mut Lines) -> io::Result<()> {
        let (start, end) = (session.window.start.as_millis(), session.window.end.as_millis());
        lines.line(&[&session.bidder, &session.bid_count, &start, &end])
    }
}

impl Table for Q12 {
    type Row = q12::Counts;
    const HEADER: &'static str = "bidder,bid_count,starttime,endtime";

    fn place(count: &q12::Counts) -> impl Ord {
        (count.window.start, count.bidder)
    }

    fn write(count: &q12::Counts, lines: &mut Lines) -> io::Result<()> {
        let (start, end) = (count.window.start.as_millis(), count.window.end.as_millis());
        lines.line(&[&count.bidder, &count.bid_count, &start, &end])
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

impl Table for Q15 {
    type Row = q15::Days;
    const HEADER: &'static str = "day,total_bids,rank1_bids,rank2_bids,rank3_bids,total_bidders,rank1_bidders,\
        rank2_bidders,rank3_bidders,total_auctions,rank1_auctions,rank2_auctions,rank3_auctions";

    fn place(day: &q15::Days) -> impl Ord {
        day.window.start
    }

    fn write(day: &q15::Days, lines: &mut Lines) -> io::Result<()> {
        lines.line(&[
            &Day::at(day.window.start),
            &day.bids,
            &day.low_bids,
            &day.middle_bids,
            &day.high_bids,
            &day.bidders,
            &day.low_bidders,
            &day.middle_bidders,
            &day.high_bidders,
            &day.auctions,
            &day.low_auctions,
            &day.middle_auctions,
            &day.high_auctions,
        ])
    }
}

impl Table for Q16 {
    type Row = q16::Days;
    const HEADER: &'static str = "channel,day,minute,total_bids,rank1_bids,rank2_bids,rank3_bids,total_bidders,\
        rank1_bidders,rank2_bidders,rank3_bidders,total_auctions,rank1_auctions,rank2_auctions,rank3_auctions";

    fn place(day: &q16::Days) -> impl Ord {
        (day.window.start, &day.channel)
    }

    fn write(day: &q16::Days, lines: &mut Lines) -> io::Result<()> {
        lines.line(&[
            &day.channel,
            &Day::at(day.window.start),
            &Minute::of(day.latest),
            &day.bids,
            &day.low_bids,
            &day.middle_bids,
            &day.high_bids,
            &day.bidders,
            &day.low_bidders,
            &day.middle_bidders,
            &day.high_bidders,
            &day.auctions,
            &day.low_auctions,
            &day.middle_auctions,
            &day.high_auctions,
        ])
    }
}

impl Table for Q17 {
    type Row = q17::Days;
    const HEADER: &'static str = "auction,day,total_bids,rank1_bids,rank2_bids,rank3_bids,min_price,max_price,\
        avg_price,sum_price";

    fn place(day: &q17::Days) -> impl Ord {
        (day.window.start, day.auction)
    }

    fn write(day: &q17::Days, lines: &mut Lines) -> io::Result<()> {
        lines.line(&[
            &day.auction,
            &Day::at(day.window.start),
            &day.bids,
            &day.low_bids,
            &day.middle_bids,
            &day.high_bids,
            &day.min_price,
            &day.max_price,
            &(day.sum_price / day.bids),
            &day.sum_price,
        ])
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
