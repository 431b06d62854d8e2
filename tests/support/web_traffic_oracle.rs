//! The web-traffic results by brute force: read everything, sort, loop. It shares no code with the example and
//! follows the published definitions sentence by sentence, so that what the two agree on is right.

#[path = "web_traffic_oracle_lines.rs"]
mod lines;

use std::collections::{BTreeMap, BTreeSet};

use self::lines::{Event, date, parse, time};

type Bytes = Vec<u8>;

/// Result files by name.
pub(crate) type Files = BTreeMap<&'static str, Bytes>;

const HOUR: i64 = 3600;
const DAY: i64 = 86_400;

/// What the lines of a log are.
#[derive(Default)]
pub(crate) struct Log {
    events: Vec<Event>,
    rejects: Vec<(usize, &'static str)>,
    blank: usize,
}

impl Log {
    /// Several files are one log.
    pub(crate) fn read<'a>(files: impl IntoIterator<Item = &'a [u8]>) -> Log {
        let mut log = Log::default();
        let mut number = 0;
        for file in files {
            let mut lines: Vec<&[u8]> = file.split(|byte| *byte == b'\n').collect();
            lines.pop_if(|last| last.is_empty());
            for line in lines {
                number += 1;
                match parse(number, line) {
                    Ok(event) => log.events.push(event),
                    Err("blank") => log.blank += 1,
                    Err(reason) => log.rejects.push((number, reason)),
                }
            }
        }
        log
    }

    /// For each event but the first, the latest time on an earlier line.
    fn with_latest_before(&self) -> impl Iterator<Item = (&Event, i64)> {
        let later = self.events.iter().skip(1);
        later.scan(self.events.first().map_or(0, |event| event.at), |latest, event| {
            let before = *latest;
            *latest = before.max(event.at);
            Some((event, before))
        })
    }

    /// The smallest lateness with which no event is late.
    pub(crate) fn max_seconds_behind(&self) -> i64 {
        self.with_latest_before().map(|(event, latest)| latest - event.at).max().unwrap_or(0).max(0)
    }

    /// `late.csv` for a lateness in seconds.
    pub(crate) fn late(&self, lateness: i64) -> Bytes {
        let mut csv = Csv::new("line,time,seconds_late");
        for (event, latest) in self.with_latest_before() {
            let watermark = latest - lateness;
            if floor(event.at, HOUR) + HOUR <= watermark {
                csv.row([n(event.line), time(event.at), n(watermark - event.at)]);
            }
        }
        csv.0
    }

    /// The ten result files.
    pub(crate) fn results(&self) -> Files {
        let views = self.views();
        let hours = self.hours(&views);
        let sessions = self.sessions();
        let days = self.sessions_by_day(&sessions);
        let spikes = spikes_of(&hours, &hours);
        let page_spikes = self.page_spikes(&views, &hours);
        let summary = self.summary(&views, &sessions, spikes.len(), page_spikes.len());
        Files::from([
            ("views_per_hour_page.csv", views_per_hour_page(&views)),
            ("views_per_hour.csv", views_per_hour(&hours)),
            ("top10_pages_per_day.csv", top10(&views)),
            ("sessions.csv", sessions_csv(&sessions)),
            ("sessions_per_visitor_day.csv", sessions_per_visitor_day(&sessions)),
            ("sessions_per_day.csv", days),
            ("spikes.csv", spikes_csv(&spikes)),
            ("page_spikes.csv", page_spikes_csv(&page_spikes)),
            ("rejects.csv", self.rejects_csv()),
            ("summary.csv", summary),
        ])
    }

