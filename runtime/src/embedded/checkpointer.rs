//! The task that commits the epochs of a durable flow: it does what the [`Coordinator`] decides.

use super::damaged::Damaged;
use super::epochs::{Asked, Epochs, Note};
use super::executor::Executor;
use super::shared::{Shared, lock};
use crate::checkpoint::Delta;
use crate::checkpoint::coordinator::{Action, Coordinator, Event};
use crate::checkpoint::manifest::CommitError;
use crate::checkpoint::manifest::{Manifest, ObjectRef, OutputAt, SegmentRef, StageAt};
use crate::checkpoint::merge::MergeError;
use crate::checkpoint::object::ObjectError;
use crate::checkpoint::segment::{self, SegmentOf};
use crate::checkpoint::storage::Storage;
use crate::checkpoint::{garbage, manifest, merge, names};
use crate::error::FlowError;
use crate::hash::groups_of;
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// How epochs are committed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Schedule {
    /// From one epoch to the next.
    pub(super) every: Duration,
    /// How long storage may fail before the flow does.
    pub(super) patience: Duration,
    /// The newest epochs that are kept.
    pub(super) keep: usize,
}

/// See the [module](self).
pub(super) struct Checkpointer {
    coordinator: Coordinator,
    storage: Arc<dyn Storage>,
    epochs: Arc<Epochs>,
    shared: Arc<Shared>,
    executor: Arc<dyn Executor>,
    notes: mpsc::UnboundedReceiver<Note>,
    schedule: Schedule,
    attempt: u64,
    /// Of each task: its node, its shard, and the first and the last key group that it owns.
    tasks: Vec<(String, usize, (u8, u8))>,
    /// Of each task: what is stored of the epoch at hand.
    parts: Vec<Parts>,
    outputs: Vec<String>,
    /// Which outputs have prepared something that they will acknowledge.
    owes: Vec<bool>,
    waiting: VecDeque<Event>,
    stops: Vec<oneshot::Sender<u64>>,
    tidying: bool,
}

/// What is stored of a task in an epoch.
#[derive(Clone, Default)]
struct Parts {
    epoch: u64,
    segments: Vec<SegmentRef>,
}

/// The first wait before storage is tried again; it doubles with each.
const FIRST_WAIT: Duration = Duration::from_millis(50);
/// The longest such wait.
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// After so many intervals it is said what an epoch waits for.
const PATIENT_INTERVALS: u32 = 10;

impl Checkpointer {
    #[allow(clippy::too_many_arguments)]
    pub(super) fn new(
        coordinator: Coordinator,
        storage: Arc<dyn Storage>,
        epochs: Arc<Epochs>,
        shared: Arc<Shared>,
        executor: Arc<dyn Executor>,
        notes: mpsc::UnboundedReceiver<Note>,
        schedule: Schedule,
        attempt: u64,
        tasks: &[(usize, usize)],
    ) -> Self {
        let outputs: Vec<String> = shared.graph.outputs.iter().map(|port| port.name.to_owned()).collect();
        let task = |&(stage, shard): &(usize, usize)| {
            let shards = tasks.iter().filter(|(other, _)| *other == stage).count();
            let groups = groups_of(shard, shards);
            (coordinator.stages()[stage].node.clone(), shard, (*groups.start(), *groups.end()))
        };
        Checkpointer {
            tasks: tasks.iter().map(task).collect(),
            parts: vec![Parts::default(); tasks.len()],
            owes: vec![false; outputs.len()],
            outputs,
            coordinator,
            storage,
            epochs,
            shared,
            executor,
            notes,
            schedule,
            attempt,
            waiting: VecDeque::new(),
            stops: Vec::new(),
            tidying: false,
        }
    }

    /// Commits epochs until the flow has ended.
    pub(super) async fn run(mut self) {
        let stopped = self.shared.stopped.clone();
        tokio::select! {
            biased;
            () = stopped.cancelled() => {}
            result = self.commit_epochs() => if let Err(error) = result {
                let flow = self.shared.graph.flow;
                self.shared.fail(FlowError::Checkpoint { flow, error: Arc::new(error) });
            },
        }
    }

    /// Stores what the shards of this process have for epochs that another process commits, and has that one told, until
    /// all of so many shards have ended.
    pub(super) async fn run_beside(mut self, shards: usize, tell: impl Fn(Note) + Send) {
        let stopped = self.shared.stopped.clone();
        tokio::select! {
            biased;
            () = stopped.cancelled() => {}
            result = self.store_beside(shards, tell) => if let Err(error) = result {
                let flow = self.shared.graph.flow;
                self.shared.fail(FlowError::Checkpoint { flow, error: Arc::new(error) });
            },
        }
    }

