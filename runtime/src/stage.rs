//! What one task runs: a head, which may keep state, and the stateless operators after it.

use crate::batch::Parts;
use crate::clock::Clock;
use crate::error::NodeError;
use crate::outlet::Outlets;
use crate::panic::NodeId;
use crate::record::Record;
use crate::state::StoredState;
use crate::time::Timestamp;
use std::error::Error;
use std::task::Context;
use std::time::Duration;

/// Whether a stage has more to say about the watermark it was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// All is said.
    Done,
    /// Call again, with the same watermark, before anything else: what was said so far should be sent first.
    More,
    /// Records before it are still [in flight](Stage::in_flight): when they have left, the stage says so itself.
    Later,
}

/// What has become of the records that a stage has in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Awaited {
    /// Nothing new. The task is woken when there is.
    Nothing,
    /// Some have left.
    Results,
    /// All that came before this watermark have left, and none that came after it.
    Passed(Timestamp),
}

/// What a stage keeps from one epoch to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeps {
    /// Nothing.
    Nothing,
    /// Records that it has taken and not yet given on.
    InFlight,
    /// State for each key.
    ByKey,
}

impl Keeps {
    pub(crate) fn of(stage: &mut impl Stage) -> Keeps {
        match stage.stored() {
            None => Keeps::Nothing,
            Some(state) if state.is_in_flight() => Keeps::InFlight,
            Some(_) => Keeps::ByKey,
        }
    }
}

/// One shard of a stage.
pub trait Stage: Send + 'static {
    /// What the edges into it carry.
    type In: Record;
    /// The ways out of it.
    type Outs: Outlets;

    /// Whether a shard may take the records of any sender, although it has no key: because it keeps nothing of them.
    const KEEPS_NOTHING: bool = false;

    /// Takes records, in the order in which they came.
    fn on_batch(&mut self, items: Vec<Self::In>, outs: &mut Self::Outs);

    /// Takes what stands for records that their sender has united: only a stage that has asked senders to do so
    /// (`Edge::combined`) is given any.
    fn on_parts(&mut self, _parts: Parts) {}

    /// The next records are from a sender that has said of itself that none before `watermark` is to be expected. Where
    /// several feed a stage this can be ahead of the stage's own watermark, which is the least of theirs, and it does not
    /// depend on how far the others have come.
    fn on_sender(&mut self, _watermark: Timestamp) {}

    /// No record before `watermark` is to be expected any more. [`Timestamp::MAX`]: none at all.
    fn on_watermark(&mut self, watermark: Timestamp, outs: &mut Self::Outs) -> Progress;

    /// The watermark at which it will next give results of what it holds, if it waits for one.
    fn waits_for(&self) -> Option<Timestamp> {
        None
    }

    /// How many records it takes now.
    fn room(&self) -> usize {
        usize::MAX
    }

    /// The records it has taken and not given on, because it waits for something outside of the flow.
    fn in_flight(&self) -> usize {
        0
    }

    /// Whether all records in flight can be part of a snapshot now: asked at a barrier, which else waits until they have
    /// left. Only of a stage that has [stored](Stage::stored) state.
    fn keeps_in_flight(&mut self) -> bool {
        false
    }

    /// Goes on with the records in flight. To be called until it answers [`Awaited::Nothing`], and again when `cx` is
    /// woken.
    fn poll_in_flight(&mut self, _: &mut Context<'_>, _: &mut Self::Outs) -> Awaited {
        Awaited::Nothing
    }

    /// The watermark for what it feeds, once it has said all about its own: none of its results will be before it.
    fn passes_on(&self, watermark: Timestamp) -> Timestamp {
        watermark
    }

    /// Whether it goes by the wall clock: then it is told the time before each batch, and when it wants to be woken.
    fn needs_wall_time(&self) -> bool {
        false
    }

    /// What time it is, by the host's clock. Only for a stage that [needs](Stage::needs_wall_time) it.
    fn on_wall_time(&mut self, _now: Timestamp, _outs: &mut Self::Outs) -> Progress {
        Progress::Done
    }

    /// When it wants to be told the time although nothing has come. Asked anew whenever it has worked.
    fn wakes_at(&self) -> Option<Timestamp> {
        None
    }

    /// Whether a sender that is idle holds the watermark back like any other: where what each of them sends is but a part
    /// of a result.
    fn waits_for_idle(&self) -> bool {
        false
    }

    /// What its operators share.
    fn local(&mut self) -> &mut Local;

    /// The keys it holds state for, each counted once for every window: none, if it is stateless.
    fn keys(&self) -> usize {
        0
    }

    /// Its keyed state as checkpoints see it: none, if it is stateless.
    fn stored(&mut self) -> Option<&mut dyn StoredState> {
        None
    }
}

