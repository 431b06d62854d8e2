//! A task's part in epochs: barriers, and the snapshots that begin at them.

use super::{Sender, Task};
use crate::batch::Status;
use crate::checkpoint::Delta;
use crate::checkpoint::manifest::{SenderAt, ShardAt};
use crate::embedded::epochs::{Asked, Epochs, Note};
use crate::embedded::pause::Pause;
use crate::outlet::Outlets;
use crate::stage::Stage;
use crate::time::Timestamp;
use std::sync::Arc;
use std::task::Context;

/// A shard's part in epochs.
pub(in crate::embedded) struct Participant {
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
    pub(super) sending: bool,
    /// What is in flight is part of the last epoch, so nothing more may come of it: it comes when the flow goes on.
    pub(super) is_over: bool,
}

impl Participant {
    pub(in crate::embedded) fn new(task: usize, epochs: Arc<Epochs>, feeders: Vec<String>) -> Self {
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

impl<S: Stage> Task<S> {
    /// Goes on from what a shard was at a barrier.
    pub(in crate::embedded) fn resume(&mut self, at: &ShardAt) {
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
    pub(super) fn shard_at(&mut self, ended: bool) -> ShardAt {
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
    pub(super) fn waits_for_calls(&mut self) -> bool {
        self.stage.in_flight() > 0 && !self.stage.keeps_in_flight()
    }

    /// Takes part in the epoch whose barrier has come, if it is time to; whether it has.
    pub(super) fn pass_barrier(&mut self) -> bool {
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
    pub(super) fn copy(&mut self, mut entries: usize) {
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

    pub(super) fn has_barrier(&self) -> bool {
        self.durable.as_ref().is_some_and(|durable| durable.barrier.is_some())
    }

    /// Whether it has to do with an epoch, although nothing has come.
    pub(super) fn has_epoch_to_do(&mut self, cx: &Context<'_>) -> bool {
        let copying = self
            .durable
            .as_ref()
            .is_some_and(|durable| durable.copying.is_some() && durable.epochs.poll_room(durable.task, cx));
        copying || (self.has_barrier() && !self.waits_for_calls())
    }

    /// A barrier has come: whether it can be passed now.
    pub(super) fn meet_barrier(&mut self, epoch: u64) -> bool {
        if let Some(durable) = &mut self.durable {
            durable.barrier = Some(epoch);
        }
        !self.waits_for_calls()
    }

    /// Whether the records in flight have to wait.
    pub(super) fn holds_calls(&self) -> bool {
        self.durable.as_ref().is_some_and(|durable| durable.sending || durable.is_over)
    }
}
