//! A flow with what is attached to its ports, to be run on several workers.

use crate::dataflow;
use crate::exit::{self, Failure};
use crate::mesh::{Claim, MeshError};
use crate::seat::{Seat, say};
use crate::stop::Stop;
use psdf_runtime::engine::{Ports, Process, Team, Wired};
use psdf_runtime::flow::Flow;
use psdf_runtime::graph::Graph;
use psdf_runtime::{FlowError, Sink, Source, StartError};
use std::any::Any;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::TcpStream;
use std::sync::{Arc, Mutex, PoisonError};
use timely::communication::Hooks;
use timely::communication::allocator::zero_copy::initialize::initialize_networking_from_sockets;
use timely::communication::allocator::{AllocatorBuilder, ProcessBuilder};
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
    /// Its processes have not come together.
    Mesh(Arc<MeshError>),
    /// The workers could not be made, or one of them is gone.
    Workers(String),
}

impl fmt::Display for ClusterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ClusterError::Start(error) => write!(f, "{error}"),
            ClusterError::Flow(error) => write!(f, "{error}"),
            ClusterError::Mesh(error) => write!(f, "{error}"),
            ClusterError::Workers(error) => write!(f, "the workers of the cluster failed: {error}"),
        }
    }
}

impl std::error::Error for ClusterError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            ClusterError::Start(error) => Some(&**error),
            ClusterError::Flow(error) => Some(error),
            ClusterError::Mesh(error) => Some(&**error),
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
        let team = Workers { process: 0, processes: 1, of_process: workers.max(1) };
        self.run_on(vec![None], team, Stop::new())
    }

    /// Runs this process's part of the flow, together with the other processes of its job, to its end: all of them have to
    /// call this with the same flow. Asked to [stop](Seat::stop), its sources give no more, and the flow drains.
    ///
    /// Where the flow has ended with an error, and there are several processes, this does not return: the process ends with
    /// [`exit::AGAIN`](crate::exit::AGAIN), and so do the others when they lose it. Who supervises them starts all of them
    /// again.
    ///
    /// # Errors
    /// If the processes do not come together, or the flow cannot start; where there is but one process, also if the flow
    /// ends with an error.
    pub fn run(self, mut seat: Seat) -> Result<(), ClusterError> {
        let claim = || Ok::<_, ClusterError>(Claim { attempt: 0, restore: None });
        let mesh =
            seat.assemble(plan(F::GRAPH), claim).map_err(|error| ClusterError::Mesh(Arc::new(error)))?;
        let workers = Workers {
            process: seat.config.own_index(),
            processes: seat.config.process_count(),
            of_process: seat.config.worker_count(),
        };
        self.run_on(mesh.sockets, workers, seat.stop)
    }

    /// Runs the flow on the workers of this process, of which each of the others is at the end of a socket.
    fn run_on(
        self,
        sockets: Vec<Option<TcpStream>>,
        workers: Workers,
        stop: Stop,
    ) -> Result<(), ClusterError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("psdf-io")
            .enable_all()
            .build()
            .map_err(|error| ClusterError::Workers(error.to_string()))?;
        let handle = runtime.handle().clone();
        let refused = |error| ClusterError::Start(Arc::new(error));
        let process = Process::new(F::GRAPH, self.settings, self.ports, handle.clone()).map_err(refused)?;
        let process = Arc::new(process);
        let flow = Arc::new(self.flow);
        // Before any of them runs: where one cannot start, none does.
        let wired = workers.own().map(|team| {
            let _entered = handle.enter();
            process.wire(&flow, team).map(Some)
        });
        let wired: Result<Vec<Option<Wired>>, StartError> = wired.collect();
        let wired = Mutex::new(wired.map_err(refused)?);
        process.has_started();
        let (builders, guard) = allocators(sockets, workers).map_err(ClusterError::Workers)?;
        let first = workers.process * workers.of_process;
        let shared = Arc::clone(&process);
        let guards = timely::execute::execute_from(builders, guard, WorkerConfig::default(), move |worker| {
            let _entered = handle.enter();
            let mut all = wired.lock().unwrap_or_else(PoisonError::into_inner);
            let own = all.get_mut(worker.index() - first).and_then(Option::take);
            drop(all);
            let own = own.expect("each worker takes the part that was made for it, once");
            dataflow::run(worker, own, || {
                if stop.requested() {
                    shared.quit();
                }
                // The others would wait for this one for ever, and unwinding under them aborts.
                if let Some(error) = shared.error().filter(|_| workers.processes > 1) {
                    say(&format!("process {} ends: {error}", workers.process));
                    std::process::exit(i32::from(exit::AGAIN));
                }
            });
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

impl From<ClusterError> for Failure {
    fn from(error: ClusterError) -> Self {
        match error {
            ClusterError::Start(_) => Failure::GiveUp(Box::new(error)),
            ClusterError::Mesh(mesh) => match Arc::try_unwrap(mesh) {
                Ok(mesh) => mesh.into(),
                Err(mesh) => Failure::Again(Box::new(ClusterError::Mesh(mesh))),
            },
            ClusterError::Flow(_) | ClusterError::Workers(_) => Failure::Again(Box::new(error)),
        }
    }
}

/// What connects the workers of this process with each other and with those at the ends of the sockets.
fn allocators(
    sockets: Vec<Option<TcpStream>>,
    workers: Workers,
) -> Result<(Vec<AllocatorBuilder>, Box<dyn Any + Send>), String> {
    if workers.processes == 1 {
        return CommunicationConfig::Process(workers.of_process).try_build();
    }
    let hooks = Hooks::default();
    let near =
        ProcessBuilder::new_typed_vector(workers.of_process, hooks.refill.clone(), hooks.spill.clone());
    let of_process = workers.of_process;
    let joined = initialize_networking_from_sockets(near, sockets, workers.process, of_process, hooks);
    let (builders, guard) = joined.map_err(|error| error.to_string())?;
    Ok((builders.into_iter().map(AllocatorBuilder::Tcp).collect(), Box::new(guard)))
}

/// A number that only the same flow in the same program has: what is sent is read by the types that the program has.
fn plan(graph: &'static Graph) -> u64 {
    let mut hasher = DefaultHasher::new();
    format!("{graph:?}").hash(&mut hasher);
    let program = std::env::current_exe().and_then(std::fs::read);
    digest(&program.unwrap_or_default()).hash(&mut hasher);
    hasher.finish()
}

/// Of some hundred MiB, in no time, also where nothing is optimized: so it takes one byte in eight. It is to notice another
/// build, in which most of the program has another place, and no forgery.
fn digest(bytes: &[u8]) -> u64 {
    let mut hash = bytes.len() as u64;
    for line in bytes.chunks_exact(64) {
        let word = line.first_chunk().map_or(0, |word| u64::from_le_bytes(*word));
        hash = (hash.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95);
    }
    hash
}
