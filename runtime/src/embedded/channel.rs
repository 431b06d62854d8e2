//! Bounded channels between tasks: one for each pair of shards that an edge connects.
//!
//! One channel a pair, and not one a reader, so that a reader can tell its senders apart: each has a watermark
//! of its own, and a barrier holds back only those that have sent it.

use super::epochs::Epochs;
use super::executor::BoxFuture;
use super::gauge::Feeder;
use super::queue::{QueueReader, QueueWriter, queue};
use super::shared::lock;
use crate::batch::{Batch, Status};
use crate::host::Transports;
use crate::outlet::Transport;
use crate::record::Record;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker, ready};
use tokio::sync::mpsc;

/// Into an input, from its handle and its clones.
pub(super) type Sender<T> = mpsc::Sender<Batch<T>>;

/// The reading end of a channel into a task.
pub(super) enum Receiver<T> {
    /// Of an input that is pushed into: many may write.
    Pushed(PushedReader<T>),
    /// Of another task: it alone writes.
    Task(QueueReader<T>),
    /// Of a source.
    Source(SourceReader<T>),
}

/// Reads what is pushed into an input.
pub(super) struct PushedReader<T> {
    receiver: mpsc::Receiver<Batch<T>>,
    /// The input's place among those of the flow.
    input: usize,
    /// The records read since the flow first began.
    taken: u64,
}

impl<T> PushedReader<T> {
    pub(super) fn new(receiver: mpsc::Receiver<Batch<T>>, input: usize, taken: u64) -> Self {
        PushedReader { receiver, input, taken }
    }

    fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<Batch<T>>> {
        let batch = ready!(self.receiver.poll_recv(cx));
        self.taken += batch.as_ref().map_or(0, |batch| batch.items.len() as u64);
        Poll::Ready(batch)
    }
}

/// Where a source stands, as far as its records have been read.
pub(super) struct SourceAt {
    /// The input's place among those of the flow.
    pub(super) input: usize,
    /// In the source's own measure; [`SourceAt::UNKNOWN`] while a part of what it gave at once has not been read.
    position: AtomicU64,
}

impl SourceAt {
    const UNKNOWN: u64 = u64::MAX;

    pub(super) fn new(input: usize, position: u64) -> Self {
        SourceAt { input, position: AtomicU64::new(position) }
    }

    pub(super) fn set(&self, position: Option<u64>) {
        self.position.store(position.unwrap_or(Self::UNKNOWN), Ordering::Release);
    }

    fn get(&self) -> Option<u64> {
        Some(self.position.load(Ordering::Acquire)).filter(|&position| position != Self::UNKNOWN)
    }
}

/// Reads a source on the task of the stage that it feeds: a task of its own would have each batch go from one core to
/// another, for no work of its own (`cargo bench --bench speed`: a fifth of the time of a stateless chain). A source
/// that has work to do has a thread for it: [`crate::connect::blocking`].
pub(super) struct SourceReader<T> {
    /// Asks the source for a batch, writes it, and waits until it is read. `None` once the source has ended.
    feeding: Option<BoxFuture>,
    reader: QueueReader<T>,
    at: Arc<SourceAt>,
}

impl<T> SourceReader<T> {
    pub(super) fn new(feeding: BoxFuture, reader: QueueReader<T>, at: Arc<SourceAt>) -> Self {
        SourceReader { feeding: Some(feeding), reader, at }
    }

    fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<Batch<T>>> {
        self.feed(cx);
        self.reader.read_own()
    }

    fn feed(&mut self, cx: &mut Context<'_>) {
        if self.feeding.as_mut().is_some_and(|feeding| feeding.as_mut().poll(cx).is_ready()) {
            self.feeding = None;
        }
    }

    /// Gives up: what the source had given already is counted by whoever feeds, and here.
    fn give_up(&mut self) -> VecDeque<Batch<T>> {
        let batches = self.reader.give_up();
        self.feed(&mut Context::from_waker(Waker::noop()));
        self.feeding = None;
        batches
    }
}

impl<T> Receiver<T> {
    fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<Batch<T>>> {
        match self {
            Receiver::Pushed(reader) => reader.poll_recv(cx),
            Receiver::Task(reader) => reader.poll_read(cx),
            Receiver::Source(reader) => reader.poll_recv(cx),
        }
    }

