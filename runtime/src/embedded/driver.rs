//! The loop of one task: take what has come, let the stage work, send what it made.

use super::channel::{Inbox, InputKind, Received};
use super::epochs::{Asked, Epochs, Note};
use super::executor::Executor;
use super::gauge::Gauge;
use super::pause::Pause;
use super::shared::{Place, Shared};
use super::tasks::{Panic, caught};
use crate::batch::{Batch, Parts, Status};
use crate::checkpoint::Delta;
use crate::checkpoint::manifest::{SenderAt, ShardAt};
use crate::error::FlowError;
use crate::graph::{StageMeta, TimeMeta};
use crate::host::Sleep;
use crate::outlet::{Outlet, Outlets};
use crate::stage::{Awaited, Progress, Stage};
use crate::time::Timestamp;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use std::vec;

/// A shard of a stage between its channels. The loop below sees it without its types, so that it is compiled
/// once and not for each stage.
pub(super) trait StageTask: Send {
    /// Learns how many shards read each outlet.
    fn open(&mut self);
    /// Waits for the next batch.
    fn poll_take(&mut self, cx: &mut Context<'_>) -> Poll<Taken>;
    /// Whether the stage is to be told the time before it works.
    fn needs_wall_time(&self) -> bool;
    /// Tells the stage the time, when it next works.
    fn tell(&mut self, now: Timestamp);
    /// When the stage wants to be told the time although nothing has come.
    fn wakes_at(&self) -> Option<Timestamp>;
    /// Whether taking has woken a task that waited for room.
    fn take_woke_writer(&mut self) -> bool;
    /// Works on what was taken, for about a batch's worth.
    fn work(&mut self) -> Progress;
    /// Sends what the work made.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<()>;
    /// Whether enough is waiting to be sent.
    fn is_full(&mut self) -> bool;
    /// The inputs take no more.
    fn close(&mut self);
    /// The inputs have been silent for a while.
    fn idle(&mut self);
    /// The inputs are silent since then, or are not.
    fn silent(&mut self, since: Option<Duration>);
    /// Says to those that read this stage that it has ended.
    fn end(&mut self);
    /// Says the same to the one that commits epochs, in a durable flow.
    fn note_end(&mut self);
    /// Passes on what the stage counted, and the error that ends the flow.
    fn report(&mut self) -> Option<FlowError>;
    /// Counts the records that the task leaves behind.
    fn abandon(&mut self) -> u64;
}

/// What a task got from its inbox.
pub(super) enum Taken {
    Work,
    Ended,
    Broken,
}

/// What one sender has said.
#[derive(Clone)]
struct Sender {
    watermark: Timestamp,
    status: Status,
}

/// A batch that is being worked on.
struct Current<T> {
    sender: usize,
    parts: Option<Parts>,
    items: vec::IntoIter<T>,
    done: usize,
    marks: vec::IntoIter<(usize, Timestamp)>,
    next_mark: Option<(usize, Timestamp)>,
    watermark: Timestamp,
    status: Status,
}

impl<T> Current<T> {
    fn new(sender: usize, batch: Batch<T>) -> Self {
        let mut marks = batch.marks.into_iter();
        let next_mark = marks.next();
        let (watermark, status) = (batch.watermark, batch.status);
        let (parts, items) = (batch.parts, batch.items.into_iter());
        Current { sender, parts, items, done: 0, marks, next_mark, watermark, status }
    }

    /// The records that it has not given yet.
    fn records(&self) -> usize {
        self.items.len() + self.parts.as_ref().map_or(0, Parts::records)
    }

    /// The records before the next mark, or all.
    fn before_mark(&self) -> usize {
        self.next_mark.map_or(self.items.len(), |(place, _)| place - self.done)
    }