    fn views(&self) -> Views<'_> {
        let mut views = Views::new();
        for event in self.events.iter().filter(|event| event.view) {
            *views.entry((floor(event.at, HOUR), &event.path)).or_default() += 1;
        }
        views
    }

    /// Every hour of the log, with its views.
    fn hours(&self, views: &Views<'_>) -> BTreeMap<i64, i64> {
        let all = self.events.iter().map(|event| floor(event.at, HOUR));
        let (Some(first), Some(last)) = (all.clone().min(), all.max()) else {
            return BTreeMap::new();
        };
        let mut hours: BTreeMap<i64, i64> =
            (first..=last).step_by(HOUR as usize).map(|hour| (hour, 0)).collect();
        for ((hour, _), count) in views {
            *hours.entry(*hour).or_default() += count;
        }
        hours
    }

    fn sessions(&self) -> Vec<Session<'_>> {
        let mut visitors: BTreeMap<&(Bytes, Bytes), Vec<&Event>> = BTreeMap::new();
        for event in &self.events {
            visitors.entry(&event.visitor).or_default().push(event);
        }
        let mut sessions = Vec::new();
        for (visitor, mut events) in visitors {
            events.sort_by_key(|event| event.at);
            for events in events.chunk_by(|before, after| after.at - before.at <= 1800) {
                sessions.push(Session { start: events[0].at, visitor, events: events.to_vec() });
            }
        }
        sessions.sort_by_key(|session| (session.start, session.visitor));
        sessions
    }

    fn sessions_by_day(&self, sessions: &[Session<'_>]) -> Bytes {
        let mut days: BTreeMap<i64, Vec<&Session<'_>>> = BTreeMap::new();
        for session in sessions {
            days.entry(floor(session.start, DAY)).or_default().push(session);
        }
        let mut csv =
            Csv::new("day,sessions,visitors,requests,page_views,duration_s,single_request_sessions");
        for (day, of_day) in days {
            let visitors: BTreeSet<_> = of_day.iter().map(|session| session.visitor).collect();
            let requests: usize = of_day.iter().map(|session| session.events.len()).sum();
            let views: usize = of_day.iter().map(|session| session.views()).sum();
            let duration: i64 = of_day.iter().map(|session| session.end() - session.start).sum();
            let single = of_day.iter().filter(|session| session.events.len() == 1).count();
            let cells = [n(of_day.len()), n(visitors.len()), n(requests), n(views), n(duration), n(single)];
            csv.row([date(day)].into_iter().chain(cells));
        }
        csv.0
    }

    fn page_spikes<'a>(&self, views: &Views<'a>, hours: &BTreeMap<i64, i64>) -> Vec<(Spike, &'a Bytes)> {
        let mut pages: BTreeMap<&Bytes, BTreeMap<i64, i64>> = BTreeMap::new();
        for ((hour, path), count) in views {
            pages.entry(path).or_default().insert(*hour, *count);
        }
        let of_page = |(path, own)| spikes_of(&own, hours).into_iter().map(move |spike| (spike, path));
        let mut spikes: Vec<_> = pages.into_iter().flat_map(of_page).collect();
        spikes.sort_by_key(|(spike, path)| (spike.hour, *path));
        spikes
    }

    fn rejects_csv(&self) -> Bytes {
        let mut csv = Csv::new("line,reason");
        for (line, reason) in &self.rejects {
            csv.row([n(line), n(reason)]);
        }
        csv.0
    }

    fn summary(
        &self,
        views: &Views<'_>,
        sessions: &[Session<'_>],
        spikes: usize,
        page_spikes: usize,
    ) -> Bytes {
        let events = &self.events;
        let rejected = |why| self.rejects.iter().filter(|(_, reason)| *reason == why).count();
        let hosts: BTreeSet<_> = events.iter().map(|event| &event.visitor.0).collect();
        let visitors: BTreeSet<_> = events.iter().map(|event| &event.visitor).collect();
        let paths: BTreeSet<_> = events.iter().map(|event| &event.path).collect();
        let bytes: u128 = events.iter().map(|event| event.bytes).sum();
        let gaps: usize = sessions.iter().map(Session::gaps_of_half_an_hour).sum();
        let moment = |at: Option<i64>| at.map(time).unwrap_or_default();

        let mut csv = Csv::new("key,value");
        let mut pair = |key: &str, value: Bytes| csv.row([n(key), value]);
        pair("lines", n(events.len() + self.rejects.len() + self.blank));
        pair("blank", n(self.blank));
        pair("malformed", n(rejected("malformed")));
        pair("bad_request", n(rejected("bad_request")));
        pair("parsed", n(events.len()));
        pair("page_views", n(views.values().sum::<i64>()));
        pair("hour_page_rows", n(views.len()));
        pair("hosts", n(hosts.len()));
        pair("visitors", n(visitors.len()));
        pair("paths", n(paths.len()));
        pair("bytes_sent", n(bytes));
        pair("first_event", moment(events.iter().map(|event| event.at).min()));
        pair("last_event", moment(events.iter().map(|event| event.at).max()));
        pair("max_seconds_behind", n(self.max_seconds_behind()));
        pair("sessions", n(sessions.len()));
        pair("gaps_of_exactly_1800s", n(gaps));
        pair("spikes", n(spikes));
        pair("page_spikes", n(page_spikes));
        let statuses: BTreeSet<u32> = events.iter().map(|event| event.status).collect();
        for status in statuses {
            pair(
                &format!("status_{status}"),
                n(events.iter().filter(|event| event.status == status).count()),
            );
        }
        csv.0
    }
}

/// Page views by hour and path.
type Views<'a> = BTreeMap<(i64, &'a Bytes), i64>;

struct Session<'a> {
    start: i64,
    visitor: &'a (Bytes, Bytes),
    events: Vec<&'a Event>,
}

impl Session<'_> {
    fn end(&self) -> i64 {
        self.events[self.events.len() - 1].at
    }

    fn views(&self) -> usize {
        self.events.iter().filter(|event| event.view).count()
    }

    fn gaps_of_half_an_hour(&self) -> usize {
        self.events.windows(2).filter(|pair| pair[1].at - pair[0].at == 1800).count()
    }
}

struct Spike {
    hour: i64,
    views: i64,
    sum: i64,
    squares: i64,
}

