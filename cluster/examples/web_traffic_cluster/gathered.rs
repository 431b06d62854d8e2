//! What the flow gives out, gathered in the process of the first worker.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use psdf::{Sink, SinkError};
use psdf_cluster::Job;

use crate::flow::WebTraffic;
use crate::results::Results;

/// Clones are of the same.
#[derive(Clone, Default)]
pub(crate) struct Gathered(Arc<Mutex<Results>>);

/// Takes the records of one output in.
struct Gather<T> {
    gathered: Gathered,
    add: fn(&mut Results, Vec<T>),
}

impl<T: Send + 'static> Sink for Gather<T> {
    type Item = T;

    async fn write(&mut self, records: Vec<T>) -> Result<(), SinkError> {
        (self.add)(&mut self.gathered.0.lock().unwrap_or_else(PoisonError::into_inner), records);
        Ok(())
    }
}

impl Gathered {
    /// All that has been gathered, in order.
    pub(crate) fn results(&self) -> Results {
        let mut results = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        results.sort();
        results
    }

    fn sink<T: Send + 'static>(
        &self,
        add: fn(&mut Results, Vec<T>),
    ) -> impl Fn() -> Gather<T> + Send + Sync + use<T> {
        let gathered = self.clone();
        move || Gather { gathered: gathered.clone(), add }
    }

    /// Leads every output here.
    pub(crate) fn attach(&self, job: Job<WebTraffic>) -> Job<WebTraffic> {
        job.sink("line_counts", self.sink(|results, rows| last(&mut results.lines, rows)))
            .sink("totals", self.sink(|results, rows| last(&mut results.totals, rows)))
            .sink("session_totals", self.sink(|results, rows| last(&mut results.session_totals, rows)))
            .sink("page_hour_count", self.sink(|results, rows| last(&mut results.page_hour_count, rows)))
            .sink("spike_count", self.sink(|results, rows| last(&mut results.spike_count, rows)))
            .sink("page_spike_count", self.sink(|results, rows| last(&mut results.page_spike_count, rows)))
            .sink(
                "statuses",
                self.sink(|results, rows| {
                    by_key(&mut results.statuses, rows, |row: crate::flow::web_traffic::Statuses| {
                        (row.status, row.requests)
                    });
                }),
            )
            .sink(
                "clock",
                self.sink(|results, rows| {
                    by_key(&mut results.clock, rows, |row: crate::flow::web_traffic::Clock| (row.hour, row));
                }),
            )
            .sink(
                "days",
                self.sink(|results, rows| {
                    by_key(&mut results.days, rows, |row: crate::flow::web_traffic::Days| (row.day, row));
                }),
            )
            .sink(
                "visitor_days",
                self.sink(|results, rows| {
                    by_key(&mut results.visitor_days, rows, |row: crate::flow::web_traffic::VisitorDays| {
                        ((row.day, row.visitor), row.sessions)
                    });
                }),
            )
            .sink(
                "page_totals",
                self.sink(|results, rows| {
                    by_key(&mut results.page_totals, rows, |row: crate::flow::web_traffic::PageTotals| {
                        (row.path, row.views)
                    });
                }),
            )
            .sink(
                "reject_samples",
                self.sink(|results, rows| {
                    by_key(
                        &mut results.reject_samples,
                        rows,
                        |row: crate::flow::web_traffic::RejectSamples| (row.reason, row.samples),
                    );
                }),
            )
            .sink("sessions", self.sink(|results, rows| results.sessions.extend(rows)))
            .sink("hours", self.sink(|results, rows| results.hours.extend(rows)))
            .sink("page_hours", self.sink(|results, rows| results.page_hours.extend(rows)))
            .sink("top_pages", self.sink(|results, rows| results.top_pages.extend(rows)))
            .sink("spikes", self.sink(|results, rows| results.spikes.extend(rows)))
            .sink("page_spikes", self.sink(|results, rows| results.page_spikes.extend(rows)))
            .sink("rejects", self.sink(|results, rows| results.rejects.extend(rows)))
            .sink("late", self.sink(|results, rows| results.late.extend(rows)))
            .sink("late_for_sessions", self.sink(|results, rows| results.late_for_sessions.extend(rows)))
    }
}

/// Of a running count the last is what counts.
fn last<T>(kept: &mut Option<T>, rows: Vec<T>) {
    *kept = rows.into_iter().last().or(kept.take());
}

fn by_key<T, K: Ord, V>(kept: &mut BTreeMap<K, V>, rows: Vec<T>, entry: impl Fn(T) -> (K, V)) {
    kept.extend(rows.into_iter().map(entry));
}
