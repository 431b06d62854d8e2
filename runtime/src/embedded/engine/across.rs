//! Epochs across processes: one commits them, and the others tell it what their shards have stored.

use super::Team;
use crate::checkpoint::manifest::{SegmentRef, ShardAt};
use crate::checkpoint::recovery::{self, Recovered};
use crate::checkpoint::storage::Storage;
use crate::embedded::checkpointer::Schedule;
use crate::embedded::durability::{self, Durability};
use crate::embedded::epochs::{Asked, Epochs, Note, Order, PartSize};
use crate::embedded::executor::Executor;
use crate::embedded::shared::{Shared, lock};
use crate::embedded::tiers::{Tiers, Where};
use crate::embedded::{FlowControl, Settings};
use crate::error::StartError;
use crate::graph::Graph;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use tokio::sync::{mpsc, oneshot};

/// Where a flow keeps its checkpoints, and from which of them it goes on.
pub struct Checkpoints {
    /// The same for all processes.
    pub storage: Arc<dyn Storage>,
    /// A number that no other run has.
    pub attempt: u64,
    /// What all processes have agreed on.
    pub restore: Option<u64>,
    /// A local directory for what is over budgets of memory, for each process another.
    pub tier: Option<PathBuf>,
    /// Nodes whose stored state is let go.
    pub forgotten: HashSet<String>,
}

/// What a process says to another, as bytes.
pub type Letters = mpsc::UnboundedReceiver<Vec<u8>>;

/// What a shard of another process says.
#[derive(Serialize, Deserialize)]
enum Said {
    Stored {
        task: u64,
        epoch: u64,
        at: ShardAt,
        segments: Vec<SegmentRef>,
        whole: Option<(u8, u8)>,
        inputs: Vec<(u64, u64)>,
    },
    Ended {
        task: u64,
        at: ShardAt,
        inputs: Vec<(u64, u64)>,
    },
}

fn number(place: usize) -> u64 {
    place as u64
}

