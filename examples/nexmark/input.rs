//! All the events of a run, in memory before it begins.

use std::error::Error;
use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use psdf::{Source, SourceError};

use crate::event::Event;
use crate::generate;
use crate::gzip::Gunzip;

/// As many as a flow likes at a time.
const BATCH: usize = 4096;

/// Events in batches, as a flow takes them, so that the time of a run is not spent on putting them together.
pub(crate) struct Events {
    batches: std::vec::IntoIter<Vec<Event>>,
    pub(crate) count: usize,
    /// How many there are in a second of event time.
    pub(crate) per_second: f64,
}

/// A file of events that cannot be read.
#[derive(Debug)]
pub(crate) struct InputError {
    path: PathBuf,
    line: Option<usize>,
    cause: Box<dyn Error + Send + Sync>,
}

impl Events {
    pub(crate) fn made_up(count: usize, rate: usize) -> Events {
        // What was asked for: the times are rounded to milliseconds.
        Events { per_second: rate as f64, ..Events::new(generate::events(count, rate)) }
    }

    /// The first `most` events of a file.
    pub(crate) fn read(path: &Path, most: usize) -> Result<Events, InputError> {
        let error = |line, cause| InputError { path: path.to_path_buf(), line, cause };
        let lines = open(path).map_err(|cause| error(None, cause.into()))?.lines();
        let events = lines.take(most).zip(1..).map(|(line, number)| {
            let line = line.map_err(|cause| error(None, cause.into()))?;
            serde_json::from_str(&line).map_err(|cause| error(Some(number), cause.into()))
        });
        let events: Vec<Event> = events.collect::<Result<_, _>>()?;
        Ok(Events::new(events.into_iter()))
    }

    fn new(mut events: impl Iterator<Item = Event>) -> Events {
        let (mut first, mut last, mut count) = (u64::MAX, 0, 0);
        let batches: Vec<Vec<Event>> = std::iter::from_fn(|| {
            let batch: Vec<Event> = events.by_ref().take(BATCH).collect();
            for event in &batch {
                first = first.min(event.date_time());
                last = last.max(event.date_time());
            }
            count += batch.len();
            (!batch.is_empty()).then_some(batch)
        })
        .collect();
        let seconds = last.saturating_sub(first) as f64 / 1000.0;
        // The last event stands for the time to the next, as each of the others does.
        let per_second = if seconds > 0.0 { (count - 1) as f64 / seconds } else { count as f64 };
        Events { batches: batches.into_iter(), count, per_second }
    }
}

impl Source for Events {
    type Item = Event;

    async fn next_batch(&mut self, _limit: usize) -> Result<Option<Vec<Event>>, SourceError> {
        Ok(self.batches.next())
    }
}

/// A file, plain or gzip: its first bytes tell.
fn open(path: &Path) -> io::Result<Box<dyn BufRead>> {
    let mut file = BufReader::with_capacity(1 << 16, File::open(path)?);
    if file.fill_buf()?.starts_with(&[0x1f, 0x8b]) {
        return Ok(Box::new(BufReader::with_capacity(1 << 16, Gunzip::new(file))));
    }
    Ok(Box::new(file))
}

impl fmt::Display for InputError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot read {}", self.path.display())?;
        self.line.map_or(Ok(()), |line| write!(f, ", line {line}"))
    }
}

impl Error for InputError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.cause)
    }
}
