//! A flow with what is attached to its ports, to be run on several workers.

use crate::error::ClusterError;
use crate::mesh::{Claim, Mesh};
use crate::run::{self, Workers};
use crate::seat::Seat;
use crate::stop::Stop;
use psdf_runtime::checkpoint::storage::{DirStorage, Storage};
use psdf_runtime::embedded::Settings;
use psdf_runtime::engine::{Checkpoints, Ports, newest};
use psdf_runtime::flow::Flow;
use psdf_runtime::graph::Graph;
use psdf_runtime::{Sink, Source};
use std::collections::HashSet;
use std::fmt;
use std::hash::{BuildHasher, DefaultHasher, Hash, Hasher, RandomState};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

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
    settings: Settings,
    kept: Option<Kept>,
    tier: Option<PathBuf>,
    forgotten: HashSet<String>,
}

/// Where checkpoints are.
enum Kept {
    Directory(PathBuf),
    Storage(Arc<dyn Storage>),
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Kept::Directory(path) => write!(f, "{}", path.display()),
            Kept::Storage(_) => f.write_str("a storage"),
        }
    }
}

impl<F: Flow + Send + Sync> Job<F> {
    /// Of a flow, with nothing attached.
    pub fn new(flow: F) -> Self {
        Job {
            flow,
            ports: Ports::default(),
            settings: Settings::default(),
            kept: None,
            tier: None,
            forgotten: HashSet::new(),
        }
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

    /// Changes settings. Their `shards` say nothing here: there is one on each worker.
    #[must_use]
    pub fn set(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(&mut self.settings);
        self
    }

    /// Makes the flow durable: its checkpoints are kept in a directory, which all processes must see, and it goes on from the
    /// last of them, on as many workers as there are then. The number of partitions of an input has to stay.
    ///
    /// What is stored is what a flow of one process stores: if each input has one partition, it goes on there too, and the
    /// other way round.
    #[must_use]
    pub fn durable(mut self, path: impl Into<PathBuf>) -> Self {
        self.kept = Some(Kept::Directory(path.into()));
        self
    }

    /// Makes the flow durable, with a storage that is the same for all processes.
    #[must_use]
    pub fn durable_in(mut self, storage: impl Storage) -> Self {
        self.kept = Some(Kept::Storage(Arc::new(storage)));
        self
    }

    /// The time from one checkpoint to the next. Default 10 s.
    #[must_use]
    pub fn checkpoint_every(mut self, interval: Duration) -> Self {
        self.settings.checkpoint_every = interval;
        self
    }

    /// Where the keys go that are over a node's budget of `memory`: a directory on a local disk, in which each worker has one
    /// of its own.
    #[must_use]
    pub fn tier(mut self, path: impl Into<PathBuf>) -> Self {
        self.tier = Some(path.into());
        self
    }

    /// Lets the stored state of a node go that the flow does not have any more.
    #[must_use]
    pub fn forget_state_of(mut self, node: &str) -> Self {
        self.forgotten.insert(node.to_owned());
        self
    }

    /// Runs the flow to its end, on so many workers of this process.
    ///
    /// # Errors
    /// If it cannot start, or ends with an error.
    pub fn run_here(self, workers: usize) -> Result<(), ClusterError> {
        let workers = Workers { process: 0, processes: 1, of_process: workers.max(1) };
        let storage = self.storage()?;
        self.clean()?;
        let mesh = Mesh { claim: claim(storage.as_ref())?, sockets: vec![None] };
        self.run_on::<false>(mesh, storage, workers, (Stop::new(), Duration::MAX))
    }

    /// Runs this process's part of the flow, together with the other processes of its job, to its end: all of them have to
    /// call this with the same flow.
    ///
    /// Asked to [stop](Seat::stop), a durable flow commits one more epoch, and goes on from there when it is started again;
    /// process 0 has to be asked. Of any other flow the sources give no more, and it drains; all processes have to be asked.
    ///
    /// Where the flow has ended with an error, and there are several processes, this does not return: the process ends with
    /// [`exit::AGAIN`](crate::exit::AGAIN), and so do the others when they lose it. Who supervises them starts all of them
    /// again.
    ///
    /// Records that go from one process to another must be data, `Serialize + Deserialize`. Where they are not, this does not
    /// compile, and rustc names their type:
    ///
    /// ```compile_fail,E0080
    /// # use psdf::dataflow;
    /// # use psdf_cluster::{Job, seat::Seat, exit::Failure};
    /// struct Opaque;
    ///
    /// dataflow! {
    ///     flow Locked {
    ///         input words: String;
    ///         output locked: Opaque = words -> map(|_| Opaque);
    ///     }
    /// }
    ///
    /// # fn main() {
    /// let work = |seat: Seat| -> Result<(), Failure> { seat.run(Job::new(Locked)) };
    /// # let _ = psdf_cluster::seat::alone(psdf_cluster::config::Config::new("locked"), work);
    /// # }
    /// ```
    ///
    /// # Errors
    /// If the processes do not come together, or the flow cannot start; if it was stopped; where there is but one process,
    /// also if the flow ends with an error.
    pub fn run(self, mut seat: Seat) -> Result<(), ClusterError> {
        let storage = self.storage()?;
        let mesh = seat.assemble(plan(F::GRAPH), || {
            self.clean()?;
            claim(storage.as_ref())
        });
        let mesh = mesh.map_err(|error| ClusterError::Mesh(Arc::new(error)))?;
        let workers = Workers {
            process: seat.config.own_index(),
            processes: seat.config.process_count(),
            of_process: seat.config.worker_count(),
        };
        self.run_on::<true>(mesh, storage, workers, (seat.stop, seat.config.patience_limit()))
    }

    fn storage(&self) -> Result<Option<Arc<dyn Storage>>, ClusterError> {
        match &self.kept {
            None => Ok(None),
            Some(Kept::Storage(storage)) => Ok(Some(Arc::clone(storage))),
            Some(Kept::Directory(path)) => match DirStorage::open_shared(path) {
                Ok(storage) => Ok(Some(Arc::new(storage))),
                Err(error) => Err(ClusterError::Store(error.to_string())),
            },
        }
    }

    /// Deletes what was being written when a run ended. It is done when all processes of the next are there, and none has
    /// begun; not by one that was started by mistake beside a run.
    fn clean(&self) -> Result<(), ClusterError> {
        match &self.kept {
            Some(Kept::Directory(path)) => {
                DirStorage::open(path).map(drop).map_err(|error| ClusterError::Store(error.to_string()))
            }
            Some(Kept::Storage(_)) | None => Ok(()),
        }
    }

    fn run_on<const CROSSES: bool>(
        self,
        mesh: Mesh,
        storage: Option<Arc<dyn Storage>>,
        workers: Workers,
        watched: (Stop, Duration),
    ) -> Result<(), ClusterError> {
        let Claim { attempt, restore } = mesh.claim;
        let (tier, forgotten) = (self.tier, self.forgotten);
        let checkpoints = storage.map(|storage| Checkpoints { storage, attempt, restore, tier, forgotten });
        let flow = Arc::new(self.flow);
        run::run::<F, CROSSES>(
            &flow,
            (self.settings, self.ports, checkpoints),
            mesh.sockets,
            workers,
            watched,
        )
    }
}

/// What all processes are to go on from.
fn claim(storage: Option<&Arc<dyn Storage>>) -> Result<Claim, ClusterError> {
    let restore = storage.map_or(Ok(None), newest).map_err(ClusterError::Store)?;
    Ok(Claim { attempt: RandomState::new().hash_one(std::process::id()), restore })
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
