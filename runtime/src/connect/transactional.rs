//! A sink into a file that holds what is committed, once each, and nothing else.

use super::Sink;
use crate::error::SinkError;
use std::fmt::Display;
use std::fs::{self, File, OpenOptions};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

/// A file with a line for each committed record, as its `Display` writes it: each once, whatever crashed and when.
///
/// The records of an epoch are gathered in a file beside it, `NAME.pending-SINK`, which is `NAME.pending-EPOCH-SINK` once it
/// is whole, and added when the epoch is committed. `SINK` is a number that each sink draws for itself: one in a process that
/// was only thought dead gets in the way of none that has taken its place.
/// What is in the file is never taken back; a crash while an epoch is being added leaves a part of it, which the next start
/// completes. In a flow that is not durable all is added when the flow has finished.
///
/// A start without a committed epoch empties the file: what is in it then is of another flow, or of one whose store is gone.
pub struct TransactionalFileSink<T> {
    path: PathBuf,
    /// In the names of the files that this sink makes.
    sink: u64,
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
    /// The sink that prepared it; none in what was stored before sinks had numbers.
    sink: Option<u64>,
}

impl Part {
    fn to_bytes(&self) -> Vec<u8> {
        let numbers = [self.epoch, self.begin, self.len].into_iter().chain(self.sink);
        numbers.flat_map(u64::to_le_bytes).collect()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Part> {
        let mut numbers =
            bytes.chunks_exact(8).filter_map(|bytes| Some(u64::from_le_bytes(bytes.try_into().ok()?)));
        let (epoch, begin, len) = (numbers.next()?, numbers.next()?, numbers.next()?);
        Some(Part { epoch, begin, len, sink: numbers.next() })
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
        let sink = RandomState::new().hash_one(std::process::id());
        Ok(TransactionalFileSink { path, sink, pending: None, end, records: PhantomData })
    }

    /// Beside the file, where something waits to be added.
    fn pending_path(&self, of: impl IntoIterator<Item = u64>) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(".pending");
        of.into_iter().for_each(|number| name.push(format!("-{number}")));
        PathBuf::from(name)
    }

    fn pending(&mut self) -> io::Result<&mut BufWriter<File>> {
        if self.pending.is_none() {
            let file = File::create(self.pending_path([self.sink]))?;
            self.pending = Some(BufWriter::with_capacity(1 << 16, file));
        }
        self.pending.as_mut().ok_or_else(|| io::Error::other("it was just made"))
    }

    /// Puts the records of an epoch where they belong. Done again it changes nothing.
    fn add(&mut self, part: &Part) -> io::Result<()> {
        let pending = self.pending_path([part.epoch].into_iter().chain(part.sink));
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
        let pending = self.pending_path([]);
        let names = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned());
        let prefix = names(&pending).unwrap_or_default();
        for entry in fs::read_dir(dir_of(&self.path))? {
            let entry = entry?.path();
            let rest = names(&entry).and_then(|name| Some(name.strip_prefix(&prefix)?.to_owned()));
            // Of a longer name that only begins so it is not.
            let ours = |rest: &str| {
                let mut numbers = rest.split('-');
                numbers.next() == Some("") && numbers.all(|number| number.parse::<u64>().is_ok())
            };
            if rest.is_some_and(|rest| ours(&rest)) {
                match fs::remove_file(entry) {
                    // One that makes such files beside this sink removes them, too.
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                    _ => {}
                }
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
                    fs::rename(self.pending_path([self.sink]), self.pending_path([epoch, self.sink]))?;
                    sync_dir(&self.path)?;
                    Ok(file.metadata()?.len())
                };
                synced().map_err(|error| in_file(&self.path, &error))?
            }
        };
        // The next epoch is prepared only when this one is committed, and then this is where it begins.
        self.end = begin + len;
        Ok(Part { epoch, begin, len, sink: Some(self.sink) }.to_bytes())
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    /// A sink waits for the disk alone.
    fn done<T>(future: impl Future<Output = Result<T, SinkError>>) -> T {
        match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(result) => result.expect("the disk is well"),
            Poll::Pending => panic!("it waits"),
        }
    }

    fn scratch(name: &str) -> PathBuf {
        let dir = std::env::temp_dir().join(format!("psdf-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir).expect("scratch can be made");
        dir
    }

    #[test]
    fn a_sink_that_was_only_thought_dead_adds_nothing() {
        let dir = scratch("two-sinks");
        let path = dir.join("rows");
        let mut before = TransactionalFileSink::open(&path).expect("it can be made");
        done(before.abort(0));
        done(before.write(vec!["a"]));
        let first = done(before.prepare(1));
        done(before.commit(1, first.clone()));
        done(before.write(vec!["of the dead"]));

        let mut now = TransactionalFileSink::open(&path).expect("it is there");
        done(now.commit(1, first));
        done(now.abort(1));
        done(now.write(vec!["b"]));
        done(before.write(vec!["of the dead"]));
        let second = done(now.prepare(2));
        // What the other had is gone from its place, or it would have prepared the same epoch.
        assert!(pin!(before.prepare(2)).poll(&mut Context::from_waker(Waker::noop())).is_ready());
        done(now.commit(2, second));
        assert_eq!(fs::read_to_string(&path).expect("it is there"), "a\nb\n");
        let _ = fs::remove_dir_all(dir);
    }

    #[test]
    fn what_was_prepared_before_sinks_had_numbers_is_added() {
        let dir = scratch("old-sink");
        let path = dir.join("rows");
        fs::write(&path, "a\n").expect("scratch can be written");
        fs::write(dir.join("rows.pending-2"), "b\n").expect("scratch can be written");
        let mut sink = TransactionalFileSink::<&str>::open(&path).expect("it is there");
        done(sink.commit(2, Part { epoch: 2, begin: 2, len: 2, sink: None }.to_bytes()));
        assert_eq!(fs::read_to_string(&path).expect("it is there"), "a\nb\n");
        assert!(!dir.join("rows.pending-2").exists());
        let _ = fs::remove_dir_all(dir);
    }
}
