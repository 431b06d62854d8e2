//! What makes a flow durable while it is wired: each task gets its part in epochs, and what it goes on from.

use super::checkpointer::{Checkpointer, Schedule};
use super::epochs::{Epochs, Note, PartSize};
use super::executor::Executor;
use super::gauge::Feeder;
use super::shared::{Place, Shared};
use super::stage_task::Participant;
use super::tiers::Tiers;
use crate::checkpoint::coordinator::{Coordinator, Plan};
use crate::checkpoint::manifest::{Manifest, OutputAt, ShardAt, StageAt, StateSchema};
use crate::checkpoint::recovery::{self, Recovered};
use crate::checkpoint::storage::Storage;
use crate::checkpoint::value::{Migration, Shape};
use crate::checkpoint::{rescale, schema};
use crate::error::StartError;
use crate::graph::{Graph, Node};
use crate::hash::groups_of;
use crate::host::Tasks;
use crate::stage::{Keeps, Stage};
use crate::state::{StoredState, Tier};
use crate::time::Timestamp;
use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::ops::RangeInclusive;
use std::sync::Arc;
use tokio::sync::mpsc;

/// A node that keeps state, and how that is stored.
pub(crate) struct KeptState {
    /// Its name, led by those of the flows that it stands in.
    pub(crate) name: String,
    pub(crate) node: &'static Node,
    pub(crate) shape: Shape,
    pub(crate) schema: StateSchema,
}

/// The store of a flow that is being wired.
pub(super) struct Durability {
    pub(super) epochs: Arc<Epochs>,
    storage: Arc<dyn Storage>,
    recovered: Option<Arc<Recovered>>,
    plan: Plan,
    notes: mpsc::UnboundedReceiver<Note>,
    /// Why the flow cannot start.
    error: Option<StartError>,
    graph: &'static Graph,
    /// The stages that are stored under a former name: what they are called now, and the node that says so.
    renamed: HashMap<String, (String, &'static Node)>,
    /// The nodes that keep state, and how.
    kept: Vec<KeptState>,
    tiers: Tiers,
    /// Nodes whose stored state is let go.
    forgotten: HashSet<String>,
}

/// What a flow consists of, before it is wired.
pub(super) fn plan(
    graph: &'static Graph,
    attempt: u64,
    inputs: Vec<String>,
    stored: Option<&Manifest>,
) -> Result<Plan, StartError> {
    let of = |name: &str| name.split('/').next().map(str::to_owned);
    let divided = stored
        .into_iter()
        .flat_map(|manifest| &manifest.inputs)
        .find(|input| !inputs.contains(&input.name) && inputs.iter().any(|now| of(now) == of(&input.name)));
    if let Some(input) = divided {
        let what = format!(
            "it is that of a run in which the input `{}` had another number of partitions: `{}` was one",
            of(&input.name).unwrap_or_default(),
            input.name
        );
        return Err(StartError::Store { flow: graph.flow, what });
    }
    let outputs = graph.outputs.iter().map(|port| port.name.to_owned()).collect();
    Ok(Plan { flow: graph.flow.to_owned(), attempt, inputs, outputs, ..Plan::default() })
}

/// What the tasks of a flow share.
pub(super) fn epochs_of(
    plan: &Plan,
    recovered: Option<&Recovered>,
    notes: mpsc::UnboundedSender<Note>,
    parts: PartSize,
) -> Epochs {
    let stored = recovered.into_iter().flat_map(|recovered| &recovered.manifest.inputs);
    let position =
        |name: &String| stored.clone().find(|input| input.name == *name).map_or(0, |input| input.position);
    let positions: Vec<u64> = plan.inputs.iter().map(position).collect();
    Epochs::new(recovered, &positions, notes, parts)
}

impl Durability {
    /// Reads what is stored.
    pub(super) fn open(
        storage: Arc<dyn Storage>,
        graph: &'static Graph,
        forgotten: HashSet<String>,
        mut tiers: Tiers,
    ) -> Result<Self, StartError> {
        let refused = |what: String| StartError::Store { flow: graph.flow, what };
        let recovered = recovery::latest(Arc::clone(&storage)).map_err(|error| refused(error.to_string()))?;
        if let Some(manifest) = recovered.as_ref().map(|recovered| &recovered.manifest)
            && manifest.flow != graph.flow
        {
            let other = &manifest.flow;
            return Err(refused(format!("it is that of flow `{other}`: each flow needs a store of its own")));
        }
        let inputs = graph.inputs.iter().map(|port| port.name.to_owned()).collect();
        let attempt = RandomState::new().hash_one(std::process::id());
        let (sender, notes) = mpsc::unbounded_channel();
        let plan = plan(graph, attempt, inputs, recovered.as_ref().map(|recovered| &recovered.manifest))?;
        let epochs = Arc::new(epochs_of(&plan, recovered.as_ref(), sender, tiers.parts()));
        let recovered = recovered.map(Arc::new);
        Ok(Durability::new(storage, graph, forgotten, tiers, (plan, recovered, epochs), notes))
    }

