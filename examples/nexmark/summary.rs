//! What is told of a run.

use std::fmt;
use std::path::PathBuf;
use std::thread;

use crate::digits::grouped;
use crate::queries::{self, Outcome};

pub(crate) struct Summary {
    pub(crate) query: String,
    pub(crate) events: usize,
    /// Of event time.
    pub(crate) per_second: f64,
    /// `None` if the events are made up.
    pub(crate) input: Option<PathBuf>,
    pub(crate) shards: usize,
    pub(crate) outcome: Outcome,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Summary { query, events, per_second, input, shards, outcome } = self;
        let title = queries::title(query).unwrap_or_default();
        let origin = input.as_ref().map_or("made up".to_owned(), |path| path.display().to_string());
        let seconds = outcome.time.as_secs_f64();
        let throughput = *events as f64 / seconds.max(1e-9);
        let cores = thread::available_parallelism().map_or(1, usize::from).min(*shards);

        writeln!(f, "{query}: {title}\n")?;
        writeln!(f, "events      {:>12}   {origin}", grouped(*events as u64))?;
        writeln!(f, "event time  {:>12}   events/s", grouped(per_second.round() as u64))?;
        writeln!(f, "results     {:>12}", grouped(outcome.results))?;
        if outcome.late > 0 {
            writeln!(f, "late        {:>12}   events that are in no result", grouped(outcome.late))?;
        }
        writeln!(f, "time        {seconds:>12.3}   s with {}", plural(*shards, "shard"))?;
        writeln!(f, "throughput  {:>12}   events/s", grouped(throughput as u64))?;
        let per_core = grouped((throughput / cores as f64) as u64);
        writeln!(f, "            {per_core:>12}   events/s per core, on {}", plural(cores, "core"))
    }
}

fn plural(count: usize, word: &str) -> String {
    if count == 1 { format!("1 {word}") } else { format!("{count} {word}s") }
}
