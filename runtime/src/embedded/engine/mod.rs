//! The stages of a flow for a host that runs them on several workers, of which each makes a part of all tasks.
//!
//! The tasks are the embedded host's, with their inboxes, clocks and snapshots. What differs is an edge: here it ends in an
//! [`Outlet`], from which parcels are to be taken, and in an [`Inlet`], to which they are to be given. Between the two the
//! host carries them; it does not learn what is in them. Used by the crate `psdf-cluster` and not for others: it changes
//! without notice.

mod across;
mod host;
mod inlet;
mod link;
mod parcel;
mod part;
mod ports;
mod process;

pub use across::{Checkpoints, Letters, Orders, newest};
pub use host::ClusterHost;
pub use inlet::Inlet;
pub use link::Outlet;
pub use parcel::{Body, Parcel};
pub use part::Part;
pub use ports::Ports;
pub use process::{Process, Wired};

use crate::hash::KEY_GROUPS;

/// A worker among all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Team {
    /// Its place.
    pub worker: usize,
    /// The workers of all processes.
    pub workers: usize,
    /// The workers of each process.
    pub of_process: usize,
}

impl Team {
    /// The shards of a stage with a key. More than there are key groups would own none.
    pub(super) fn shards(self) -> usize {
        self.workers.min(KEY_GROUPS as usize)
    }

    /// The worker that makes a task.
    pub(super) fn worker_of(self, task: usize) -> usize {
        task % self.workers
    }

    /// The tasks, of so many, that this worker makes.
    fn own(self, all: usize) -> Vec<usize> {
        (0..all).filter(|&task| self.worker_of(task) == self.worker).collect()
    }

    /// Whether a worker is in the same process as this one.
    fn is_near(self, worker: usize) -> bool {
        worker / self.of_process == self.worker / self.of_process
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_has_no_more_shards_than_there_are_key_groups() {
        for (workers, shards) in [(1, 1), (256, 256), (1000, 256)] {
            let teams = (0..workers).map(|worker| Team { worker, workers, of_process: 1 });
            let mut all: Vec<usize> = teams.flat_map(|team| team.own(team.shards())).collect();
            all.sort_unstable();
            assert!(all.into_iter().eq(0..shards), "{workers} workers");
        }
    }
}
