//! What each task has come to, for others to look at: written only where it changes.

use crate::batch::Status;
use crate::graph::Graph;
use crate::time::Timestamp;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU8, AtomicU64};
use std::time::Duration;

/// Who writes into a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Feeder {
    /// An input of the flow.
    Input(&'static str),
    /// A shard of a stage.
    Shard {
        /// The stage, by its place among all that were placed.
        stage: usize,
        shard: usize,
        /// The node whose records come that way.
        from: &'static str,
        /// Whether an `event_time` inside that stage makes its watermark.
        clock: bool,
    },
}

/// What a task has heard of one of those that feed it.
pub(super) struct SenderGauge {
    pub(super) feeder: Feeder,
    watermark: AtomicI64,
    status: AtomicU8,
}

impl SenderGauge {
    pub(super) fn watermark(&self) -> Timestamp {
        Timestamp(self.watermark.load(Relaxed))
    }

    pub(super) fn status(&self) -> Status {
        match self.status.load(Relaxed) {
            0 => Status::Active,
            1 => Status::Idle,
            _ => Status::Ended,
        }
    }
}

/// Where a stage is declared: in the flow itself, or in one that stands in it.
#[derive(Clone, Copy)]
pub(super) struct Origin {
    pub(super) graph: &'static Graph,
    /// The names that lead to that flow, joined; empty for the outermost.
    pub(super) path: &'static str,
    /// The stage, by its place in that graph.
    pub(super) place: usize,
}

/// One task of a stage.
pub(super) struct Gauge {
    /// The stage, by its place among all that were placed, and which of its shards.
    pub(super) stage: usize,
    pub(super) shard: usize,
    pub(super) origin: Origin,
    /// For the task of an input: the silence after which it is idle.
    pub(super) idle_after: Duration,
    pub(super) senders: Vec<SenderGauge>,
    watermark: AtomicI64,
    /// [`Timestamp::MIN`]: it waits for none.
    waits_for: AtomicI64,
    in_flight: AtomicU64,
    came: AtomicBool,
    blocked: AtomicBool,
    /// In microseconds of the host's clock; `u64::MAX`: it is not silent.
    silent_since: AtomicU64,
    /// The epoch of the last barrier that it has passed on; `u64::MAX`: it has ended.
    barrier: AtomicU64,
}

impl Gauge {
    pub(super) fn new(
        stage: usize,
        shard: usize,
        origin: Origin,
        feeders: Vec<Feeder>,
        idle_after: Duration,
    ) -> Gauge {
        let sender =
            |feeder| SenderGauge { feeder, watermark: AtomicI64::new(i64::MIN), status: AtomicU8::new(0) };
        Gauge {
            stage,
            shard,
            origin,
            idle_after,
            senders: feeders.into_iter().map(sender).collect(),
            watermark: AtomicI64::new(i64::MIN),
            waits_for: AtomicI64::new(i64::MIN),
            in_flight: AtomicU64::new(0),
            came: AtomicBool::new(false),
            blocked: AtomicBool::new(false),
            silent_since: AtomicU64::new(0),
            barrier: AtomicU64::new(0),
        }
    }

    pub(super) fn heard(&self, sender: usize, watermark: Timestamp) {
        self.senders[sender].watermark.store(watermark.0, Relaxed);
    }

    pub(super) fn is_now(&self, sender: usize, status: Status) {
        let number = match status {
            Status::Active => 0,
            Status::Idle => 1,
            Status::Ended => 2,
        };
        self.senders[sender].status.store(number, Relaxed);
    }

    pub(super) fn reached(&self, watermark: Timestamp) {
        self.watermark.store(watermark.0, Relaxed);
    }

    pub(super) fn waits(&self, waits_for: Option<Timestamp>, in_flight: usize) {
        self.waits_for.store(waits_for.unwrap_or(Timestamp::MIN).0, Relaxed);
        self.in_flight.store(in_flight as u64, Relaxed);
    }

    pub(super) fn passed_barrier(&self, epoch: u64) {
        self.barrier.store(epoch, Release);
    }

    pub(super) fn has_ended(&self) {
        self.barrier.store(u64::MAX, Release);
    }

    pub(super) fn records_came(&self) {
        self.came.store(true, Relaxed);
    }

    pub(super) fn is_blocked(&self, blocked: bool) {
        self.blocked.store(blocked, Relaxed);
    }

    pub(super) fn is_silent(&self, since: Option<Duration>) {
        let micros = |since: Duration| u64::try_from(since.as_micros()).unwrap_or(u64::MAX);
        self.silent_since.store(since.map_or(u64::MAX, micros), Relaxed);
    }
}

/// The other side.
impl Gauge {
    /// Whether it has yet to pass on the barrier of an epoch.
    pub(super) fn owes_barrier(&self, epoch: u64) -> bool {
        self.barrier.load(Acquire) < epoch
    }

    pub(super) fn watermark(&self) -> Timestamp {
        Timestamp(self.watermark.load(Relaxed))
    }

    pub(super) fn waits_for(&self) -> Option<Timestamp> {
        Some(Timestamp(self.waits_for.load(Relaxed))).filter(|&at| at != Timestamp::MIN)
    }

    pub(super) fn in_flight(&self) -> u64 {
        self.in_flight.load(Relaxed)
    }

    pub(super) fn came(&self) -> bool {
        self.came.load(Relaxed)
    }

    pub(super) fn blocked(&self) -> bool {
        self.blocked.load(Relaxed)
    }

    pub(super) fn silent_for(&self, now: Duration) -> Duration {
        let since = self.silent_since.load(Relaxed);
        if since == u64::MAX { Duration::ZERO } else { now.saturating_sub(Duration::from_micros(since)) }
    }
}
