//! Tasks that are not stages: those of sources and sinks. And the guard around every task.

use super::channel::SourceAt;
use super::epochs::Note;
use super::output::{Output, Taken};
use super::queue::QueueWriter;
use super::shared::{Place, Shared};
use crate::batch::Batch;
use crate::connect::{Sink, Source};
use crate::error::{FlowError, SinkError, SourceError};
use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use tokio::sync::watch;

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
    at: Begin,
) {
    match caught(pass_on(source, input, &mut writer, &shared, limit, at)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => shared.fail(FlowError::Source { flow: shared.graph.flow, input, error }),
        Err(panic) => shared.fail_by_panic(Place::outside(input), &*panic),
    }
}

/// Where a source begins, and where it says how far it is.
pub(super) struct Begin {
    /// Where it stood when the epoch that was restored was committed.
    pub(super) from: Option<u64>,
    pub(super) at: Arc<SourceAt>,
}

async fn pass_on<S: Source>(
    mut source: S,
    input: &'static str,
    writer: &mut QueueWriter<S::Item>,
    shared: &Shared,
    limit: usize,
    Begin { from, at }: Begin,
) -> Result<(), SourceError> {
    if let Some(from) = from {
        source.seek(from).await?;
    }
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
        let position = source.position();
        let mut batches = in_batches(items, limit).peekable();
        while let Some(items) = batches.next() {
            // Only after the last of them is it known where it stands.
            at.set(if batches.peek().is_none() { position } else { None });
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
    restored: Option<(u64, Vec<u8>)>,
) {
    let written = async {
        match output.epochs() {
            None => write_all(&mut sink, &mut output, &shared).await,
            Some(_) => write_by_epochs(&mut sink, &mut output, &shared, restored).await,
        }
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

/// Writes all there is, and commits it at the end.
async fn write_all<K: Sink>(
    sink: &mut K,
    output: &mut Output<K::Item>,
    shared: &Shared,
) -> Result<(), SinkError> {
    while let Some(batch) = output.next_batch().await {
        sink.write(batch).await?;
    }
    // After a failure what was written is not whole, and is not to look as if it were.
    if shared.error().is_some() {
        return Ok(());
    }
    let prepared = sink.prepare(0).await?;
    sink.commit(0, prepared).await?;
    sink.close().await
}

async fn until_committed(committed: &mut watch::Receiver<u64>, epoch: u64) {
    // Whoever commits is gone only when the flow is over, and then so is this task.
    let _ = committed.wait_for(|&committed| committed >= epoch).await.is_ok();
}

/// Prepares what was written when a barrier comes, and commits it when its epoch is committed.
async fn write_by_epochs<K: Sink>(
    sink: &mut K,
    output: &mut Output<K::Item>,
    shared: &Shared,
    restored: Option<(u64, Vec<u8>)>,
) -> Result<(), SinkError> {
    let Some((place, epochs)) = output.epochs() else { return Ok(()) };
    let restored_epoch = epochs.restored;
    if let Some((epoch, prepared)) = restored.filter(|(_, prepared)| !prepared.is_empty()) {
        sink.commit(epoch, prepared).await?;
    }
    sink.abort(restored_epoch).await?;
    let mut committed = epochs.committed.subscribe();
    let mut prepared: Option<(u64, Option<Vec<u8>>)> = None;
    let mut ended = false;
    // A flow that had finished before gives its sinks nothing more.
    let mut takes_part = !epochs.was_finished;
    loop {
        if let Some((epoch, _)) = prepared {
            tokio::select! {
                biased;
                () = until_committed(&mut committed, epoch) => {}
                taken = std::future::poll_fn(|cx| output.poll_taken(cx)), if !ended => {
                    match taken {
                        Taken::Records(records) => {
                            takes_part = true;
                            sink.write(records).await?;
                        }
                        Taken::Barrier(_) => return Err(SinkError::new("an epoch began before the last was committed")),
                        Taken::Ended => ended = true,
                    }
                    continue;
                }
            }
            if let Some((epoch, prepared)) = prepared.take() {
                if let Some(prepared) = prepared {
                    sink.commit(epoch, prepared).await?;
                }
                epochs.note(Note::Acknowledged { output: place });
            }
            if output.is_over() {
                return sink.close().await;
            }
            continue;
        }
        if ended {
            if shared.error().is_some() {
                return Ok(());
            }
            let epoch = output.epoch();
            let last = if takes_part { Some(sink.prepare(epoch).await?) } else { None };
            output.ended(last.clone().unwrap_or_default());
            prepared = Some((epoch, last));
            continue;
        }
        match std::future::poll_fn(|cx| output.poll_taken(cx)).await {
            Taken::Records(records) => {
                takes_part = true;
                sink.write(records).await?;
            }
            Taken::Barrier(epoch) => {
                let part = if takes_part { Some(sink.prepare(epoch).await?) } else { None };
                output.prepared(epoch, part.clone().unwrap_or_default(), false);
                prepared = Some((epoch, part));
            }
            Taken::Ended => ended = true,
        }
    }
}
