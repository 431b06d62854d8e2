//! When an epoch begins, when it is complete and what it consists of: decisions alone, without input or output.
//!
//! Whoever drives it tells it what has happened and does what it answers. One epoch is under way at a time: the next one
//! begins when its manifest is created and every sink has committed what it had prepared.

use super::manifest::{InputAt, Manifest, OutputAt, SegmentRef, ShardAt, StageAt};
use super::merge::Merged;

/// What a flow consists of, to the coordinator.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// The flow's name.
    pub flow: String,
    /// The process, among those that ever ran this flow.
    pub attempt: u64,
    /// The names of the inputs.
    pub inputs: Vec<String>,
    /// The names of the outputs.
    pub outputs: Vec<String>,
    /// The stages, each with its shards still empty, and the segments that it was restored from.
    pub stages: Vec<StageAt>,
    /// For each task its stage and its shard.
    pub tasks: Vec<(usize, usize)>,
}

/// What has happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// It is time for an epoch.
    Due,
    /// One more epoch is to be committed, after which the inputs give no more.
    StopAsked,
    /// What a shard says at a barrier is stored.
    Shard {
        /// The shard's task.
        task: usize,
        /// The epoch of the barrier.
        epoch: u64,
        /// The shard at the barrier.
        at: ShardAt,
        /// What had changed, in as many parts as it was stored in; none if nothing had.
        segments: Vec<SegmentRef>,
        /// If they have all there is: the first and the last key group that the shard owns. Nothing that was stored of these
        /// before is needed.
        whole: Option<(u8, u8)>,
        /// The inputs it reads, and where they stand.
        inputs: Vec<(usize, u64)>,
    },
    /// A shard has ended, after its last barrier.
    ShardEnded {
        /// The shard's task.
        task: usize,
        /// The shard at its end.
        at: ShardAt,
        /// The inputs it read, and where they stand.
        inputs: Vec<(usize, u64)>,
    },
    /// An output has taken all records before a barrier, and prepared them; or all there are, before the barrier to come.
    Output {
        /// Its place.
        output: usize,
        /// The epoch that the records are part of.
        epoch: u64,
        /// The output at the barrier.
        at: OutputAt,
        /// Whether it has ended: there will be no barrier.
        ended: bool,
    },
    /// A sink has committed its part of an epoch.
    Acknowledged {
        /// Its place.
        output: usize,
    },
    /// The manifest is created.
    Created,
    /// Segments of a stage have been made one.
    Merged {
        /// The stage.
        stage: usize,
        /// Which, and what they are now.
        merged: Merged,
    },
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Let the inputs put a barrier into the flow; after the last one they give no more.
    Begin {
        /// The epoch.
        epoch: u64,
        /// Whether it is the last.
        last: bool,
    },
    /// Create the manifest.
    Create(Manifest),
    /// Tell everybody that an epoch is committed; sinks commit and acknowledge it.
    Announce {
        /// The epoch.
        epoch: u64,
    },
    /// The epoch is over: merge what is worth it, and delete what no kept manifest names.
    Tidy,
    /// All is done: the flow has ended, or has committed what it was asked for.
    Finish,
}

/// An epoch under way.
#[derive(Clone, Debug)]
struct Running {
    epoch: u64,
    last: bool,
    shards: Vec<Option<AtBarrier>>,
    inputs: Vec<Option<u64>>,
    outputs: Vec<Option<OutputAt>>,
    /// The manifest is being created.
    creating: bool,
}

/// A shard at the barrier of the epoch under way.
#[derive(Clone, Debug)]
struct AtBarrier {
    at: ShardAt,
    segments: Vec<SegmentRef>,
    whole: Option<(u8, u8)>,
}

/// An output between epochs.
#[derive(Clone, Debug)]
struct Output {
    /// As of the last epoch.
    at: OutputAt,
    /// What it prepared at its end, and for which epoch.
    ended: Option<(u64, OutputAt)>,
    /// It has to commit what it prepared.
    commits: bool,
}

/// See the [module](self).
#[derive(Clone, Debug)]
pub struct Coordinator {
    plan: Plan,
    /// The last committed epoch.
    committed: u64,
    /// The number that the next one gets at least: a damaged manifest may be in the way of an earlier one.
    next: u64,
    inputs: Vec<u64>,
    /// Where inputs stood at their end.
    ended_inputs: Vec<Option<u64>>,
    ended: Vec<Option<ShardAt>>,
    outputs: Vec<Output>,
    running: Option<Running>,
    /// The epoch whose commit the sinks have yet to acknowledge, and whether it is the last and the flow ended with it.
    announced: Option<(bool, bool)>,
    due: bool,
    stopping: bool,
    finished: bool,
}

