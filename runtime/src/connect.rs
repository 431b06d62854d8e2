//! Where records come from and go to: sources and sinks.

mod blocking;
mod files;
mod iter;
mod lines;
mod transactional;

pub use blocking::blocking;
pub use files::FileSink;
pub use iter::{IterSource, iter};
pub use lines::{LineSource, files, stdin};
pub use transactional::TransactionalFileSink;

use crate::error::{SinkError, SourceError};
use std::future::Future;

/// Passes over the first items of an iterator, up to a position.
fn pass_over(items: &mut impl Iterator, given: &mut u64, position: u64) -> Result<(), SourceError> {
    while *given < position {
        if items.next().is_none() {
            return Err(SourceError::new(format!(
                "{position} records of this source are part of the checkpoint, but now it gives only {given}"
            )));
        }
        *given += 1;
    }
    Ok(())
}

/// Where an input's records come from.
///
/// The flow asks for the next batch when it has room, so a source never runs ahead of it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a source",
    label = "records come from a source, such as `sources::iter(..)`",
    note = "`psdf::sources` has some; a type of your own implements `psdf::Source`"
)]
pub trait Source: Send + 'static {
    /// What it gives.
    type Item: Send + 'static;

    /// The next records, in order, about `limit` of them; `None` after the last. An empty batch is passed over.
    ///
    /// # Errors
    /// A source that cannot go on ends the flow with [`FlowError::Source`](crate::FlowError::Source).
    ///
    /// # Cancel safety
    /// The future is dropped where it stands when the flow is stopped; nothing is read after that.
    fn next_batch(
        &mut self,
        limit: usize,
    ) -> impl Future<Output = Result<Option<Vec<Self::Item>>, SourceError>> + Send;

    /// Where the source stands after the records given so far, in a measure of its own (records, bytes): for
    /// progress, and to begin again from there. `None` if it cannot tell.
    fn position(&self) -> Option<u64> {
        None
    }

    /// Begins again from where it [stood](Source::position) once: the next record is the one that followed then. Called
    /// before anything is read, when a durable flow goes on from a checkpoint.
    ///
    /// # Errors
    /// If it cannot: the flow ends with [`FlowError::Source`](crate::FlowError::Source).
    fn seek(&mut self, position: u64) -> impl Future<Output = Result<(), SourceError>> + Send {
        let stands = self.position();
        async move {
            if stands == Some(position) {
                return Ok(());
            }
            Err(SourceError::new("this source cannot begin again from a position: implement `Source::seek`"))
        }
    }
}

/// Where an output's records go to.
///
/// In a durable flow a sink takes part in epochs, in two phases: [`prepare`](Sink::prepare) makes what was written since
/// the epoch before safe but not visible, [`commit`](Sink::commit) makes it visible once the epoch is committed. After a
/// crash what was prepared for the committed epoch is committed again, and the rest is [aborted](Sink::abort): so each
/// record is visible exactly once. A sink that does not implement them gets each record at least once.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a sink",
    label = "records go to a sink, such as `sinks::FileSink`",
    note = "a type of your own implements `psdf::Sink`; without a sink, read the output with `next().await`"
)]
pub trait Sink: Send + 'static {
    /// What it takes.
    type Item: Send + 'static;

    /// Takes records, in order. The flow waits for it: that is how a slow sink slows its flow.
    ///
    /// # Errors
    /// A sink that cannot go on ends the flow with [`FlowError::Sink`](crate::FlowError::Sink).
    fn write(&mut self, records: Vec<Self::Item>) -> impl Future<Output = Result<(), SinkError>> + Send;

    /// All records of the epoch are written: makes them safe, so that they can be committed even after a crash. What is
    /// written from here on belongs to the next epoch. Answers what [`commit`](Sink::commit) needs for that, in a form of
    /// its own: it is part of the checkpoint.
    ///
    /// # Errors
    /// As for [`Sink::write`].
    fn prepare(&mut self, _epoch: u64) -> impl Future<Output = Result<Vec<u8>, SinkError>> + Send {
        async { Ok(Vec::new()) }
    }

    /// The epoch is committed: makes what was prepared for it visible. After a crash it is called again for the last
    /// committed epoch, whether or not it had been done: the second time must change nothing.
    ///
    /// # Errors
    /// As for [`Sink::write`].
    fn commit(
        &mut self,
        _epoch: u64,
        _prepared: Vec<u8>,
    ) -> impl Future<Output = Result<(), SinkError>> + Send {
        async { Ok(()) }
    }

    /// Lets go of all that was written or prepared for epochs after `committed`: it will come again. Called once when a
    /// durable flow starts, after the last committed epoch was committed again, and before anything is written.
    ///
    /// # Errors
    /// As for [`Sink::write`].
    fn abort(&mut self, _committed: u64) -> impl Future<Output = Result<(), SinkError>> + Send {
        async { Ok(()) }
    }

    /// Whether what is not committed is never visible, so that each record is there exactly once: whether
    /// [`prepare`](Sink::prepare), [`commit`](Sink::commit) and [`abort`](Sink::abort) are implemented.
    fn is_transactional(&self) -> bool {
        false
    }

    /// The flow has ended and all records are written: flush.
    ///
    /// # Errors
    /// As for [`Sink::write`].
    fn close(&mut self) -> impl Future<Output = Result<(), SinkError>> + Send {
        async { Ok(()) }
    }
}