    /// Takes the records up to the next mark, or all, as far as there is room.
    fn next_items(&mut self, room: usize) -> Vec<T> {
        let taken = self.before_mark().min(room);
        self.done += taken;
        if taken == self.items.len() {
            return std::mem::take(&mut self.items).collect();
        }
        self.items.by_ref().take(taken).collect()
    }
}

/// What a gauge was last told.
#[derive(Default)]
struct Shown {
    waits_for: Option<Timestamp>,
    in_flight: usize,
    came: bool,
    blocked: bool,
}

pub(super) struct Task<S: Stage> {
    stage: S,
    outs: S::Outs,
    meta: &'static StageMeta,
    place: Place,
    shared: Arc<Shared>,
    gauge: Arc<Gauge>,
    inbox: Inbox<S::In>,
    limit: usize,
    senders: Vec<Sender>,
    watermark: Timestamp,
    /// The stage has more to say about the watermark.
    advancing: bool,
    current: Option<Current<S::In>>,
    /// The time by the wall clock, which the stage has not been told yet.
    now: Option<Timestamp>,
    /// The number of keys last reported.
    keys: u64,
    /// What the gauge says already.
    shown: Shown,
    /// In a durable flow.
    durable: Option<Participant>,
}

/// A shard's part in epochs.
pub(super) struct Participant {
    /// Its place among all tasks.
    pub(super) task: usize,
    pub(super) epochs: Arc<Epochs>,
    /// The names of those that feed it.
    pub(super) feeders: Vec<String>,
    /// The barrier that has come, while the stage has yet to take part in its epoch.
    barrier: Option<u64>,
    /// What is being copied.
    copying: Option<Copying>,
    /// A barrier waits to be sent, with all that came before it: nothing may be added to that.
    sending: bool,
    /// What is in flight is part of the last epoch, so nothing more may come of it: it comes when the flow goes on.
    is_over: bool,
}

impl Participant {
    pub(super) fn new(task: usize, epochs: Arc<Epochs>, feeders: Vec<String>) -> Self {
        Participant { task, epochs, feeders, barrier: None, copying: None, sending: false, is_over: false }
    }
}

/// A snapshot that is not whole yet.
struct Copying {
    epoch: u64,
    at: ShardAt,
    inputs: Vec<(usize, u64)>,
    /// Whether what is copied is all there is.
    has_all: bool,
    delta: Delta,
}

/// The entries that are copied before a batch is worked on.
const COPIED_AT_ONCE: usize = 1024;

impl<S: Stage> Task<S> {
    #[allow(clippy::too_many_arguments)]
    pub(super) fn new(
        stage: S,
        outs: S::Outs,
        meta: &'static StageMeta,
        place: Place,
        shared: Arc<Shared>,
        gauge: Arc<Gauge>,
        inbox: Inbox<S::In>,
        limit: usize,
        durable: Option<Participant>,
    ) -> Self {
        let sender = Sender { watermark: Timestamp::MIN, status: Status::Active };
        let senders = vec![sender; inbox.senders()];
        Task {
            stage,
            outs,
            meta,
            place,
            shared,
            gauge,
            inbox,
            limit,
            senders,
            watermark: Timestamp::MIN,
            advancing: false,
            current: None,
            now: None,
            keys: 0,
            shown: Shown::default(),
            durable,
        }
    }

    /// Goes on from what a shard was at a barrier.
    pub(super) fn resume(&mut self, at: &ShardAt) {
        for (place, sender) in at.senders.iter().enumerate().take(self.senders.len()) {
            let status = match sender.status {
                0 => Status::Active,
                1 => Status::Idle,
                _ => Status::Ended,
            };
            self.senders[place] = Sender { watermark: Timestamp(sender.watermark), status };
            self.gauge.heard(place, Timestamp(sender.watermark));
            self.gauge.is_now(place, status);
            if status == Status::Ended {
                self.inbox.has_ended(place);
            }
        }
        self.watermark = Timestamp(at.watermark);
        if self.watermark > Timestamp::MIN {
            self.gauge.reached(self.watermark);
        }
        self.stage.local().resume(&at.clocks);
    }

    /// What it is at a barrier, without its keyed state.
    fn shard_at(&mut self, ended: bool) -> ShardAt {
        let feeders = self.durable.iter().flat_map(|durable| &durable.feeders);
        let sender = |(sender, from): (&Sender, &String)| SenderAt {
            from: from.clone(),
            watermark: sender.watermark.0,
            status: match sender.status {
                Status::Active => 0,
                Status::Idle => 1,
                Status::Ended => 2,
            },
        };
        let senders = self.senders.iter().zip(feeders).map(sender).collect();
        let (watermark, clocks) = (self.watermark.0, self.stage.local().clocks());
        ShardAt { watermark, ended, senders, clocks }
    }