    /// Whether another task has been woken, which can write now.
    fn take_woke_writer(&mut self) -> bool {
        match self {
            Receiver::Task(reader) => reader.take_woke_writer(),
            Receiver::Pushed(_) | Receiver::Source(_) => false,
        }
    }

    /// Takes no more, but gives what has been sent. Only an input's handle can be told so.
    fn close(&mut self) {
        match self {
            Receiver::Pushed(reader) => reader.receiver.close(),
            Receiver::Task(_) | Receiver::Source(_) => {}
        }
    }

    /// The input that it reads, and how far; `None` of that if a barrier cannot stand there.
    fn input(&self) -> Option<(usize, Option<u64>)> {
        match self {
            Receiver::Pushed(reader) => Some((reader.input, Some(reader.taken))),
            Receiver::Source(reader) => Some((reader.at.input, reader.at.get())),
            Receiver::Task(_) => None,
        }
    }

    /// Gives up: counts the records that nobody will read.
    fn abandon(&mut self) -> u64 {
        let records = |batch: Batch<T>| batch.records() as u64;
        match self {
            Receiver::Pushed(reader) => {
                reader.receiver.close();
                std::iter::from_fn(|| reader.receiver.try_recv().ok()).map(records).sum()
            }
            Receiver::Task(reader) => reader.give_up().into_iter().map(records).sum(),
            Receiver::Source(reader) => reader.give_up().into_iter().map(records).sum(),
        }
    }
}

/// An edge that nobody reads yet, and who writes into it.
pub struct Link<T>(Ends<T>, Vec<Feeder>);

enum Ends<T> {
    /// From a stage: its channels are made when somebody reads it. A slot for the senders of each writing shard.
    Open(Vec<Slot<T>>),
    /// From an input, whose channel is made, and which one task reads.
    Input(Receiver<T>),
}

/// How an input gets its records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum InputKind {
    /// Through its handle, until that is closed.
    Pushed,
    /// From a source, until that ends.
    Fed,
}

/// Where a writing shard finds its senders, one for each reading shard.
type Slot<T> = Arc<Mutex<Vec<QueueWriter<T>>>>;

impl<T: Record> Link<T> {
    /// Opens an edge with these writing shards.
    pub(super) fn open(feeders: Vec<Feeder>) -> (Transports<T>, Link<T>) {
        let senders: Vec<Slot<T>> = (0..feeders.len()).map(|_| Slot::default()).collect();
        let transports = senders
            .iter()
            .map(|slot| Box::new(ChannelTransport { slot: Arc::clone(slot), senders: Vec::new() }) as _)
            .collect();
        (transports, Link(Ends::Open(senders), feeders))
    }

    /// An edge out of an input.
    pub(super) fn of_input(name: &'static str, receiver: Receiver<T>) -> Self {
        Link(Ends::Input(receiver), vec![Feeder::Input(name)])
    }

    /// Who writes into it: for each reader a channel from each of these, in this order.
    pub(super) fn feeders(&self) -> &[Feeder] {
        &self.1
    }

    /// What kind of input this is, if it is one.
    pub(super) fn input_kind(&self) -> Option<InputKind> {
        match self.0 {
            Ends::Open(_) => None,
            Ends::Input(Receiver::Pushed(_)) => Some(InputKind::Pushed),
            Ends::Input(Receiver::Task(_) | Receiver::Source(_)) => Some(InputKind::Fed),
        }
    }

    /// The channels for so many readers: for each, one from every writer. An input has one reader.
    pub(super) fn read_by(self, readers: usize, capacity: usize) -> Vec<Vec<Receiver<T>>> {
        let slots = match self.0 {
            Ends::Input(receiver) => return vec![vec![receiver]],
            Ends::Open(slots) => slots,
        };
        let mut receivers: Vec<Vec<Receiver<T>>> = (0..readers).map(|_| Vec::new()).collect();
        for slot in &slots {
            let mut senders = lock(slot);
            for reader in &mut receivers {
                let (sender, receiver) = queue(capacity);
                senders.push(sender);
                reader.push(Receiver::Task(receiver));
            }
        }
        receivers
    }
}

struct ChannelTransport<T> {
    slot: Slot<T>,
    senders: Vec<QueueWriter<T>>,
}

