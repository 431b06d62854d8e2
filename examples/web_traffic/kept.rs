//! Results that outlive the process: a file for each output, so that a killed report goes on where it was.

use std::error::Error;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::time::Duration;

use psdf::sinks::TransactionalFileSink;
use psdf::{Sink, SinkError, Source};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::flow::{WebTraffic, web_traffic};
use crate::line::Line;
use crate::results::Results;

type AnyError = Box<dyn Error + Send + Sync>;

/// How much of the log may have to be read again after a kill.
const CHECKPOINT_EVERY: Duration = Duration::from_millis(200);

/// Where a report is kept: the flow's checkpoints, and what it has told.
pub(crate) struct Kept {
    directory: PathBuf,
}

/// A line of JSON for each record of an output.
pub(crate) struct JsonLines<T> {
    lines: TransactionalFileSink<String>,
    records: PhantomData<fn(T)>,
}

impl Kept {
    pub(crate) fn in_directory(directory: &Path) -> Result<Kept, AnyError> {
        fs::create_dir_all(directory.join("told"))
            .map_err(|cause| format!("cannot create {}: {cause}", directory.display()))?;
        Ok(Kept { directory: directory.to_path_buf() })
    }

    /// Runs the flow from where it was stopped or killed to the end of `lines`, which are those that it was begun with.
    pub(crate) async fn results_of(
        &self,
        lines: impl Source<Item = Line>,
        max_delay: Duration,
        shards: usize,
    ) -> Result<Results, AnyError> {
        let flow = WebTraffic { max_delay }
            .builder()
            .shards(shards)
            .durable(self.directory.join("checkpoints"))
            .checkpoint_every(CHECKPOINT_EVERY)
            .lines_from(lines)
            .line_counts_to(self.sink("line_counts")?)
            .totals_to(self.sink("totals")?)
            .session_totals_to(self.sink("session_totals")?)
            .page_hour_count_to(self.sink("page_hour_count")?)
            .spike_count_to(self.sink("spike_count")?)
            .page_spike_count_to(self.sink("page_spike_count")?)
            .statuses_to(self.sink("statuses")?)
            .clock_to(self.sink("clock")?)
            .days_to(self.sink("days")?)
            .visitor_days_to(self.sink("visitor_days")?)
            .page_totals_to(self.sink("page_totals")?)
            .reject_samples_to(self.sink("reject_samples")?)
            .sessions_to(self.sink("sessions")?)
            .hours_to(self.sink("hours")?)
            .page_hours_to(self.sink("page_hours")?)
            .top_pages_to(self.sink("top_pages")?)
            .spikes_to(self.sink("spikes")?)
            .page_spikes_to(self.sink("page_spikes")?)
            .rejects_to(self.sink("rejects")?)
            .late_to(self.sink("late")?)
            .late_for_sessions_to(self.sink("late_for_sessions")?);
        flow.spawn()?.finish().await?;
        self.results()
    }

    /// What all outputs have told.
    fn results(&self) -> Result<Results, AnyError> {
        let visitor_day = |row: web_traffic::VisitorDays| ((row.day, row.visitor), row.sessions);
        let mut results = Results {
            lines: self.told("line_counts")?.last().transpose()?,
            totals: self.told("totals")?.last().transpose()?,
            session_totals: self.told("session_totals")?.last().transpose()?,
            page_hour_count: self.told("page_hour_count")?.last().transpose()?,
            spike_count: self.told("spike_count")?.last().transpose()?,
            page_spike_count: self.told("page_spike_count")?.last().transpose()?,
            statuses: self.by_key("statuses", |row: web_traffic::Statuses| (row.status, row.requests))?,
            clock: self.by_key("clock", |row: web_traffic::Clock| (row.hour, row))?,
            days: self.by_key("days", |row: web_traffic::Days| (row.day, row))?,
            visitor_days: self.by_key("visitor_days", visitor_day)?,
            page_totals: self.by_key("page_totals", |row: web_traffic::PageTotals| (row.path, row.views))?,
            reject_samples: self
                .by_key("reject_samples", |row: web_traffic::RejectSamples| (row.reason, row.samples))?,
            sessions: self.told("sessions")?.collect::<Result<_, _>>()?,
            hours: self.told("hours")?.collect::<Result<_, _>>()?,
            page_hours: self.told("page_hours")?.collect::<Result<_, _>>()?,
            top_pages: self.told("top_pages")?.collect::<Result<_, _>>()?,
            spikes: self.told("spikes")?.collect::<Result<_, _>>()?,
            page_spikes: self.told("page_spikes")?.collect::<Result<_, _>>()?,
            rejects: self.told("rejects")?.collect::<Result<_, _>>()?,
            late: self.told("late")?.collect::<Result<_, _>>()?,
            late_for_sessions: self.told("late_for_sessions")?.collect::<Result<_, _>>()?,
        };
        results.sort();
        Ok(results)
    }

    fn file(&self, output: &str) -> PathBuf {
        self.directory.join("told").join(format!("{output}.jsonl"))
    }

    fn sink<T>(&self, output: &str) -> Result<JsonLines<T>, SinkError> {
        let lines = TransactionalFileSink::open(self.file(output))?;
        Ok(JsonLines { lines, records: PhantomData })
    }

    /// All that an output has told, in order.
    fn told<T: DeserializeOwned>(
        &self,
        output: &str,
    ) -> Result<impl Iterator<Item = Result<T, AnyError>>, AnyError> {
        let path = self.file(output);
        let wrong = move |cause: &dyn Error| -> AnyError { format!("{}: {cause}", path.display()).into() };
        let file = File::open(self.file(output)).map_err(|cause| wrong(&cause))?;
        Ok(BufReader::new(file).lines().map(move |line| {
            let line = line.map_err(|cause| wrong(&cause))?;
            serde_json::from_str(&line).map_err(|cause| wrong(&cause))
        }))
    }

    /// The last that was told of each key.
    fn by_key<T: DeserializeOwned, K, V, M: Default + Extend<(K, V)>>(
        &self,
        output: &str,
        entry: impl Fn(T) -> (K, V),
    ) -> Result<M, AnyError> {
        let mut last = M::default();
        for record in self.told(output)? {
            last.extend([entry(record?)]);
        }
        Ok(last)
    }
}

impl<T: Serialize + Send + 'static> Sink for JsonLines<T> {
    type Item = T;

    async fn write(&mut self, records: Vec<T>) -> Result<(), SinkError> {
        let lines: Result<Vec<String>, _> = records.iter().map(serde_json::to_string).collect();
        self.lines.write(lines.map_err(SinkError::new)?).await
    }

    async fn prepare(&mut self, epoch: u64) -> Result<Vec<u8>, SinkError> {
        self.lines.prepare(epoch).await
    }

    async fn commit(&mut self, epoch: u64, prepared: Vec<u8>) -> Result<(), SinkError> {
        self.lines.commit(epoch, prepared).await
    }

    async fn abort(&mut self, committed: u64) -> Result<(), SinkError> {
        self.lines.abort(committed).await
    }

    fn is_transactional(&self) -> bool {
        self.lines.is_transactional()
    }

    async fn close(&mut self) -> Result<(), SinkError> {
        self.lines.close().await
    }
}
