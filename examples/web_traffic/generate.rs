//! The log of a made-up site, for whoever has none at hand: six days with their nights, popular and forgotten pages,
//! crawlers, a link that went round, an attack by night, and lines that no log should have.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::{self, Read};

use crate::calendar::{DAY_SECONDS, Date, Day, MONTHS};
use crate::random::{Random, Zipf};

const SEED: u64 = 20_260_302;

/// Monday, 2 March 2026.
const FIRST_DAY: Day = Day(20_514);
const DAYS: i64 = 6;
const MINUTES: i64 = DAYS * 24 * 60;

/// The server's clock shows Central European Time.
const ZONE_SECONDS: i64 = 3600;
const ZONE: &str = "+0100";

/// On average, at the busiest hour of a working day.
const VISITS_PER_MINUTE: f64 = 4.4;

/// How much of the busiest hour each hour of the day (UTC) has.
const RHYTHM: [f64; 24] = [
    0.20, 0.14, 0.10, 0.08, 0.09, 0.14, 0.28, 0.52, 0.76, 0.90, 0.96, 0.92, 0.80, 0.88, 0.97, 1.00, 0.92,
    0.80, 0.74, 0.76, 0.72, 0.60, 0.44, 0.30,
];

/// Monday to Saturday.
const WEEK: [f64; DAYS as usize] = [0.95, 1.00, 0.98, 0.96, 0.88, 0.62];

/// Minutes since the log's beginning, and what the link led to.
const LINKED: std::ops::Range<i64> = (2 * 24 + 18) * 60..(2 * 24 + 22) * 60;
const LINKED_PAGE: &str = "/blog/why-the-lake-turned-green/";

const ATTACK: std::ops::Range<i64> = (3 * 24 + 2) * 60 + 7..(3 * 24 + 3) * 60 + 41;
const ATTACKS_PER_MINUTE: f64 = 110.0;

/// One line in so many is damaged.
const LINES_PER_DAMAGE: usize = 700;

const TOPICS: [&str; 12] = [
    "sourdough",
    "night-trains",
    "beekeeping",
    "rust-macros",
    "tide-tables",
    "film-cameras",
    "allotments",
    "harpsichord",
    "lighthouses",
    "bicycle-repair",
    "fermentation",
    "map-making",
];
const KINDS: [&str; 10] = [
    "",
    "introduction/",
    "tools/",
    "faq/",
    "history/",
    "mistakes/",
    "2024-review/",
    "reading-list/",
    "interview/",
    "part-2/",
];
const ASSETS: [&str; 5] = [
    "/static/site.css",
    "/static/site.js",
    "/static/logo.svg",
    "/static/text.woff2",
    "/favicon.ico",
];
const REFERERS: [&str; 4] = ["-", "-", "https://www.google.com/", "https://duckduckgo.com/"];
const BROWSERS: [&str; 7] = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/145.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:148.0) Gecko/20100101 Firefox/148.0",
    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/19.2 Safari/605.1.15",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 19_3 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/19.3 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (Linux; Android 16; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/145.0.0.0 Mobile Safari/537.36",
    "Lynx/2.9.2 libwww-FM/2.14 \\\"plain\\\"",
];
const CRAWLERS: [&str; 3] = [
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
    "Mozilla/5.0 (compatible; FernBot/0.3)",
];

/// The log, line for line as it is read; about 200,000 lines.
pub(crate) struct MadeUpLog {
    site: Site,
    minute: i64,
    unread: io::Cursor<Vec<u8>>,
}

/// The site with its visitors, and the lines that its server has still to write.
struct Site {
    random: Random,
    pages: Vec<String>,
    popularity: Zipf,
    /// Visitors who may come back.
    known: Vec<Visitor>,
    /// By the second in which a request ends: that is when a server writes its line.
    unwritten: BinaryHeap<Reverse<(i64, u64, Vec<u8>)>>,
    requests: u64,
}

