//! Typed handles of inputs.

use super::channel::Sender;
use super::epochs::Epochs;
use super::shared::Shared;
use super::tasks::in_batches;
use crate::batch::Batch;
use crate::error::{Refusal, SendError};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use tokio::sync::mpsc::error::TrySendError;
use tokio_util::sync::PollSender;

/// The way into a flow: records pushed from anywhere in the service.
///
/// Clones feed the same input. It is also a [`futures_sink::Sink`]. Records of one clone keep their order. The
/// input ends when the flow's handle is told to finish, or when this and every clone is dropped.
pub struct Input<T> {
    /// `None` once closed, or if a source feeds the input.
    sender: Option<Sender<T>>,
    /// What the sink has taken when there was no room, and what waits for room then.
    waiting: Option<T>,
    polled: Option<PollSender<Batch<T>>>,
    shared: Arc<Shared>,
    limit: usize,
    /// In a durable flow, with the input's place among the others.
    durable: Option<(usize, Arc<Epochs>)>,
}

impl<T> Clone for Input<T> {
    fn clone(&self) -> Self {
        let (sender, shared, durable) = (self.sender.clone(), Arc::clone(&self.shared), self.durable.clone());
        Input { sender, waiting: None, polled: None, shared, limit: self.limit, durable }
    }
}

impl<T> Input<T> {
    /// Says that no more comes from this handle. When every clone is closed or dropped, the input ends.
    pub fn close(&mut self) {
        self.sender = None;
        self.polled = None;
    }
}