    /// Whether a barrier has to wait for the records in flight: for those that cannot be stored.
    fn waits_for_calls(&mut self) -> bool {
        self.stage.in_flight() > 0 && !self.stage.keeps_in_flight()
    }

    /// Takes part in the epoch whose barrier has come, if it is time to; whether it has.
    fn pass_barrier(&mut self) -> bool {
        if !self.has_barrier() {
            return false;
        }
        let pause = Pause::begin();
        if self.waits_for_calls() {
            return false;
        }
        let Some(epoch) = self.durable.as_mut().and_then(|durable| durable.barrier.take()) else {
            return false;
        };
        // What the last epoch has of it is whole: else this one would not have begun.
        self.copy(usize::MAX);
        self.mark_outlets_of_clocks();
        self.outs.visit(&mut |_, outlet| outlet.put_barrier(epoch), 0);
        self.gauge.passed_barrier(epoch);
        let (at, inputs) = (self.shard_at(false), self.inbox.inputs());
        let has_all = self.stage.stored().is_some_and(|state| state.begin_snapshot());
        let in_flight = self.stage.in_flight() > 0;
        if let Some(durable) = &mut self.durable {
            durable.copying = Some(Copying { epoch, at, inputs, has_all, delta: Delta::default() });
            durable.sending = true;
            durable.is_over = in_flight && durable.epochs.asked() == Asked { epoch, last: true };
        }
        pause.end(self.shared.graph.flow, self.meta.name, "barrier");
        true
    }

    /// Goes on copying what belongs to the epoch. What is much is passed on in parts.
    fn copy(&mut self, mut entries: usize) {
        let Some(Participant { task, epochs, copying, .. }) = &mut self.durable else { return };
        let Some(snapshot) = copying else { return };
        let (task, pause) = (*task, Pause::begin());
        let all = entries == usize::MAX;
        while entries > 0 && (all || epochs.has_room()) {
            let some = entries.min(epochs.parts.looked_at_after);
            entries -= some;
            if self.stage.stored().is_none_or(|state| state.copy_some(some, &mut snapshot.delta)) {
                if let Some(Copying { epoch, at, inputs, has_all, delta }) = copying.take() {
                    epochs.note(Note::Shard { task, epoch, at, delta, has_all, inputs });
                }
                break;
            }
            if snapshot.delta.bytes() >= epochs.parts.bytes {
                let (epoch, delta) = (snapshot.epoch, std::mem::take(&mut snapshot.delta));
                epochs.note_part(task, epoch, delta);
            }
        }
        pause.end(self.shared.graph.flow, self.meta.name, "copy");
    }

    fn has_barrier(&self) -> bool {
        self.durable.as_ref().is_some_and(|durable| durable.barrier.is_some())
    }

    /// Whether it has to do with an epoch, although nothing has come.
    fn has_epoch_to_do(&mut self, cx: &Context<'_>) -> bool {
        let copying = self
            .durable
            .as_ref()
            .is_some_and(|durable| durable.copying.is_some() && durable.epochs.poll_room(durable.task, cx));
        copying || (self.has_barrier() && !self.waits_for_calls())
    }

    /// A barrier has come: whether it can be passed now.
    fn meet_barrier(&mut self, epoch: u64) -> bool {
        if let Some(durable) = &mut self.durable {
            durable.barrier = Some(epoch);
        }
        !self.waits_for_calls()
    }

    /// Whether the records in flight have to wait.
    fn holds_calls(&self) -> bool {
        self.durable.as_ref().is_some_and(|durable| durable.sending || durable.is_over)
    }

    /// Hears a watermark of a sender; whether the stage has to hear of it.
    fn hear(&mut self, sender: usize, watermark: Timestamp) {
        let heard = &mut self.senders[sender].watermark;
        if watermark > *heard {
            *heard = watermark;
            self.gauge.heard(sender, watermark);
        }
        self.update_watermark();
    }

    fn update_watermark(&mut self) {
        let reached = reached(&self.senders, self.stage.waits_for_idle());
        if reached > self.watermark {
            self.watermark = reached;
            self.advancing = true;
            self.gauge.reached(reached);
        }
    }