#[derive(Clone)]
struct Visitor {
    host: String,
    agent: &'static str,
}

struct Hit<'a> {
    visitor: &'a Visitor,
    request: &'a str,
    status: u16,
    bytes: usize,
    referer: &'a str,
}

impl MadeUpLog {
    pub(crate) fn new() -> MadeUpLog {
        MadeUpLog {
            site: Site::new(SEED),
            minute: 0,
            unread: io::Cursor::default(),
        }
    }

    /// Lets another minute go by; false after the last.
    fn go_on(&mut self) -> bool {
        if self.minute > MINUTES {
            return false;
        }
        let written = if self.minute < MINUTES {
            self.site.live_through(self.minute)
        } else {
            self.site.stop()
        };
        self.unread = io::Cursor::new(written);
        self.minute += 1;
        true
    }
}

impl Read for MadeUpLog {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let count = self.unread.read(buffer)?;
            if count > 0 || buffer.is_empty() || !self.go_on() {
                return Ok(count);
            }
        }
    }
}

impl Site {
    fn new(seed: u64) -> Site {
        let mut pages = vec![
            "/".to_owned(),
            LINKED_PAGE.to_owned(),
            "/about".to_owned(),
            "/search?q=lake".to_owned(),
        ];
        for kind in KINDS {
            pages.extend(TOPICS.iter().map(|topic| format!("/{topic}/{kind}")));
        }
        Site {
            random: Random::new(seed),
            popularity: Zipf::new(pages.len()),
            pages,
            known: Vec::new(),
            unwritten: BinaryHeap::new(),
            requests: 0,
        }
    }

    /// A minute of the site's life; gives what its server wrote meanwhile.
    fn live_through(&mut self, minute: i64) -> Vec<u8> {
        let start = FIRST_DAY.0 * DAY_SECONDS + minute * 60;
        self.readers(minute, start);
        self.machines(minute, start);
        if LINKED.contains(&minute) {
            self.readers_of_the_link(minute, start);
        }
        if ATTACK.contains(&minute) {
            self.attack(start);
        }
        self.write_until(start)
    }

    fn stop(&mut self) -> Vec<u8> {
        self.write_until(i64::MAX)
    }

    fn readers(&mut self, minute: i64, start: i64) {
        let (day, hour) = (minute / (24 * 60), minute / 60 % 24);
        let visits = VISITS_PER_MINUTE * WEEK[day as usize] * RHYTHM[hour as usize];
        for _ in 0..self.random.times(visits) {
            let visitor = self.visitor();
            self.visit(&visitor, start, None);
        }
    }

    /// Most of them in the first hour.
    fn readers_of_the_link(&mut self, minute: i64, start: i64) {
        let visits = 26.0 * (-((minute - LINKED.start) as f64) / 60.0).exp();
        for _ in 0..self.random.times(visits) {
            let visitor = self.new_visitor();
            self.visit(&visitor, start, Some(LINKED_PAGE));
        }
    }

    fn visitor(&mut self) -> Visitor {
        if !self.known.is_empty() && self.random.chance(0.35) {
            return self.known[self.random.below(self.known.len())].clone();
        }
        let visitor = self.new_visitor();
        if self.random.chance(0.5) {
            self.known.push(visitor.clone());
        }
        visitor
    }

    fn new_visitor(&mut self) -> Visitor {
        let random = &mut self.random;
        let host = if random.chance(0.2) {
            format!(
                "2001:db8:{:x}:{:x}::{:x}",
                random.below(0x10000),
                random.below(0x10000),
                random.below(0x10000)
            )
        } else {
            format!(
                "10.{}.{}.{}",
                random.below(256),
                random.below(256),
                1 + random.below(254)
            )
        };
        Visitor {
            host,
            agent: random.pick(&BROWSERS),
        }
    }

