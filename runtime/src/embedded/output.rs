//! Typed handles of outputs.

use super::channel::{Inbox, Received};
use super::shared::Shared;
use crate::error::FlowError;
use crate::record::Record;
use std::any::Any;
use std::collections::VecDeque;
use std::fmt;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

/// The way out of a flow: a stream of records, to be read from anywhere in the service.
///
/// It is also a [`futures_core::Stream`]. An output that nobody reads fills up, and then holds back what feeds it:
/// read it, [`Output::take`] it and drop it, or attach a sink in the builder.
pub struct Output<T> {
    /// `None` once taken, or if a sink takes the output.
    inbox: Option<Inbox<T>>,
    waiting: VecDeque<T>,
    shared: Arc<Shared>,
}

impl<T> Output<T> {
    pub(super) fn new(inbox: Option<Inbox<T>>, shared: Arc<Shared>) -> Self {
        Output { inbox, waiting: VecDeque::new(), shared }
    }

    /// Gives up: counts the records that nobody will read.
    pub(super) fn abandon(&mut self) -> u64 {
        self.waiting.len() as u64 + self.inbox.as_mut().map_or(0, Inbox::abandon)
    }

    /// Takes the stream out of the flow's handle and leaves an ended one: to read it in another task, or to drop it
    /// because nobody wants it.
    #[must_use = "the records of an output that is taken and dropped are dropped too"]
    pub fn take(&mut self) -> Output<T> {
        let rest = Output::new(None, Arc::clone(&self.shared));
        std::mem::replace(self, rest)
    }

    /// The next record; `None` when the flow has ended, well or not: [`Output::try_next`] tells which.
    ///
    /// # Cancel safety
    /// No record is lost if the future is dropped.
    pub async fn next(&mut self) -> Option<T> {
        std::future::poll_fn(|cx| self.poll_record(cx)).await
    }

    /// The next record; `None` when the flow has drained.
    ///
    /// # Errors
    /// If the flow has ended before its inputs did.
    ///
    /// # Cancel safety
    /// No record is lost if the future is dropped.
    pub async fn try_next(&mut self) -> Result<Option<T>, FlowError> {
        match self.next().await {
            Some(record) => Ok(Some(record)),
            None => self.shared.error().map_or(Ok(None), Err),
        }
    }

    /// The records that have come, at least one; `None` when the flow has ended. Quicker than one by one.
    ///
    /// # Cancel safety
    /// No record is lost if the future is dropped.
    pub async fn next_batch(&mut self) -> Option<Vec<T>> {
        std::future::poll_fn(|cx| {
            if self.waiting.is_empty() {
                return self.poll_batch(cx);
            }
            Poll::Ready(Some(std::mem::take(&mut self.waiting).into()))
        })
        .await
    }

    /// The next record, if one is here now.
    pub fn next_now(&mut self) -> Option<T> {
        // Else tokio would say after 128 calls that nothing is here, for others to have their turn.
        let next = tokio::task::unconstrained(std::future::poll_fn(|cx| self.poll_record(cx)));
        match pin!(next).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(record) => record,
            Poll::Pending => None,
        }
    }

    fn poll_record(&mut self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        loop {
            if let Some(record) = self.waiting.pop_front() {
                return Poll::Ready(Some(record));
            }
            match ready!(self.poll_batch(cx)) {
                Some(batch) => self.waiting = batch.into(),
                None => return Poll::Ready(None),
            }
        }
    }

    fn poll_batch(&mut self, cx: &mut Context<'_>) -> Poll<Option<Vec<T>>> {
        let Some(inbox) = &mut self.inbox else { return Poll::Ready(None) };
        loop {
            match ready!(inbox.poll_next(false, cx)) {
                Received::Batch(_, batch) if batch.items.is_empty() => {}
                Received::Batch(_, batch) => return Poll::Ready(Some(batch.items)),
                Received::Ended => {
                    self.inbox = None;
                    return Poll::Ready(None);
                }
                Received::Broken => {
                    self.inbox = None;
                    // Its task is gone: it has said why, or the runtime was shut down under it.
                    self.shared.stop();
                    return Poll::Ready(None);
                }
            }
        }
    }
}

