//! A small auction house, and what the Nexmark queries say of it: plain loops over all that happened.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

/// Half a minute before a day ends: 2015-07-14T23:59:30Z.
const BEGIN: u64 = 1_436_918_370_000;
const DAY: u64 = 86_400_000;

pub(crate) struct House {
    auctions: Vec<Auction>,
    bids: Vec<Bid>,
    /// JSON, in the order in which events come.
    lines: Vec<String>,
}

struct Auction {
    id: u64,
    date_time: u64,
    expires: u64,
    seller: u64,
    category: u64,
}

struct Bid {
    auction: u64,
    bidder: u64,
    price: u64,
    channel: String,
    url: String,
    date_time: u64,
    extra: String,
}

struct Random(u64);

impl Random {
    /// SplitMix64.
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % bound
    }
}

impl House {
    /// Each event has a millisecond of its own, and is at most 999 ms behind those that come before it.
    pub(crate) fn new(seed: u64, events: u64) -> House {
        let mut random = Random(seed);
        let mut house = House { auctions: Vec::new(), bids: Vec::new(), lines: Vec::new() };
        let (mut now, mut lines) = (BEGIN, Vec::new());
        for _ in 0..events {
            // Now and then nothing happens for just as long as a session lasts, or a little longer.
            now += if random.below(200) == 0 { 9_999 + random.below(3) } else { 1 + random.below(30) };
            let line = house.happens(&mut random, now);
            lines.push((now + random.below(999), line));
        }
        lines.sort();
        house.lines = lines.into_iter().map(|(_, line)| line).collect();
        house
    }

    fn happens(&mut self, random: &mut Random, now: u64) -> String {
        // Some bids and people are of auctions and sellers that come later, or never.
        let newest = self.auctions.len() as u64;
        match random.below(20) {
            0 => {
                let id = random.below(40);
                format!(
                    r#"{{"type":"person","id":{id},"name":"n","email_address":"e","credit_card":"c","city":"c","state":"or","date_time":{now},"extra":""}}"#
                )
            }
            1..=3 => {
                let (seller, category) = (random.below(40), 10 + random.below(3));
                let expires = now + random.below(4000);
                self.auctions.push(Auction { id: newest, date_time: now, expires, seller, category });
                format!(
                    r#"{{"type":"auction","id":{newest},"item_name":"i,{newest}","description":"\"d\"","initial_bid":1,"reserve":2,"date_time":{now},"expires":{expires},"seller":{seller},"category":{category},"extra":"x"}}"#
                )
            }
            _ => {
                let channels = ["Apple", "google", "FACEBOOK", "baidu", "other", "more"];
                let bid = Bid {
                    auction: newest.saturating_sub(random.below(12)) + random.below(3),
                    bidder: random.below(30),
                    price: [9_999, 10_000, 999_999, 1_000_000, 1_101_322, 55_066_079]
                        [random.below(6) as usize]
                        + random.below(2),
                    channel: channels[random.below(6) as usize].to_owned(),
                    url: ["https://h/a/b/c/i?q=1&channel_id=77&x=1", "https://h/a/b"]
                        [random.below(2) as usize]
                        .to_owned(),
                    date_time: now,
                    extra: ["", "abcc", "c,\\\"c"][random.below(3) as usize].to_owned(),
                };
                let Bid { auction, bidder, price, channel, url, date_time, extra } = &bid;
                let line = format!(
                    r#"{{"type":"bid","auction":{auction},"bidder":{bidder},"price":{price},"channel":"{channel}","url":"{url}","date_time":{date_time},"extra":"{extra}"}}"#
                );
                let extra = bid.extra.replace("\\\"", "\"");
                self.bids.push(Bid { extra, ..bid });
                line
            }
        }
    }

    pub(crate) fn lines(&self) -> String {
        self.lines.iter().map(|line| format!("{line}\n")).collect()
    }

    /// The CSV of each query whose results are not published.
    pub(crate) fn results(&self) -> Vec<(&'static str, String)> {
        vec![
            ("q6", self.q6()),
            ("q9", self.q9()),
            ("q11", self.q11()),
            ("q12", self.q12()),
            ("q13", self.q13()),
            ("q14", self.q14()),
            ("q15", self.q15()),
            ("q16", self.q16()),
            ("q17", self.q17()),
            ("q18", self.q18()),
            ("q19", self.q19()),
            ("q20", self.q20()),
            ("q21", self.q21()),
            ("q22", self.q22()),
        ]
    }

    /// The bid that wins each auction, by the auctions' ids.
    fn winners(&self) -> Vec<(&Auction, &Bid)> {
        let mut winners = Vec::new();
        for auction in &self.auctions {
            let mut best: Option<&Bid> = None;
            for bid in &self.bids {
                let in_time = auction.date_time <= bid.date_time && bid.date_time <= auction.expires;
                if bid.auction == auction.id && in_time && best.is_none_or(|best| bid.price > best.price) {
                    best = Some(bid);
                }
            }
            winners.extend(best.map(|best| (auction, best)));
        }
        winners
    }

