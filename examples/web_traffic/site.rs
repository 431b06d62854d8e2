//! A made-up site: its pages, who reads them, and when.

use std::ops::Range;

use crate::calendar::Day;
use crate::random::Random;

/// Monday, 2 March 2026.
pub(crate) const FIRST_DAY: Day = Day(20_514);

/// Six days of minutes; all minutes here are counted from the first.
pub(crate) const MINUTES: i64 = 6 * DAY_MINUTES;
const DAY_MINUTES: i64 = 24 * 60;

/// When a link to one of the pages went round.
pub(crate) const LINKED: Range<i64> = 2 * DAY_MINUTES + 18 * 60..2 * DAY_MINUTES + 22 * 60;
pub(crate) const LINKED_PAGE: &str = "/blog/why-the-lake-turned-green/";

/// When somebody tried a list of passwords.
pub(crate) const ATTACK: Range<i64> = 3 * DAY_MINUTES + 127..3 * DAY_MINUTES + 221;

/// At the busiest hour of a working day.
const VISITS_PER_MINUTE: f64 = 4.4;

/// How much of the busiest hour each hour of the day (UTC) has.
const RHYTHM: [f64; 24] = [
    0.20, 0.14, 0.10, 0.08, 0.09, 0.14, 0.28, 0.52, 0.76, 0.90, 0.96, 0.92, // the morning
    0.80, 0.88, 0.97, 1.00, 0.92, 0.80, 0.74, 0.76, 0.72, 0.60, 0.44, 0.30,
];

/// Monday to Saturday.
const WEEK: [f64; 6] = [0.95, 1.00, 0.98, 0.96, 0.88, 0.62];

const TOPICS: &str = "sourdough night-trains beekeeping rust-macros tide-tables film-cameras allotments harpsichord \
                      lighthouses bicycle-repair fermentation map-making";
const KINDS: &str = "introduction tools faq history mistakes 2024-review reading-list interview part-2";

pub(crate) const ASSETS: [&str; 5] =
    ["/static/site.css", "/static/site.js", "/static/logo.svg", "/static/text.woff2", "/favicon.ico"];
pub(crate) const REFERERS: [&str; 4] = ["-", "-", "https://www.google.com/", "https://duckduckgo.com/"];

const BROWSERS: [&str; 6] = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/145.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:148.0) Gecko/20100101 Firefox/148.0",
    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 19_3 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148",
    "Mozilla/5.0 (Linux; Android 16; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/145.0.0.0 Mobile Safari/537.36",
    "Lynx/2.9.2 libwww-FM/2.14 \\\"plain\\\"",
];
pub(crate) const CRAWLERS: [&str; 3] = [
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
    "Mozilla/5.0 (compatible; FernBot/0.3)",
];

#[derive(Clone)]
pub(crate) struct Visitor {
    pub(crate) host: String,
    pub(crate) agent: &'static str,
}

/// All pages, the most popular first.
pub(crate) fn pages() -> Vec<String> {
    let mut pages = vec!["/".to_owned(), LINKED_PAGE.into(), "/about".into(), "/search?q=lake".into()];
    pages.extend(TOPICS.split(' ').map(|topic| format!("/{topic}/")));
    for kind in KINDS.split(' ') {
        pages.extend(TOPICS.split(' ').map(|topic| format!("/{topic}/{kind}/")));
    }
    pages
}

/// The mean number of visits that begin in a minute.
pub(crate) fn visits_in(minute: i64) -> f64 {
    let (day, hour) = (minute / DAY_MINUTES, minute / 60 % 24);
    VISITS_PER_MINUTE * WEEK[day as usize] * RHYTHM[hour as usize]
}

/// The mean number of visits by the link. Most come in the first hour.
pub(crate) fn visits_by_link_in(minute: i64) -> f64 {
    26.0 * (-((minute - LINKED.start) as f64) / 60.0).exp()
}

/// Somebody new.
pub(crate) fn reader(random: &mut Random) -> Visitor {
    let (a, b, c) = (random.below(256), random.below(256), 1 + random.below(254));
    let host =
        if random.chance(0.2) { format!("2001:db8:{a:x}{b:02x}::{c:x}") } else { format!("10.{a}.{b}.{c}") };
    Visitor { host, agent: random.pick(&BROWSERS) }
}

pub(crate) fn machine(host: String, agent: &'static str) -> Visitor {
    Visitor { host, agent }
}
