//! The report: what somebody who runs a site wants to know first, on one page of 100 columns.

use std::io::{self, Write};

use psdf::Timestamp;

use crate::calendar::{Date, Day, Iso, MONTHS};
use crate::chart::{bar, columns, fit, fit_middle, level, percent, size, thousands};
use crate::flow::web_traffic::{Days, Totals};
use crate::request::Reject;
use crate::results::Results;
use crate::spikes::Spike;
use crate::text::Text;

const TOP_PAGES: usize = 10;

/// Spikes of the site, and as many of single pages.
const SPIKES: usize = 5;

/// A log of more days than this is shown by months.
const LISTED_DAYS: i64 = 21;

const MONTHS_SHOWN: usize = 24;

/// The report being written.
pub(crate) struct Report<W> {
    out: W,
    colour: bool,
}

impl<W: Write> Report<W> {
    /// A report to this writer, with colours if it is a terminal that shows them.
    pub(crate) fn to(out: W, colour: bool) -> Report<W> {
        Report { out, colour }
    }

    pub(crate) fn print(mut self, results: &Results) -> io::Result<()> {
        match &results.totals {
            Some(totals) => {
                self.overview(results, totals)?;
                self.pages(results, totals)?;
                self.clock(results)?;
                self.days(results)?;
                self.spikes(results)?;
            }
            None => self.heading("No requests", "")?,
        }
        self.rejects(results)?;
        self.late(results)?;
        writeln!(self.out)
    }