impl<T: Record> Transport<T> for ChannelTransport<T> {
    fn lanes(&self) -> usize {
        lock(&self.slot).len()
    }

    fn poll_send(&mut self, lane: usize, batch: &mut Option<Batch<T>>, cx: &mut Context<'_>) -> Poll<()> {
        if self.senders.is_empty() {
            self.senders = std::mem::take(&mut *lock(&self.slot));
        }
        // An output of a flow that stands in another has no reader if nothing there reads it.
        let Some(sender) = self.senders.get_mut(lane) else {
            *batch = None;
            return Poll::Ready(());
        };
        if ready!(sender.poll_write(batch, cx)).is_err() {
            if sender.is_given_up() {
                // The flow is being stopped, and so is this task: it keeps the batch, and counts it as dropped.
                return Poll::Pending;
            }
            // Nobody reads, so nobody wants the batch.
            *batch = None;
        }
        Poll::Ready(())
    }

    fn is_closed(&self) -> bool {
        !self.senders.is_empty() && self.senders.iter().all(QueueWriter::is_closed)
    }
}

/// The reading ends of all channels into a task.
pub(super) struct Inbox<T> {
    receivers: Vec<Receiver<T>>,
    ended: Vec<bool>,
    /// Where to look first, so that no sender starves the others.
    turn: usize,
    /// In a durable flow.
    alignment: Option<Alignment>,
}

/// Holds back senders whose barrier has come until those of the others have.
struct Alignment {
    epochs: Arc<Epochs>,
    /// Where to be woken for the next epoch, of a task that reads an input.
    slot: Option<usize>,
    /// The same, of a task that goes on although all that feed it have ended.
    own_slot: Option<usize>,
    /// The epoch of the last barrier of each sender.
    barriers: Vec<u64>,
    /// The last epoch that was aligned.
    passed: u64,
    /// The inputs give no more.
    is_last: bool,
}

/// What an inbox gave.
pub(super) enum Received<T> {
    /// A batch, and which sender it came from.
    Batch(usize, Batch<T>),
    /// The barrier of an epoch has come from all senders.
    Barrier(u64),
    /// All senders have ended in good order.
    Ended,
    /// A sender is gone without having said so: its task failed.
    Broken,
}

impl<T> Inbox<T> {
    pub(super) fn new(receivers: Vec<Receiver<T>>, epochs: Option<Arc<Epochs>>) -> Self {
        let ended = vec![false; receivers.len()];
        let alignment = epochs.map(|epochs| {
            let reads_input = receivers.iter().any(|receiver| receiver.input().is_some());
            Alignment {
                slot: reads_input.then(|| epochs.slot()),
                own_slot: None,
                barriers: vec![epochs.restored; receivers.len()],
                passed: epochs.restored,
                is_last: false,
                epochs,
            }
        });
        Inbox { receivers, ended, turn: 0, alignment }
    }

    pub(super) fn senders(&self) -> usize {
        self.receivers.len()
    }

    /// A sender had ended before the flow was restored.
    pub(super) fn has_ended(&mut self, sender: usize) {
        self.ended[sender] = true;
    }

    /// The inputs that it reads, and where they stand.
    pub(super) fn inputs(&self) -> Vec<(usize, u64)> {
        let inputs = self.receivers.iter().filter_map(Receiver::input);
        inputs.filter_map(|(input, position)| Some((input, position?))).collect()
    }

