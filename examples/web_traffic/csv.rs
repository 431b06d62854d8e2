//! The result files: CSV as in RFC 4180, with LF, quoted where needed, and bytes as they stand in the log.

use std::error::Error;
use std::fmt::{self, Display};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use psdf::{Late, Timestamp};

use crate::calendar::{Day, Iso};
use crate::request::{Request, Visitor};
use crate::results::Results;
use crate::spikes::Spike;
use crate::text::Text;

/// A file's name, its columns, and how its rows are written.
type Format = (&'static str, &'static str, fn(&Results, &mut Rows) -> io::Result<()>);

const FILES: [Format; 12] = [
    ("views_per_hour_page.csv", "hour,path,views", views_per_hour_page),
    ("views_per_hour.csv", "hour,views", views_per_hour),
    ("top10_pages_per_day.csv", "day,rank,path,views", top10_pages_per_day),
    ("sessions.csv", "start,host,user_agent,end,requests,page_views", sessions),
    ("sessions_per_visitor_day.csv", "day,host,user_agent,sessions", sessions_per_visitor_day),
    (
        "sessions_per_day.csv",
        "day,sessions,visitors,requests,page_views,duration_s,single_request_sessions",
        sessions_per_day,
    ),
    ("spikes.csv", "hour,views,base_sum,base_sumsq,base_mean,base_sd", spikes),
    ("page_spikes.csv", "hour,path,views,base_sum,base_sumsq,base_mean,base_sd", page_spikes),
    ("rejects.csv", "line,reason", rejects),
    ("summary.csv", "key,value", summary),
    ("late.csv", "line,time,seconds_late", |results, rows| late(&results.late, rows)),
    ("late_for_sessions.csv", "line,time,seconds_late", |results, rows| {
        late(&results.late_for_sessions, rows)
    }),
];

/// A file that could not be written.
#[derive(Debug)]
pub(crate) struct WriteError {
    path: PathBuf,
    cause: io::Error,
}

/// Writes all files into a directory, which must exist.
pub(crate) fn write_all(results: &Results, directory: &Path) -> Result<(), WriteError> {
    FILES.into_iter().try_for_each(|(name, columns, rows)| {
        let path = directory.join(name);
        write_file(results, &path, columns, rows).map_err(|cause| WriteError { path, cause })
    })
}

fn write_file(
    results: &Results,
    path: &Path,
    columns: &str,
    rows: fn(&Results, &mut Rows) -> io::Result<()>,
) -> io::Result<()> {
    let mut file = Rows { out: BufWriter::new(File::create(path)?), row: Vec::new() };
    writeln!(file.out, "{columns}")?;
    rows(results, &mut file)?;
    file.out.flush()
}

/// A file being written, and the row that is being put together for it.
struct Rows {
    out: BufWriter<File>,
    row: Vec<u8>,
}

impl Rows {
    fn text(&mut self, text: &Text) -> &mut Rows {
        let bytes = text.as_bytes();
        if bytes.iter().any(|byte| matches!(byte, b',' | b'"' | b'\n' | b'\r')) {
            self.row.push(b'"');
            for byte in bytes {
                self.row.extend(if *byte == b'"' { &b"\"\""[..] } else { std::slice::from_ref(byte) });
            }
            self.row.push(b'"');
        } else {
            self.row.extend(bytes);
        }
        self.row.push(b',');
        self
    }

    /// A value that never needs quotes: a number, a time, a name of ours.
    fn plain(&mut self, value: impl Display) -> &mut Rows {
        self.row.extend(format!("{value},").bytes());
        self
    }

    fn time(&mut self, at: Timestamp) -> &mut Rows {
        self.plain(Iso(at))
    }

    fn visitor(&mut self, visitor: &Visitor) -> &mut Rows {
        self.text(&visitor.host).text(&visitor.agent)
    }

    fn spike(&mut self, spike: &Spike) -> &mut Rows {
        self.plain(spike.views)
            .plain(spike.base.sum)
            .plain(spike.base.squares)
            .plain(format_args!("{:.6}", spike.base.mean()))
            .plain(format_args!("{:.6}", spike.base.deviation()))
    }

    fn end(&mut self) -> io::Result<()> {
        self.row.pop();
        self.row.push(b'\n');
        self.out.write_all(&self.row)?;
        self.row.clear();
        Ok(())
    }
}

fn views_per_hour_page(results: &Results, rows: &mut Rows) -> io::Result<()> {
    results
        .page_hours
        .iter()
        .try_for_each(|hour| rows.time(hour.window.start).text(&hour.path).plain(hour.views).end())
}

fn views_per_hour(results: &Results, rows: &mut Rows) -> io::Result<()> {
    results.hours.iter().try_for_each(|hour| rows.time(hour.start).plain(hour.views).end())
}