    /// Of one of several that wire parts of a flow: all have the same plan, and share what was recovered.
    pub(super) fn new(
        storage: Arc<dyn Storage>,
        graph: &'static Graph,
        forgotten: HashSet<String>,
        tiers: Tiers,
        (plan, recovered, epochs): (Plan, Option<Arc<Recovered>>, Arc<Epochs>),
        notes: mpsc::UnboundedReceiver<Note>,
    ) -> Self {
        Durability {
            epochs,
            storage,
            recovered,
            plan,
            notes,
            error: None,
            graph,
            tiers,
            renamed: HashMap::new(),
            kept: Vec::new(),
            forgotten,
        }
    }

    /// The nodes that keep state, as far as they are wired.
    pub(super) fn kept(self) -> Vec<KeptState> {
        self.kept
    }

    pub(super) fn manifest(&self) -> Option<&Manifest> {
        self.recovered.as_ref().map(|recovered| &recovered.manifest)
    }

    /// The place of an input, and where it stood; `None` of that if nothing is restored.
    pub(super) fn input(&self, port: &str) -> (usize, Option<u64>) {
        let place = self.plan.inputs.iter().position(|name| name == port).unwrap_or(0);
        let at = self.manifest().and_then(|manifest| manifest.inputs.iter().find(|input| input.name == port));
        (place, at.map(|input| input.position))
    }

    /// The place of an output, and what it was; `None` of that if nothing is restored.
    pub(super) fn output(&self, port: &str) -> (usize, Option<&OutputAt>) {
        let place = self.plan.outputs.iter().position(|name| name == port).unwrap_or(0);
        (
            place,
            self.manifest().and_then(|manifest| manifest.outputs.iter().find(|output| output.name == port)),
        )
    }

    /// The records of an output that were held for the epoch that is restored, as they were stored.
    pub(super) fn held(&mut self, at: &OutputAt) -> Vec<u8> {
        let Some(object) = &at.held else { return Vec::new() };
        match self.storage.get(&object.name) {
            Ok(bytes) => bytes,
            Err(error) => {
                self.refuse(format!("the records held for output `{}` cannot be read: {error}", at.name));
                Vec::new()
            }
        }
    }

    /// Why the flow cannot start.
    pub(super) fn take_error(&mut self) -> Option<StartError> {
        self.error.take()
    }

    pub(super) fn refuse(&mut self, what: String) {
        let flow = self.graph.flow;
        self.error.get_or_insert(StartError::Store { flow, what });
    }

    /// Begins a stage: its shards learn what they held. Answers each shard's part in epochs, and what it goes on from.
    #[allow(clippy::too_many_arguments)]
    pub(super) fn add_stage<S: Stage>(
        &mut self,
        name: &str,
        node: &'static Node,
        number: (Place, usize),
        tasks: &Tasks,
        keeps: Keeps,
        shards: &mut [(S, S::Outs)],
        feeders: &[Feeder],
        shared: &Arc<Shared>,
    ) -> Vec<(Participant, Option<ShardAt>)> {
        let by_key = keeps == Keeps::ByKey;
        let identity = self.identity(name, by_key);
        let feeders: Vec<String> = feeders.iter().map(|feeder| self.feeder(*feeder)).collect();
        let mut stored = self.stored(&identity, node);
        // What is in flight on other processes is looked at there.
        let is_here = keeps == Keeps::Nothing || !shards.is_empty();
        if !by_key
            && is_here
            && let Some(stored) = &mut stored
        {
            let now =
                shards.first_mut().and_then(|(head, _)| Some(schema::in_flight(&head.stored()?.shape())));
            self.check_in_flight(name, stored, now.as_ref());
        }
        let mut stage = StageAt { node: identity, ..StageAt::default() };
        if keeps != Keeps::Nothing {
            // Segments bear the name of their node: one that is renamed is written anew, all of it.
            let under_its_name = stored.as_ref().filter(|stored| stored.node == stage.node);
            stage.segments = under_its_name.map(|stored| stored.segments.clone()).unwrap_or_default();
            let place = self.plan.stages.len();
            let tiers =
                if by_key { self.tiers.of_stage(place, node, number, tasks, shared) } else { Ok(Vec::new()) };
            let tiers = tiers.unwrap_or_else(|error| {
                self.error.get_or_insert(error);
                Vec::new()
            });
            stage.schema = self.restore(node, &stage.node, stored.as_ref(), tasks, shards, &tiers);
        }
        let place = self.plan.stages.len();
        self.plan.stages.push(stage);
        let first = self.plan.tasks.len();
        self.plan.tasks.extend((0..tasks.all).map(|shard| (place, shard)));
        let participants = tasks.here.iter().map(|&shard| {
            let task = first + shard;
            let at = stored.as_ref().and_then(|stored| rescale::resumed(stored, shard, tasks.all, &feeders));
            (Participant::new(task, Arc::clone(&self.epochs), feeders.clone()), at)
        });
        participants.collect()
    }

