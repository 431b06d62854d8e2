//! Sources from iterators.

use super::Source;
use crate::error::SourceError;
use std::task::Poll;

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
        // Between batches others may run: an iterator over memory is always ready. Once items are taken nothing is waited
        // for, or they would be lost where the future is dropped.
        let mut gave_way = false;
        std::future::poll_fn(|cx| {
            if std::mem::replace(&mut gave_way, true) {
                return Poll::Ready(());
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
        let batch: Vec<_> = self.items.by_ref().take(limit).collect();
        self.given += batch.len() as u64;
        Ok((!batch.is_empty()).then_some(batch))
    }

    fn position(&self) -> Option<u64> {
        Some(self.given)
    }
}
