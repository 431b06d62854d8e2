//! The task of one shard of a stage: what comes is worked on, watermarks are heard and passed on, results wait to be sent.

mod participant;

pub(super) use participant::Participant;

use super::channel::{Inbox, Received};
use super::driver::{StageTask, Taken};
use super::epochs::Note;
use super::gauge::Gauge;
use super::shared::{Place, Shared};
use crate::batch::{Batch, Parts, Status};
use crate::error::FlowError;
use crate::graph::{StageMeta, TimeMeta};
use crate::outlet::{Outlet, Outlets};
use crate::stage::{Awaited, Progress, Stage};
use crate::time::Timestamp;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use std::vec;

/// The entries that are copied before a batch is worked on.
const COPIED_AT_ONCE: usize = 1024;

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

#[cfg(test)]
mod tests {
    use super::*;

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
}