impl Coordinator {
    /// Goes on from what was recovered; `next` is the number of the next epoch.
    #[must_use]
    pub fn new(plan: Plan, recovered: Option<&Manifest>, next: u64) -> Self {
        let input = |name: &String| {
            let known =
                recovered.and_then(|manifest| manifest.inputs.iter().find(|input| input.name == *name));
            known.map_or(0, |input| input.position)
        };
        let output = |name: &String| {
            let known =
                recovered.and_then(|manifest| manifest.outputs.iter().find(|output| output.name == *name));
            let records = known.map_or(0, |output| output.records);
            let at = OutputAt { name: name.clone(), records, ..OutputAt::default() };
            Output { at, ended: None, commits: false }
        };
        Coordinator {
            committed: recovered.map_or(0, |manifest| manifest.epoch),
            next,
            inputs: plan.inputs.iter().map(input).collect(),
            ended_inputs: vec![None; plan.inputs.len()],
            outputs: plan.outputs.iter().map(output).collect(),
            ended: vec![None; plan.tasks.len()],
            running: None,
            announced: None,
            due: false,
            stopping: false,
            finished: false,
            plan,
        }
    }

    /// The last committed epoch; 0 if there is none.
    #[must_use]
    pub fn committed(&self) -> u64 {
        self.committed
    }

    /// The stages with their segments, as of the last committed epoch and the merges since.
    #[must_use]
    pub fn stages(&self) -> &[StageAt] {
        &self.plan.stages
    }

    /// What the epoch under way waits for, in words; `None` if there is none under way.
    #[must_use]
    pub fn waits_for(&self) -> Option<String> {
        let running = self.running.as_ref()?;
        let stages = running
            .shards
            .iter()
            .enumerate()
            .filter(|(task, shard)| shard.is_none() && self.ended[*task].is_none());
        let stages = stages.map(|(task, _)| {
            let (stage, shard) = self.plan.tasks[task];
            format!("node `{}` (shard {shard})", self.plan.stages[stage].node.trim_start_matches('~'))
        });
        let outputs = self
            .outputs
            .iter()
            .zip(&running.outputs)
            .filter(|(output, at)| at.is_none() && output.ended.is_none());
        let outputs = outputs.map(|(output, _)| format!("output `{}`", output.at.name));
        let all: Vec<String> = stages.chain(outputs).collect();
        (!all.is_empty()).then(|| all.join(", "))
    }

    /// Takes note of what has happened, and answers what is to be done.
    pub fn on(&mut self, event: Event) -> Vec<Action> {
        let mut actions = Vec::new();
        match event {
            Event::Due => self.due = true,
            Event::StopAsked => (self.due, self.stopping) = (true, true),
            Event::Shard { task, epoch, at, segments, whole, inputs } => {
                if let Some(running) = self.running.as_mut().filter(|running| running.epoch == epoch) {
                    running.shards[task] = Some(AtBarrier { at, segments, whole });
                    inputs.into_iter().for_each(|(input, position)| running.inputs[input] = Some(position));
                }
            }
            Event::ShardEnded { task, at, inputs } => {
                self.ended[task] = Some(at);
                inputs.into_iter().for_each(|(input, position)| self.ended_inputs[input] = Some(position));
            }
            Event::Output { output, epoch, at, ended: true } => {
                self.outputs[output].ended = Some((epoch, at))
            }
            Event::Output { output, epoch, at, ended: false } => {
                if let Some(running) = self.running.as_mut().filter(|running| running.epoch == epoch) {
                    running.outputs[output] = Some(at);
                }
            }
            Event::Acknowledged { output } => self.outputs[output].commits = false,
            Event::Created => self.created(&mut actions),
            // If they are not there any more it will be garbage.
            Event::Merged { stage, merged } => _ = merged.apply(&mut self.plan.stages[stage].segments),
        }
        self.settle(&mut actions);
        actions
    }