    async fn store_beside(&mut self, mut shards: usize, tell: impl Fn(Note) + Send) -> io::Result<()> {
        while shards > 0 {
            let Some(note) = self.notes.recv().await else { return Ok(()) };
            shards -= usize::from(matches!(note, Note::ShardEnded { .. }));
            tell(match note {
                Note::Part { task, epoch, delta } => {
                    self.store(task, epoch, delta, true).await?;
                    self.epochs.part_is_stored();
                    continue;
                }
                Note::Shard { task, epoch, at, delta, has_all, inputs } => {
                    let (segments, whole) = self.store_last(task, epoch, delta, has_all).await?;
                    Note::Stored { task, epoch, at, segments, whole, inputs }
                }
                note => note,
            });
        }
        Ok(())
    }

    async fn commit_epochs(&mut self) -> io::Result<()> {
        let mut pause = self.executor.sleep(self.schedule.every);
        let mut intervals = 0u32;
        loop {
            tokio::select! {
                biased;
                note = self.notes.recv() => {
                    let Some(note) = note else { return Ok(()) };
                    self.take(note).await?;
                }
                () = &mut pause => {
                    pause = self.executor.sleep(self.schedule.every);
                    intervals += 1;
                    if let Some(what) = self.coordinator.waits_for().filter(|_| intervals == PATIENT_INTERVALS) {
                        tracing::warn!(
                            flow = self.shared.graph.flow,
                            "the epoch after {} is not committed because of {what}: read or drop outputs that nobody reads",
                            self.coordinator.committed(),
                        );
                    }
                    self.waiting.push_back(Event::Due);
                }
            }
            while let Some(event) = self.waiting.pop_front() {
                for action in self.coordinator.on(event) {
                    if self.act(action, &mut intervals).await? {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Does what has to be stored before the coordinator hears of it.
    async fn take(&mut self, note: Note) -> io::Result<()> {
        let event = match note {
            Note::Part { task, epoch, delta } => {
                self.store(task, epoch, delta, true).await?;
                self.epochs.part_is_stored();
                return Ok(());
            }
            Note::Shard { task, epoch, at, delta, has_all, inputs } => {
                let (segments, whole) = self.store_last(task, epoch, delta, has_all).await?;
                Event::Shard { task, epoch, at, segments, whole, inputs }
            }
            Note::Stored { task, epoch, at, segments, whole, inputs } => {
                Event::Shard { task, epoch, at, segments, whole, inputs }
            }
            Note::ShardEnded { task, at, inputs } => Event::ShardEnded { task, at, inputs },
            Note::Output { output, epoch, records, prepared, held, ended, acknowledges } => {
                let held = match held.filter(|held| !held.is_empty()) {
                    Some(held) => Some(self.store_held(output, epoch, held).await?),
                    None => None,
                };
                self.owes[output] = acknowledges;
                let at = OutputAt { name: self.outputs[output].clone(), records, prepared, held };
                Event::Output { output, epoch, at, ended }
            }
            Note::Acknowledged { output } => {
                self.owes[output] = false;
                Event::Acknowledged { output }
            }
            Note::Stop(tell) => {
                self.stops.push(tell);
                Event::StopAsked
            }
            Note::Tidied(events) => {
                self.tidying = false;
                self.waiting.extend(events);
                return Ok(());
            }
        };
        self.waiting.push_back(event);
        Ok(())
    }

    /// Whether all is done.
    async fn act(&mut self, action: Action, intervals: &mut u32) -> io::Result<bool> {
        match action {
            Action::Begin { epoch, last } => {
                *intervals = 0;
                self.epochs.ask(Asked { epoch, last });
            }
            Action::Create(manifest) => self.create(manifest).await?,
            Action::Announce { epoch } => {
                self.epochs.announce(epoch);
                for output in 0..self.outputs.len() {
                    if !self.owes[output] {
                        self.waiting.push_back(Event::Acknowledged { output });
                    }
                }
            }
            Action::Tidy => self.tidy(),
            Action::Finish => {
                for tell in self.stops.drain(..) {
                    let _ = tell.send(self.coordinator.committed());
                }
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Stores what a task has changed, or a part of it.
    async fn store(&mut self, task: usize, epoch: u64, delta: Delta, is_part: bool) -> io::Result<()> {
        if self.parts[task].epoch != epoch {
            self.parts[task] = Parts { epoch, segments: Vec::new() };
        }
        if delta.is_empty() {
            return Ok(());
        }
        let (node, shard, groups) = self.tasks[task].clone();
        let name = match self.parts[task].segments.len() {
            part if is_part => names::part(epoch, &node, shard, part, self.attempt),
            _ => names::segment(epoch, &node, shard, self.attempt),
        };
        let of = SegmentOf { flow: self.shared.graph.flow.to_owned(), node, epochs: (epoch, epoch), groups };
        let storage = Arc::clone(&self.storage);
        let (bytes, segment) = self.blocking(move || Ok(segment::encode(name, of, delta))).await?;
        let (name, bytes) = (segment.object.name.clone(), Arc::new(bytes));
        self.persist("store a segment", move || storage.put(&name, &bytes)).await?;
        self.parts[task].segments.push(segment);
        Ok(())
    }

    /// Stores the last part of what a shard has for an epoch. Answers all parts, and the shard's key groups if that is all
    /// there is of them.
    async fn store_last(
        &mut self,
        task: usize,
        epoch: u64,
        delta: Delta,
        has_all: bool,
    ) -> io::Result<(Vec<SegmentRef>, Option<(u8, u8)>)> {
        self.store(task, epoch, delta, false).await?;
        let segments = std::mem::take(&mut self.parts[task]).segments;
        Ok((segments, has_all.then_some(self.tasks[task].2)))
    }

    async fn store_held(&mut self, output: usize, epoch: u64, held: Vec<u8>) -> io::Result<ObjectRef> {
        let name = names::held(epoch, &self.outputs[output], self.attempt);
        let (bytes, checksum) = (held.len() as u64, xxhash_rust::xxh3::xxh3_64(&held));
        let reference = ObjectRef { name: name.clone(), bytes, checksum };
        let (storage, held) = (Arc::clone(&self.storage), Arc::new(held));
        self.persist("store held records", move || storage.put(&name, &held)).await?;
        Ok(reference)
    }

    /// Creates the manifest: that is the commit.
    async fn create(&mut self, manifest: Manifest) -> io::Result<()> {
        let positions: Vec<u64> = manifest.inputs.iter().map(|input| input.position).collect();
        let (storage, manifest) = (Arc::clone(&self.storage), Arc::new(manifest));
        let create = move || {
            manifest::commit(&*storage, &manifest).map(|_| ()).map_err(|error| {
                let kind = match &error {
                    CommitError::Fenced { .. } => io::ErrorKind::AlreadyExists,
                    CommitError::Io { error, .. } => error.kind(),
                };
                io::Error::new(kind, error)
            })
        };
        self.persist("commit an epoch", create).await?;
        for (committed, position) in self.epochs.positions.iter().zip(positions) {
            committed.store(position, Ordering::Release);
        }
        self.waiting.push_back(Event::Created);
        Ok(())
    }

    /// Tries until it succeeds, or for as long as storage may fail.
    async fn persist<F>(&mut self, what: &'static str, job: F) -> io::Result<()>
    where
        F: Fn() -> io::Result<()> + Send + Sync + 'static,
    {
        let job = Arc::new(job);
        let begun = self.executor.now();
        let mut wait = FIRST_WAIT;
        loop {
            let again = Arc::clone(&job);
            let Err(error) = self.blocking(move || again()).await else { return Ok(()) };
            let passed = self.executor.now().saturating_sub(begun);
            if error.kind() == io::ErrorKind::AlreadyExists || passed >= self.schedule.patience {
                return Err(io::Error::new(error.kind(), format!("could not {what}: {error}")));
            }
            tracing::warn!(flow = self.shared.graph.flow, "could not {what}, and will try again: {error}");
            self.executor.sleep(wait).await;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    /// Does what blocks where it may.
    async fn blocking<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let (tell, told) = oneshot::channel();
        self.executor.blocking(Box::new(move || {
            let _ = tell.send(job());
        }));
        told.await.unwrap_or_else(|_| Err(io::Error::other("the runtime was shut down")))
    }

    /// Merges what is worth it and deletes what nothing needs, beside the epochs to come.
    fn tidy(&mut self) {
        if std::mem::replace(&mut self.tidying, true) {
            return;
        }
        let (storage, attempt, flow) = (Arc::clone(&self.storage), self.attempt, self.shared.graph.flow);
        let (stages, keep) = (self.coordinator.stages().to_vec(), self.schedule.keep);
        let (committed, epochs) = (self.coordinator.committed(), Arc::clone(&self.epochs));
        self.executor.blocking(Box::new(move || {
            if let Err(error) = collect_garbage(&*storage, &stages, keep, &mut lock(&epochs.damaged)) {
                tracing::warn!(flow, "could not delete what is not needed, and will try again: {error}");
            }
            let mut events = Vec::new();
            for (stage, StageAt { node, segments, .. }) in stages.iter().enumerate() {
                let Some(range) = merge::what_to_merge(segments) else { continue };
                let merged = (segments[range.start].epochs.0, segments[range.end - 1].epochs.1);
                let name = names::merged(committed + 1, node, merged, attempt);
                match merge::merge(&*storage, segments, range, name) {
                    Ok(merged) => events.push(Event::Merged { stage, merged }),
                    Err(MergeError::Read(ObjectError::Damaged { object, what })) => {
                        if lock(&epochs.damaged).found(&object) {
                            tracing::error!(
                                flow,
                                "`{object}`, of the state of node `{node}`, is damaged: {what}; the flow goes on, since its state \
                                 in memory is right, but cannot start again from an epoch that needs this object: bring it back \
                                 from a copy; such epochs do not count among those that are kept, and nothing that others need \
                                 is deleted"
                            );
                        }
                    }
                    Err(error @ MergeError::Read(_)) => tracing::error!(flow, "{error}"),
                    Err(error) => tracing::warn!(flow, "{error}"),
                }
            }
            epochs.note(Note::Tidied(events));
        }));
    }
}

/// Deletes what no kept epoch needs. What the next one will name is kept too. Damaged epochs are none of those to keep, or
/// there would be none to go back to from the next.
fn collect_garbage(
    storage: &dyn Storage,
    stages: &[StageAt],
    keep: usize,
    damaged: &mut Damaged,
) -> io::Result<()> {
    let mut kept = Vec::new();
    for epoch in manifest::list(storage)? {
        if kept.len() == keep {
            break;
        }
        if damaged.has_epoch(epoch) {
            continue;
        }
        let manifest = Manifest::decode(epoch, &storage.get(&names::manifest(epoch))?);
        let manifest = manifest.map_err(io::Error::other)?;
        if !damaged.has(&manifest) {
            kept.push(manifest);
        }
    }
    let mut listed = Vec::new();
    for folder in [names::MANIFESTS, names::SEGMENTS, names::HELD] {
        listed.extend(storage.list(folder)?);
    }
    let segments = stages.iter().flat_map(|stage| &stage.segments);
    let making = segments.map(|segment| segment.object.name.clone()).collect();
    // One that cannot be deleted keeps none of the others.
    let deleted = garbage::garbage(&listed, &kept, &making).into_iter().map(|name| storage.delete(&name));
    deleted.fold(Ok(()), io::Result::and)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::storage::MemoryStorage;

    /// Commits an epoch that names a segment of each of these epochs, of which its own is stored for it.
    fn commit(storage: &MemoryStorage, epoch: u64, segments: &[u64]) -> StageAt {
        let segment = |&of: &u64| {
            let object = ObjectRef { name: names::segment(of, "stage", 0, 1), ..ObjectRef::default() };
            SegmentRef { object, ..SegmentRef::default() }
        };
        let segments: Vec<SegmentRef> = segments.iter().map(segment).collect();
        storage.put(&names::segment(epoch, "stage", 0, 1), b"segment").expect("memory takes it");
        let stage = StageAt { segments, ..StageAt::default() };
        let manifest = Manifest { epoch, stages: vec![stage.clone()], ..Manifest::default() };
        manifest::commit(storage, &manifest).expect("it is the first of its number");
        stage
    }

    fn stored(storage: &MemoryStorage) -> Vec<u64> {
        let names = storage.list(names::MANIFESTS).expect("memory can be read");
        let mut epochs: Vec<u64> = names.iter().filter_map(|name| names::epoch(name)).collect();
        epochs.sort_unstable();
        epochs
    }

    #[test]
    fn epochs_that_need_a_damaged_segment_are_none_to_fall_back_on() {
        let (storage, mut damaged) = (MemoryStorage::new(), Damaged::default());
        commit(&storage, 1, &[1]);
        commit(&storage, 2, &[1, 2]);
        commit(&storage, 3, &[1, 2, 3]);
        let stages = [commit(&storage, 4, &[1, 2, 3, 4])];
        assert!(damaged.found(&names::segment(3, "stage", 0, 1)));
        collect_garbage(&storage, &stages, 2, &mut damaged).expect("memory can be read");
        assert_eq!(stored(&storage), [1, 2, 3, 4], "the last two are damaged");
        commit(&storage, 5, &[5]);
        let stages = [commit(&storage, 6, &[5, 6])];
        collect_garbage(&storage, &stages, 2, &mut damaged).expect("memory can be read");
        assert_eq!(stored(&storage), [5, 6], "these two do without it");
    }

    #[test]
    fn where_no_epoch_is_whole_nothing_is_deleted() {
        let (storage, mut damaged) = (MemoryStorage::new(), Damaged::default());
        let stages: Vec<StageAt> = (1..=5).map(|epoch| commit(&storage, epoch, &[1, epoch])).collect();
        damaged.found(&names::segment(1, "stage", 0, 1));
        collect_garbage(&storage, &stages[4..], 2, &mut damaged).expect("memory can be read");
        assert_eq!(stored(&storage), [1, 2, 3, 4, 5]);
    }
}
