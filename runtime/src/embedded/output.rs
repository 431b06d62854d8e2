//! Typed handles of outputs.

use super::channel::{Inbox, Received};
use super::epochs::{Epochs, Note};
use super::shared::Shared;
use crate::checkpoint::value::Unreadable;
use crate::error::FlowError;
use crate::record::{Record, StateData};
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
    /// The number of the next record.
    next: RecordNumber,
    /// In a durable flow.
    durable: Option<Partaker<T>>,
}

/// What a record of an output is known by: the same record has the same number after a crash, where all that leads to it
/// is in the same order again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct RecordNumber {
    /// The epoch that it is part of: it is committed when that is. 0 where the flow is not durable.
    pub epoch: u64,
    /// How many came out here before it, since the flow first began.
    pub sequence: u64,
}

/// An output's part in epochs.
pub(super) struct Partaker<T> {
    /// Its place among the outputs.
    output: usize,
    epochs: Arc<Epochs>,
    /// The epoch that the records at hand are part of.
    epoch: u64,
    /// The records that have come.
    records: u64,
    /// Where records are held until their epoch is committed.
    hold: Option<Holding<T>>,
    /// Whether a sink stands behind it, which commits what it prepared.
    acknowledges: bool,
}

struct Holding<T> {
    hold: Hold<T>,
    records: Vec<T>,
    /// The epoch whose records these are, once they are all there, and the wait for its commit.
    until: Option<(u64, WaitForCommit)>,
}

/// Whether it was committed: there are no more commits where the flow has ended with an error.
type WaitForCommit = Pin<Box<dyn Future<Output = bool> + Send>>;

/// How records are stored while they are held.
pub(super) struct Hold<T> {
    encode: fn(&[T]) -> Vec<u8>,
    pub(super) decode: fn(&[u8]) -> Result<Vec<T>, Unreadable>,
}

impl<T> Clone for Hold<T> {
    fn clone(&self) -> Self {
        Hold { encode: self.encode, decode: self.decode }
    }
}

impl<T: StateData> Hold<T> {
    pub(super) fn new() -> Self {
        Hold {
            encode: |records| {
                let mut bytes = Vec::new();
                for record in records {
                    bytes = postcard::to_extend(record, bytes).unwrap_or_default();
                }
                bytes
            },
            decode: |bytes| {
                let (mut records, mut rest) = (Vec::new(), bytes);
                while !rest.is_empty() {
                    let (record, left) =
                        postcard::take_from_bytes(rest).map_err(|error| Unreadable(error.to_string()))?;
                    records.push(record);
                    rest = left;
                }
                Ok(records)
            },
        }
    }
}

impl<T> Partaker<T> {
    pub(super) fn new(output: usize, epochs: Arc<Epochs>, records: u64, hold: Option<Hold<T>>) -> Self {
        let hold = hold.map(|hold| Holding { hold, records: Vec::new(), until: None });
        Partaker { output, epoch: epochs.next, epochs, records, hold, acknowledges: false }
    }

    /// For a sink, which commits what it prepared and says so.
    pub(super) fn of_sink(self) -> Self {
        Partaker { acknowledges: true, ..self }
    }

    /// Says that all before a barrier, or before the end, has been taken, and what has been prepared. `unread` are those of
    /// epochs before that nobody has got yet: they stay held, as long as they may be lost.
    fn take_part(
        &mut self,
        epoch: u64,
        prepared: Vec<u8>,
        ended: bool,
        unread: &mut VecDeque<T>,
        shared: &Shared,
    ) {
        let held = self.hold.as_ref().map(|holding| {
            let mut held = (holding.hold.encode)(unread.make_contiguous());
            held.extend((holding.hold.encode)(&holding.records));
            held
        });
        let (output, records, acknowledges) = (self.output, self.records, self.acknowledges);
        self.epochs.note(Note::Output { output, epoch, records, prepared, held, ended, acknowledges });
        if !ended {
            self.epoch = epoch + 1;
        }
        if let Some(holding) = &mut self.hold {
            let (mut committed, stopped) = (self.epochs.committed.subscribe(), shared.stopped.clone());
            let wait = async move {
                tokio::select! {
                    biased;
                    result = committed.wait_for(|&committed| committed >= epoch) => result.is_ok(),
                    () = stopped.cancelled() => false,
                }
            };
            holding.until = Some((epoch, Box::pin(wait)));
        }
    }
}

/// What an output gave to what stands behind it.
pub(super) enum Taken<T> {
    Records(Vec<T>),
    /// The barrier of an epoch: all that came before is to be prepared.
    Barrier(u64),
    Ended,
}

impl<T> Output<T> {
    pub(super) fn new(inbox: Option<Inbox<T>>, shared: Arc<Shared>) -> Self {
        Output { inbox, waiting: VecDeque::new(), shared, next: RecordNumber::default(), durable: None }
    }

    /// Takes part in epochs. `held` are records of the restored epoch that were held for it.
    pub(super) fn take_part_in_epochs(&mut self, durable: Partaker<T>, held: Vec<T>) {
        let sequence = durable.records - (held.len() as u64).min(durable.records);
        self.next = RecordNumber { epoch: durable.epochs.restored, sequence };
        self.waiting = held.into();
        self.durable = Some(durable);
    }

