//! Queries that count in windows.

use std::io;

use crate::calendar::{Day, Minute};
use crate::csv::{Lines, Table};
use crate::q5::{Q5, q5};
use crate::q11::{Q11, q11};
use crate::q12::{Q12, q12};
use crate::q15::{Q15, q15};
use crate::q16::{Q16, q16};
use crate::q17::{Q17, q17};

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
