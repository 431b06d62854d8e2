//! What runs the tasks: the user's tokio runtime, or a test's own hands.

use crate::host::{Sleep, Timer};
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

/// A task.
pub(super) type BoxFuture = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Runs tasks and tells them when time has passed.
pub(super) trait Executor: Timer {
    fn spawn(&self, task: BoxFuture);
}

/// The runtime that `spawn` was called on.
pub(super) struct Tokio(pub(super) tokio::runtime::Handle);

impl Executor for Tokio {
    fn spawn(&self, task: BoxFuture) {
        self.0.spawn(task);
    }
}

impl Timer for Tokio {
    fn sleep(&self, duration: Duration) -> Sleep {
        // A handle may be used where no runtime is at hand.
        let _entered = self.0.enter();
        Box::pin(tokio::time::sleep(duration))
    }
}