    fn q6(&self) -> String {
        let mut sellers: BTreeMap<u64, Vec<(u64, u64, u64)>> = BTreeMap::new();
        for (auction, bid) in self.winners() {
            sellers.entry(auction.seller).or_default().push((auction.expires, auction.id, bid.price));
        }
        table("seller,avg_final", sellers, |(seller, closed)| {
            let mut closed = closed.clone();
            closed.sort();
            let last = &closed[closed.len().saturating_sub(10)..];
            row(&[seller, &(last.iter().map(|(_, _, price)| price).sum::<u64>() / last.len() as u64)])
        })
    }

    fn q9(&self) -> String {
        let header = "id,item_name,description,initial_bid,reserve,date_time,expires,seller,category,extra,auction,bidder,price,bid_date_time,bid_extra";
        table(header, self.winners(), |(a, b)| {
            let name = format!("i,{}", a.id);
            let auction = row(&[
                &a.id,
                &name,
                &"\"d\"",
                &1,
                &2,
                &a.date_time,
                &a.expires,
                &a.seller,
                &a.category,
                &"x",
            ]);
            format!("{auction},{}", row(&[&b.auction, &b.bidder, &b.price, &b.date_time, &b.extra]))
        })
    }

    fn q11(&self) -> String {
        let mut sessions: Vec<(u64, u64, u64, u64)> = Vec::new();
        for bid in &self.bids {
            let open = sessions.iter_mut().rev().find(|(_, bidder, _, _)| *bidder == bid.bidder);
            match open {
                Some((_, _, count, last)) if bid.date_time - *last <= 10_000 => {
                    *count += 1;
                    *last = bid.date_time;
                }
                _ => sessions.push((bid.date_time, bid.bidder, 1, bid.date_time)),
            }
        }
        sessions.sort();
        table("bidder,bid_count,starttime,endtime", sessions, |(start, bidder, count, last)| {
            row(&[bidder, count, start, &(last + 10_000)])
        })
    }

    fn q12(&self) -> String {
        let mut counts: BTreeMap<(u64, u64), u64> = BTreeMap::new();
        for bid in &self.bids {
            *counts.entry((bid.date_time / 10_000 * 10_000, bid.bidder)).or_default() += 1;
        }
        table("bidder,bid_count,starttime,endtime", counts, |((start, bidder), count)| {
            row(&[bidder, count, start, &(start + 10_000)])
        })
    }

    fn q13(&self) -> String {
        table("auction,bidder,price,date_time,value", &self.bids, |b| {
            row(&[&b.auction, &b.bidder, &b.price, &b.date_time, &(b.auction % 10_000)])
        })
    }

    fn q14(&self) -> String {
        let header = "auction,bidder,price_eur,bid_time_type,date_time,extra,c_counts";
        let large = |b: &&Bid| b.price * 908 > 1_000_000_000 && b.price * 908 < 50_000_000_000;
        table(header, self.bids.iter().filter(large), |b| {
            let euros = format!("{}.{:03}", b.price * 908 / 1000, b.price * 908 % 1000);
            // The house is open around midnight.
            let letters = b.extra.chars().filter(|letter| *letter == 'c').count();
            row(&[&b.auction, &b.bidder, &euros, &"nightTime", &b.date_time, &b.extra, &letters])
        })
    }

    fn q15(&self) -> String {
        let groups = self.grouped(|bid| bid.date_time / DAY);
        let header = format!("day,{STATISTICS}");
        table(&header, groups, |(day, bids)| format!("{},{}", date(*day), statistics(bids)))
    }

    fn q16(&self) -> String {
        let groups = self.grouped(|bid| (bid.date_time / DAY, bid.channel.clone()));
        let header = format!("channel,day,minute,{STATISTICS}");
        table(&header, groups, |((day, channel), bids)| {
            let last = bids.iter().map(|bid| bid.date_time).max().expect("one") / 60_000;
            let minute = format!("{:02}:{:02}", last / 60 % 24, last % 60);
            format!("{channel},{},{minute},{}", date(*day), statistics(bids))
        })
    }

    fn q17(&self) -> String {
        let header =
            "auction,day,total_bids,rank1_bids,rank2_bids,rank3_bids,min_price,max_price,avg_price,sum_price";
        let groups = self.grouped(|bid| (bid.date_time / DAY, bid.auction));
        table(header, groups, |((day, auction), bids)| {
            let prices = || bids.iter().map(|bid| bid.price);
            let (sum, count) = (prices().sum::<u64>(), bids.len() as u64);
            let counts = RANKS.map(|rank| bids.iter().filter(|bid| rank(bid)).count().to_string()).join(",");
            let (least, most) = (prices().min().expect("one"), prices().max().expect("one"));
            format!("{auction},{},{counts},{}", date(*day), row(&[&least, &most, &(sum / count), &sum]))
        })
    }

    fn q18(&self) -> String {
        let groups = self.grouped(|bid| (bid.bidder, bid.auction));
        table("auction,bidder,price,channel,url,date_time,extra", groups, |(_, bids)| {
            whole(bids.last().expect("one"))
        })
    }

