//! How far sources may run ahead: timely's channels have no bound of their own.
//!
//! Time in the dataflow is counted in ticks. A source gives a bounded number of records in one tick, and works on no tick
//! that is more than a few ahead of the frontier: the least tick of which something is still on its way, on any worker.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};
use timely::scheduling::Activator;

/// The ticks that a source may be ahead of the frontier. Two would do, were the news of it there at once.
const TICKS_AHEAD: u64 = 4;
/// The records that a source gives in one tick: some batches, so that ticks cost nothing.
const RECORDS_A_TICK: u64 = 32 * 1024;
/// The bytes that a source sends to other processes in one tick.
const BYTES_A_TICK: usize = 4 << 20;
/// After so long an idle source goes on to a later tick, so that it holds up no other.
pub(crate) const IDLE_TICK: Duration = Duration::from_millis(100);

/// What all sources of a worker look at.
#[derive(Clone, Default)]
pub(crate) struct Pace(Rc<Shared>);

#[derive(Default)]
struct Shared {
    frontier: Cell<u64>,
    sources: RefCell<Vec<Activator>>,
}

impl Pace {
    /// Has a source look again when the frontier moves.
    pub(crate) fn add(&self, source: Activator) {
        self.0.sources.borrow_mut().push(source);
    }

    /// Something has come to its end: all before this tick has.
    pub(crate) fn move_frontier(&self, frontier: u64) {
        if frontier > self.0.frontier.replace(frontier) {
            self.0.sources.borrow().iter().for_each(Activator::activate);
        }
    }

    /// The first tick that no source may work on.
    fn limit(&self) -> u64 {
        self.0.frontier.get().saturating_add(TICKS_AHEAD)
    }
}

/// Where one source is.
pub(crate) struct Stride {
    pace: Pace,
    tick: u64,
    records: u64,
    bytes: usize,
    since: Instant,
}

impl Stride {
    pub(crate) fn new(pace: Pace) -> Stride {
        Stride { pace, tick: 0, records: 0, bytes: 0, since: Instant::now() }
    }

    pub(crate) fn tick(&self) -> u64 {
        self.tick
    }

    /// Whether it may give more now.
    pub(crate) fn may_go_on(&self) -> bool {
        self.tick < self.pace.limit()
    }

    /// Notes what it gave; a full tick is over.
    pub(crate) fn gave(&mut self, records: u64, bytes: usize, now: Instant) {
        self.records += records;
        self.bytes += bytes;
        if self.records >= RECORDS_A_TICK || self.bytes >= BYTES_A_TICK {
            self.go_to(self.tick + 1, now);
        } else if now.duration_since(self.since) >= IDLE_TICK {
            // As far as it may go, for others may be far ahead already.
            self.go_to((self.tick + 1).max(self.pace.limit()), now);
        }
    }

    fn go_to(&mut self, tick: u64, now: Instant) {
        (self.tick, self.records, self.bytes, self.since) = (tick, 0, 0, now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stride() -> (Pace, Stride, Instant) {
        let pace = Pace::default();
        let stride = Stride::new(pace.clone());
        let now = stride.since;
        (pace, stride, now)
    }

    #[test]
    fn a_source_stops_a_few_ticks_ahead_of_the_frontier_and_goes_on_with_it() {
        let (pace, mut stride, now) = stride();
        for _ in 0..TICKS_AHEAD {
            assert!(stride.may_go_on());
            stride.gave(RECORDS_A_TICK, 0, now);
        }
        assert!(!stride.may_go_on());
        pace.move_frontier(1);
        assert!(stride.may_go_on());
    }

    #[test]
    fn bytes_for_other_processes_end_a_tick_too() {
        let (_, mut stride, now) = stride();
        stride.gave(1, BYTES_A_TICK, now);
        assert_eq!(stride.tick(), 1);
    }

    #[test]
    fn an_idle_source_holds_up_no_other() {
        let (pace, mut stride, now) = stride();
        pace.move_frontier(10);
        stride.gave(0, 0, now);
        assert_eq!(stride.tick(), 0);
        stride.gave(0, 0, now + IDLE_TICK);
        assert_eq!(stride.tick(), 10 + TICKS_AHEAD);
    }
}