    /// The next batch of any sender, or the barrier of all. `None` from an input's sender marks its end.
    ///
    /// Only to be called when what it gave before has been worked on.
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Received<T>> {
        let senders = self.receivers.len();
        if let Some(alignment) = &mut self.alignment {
            alignment.let_inputs_in(&mut self.receivers, cx);
            if let Some(epoch) = alignment.aligned(&self.ended) {
                return Poll::Ready(Received::Barrier(epoch));
            }
        }
        for offset in 0..senders {
            let sender = (self.turn + offset) % senders;
            let held_back = self.alignment.as_ref().is_some_and(|alignment| alignment.holds_back(sender));
            if self.ended[sender] || held_back {
                continue;
            }
            let is_input = self.receivers[sender].input().is_some();
            match self.receivers[sender].poll_recv(cx) {
                Poll::Ready(Some(batch)) => {
                    self.turn = (sender + 1) % senders;
                    self.ended[sender] = batch.status == Status::Ended;
                    if batch.barrier != 0
                        && let Some(alignment) = &mut self.alignment
                    {
                        alignment.barriers[sender] = batch.barrier;
                    }
                    return Poll::Ready(Received::Batch(sender, batch));
                }
                Poll::Ready(None)
                    if self.alignment.as_mut().is_some_and(|alignment| alignment.stops(sender)) => {}
                Poll::Ready(None) if is_input => {
                    self.ended[sender] = true;
                    let mut last = Batch::of(Vec::new());
                    last.status = Status::Ended;
                    return Poll::Ready(Received::Batch(sender, last));
                }
                Poll::Ready(None) => return Poll::Ready(Received::Broken),
                Poll::Pending => {}
            }
        }
        if self.ended.iter().all(|&ended| ended) {
            return Poll::Ready(Received::Ended);
        }
        match self.alignment.as_mut().and_then(|alignment| alignment.aligned(&self.ended)) {
            Some(epoch) => Poll::Ready(Received::Barrier(epoch)),
            None => Poll::Pending,
        }
    }

    /// The epoch that is asked for and has not come here, in a task all of whose senders have ended: they send no barrier
    /// any more, and all that they sent is part of it.
    pub(super) fn poll_asked(&mut self, cx: &Context<'_>) -> Option<u64> {
        let alignment = self.alignment.as_mut()?;
        let slot = *alignment.own_slot.get_or_insert_with(|| alignment.epochs.slot());
        let asked = alignment.epochs.poll_asked(slot, cx).epoch;
        let is_new = asked > alignment.passed;
        alignment.passed = alignment.passed.max(asked);
        is_new.then_some(asked)
    }

    /// Whether a task that writes has been woken since the last call.
    pub(super) fn take_woke_writer(&mut self) -> bool {
        let mut woke = false;
        for receiver in &mut self.receivers {
            woke |= receiver.take_woke_writer();
        }
        woke
    }

    /// Takes no more, but gives what has been sent.
    pub(super) fn close(&mut self) {
        self.receivers.iter_mut().for_each(Receiver::close);
    }

    /// Gives up: counts the records that nobody will read.
    pub(super) fn abandon(&mut self) -> u64 {
        self.receivers.iter_mut().map(Receiver::abandon).sum()
    }
}

impl Alignment {
    /// Where an epoch is asked for, its barrier stands behind what has been read of each input.
    fn let_inputs_in<T>(&mut self, receivers: &mut [Receiver<T>], cx: &Context<'_>) {
        let Some(slot) = self.slot else { return };
        let asked = self.epochs.poll_asked(slot, cx);
        if asked.epoch <= self.passed {
            return;
        }
        self.is_last = asked.last;
        for (receiver, barrier) in receivers.iter_mut().zip(&mut self.barriers) {
            match receiver {
                // What was sent is part of the last epoch, and nothing is sent after it.
                Receiver::Pushed(_) if asked.last => receiver.close(),
                _ if matches!(receiver.input(), Some((_, Some(_)))) => *barrier = asked.epoch,
                _ => {}
            }
        }
    }

    /// An input has given all there was, because the flow is being stopped and not because it has come to its end.
    fn stops(&mut self, sender: usize) -> bool {
        let asked = self.epochs.asked();
        if self.is_last && self.slot.is_some() {
            self.barriers[sender] = asked.epoch;
        }
        self.is_last
    }

    /// The epoch whose barrier has come from all that have not ended.
    fn aligned(&mut self, ended: &[bool]) -> Option<u64> {
        let epoch = self.barriers.iter().copied().max().filter(|&epoch| epoch > self.passed)?;
        let all = self.barriers.iter().zip(ended).all(|(&barrier, &ended)| ended || barrier == epoch);
        // One that has only ended since has sent its barrier; where all have ended the end says it all.
        if !all || ended.iter().all(|&ended| ended) {
            return None;
        }
        self.passed = epoch;
        Some(epoch)
    }

    fn holds_back(&self, sender: usize) -> bool {
        let is_over = self.is_last && self.slot.is_some() && self.barriers[sender] == self.passed;
        self.barriers[sender] > self.passed || (is_over && self.epochs.asked().epoch == self.passed)
    }
}