    /// One page after another, each with what belongs to it. Some go for lunch in between.
    fn visit(&mut self, visitor: &Visitor, start: i64, entry: Option<&str>) {
        let mut at = start + self.random.below(60) as i64;
        let mut page = entry.map_or_else(|| self.page(), str::to_owned);
        let mut referer = if entry.is_some() {
            "https://news.example/"
        } else {
            self.random.pick(&REFERERS)
        }
        .to_owned();
        let mut first = true;
        loop {
            self.page_view(visitor, at, &page, &referer, first);
            if self.random.chance(0.34) {
                return;
            }
            at += self.pause();
            referer = format!("https://www.fern.example{page}");
            page = self.page();
            first = false;
        }
    }

    fn pause(&mut self) -> i64 {
        let seconds = if self.random.chance(0.04) {
            1800.0 + self.random.wait(1500.0)
        } else {
            2.0 + self.random.wait(50.0)
        };
        seconds as i64
    }

    fn page(&mut self) -> String {
        let rank = self.popularity.draw(&mut self.random);
        self.pages[rank].clone()
    }

    fn page_view(&mut self, visitor: &Visitor, at: i64, page: &str, referer: &str, first: bool) {
        let status = [200, 200, 200, 200, 200, 200, 200, 200, 304, 404][self.random.below(10)];
        let status = if status == 404 && self.random.chance(0.7) {
            200
        } else {
            status
        };
        let bytes = if status == 304 {
            0
        } else {
            4000 + self.random.below(40_000)
        };
        self.hit(
            at,
            0,
            Hit {
                visitor,
                request: &format!("GET {page} HTTP/1.1"),
                status,
                bytes,
                referer,
            },
        );

        let assets = if first { ASSETS.len() } else { self.random.below(2) };
        for asset in ASSETS.iter().take(assets) {
            let bytes = 800 + self.random.below(30_000);
            let request = format!("GET {asset} HTTP/1.1");
            let loaded = at + self.random.below(2) as i64;
            self.hit(
                loaded,
                0,
                Hit {
                    visitor,
                    request: &request,
                    status: 200,
                    bytes,
                    referer: page,
                },
            );
        }
        if self.random.chance(0.004) {
            self.download(visitor, at + 5, page);
        }
    }

    /// Takes minutes to hours, and its line is that late.
    fn download(&mut self, visitor: &Visitor, at: i64, referer: &str) {
        let bytes = 1_000_000 * (1 + self.random.below(400));
        let seconds = self.random.wait(1200.0).min(9000.0) as i64;
        let request = format!("GET /files/tape-{:02}.flac HTTP/1.1", self.random.below(20));
        let status = if self.random.chance(0.4) { 206 } else { 200 };
        self.hit(
            at,
            seconds,
            Hit {
                visitor,
                request: &request,
                status,
                bytes,
                referer,
            },
        );
    }

    /// A monitor every five minutes, feed readers every other hour, crawlers all the time.
    fn machines(&mut self, minute: i64, start: i64) {
        let machine = |host: &str, agent| Visitor {
            host: host.to_owned(),
            agent,
        };
        if minute % 5 == 0 {
            let visitor = machine("192.0.2.10", "uptime-check/1.2");
            self.hit(
                start,
                0,
                Hit {
                    visitor: &visitor,
                    request: "HEAD / HTTP/1.1",
                    status: 200,
                    bytes: 0,
                    referer: "-",
                },
            );
        }
        for reader in (0..40).filter(|reader| (minute + 7 * reader) % 120 == 0) {
            let visitor = machine(&format!("198.51.100.{reader}"), "feeds/4.0 (like a person)");
            let hit = Hit {
                visitor: &visitor,
                request: "GET /feed.xml HTTP/2.0",
                status: 304,
                bytes: 0,
                referer: "-",
            };
            self.hit(start + reader % 60, 0, hit);
        }
        for _ in 0..self.random.times(1.2) {
            let crawler = self.random.below(CRAWLERS.len());
            let visitor = machine(&format!("192.0.2.{}", 100 + crawler), CRAWLERS[crawler]);
            let page = self.random.below(self.pages.len());
            let request = format!("GET {} HTTP/1.1", self.pages[page]);
            let (at, bytes) = (
                start + self.random.below(60) as i64,
                4000 + self.random.below(40_000),
            );
            self.hit(
                at,
                0,
                Hit {
                    visitor: &visitor,
                    request: &request,
                    status: 200,
                    bytes,
                    referer: "-",
                },
            );
        }
    }

