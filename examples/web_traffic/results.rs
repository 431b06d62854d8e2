//! Everything the flow gives out, gathered and put in order. Nothing is counted here.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::error::Error;
use std::time::Duration;

use psdf::{Late, Output, Source};

use crate::calendar::Day;
use crate::flow::{WebTraffic, web_traffic};
use crate::hours::SiteHour;
use crate::line::Line;
use crate::request::{Reason, Reject, Request, Visitor};
use crate::session::Session;
use crate::spikes::{PageSpike, Spike};
use crate::text::Text;

/// The last value of each running count, and all that was given out once, in the order of the result files.
#[derive(Debug, Default)]
pub(crate) struct Results {
    /// `None` if the log has no line.
    pub(crate) lines: Option<web_traffic::LineCounts>,
    /// `None` if the log has no request.
    pub(crate) totals: Option<web_traffic::Totals>,
    pub(crate) session_totals: Option<web_traffic::SessionTotals>,
    pub(crate) page_hour_count: Option<web_traffic::PageHourCount>,
    pub(crate) spike_count: Option<web_traffic::SpikeCount>,
    pub(crate) page_spike_count: Option<web_traffic::PageSpikeCount>,
    pub(crate) statuses: BTreeMap<u16, u64>,
    pub(crate) clock: BTreeMap<u8, web_traffic::Clock>,
    pub(crate) days: BTreeMap<Day, web_traffic::Days>,
    pub(crate) visitor_days: BTreeMap<(Day, Visitor), u64>,
    pub(crate) page_totals: BTreeMap<Text, u64>,
    pub(crate) reject_samples: BTreeMap<Reason, Vec<Reject>>,
    pub(crate) sessions: Vec<Session>,
    pub(crate) hours: Vec<SiteHour>,
    pub(crate) page_hours: Vec<web_traffic::PageHours>,
    pub(crate) top_pages: Vec<web_traffic::TopPages>,
    pub(crate) spikes: Vec<Spike>,
    pub(crate) page_spikes: Vec<PageSpike>,
    pub(crate) rejects: Vec<Reject>,
    /// Requests that came after their hour had closed.
    pub(crate) late: Vec<Late<Request>>,
    /// Requests that came after the session they would have opened or gone on with had closed.
    pub(crate) late_for_sessions: Vec<Late<Request>>,
}

impl Results {
    /// Runs the flow over all of `lines`. Every output is read all the time: one that is not holds up the rest.
    pub(crate) async fn of(
        lines: impl Source<Item = Line>,
        max_delay: Duration,
        shards: usize,
    ) -> Result<Results, Box<dyn Error + Send + Sync>> {
        let mut flow = WebTraffic { max_delay }.builder().shards(shards).lines_from(lines).spawn()?;
        let mut results = Results::default();
        tokio::join!(
            keep_last(&mut flow.line_counts, &mut results.lines),
            keep_last(&mut flow.totals, &mut results.totals),
            keep_last(&mut flow.session_totals, &mut results.session_totals),
            keep_last(&mut flow.page_hour_count, &mut results.page_hour_count),
            keep_last(&mut flow.spike_count, &mut results.spike_count),
            keep_last(&mut flow.page_spike_count, &mut results.page_spike_count),
            keep_last_by_key(&mut flow.statuses, &mut results.statuses, |row| (row.status, row.requests)),
            keep_last_by_key(&mut flow.clock, &mut results.clock, |row| (row.hour, row)),
            keep_last_by_key(&mut flow.days, &mut results.days, |row| (row.day, row)),
            keep_last_by_key(&mut flow.visitor_days, &mut results.visitor_days, |row| {
                ((row.day, row.visitor), row.sessions)
            }),
            keep_last_by_key(&mut flow.page_totals, &mut results.page_totals, |row| (row.path, row.views)),
            keep_last_by_key(&mut flow.reject_samples, &mut results.reject_samples, |row| {
                (row.reason, row.samples)
            }),
            keep_all(&mut flow.sessions, &mut results.sessions),
            keep_all(&mut flow.hours, &mut results.hours),
            keep_all(&mut flow.page_hours, &mut results.page_hours),
            keep_all(&mut flow.top_pages, &mut results.top_pages),
            keep_all(&mut flow.spikes, &mut results.spikes),
            keep_all(&mut flow.page_spikes, &mut results.page_spikes),
            keep_all(&mut flow.rejects, &mut results.rejects),
            keep_all(&mut flow.late, &mut results.late),
            keep_all(&mut flow.late_for_sessions, &mut results.late_for_sessions),
        );
        flow.finish().await?;
        results.sort();
        Ok(results)
    }

    pub(crate) fn sort(&mut self) {
        self.sessions.sort_by(|a, b| (a.start, &a.visitor).cmp(&(b.start, &b.visitor)));
        self.hours.sort_by_key(|hour| hour.start);
        self.page_hours.sort_by(|a, b| (a.window.start, &a.path).cmp(&(b.window.start, &b.path)));
        self.top_pages.sort_by_key(|day| day.window.start);
        self.spikes.sort_by_key(|spike| spike.hour);
        self.page_spikes.sort_by(|a, b| (a.spike.hour, &a.path).cmp(&(b.spike.hour, &b.path)));
        self.rejects.sort_by_key(|reject| reject.line);
        self.late.sort_by_key(|late| late.record.line);
        self.late_for_sessions.sort_by_key(|late| late.record.line);
    }

    /// Pages by their views, most viewed first.
    pub(crate) fn pages(&self) -> Vec<(&Text, u64)> {
        let mut pages: Vec<_> = self.page_totals.iter().map(|(path, views)| (path, *views)).collect();
        pages.sort_by_key(|(_, views)| Reverse(*views));
        pages
    }
}

async fn keep_last<T>(output: &mut Output<T>, last: &mut Option<T>) {
    while let Some(batch) = output.next_batch().await {
        *last = batch.into_iter().last().or(last.take());
    }
}

async fn keep_last_by_key<T, K: Ord, V>(
    output: &mut Output<T>,
    last: &mut BTreeMap<K, V>,
    entry: impl Fn(T) -> (K, V),
) {
    while let Some(batch) = output.next_batch().await {
        last.extend(batch.into_iter().map(&entry));
    }
}

async fn keep_all<T>(output: &mut Output<T>, all: &mut Vec<T>) {
    while let Some(batch) = output.next_batch().await {
        all.extend(batch);
    }
}