    /// Writes into the outlets that follow the stage's own watermark that it has moved.
    fn mark_outlets(&mut self, watermark: Timestamp) {
        let (meta, ended) = (self.meta, watermark == Timestamp::MAX);
        let watermark = self.stage.passes_on(watermark);
        let see = &mut |index: usize, outlet: &mut dyn Outlet| match meta.outlets[index].time {
            Some(TimeMeta::Stage) => outlet.mark(watermark),
            Some(TimeMeta::Clock(_)) if ended => outlet.mark(watermark),
            Some(TimeMeta::Clock(_)) | None => {}
        };
        self.outs.visit(see, 0);
        if ended {
            // With the last watermark and not after it, or it would be heard among those that are still to come.
            self.set_status(Status::Ended);
        }
    }

    /// Writes into the outlets of each `event_time` the watermark of its clock. Only before sending, so that what is
    /// sent together stays together.
    fn mark_outlets_of_clocks(&mut self) {
        let (meta, local) = (self.meta, self.stage.local());
        let see = &mut |index: usize, outlet: &mut dyn Outlet| {
            if let Some(TimeMeta::Clock(clock)) = meta.outlets[index].time {
                outlet.mark(local.watermark(clock));
            }
        };
        self.outs.visit(see, 0);
    }

    fn set_status(&mut self, status: Status) {
        self.outs.visit(&mut |_, outlet| outlet.set_status(status), 0);
    }

    /// Passes on whether all that feed this stage are idle.
    fn update_status(&mut self, sender: usize, status: Status) {
        if self.senders[sender].status == status {
            return;
        }
        self.senders[sender].status = status;
        self.gauge.is_now(sender, status);
        self.update_watermark();
        self.pass_on_status();
    }

    /// A stage is not idle while it has records in flight: what feeds it is, and their results are not to find the
    /// watermark moved on without them.
    fn pass_on_status(&mut self) {
        let silent = self.senders.iter().all(|sender| sender.status != Status::Active);
        let ended = self.senders.iter().all(|sender| sender.status == Status::Ended);
        if !ended {
            let idle = silent && self.stage.in_flight() == 0;
            self.set_status(if idle { Status::Idle } else { Status::Active });
        }
    }

    /// Shows what the stage waits for, where that has changed.
    fn show(&mut self) {
        let (waits_for, in_flight) = (self.stage.waits_for(), self.stage.in_flight());
        if (waits_for, in_flight) != (self.shown.waits_for, self.shown.in_flight) {
            (self.shown.waits_for, self.shown.in_flight) = (waits_for, in_flight);
            self.gauge.waits(waits_for, in_flight);
        }
    }

    /// Goes on with the records in flight; whether any has left.
    fn poll_in_flight(&mut self, cx: &mut Context<'_>) -> bool {
        if self.holds_calls() {
            return false;
        }
        let mut any = false;
        loop {
            match self.stage.poll_in_flight(cx, &mut self.outs) {
                Awaited::Nothing => break,
                Awaited::Results => {}
                Awaited::Passed(watermark) => self.mark_outlets(watermark),
            }
            any = true;
        }
        if any && self.stage.in_flight() == 0 {
            self.pass_on_status();
        }
        if any {
            self.show();
        }
        any
    }
}

impl<S: Stage> StageTask for Task<S> {
    fn open(&mut self) {
        self.outs.visit(&mut |_, outlet| outlet.open(), 0);
        self.pass_on_status();
    }

