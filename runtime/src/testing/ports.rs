//! Sources and sinks of a simulation: they outlive the crashes of the flow, and are slow and fail when they are told to.

use super::rng::Rng;
use crate::checkpoint::names;
use crate::checkpoint::storage::{MemoryStorage, Storage};
use crate::connect::{Sink, Source};
use crate::error::{SinkError, SourceError};
use crate::tables::{MemoryTables, Pair, StoreBatch, TableStore};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

/// Lets others go on for a while, now and then.
async fn dawdle(rng: &mut Rng) {
    for _ in 0..rng.below(4).saturating_sub(1) {
        let mut gave_way = false;
        std::future::poll_fn(|cx| {
            if std::mem::replace(&mut gave_way, true) {
                return Poll::Ready(());
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }
}

/// A place at which a flow, its store or its sinks can be made to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Point {
    /// A source gives records.
    Record,
    /// A sink prepares an epoch.
    Prepare,
    /// A segment is stored.
    Store,
    /// The manifest is created.
    Commit,
    /// A sink commits an epoch, and acknowledges it.
    Acknowledge,
    /// A table is written to, or lets what it could put back go.
    Rows,
}

impl Point {
    /// All of them.
    pub const ALL: [Point; 6] =
        [Point::Record, Point::Prepare, Point::Store, Point::Commit, Point::Acknowledge, Point::Rows];
}

/// What is to fail next, after so many times that it does not.
#[derive(Clone, Default)]
pub(super) struct Fault(Arc<Mutex<Option<(Point, u64)>>>);

impl Fault {
    pub(super) fn plan(&self, point: Option<(Point, u64)>) {
        *lock(&self.0) = point;
    }

    /// Whether it is time to fail here.
    fn strikes(&self, here: Point) -> bool {
        let mut planned = lock(&self.0);
        match planned.as_mut().filter(|(point, _)| *point == here) {
            Some((_, 0)) => {
                *planned = None;
                true
            }
            Some((_, left)) => {
                *left -= 1;
                false
            }
            None => false,
        }
    }
}

/// A storage at which a fault can strike, before something is kept or after.
pub(super) struct FaultyStorage {
    pub(super) storage: MemoryStorage,
    pub(super) fault: Fault,
    pub(super) kept: bool,
}

impl FaultyStorage {
    fn strikes(&self, name: &str) -> bool {
        let point = if name.starts_with(names::MANIFESTS) { Point::Commit } else { Point::Store };
        self.fault.strikes(point)
    }

    /// The machine is gone: whatever is asked of the storage now fails.
    fn write(&self, name: &str, write: impl Fn() -> io::Result<()>) -> io::Result<()> {
        if !self.strikes(name) {
            return write();
        }
        if self.kept {
            write()?;
        }
        self.storage.crash();
        Err(io::Error::other("the simulated machine has crashed"))
    }
}

impl Storage for FaultyStorage {
    fn put(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.write(name, || self.storage.put(name, bytes))
    }

    fn create(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.write(name, || self.storage.create(name, bytes))
    }

    fn get(&self, name: &str) -> io::Result<Vec<u8>> {
        self.storage.get(name)
    }

    fn get_range(&self, name: &str, from: u64, len: u64) -> io::Result<Vec<u8>> {
        self.storage.get_range(name, from, len)
    }

    fn list(&self, prefix: &str) -> io::Result<Vec<String>> {
        self.storage.list(prefix)
    }

    fn delete(&self, name: &str) -> io::Result<()> {
        self.storage.delete(name)
    }
}

/// A store of tables at which a fault can strike, before something is kept or after.
pub(super) struct FaultyTables {
    pub(super) tables: MemoryTables,
    /// Of the same machine.
    pub(super) storage: MemoryStorage,
    pub(super) fault: Fault,
    pub(super) kept: bool,
}

impl TableStore for FaultyTables {
    fn get(&self, key: &[u8]) -> io::Result<Option<Vec<u8>>> {
        self.tables.get(key)
    }

    fn scan(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> io::Result<Vec<Pair>> {
        self.tables.scan(prefix, after, limit)
    }

    fn write(&mut self, batch: StoreBatch) -> io::Result<()> {
        let gone = || Err(io::Error::other("the simulated machine has crashed"));
        if self.storage.crashed() {
            return gone();
        }
        if !self.fault.strikes(Point::Rows) {
            return self.tables.write(batch);
        }
        if self.kept {
            self.tables.write(batch)?;
        }
        self.storage.crash();
        gone()
    }
}

/// A source of given records, in batches of any size.
pub(super) struct GivenSource<T> {
    pub(super) records: Arc<Vec<T>>,
    pub(super) given: usize,
    pub(super) rng: Rng,
    pub(super) fault: Fault,
}

impl<T: Clone + Send + Sync + 'static> Source for GivenSource<T> {
    type Item = T;

    async fn next_batch(&mut self, limit: usize) -> Result<Option<Vec<T>>, SourceError> {
        dawdle(&mut self.rng).await;
        if self.fault.strikes(Point::Record) {
            return Err(SourceError::new("the simulated source fails"));
        }
        // Also more than was asked for.
        let size = 1 + self.rng.place(2 * limit);
        let end = self.records.len().min(self.given + size);
        let batch = self.records[self.given..end].to_vec();
        self.given = end;
        Ok((!batch.is_empty()).then_some(batch))
    }

    fn position(&self) -> Option<u64> {
        Some(self.given as u64)
    }

    async fn seek(&mut self, position: u64) -> Result<(), SourceError> {
        self.given = usize::try_from(position).map_err(SourceError::new)?;
        Ok(())
    }
}

/// What a sink has stored, which a crash does not touch.
pub(super) struct Stored<T> {
    /// What is committed.
    pub(super) visible: Vec<T>,
    /// The last epoch that is.
    pub(super) committed: u64,
    /// For each epoch that was committed, how much was visible then.
    pub(super) lengths: Vec<(u64, usize)>,
    prepared: Vec<(u64, Vec<T>)>,
}

impl<T> Default for Stored<T> {
    fn default() -> Self {
        Stored { visible: Vec::new(), committed: 0, lengths: Vec::new(), prepared: Vec::new() }
    }
}

pub(super) type SharedStore<T> = Arc<Mutex<Stored<T>>>;

pub(super) fn lock<T>(stored: &Mutex<T>) -> MutexGuard<'_, T> {
    stored.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A transactional sink into memory.
pub(super) struct CollectingSink<T> {
    pub(super) stored: SharedStore<T>,
    pub(super) written: Vec<T>,
    pub(super) rng: Rng,
    /// It fails once in so many calls; 0: never.
    pub(super) fails_one_in: u64,
    pub(super) fault: Fault,
}

impl<T> CollectingSink<T> {
    /// Fails where it is told to, before it has done something or after.
    fn at(&self, point: Point) -> Result<(), SinkError> {
        if self.fault.strikes(point) {
            return Err(SinkError::new(format!("the simulated sink fails at {point:?}")));
        }
        Ok(())
    }

    async fn call(&mut self, what: &str) -> Result<(), SinkError> {
        dawdle(&mut self.rng).await;
        if self.fails_one_in > 0 && self.rng.one_in(self.fails_one_in) {
            return Err(SinkError::new(format!("the simulated sink fails to {what}")));
        }
        Ok(())
    }
}

impl<T: Send + 'static> Sink for CollectingSink<T> {
    type Item = T;

    async fn write(&mut self, records: Vec<T>) -> Result<(), SinkError> {
        self.call("write").await?;
        self.written.extend(records);
        Ok(())
    }

    async fn prepare(&mut self, epoch: u64) -> Result<Vec<u8>, SinkError> {
        self.call("prepare").await?;
        if self.rng.one_in(2) {
            self.at(Point::Prepare)?;
        }
        let written = std::mem::take(&mut self.written);
        lock(&self.stored).prepared.push((epoch, written));
        self.at(Point::Prepare)?;
        // It may have prepared, and fail to say so.
        self.call("say that it prepared").await?;
        Ok(epoch.to_le_bytes().to_vec())
    }

    async fn commit(&mut self, _: u64, prepared: Vec<u8>) -> Result<(), SinkError> {
        self.call("commit").await?;
        if self.rng.one_in(2) {
            self.at(Point::Acknowledge)?;
        }
        let epoch = prepared.try_into().map(u64::from_le_bytes);
        let epoch = epoch.map_err(|_| SinkError::new("what was prepared is not by this sink"))?;
        {
            let mut stored = lock(&self.stored);
            if epoch > stored.committed {
                let place = stored.prepared.iter().position(|(prepared, _)| *prepared == epoch);
                let place = place.ok_or_else(|| SinkError::new("what is committed was never prepared"))?;
                let (_, records) = stored.prepared.remove(place);
                stored.visible.extend(records);
                stored.committed = epoch;
                let length = stored.visible.len();
                stored.lengths.push((epoch, length));
            }
        }
        self.at(Point::Acknowledge)?;
        self.call("say that it committed").await
    }

    async fn abort(&mut self, _: u64) -> Result<(), SinkError> {
        self.call("abort").await?;
        lock(&self.stored).prepared.clear();
        Ok(())
    }

    fn is_transactional(&self) -> bool {
        true
    }
}
