//! Where records come from and go to: sources and sinks.

mod blocking;
mod files;
mod iter;
mod lines;

pub use blocking::blocking;
pub use files::FileSink;
pub use iter::{IterSource, iter};
pub use lines::{LineSource, files, stdin};

use crate::error::{SinkError, SourceError};
use std::future::Future;

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
}

/// Where an output's records go to.
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

    /// The flow has ended and all records are written: flush.
    ///
    /// # Errors
    /// As for [`Sink::write`].
    fn close(&mut self) -> impl Future<Output = Result<(), SinkError>> + Send {
        async { Ok(()) }
    }
}
