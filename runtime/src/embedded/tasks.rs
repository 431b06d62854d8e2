//! Tasks that are not stages: those of sources and sinks. And the guard around every task.

use super::output::Output;
use super::queue::QueueWriter;
use super::shared::{Place, Shared};
use crate::batch::Batch;
use crate::connect::{Sink, Source};
use crate::error::{FlowError, SourceError};
use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;

/// Runs a task; a panic in it ends the flow with an error that names the node, and hangs nobody.
pub(super) async fn guarded(task: impl Future<Output = ()> + Send, place: &'static str, shared: Arc<Shared>) {
    let task: Pin<Box<dyn Future<Output = ()> + Send>> = Box::pin(task);
    let mut unfinished = Unfinished(Some(&shared));
    if let Err(panic) = caught(task).await {
        shared.fail_by_panic(Place::outside(place), &*panic);
    }
    unfinished.0 = None;
}

/// Stops the flow of a task that is dropped before it has ended: its runtime was shut down.
struct Unfinished<'a>(Option<&'a Shared>);

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        if let Some(shared) = self.0 {
            shared.stop();
        }
    }
}

/// What a panic said.
pub(super) type Panic = Box<dyn Any + Send>;

/// Runs a future up to its end or its panic.
///
/// What the future borrows outlives the panic. So a task keeps the ends of its channels outside, and tells of the panic
/// before it lets go of them: whoever sees a flow end finds out why.
pub(super) async fn caught<T>(future: impl Future<Output = T>) -> Result<T, Panic> {
    let mut future = pin!(future);
    std::future::poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
        Ok(poll) => poll.map(Ok),
        Err(panic) => Poll::Ready(Err(panic)),
    })
    .await
}

/// Feeds an input from a source, until the source ends, or is told to. Runs on the task that reads the input.
pub(super) async fn feed<S: Source>(
    source: S,
    input: &'static str,
    mut writer: QueueWriter<S::Item>,
    shared: Arc<Shared>,
    limit: usize,
) {
    match caught(pass_on(source, input, &mut writer, &shared, limit)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => shared.fail(FlowError::Source { flow: shared.graph.flow, input, error }),
        Err(panic) => shared.fail_by_panic(Place::outside(input), &*panic),
    }
}

async fn pass_on<S: Source>(
    mut source: S,
    input: &'static str,
    writer: &mut QueueWriter<S::Item>,
    shared: &Shared,
    limit: usize,
) -> Result<(), SourceError> {
    // Once, and not for each batch: each takes a lock to be told.
    let (mut stopped, mut quitting) = (pin!(shared.stopped.cancelled()), pin!(shared.quitting.cancelled()));
    loop {
        let next = tokio::select! {
            biased;
            () = &mut stopped => return Ok(()),
            () = &mut quitting => return Ok(()),
            next = source.next_batch(limit) => next?,
        };
        let Some(items) = next else { return Ok(()) };
        let mut batches = in_batches(items, limit);
        while let Some(items) = batches.next() {
            let mut batch = Some(Batch::of(items));
            let mut written = std::future::poll_fn(|cx| writer.poll_write(&mut batch, cx)).await;
            if written.is_ok() {
                // Before more is asked for, this is worked on.
                written = std::future::poll_fn(|cx| writer.poll_read_out(cx)).await;
            }
            if written.is_err() {
                let unsent = batch.into_iter().map(|batch| batch.items).chain(batches);
                shared.note_dropped(input, unsent.map(|items| items.len() as u64).sum());
                return Ok(());
            }
        }
    }
}

/// Cuts records into batches of at most `limit`.
pub(super) fn in_batches<T>(mut items: Vec<T>, limit: usize) -> impl Iterator<Item = Vec<T>> {
    std::iter::from_fn(move || {
        let rest = if items.len() > limit { items.split_off(limit) } else { Vec::new() };
        let batch = std::mem::replace(&mut items, rest);
        (!batch.is_empty()).then_some(batch)
    })
}

/// Empties an output into a sink, until the flow ends.
pub(super) async fn drain<K: Sink>(
    mut sink: K,
    name: &'static str,
    mut output: Output<K::Item>,
    shared: Arc<Shared>,
) {
    let written = async {
        while let Some(batch) = output.next_batch().await {
            sink.write(batch).await?;
        }
        // After a failure what was written is not whole, and is not to look as if it were.
        if shared.error().is_some() { Ok(()) } else { sink.close().await }
    };
    let written = tokio::select! {
        biased;
        () = shared.stopped.cancelled() => None,
        result = written => Some(result),
    };
    match written {
        Some(Ok(())) => {}
        Some(Err(error)) => shared.fail(FlowError::Sink { flow: shared.graph.flow, output: name, error }),
        None => shared.note_dropped(name, output.abandon()),
    }
}
