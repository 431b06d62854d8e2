//! How the tasks of a durable flow hear of epochs, and what they say about them.

use super::damaged::Damaged;
use super::shared::lock;
use crate::checkpoint::Delta;
use crate::checkpoint::coordinator::Event;
use crate::checkpoint::manifest::{SegmentRef, ShardAt};
use crate::checkpoint::recovery::Recovered;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Waker};
use tokio::sync::{mpsc, oneshot, watch};

/// What a task says to the one that commits epochs.
pub(super) enum Note {
    /// Of what a shard has changed in an epoch a part, because it is too much to be kept until the whole is there.
    Part { task: usize, epoch: u64, delta: Delta },
    /// A shard has taken part in an epoch; what has changed is this, behind the parts. With `has_all` that is its whole state.
    Shard { task: usize, epoch: u64, at: ShardAt, delta: Delta, has_all: bool, inputs: Vec<(usize, u64)> },
    /// A shard has ended.
    ShardEnded { task: usize, at: ShardAt, inputs: Vec<(usize, u64)> },
    /// An output has taken, and prepared, all up to a barrier, or up to its end.
    Output {
        output: usize,
        epoch: u64,
        records: u64,
        prepared: Vec<u8>,
        held: Option<Vec<u8>>,
        ended: bool,
        /// Whether it will acknowledge the commit.
        acknowledges: bool,
    },
    /// A sink has committed.
    Acknowledged { output: usize },
    /// A shard of another process has taken part in an epoch, and what it had is stored.
    Stored {
        task: usize,
        epoch: u64,
        at: ShardAt,
        segments: Vec<SegmentRef>,
        /// As [`Event::Shard`] has it.
        whole: Option<(u8, u8)>,
        inputs: Vec<(usize, u64)>,
    },
    /// Somebody wants one more epoch, and then the end.
    Stop(oneshot::Sender<u64>),
    /// Segments have been merged, and what nothing needs deleted.
    Tidied(Vec<Event>),
}

/// While so many parts are not stored no more is copied: one is made while another is stored.
const UNSTORED: usize = 1;

/// When what is copied of a state is passed on to be stored, although it is not all.
#[derive(Clone, Copy, Debug)]
pub(super) struct PartSize {
    /// When it has so many bytes: a few times as many are in memory meanwhile, and as many more segments are stored.
    pub(super) bytes: usize,
    /// After so many entries it is looked whether it has.
    pub(super) looked_at_after: usize,
}

impl PartSize {
    pub(super) const USUAL: PartSize = PartSize { bytes: 4 << 20, looked_at_after: 16_384 };
    /// So that there are many, of states that are small.
    pub(super) const FORCED: PartSize = PartSize { bytes: 1, looked_at_after: 3 };
}

/// What other processes are told of epochs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Order {
    /// A barrier is asked for.
    Ask { epoch: u64, last: bool },
    /// An epoch is committed.
    Committed(u64),
    /// The last epoch that was asked for is committed: all stop.
    Stop,
    /// There are no more orders.
    Done,
}

/// What all tasks of a durable flow share.
pub(super) struct Epochs {
    pub(super) parts: PartSize,
    /// The parts that are not stored yet, and the tasks that wait until they are, by task.
    unstored: AtomicUsize,
    waiting_for_room: Mutex<BTreeMap<usize, Waker>>,
    /// The epoch whose barrier the inputs are to send, twice, and one more if it is the last.
    asked: AtomicU64,
    /// The inputs' tasks, by slot, that wait for that.
    waiting: Mutex<Vec<Option<Waker>>>,
    /// The last epoch that is committed.
    pub(super) committed: watch::Sender<u64>,
    /// How far each input is committed.
    pub(super) positions: Vec<AtomicU64>,
    pub(super) notes: mpsc::UnboundedSender<Note>,
    /// The epoch that was restored; 0 if none.
    pub(super) restored: u64,
    /// Whether the flow had come to its end with it.
    pub(super) was_finished: bool,
    /// The first epoch to be committed now: not the one behind the restored, where damaged ones were passed over.
    pub(super) next: u64,
    /// What of the store is known to be damaged.
    pub(super) damaged: Mutex<Damaged>,
    /// Where other processes are told, if there are any.
    pub(super) orders: Option<mpsc::UnboundedSender<Order>>,
}

