//! The log of a made-up site, for whoever has none at hand: six days with their nights, popular and forgotten pages,
//! crawlers, a link that goes round, an attack by night, and lines that no log should have.

use std::io::{self, Read};

use crate::calendar::DAY_SECONDS;
use crate::random::{Random, Zipf};
use crate::server::{Hit, Server};
use crate::site::{
    self, ASSETS, ATTACK, CRAWLERS, FIRST_DAY, LINKED, LINKED_PAGE, MINUTES, REFERERS, Visitor,
};

const SEED: u64 = 20_260_302;

/// About 200,000 lines, made up as they are read; the same each time.
pub(crate) struct MadeUpLog {
    life: Life,
    minute: i64,
    unread: io::Cursor<Vec<u8>>,
}

impl MadeUpLog {
    pub(crate) fn new() -> MadeUpLog {
        MadeUpLog { life: Life::new(SEED), minute: 0, unread: io::Cursor::default() }
    }

    /// Lets another minute go by; false after the last.
    fn go_on(&mut self) -> bool {
        let written = if self.minute < MINUTES {
            self.life.go_through(self.minute)
        } else {
            self.life.server.write_until(i64::MAX)
        };
        self.unread = io::Cursor::new(written);
        self.minute += 1;
        self.minute <= MINUTES + 1
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

/// What goes on at the site.
struct Life {
    random: Random,
    pages: Vec<String>,
    popularity: Zipf,
    /// Readers who may come back.
    known: Vec<Visitor>,
    server: Server,
}

impl Life {
    fn new(seed: u64) -> Life {
        let pages = site::pages();
        let popularity = Zipf::new(pages.len());
        Life { random: Random::new(seed), pages, popularity, known: Vec::new(), server: Server::default() }
    }

    /// A minute of the site's life; gives what its server wrote until then.
    fn go_through(&mut self, minute: i64) -> Vec<u8> {
        let start = FIRST_DAY.0 * DAY_SECONDS + minute * 60;
        self.readers(minute, start);
        self.machines(minute, start);
        if LINKED.contains(&minute) {
            self.readers_of_the_link(minute, start);
        }
        if ATTACK.contains(&minute) {
            self.attackers(start);
        }
        self.server.write_until(start)
    }

    fn readers(&mut self, minute: i64, start: i64) {
        for _ in 0..self.random.times(site::visits_in(minute)) {
            let visitor = self.reader();
            let referer = self.random.pick(&REFERERS);
            let page = self.page();
            self.visit(&visitor, start, page, referer);
        }
    }

    fn readers_of_the_link(&mut self, minute: i64, start: i64) {
        for _ in 0..self.random.times(site::visits_by_link_in(minute)) {
            let visitor = site::reader(&mut self.random);
            self.visit(&visitor, start, LINKED_PAGE.to_owned(), "https://news.example/");
        }
    }

    /// One in three has been here before.
    fn reader(&mut self) -> Visitor {
        if !self.known.is_empty() && self.random.chance(0.35) {
            return self.known[self.random.below(self.known.len())].clone();
        }
        let visitor = site::reader(&mut self.random);
        if self.random.chance(0.5) {
            self.known.push(visitor.clone());
        }
        visitor
    }

    /// One page after another, each with what belongs to it.
    fn visit(&mut self, visitor: &Visitor, start: i64, entry: String, referer: &str) {
        let mut at = start + self.random.below(60) as i64;
        let mut page = entry;
        self.page_view(visitor, at, &page, referer);
        self.assets(visitor, at, ASSETS.len());
        while self.random.chance(0.66) {
            at += self.pause();
            let referer = format!("https://www.fern.example{page}");
            page = self.page();
            self.page_view(visitor, at, &page, &referer);
            let assets = self.random.below(2);
            self.assets(visitor, at, assets);
        }
    }

    /// Some go for lunch between two pages.
    fn pause(&mut self) -> i64 {
        let lunch = self.random.chance(0.04);
        let seconds = if lunch { 1800.0 + self.random.wait(1500.0) } else { 2.0 + self.random.wait(50.0) };
        seconds as i64
    }

    fn page(&mut self) -> String {
        self.pages[self.popularity.draw(&mut self.random)].clone()
    }

    fn page_view(&mut self, visitor: &Visitor, at: i64, target: &str, referer: &str) {
        let (status, bytes) = match self.random.below(100) {
            0..3 => (404, 1210),
            3..13 => (304, 0),
            _ => (200, 4000 + self.random.below(40_000)),
        };
        self.serve(Hit { visitor, at, method: "GET", target, status, bytes, referer });
        if self.random.chance(0.004) {
            self.download(visitor, at + 5, target);
        }
    }

    fn assets(&mut self, visitor: &Visitor, at: i64, count: usize) {
        for target in ASSETS.into_iter().take(count) {
            let at = at + self.random.below(2) as i64;
            let bytes = 800 + self.random.below(30_000);
            self.serve(Hit { visitor, at, method: "GET", target, status: 200, bytes, referer: "-" });
        }
    }

    /// Takes minutes to hours, and its line is that late.
    fn download(&mut self, visitor: &Visitor, at: i64, referer: &str) {
        let target = format!("/files/tape-{:02}.flac", self.random.below(20));
        let bytes = 1_000_000 * (1 + self.random.below(400));
        let seconds = self.random.wait(1200.0).min(9000.0) as i64;
        let status = if self.random.chance(0.4) { 206 } else { 200 };
        let hit = Hit { visitor, at, method: "GET", target: &target, status, bytes, referer };
        self.server.serve(&hit, seconds, &mut self.random);
    }

    /// A monitor every five minutes, feed readers every other hour, crawlers all the time.
    fn machines(&mut self, minute: i64, at: i64) {
        if minute % 5 == 0 {
            let visitor = &site::machine("192.0.2.10".into(), "uptime-check/1.2");
            self.serve(Hit { visitor, at, method: "HEAD", target: "/", status: 200, bytes: 0, referer: "-" });
        }
        for reader in (0..40).filter(|reader| (minute + 7 * reader) % 120 == 0) {
            let visitor = &site::machine(format!("198.51.100.{reader}"), "feeds/4.0 (like a person)");
            let target = "/feed.xml";
            self.serve(Hit {
                visitor,
                at: at + reader,
                method: "GET",
                target,
                status: 304,
                bytes: 0,
                referer: "-",
            });
        }
        for _ in 0..self.random.times(1.2) {
            self.crawler(at);
        }
    }

    /// Crawlers like all pages alike.
    fn crawler(&mut self, start: i64) {
        let which = self.random.below(CRAWLERS.len());
        let visitor = &site::machine(format!("192.0.2.{}", 100 + which), CRAWLERS[which]);
        let target = &self.pages[self.random.below(self.pages.len())].clone();
        let (at, bytes) = (start + self.random.below(60) as i64, 4000 + self.random.below(40_000));
        self.serve(Hit { visitor, at, method: "GET", target, status: 200, bytes, referer: "-" });
    }

    fn attackers(&mut self, start: i64) {
        for _ in 0..self.random.times(110.0) {
            let visitor =
                &site::machine(format!("203.0.113.{}", self.random.below(24)), "python-requests/2.32.5");
            let at = start + self.random.below(60) as i64;
            let (method, status) = if self.random.chance(0.5) { ("GET", 200) } else { ("POST", 401) };
            self.serve(Hit { visitor, at, method, target: "/login", status, bytes: 1877, referer: "-" });
        }
    }

    /// Serves at once.
    fn serve(&mut self, hit: Hit<'_>) {
        self.server.serve(&hit, 0, &mut self.random);
    }
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
        let lines: Vec<&[u8]> = log.split(|byte| *byte == b'\n').collect();
        assert!((180_000..230_000).contains(&lines.len()), "{} lines", lines.len());
        assert!(lines[0].windows(13).any(|text| text == b"[02/Mar/2026:"));
        assert!(lines[lines.len() - 2].windows(13).any(|text| text == b"[08/Mar/2026:"));
    }
}