    fn overview(&mut self, results: &Results, totals: &Totals) -> io::Result<()> {
        self.heading("Traffic", &format!("{} to {} UTC", clock(totals.first), clock(totals.last)))?;
        let sessions = results.session_totals.as_ref().map_or(0, |all| all.sessions);
        let counts = [
            (thousands(totals.requests), "requests"),
            (thousands(totals.page_views), "page views"),
            (thousands(sessions), "sessions"),
            (thousands(totals.visitors), "visitors"),
            (thousands(totals.hosts), "hosts"),
            (size(&totals.bytes), "sent"),
        ];
        let line = |part: for<'a> fn(&'a (String, &'static str)) -> &'a str| -> String {
            counts.iter().map(|count| format!("{:<16}", part(count))).collect()
        };
        writeln!(self.out, "  {}", self.strong(line(|(count, _)| count).trim_end()))?;
        writeln!(self.out, "  {}\n", line(|(_, name)| name).trim_end())?;
        self.statuses(results, totals)
    }

    /// The most frequent statuses, as many as a line takes.
    fn statuses(&mut self, results: &Results, totals: &Totals) -> io::Result<()> {
        let mut statuses: Vec<_> = results.statuses.iter().collect();
        statuses.sort_by(|a, b| b.1.cmp(a.1));
        let shown = statuses
            .iter()
            .take(6)
            .map(|(status, count)| format!("{status} {:<9}", percent(**count, totals.requests)));
        writeln!(self.out, "  statuses  {}", shown.collect::<String>().trim_end())
    }

    fn pages(&mut self, results: &Results, totals: &Totals) -> io::Result<()> {
        let pages = results.pages();
        let Some((_, most)) = pages.first() else {
            return Ok(());
        };
        self.heading("Top pages", "views, share")?;
        for (path, views) in pages.iter().take(TOP_PAGES) {
            let (views_shown, share) = (thousands(views), percent(*views, totals.page_views));
            let bar = self.coloured(&bar(*views as f64, *most as f64, 20));
            writeln!(self.out, "  {} {views_shown:>11} {share:>8}  {bar}", fit(path, 54))?;
        }
        Ok(())
    }

    /// How the day goes: the mean views of each of its hours.
    fn clock(&mut self, results: &Results) -> io::Result<()> {
        let mut hours = [0.0; 24];
        for (hour, row) in &results.clock {
            hours[usize::from(*hour)] = row.views as f64 / row.days as f64;
        }
        let most = hours.iter().copied().fold(0.0, f64::max);
        self.heading("Traffic by hour", "page views in an hour of the day (UTC), mean")?;
        for (row, line) in columns(&hours, 8, 3).iter().enumerate() {
            let scale = if row == 0 { thousands(most.round()) } else { String::new() };
            writeln!(self.out, "  {scale:>10} │ {}", self.coloured(line.trim_end()))?;
        }
        let names: String = (0..24).map(|hour| format!("{hour:02} ")).collect();
        writeln!(self.out, "  {:>10} └{}\n  {:>10}   {}", 0, "─".repeat(73), "", names.trim_end())
    }

    fn days(&mut self, results: &Results) -> io::Result<()> {
        let (Some((first, _)), Some((last, _))) =
            (results.days.first_key_value(), results.days.last_key_value())
        else {
            return Ok(());
        };
        if last.0 - first.0 < LISTED_DAYS {
            return self.days_listed(results, *first, *last);
        }
        self.days_by_month(results)
    }

    fn days_listed(&mut self, results: &Results, first: Day, last: Day) -> io::Result<()> {
        self.heading("Visits by day", "sessions, visitors")?;
        let most = busiest(results.days.values());
        for day in (first.0..=last.0).map(Day) {
            let row = results.days.get(&day);
            let (sessions, visitors) = row.map_or((0, 0), |row| (row.sessions, row.visitors));
            let bar = self.coloured(&bar(sessions as f64, most, 50));
            writeln!(
                self.out,
                "  {} {day} {:>10} {:>10}  {bar}",
                day.weekday(),
                thousands(sessions),
                thousands(visitors)
            )?;
        }
        Ok(())
    }

    /// A calendar: a line for each month, in which each day is two characters wide.
    fn days_by_month(&mut self, results: &Results) -> io::Result<()> {
        let mut months: Vec<(i64, i64, Vec<&Days>)> = Vec::new();
        for (day, row) in &results.days {
            let Date { year, month, .. } = day.date();
            match months.last_mut().filter(|last| (last.0, last.1) == (year, month)) {
                Some((_, _, days)) => days.push(row),
                None => months.push((year, month, vec![row])),
            }
        }
        let shown = &months[months.len().saturating_sub(MONTHS_SHOWN)..];
        let part = if shown.len() < months.len() {
            format!(", the last {MONTHS_SHOWN} months")
        } else {
            String::new()
        };
        let most = busiest(results.days.values());
        self.heading("Visits by day", &format!("sessions, up to {most} (█){part}"))?;
        writeln!(self.out, "  {:8}  {:<18}{:<20}{:<20}{}", "", 1, 10, 20, 30)?;
        for (year, month, days) in shown {
            self.month(*year, *month, days, most)?;
        }
        Ok(())
    }

    fn month(&mut self, year: i64, month: i64, days: &[&Days], most: f64) -> io::Result<()> {
        let mut levels = [' '; 31];
        for row in days {
            levels[row.day.date().day as usize - 1] = level(row.sessions as f64, most);
        }
        let cells: String = levels.iter().map(|level| format!("{level}{level}")).collect();
        let name = MONTHS[month as usize - 1];
        let Some(peak) = days.iter().max_by_key(|row| row.sessions) else {
            return Ok(());
        };
        let note = format!("most on the {}: {}", peak.day.date().day, thousands(peak.sessions));
        writeln!(self.out, "  {name} {year:04}  {}  {note}", self.coloured(&cells))
    }

    fn spikes(&mut self, results: &Results) -> io::Result<()> {
        let site = results.spike_count.as_ref().map_or(0, |all| all.spikes);
        let pages = results.page_spike_count.as_ref().map_or(0, |all| all.spikes);
        let counts = format!("{} of the site, {} of single pages", thousands(site), thousands(pages));
        self.heading("Spikes", &format!("hours far above the 24 before them: {counts}"))?;
        let whole = Text::from(&b"the whole site"[..]);
        let site = strongest(results.spikes.iter().map(|spike| (&whole, spike)).collect());
        let pages = strongest(results.page_spikes.iter().map(|page| (&page.path, &page.spike)).collect());
        for (name, spike) in site.into_iter().chain(pages) {
            let (views, mean, sd) = (thousands(spike.views), spike.base.mean(), spike.base.deviation());
            let views = self.strong(&format!("{views:>9}"));
            writeln!(
                self.out,
                "  {}  {} {views} views, usually {mean:.1} ± {sd:.1}",
                clock(spike.hour),
                fit(name, 38)
            )?;
        }
        Ok(())
    }

    fn rejects(&mut self, results: &Results) -> io::Result<()> {
        let Some(lines) = &results.lines else {
            return Ok(());
        };
        let counts = format!(
            "{} malformed, {} bad requests and {} blank of {}",
            thousands(lines.malformed),
            thousands(lines.bad_request),
            thousands(lines.blank),
            thousands(lines.lines)
        );
        self.heading("Malformed lines", &counts)?;
        for reject in results.reject_samples.values().flatten() {
            let Reject { line, reason, excerpt } = reject;
            writeln!(
                self.out,
                "  {:>10}  {:<11}  {}",
                thousands(line),
                reason.name(),
                fit_middle(excerpt, 73)
            )?;
        }
        Ok(())
    }

    fn late(&mut self, results: &Results) -> io::Result<()> {
        let (hours, sessions) = (results.late.len(), results.late_for_sessions.len());
        let Some(totals) = results.totals.as_ref().filter(|_| hours + sessions > 0) else {
            return Ok(());
        };
        let worst = totals.disorder.most_seconds_behind;
        self.heading("Late requests", &format!("`--lateness {worst}s` misses none"))?;
        for (count, closed) in [
            (hours, "hour, and are missing from hours, pages and spikes"),
            (sessions, "session, and are missing from sessions"),
        ] {
            writeln!(self.out, "  {:>10}  came after the end of their {closed}", thousands(count))?;
        }
        Ok(())
    }

    fn heading(&mut self, title: &str, note: &str) -> io::Result<()> {
        let gap = if note.is_empty() { "" } else { "  " };
        writeln!(self.out, "\n{}{gap}{note}", self.strong(title))
    }

    fn strong(&self, text: &str) -> String {
        if self.colour { format!("\x1b[1m{text}\x1b[0m") } else { text.to_owned() }
    }

    fn coloured(&self, text: &str) -> String {
        if self.colour { format!("\x1b[36m{text}\x1b[0m") } else { text.to_owned() }
    }
}

fn busiest<'a>(days: impl Iterator<Item = &'a Days>) -> f64 {
    days.map(|day| day.sessions).max().unwrap_or(0) as f64
}

/// The spikes that stand highest above their mean, highest first.
fn strongest<'a>(mut spikes: Vec<(&'a Text, &'a Spike)>) -> Vec<(&'a Text, &'a Spike)> {
    let excess = |spike: &Spike| spike.views as f64 - spike.base.mean();
    spikes.sort_by(|(_, a), (_, b)| excess(b).total_cmp(&excess(a)));
    spikes.truncate(SPIKES);
    spikes
}

/// `2015-05-17 10:05`.
fn clock(at: Timestamp) -> String {
    Iso(at).to_string().replace('T', " ").chars().take(16).collect()
}
