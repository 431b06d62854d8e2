//! What runs the tasks: the user's tokio runtime, or a test's own hands.

use crate::time::Timestamp;
use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, SystemTime};

/// A task or a sleep.
pub(super) type BoxFuture = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Runs tasks and tells them when time has passed.
pub(super) trait Executor: Send + Sync {
    fn spawn(&self, task: BoxFuture);
    /// For code that blocks: a thread of its own, where there are threads.
    fn sleep(&self, duration: Duration) -> BoxFuture;
    /// What time it is: since the Unix epoch, or since the hand began to turn the clock.
    fn now(&self) -> Timestamp;
}

/// The runtime that `spawn` was called on.
pub(super) struct Tokio(pub(super) tokio::runtime::Handle);

impl Executor for Tokio {
    fn spawn(&self, task: BoxFuture) {
        self.0.spawn(task);
    }

    fn sleep(&self, duration: Duration) -> BoxFuture {
        // A handle may be used where no runtime is at hand.
        let _entered = self.0.enter();
        Box::pin(tokio::time::sleep(duration))
    }

    fn now(&self) -> Timestamp {
        SystemTime::now().into()
    }
}
