//! Sources from iterators.

use super::Source;
use crate::error::SourceError;
use std::error::Error;
use tokio::sync::mpsc;

/// A source of what an iterator gives. Its `next` is called on the task of the source: it must not block.
pub fn iter<I>(items: I) -> IterSource<I::IntoIter>
where
    I: IntoIterator<IntoIter: Send + 'static, Item: Send + 'static>,
{
    IterSource { items: items.into_iter(), given: 0 }
}

/// See [`iter`].
#[derive(Debug)]
pub struct IterSource<I> {
    items: I,
    given: u64,
}

impl<I: Iterator<Item: Send + 'static> + Send + 'static> Source for IterSource<I> {
    type Item = I::Item;

    async fn next_batch(&mut self, limit: usize) -> Result<Option<Vec<I::Item>>, SourceError> {
        let batch: Vec<_> = self.items.by_ref().take(limit).collect();
        self.given += batch.len() as u64;
        // Between batches others may run: an iterator over memory is always ready.
        tokio::task::yield_now().await;
        Ok((!batch.is_empty()).then_some(batch))
    }

    fn position(&self) -> Option<u64> {
        Some(self.given)
    }
}

/// A source of what an iterator gives that may block: it runs on a thread of its own.
///
/// The iterator's first `Err` ends the flow with [`FlowError::Source`](crate::FlowError::Source).
pub fn blocking<I, T, E>(items: I) -> impl Source<Item = T>
where
    I: IntoIterator<Item = Result<T, E>, IntoIter: Send + 'static>,
    T: Send + 'static,
    E: Into<Box<dyn Error + Send + Sync>>,
{
    Blocking::NotBegun(items.into_iter())
}

type Batches<T> = mpsc::Receiver<Result<Vec<T>, SourceError>>;

enum Blocking<I, T> {
    NotBegun(I),
    Running(Batches<T>, u64),
    Ended,
}

impl<I, T, E> Source for Blocking<I, T>
where
    I: Iterator<Item = Result<T, E>> + Send + 'static,
    T: Send + 'static,
    E: Into<Box<dyn Error + Send + Sync>>,
{
    type Item = T;

    async fn next_batch(&mut self, limit: usize) -> Result<Option<Vec<T>>, SourceError> {
        if matches!(self, Blocking::NotBegun(_))
            && let Blocking::NotBegun(items) = std::mem::replace(self, Blocking::Ended)
        {
            *self = Blocking::Running(read_on_a_thread(items, limit)?, 0);
        }
        let Blocking::Running(batches, given) = self else { return Ok(None) };
        match batches.recv().await {
            Some(Ok(batch)) => {
                *given += batch.len() as u64;
                Ok(Some(batch))
            }
            Some(Err(error)) => Err(error),
            None => Ok(None),
        }
    }

    fn position(&self) -> Option<u64> {
        match self {
            Blocking::NotBegun(_) => Some(0),
            Blocking::Running(_, given) => Some(*given),
            Blocking::Ended => None,
        }
    }
}

/// A thread, not tokio's blocking pool: it lives as long as its flow, and the pool is for short work.
fn read_on_a_thread<I, T, E>(items: I, limit: usize) -> Result<Batches<T>, SourceError>
where
    I: Iterator<Item = Result<T, E>> + Send + 'static,
    T: Send + 'static,
    E: Into<Box<dyn Error + Send + Sync>>,
{
    let (sender, receiver) = mpsc::channel(2);
    let read = move || {
        let mut items = items.fuse();
        loop {
            let mut batch = Vec::with_capacity(limit.min(1024));
            let mut failed = None;
            for item in items.by_ref().take(limit) {
                match item {
                    Ok(item) => batch.push(item),
                    Err(error) => {
                        failed = Some(SourceError::new(error));
                        break;
                    }
                }
            }
            let ended = batch.is_empty();
            if !ended && sender.blocking_send(Ok(batch)).is_err() {
                return;
            }
            if let Some(error) = failed {
                // Whoever stopped listening has no use for the error either.
                let _ = sender.blocking_send(Err(error));
                return;
            }
            if ended {
                return;
            }
        }
    };
    std::thread::Builder::new().name("psdf-source".into()).spawn(read)?;
    Ok(receiver)
}