    fn poll_take(&mut self, cx: &mut Context<'_>) -> Poll<Taken> {
        if self.stage.in_flight() > 0 && self.poll_in_flight(cx) {
            return Poll::Ready(Taken::Work);
        }
        if self.current.is_some() {
            return if self.stage.room() > 0 { Poll::Ready(Taken::Work) } else { Poll::Pending };
        }
        if self.has_barrier() {
            return if self.waits_for_calls() { Poll::Pending } else { Poll::Ready(Taken::Work) };
        }
        let received = match self.inbox.poll_next(cx) {
            Poll::Ready(received) => received,
            Poll::Pending if self.has_epoch_to_do(cx) => return Poll::Ready(Taken::Work),
            Poll::Pending => return Poll::Pending,
        };
        Poll::Ready(match received {
            Received::Barrier(epoch) => {
                if !self.meet_barrier(epoch) {
                    return Poll::Pending;
                }
                Taken::Work
            }
            Received::Ended if self.stage.in_flight() > 0 => {
                // Those that have ended send no barrier any more, and what is in flight may be so for long.
                match self.inbox.poll_asked(cx) {
                    Some(epoch) if self.meet_barrier(epoch) => Taken::Work,
                    _ if self.has_epoch_to_do(cx) => Taken::Work,
                    _ => return Poll::Pending,
                }
            }
            Received::Ended => Taken::Ended,
            Received::Broken => Taken::Broken,
            Received::Batch(sender, batch) => {
                // Who sends records is not idle, whatever it has become since.
                let has_records = batch.records() > 0;
                if batch.status == Status::Active || has_records {
                    self.update_status(sender, Status::Active);
                }
                if !self.shown.came && has_records {
                    self.shown.came = true;
                    self.gauge.records_came();
                }
                self.current = Some(Current::new(sender, batch));
                Taken::Work
            }
        })
    }

    fn needs_wall_time(&self) -> bool {
        self.stage.needs_wall_time()
    }

    fn tell(&mut self, now: Timestamp) {
        self.now = Some(now);
    }

    fn wakes_at(&self) -> Option<Timestamp> {
        self.stage.wakes_at()
    }

    fn take_woke_writer(&mut self) -> bool {
        self.inbox.take_woke_writer()
    }

    fn work(&mut self) -> Progress {
        if self.advancing {
            match self.stage.on_watermark(self.watermark, &mut self.outs) {
                Progress::More => return Progress::More,
                Progress::Later => {}
                Progress::Done => self.mark_outlets(self.watermark),
            }
            self.advancing = false;
            return Progress::More;
        }
        if let Some(now) = self.now {
            if self.stage.on_wall_time(now, &mut self.outs) == Progress::More {
                return Progress::More;
            }
            self.now = None;
        }
        self.copy(COPIED_AT_ONCE);
        let Some(current) = &mut self.current else {
            // All before the barrier is sent before anything after it is made.
            return if self.pass_barrier() { Progress::More } else { Progress::Done };
        };
        if let Some(parts) = current.parts.take() {
            self.stage.on_parts(parts);
        }
        let (sender, items) = (current.sender, current.next_items(self.stage.room()));
        if !items.is_empty() {
            self.stage.on_sender(self.senders[sender].watermark);
            self.stage.on_batch(items, &mut self.outs);
        }
        let Some(current) = &mut self.current else { return Progress::Done };
        if current.before_mark() > 0 {
            // Until there is room again: `poll_take` sees to it.
            return Progress::Done;
        }
        let sender = current.sender;
        if let Some((_, mark)) = current.next_mark.take() {
            current.next_mark = current.marks.next();
            self.hear(sender, mark);
            return Progress::More;
        }
        let (watermark, status) = (current.watermark, current.status);
        self.current = None;
        // In this order: one that has ended is not to be heard among the idle.
        self.update_status(sender, status);
        self.hear(sender, watermark);
        if self.advancing { Progress::More } else { Progress::Done }
    }

    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.stage.in_flight() > 0 {
            // Calls go on while what they gave waits for room.
            self.poll_in_flight(cx);
        }
        self.mark_outlets_of_clocks();
        let sent = self.outs.poll_flush(self.limit, cx);
        match &mut self.durable {
            // Whoever makes no room may be waiting for the epoch to be committed.
            Some(_) if sent.is_pending() => self.copy(usize::MAX),
            Some(durable) => durable.sending = false,
            None => {}
        }
        if sent.is_pending() != self.shown.blocked {
            self.shown.blocked = sent.is_pending();
            self.gauge.is_blocked(self.shown.blocked);
        }
        sent
    }

    fn is_full(&mut self) -> bool {
        let (limit, mut full) = (self.limit, false);
        self.outs.visit(&mut |_, outlet| full |= outlet.gathered() >= limit, 0);
        full
    }

    fn close(&mut self) {
        self.inbox.close();
    }