/// What the stateless operators of a stage share: clocks, counts, and the error that ends the flow.
#[derive(Debug)]
pub struct Local {
    clocks: Vec<Clock>,
    late: Vec<(NodeId, u64)>,
    skipped: Vec<(NodeId, u64)>,
    left_out: Vec<(NodeId, u64)>,
    failure: Option<NodeError>,
}

impl Local {
    /// With a clock for each `event_time` of the stage, by their lateness.
    #[must_use]
    pub fn new(lateness: &[Duration]) -> Local {
        Local {
            clocks: lateness.iter().map(|&lateness| Clock::new(lateness)).collect(),
            late: Vec::new(),
            skipped: Vec::new(),
            left_out: Vec::new(),
            failure: None,
        }
    }

    /// Shows a record's time to a clock: see [`Clock::observe`].
    #[inline(always)]
    pub fn observe(&mut self, clock: usize, at: Timestamp) -> Option<Timestamp> {
        self.clocks[clock].observe(at)
    }

    /// Its clocks, as checkpoints hold them.
    pub(crate) fn clocks(&self) -> Vec<(i64, i64)> {
        self.clocks.iter().map(Clock::stands).collect()
    }

    /// Sets its clocks to where they stood.
    pub(crate) fn resume(&mut self, clocks: &[(i64, i64)]) {
        self.clocks.iter_mut().zip(clocks).for_each(|(clock, &stood)| clock.resume(stood));
    }

    /// The watermark of a clock.
    pub(crate) fn watermark(&self, clock: usize) -> Timestamp {
        self.clocks[clock].watermark()
    }

    /// Counts a late record of a node that has no `else`.
    #[cold]
    pub fn late(&mut self, node: NodeId) {
        count(&mut self.late, node, 1);
    }

    /// Counts late records that came as one.
    #[cold]
    pub(crate) fn all_late(&mut self, node: NodeId, records: u64) {
        count(&mut self.late, node, records);
    }

    /// Counts a record that `else skip` let go.
    #[cold]
    pub fn skip(&mut self, node: NodeId) {
        count(&mut self.skipped, node, 1);
    }

    /// Counts a record that an operator is there to leave out: a duplicate, one out of date, or one that no arm takes.
    #[inline]
    pub fn leave_out(&mut self, node: NodeId) {
        count(&mut self.left_out, node, 1);
    }

    /// Ends the flow with an error: `else fail`.
    #[cold]
    pub fn fail(&mut self, node: NodeId, error: Box<dyn Error + Send + Sync>) {
        if self.failure.is_none() {
            self.failure = Some(NodeError { node, error });
        }
    }

    /// The error that ends the flow, if there is one.
    pub(crate) fn take_failure(&mut self) -> Option<NodeError> {
        self.failure.take()
    }

    /// The counts since the last call.
    pub(crate) fn take_counts(&mut self, mut see: impl FnMut(NodeId, Counts)) {
        let none = Counts::default();
        self.late.drain(..).for_each(|(node, late)| see(node, Counts { late, ..none }));
        self.skipped.drain(..).for_each(|(node, skipped)| see(node, Counts { skipped, ..none }));
        self.left_out.drain(..).for_each(|(node, left_out)| see(node, Counts { left_out, ..none }));
    }
}

#[cfg(test)]
impl Local {
    /// What it has allocated.
    pub(crate) fn bytes_on_the_heap(&self) -> usize {
        let counts = self.late.capacity() + self.skipped.capacity() + self.left_out.capacity();
        self.clocks.capacity() * size_of::<Clock>() + counts * size_of::<(NodeId, u64)>()
    }
}

/// Records that a node has let go.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) late: u64,
    pub(crate) skipped: u64,
    pub(crate) left_out: u64,
}

/// A stage counts for a node or two: a short list is quicker than a map.
fn count(counts: &mut Vec<(NodeId, u64)>, node: NodeId, records: u64) {
    match counts.iter_mut().find(|(counted, _)| *counted == node) {
        Some((_, n)) => *n += records,
        None => counts.push((node, records)),
    }
}
