//! How long a stage stands still for an epoch, told to whoever traces `psdf::pause`; else it is not measured.

use std::time::Instant;
use tracing::Level;

/// Under which name it is told.
const TARGET: &str = "psdf::pause";

/// A step in which a stage does nothing else.
pub(super) struct Pause(Option<Instant>);

impl Pause {
    pub(super) fn begin() -> Pause {
        Pause(tracing::enabled!(target: TARGET, Level::TRACE).then(Instant::now))
    }

    /// The step is over; in words, which it was.
    pub(super) fn end(self, flow: &str, node: &str, step: &str) {
        if let Some(begun) = self.0 {
            let nanos = u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX);
            tracing::trace!(target: TARGET, flow, node, step, nanos);
        }
    }
}
