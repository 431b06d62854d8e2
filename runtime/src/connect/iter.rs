//! Sources from iterators.

use super::Source;
use crate::error::SourceError;

/// A source of what an iterator gives. Its `next` is called on the task of the stage it feeds: it must not block.
///
/// In a durable flow the iterator that is given when the flow starts again must give the same records from the beginning:
/// those that are part of the checkpoint are passed over.
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
        Ok((!batch.is_empty()).then_some(batch))
    }

    fn position(&self) -> Option<u64> {
        Some(self.given)
    }

    async fn seek(&mut self, position: u64) -> Result<(), SourceError> {
        super::pass_over(&mut self.items, &mut self.given, position)
    }
}