fn top10_pages_per_day(results: &Results, rows: &mut Rows) -> io::Result<()> {
    results.top_pages.iter().try_for_each(|day| {
        day.pages.iter().zip(1..).try_for_each(|(page, rank)| {
            rows.plain(Day::of(day.window.start)).plain(rank).text(&page.path).plain(page.views).end()
        })
    })
}

fn sessions(results: &Results, rows: &mut Rows) -> io::Result<()> {
    results.sessions.iter().try_for_each(|session| {
        rows.time(session.start)
            .visitor(&session.visitor)
            .time(session.end)
            .plain(session.requests)
            .plain(session.page_views)
            .end()
    })
}

fn sessions_per_visitor_day(results: &Results, rows: &mut Rows) -> io::Result<()> {
    results
        .visitor_days
        .iter()
        .try_for_each(|((day, visitor), sessions)| rows.plain(day).visitor(visitor).plain(sessions).end())
}

fn sessions_per_day(results: &Results, rows: &mut Rows) -> io::Result<()> {
    results.days.values().try_for_each(|day| {
        rows.plain(day.day)
            .plain(day.sessions)
            .plain(day.visitors)
            .plain(day.requests)
            .plain(day.page_views)
            .plain(day.seconds)
            .plain(day.single_requests)
            .end()
    })
}

fn spikes(results: &Results, rows: &mut Rows) -> io::Result<()> {
    results.spikes.iter().try_for_each(|spike| rows.time(spike.hour).spike(spike).end())
}

fn page_spikes(results: &Results, rows: &mut Rows) -> io::Result<()> {
    results
        .page_spikes
        .iter()
        .try_for_each(|page| rows.time(page.spike.hour).text(&page.path).spike(&page.spike).end())
}

fn rejects(results: &Results, rows: &mut Rows) -> io::Result<()> {
    results.rejects.iter().try_for_each(|reject| rows.plain(reject.line).plain(reject.reason.name()).end())
}

fn summary(results: &Results, rows: &mut Rows) -> io::Result<()> {
    let mut pair = |key: &str, value: String| rows.plain(key).plain(value).end();
    let lines = results.lines.as_ref();
    pair("lines", number(lines, |all| all.lines))?;
    pair("blank", number(lines, |all| all.blank))?;
    pair("malformed", number(lines, |all| all.malformed))?;
    pair("bad_request", number(lines, |all| all.bad_request))?;
    pair("parsed", number(lines, |all| all.parsed))?;

    let totals = results.totals.as_ref();
    pair("page_views", number(totals, |all| all.page_views))?;
    pair("hour_page_rows", number(results.page_hour_count.as_ref(), |all| all.rows))?;
    pair("hosts", number(totals, |all| all.hosts))?;
    pair("visitors", number(totals, |all| all.visitors))?;
    pair("paths", number(totals, |all| all.paths))?;
    pair("bytes_sent", number(totals, |all| all.bytes.clone()))?;
    pair("first_event", totals.map_or(String::new(), |all| Iso(all.first).to_string()))?;
    pair("last_event", totals.map_or(String::new(), |all| Iso(all.last).to_string()))?;
    pair("max_seconds_behind", number(totals, |all| all.disorder.most_seconds_behind))?;

    pair("sessions", number(results.session_totals.as_ref(), |all| all.sessions))?;
    pair("gaps_of_exactly_1800s", number(results.session_totals.as_ref(), |all| all.longest_gaps))?;
    pair("spikes", number(results.spike_count.as_ref(), |all| all.spikes))?;
    pair("page_spikes", number(results.page_spike_count.as_ref(), |all| all.spikes))?;
    results
        .statuses
        .iter()
        .try_for_each(|(status, requests)| pair(&format!("status_{status}"), requests.to_string()))
}

/// A count that was never given out is zero.
fn number<T, N: Display>(row: Option<&T>, count: impl FnOnce(&T) -> N) -> String {
    row.map_or_else(|| "0".to_owned(), |row| count(row).to_string())
}

fn late(requests: &[Late<Request>], rows: &mut Rows) -> io::Result<()> {
    requests.iter().try_for_each(|late| {
        let behind = Seconds(late.watermark.0 - late.at.0);
        rows.plain(late.record.line).time(late.at).plain(behind).end()
    })
}

/// Microseconds, written as seconds with no more decimals than they need.
struct Seconds(i64);

impl Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, micros) = (self.0 / 1_000_000, self.0 % 1_000_000);
        let decimals = format!(".{micros:06}");
        write!(f, "{whole}{}", decimals.trim_end_matches('0').trim_end_matches('.'))
    }
}

impl Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot write {}", self.path.display())
    }
}

impl Error for WriteError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.cause)
    }
}
