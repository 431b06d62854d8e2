//! A source from an iterator that may block.

use super::Source;
use crate::error::SourceError;
use std::any::Any;
use std::error::Error;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// A source of what an iterator gives that may block: it runs on a thread of its own, a batch or two ahead of the flow.
///
/// An item is passed on as soon as it is there, however long the next one takes. The iterator's first `Err` ends the
/// flow with [`FlowError::Source`](crate::FlowError::Source).
///
/// In a durable flow the iterator that is given when the flow starts again must give the same items from the beginning:
/// those that are part of the checkpoint are passed over.
pub fn blocking<I, T, E>(items: I) -> impl Source<Item = T>
where
    I: IntoIterator<Item = Result<T, E>, IntoIter: Send + 'static>,
    T: Send + 'static,
    E: Into<Box<dyn Error + Send + Sync>>,
{
    Blocking { items: Some(items.into_iter()), basket: Arc::default(), given: 0, skipped: 0, again: true }
}

/// The same for an iterator that never gives its items again.
pub(super) fn blocking_once<I, T, E>(items: I) -> impl Source<Item = T>
where
    I: IntoIterator<Item = Result<T, E>, IntoIter: Send + 'static>,
    T: Send + 'static,
    E: Into<Box<dyn Error + Send + Sync>>,
{
    Blocking { items: Some(items.into_iter()), basket: Arc::default(), given: 0, skipped: 0, again: false }
}

struct Blocking<I, T> {
    /// `None` once the thread has it.
    items: Option<I>,
    basket: Arc<Basket<T>>,
    given: u64,
    /// The items at the beginning that are not to be given.
    skipped: u64,
    /// Whether there will be the same items when the flow starts again.
    again: bool,
}

impl<I, T, E> Source for Blocking<I, T>
where
    I: Iterator<Item = Result<T, E>> + Send + 'static,
    T: Send + 'static,
    E: Into<Box<dyn Error + Send + Sync>>,
{
    type Item = T;

    async fn next_batch(&mut self, limit: usize) -> Result<Option<Vec<T>>, SourceError> {
        if let Some(items) = self.items.take() {
            let (basket, room, skipped) = (Arc::clone(&self.basket), limit.saturating_mul(2), self.skipped);
            // Not tokio's blocking pool: the thread lives as long as its flow, and the pool is for short work.
            let thread = std::thread::Builder::new().name("psdf-source".into());
            thread.spawn(move || basket.fill(items, room, skipped))?;
        }
        loop {
            if let Some(batch) = self.basket.take(limit) {
                let batch = batch?;
                self.given += batch.as_ref().map_or(0, |batch| batch.len() as u64);
                return Ok(batch);
            }
            self.basket.news.notified().await;
        }
    }

    fn position(&self) -> Option<u64> {
        self.again.then_some(self.given)
    }

    async fn seek(&mut self, position: u64) -> Result<(), SourceError> {
        // On the thread, which may block.
        (self.skipped, self.given) = (position, position);
        Ok(())
    }
}

impl<I, T> Drop for Blocking<I, T> {
    fn drop(&mut self) {
        self.basket.lock().unwanted = true;
        self.basket.room.notify_one();
    }
}

/// What the thread has read and the flow has not taken.
struct Basket<T> {
    content: Mutex<Content<T>>,
    /// For the flow: there is something.
    news: Notify,
    /// For the thread: there is room, or nobody wants anything any more.
    room: Condvar,
}

struct Content<T> {
    items: Vec<T>,
    end: Option<End>,
    unwanted: bool,
}

/// How an iterator ended.
enum End {
    Drained,
    Failed(SourceError),
    Panicked(Box<dyn Any + Send>),
}

impl<T> Default for Basket<T> {
    fn default() -> Self {
        let content = Content { items: Vec::new(), end: None, unwanted: false };
        Basket { content: Mutex::new(content), news: Notify::new(), room: Condvar::new() }
    }
}

impl<T> Basket<T> {
    /// Nothing panics while it holds the lock.
    fn lock(&self) -> MutexGuard<'_, Content<T>> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads an iterator to its end; whoever takes what is in the basket decides how fast.
    fn fill<E: Into<Box<dyn Error + Send + Sync>>>(
        &self,
        mut items: impl Iterator<Item = Result<T, E>>,
        room: usize,
        skipped: u64,
    ) {
        let read = || {
            if let Err(error) = super::pass_over(&mut items, &mut 0, skipped) {
                return End::Failed(error);
            }
            for item in items {
                match item.map(|item| self.put(item, room)) {
                    Ok(true) => {}
                    Ok(false) => return End::Drained,
                    Err(error) => return End::Failed(SourceError::new(error)),
                }
            }
            End::Drained
        };
        let end = catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(End::Panicked);
        self.lock().end = Some(end);
        self.news.notify_one();
    }

    /// Waits for room and adds an item; whether anybody wants more.
    fn put(&self, item: T, room: usize) -> bool {
        let is_full = |content: &mut Content<T>| content.items.len() >= room && !content.unwanted;
        let content = self.room.wait_while(self.lock(), is_full);
        let mut content = content.unwrap_or_else(PoisonError::into_inner);
        content.items.push(item);
        let (first, wanted) = (content.items.len() == 1, !content.unwanted);
        drop(content);
        if first {
            self.news.notify_one();
        }
        wanted
    }

    /// At most `limit` of the items that are there; `None` if there are none yet.
    fn take(&self, limit: usize) -> Option<Result<Option<Vec<T>>, SourceError>> {
        let mut content = self.lock();
        if content.items.is_empty() {
            return match content.end.replace(End::Drained) {
                Some(End::Drained) => Some(Ok(None)),
                Some(End::Failed(error)) => Some(Err(error)),
                // On the task of the source, where it ends the flow in good order.
                Some(End::Panicked(panic)) => {
                    drop(content);
                    resume_unwind(panic)
                }
                None => {
                    content.end = None;
                    None
                }
            };
        }
        let rest = if content.items.len() > limit { content.items.split_off(limit) } else { Vec::new() };
        let taken = std::mem::replace(&mut content.items, rest);
        self.room.notify_one();
        Some(Ok(Some(taken)))
    }
}