    fn idle(&mut self) {
        (0..self.senders.len()).for_each(|sender| {
            if self.senders[sender].status == Status::Active {
                self.update_status(sender, Status::Idle);
            }
        });
    }

    fn silent(&mut self, since: Option<Duration>) {
        self.gauge.is_silent(since);
    }

    fn end(&mut self) {
        self.gauge.has_ended();
        self.set_status(Status::Ended);
    }

    fn note_end(&mut self) {
        if self.durable.is_none() {
            return;
        }
        self.copy(usize::MAX);
        let (at, inputs) = (self.shard_at(true), self.inbox.inputs());
        if let Some(durable) = &self.durable {
            durable.epochs.note(Note::ShardEnded { task: durable.task, at, inputs });
        }
    }

    fn report(&mut self) -> Option<FlowError> {
        self.show();
        let shared = &self.shared;
        let keys = self.stage.keys() as u64;
        shared.note_keys(self.place.first_node + self.meta.node, self.keys, keys);
        self.keys = keys;
        let local = self.stage.local();
        let place = self.place;
        local.take_counts(|node, counts| shared.count(place.node(node), counts));
        local.take_failure().map(|failure| FlowError::Failed {
            flow: shared.graph.flow,
            node: shared.node_name(place.node(failure.node)),
            error: failure.error.into(),
        })
    }

    fn abandon(&mut self) -> u64 {
        let current = self.current.as_ref().map_or(0, Current::records);
        let mut buffered = 0;
        self.outs.visit(&mut |_, outlet| buffered += outlet.buffered(), 0);
        let is_over = self.durable.as_ref().is_some_and(|durable| durable.is_over);
        let in_flight = if is_over { 0 } else { self.stage.in_flight() };
        self.inbox.abandon() + (current + buffered + in_flight) as u64
    }
}

/// The least watermark of the senders that may still send; those that are idle do not hold it back, and where all are,
/// none holds back another: unless the stage waits for them all the same.
fn reached(senders: &[Sender], waits_for_idle: bool) -> Timestamp {
    let of = |status| {
        let senders = senders.iter().filter(move |sender| sender.status == status);
        senders.map(|sender| sender.watermark)
    };
    let reached = if waits_for_idle {
        of(Status::Active).chain(of(Status::Idle)).min()
    } else {
        of(Status::Active).min().or_else(|| of(Status::Idle).max())
    };
    reached.unwrap_or(Timestamp::MAX)
}

/// How a task ended.
enum Outcome {
    Drained,
    Failed(FlowError),
    Panicked(Panic),
    /// Another task of the flow failed or was told to stop.
    Stopped,
}

/// Runs a task to its end, and says so. The task of an input has a kind and a time after which silence is idleness.
pub(super) async fn run(
    mut task: Box<dyn StageTask>,
    place: Place,
    shared: Arc<Shared>,
    executor: Arc<dyn Executor>,
    watch: Option<(InputKind, Duration)>,
) {
    task.open();
    let outcome = tokio::select! {
        biased;
        () = shared.stopped.cancelled() => Outcome::Stopped,
        outcome = caught(drive(&mut *task, &shared, &*executor, watch)) => {
            outcome.unwrap_or_else(Outcome::Panicked)
        }
    };
    match outcome {
        Outcome::Drained => {}
        Outcome::Failed(error) => shared.fail(error),
        Outcome::Panicked(panic) => shared.fail_by_panic(place, &*panic),
        Outcome::Stopped => shared.note_dropped(place.name, task.abandon()),
    }
}

