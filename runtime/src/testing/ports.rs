//! Sources and sinks of a simulation: they outlive the crashes of the flow, and are slow and fail when they are told to.

use super::rng::Rng;
use crate::connect::{Sink, Source};
use crate::error::{SinkError, SourceError};
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

/// A source of given records, in batches of any size.
pub(super) struct GivenSource<T> {
    pub(super) records: Arc<Vec<T>>,
    pub(super) given: usize,
    pub(super) rng: Rng,
}

impl<T: Clone + Send + Sync + 'static> Source for GivenSource<T> {
    type Item = T;

    async fn next_batch(&mut self, limit: usize) -> Result<Option<Vec<T>>, SourceError> {
        dawdle(&mut self.rng).await;
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
}

impl<T> CollectingSink<T> {
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
        let written = std::mem::take(&mut self.written);
        lock(&self.stored).prepared.push((epoch, written));
        // It may have prepared, and fail to say so.
        self.call("say that it prepared").await?;
        Ok(epoch.to_le_bytes().to_vec())
    }

    async fn commit(&mut self, _: u64, prepared: Vec<u8>) -> Result<(), SinkError> {
        self.call("commit").await?;
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
