//! Typed handles of inputs.

use super::channel::Sender;
use super::shared::Shared;
use super::tasks::send_in_batches;
use crate::batch::Batch;
use crate::error::{Refusal, SendError};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::sync::mpsc::error::TrySendError;
use tokio_util::sync::PollSender;

/// The way into a flow: records pushed from anywhere in the service.
///
/// Clones feed the same input. It is also a [`futures_sink::Sink`]. Records of one clone keep their order. The
/// input ends when the flow's handle is told to finish, or when this and every clone is dropped.
pub struct Input<T> {
    /// `None` once closed, or if a source feeds the input.
    sender: Option<Sender<T>>,
    polled: Option<PollSender<Batch<T>>>,
    shared: Arc<Shared>,
    limit: usize,
}

impl<T> Clone for Input<T> {
    fn clone(&self) -> Self {
        let (sender, shared) = (self.sender.clone(), Arc::clone(&self.shared));
        Input { sender, polled: None, shared, limit: self.limit }
    }
}

impl<T: Send + 'static> Input<T> {
    pub(super) fn new(sender: Option<Sender<T>>, shared: Arc<Shared>, limit: usize) -> Self {
        Input { sender, polled: None, shared, limit }
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
            Ok(room) => {
                room.send(Batch::of(vec![record]));
                Ok(())
            }
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
        let sent = send_in_batches(sender, records, self.limit).await;
        sent.map_err(|unsent| self.refused(unsent))
    }

    /// Sends a record if there is room now.
    ///
    /// # Errors
    /// If there is none ([`Refusal::Full`]), or as for [`Input::send`]: the record comes back.
    pub fn try_send(&self, record: T) -> Result<(), SendError<T>> {
        let Some(sender) = &self.sender else { return Err(self.refused(record)) };
        match sender.try_reserve() {
            Ok(room) => {
                room.send(Batch::of(vec![record]));
                Ok(())
            }
            Err(TrySendError::Full(())) => Err(SendError { unsent: record, reason: Refusal::Full }),
            Err(TrySendError::Closed(())) => Err(self.refused(record)),
        }
    }

    /// Says that no more comes from this handle. When every clone is closed or dropped, the input ends.
    pub fn close(&mut self) {
        self.sender = None;
        self.polled = None;
    }

    fn polled(&mut self) -> Option<&mut PollSender<Batch<T>>> {
        if self.polled.is_none() {
            self.polled = self.sender.clone().map(PollSender::new);
        }
        self.polled.as_mut()
    }
}

// Nothing in it is pinned.
impl<T> Unpin for Input<T> {}

impl<T: Send + 'static> futures_sink::Sink<T> for Input<T> {
    type Error = SendError<Option<T>>;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        let reserved = match self.polled() {
            None => Poll::Ready(false),
            Some(sender) => sender.poll_reserve(cx).map(|reserved| reserved.is_ok()),
        };
        reserved.map(|reserved| if reserved { Ok(()) } else { Err(self.refused(None)) })
    }

    fn start_send(mut self: Pin<&mut Self>, record: T) -> Result<(), Self::Error> {
        let mut batch = Some(Batch::of(vec![record]));
        let sent = match self.polled() {
            None => false,
            Some(sender) => batch.take().is_some_and(|batch| sender.send_item(batch).is_ok()),
        };
        let unsent = batch.and_then(|batch| batch.items.into_iter().next());
        if sent { Ok(()) } else { Err(self.refused(unsent)) }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.close();
        Poll::Ready(Ok(()))
    }
}

impl<T> std::fmt::Debug for Input<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Input").field("open", &self.sender.is_some()).finish_non_exhaustive()
    }
}