    /// What a stage is stored under: its node, or for those that keep nothing by key what cannot be a node's name.
    fn identity(&self, name: &str, by_key: bool) -> String {
        if by_key {
            return name.to_owned();
        }
        let count =
            self.plan.stages.iter().filter(|stage| stage.node.split('#').next() == Some(&format!("~{name}")));
        match count.count() {
            0 => format!("~{name}"),
            n => format!("~{name}#{n}"),
        }
    }

    fn feeder(&self, feeder: Feeder) -> String {
        match feeder {
            Feeder::Input(name) => format!("input:{name}"),
            Feeder::Shard { stage, from, .. } => format!("{}:{from}", self.plan.stages[stage].node),
        }
    }

    /// What is stored of a stage, by its node's name, or else by one that the node had before. Renamed nodes upstream have
    /// the names in it that they have now.
    fn stored(&mut self, identity: &str, node: &'static Node) -> Option<StageAt> {
        let stages = &self.manifest()?.stages;
        let named = |name: &str| stages.iter().find(|stage| stage.node == name).cloned();
        let path = identity.strip_suffix(node.name);
        let formerly = node.formerly.iter().filter_map(|former| named(&format!("{}{former}", path?)));
        let mut stored = named(identity).or_else(|| formerly.into_iter().next())?;
        if stored.node != identity {
            self.renamed.insert(stored.node.clone(), (identity.to_owned(), node));
        }
        for sender in stored.shards.iter_mut().flat_map(|shard| &mut shard.senders) {
            let Some((stage, of)) = sender.from.rsplit_once(':') else { continue };
            if let Some((now, node)) = self.renamed.get(stage) {
                // What leaves a stage bears the name of the node whose records it carries.
                let of = if node.formerly.contains(&of) { node.name } else { of };
                sender.from = format!("{now}:{of}");
            }
        }
        Some(stored)
    }

    /// Records that were in flight and cannot be now are let go if that is said; else the flow does not start.
    fn check_in_flight(&mut self, name: &str, stored: &mut StageAt, now: Option<&StateSchema>) {
        let Some(before) = &stored.schema else { return };
        let Err(what) = schema::compare_in_flight(name, before, now) else { return };
        if !self.forgotten.contains(name) && self.has_entries(stored) {
            self.refuse(what);
        }
        (stored.schema, stored.segments) = (None, Vec::new());
    }