// Nothing in it is pinned.
impl<T> Unpin for Output<T> {}

impl<T> futures_core::Stream for Output<T> {
    type Item = T;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        self.poll_record(cx)
    }
}

impl<T> fmt::Debug for Output<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Output")
            .field("ended", &self.inbox.is_none())
            .field("waiting", &self.waiting.len())
            .finish_non_exhaustive()
    }
}

/// An output that a finishing flow empties, so that nobody has to read it for the flow to drain.
pub trait Drain: Send {
    /// Takes in what comes, until the output has ended.
    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<()>;

    /// Gives up: counts the records that nobody will read.
    fn abandon(&mut self) -> u64;
}

impl<T: Send> Drain for Output<T> {
    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while let Some(batch) = ready!(self.poll_batch(cx)) {
            self.waiting.extend(batch);
        }
        Poll::Ready(())
    }

    fn abandon(&mut self) -> u64 {
        Output::abandon(self)
    }
}

/// An output among others of other types.
pub fn drain<T: Record>(output: &mut Output<T>) -> &mut dyn Drain {
    output
}

impl<T> Output<T> {
    /// What a finished flow's output still holds.
    #[must_use]
    pub fn into_unread(self) -> Vec<T> {
        self.waiting.into()
    }
}

/// An output whose record type the flow does not write down, so that its handle cannot know it.
///
/// Write the type, `output name: Type;`, and the handle has an [`Output`]; or name it here: [`AnyOutput::typed`].
pub struct AnyOutput {
    name: &'static str,
    record: &'static str,
    output: Box<dyn ErasedOutput>,
}

trait ErasedOutput: Drain {
    fn into_any(self: Box<Self>) -> Box<dyn Any + Send>;
    fn take_erased(&mut self) -> Box<dyn ErasedOutput>;
}

impl<T: Record> ErasedOutput for Output<T> {
    fn into_any(self: Box<Self>) -> Box<dyn Any + Send> {
        self
    }

    fn take_erased(&mut self) -> Box<dyn ErasedOutput> {
        Box::new(self.take())
    }
}

impl AnyOutput {
    pub(super) fn new<T: Record>(name: &'static str, output: Output<T>) -> Self {
        AnyOutput { name, record: std::any::type_name::<T>(), output: Box::new(output) }
    }

    /// The output, if its records are of that type.
    ///
    /// # Errors
    /// If they are of another, which the error names.
    pub fn typed<T: Record>(self) -> Result<Output<T>, WrongType> {
        let wrong = WrongType { output: self.name, record: self.record, asked: std::any::type_name::<T>() };
        self.output.into_any().downcast().map(|output| *output).map_err(|_| wrong)
    }

    /// As [`Output::take`].
    #[must_use = "the records of an output that is taken and dropped are dropped too"]
    pub fn take(&mut self) -> AnyOutput {
        AnyOutput { name: self.name, record: self.record, output: self.output.take_erased() }
    }
}

impl Drain for AnyOutput {
    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.output.poll_drain(cx)
    }

    fn abandon(&mut self) -> u64 {
        self.output.abandon()
    }
}

impl fmt::Debug for AnyOutput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnyOutput")
            .field("name", &self.name)
            .field("record", &self.record)
            .finish_non_exhaustive()
    }
}

/// An [`AnyOutput`] was asked for records that it does not carry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrongType {
    output: &'static str,
    record: &'static str,
    asked: &'static str,
}

impl fmt::Display for WrongType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let WrongType { output, record, asked } = self;
        write!(f, "output `{output}` carries `{record}`, not `{asked}`")
    }
}

impl std::error::Error for WrongType {}
