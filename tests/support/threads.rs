//! Several threads to run flows on, and a guard against waiting for ever.

use std::future::Future;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};

pub(crate) fn threads() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime can be made")
}

/// Runs a test on several threads. What hangs fails, after a time that no test comes near.
pub(crate) fn on_threads<T>(test: impl Future<Output = T>) -> T {
    threads().block_on(in_time(test))
}

pub(crate) async fn in_time<T>(test: impl Future<Output = T>) -> T {
    let done = tokio::time::timeout(Duration::from_secs(60), test).await;
    done.unwrap_or_else(|_| panic!("this would have waited for ever"))
}
