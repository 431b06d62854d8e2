//! Runs a flow on the workers of this process, as a part of all.

use crate::dataflow;
use crate::epochs::{self, Says};
use crate::error::ClusterError;
use crate::exit;
use crate::seat::say;
use crate::stop::Stop;
use crate::watchdog::{Verdict, Watchdog};
use psdf_runtime::embedded::Settings;
use psdf_runtime::engine::{Checkpoints, Ports, Process, Team, Wired};
use psdf_runtime::flow::Flow;
use psdf_runtime::{FlowError, StartError};
use std::any::Any;
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use timely::communication::Hooks;
use timely::communication::allocator::zero_copy::initialize::initialize_networking_from_sockets;
use timely::communication::allocator::{AllocatorBuilder, ProcessBuilder};
use timely::{CommunicationConfig, WorkerConfig};

/// The workers of a process among those of all.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Workers {
    pub(crate) process: usize,
    pub(crate) processes: usize,
    pub(crate) of_process: usize,
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

/// A process may take so many times longer to read its part of a checkpoint than an epoch to become complete.
const READS_FOR: u32 = 10;

/// What a flow is run with.
pub(crate) type Given = (Settings, Ports, Option<Checkpoints>);

/// Runs the flow to its end, on workers that may be in several processes if it `CROSSES`, with a socket for each of the other processes.
pub(crate) fn run<F: Flow + Send + Sync, const CROSSES: bool>(
    flow: &Arc<F>,
    (settings, ports, checkpoints): Given,
    sockets: Vec<Option<TcpStream>>,
    workers: Workers,
    (stop, patience): (Stop, Duration),
) -> Result<(), ClusterError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("psdf-io")
        .enable_all()
        .build()
        .map_err(|error| ClusterError::Workers(error.to_string()))?;
    let refused = |error| ClusterError::Start(Arc::new(error));
    let commits = workers.process == 0;
    let process = Process::new(F::GRAPH, settings, ports, runtime.handle().clone(), (checkpoints, commits));
    let process = Arc::new(process.map_err(refused)?);
    let (parts, says) = {
        let _entered = runtime.enter();
        // All before any of them runs: where one cannot start, none does.
        let parts = workers.own().map(|team| process.wire::<F, CROSSES>(flow, team).map(Some));
        let parts = parts.collect::<Result<Vec<Option<Wired>>, StartError>>().map_err(refused)?;
        (parts, process.has_started().map_err(refused)?)
    };
    let says = match says {
        (Some(letters), _) => Says::Letters(letters),
        (None, Some(orders)) => Says::Orders(orders),
        (None, None) => Says::Nothing,
    };
    let (builders, guard) = allocators(sockets, workers).map_err(ClusterError::Workers)?;
    let first = workers.process * workers.of_process;
    let (parts, says) = (Mutex::new(parts), Mutex::new(Some(says)));
    let (handle, shared, is_asked) = (runtime.handle().clone(), Arc::clone(&process), AtomicBool::new(false));
    let guards = timely::execute::execute_from(builders, guard, WorkerConfig::default(), move |worker| {
        let _entered = handle.enter();
        let own = locked(&parts, |parts| parts.get_mut(worker.index() - first).and_then(Option::take));
        let own = own.expect("each worker takes the part that was made for it, once");
        // The first worker speaks for its process.
        let says = if worker.index() == first { locked(&says, Option::take) } else { None };
        epochs::build(worker, &shared, says.unwrap_or(Says::Nothing), workers.of_process);
        let (start, mut watchdog) = (Instant::now(), Watchdog::new(patience));
        // With the first tick it is waited until the last process has read what it goes on from.
        let mut first = Watchdog::new(patience.saturating_mul(READS_FOR));
        dataflow::run(worker, own, |frontier| {
            // Sources go on to the next tick also when they are idle, so there is always one that is not complete.
            let (now, epoch) = (start.elapsed(), frontier.map_or(0, |frontier| frontier + 1));
            let watchdog = if frontier == Some(0) { &mut first } else { &mut watchdog };
            let verdict = watchdog.look(now, frontier, epoch);
            match verdict {
                Verdict::Fine => {}
                Verdict::Slow { .. } => tracing::warn!("{verdict}"),
                Verdict::Stuck { .. } if workers.processes == 1 => tracing::error!("{verdict}"),
                Verdict::Stuck { .. } => {
                    say(&format!("process {} ends: {verdict}", workers.process));
                    std::process::exit(i32::from(exit::AGAIN));
                }
            }
            if stop.requested() && !is_asked.swap(true, Ordering::AcqRel) {
                shared.end();
            }
            // The others would wait for this one for ever, and unwinding under them aborts.
            let failed = workers.processes > 1 && !shared.was_stopped();
            if let Some(error) = shared.error().filter(|_| failed) {
                say(&format!("process {} ends: {error}", workers.process));
                std::process::exit(i32::from(exit::AGAIN));
            }
        });
    });
    let guards = guards.map_err(ClusterError::Workers)?;
    if let Some(error) = guards.join().into_iter().find_map(Result::err) {
        process.stop();
        return Err(ClusterError::Workers(error));
    }
    match runtime.block_on(process.watch().ended()) {
        Err(FlowError::Stopped { .. }) => Err(ClusterError::Stopped { committed: process.committed() }),
        ended => ended.map_err(ClusterError::Flow),
    }
}

fn locked<T, R>(mutex: &Mutex<T>, see: impl FnOnce(&mut T) -> R) -> R {
    see(&mut mutex.lock().unwrap_or_else(PoisonError::into_inner))
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
