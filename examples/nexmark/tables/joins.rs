//! Queries that bring people, auctions and bids together.

use std::io;

use psdf::Window;

use crate::csv::{Lines, Table};
use crate::event::{Auction, Bid, Person};
use crate::q3::Q3;
use crate::q4::{Q4, q4};
use crate::q6::{Q6, q6};
use crate::q7::{Q7, q7};
use crate::q8::{Q8, q8};
use crate::q9::Q9;
use crate::q20::Q20;

impl Table for Q3 {
    type Row = (Auction, Person);
    const HEADER: &'static str = "name,city,state,id";

    fn place((auction, _): &(Auction, Person)) -> impl Ord {
        auction.id
    }

    fn write((auction, seller): &(Auction, Person), lines: &mut Lines) -> io::Result<()> {
        lines.line(&[&seller.name, &seller.city, &seller.state, &auction.id])
    }
}

impl Table for Q4 {
    type Row = q4::Prices;
    const HEADER: &'static str = "category,auctions,sum_final,avg_final";
    const CHANGES: bool = true;

    fn place(prices: &q4::Prices) -> impl Ord {
        prices.category
    }

    fn write(prices: &q4::Prices, lines: &mut Lines) -> io::Result<()> {
        let q4::Prices { category, auctions, sum_final } = prices;
        lines.line(&[category, auctions, sum_final, &(sum_final / auctions)])
    }
}

impl Table for Q6 {
    type Row = q6::Recent;
    const HEADER: &'static str = "seller,avg_final";
    const CHANGES: bool = true;

    fn place(recent: &q6::Recent) -> impl Ord {
        recent.seller
    }

    fn write(recent: &q6::Recent, lines: &mut Lines) -> io::Result<()> {
        let sum: u64 = recent.top.iter().map(|closed| closed.price).sum();
        lines.line(&[&recent.seller, &(sum / recent.top.len() as u64)])
    }
}

impl Table for Q7 {
    type Row = (q7::Highest, Bid);
    const HEADER: &'static str = "window_end,auction,price,bidder,date_time,extra";

    fn place((highest, bid): &(q7::Highest, Bid)) -> impl Ord {
        (highest.window.end, bid.date_time, bid.auction, bid.bidder)
    }

    fn write((highest, bid): &(q7::Highest, Bid), lines: &mut Lines) -> io::Result<()> {
        let end = highest.window.end.as_millis();
        lines.line(&[&end, &bid.auction, &bid.price, &bid.bidder, &bid.date_time, &bid.extra])
    }
}

impl Table for Q8 {
    type Row = (Window, Person, q8::Sellers);
    const HEADER: &'static str = "id,name,starttime";

    fn place((window, person, _): &(Window, Person, q8::Sellers)) -> impl Ord {
        (window.start, person.id)
    }

    fn write((window, person, _): &(Window, Person, q8::Sellers), lines: &mut Lines) -> io::Result<()> {
        lines.line(&[&person.id, &person.name, &window.start.as_millis()])
    }
}

impl Table for Q9 {
    type Row = (Auction, Bid);
    const HEADER: &'static str = "id,item_name,description,initial_bid,reserve,date_time,expires,seller,category,\
        extra,auction,bidder,price,bid_date_time,bid_extra";

    fn place((auction, _): &(Auction, Bid)) -> impl Ord {
        auction.id
    }

    fn write((auction, bid): &(Auction, Bid), lines: &mut Lines) -> io::Result<()> {
        lines.line(&[
            &auction.id,
            &auction.item_name,
            &auction.description,
            &auction.initial_bid,
            &auction.reserve,
            &auction.date_time,
            &auction.expires,
            &auction.seller,
            &auction.category,
            &auction.extra,
            &bid.auction,
            &bid.bidder,
            &bid.price,
            &bid.date_time,
            &bid.extra,
        ])
    }
}

impl Table for Q20 {
    type Row = (Bid, Auction);
    const HEADER: &'static str = "auction,bidder,price,channel,url,bid_date_time,bid_extra,item_name,description,\
        initial_bid,reserve,auction_date_time,expires,seller,category,auction_extra";

    fn place((bid, _): &(Bid, Auction)) -> impl Ord {
        (bid.date_time, bid.auction, bid.bidder)
    }

    fn write((bid, auction): &(Bid, Auction), lines: &mut Lines) -> io::Result<()> {
        lines.line(&[
            &bid.auction,
            &bid.bidder,
            &bid.price,
            &bid.channel,
            &bid.url,
            &bid.date_time,
            &bid.extra,
            &auction.item_name,
            &auction.description,
            &auction.initial_bid,
            &auction.reserve,
            &auction.date_time,
            &auction.expires,
            &auction.seller,
            &auction.category,
            &auction.extra,
        ])
    }
}
