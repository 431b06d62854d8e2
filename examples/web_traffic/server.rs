//! The made-up site's server, as far as its log can tell: a line for each request, written when that has ended.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::calendar::{DAY_SECONDS, Date, Day, MONTHS};
use crate::random::Random;
use crate::site::Visitor;

/// The server's clock shows Central European Time.
const ZONE_SECONDS: i64 = 3600;
const ZONE: &str = "+0100";

/// One line in so many is damaged.
const LINES_PER_DAMAGE: usize = 700;

/// A request and how it was answered.
pub(crate) struct Hit<'a> {
    pub(crate) visitor: &'a Visitor,
    pub(crate) at: i64,
    pub(crate) method: &'a str,
    pub(crate) target: &'a str,
    pub(crate) status: u16,
    pub(crate) bytes: usize,
    pub(crate) referer: &'a str,
}

/// The lines still to be written, by the second in which their requests end.
#[derive(Default)]
pub(crate) struct Server {
    unwritten: BinaryHeap<Reverse<(i64, u64, Vec<u8>)>>,
    requests: u64,
}

impl Server {
    /// Serves a request that takes some seconds.
    pub(crate) fn serve(&mut self, hit: &Hit<'_>, seconds: i64, random: &mut Random) {
        let line = hit.line();
        let line = if random.below(LINES_PER_DAMAGE) == 0 { damage(line, random) } else { line.into_bytes() };
        self.requests += 1;
        self.unwritten.push(Reverse((hit.at + seconds, self.requests, line)));
    }

    /// What has been written before this second.
    pub(crate) fn write_until(&mut self, second: i64) -> Vec<u8> {
        let mut written = Vec::new();
        while self.unwritten.peek().is_some_and(|Reverse((end, ..))| *end < second) {
            written.extend(self.unwritten.pop().into_iter().flat_map(|Reverse((_, _, line))| line));
        }
        written
    }
}

impl Hit<'_> {
    /// In Combined Log Format.
    fn line(&self) -> String {
        let Hit { visitor: Visitor { host, agent }, at, method, target, status, bytes, referer } = self;
        let time = clock(*at);
        format!(
            "{host} - - [{time}] \"{method} {target} HTTP/1.1\" {status} {bytes} \"{referer}\" \"{agent}\"\n"
        )
    }
}

/// What real logs hold besides requests. A line may lose its end, and with it the LF.
fn damage(line: String, random: &mut Random) -> Vec<u8> {
    let cut = &line.as_bytes()[..random.below(line.len())];
    match random.below(7) {
        0 => cut.to_vec(),
        1 => [cut, b"\n"].concat(),
        2 => b"\n".to_vec(),
        3 => line.replace("GET /", "GET /old index/").into_bytes(),
        4 => line.replace("GET ", r"\x16\x03\x01\x02").into_bytes(),
        5 => [line.trim_end_matches("\"\n").as_bytes(), b" caf\xe9\"\r\n"].concat(),
        _ => line.replace("/Mar/", "/mrt/").into_bytes(),
    }
}

/// `02/Mar/2026:01:00:00 +0100`.
fn clock(at: i64) -> String {
    let local = at + ZONE_SECONDS;
    let Date { year, month, day } = Day(local.div_euclid(DAY_SECONDS)).date();
    let second = local.rem_euclid(DAY_SECONDS);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    let month = MONTHS[month as usize - 1];
    format!("{day:02}/{month}/{year:04}:{hour:02}:{minute:02}:{second:02} {ZONE}")
}