fn place(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// A note as another process can read it; those that stay in their own are none.
fn letter(note: Note) -> Option<Vec<u8>> {
    let numbers =
        |inputs: Vec<(usize, u64)>| inputs.into_iter().map(|(input, at)| (number(input), at)).collect();
    let said = match note {
        Note::Stored { task, epoch, at, segments, whole, inputs } => {
            Said::Stored { task: number(task), epoch, at, segments, whole, inputs: numbers(inputs) }
        }
        Note::ShardEnded { task, at, inputs } => {
            Said::Ended { task: number(task), at, inputs: numbers(inputs) }
        }
        Note::Part { .. }
        | Note::Shard { .. }
        | Note::Output { .. }
        | Note::Acknowledged { .. }
        | Note::Stop(_)
        | Note::Tidied(_) => {
            return None;
        }
    };
    postcard::to_stdvec(&said).ok()
}

/// A durable flow in one process.
pub(super) struct Across {
    graph: &'static Graph,
    epochs: Arc<Epochs>,
    checkpoints: Checkpoints,
    recovered: Option<Arc<Recovered>>,
    inputs: Vec<String>,
    notes: Mutex<Option<mpsc::UnboundedReceiver<Note>>>,
    /// The first that is wired; what commits is made of it.
    first: Mutex<Option<Durability>>,
    orders: Mutex<Option<mpsc::UnboundedReceiver<Order>>>,
    /// Whether it is to stop after an epoch.
    stops: Arc<AtomicBool>,
}

impl Across {
    /// Reads what is restored. `commits`: whether this process commits epochs.
    pub(super) fn open(
        graph: &'static Graph,
        checkpoints: Checkpoints,
        inputs: Vec<String>,
        commits: bool,
    ) -> Result<Across, StartError> {
        let refused = |what: String| StartError::Store { flow: graph.flow, what };
        let recovered = recovered(&checkpoints, commits).map_err(refused)?;
        if let Some(other) = recovered.as_ref().map(|recovered| &recovered.manifest.flow)
            && other != graph.flow
        {
            return Err(refused(format!("it is that of flow `{other}`: each flow needs a store of its own")));
        }
        let manifest = recovered.as_ref().map(|recovered| &recovered.manifest);
        let plan = durability::plan(graph, checkpoints.attempt, inputs.clone(), manifest)?;
        let (sender, notes) = mpsc::unbounded_channel();
        let mut epochs = durability::epochs_of(&plan, recovered.as_ref(), sender, PartSize::USUAL);
        let (order, orders) = mpsc::unbounded_channel();
        epochs.orders = commits.then_some(order);
        Ok(Across {
            graph,
            epochs: Arc::new(epochs),
            checkpoints,
            recovered: recovered.map(Arc::new),
            inputs,
            notes: Mutex::new(Some(notes)),
            first: Mutex::new(None),
            orders: Mutex::new(Some(orders)),
            stops: Arc::default(),
        })
    }

    /// What one worker wires its part with.
    pub(super) fn durability(&self, settings: &Settings, team: Team) -> Result<Durability, StartError> {
        let manifest = self.recovered.as_ref().map(|recovered| &recovered.manifest);
        let Checkpoints { storage, attempt, tier, forgotten, .. } = &self.checkpoints;
        let plan = durability::plan(self.graph, *attempt, self.inputs.clone(), manifest)?;
        let tier = tier
            .as_ref()
            .map_or(Where::Unsaid, |tier| Where::Directory(tier.join(format!("worker-{}", team.worker))));
        let tiers = Tiers::open(tier, self.graph, settings.store_patience)?;
        let notes = lock(&self.notes).take().unwrap_or_else(|| mpsc::unbounded_channel().1);
        let shared = (plan, self.recovered.clone(), Arc::clone(&self.epochs));
        Ok(Durability::new(Arc::clone(storage), self.graph, forgotten.clone(), tiers, shared, notes))
    }

    /// Takes what a worker has wired its part with. That of the first goes on to commit, or to tell who does.
    pub(super) fn is_wired(&self, mut durability: Durability) -> Result<(), StartError> {
        if let Some(error) = durability.take_error() {
            return Err(error);
        }
        lock(&self.first).get_or_insert(durability);
        Ok(())
    }

    /// Commits epochs from now on.
    pub(super) fn commit(
        &self,
        shared: &Arc<Shared>,
        executor: &Arc<dyn Executor>,
        settings: &Settings,
        control: &FlowControl,
    ) -> Result<(), StartError> {
        let Some(first) = lock(&self.first).take() else { return Ok(()) };
        let checkpointer = first.finish(shared, executor, schedule(settings))?;
        let (shared, epochs, stops) = (Arc::clone(shared), Arc::clone(&self.epochs), Arc::clone(&self.stops));
        control.spawn(async move {
            checkpointer.run().await;
            if stops.load(Ordering::Acquire) && shared.error().is_none() {
                epochs.order(Order::Stop);
                shared.stop();
            }
            epochs.order(Order::Done);
        });
        Ok(())
    }

    /// Has the shards of this process, of which there are so many, tell of what they have stored.
    pub(super) fn tell(
        &self,
        shared: &Arc<Shared>,
        executor: &Arc<dyn Executor>,
        settings: &Settings,
        (control, shards): (&FlowControl, usize),
    ) -> Result<Option<Letters>, StartError> {
        let Some(first) = lock(&self.first).take() else { return Ok(None) };
        let checkpointer = first.finish(shared, executor, schedule(settings))?;
        let (send, letters) = mpsc::unbounded_channel();
        control.spawn(checkpointer.run_beside(shards, move |note| {
            // Who reads them is gone only when the flow is over.
            letter(note).into_iter().for_each(|letter| _ = send.send(letter));
        }));
        Ok(Some(letters))
    }

    /// What other processes are to be told.
    pub(super) fn orders(&self) -> Option<Orders> {
        lock(&self.orders).take().map(Orders)
    }

    /// What a shard of another process says.
    pub(super) fn hear(&self, letter: &[u8]) {
        let places =
            |inputs: Vec<(u64, u64)>| inputs.into_iter().map(|(input, at)| (place(input), at)).collect();
        match postcard::from_bytes(letter) {
            Ok(Said::Stored { task, epoch, at, segments, whole, inputs }) => {
                let (task, inputs) = (place(task), places(inputs));
                self.epochs.note(Note::Stored { task, epoch, at, segments, whole, inputs });
            }
            Ok(Said::Ended { task, at, inputs }) => {
                self.epochs.note(Note::ShardEnded { task: place(task), at, inputs: places(inputs) });
            }
            Err(error) => {
                tracing::error!(flow = self.graph.flow, "what another process says cannot be read: {error}")
            }
        }
    }

    /// Does what the process that commits has ordered; whether all is to stop.
    pub(super) fn obey(&self, order: &[u8]) -> bool {
        match postcard::from_bytes(order) {
            Ok(Order::Ask { epoch, last }) => self.epochs.ask(Asked { epoch, last }),
            Ok(Order::Committed(epoch)) => _ = self.epochs.committed.send_replace(epoch),
            Ok(Order::Stop) => return true,
            Ok(Order::Done) => {}
            Err(error) => tracing::error!(flow = self.graph.flow, "an order cannot be read: {error}"),
        }
        false
    }

    /// Has one more epoch committed, and then all stop.
    pub(super) fn stop(&self) {
        self.stops.store(true, Ordering::Release);
        // Nobody waits for the answer: what follows a commit is ordered where it is made.
        self.epochs.note(Note::Stop(oneshot::channel().0));
    }

    /// The last committed epoch.
    pub(super) fn committed(&self) -> u64 {
        *self.epochs.committed.borrow()
    }
}

/// Orders on their way to other processes.
pub struct Orders(mpsc::UnboundedReceiver<Order>);

impl Orders {
    /// The next order, as bytes; `None` when there are no more.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Vec<u8>>> {
        let order = self.0.poll_recv(cx);
        order.map(|order| postcard::to_stdvec(&order.filter(|order| *order != Order::Done)?).ok())
    }
}