    fn q19(&self) -> String {
        let mut rows = Vec::new();
        for mut bids in self.grouped(|bid| bid.auction).into_values() {
            // Stable: among equals the earlier one is in front.
            bids.sort_by_key(|bid| std::cmp::Reverse(bid.price));
            rows.extend(bids.into_iter().take(10).zip(1..));
        }
        table(
            "auction,bidder,price,channel,url,date_time,extra,rank_number",
            rows,
            |(bid, rank): &(_, u64)| format!("{},{rank}", whole(bid)),
        )
    }

    fn q20(&self) -> String {
        let header = "auction,bidder,price,channel,url,bid_date_time,bid_extra,item_name,description,initial_bid,reserve,auction_date_time,expires,seller,category,auction_extra";
        let auction = |bid: &Bid| self.auctions.get(bid.auction as usize).filter(|a| a.category == 10);
        let pairs = self.bids.iter().filter_map(|bid| auction(bid).map(|auction| (bid, auction)));
        table(header, pairs, |(bid, a)| {
            let name = format!("i,{}", a.id);
            let auction =
                row(&[&name, &"\"d\"", &1, &2, &a.date_time, &a.expires, &a.seller, &a.category, &"x"]);
            format!("{},{auction}", whole(bid))
        })
    }

    fn q21(&self) -> String {
        let id = |bid: &Bid| match bid.channel.to_lowercase().as_str() {
            "apple" => Some(0),
            "google" => Some(1),
            "facebook" => Some(2),
            "baidu" => Some(3),
            _ => bid.url.contains("channel_id").then_some(77),
        };
        let bids = self.bids.iter().filter_map(|bid| id(bid).map(|id| (bid, id)));
        table("auction,bidder,price,channel,date_time,channel_id", bids, |(b, id)| {
            row(&[&b.auction, &b.bidder, &b.price, &b.channel, &b.date_time, id])
        })
    }

    fn q22(&self) -> String {
        table("auction,bidder,price,channel,date_time,dir1,dir2,dir3", &self.bids, |b| {
            let directories = if b.url.contains("/c/") { "a,b,c" } else { "a,b," };
            format!("{},{directories}", row(&[&b.auction, &b.bidder, &b.price, &b.channel, &b.date_time]))
        })
    }

    /// The files of q10, without their headers.
    pub(crate) fn log(&self) -> BTreeMap<String, Vec<String>> {
        let mut files: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for b in &self.bids {
            let minute = b.date_time / 60_000;
            let name = format!("{}/{:02}-{:02}.csv", date(b.date_time / DAY), minute / 60 % 24, minute % 60);
            let line = row(&[&b.auction, &b.bidder, &b.price, &b.date_time, &b.extra]);
            files.entry(name).or_default().push(line);
        }
        files
    }

    fn grouped<K: Ord>(&self, key: impl Fn(&Bid) -> K) -> BTreeMap<K, Vec<&Bid>> {
        let mut groups: BTreeMap<K, Vec<&Bid>> = BTreeMap::new();
        for bid in &self.bids {
            groups.entry(key(bid)).or_default().push(bid);
        }
        groups
    }
}

const STATISTICS: &str = "total_bids,rank1_bids,rank2_bids,rank3_bids,total_bidders,rank1_bidders,rank2_bidders,rank3_bidders,total_auctions,rank1_auctions,rank2_auctions,rank3_auctions";

/// All bids, and the three ranks.
const RANKS: [fn(&Bid) -> bool; 4] = [
    |_| true,
    |bid| bid.price < 10_000,
    |bid| bid.price >= 10_000 && bid.price < 1_000_000,
    |bid| bid.price >= 1_000_000,
];

fn statistics(bids: &[&Bid]) -> String {
    let counts = RANKS.map(|rank| bids.iter().filter(|bid| rank(bid)).count());
    let different = |of: fn(&Bid) -> u64| {
        RANKS
            .map(|rank| bids.iter().filter(|bid| rank(bid)).map(|bid| of(bid)).collect::<BTreeSet<_>>().len())
    };
    let (bidders, auctions) = (different(|bid| bid.bidder), different(|bid| bid.auction));
    [counts, bidders, auctions].concat().iter().map(usize::to_string).collect::<Vec<_>>().join(",")
}

fn whole(b: &Bid) -> String {
    row(&[&b.auction, &b.bidder, &b.price, &b.channel, &b.url, &b.date_time, &b.extra])
}

/// The house is open on two days only.
fn date(day: u64) -> &'static str {
    if day == BEGIN / DAY { "2015-07-14" } else { "2015-07-15" }
}

fn row(cells: &[&dyn Display]) -> String {
    let quoted = |cell: &&dyn Display| {
        let text = cell.to_string();
        if text.contains([',', '"']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
    };
    cells.iter().map(quoted).collect::<Vec<_>>().join(",")
}

fn table<R>(header: &str, rows: impl IntoIterator<Item = R>, line: impl Fn(&R) -> String) -> String {
    let mut text = format!("{header}\n");
    for row in rows {
        text += &line(&row);
        text.push('\n');
    }
    text
}