    /// Goes on as far as it can.
    fn settle(&mut self, actions: &mut Vec<Action>) {
        if let Some((last, finished)) = self.announced {
            if self.outputs.iter().any(|output| output.commits) {
                return;
            }
            self.announced = None;
            if last || finished {
                self.finished = true;
                actions.push(Action::Finish);
                return;
            }
            actions.push(Action::Tidy);
        }
        let all_ended = self.ended.iter().all(Option::is_some);
        if self.running.is_none() && !self.finished && (self.due || all_ended) {
            let (epoch, last) = (self.next, self.stopping);
            self.due = false;
            self.running = Some(Running {
                epoch,
                last,
                shards: vec![None; self.ended.len()],
                inputs: vec![None; self.inputs.len()],
                outputs: vec![None; self.outputs.len()],
                creating: false,
            });
            actions.push(Action::Begin { epoch, last });
        }
        if let Some(manifest) = self.complete() {
            actions.push(Action::Create(manifest));
        }
    }

    /// The manifest of the epoch under way, once all of it is there.
    fn complete(&mut self) -> Option<Manifest> {
        let running = self.running.as_mut().filter(|running| !running.creating)?;
        let shards_are_there =
            running.shards.iter().zip(&self.ended).all(|(shard, ended)| shard.is_some() || ended.is_some());
        let outputs_are_there = running
            .outputs
            .iter()
            .zip(&self.outputs)
            .all(|(at, output)| at.is_some() || output.ended.is_some());
        if !shards_are_there || !outputs_are_there {
            return None;
        }
        running.creating = true;
        // A shard that has ended since its barrier is part of the epoch as it was there.
        let finished = running.shards.iter().all(Option::is_none);
        for (number, stage) in self.plan.stages.iter_mut().enumerate() {
            stage.shards.clear();
            let shards = self.plan.tasks.iter().zip(&running.shards).filter(|((of, _), _)| *of == number);
            let whole: Vec<(u8, u8)> =
                shards.filter_map(|(_, shard)| shard.as_ref().and_then(|shard| shard.whole)).collect();
            stage.segments.retain(|segment| !is_replaced(segment, &whole));
        }
        for (task, &(stage, _)) in self.plan.tasks.iter().enumerate() {
            let stage = &mut self.plan.stages[stage];
            match (&running.shards[task], &self.ended[task]) {
                (Some(shard), _) => {
                    stage.shards.push(shard.at.clone());
                    stage.segments.extend_from_slice(&shard.segments);
                }
                (None, Some(at)) => stage.shards.push(at.clone()),
                (None, None) => {}
            }
        }
        for stage in &mut self.plan.stages {
            // What has ended stays so: its state is not needed any more.
            if stage.shards.iter().all(|shard| shard.ended) {
                stage.segments.clear();
            }
        }
        let epoch = running.epoch;
        for (input, position) in self.inputs.iter_mut().enumerate() {
            *position = running.inputs[input].or(self.ended_inputs[input]).unwrap_or(*position);
        }
        for (at, output) in running.outputs.iter().zip(&mut self.outputs) {
            output.at = match (at, &output.ended) {
                (Some(at), _) => at.clone(),
                (None, Some((of, at))) if *of > self.committed => at.clone(),
                (None, _) => OutputAt { prepared: Vec::new(), held: None, ..output.at.clone() },
            };
        }
        let inputs = self.plan.inputs.iter().zip(&self.inputs);
        Some(Manifest {
            flow: self.plan.flow.clone(),
            attempt: self.plan.attempt,
            epoch,
            finished,
            inputs: inputs.map(|(name, &position)| InputAt { name: name.clone(), position }).collect(),
            outputs: self.outputs.iter().map(|output| output.at.clone()).collect(),
            stages: self.plan.stages.clone(),
        })
    }

    /// The manifest is there: the epoch is committed.
    fn created(&mut self, actions: &mut Vec<Action>) {
        let Some(running) = self.running.take() else { return };
        let finished = running.shards.iter().all(Option::is_none);
        self.committed = running.epoch;
        self.next = running.epoch + 1;
        for output in &mut self.outputs {
            output.commits = true;
        }
        self.announced = Some((running.last, finished));
        actions.push(Action::Announce { epoch: running.epoch });
    }
}

/// Whether a segment says nothing any more that holds, since in these key groups all is stored anew.
fn is_replaced(segment: &SegmentRef, whole: &[(u8, u8)]) -> bool {
    let (first, last) = segment.groups;
    (first..=last).all(|group| whole.iter().any(|&(first, last)| first <= group && group <= last))
}

#[cfg(test)]
#[path = "coordinator_tests.rs"]
mod tests;