async fn drive(
    task: &mut dyn StageTask,
    shared: &Shared,
    executor: &dyn Executor,
    watch: Option<(InputKind, Duration)>,
) -> Outcome {
    let mut turns = 0u64;
    let mut open = watch.is_some_and(|(kind, _)| kind == InputKind::Pushed);
    let mut silence = None;
    loop {
        // Those who still send must not keep the input open by never letting it run dry.
        if open && shared.closing.is_cancelled() {
            open = false;
            task.close();
        }
        let taken = match watch {
            // Under load there is no need to watch the clock.
            Some(_) if take_now(task) => {
                break_silence(task, &mut silence);
                Taken::Work
            }
            Some((_, idle_after)) => {
                take_from_input(task, shared, executor, idle_after, &mut open, &mut silence).await
            }
            None => take(task, executor).await,
        };
        match taken {
            Taken::Work => {}
            Taken::Ended => break,
            // Its sender has failed and will say why, or the flow is being stopped.
            Taken::Broken => return Outcome::Stopped,
        }
        // What waits already is worked on before anything is sent: batches grow with the load.
        loop {
            if task.needs_wall_time() {
                task.tell(executor.wall_time());
            }
            let progress = task.work();
            if let Some(error) = task.report() {
                return Outcome::Failed(error);
            }
            turns += 1;
            // An input that never runs dry must not keep what there is from being sent, nor others from their turn.
            let go_on = progress == Progress::Done && !task.is_full() && !turns.is_multiple_of(TURNS);
            if go_on && take_now(task) {
                break_silence(task, &mut silence);
                continue;
            }
            std::future::poll_fn(|cx| task.poll_send(cx)).await;
            if turns.is_multiple_of(TURNS) || task.take_woke_writer() {
                give_way().await;
            }
            if progress == Progress::Done {
                break;
            }
        }
    }
    task.end();
    std::future::poll_fn(|cx| task.poll_send(cx)).await;
    task.note_end();
    Outcome::Drained
}

/// As often as a task fills a channel: handing work over to another worker costs a few microseconds.
const TURNS: u64 = 16;