/// A barrier that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) epoch: u64,
    pub(super) last: bool,
}

impl Epochs {
    pub(super) fn new(
        recovered: Option<&Recovered>,
        positions: &[u64],
        notes: mpsc::UnboundedSender<Note>,
        parts: PartSize,
    ) -> Self {
        let restored = recovered.map_or(0, |recovered| recovered.manifest.epoch);
        let passed_over = recovered.into_iter().flat_map(|recovered| &recovered.passed_over);
        Epochs {
            parts,
            unstored: AtomicUsize::new(0),
            waiting_for_room: Mutex::default(),
            asked: AtomicU64::new(restored << 1),
            waiting: Mutex::default(),
            committed: watch::Sender::new(restored),
            positions: positions.iter().map(|&position| AtomicU64::new(position)).collect(),
            notes,
            restored,
            was_finished: recovered.is_some_and(|recovered| recovered.manifest.finished),
            next: recovered.map_or(1, |recovered| recovered.next_epoch),
            damaged: Mutex::new(Damaged::passed_over(passed_over.map(|damage| damage.epoch))),
            orders: None,
        }
    }

    /// A place for the waker of a task that reads an input.
    pub(super) fn slot(&self) -> usize {
        let mut waiting = lock(&self.waiting);
        waiting.push(None);
        waiting.len() - 1
    }

    pub(super) fn asked(&self) -> Asked {
        let asked = self.asked.load(Ordering::Acquire);
        Asked { epoch: asked >> 1, last: asked & 1 == 1 }
    }

    /// As [`Epochs::asked`]; the task is woken when that changes.
    pub(super) fn poll_asked(&self, slot: usize, cx: &Context<'_>) -> Asked {
        lock(&self.waiting)[slot] = Some(cx.waker().clone());
        self.asked()
    }

    pub(super) fn ask(&self, asked: Asked) {
        self.asked.store(asked.epoch << 1 | u64::from(asked.last), Ordering::Release);
        let waiting: Vec<Waker> = lock(&self.waiting).iter_mut().filter_map(Option::take).collect();
        waiting.into_iter().for_each(Waker::wake);
        self.order(Order::Ask { epoch: asked.epoch, last: asked.last });
    }

    /// Tells all that an epoch is committed.
    pub(super) fn announce(&self, epoch: u64) {
        self.committed.send_replace(epoch);
        self.order(Order::Committed(epoch));
    }

    /// Tells other processes, if there are any. They are gone only when the flow is over.
    pub(super) fn order(&self, order: Order) {
        if let Some(orders) = &self.orders {
            let _ = orders.send(order);
        }
    }

    /// Passes a part on to be stored.
    pub(super) fn note_part(&self, task: usize, epoch: u64, delta: Delta) {
        self.unstored.fetch_add(1, Ordering::AcqRel);
        self.note(Note::Part { task, epoch, delta });
    }

    /// A part is stored.
    pub(super) fn part_is_stored(&self) {
        self.unstored.fetch_sub(1, Ordering::AcqRel);
        let waiting = std::mem::take(&mut *lock(&self.waiting_for_room));
        waiting.into_values().for_each(Waker::wake);
    }

    /// Whether few enough parts are in memory for one more.
    pub(super) fn has_room(&self) -> bool {
        self.unstored.load(Ordering::Acquire) < UNSTORED
    }

    /// As [`Epochs::has_room`]; the task is woken when that changes.
    pub(super) fn poll_room(&self, task: usize, cx: &Context<'_>) -> bool {
        lock(&self.waiting_for_room).insert(task, cx.waker().clone());
        self.has_room()
    }

    /// The one who is told is gone only when the flow is over.
    pub(super) fn note(&self, note: Note) {
        let _ = self.notes.send(note);
    }
}