    /// Somebody has a list of passwords.
    fn attack(&mut self, start: i64) {
        for _ in 0..self.random.times(ATTACKS_PER_MINUTE) {
            let host = format!("203.0.113.{}", self.random.below(24));
            let visitor = Visitor {
                host,
                agent: "python-requests/2.32.5",
            };
            let at = start + self.random.below(60) as i64;
            let (request, status) = if self.random.chance(0.5) {
                ("GET /login HTTP/1.1", 200)
            } else {
                ("POST /login HTTP/1.1", 401)
            };
            self.hit(
                at,
                0,
                Hit {
                    visitor: &visitor,
                    request,
                    status,
                    bytes: 1877,
                    referer: "-",
                },
            );
        }
    }

    fn hit(&mut self, at: i64, lasting: i64, hit: Hit<'_>) {
        let Hit {
            visitor: Visitor { host, agent },
            request,
            status,
            bytes,
            referer,
        } = hit;
        let line = format!(
            "{host} - - [{}] \"{request}\" {status} {bytes} \"{referer}\" \"{agent}\"\n",
            clock(at)
        );
        let line = if self.random.below(LINES_PER_DAMAGE) == 0 {
            self.damage(line)
        } else {
            line.into_bytes()
        };
        self.requests += 1;
        self.unwritten.push(Reverse((at + lasting, self.requests, line)));
    }

    /// What real logs hold besides requests.
    fn damage(&mut self, line: String) -> Vec<u8> {
        match self.random.below(7) {
            0 => line.as_bytes()[..self.random.below(line.len())].to_vec(), // glued to the next line
            1 => [&line.as_bytes()[..self.random.below(line.len())], b"\n"].concat(),
            2 => b"\n".to_vec(),
            3 => line.replace("GET /", "GET /old index/").into_bytes(),
            4 => line.replace("GET ", r"\x16\x03\x01\x02").into_bytes(),
            5 => [line.trim_end_matches("\"\n").as_bytes(), b" caf\xe9\"\r\n"].concat(),
            _ => line.replace("/Mar/", "/mrt/").into_bytes(),
        }
    }

    fn write_until(&mut self, second: i64) -> Vec<u8> {
        let mut written = Vec::new();
        while let Some(Reverse((at, ..))) = self.unwritten.peek() {
            if *at >= second {
                break;
            }
            if let Some(Reverse((_, _, line))) = self.unwritten.pop() {
                written.extend(line);
            }
        }
        written
    }
}

/// `02/Mar/2026:01:00:00 +0100`.
fn clock(at: i64) -> String {
    let local = at + ZONE_SECONDS;
    let Date { year, month, day } = Day(local.div_euclid(DAY_SECONDS)).date();
    let second = local.rem_euclid(DAY_SECONDS);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!(
        "{day:02}/{}/{year:04}:{hour:02}:{minute:02}:{second:02} {ZONE}",
        MONTHS[month as usize - 1]
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_is_the_same_each_time_and_six_days_long() {
        let read = || {
            let mut log = Vec::new();
            MadeUpLog::new().read_to_end(&mut log).expect("nothing to fail");
            log
        };
        let log = read();
        assert!(log == read());
        assert!(log.starts_with(b"1") && log.ends_with(b"\"\n"));
        let lines = log.iter().filter(|byte| **byte == b'\n').count();
        assert!((150_000..250_000).contains(&lines), "{lines} lines");
    }
}
