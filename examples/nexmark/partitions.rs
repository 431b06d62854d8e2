//! Bids in files by day and minute, `2015-07-15/00-01.csv`: the sink of q10.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use psdf::{Sink, SinkError};

use crate::calendar::Minute;
use crate::csv::{Lines, WriteError};
use crate::event::Bid;

const HEADER: &str = "auction,bidder,price,date_time,extra";

/// More are not written to at a time, unless the events of more minutes are mixed up.
const OPEN_FILES: usize = 4;

pub(crate) struct Partitions {
    directory: PathBuf,
    open: BTreeMap<Minute, Lines>,
    written: Arc<AtomicU64>,
}

impl Partitions {
    /// Into a directory that is not there yet, or is empty: files that are would be added to.
    pub(crate) fn into(directory: PathBuf, written: Arc<AtomicU64>) -> Result<Partitions, WriteError> {
        let failed = |cause| WriteError::new(&directory, cause);
        fs::create_dir_all(&directory).map_err(failed)?;
        if fs::read_dir(&directory).map_err(failed)?.next().is_some() {
            return Err(failed(std::io::Error::other("it is not empty")));
        }
        Ok(Partitions { directory, open: BTreeMap::new(), written })
    }

    fn log(&mut self, minute: Minute, bid: &Bid) -> Result<(), WriteError> {
        let directory = self.directory.join(minute.day().to_string());
        let path = directory.join(minute.to_string().replace(':', "-")).with_extension("csv");
        let failed = |cause| WriteError::new(&path, cause);
        if !self.open.contains_key(&minute) {
            self.make_room()?;
            fs::create_dir_all(&directory).map_err(failed)?;
            self.open.insert(minute, Lines::append(&path, HEADER).map_err(failed)?);
        }
        let file = self.open.get_mut(&minute).expect("it is open");
        file.line(&[&bid.auction, &bid.bidder, &bid.price, &bid.date_time, &bid.extra]).map_err(failed)?;
        self.written.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Closes the file of the earliest minute if there are many.
    fn make_room(&mut self) -> Result<(), WriteError> {
        if self.open.len() < OPEN_FILES {
            return Ok(());
        }
        let earliest = self.open.pop_first().map(|(_, file)| file);
        earliest.map_or(Ok(()), Lines::close).map_err(|cause| WriteError::new(&self.directory, cause))
    }
}

impl Sink for Partitions {
    type Item = (Minute, Bid);

    async fn write(&mut self, bids: Vec<(Minute, Bid)>) -> Result<(), SinkError> {
        bids.iter().try_for_each(|(minute, bid)| self.log(*minute, bid)).map_err(SinkError::new)
    }

    async fn close(&mut self) -> Result<(), SinkError> {
        let mut files = std::mem::take(&mut self.open).into_values();
        files
            .try_for_each(Lines::close)
            .map_err(|cause| SinkError::new(WriteError::new(&self.directory, cause)))
    }
}