    /// The number of the record that is given next.
    #[must_use]
    pub fn number(&self) -> RecordNumber {
        let epoch = match &self.durable {
            Some(durable) if self.waiting.is_empty() => durable.epoch,
            _ => self.next.epoch,
        };
        RecordNumber { epoch, ..self.next }
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
                let batch = ready!(self.poll_batch(cx));
                self.next.sequence += batch.as_ref().map_or(0, |batch| batch.len() as u64);
                return Poll::Ready(batch);
            }
            self.next.sequence += self.waiting.len() as u64;
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
                self.next.sequence += 1;
                return Poll::Ready(Some(record));
            }
            match ready!(self.poll_batch(cx)) {
                Some(batch) => self.waiting = batch.into(),
                None => return Poll::Ready(None),
            }
        }
    }

    /// The next records, at least one; where they are held until their epoch is committed, those of a committed epoch.
    fn poll_batch(&mut self, cx: &mut Context<'_>) -> Poll<Option<Vec<T>>> {
        loop {
            if let Some(batch) = ready!(self.poll_committed(cx)) {
                return Poll::Ready(Some(batch));
            }
            match ready!(self.poll_taken(cx)) {
                Taken::Records(records) => {
                    match self.durable.as_mut().and_then(|durable| durable.hold.as_mut()) {
                        Some(holding) => holding.records.extend(records),
                        None => return Poll::Ready(Some(records)),
                    }
                }
                Taken::Barrier(epoch) => self.prepared(epoch, Vec::new(), false),
                Taken::Ended => {
                    let Some(durable) = self.durable.as_ref().filter(|_| self.inbox.is_some()) else {
                        return Poll::Ready(None);
                    };
                    let epoch = durable.epoch;
                    self.inbox = None;
                    self.prepared(epoch, Vec::new(), true);
                }
            }
        }
    }

    /// Waits for the commit of what is held, if that is whole; `None` if nothing is.
    fn poll_committed(&mut self, cx: &mut Context<'_>) -> Poll<Option<Vec<T>>> {
        let Some(holding) = self.durable.as_mut().and_then(|durable| durable.hold.as_mut()) else {
            return Poll::Ready(None);
        };
        let Some((epoch, wait)) = &mut holding.until else { return Poll::Ready(None) };
        let is_committed = ready!(wait.as_mut().poll(cx));
        self.next.epoch = *epoch;
        holding.until = None;
        let records = std::mem::take(&mut holding.records);
        if !is_committed {
            self.inbox = None;
            return Poll::Ready(None);
        }
        Poll::Ready((!records.is_empty()).then_some(records))
    }

    /// What a sink needs to commit, in a durable flow: where it hears of commits, and how it acknowledges them.
    pub(super) fn epochs(&self) -> Option<(usize, Arc<Epochs>)> {
        self.durable.as_ref().map(|durable| (durable.output, Arc::clone(&durable.epochs)))
    }

    /// Whether the end has come, and been told.
    pub(super) fn is_over(&self) -> bool {
        self.inbox.is_none()
    }

    /// Says that all up to the end is taken and prepared.
    pub(super) fn ended(&mut self, prepared: Vec<u8>) {
        self.inbox = None;
        self.prepared(self.epoch(), prepared, true);
    }

    /// Says that all up to a barrier, or to the end, is taken and prepared.
    pub(super) fn prepared(&mut self, epoch: u64, prepared: Vec<u8>, ended: bool) {
        if let Some(durable) = &mut self.durable {
            durable.take_part(epoch, prepared, ended, &mut self.waiting, &self.shared);
            self.next.epoch = durable.epoch;
        }
    }

    /// The epoch that the records at hand are part of.
    pub(super) fn epoch(&self) -> u64 {
        self.durable.as_ref().map_or(0, |durable| durable.epoch)
    }

    /// What comes next. After the end it is the end for ever.
    pub(super) fn poll_taken(&mut self, cx: &mut Context<'_>) -> Poll<Taken<T>> {
        let Some(inbox) = &mut self.inbox else { return Poll::Ready(Taken::Ended) };
        loop {
            match ready!(inbox.poll_next(cx)) {
                Received::Batch(_, batch) if batch.items.is_empty() => {}
                Received::Batch(_, batch) => {
                    if let Some(durable) = &mut self.durable {
                        durable.records += batch.items.len() as u64;
                    }
                    return Poll::Ready(Taken::Records(batch.items));
                }
                Received::Barrier(epoch) => return Poll::Ready(Taken::Barrier(epoch)),
                Received::Ended if self.durable.is_some() => return Poll::Ready(Taken::Ended),
                Received::Ended => {
                    self.inbox = None;
                    return Poll::Ready(Taken::Ended);
                }
                Received::Broken => {
                    self.inbox = None;
                    // Its task is gone: it has said why, or the runtime was shut down under it.
                    self.shared.stop();
                    return Poll::Ready(Taken::Ended);
                }
            }
        }
    }
}

/// Nobody wants what comes: that holds up no epoch.
impl<T> Drop for Output<T> {
    fn drop(&mut self) {
        // Where the flow is stopped, what nobody has read is to come again.
        let unread = self.inbox.is_some() && self.shared.error().is_none();
        if let Some(durable) = self.durable.as_mut().filter(|_| unread) {
            let epoch = durable.epoch;
            durable.hold = None;
            durable.take_part(epoch, Vec::new(), true, &mut self.waiting, &self.shared);
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
    pub fn into_unread(mut self) -> Vec<T> {
        std::mem::take(&mut self.waiting).into()
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
