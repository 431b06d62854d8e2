//! What runs the tasks: the user's tokio runtime, or a test's own hands.

use crate::host::{Sleep, Timer};
use crate::time::Timestamp;
use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, SystemTime};
use tokio::time::Instant;

/// A task.
pub(super) type BoxFuture = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Runs tasks and tells them when time has passed.
pub(super) trait Executor: Timer {
    fn spawn(&self, task: BoxFuture);
    /// Runs what may block, beside the tasks.
    fn blocking(&self, job: Box<dyn FnOnce() + Send>);
    /// The time since some moment before the flow began.
    fn now(&self) -> Duration;
    /// What time it is: since the Unix epoch, or since the hand began to turn the clock.
    fn wall_time(&self) -> Timestamp;
}

/// The runtime that `spawn` was called on.
pub(super) struct Tokio {
    runtime: tokio::runtime::Handle,
    start: Instant,
}

impl Tokio {
    pub(super) fn new(runtime: tokio::runtime::Handle) -> Self {
        Tokio { runtime, start: Instant::now() }
    }
}

impl Executor for Tokio {
    fn spawn(&self, task: BoxFuture) {
        self.runtime.spawn(task);
    }

    fn blocking(&self, job: Box<dyn FnOnce() + Send>) {
        self.runtime.spawn_blocking(job);
    }

    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    fn wall_time(&self) -> Timestamp {
        SystemTime::now().into()
    }
}

impl Timer for Tokio {
    fn sleep(&self, duration: Duration) -> Sleep {
        // A handle may be used where no runtime is at hand.
        let _entered = self.runtime.enter();
        Box::pin(tokio::time::sleep(duration))
    }
}