/// Goes to the end of the queue, so that another worker can take this task up.
///
/// tokio keeps the task that was woken last for the worker that woke it. Without this, a stage and the one it feeds
/// take turns on one worker, and the others have nothing to do: so also where a stage has woken the one that feeds it.
async fn give_way() {
    let mut gave_way = false;
    std::future::poll_fn(|cx| {
        if std::mem::replace(&mut gave_way, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Takes a batch if one waits.
fn take_now(task: &mut dyn StageTask) -> bool {
    let mut cx = Context::from_waker(Waker::noop());
    matches!(task.poll_take(&mut cx), Poll::Ready(Taken::Work))
}

/// When the stage wants to work although nothing has come: never, if it does not say.
fn wake(task: &dyn StageTask, executor: &dyn Executor) -> Sleep {
    match task.wakes_at() {
        Some(at) => executor.sleep(at.since(executor.wall_time())),
        None => Box::pin(std::future::pending()),
    }
}

/// Waits for what comes, or for the time at which the stage wants to work although nothing has.
async fn take(task: &mut dyn StageTask, executor: &dyn Executor) -> Taken {
    if task.wakes_at().is_none() {
        return std::future::poll_fn(|cx| task.poll_take(cx)).await;
    }
    let wake = wake(task, executor);
    tokio::select! {
        biased;
        taken = std::future::poll_fn(|cx| task.poll_take(cx)) => taken,
        () = wake => Taken::Work,
    }
}

/// Nothing has come from an input for some time.
struct Silence {
    /// Until it counts as idle.
    sleep: Sleep,
    idle: bool,
}

fn break_silence(task: &mut dyn StageTask, silence: &mut Option<Silence>) {
    if silence.take().is_some() {
        task.silent(None);
    }
}

/// Waits for an input, which may be closed from outside and may fall silent, or for the time at which the stage wants to
/// work; its work does not break the silence.
async fn take_from_input(
    task: &mut dyn StageTask,
    shared: &Shared,
    executor: &dyn Executor,
    idle_after: Duration,
    open: &mut bool,
    silence: &mut Option<Silence>,
) -> Taken {
    let Silence { sleep, idle } = silence.get_or_insert_with(|| {
        task.silent(Some(executor.now()));
        Silence { sleep: executor.sleep(idle_after), idle: false }
    });
    let mut wake = wake(task, executor);
    loop {
        tokio::select! {
            biased;
            taken = std::future::poll_fn(|cx| task.poll_take(cx)) => {
                break_silence(task, silence);
                return taken;
            }
            () = shared.closing.cancelled(), if *open => {
                *open = false;
                task.close();
            }
            () = &mut *sleep, if !*idle => {
                *idle = true;
                task.idle();
                return Taken::Work;
            }
            () = &mut wake => return Taken::Work,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::inline::Inline;
    use super::super::shared::lock;
    use super::*;
    use crate::graph::Graph;
    use std::sync::Mutex;

    fn senders(of: &[(i64, Status)]) -> Vec<Sender> {
        of.iter().map(|&(at, status)| Sender { watermark: Timestamp(at), status }).collect()
    }

    #[test]
    fn an_idle_sender_holds_back_only_what_waits_for_it() {
        let one_idle = senders(&[(5, Status::Active), (3, Status::Idle), (1, Status::Ended)]);
        assert_eq!(reached(&one_idle, false), Timestamp(5));
        assert_eq!(reached(&one_idle, true), Timestamp(3));
        let all_idle = senders(&[(5, Status::Idle), (3, Status::Idle)]);
        assert_eq!(reached(&all_idle, false), Timestamp(5));
        assert_eq!(reached(&all_idle, true), Timestamp(3));
        for waits_for_idle in [false, true] {
            assert_eq!(reached(&senders(&[(5, Status::Ended)]), waits_for_idle), Timestamp::MAX);
        }
    }

    static EMPTY: Graph = Graph {
        flow: "Clocks",
        nodes: &[],
        stages: &[],
        inputs: &[],
        outputs: &[],
        subflows: &[],
        tables: &[],
    };

    /// A stage that nothing comes to, and that works every ten seconds. It tells of its work and of idleness.
    struct Ticking {
        next: Timestamp,
        told: Option<Timestamp>,
        log: Arc<Mutex<Vec<(&'static str, i64)>>>,
    }

    impl StageTask for Ticking {
        fn open(&mut self) {}
        fn poll_take(&mut self, _: &mut Context<'_>) -> Poll<Taken> {
            Poll::Pending
        }
        fn needs_wall_time(&self) -> bool {
            true
        }
        fn tell(&mut self, now: Timestamp) {
            self.told = Some(now);
        }
        fn wakes_at(&self) -> Option<Timestamp> {
            Some(self.next)
        }
        fn take_woke_writer(&mut self) -> bool {
            false
        }
        fn work(&mut self) -> Progress {
            if let Some(now) = self.told.take().filter(|now| *now >= self.next) {
                lock(&self.log).push(("works", now.0 / 1_000_000));
                self.next = now + Duration::from_secs(10);
            }
            Progress::Done
        }
        fn poll_send(&mut self, _: &mut Context<'_>) -> Poll<()> {
            Poll::Ready(())
        }
        fn is_full(&mut self) -> bool {
            false
        }
        fn close(&mut self) {}
        fn idle(&mut self) {
            lock(&self.log).push(("idle", self.next.0 / 1_000_000));
        }
        fn silent(&mut self, _: Option<Duration>) {}
        fn end(&mut self) {}
        fn note_end(&mut self) {}
        fn report(&mut self) -> Option<FlowError> {
            None
        }
        fn abandon(&mut self) -> u64 {
            0
        }
    }

    /// What the stage does in 35 seconds in which nothing comes.
    fn log_of(watch: Option<(InputKind, Duration)>) -> Vec<(&'static str, i64)> {
        let mut inline = Inline::new();
        let (executor, shared, log) =
            (inline.executor(), Arc::new(Shared::new(&EMPTY)), Arc::<Mutex<Vec<_>>>::default());
        let task = Ticking { next: Timestamp::from_secs(10), told: None, log: Arc::clone(&log) };
        let place = Place::outside("ticks");
        executor.spawn(Box::pin(run(Box::new(task), place, shared, Arc::clone(&executor), watch)));
        (0..35).for_each(|_| inline.advance(Duration::from_secs(1)));
        std::mem::take(&mut lock(&log))
    }

    #[test]
    fn a_stage_is_woken_by_the_clock_at_an_input_as_elsewhere() {
        let works = [("works", 10), ("works", 20), ("works", 30)];
        assert_eq!(log_of(None), works);
        assert_eq!(log_of(Some((InputKind::Fed, Duration::from_secs(60)))), works);
    }

    #[test]
    fn work_by_the_clock_is_no_sign_of_life_of_an_input() {
        let idle = [("works", 10), ("works", 20), ("idle", 30), ("works", 30)];
        assert_eq!(log_of(Some((InputKind::Pushed, Duration::from_secs(25)))), idle);
    }
}
