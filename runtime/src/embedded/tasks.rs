//! Tasks that are not stages: those of sources and sinks. And the guard around every task.

use super::channel::Sender;
use super::output::Output;
use super::shared::Shared;
use crate::batch::Batch;
use crate::connect::{Sink, Source};
use crate::error::FlowError;
use crate::panic;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

/// Runs a task; a panic in it ends the flow with an error that names the node, and hangs nobody.
pub(super) async fn guarded(
    task: impl Future<Output = ()> + Send,
    place: &'static str,
    shared: Arc<Shared>,
) {
    let mut task: Pin<Box<dyn Future<Output = ()> + Send>> = Box::pin(task);
    let caught = std::future::poll_fn(|cx| {
        match catch_unwind(AssertUnwindSafe(|| task.as_mut().poll(cx))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(())) => Poll::Ready(None),
            Err(payload) => Poll::Ready(Some(payload)),
        }
    })
    .await;
    if let Some(payload) = caught {
        shared.fail(FlowError::Panicked {
            flow: shared.graph.flow,
            node: panic::take_node().map_or(place, |node| shared.node_name(node)),
            message: panic::message(&*payload),
        });
    }
}

/// Feeds an input from a source, until the source ends, or is told to.
pub(super) async fn feed<S: Source>(
    mut source: S,
    input: &'static str,
    sender: Sender<S::Item>,
    shared: Arc<Shared>,
    limit: usize,
) {
    loop {
        let next = tokio::select! {
            biased;
            () = shared.stopped.cancelled() => return,
            () = shared.quitting.cancelled() => return,
            next = source.next_batch(limit) => next,
        };
        match next {
            Ok(Some(items)) if items.is_empty() => {}
            Ok(Some(items)) => {
                if send_in_batches(&sender, items, limit).await.is_err() {
                    return;
                }
            }
            Ok(None) => return,
            Err(error) => {
                let flow = shared.graph.flow;
                return shared.fail(FlowError::Source { flow, input, error });
            }
        }
    }
}

/// Sends records in batches of at most `limit`; what could not be sent comes back.
pub(super) async fn send_in_batches<T>(sender: &Sender<T>, mut items: Vec<T>, limit: usize) -> Result<(), Vec<T>> {
    while !items.is_empty() {
        let rest = if items.len() > limit { items.split_off(limit) } else { Vec::new() };
        if let Err(unsent) = sender.send(Batch::of(items)).await {
            let mut unsent = unsent.0.items;
            unsent.extend(rest);
            return Err(unsent);
        }
        items = rest;
    }
    Ok(())
}

/// Empties an output into a sink, until the flow ends.
pub(super) async fn drain<K: Sink>(mut sink: K, name: &'static str, mut output: Output<K::Item>, shared: Arc<Shared>) {
    let result = async {
        while let Some(batch) = output.next_batch().await {
            sink.write(batch).await?;
        }
        // After a failure what was written is not whole, and is not to look as if it were.
        if shared.error().is_some() { Ok(()) } else { sink.close().await }
    };
    let result = tokio::select! {
        biased;
        () = shared.stopped.cancelled() => return,
        result = result => result,
    };
    if let Err(error) = result {
        shared.fail(FlowError::Sink { flow: shared.graph.flow, output: name, error });
    }
}
