//! A worker's part of a flow as a dataflow of the engine.

use crate::operator;
use crate::pace::Pace;
use psdf_runtime::engine::Wired;
use std::time::Duration;
use timely::dataflow::operators::probe::{Handle, Probe};
use timely::worker::Worker;

/// As often a worker looks up although there is nothing to do.
const LOOK: Duration = Duration::from_millis(250);

/// Makes the dataflow, and runs it to its end; `look` is called now and then, with the frontier, and whenever something has been
/// stopped.
pub(crate) fn run(worker: &mut Worker, wired: Wired, mut look: impl FnMut(Option<u64>)) {
    let (pace, probe) = (Pace::default(), Handle::new());
    worker.dataflow_named("psdf", |scope| {
        let mut edges: Vec<_> = (0..wired.edges).map(|_| None).collect();
        for part in wired.parts {
            operator::build(scope, part, &mut edges, &pace, &probe);
        }
        for unread in edges.into_iter().flatten() {
            unread.probe_with(&probe);
        }
    });
    while worker.has_dataflows() {
        worker.step_or_park(Some(LOOK));
        let frontier = probe.with_frontier(|frontier| frontier.first().copied());
        frontier.into_iter().for_each(|frontier| pace.move_frontier(frontier));
        look(frontier);
    }
}
