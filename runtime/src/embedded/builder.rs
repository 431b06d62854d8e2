//! Settings of a flow, and what is attached to its ports, before it runs.

use super::control::FlowControl;
use super::executor::{Executor, Tokio};
use super::host::{EmbeddedHost, attach_sink, attach_source};
use super::inline::Inline;
use super::shared::Shared;
use crate::connect::{Sink, Source};
use crate::error::StartError;
use crate::flow::Flow;
use crate::panic;
use std::any::Any;
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::task::TaskTracker;

/// How a flow runs.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// The tasks of each stage that has a key. Default 1; at most 256, the number of key groups.
    pub shards: usize,
    /// The batches that each edge holds before it makes its writers wait. Default 16.
    pub capacity: usize,
    /// The most records of a batch. Default 4,096.
    pub batch_limit: usize,
    /// The silence, in wall time, after which an input no longer holds back the watermark of what it is merged
    /// with. Default 10 s.
    pub idle_after: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { shards: 1, capacity: 16, batch_limit: 4096, idle_after: Duration::from_secs(10) }
    }
}

impl Settings {
    fn check(&self, flow: &'static str) -> Result<(), StartError> {
        let bounds = [
            (1..=256).contains(&self.shards).then_some(()).ok_or("`shards` must be from 1 to 256"),
            (self.capacity > 0).then_some(()).ok_or("`capacity` must be above 0"),
            (self.batch_limit > 0).then_some(()).ok_or("`batch_limit` must be above 0"),
        ];
        bounds.into_iter().collect::<Result<(), _>>().map_err(|what| StartError::Setting { flow, what })
    }
}

/// A flow that does not run yet.
pub struct Builder<F> {
    flow: F,
    settings: Settings,
    attached: HashMap<&'static str, Box<dyn Any + Send>>,
}

/// What generated code makes a flow's typed handle of.
pub struct FlowParts<'a> {
    /// Gives the ports.
    pub host: &'a mut EmbeddedHost,
    /// The common part of the handle.
    pub control: FlowControl,
}

impl<F: Flow> Builder<F> {
    /// With the default settings and nothing attached.
    pub fn new(flow: F) -> Self {
        Builder { flow, settings: Settings::default(), attached: HashMap::new() }
    }

    /// Changes settings.
    #[must_use]
    pub fn set(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(&mut self.settings);
        self
    }

    /// Feeds an input from a source.
    #[must_use]
    pub fn source(mut self, input: &'static str, source: impl Source) -> Self {
        self.attached.insert(input, attach_source(input, source));
        self
    }

    /// Leads an output into a sink.
    #[must_use]
    pub fn sink(mut self, output: &'static str, sink: impl Sink) -> Self {
        self.attached.insert(output, attach_sink(output, sink));
        self
    }

    /// Runs the flow as tasks of the tokio runtime at hand.
    ///
    /// # Errors
    /// If there is none, a setting is out of its bounds, or what the flow evaluates before it runs panics.
    pub fn spawn(self) -> Result<F::Handle, StartError> {
        let runtime = tokio::runtime::Handle::try_current();
        let runtime = runtime.map_err(|_| StartError::NoRuntime { flow: F::GRAPH.flow })?;
        // tokio has no way to ask: it panics where a timer is made.
        let timer = catch_unwind(|| drop(tokio::time::sleep(Duration::ZERO)));
        timer.map_err(|_| StartError::NoTimer { flow: F::GRAPH.flow })?;
        self.start(Arc::new(Tokio::new(runtime)))
    }

    /// Runs the flow by hand on this thread, with a clock turned by hand: for tests.
    ///
    /// # Errors
    /// If a setting is out of its bounds.
    pub fn inline(self) -> Result<(F::Handle, Inline), StartError> {
        let inline = Inline::new();
        let handle = self.start(inline.executor())?;
        Ok((handle, inline))
    }

    fn start(self, executor: Arc<dyn Executor>) -> Result<F::Handle, StartError> {
        self.settings.check(F::GRAPH.flow)?;
        let shared = Arc::new(Shared::new(F::GRAPH));
        let control = FlowControl::new(Arc::clone(&shared), TaskTracker::new(), Arc::clone(&executor));
        let mut host = EmbeddedHost::new(self.settings, shared, executor, self.attached);
        let wired = catch_unwind(AssertUnwindSafe(|| F::wire_embedded(&Arc::new(self.flow), &mut host)));
        wired.map_err(|payload| StartError::Panicked {
            flow: F::GRAPH.flow,
            message: panic::message(&*payload),
        })?;
        for task in host.take_tasks()? {
            control.spawn(task);
        }
        control.has_started();
        Ok(F::handle(FlowParts { host: &mut host, control }))
    }
}

impl<F: std::fmt::Debug> std::fmt::Debug for Builder<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Builder")
            .field("flow", &self.flow)
            .field("settings", &self.settings)
            .field("attached", &self.attached.keys().collect::<Vec<_>>())
            .finish()
    }
}
