//! What makes a flow durable while it is wired: each task gets its part in epochs, and what it goes on from.

use super::checkpointer::{Checkpointer, Schedule};
use super::driver::Participant;
use super::epochs::{Epochs, Note};
use super::executor::Executor;
use super::gauge::Feeder;
use super::shared::{Place, Shared};
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
use crate::stage::Stage;
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
    recovered: Option<Recovered>,
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
        let names = |ports: &[crate::graph::PortMeta]| -> Vec<String> {
            ports.iter().map(|port| port.name.to_owned()).collect()
        };
        let plan = Plan {
            flow: graph.flow.to_owned(),
            attempt: RandomState::new().hash_one(std::process::id()),
            inputs: names(graph.inputs),
            outputs: names(graph.outputs),
            ..Plan::default()
        };
        let manifest = recovered.as_ref().map(|recovered| &recovered.manifest);
        let position = |name: &String| {
            let known =
                manifest.and_then(|manifest| manifest.inputs.iter().find(|input| input.name == *name));
            known.map_or(0, |input| input.position)
        };
        let positions: Vec<u64> = plan.inputs.iter().map(position).collect();
        let (sender, notes) = mpsc::unbounded_channel();
        let epochs = Arc::new(Epochs::new(recovered.as_ref(), &positions, sender, tiers.parts()));
        Ok(Durability {
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
        })
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

    pub(super) fn refuse(&mut self, what: String) {
        let flow = self.graph.flow;
        self.error.get_or_insert(StartError::Store { flow, what });
    }

    /// Begins a stage: its shards learn what they held. Answers each shard's part in epochs, and what it goes on from.
    pub(super) fn add_stage<S: Stage>(
        &mut self,
        name: &str,
        node: &'static Node,
        number: (Place, usize),
        shards: &mut [(S, S::Outs)],
        feeders: &[Feeder],
        shared: &Arc<Shared>,
    ) -> Vec<(Participant, Option<ShardAt>)> {
        let keeps = shards.iter_mut().any(|(head, _)| head.stored().is_some());
        let identity = self.identity(name, keeps);
        let feeders: Vec<String> = feeders.iter().map(|feeder| self.feeder(*feeder)).collect();
        let stored = self.stored(&identity, node);
        let mut stage = StageAt { node: identity, ..StageAt::default() };
        if keeps {
            // Segments bear the name of their node: one that is renamed is written anew, all of it.
            let under_its_name = stored.as_ref().filter(|stored| stored.node == stage.node);
            stage.segments = under_its_name.map(|stored| stored.segments.clone()).unwrap_or_default();
            let place = self.plan.stages.len();
            let tiers = self.tiers.of_stage(place, node, number, shards.len(), shared);
            let tiers = tiers.unwrap_or_else(|error| {
                self.error.get_or_insert(error);
                Vec::new()
            });
            stage.schema = self.restore(node, &stage.node, stored.as_ref(), shards, &tiers);
        }
        let place = self.plan.stages.len();
        self.plan.stages.push(stage);
        let of = shards.len();
        let participants = (0..of).map(|shard| {
            self.plan.tasks.push((place, shard));
            let task = self.plan.tasks.len() - 1;
            let at = stored.as_ref().and_then(|stored| rescale::resumed(stored, shard, of, &feeders));
            (Participant::new(task, Arc::clone(&self.epochs), feeders.clone()), at)
        });
        participants.collect()
    }

    /// What a stage is stored under: its node, or for those that keep nothing by key what cannot be a node's name.
    fn identity(&self, name: &str, keeps: bool) -> String {
        if keeps {
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

    /// Gives the shards of a stage what is stored of it; answers how it is written from now on.
    fn restore<S: Stage>(
        &mut self,
        node: &'static Node,
        identity: &str,
        stored: Option<&StageAt>,
        shards: &mut [(S, S::Outs)],
        tiers: &[Arc<Tier>],
    ) -> Option<StateSchema> {
        let of = shards.len();
        let shape = shards.first_mut().and_then(|(head, _)| Some(head.stored()?.shape()))?;
        let now = schema::schema(node, &shape);
        self.kept.push(KeptState {
            name: identity.to_owned(),
            node,
            shape: shape.clone(),
            schema: now.clone(),
        });
        let migration = match stored.and_then(|stored| stored.schema.as_ref()) {
            None => Migration::default(),
            Some(before) => match schema::compare(node, before, &now, &shape) {
                Ok(migration) if stored.is_some_and(|stored| stored.node != identity) => migration.anew(&now),
                Ok(migration) => migration,
                Err(error) => {
                    self.refuse(error.to_string());
                    return Some(now);
                }
            },
        };
        let (recovered, mut failed) = (self.recovered.as_ref(), Vec::new());
        let stored_node = stored.map(|stored| stored.node.as_str());
        let watermark = stored.and_then(|stored| stored.shards.iter().map(|shard| shard.watermark).min());
        std::thread::scope(|scope| {
            let migration = &migration;
            let restore = move |(shard, (head, _)): (usize, &mut (S, S::Outs))| {
                let Some(state) = head.stored() else { return Ok(()) };
                state.track();
                if let Some(tier) = tiers.get(shard) {
                    state.spill(tier);
                }
                if let (Some(recovered), Some(node)) = (recovered, stored_node) {
                    give_back(recovered, node, groups_of(shard, of), state, migration)?;
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
        if let Some(lost) = lost.into_iter().find(|stage| !self.forgotten.contains(&stage.node)) {
            let node = &lost.node;
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