/// The spikes among some views, in a log with these hours.
fn spikes_of(views: &BTreeMap<i64, i64>, hours: &BTreeMap<i64, i64>) -> Vec<Spike> {
    let at = |hour: i64| views.get(&hour).copied().unwrap_or(0);
    let mut spikes = Vec::new();
    for hour in hours.keys().copied().skip(24) {
        let base: Vec<i64> = (1..=24).map(|back| at(hour - back * HOUR)).collect();
        let (sum, squares) = (base.iter().sum::<i64>(), base.iter().map(|views| views * views).sum::<i64>());
        let excess = 24 * at(hour) - sum;
        if at(hour) >= 20 && excess > 0 && excess * excess > 9 * (24 * squares - sum * sum) {
            spikes.push(Spike { hour, views: at(hour), sum, squares });
        }
    }
    spikes
}

fn views_per_hour_page(views: &Views<'_>) -> Bytes {
    let mut csv = Csv::new("hour,path,views");
    for ((hour, path), count) in views {
        csv.row([time(*hour), path.to_vec(), n(count)]);
    }
    csv.0
}

fn views_per_hour(hours: &BTreeMap<i64, i64>) -> Bytes {
    let mut csv = Csv::new("hour,views");
    for (hour, views) in hours {
        csv.row([time(*hour), n(views)]);
    }
    csv.0
}

fn top10(views: &Views<'_>) -> Bytes {
    let mut days: BTreeMap<i64, BTreeMap<&Bytes, i64>> = BTreeMap::new();
    for ((hour, path), count) in views {
        *days.entry(floor(*hour, DAY)).or_default().entry(path).or_default() += count;
    }
    let mut csv = Csv::new("day,rank,path,views");
    for (day, pages) in days {
        let mut pages: Vec<_> = pages.into_iter().collect();
        pages.sort_by_key(|(path, views)| (-views, *path));
        for (rank, (path, views)) in pages.iter().take(10).enumerate() {
            csv.row([date(day), n(rank + 1), path.to_vec(), n(views)]);
        }
    }
    csv.0
}

fn sessions_csv(sessions: &[Session<'_>]) -> Bytes {
    let mut csv = Csv::new("start,host,user_agent,end,requests,page_views");
    for session in sessions {
        let (host, agent) = session.visitor;
        let (start, end) = (time(session.start), time(session.end()));
        csv.row([start, host.clone(), agent.clone(), end, n(session.events.len()), n(session.views())]);
    }
    csv.0
}

fn sessions_per_visitor_day(sessions: &[Session<'_>]) -> Bytes {
    let mut days: BTreeMap<(i64, &(Bytes, Bytes)), usize> = BTreeMap::new();
    for session in sessions {
        *days.entry((floor(session.start, DAY), session.visitor)).or_default() += 1;
    }
    let mut csv = Csv::new("day,host,user_agent,sessions");
    for ((day, (host, agent)), count) in days {
        csv.row([date(day), host.clone(), agent.clone(), n(count)]);
    }
    csv.0
}

fn spikes_csv(spikes: &[Spike]) -> Bytes {
    let mut csv = Csv::new("hour,views,base_sum,base_sumsq,base_mean,base_sd");
    for spike in spikes {
        csv.row([time(spike.hour)].into_iter().chain(numbers(spike)));
    }
    csv.0
}

fn page_spikes_csv(spikes: &[(Spike, &Bytes)]) -> Bytes {
    let mut csv = Csv::new("hour,path,views,base_sum,base_sumsq,base_mean,base_sd");
    for (spike, path) in spikes {
        csv.row([time(spike.hour), path.to_vec()].into_iter().chain(numbers(spike)));
    }
    csv.0
}

/// The columns that both kinds of spikes have.
fn numbers(spike: &Spike) -> [Bytes; 5] {
    let Spike { views, sum, squares, .. } = spike;
    let (mean, sd) = (*sum as f64 / 24.0, ((24 * squares - sum * sum) as f64).sqrt() / 24.0);
    [n(views), n(sum), n(squares), n(format!("{mean:.6}")), n(format!("{sd:.6}"))]
}

fn floor(at: i64, unit: i64) -> i64 {
    at.div_euclid(unit) * unit
}

fn n(number: impl ToString) -> Bytes {
    number.to_string().into_bytes()
}

fn quoted(cell: &[u8]) -> Bytes {
    if !cell.iter().any(|byte| b",\"\r\n".contains(byte)) {
        return cell.to_vec();
    }
    let doubled = cell.split(|byte| *byte == b'"').collect::<Vec<_>>().join(&b"\"\""[..]);
    [b"\"", &doubled[..], b"\""].concat()
}

struct Csv(Bytes);

impl Csv {
    fn new(columns: &str) -> Csv {
        Csv(format!("{columns}\n").into_bytes())
    }

    fn row(&mut self, cells: impl IntoIterator<Item = Bytes>) {
        let cells: Vec<Bytes> = cells.into_iter().map(|cell| quoted(&cell)).collect();
        self.0.extend(cells.join(&b","[..]));
        self.0.push(b'\n');
    }
}