    /// Gives the shards of a stage what is stored of it; answers how it is written from now on.
    fn restore<S: Stage>(
        &mut self,
        node: &'static Node,
        identity: &str,
        stored: Option<&StageAt>,
        tasks: &Tasks,
        shards: &mut [(S, S::Outs)],
        tiers: &[Arc<Tier>],
    ) -> Option<StateSchema> {
        let (shape, in_flight) = shards.first_mut().and_then(|(head, _)| {
            let state = head.stored()?;
            Some((state.shape(), state.is_in_flight()))
        })?;
        let now = if in_flight { schema::in_flight(&shape) } else { schema::schema(node, &shape) };
        if !in_flight {
            let (shape, schema) = (shape.clone(), now.clone());
            self.kept.push(KeptState { name: identity.to_owned(), node, shape, schema });
        }
        let migration = match stored.and_then(|stored| stored.schema.as_ref()) {
            None => Migration::default(),
            Some(_) if in_flight => Migration::default(),
            Some(before) => match schema::compare(node, before, &now, &shape) {
                Ok(migration) if stored.is_some_and(|stored| stored.node != identity) => migration.anew(&now),
                Ok(migration) => migration,
                Err(error) => {
                    self.refuse(error.to_string());
                    return Some(now);
                }
            },
        };
        let (recovered, mut failed) = (self.recovered.as_deref(), Vec::new());
        let kept = stored.filter(|stored| !in_flight || stored.schema.is_some());
        let stored_node = kept.map(|stored| stored.node.as_str());
        let watermark = stored.and_then(|stored| stored.shards.iter().map(|shard| shard.watermark).min());
        std::thread::scope(|scope| {
            let migration = &migration;
            let restore = move |(place, (head, _)): (usize, &mut (S, S::Outs))| {
                let Some(state) = head.stored() else { return Ok(()) };
                state.track();
                if let Some(tier) = tiers.get(place) {
                    state.spill(tier);
                }
                if let (Some(recovered), Some(node)) = (recovered, stored_node) {
                    give_back(recovered, node, groups_of(tasks.here[place], tasks.all), state, migration)?;
                }
                state.restored(Timestamp(watermark.unwrap_or(i64::MIN)));
                Ok(())
            };
            let shards = shards.iter_mut().enumerate();
            let threads: Vec<_> = shards.map(|shard| scope.spawn(move || restore(shard))).collect();
            let results = threads.into_iter().map(|thread| {
                thread.join().unwrap_or_else(|_| Err("a type's `Deserialize` or `Hash` panicked".to_owned()))
            });
            failed = results.filter_map(Result::err).collect::<Vec<String>>();
        });
        if let Some(error) = failed.into_iter().next() {
            self.refuse(format!("the state of node `{}` cannot be read: {error}", node.name));
        }
        Some(now)
    }

    /// Whether anything is stored of a stage. What cannot be read may be something.
    fn has_entries(&self, stored: &StageAt) -> bool {
        let Some(recovered) = &self.recovered else { return false };
        recovered
            .entries(&stored.node, 0..=u8::MAX)
            .any(|group| group.map_or(true, |group| !group.is_empty()))
    }

    /// All is wired: what commits the epochs, if the flow can start.
    pub(super) fn finish(
        self,
        shared: &Arc<Shared>,
        executor: &Arc<dyn Executor>,
        schedule: Schedule,
    ) -> Result<Checkpointer, StartError> {
        if let Some(error) = self.error {
            return Err(error);
        }
        let manifest = self.recovered.as_ref().map(|recovered| &recovered.manifest);
        let known = |stage: &StageAt| {
            self.renamed.contains_key(&stage.node)
                || self.plan.stages.iter().any(|now| now.node == stage.node)
        };
        let lost = manifest.into_iter().flat_map(|manifest| &manifest.stages);
        let lost = lost.filter(|stage| stage.schema.is_some() && !known(stage));
        // Records in flight are stored under the name of their node too.
        let node_of = |stage: &StageAt| {
            let name = stage.node.trim_start_matches('~');
            name.split_once('#').map_or(name, |(name, _)| name).to_owned()
        };
        let is_forgotten = |stage: &StageAt| self.forgotten.contains(&node_of(stage));
        let none_left = |stage: &StageAt| stage.node.starts_with('~') && !self.has_entries(stage);
        if let Some(lost) = lost.into_iter().find(|stage| !is_forgotten(stage) && !none_left(stage)) {
            let node = node_of(lost);
            let what = format!(
                "it holds state of node `{node}`, which the flow does not have; if the node was renamed, declare that, and \
                 if it is gone for good, let its state go with `.forget_state_of(\"{node}\")`"
            );
            return Err(StartError::Store { flow: self.graph.flow, what });
        }
        let (tasks, attempt) = (self.plan.tasks.clone(), self.plan.attempt);
        let coordinator = Coordinator::new(self.plan, manifest, self.epochs.next);
        Ok(Checkpointer::new(
            coordinator,
            self.storage,
            self.epochs,
            Arc::clone(shared),
            Arc::clone(executor),
            self.notes,
            schedule,
            attempt,
            &tasks,
        ))
    }
}

/// Puts the entries of some key groups back.
fn give_back(
    recovered: &Recovered,
    node: &str,
    groups: RangeInclusive<u8>,
    state: &mut dyn StoredState,
    migration: &Migration,
) -> Result<(), String> {
    for group in recovered.entries(node, groups) {
        for entry in group.map_err(|error| error.to_string())?.entries() {
            let restored = state.restore(entry.table, entry.key, entry.value, migration);
            restored.map_err(|error| error.to_string())?;
        }
    }
    Ok(())
}