impl std::fmt::Debug for Orders {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Orders")
    }
}

impl std::fmt::Debug for Checkpoints {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Checkpoints")
            .field("attempt", &self.attempt)
            .field("restore", &self.restore)
            .finish_non_exhaustive()
    }
}

/// The newest epoch in a storage that is whole: what all processes are to go on from.
///
/// # Errors
/// If nothing can be gone on from: in words.
pub fn newest(storage: &Arc<dyn Storage>) -> Result<Option<u64>, String> {
    let recovered = recovery::latest(Arc::clone(storage)).map_err(|error| error.to_string())?;
    Ok(recovered.map(|recovered| recovered.manifest.epoch))
}

fn recovered(checkpoints: &Checkpoints, commits: bool) -> Result<Option<Recovered>, String> {
    let Some(epoch) = checkpoints.restore else { return Ok(None) };
    let storage = Arc::clone(&checkpoints.storage);
    if !commits {
        return recovery::at(storage, epoch).map(Some).map_err(|error| error.to_string());
    }
    // It also knows of damaged epochs that are in the way of the next one.
    let newest = recovery::latest(storage).map_err(|error| error.to_string())?;
    match newest.filter(|recovered| recovered.manifest.epoch == epoch) {
        Some(recovered) => Ok(Some(recovered)),
        None => Err(format!(
            "epoch {epoch} was its newest a moment ago, and is not any more: another run uses it"
        )),
    }
}

fn schedule(settings: &Settings) -> Schedule {
    let Settings { checkpoint_every: every, store_patience: patience, kept_epochs: keep, .. } = *settings;
    Schedule { every, patience, keep }
}
