//! A flow with what is attached to its ports, to be run on several workers.

use crate::dataflow;
use psdf_runtime::engine::{Ports, Process, Team, Wired};
use psdf_runtime::flow::Flow;
use psdf_runtime::{FlowError, Sink, Source, StartError};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use timely::communication::allocator::AllocatorBuilder;
use timely::{CommunicationConfig, WorkerConfig};

/// A flow to be run on several workers.
///
/// An input is fed by a source for each of its partitions; they are divided between the workers. An output is led into a
/// sink, which the first worker runs. What has a key runs on all workers, each of which owns a part of the key groups.
/// What has none, and keeps nothing, runs beside what feeds it; what keeps something without a key runs on the first
/// worker, and so does an `event_time` that does not follow an input directly: its clock must see all records. Each
/// partition of an input has the clocks of that input for itself.
#[derive(Debug)]
pub struct Job<F> {
    flow: F,
    ports: Ports,
    settings: psdf_runtime::embedded::Settings,
}

/// A flow cannot start on its workers, or has not come to its end.
#[derive(Clone, Debug)]
pub enum ClusterError {
    /// It cannot start.
    Start(Arc<StartError>),
    /// It ended with an error.
    Flow(FlowError),
    /// The workers could not be made, or one of them is gone.
    Workers(String),
}

impl fmt::Display for ClusterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ClusterError::Start(error) => write!(f, "{error}"),
            ClusterError::Flow(error) => write!(f, "{error}"),
            ClusterError::Workers(error) => write!(f, "the workers of the cluster failed: {error}"),
        }
    }
}

impl std::error::Error for ClusterError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            ClusterError::Start(error) => Some(&**error),
            ClusterError::Flow(error) => Some(error),
            ClusterError::Workers(_) => None,
        }
    }
}

/// The workers of a process among those of all.
#[derive(Clone, Copy, Debug)]
struct Workers {
    process: usize,
    processes: usize,
    of_process: usize,
}

impl Workers {
    fn own(self) -> impl Iterator<Item = Team> {
        let Workers { process, processes, of_process } = self;
        let team = move |worker| Team {
            worker: process * of_process + worker,
            workers: processes * of_process,
            of_process,
        };
        (0..of_process).map(team)
    }
}

impl<F: Flow + Send + Sync> Job<F> {
    /// Of a flow, with nothing attached.
    pub fn new(flow: F) -> Self {
        Job { flow, ports: Ports::default(), settings: psdf_runtime::embedded::Settings::default() }
    }

    /// Feeds an input from so many sources, its partitions. Each is made, by its number, in the process that reads it.
    #[must_use]
    pub fn source<S: Source>(
        mut self,
        input: &str,
        partitions: usize,
        make: impl Fn(usize) -> S + Send + Sync + 'static,
    ) -> Self {
        self.ports.source(input, partitions, make);
        self
    }

    /// Leads an output into a sink, which is made in the process of the first worker.
    #[must_use]
    pub fn sink<K: Sink>(mut self, output: &str, make: impl Fn() -> K + Send + Sync + 'static) -> Self {
        self.ports.sink(output, make);
        self
    }

    /// Drops what comes out at an output. An output that has neither sink nor this is refused.
    #[must_use]
    pub fn let_go(mut self, output: &str) -> Self {
        self.ports.let_go(output);
        self
    }

    /// The most records of a batch. Default 4,096.
    #[must_use]
    pub fn batch_limit(mut self, records: usize) -> Self {
        self.settings.batch_limit = records;
        self
    }

    /// Runs the flow to its end, on so many workers of this process.
    ///
    /// # Errors
    /// If it cannot start, or ends with an error.
    pub fn run_here(self, workers: usize) -> Result<(), ClusterError> {
        let config = CommunicationConfig::Process(workers.max(1));
        let (builders, guard) = config.try_build().map_err(ClusterError::Workers)?;
        self.run_on(builders, guard, Workers { process: 0, processes: 1, of_process: workers.max(1) })
    }

    /// Runs the flow on the workers of this process.
    fn run_on(
        self,
        builders: Vec<AllocatorBuilder>,
        guard: Box<dyn std::any::Any + Send>,
        workers: Workers,
    ) -> Result<(), ClusterError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("psdf-io")
            .enable_all()
            .build()
            .map_err(|error| ClusterError::Workers(error.to_string()))?;
        let handle = runtime.handle().clone();
        let process = Process::new(F::GRAPH, self.settings, self.ports, handle.clone())
            .map_err(|error| ClusterError::Start(Arc::new(error)))?;
        let flow = Arc::new(self.flow);
        // Before any of them runs: where one cannot start, none does.
        let wired = workers.own().map(|team| {
            let _entered = handle.enter();
            process.wire(&flow, team).map(Some)
        });
        let wired: Result<Vec<Option<Wired>>, StartError> = wired.collect();
        let wired = Mutex::new(wired.map_err(|error| ClusterError::Start(Arc::new(error)))?);
        process.has_started();
        let first = workers.process * workers.of_process;
        let guards = timely::execute::execute_from(builders, guard, WorkerConfig::default(), move |worker| {
            let _entered = handle.enter();
            let mut all = wired.lock().unwrap_or_else(PoisonError::into_inner);
            let own = all.get_mut(worker.index() - first).and_then(Option::take);
            drop(all);
            dataflow::run(worker, own.expect("each worker takes the part that was made for it, once"));
        });
        let guards = guards.map_err(ClusterError::Workers)?;
        let failed = guards.join().into_iter().find_map(Result::err);
        if let Some(error) = failed {
            process.stop();
            return Err(ClusterError::Workers(error));
        }
        runtime.block_on(process.watch().ended()).map_err(ClusterError::Flow)
    }
}