impl<T: Send + 'static> Input<T> {
    pub(super) fn new(sender: Option<Sender<T>>, shared: Arc<Shared>, limit: usize) -> Self {
        Input { sender, waiting: None, polled: None, shared, limit, durable: None }
    }

    pub(super) fn take_part_in_epochs(&mut self, place: usize, epochs: Arc<Epochs>) {
        self.durable = Some((place, epochs));
    }

    /// How many of the records that came in here, since the flow first began, are part of the last committed epoch: with
    /// one sender, the number of those that never have to be sent again. After a start it says where to go on from. 0 where
    /// the flow is not durable.
    ///
    /// Of an input that a source feeds: where the source stood then, in its own measure.
    #[must_use]
    pub fn committed(&self) -> u64 {
        self.durable.as_ref().map_or(0, |(place, epochs)| epochs.positions[*place].load(Ordering::Acquire))
    }

    /// Waits until so many records are [committed](Input::committed).
    ///
    /// # Errors
    /// If the flow ends before, or is not durable.
    ///
    /// # Cancel safety
    /// Nothing is lost if the future is dropped.
    pub async fn until_committed(&self, records: u64) -> Result<(), Refusal> {
        let refusal = || self.shared.error().map_or(Refusal::Closed, Refusal::Failed);
        let Some((_, epochs)) = &self.durable else { return Err(refusal()) };
        let mut epoch = epochs.committed.subscribe();
        while self.committed() < records {
            tokio::select! {
                biased;
                changed = epoch.changed() => changed.map_err(|_| refusal())?,
                () = self.shared.stopped.cancelled() => return Err(refusal()),
            }
        }
        Ok(())
    }

    /// Sends what there is room for, unless the tasks have been stopped since: then nobody would read it, nor count it.
    fn put<V>(&self, records: V, send: impl FnOnce(V)) -> Result<(), SendError<V>> {
        match self.shared.leave_to_send() {
            Some(_leave) => {
                send(records);
                Ok(())
            }
            None => Err(self.refused(records)),
        }
    }

    fn refused<V>(&self, unsent: V) -> SendError<V> {
        let reason = match self.shared.error() {
            Some(error) => Refusal::Failed(error),
            None => Refusal::Closed,
        };
        SendError { unsent, reason }
    }

    /// Sends a record; waits while the flow is full.
    ///
    /// # Errors
    /// If the flow has ended or is finishing: the record comes back.
    ///
    /// # Cancel safety
    /// If the future is dropped before it is ready, the record is not sent.
    pub async fn send(&self, record: T) -> Result<(), SendError<T>> {
        let Some(sender) = &self.sender else { return Err(self.refused(record)) };
        match sender.reserve().await {
            Ok(room) => self.put(record, |record| room.send(Batch::of(vec![record]))),
            Err(_) => Err(self.refused(record)),
        }
    }

    /// Sends records; waits while the flow is full. Quicker than one by one.
    ///
    /// # Errors
    /// If the flow has ended or is finishing: those come back that were not sent.
    ///
    /// # Cancel safety
    /// If the future is dropped before it is ready, some of the records may have been sent.
    pub async fn send_batch(&self, records: Vec<T>) -> Result<(), SendError<Vec<T>>> {
        let Some(sender) = &self.sender else { return Err(self.refused(records)) };
        let mut batches = in_batches(records, self.limit);
        while let Some(batch) = batches.next() {
            let sent = match sender.reserve().await {
                Ok(room) => self.put(batch, |batch| room.send(Batch::of(batch))),
                Err(_) => Err(self.refused(batch)),
            };
            if let Err(SendError { mut unsent, reason }) = sent {
                unsent.extend(batches.flatten());
                return Err(SendError { unsent, reason });
            }
        }
        Ok(())
    }

    /// Sends a record if there is room now.
    ///
    /// # Errors
    /// If there is none ([`Refusal::Full`]), or as for [`Input::send`]: the record comes back.
    pub fn try_send(&self, record: T) -> Result<(), SendError<T>> {
        let Some(sender) = &self.sender else { return Err(self.refused(record)) };
        match sender.try_reserve() {
            Ok(room) => self.put(record, |record| room.send(Batch::of(vec![record]))),
            Err(TrySendError::Full(())) => Err(SendError { unsent: record, reason: Refusal::Full }),
            Err(TrySendError::Closed(())) => Err(self.refused(record)),
        }
    }

    /// Whether the flow takes no more: it is finishing, has ended, or a source feeds this input.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.sender.as_ref().is_none_or(Sender::is_closed)
    }

    /// Sends the record that `start_send` found no room for.
    fn poll_waiting(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SendError<Option<T>>>> {
        let Some(record) = self.waiting.take() else { return Poll::Ready(Ok(())) };
        let Some(sender) = &self.sender else { return Poll::Ready(Err(self.refused(Some(record)))) };
        let polled = self.polled.get_or_insert_with(|| PollSender::new(sender.clone()));
        match polled.poll_reserve(cx) {
            Poll::Pending => {
                self.waiting = Some(record);
                Poll::Pending
            }
            Poll::Ready(Ok(())) => {
                let Some(_leave) = self.shared.leave_to_send() else {
                    polled.abort_send();
                    return Poll::Ready(Err(self.refused(Some(record))));
                };
                let batch = Batch::of(vec![record]);
                let sent = polled.send_item(batch).map_err(|unsent| unsent.into_inner());
                Poll::Ready(sent.map_err(|unsent| {
                    let record = unsent.and_then(|batch| batch.items.into_iter().next());
                    self.refused(record)
                }))
            }
            Poll::Ready(Err(_)) => Poll::Ready(Err(self.refused(Some(record)))),
        }
    }
}

// Nothing in it is pinned.
impl<T> Unpin for Input<T> {}

/// A sink holds no place in the channel between calls: a place that nobody uses would hold up the end of the flow.
impl<T: Send + 'static> futures_sink::Sink<T> for Input<T> {
    type Error = SendError<Option<T>>;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        ready!(self.poll_waiting(cx))?;
        let open = self.sender.as_ref().is_some_and(|sender| !sender.is_closed());
        Poll::Ready(if open { Ok(()) } else { Err(self.refused(None)) })
    }

    fn start_send(mut self: Pin<&mut Self>, record: T) -> Result<(), Self::Error> {
        match self.try_send(record) {
            Ok(()) => Ok(()),
            Err(SendError { unsent, reason: Refusal::Full }) => {
                self.waiting = Some(unsent);
                Ok(())
            }
            Err(SendError { unsent, reason }) => Err(SendError { unsent: Some(unsent), reason }),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.poll_waiting(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        ready!(self.poll_waiting(cx))?;
        self.close();
        Poll::Ready(Ok(()))
    }
}

impl<T> std::fmt::Debug for Input<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Input").field("open", &self.sender.is_some()).finish_non_exhaustive()
    }
}
