//! A sink into a file that holds what is committed, once each, and nothing else.

use super::Sink;
use crate::error::SinkError;
use std::fmt::Display;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

/// A file with a line for each committed record, as its `Display` writes it: each once, whatever crashed and when.
///
/// The records of an epoch are gathered in a file beside it, `NAME.pending`, which is `NAME.pending-EPOCH` once it is whole,
/// and added when the epoch is committed.
/// What is in the file is never taken back; a crash while an epoch is being added leaves a part of it, which the next start
/// completes. In a flow that is not durable all is added when the flow has finished.
///
/// A start without a committed epoch empties the file: what is in it then is of another flow, or of one whose store is gone.
pub struct TransactionalFileSink<T> {
    path: PathBuf,
    /// The records of the epoch at hand; `None` until there is one.
    pending: Option<BufWriter<File>>,
    /// Where the next epoch will be added.
    end: u64,
    records: PhantomData<fn(T)>,
}

/// Where an epoch goes, as [`Sink::prepare`] answers it.
struct Part {
    epoch: u64,
    begin: u64,
    len: u64,
}

impl Part {
    fn to_bytes(&self) -> Vec<u8> {
        [self.epoch, self.begin, self.len].iter().flat_map(|number| number.to_le_bytes()).collect()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Part> {
        let mut numbers =
            bytes.chunks_exact(8).filter_map(|bytes| Some(u64::from_le_bytes(bytes.try_into().ok()?)));
        Some(Part { epoch: numbers.next()?, begin: numbers.next()?, len: numbers.next()? })
    }
}

impl<T> TransactionalFileSink<T> {
    /// Opens the file, or makes it.
    ///
    /// # Errors
    /// If it cannot be made; the error names it.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, SinkError> {
        let path = path.as_ref().to_path_buf();
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(&path);
        file.and_then(|file| file.sync_all()).map_err(|error| in_file(&path, &error))?;
        let end = fs::metadata(&path).map_err(|error| in_file(&path, &error))?.len();
        Ok(TransactionalFileSink { path, pending: None, end, records: PhantomData })
    }

    /// Where the records of an epoch are gathered, and where they wait for its commit.
    fn pending_path(&self, epoch: Option<u64>) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(".pending");
        if let Some(epoch) = epoch {
            name.push(format!("-{epoch}"));
        }
        PathBuf::from(name)
    }

    fn pending(&mut self) -> io::Result<&mut BufWriter<File>> {
        if self.pending.is_none() {
            let file = File::create(self.pending_path(None))?;
            self.pending = Some(BufWriter::with_capacity(1 << 16, file));
        }
        self.pending.as_mut().ok_or_else(|| io::Error::other("it was just made"))
    }

    /// Puts the records of an epoch where they belong. Done again it changes nothing.
    fn add(&mut self, part: &Part) -> io::Result<()> {
        let pending = self.pending_path(Some(part.epoch));
        let end = part.begin + part.len;
        let mut file = OpenOptions::new().write(true).open(&self.path)?;
        let there = file.metadata()?.len();
        match File::open(&pending) {
            Ok(mut records) if records.metadata()?.len() == part.len => {
                file.set_len(part.begin.min(there))?;
                file.seek(SeekFrom::End(0))?;
                io::copy(&mut records, &mut file)?;
                file.sync_all()?;
                fs::remove_file(&pending)?;
                sync_dir(&self.path)?;
            }
            // It had been added, and the file that held it removed, before the crash.
            _ if there >= end => file.set_len(end)?,
            Ok(_) => return Err(io::Error::other(format!("{} is not what was prepared", pending.display()))),
            Err(error) => return Err(error),
        }
        self.end = end;
        Ok(())
    }

    /// Lets go of what is not committed.
    fn clear(&mut self, committed: u64) -> io::Result<()> {
        self.pending = None;
        let pending = self.pending_path(None);
        let names = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned());
        let prefix = names(&pending).unwrap_or_default();
        for entry in fs::read_dir(dir_of(&self.path))? {
            let entry = entry?.path();
            let rest = names(&entry).and_then(|name| Some(name.strip_prefix(&prefix)?.to_owned()));
            // Of a longer name that only begins so it is not.
            let ours = |rest: &str| {
                rest.is_empty() || rest.strip_prefix('-').is_some_and(|n| n.parse::<u64>().is_ok())
            };
            if rest.is_some_and(|rest| ours(&rest)) {
                fs::remove_file(entry)?;
            }
        }
        if committed == 0 {
            OpenOptions::new().write(true).open(&self.path)?.set_len(0)?;
            self.end = 0;
        }
        Ok(())
    }
}

impl<T: Display + Send + 'static> Sink for TransactionalFileSink<T> {
    type Item = T;

    async fn write(&mut self, records: Vec<T>) -> Result<(), SinkError> {
        let path = self.path.clone();
        let pending = self.pending().map_err(|error| in_file(&path, &error))?;
        for record in records {
            writeln!(pending, "{record}").map_err(|error| in_file(&path, &error))?;
        }
        Ok(())
    }

    async fn prepare(&mut self, epoch: u64) -> Result<Vec<u8>, SinkError> {
        if epoch == 0 {
            // The flow is not durable, and begins anew each time.
            self.end = 0;
        }
        let begin = self.end;
        let len = match self.pending.take() {
            None => 0,
            Some(pending) => {
                let synced = || -> io::Result<u64> {
                    let file = pending.into_inner().map_err(io::IntoInnerError::into_error)?;
                    file.sync_all()?;
                    fs::rename(self.pending_path(None), self.pending_path(Some(epoch)))?;
                    sync_dir(&self.path)?;
                    Ok(file.metadata()?.len())
                };
                synced().map_err(|error| in_file(&self.path, &error))?
            }
        };
        // The next epoch is prepared only when this one is committed, and then this is where it begins.
        self.end = begin + len;
        Ok(Part { epoch, begin, len }.to_bytes())
    }

    async fn commit(&mut self, _epoch: u64, prepared: Vec<u8>) -> Result<(), SinkError> {
        let part = Part::from_bytes(&prepared).ok_or_else(|| {
            SinkError::new(format!("{}: what was prepared was not by this sink", self.path.display()))
        })?;
        if part.len == 0 {
            let cut = |path: &Path| -> io::Result<()> {
                let file = OpenOptions::new().write(true).open(path)?;
                if file.metadata()?.len() > part.begin {
                    file.set_len(part.begin)?;
                    file.sync_all()?;
                }
                Ok(())
            };
            cut(&self.path).map_err(|error| in_file(&self.path, &error))?;
            self.end = part.begin;
            return Ok(());
        }
        self.add(&part).map_err(|error| in_file(&self.path, &error))
    }

    async fn abort(&mut self, committed: u64) -> Result<(), SinkError> {
        self.clear(committed).map_err(|error| in_file(&self.path, &error))
    }

    fn is_transactional(&self) -> bool {
        true
    }
}

fn dir_of(path: &Path) -> &Path {
    path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Makes sure that files made or removed beside this one stay so.
fn sync_dir(path: &Path) -> io::Result<()> {
    File::open(dir_of(path))?.sync_all()
}

fn in_file(path: &Path, error: &io::Error) -> SinkError {
    SinkError::new(format!("{}: {error}", path.display()))
}

impl<T> std::fmt::Debug for TransactionalFileSink<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TransactionalFileSink").field("path", &self.path).finish_non_exhaustive()
    }
}
