//! Every order in which things can happen to a small flow, with a crash between any two: an input, a stage that it feeds, and
//! a sink.

use super::*;
use crate::checkpoint::manifest::ObjectRef;
use std::collections::{HashSet, VecDeque};

/// The records that the source has.
const RECORDS: u64 = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Item {
    Record,
    Barrier(u64),
    End,
}

/// The flow and all that it talks to, at one moment.
#[derive(Clone, Debug)]
struct World {
    coordinator: Coordinator,
    events: VecDeque<Event>,
    asked: (u64, bool),
    // The input's task.
    position: u64,
    barrier: u64,
    input_ended: bool,
    // The edges.
    to_stage: VecDeque<Item>,
    to_sink: VecDeque<Item>,
    // The sink: what came since the last barrier, what is prepared, whether the end has come.
    came: u64,
    written: u64,
    prepared: Option<(u64, u64)>,
    epoch: u64,
    sink_ended: bool,
    sink_is_over: bool,
    announced: u64,
    // What outlives a crash.
    manifest: Option<Manifest>,
    creating: Option<Manifest>,
    visible: Vec<(u64, u64)>,
    stored_parts: Vec<(u64, u64)>,
    // What is yet to happen.
    dues: u32,
    stops: u32,
    crashes: u32,
    over: bool,
}

impl World {
    fn new(dues: u32, stops: u32, crashes: u32) -> World {
        let world = World {
            coordinator: Coordinator::new(Plan::default(), None, 1),
            events: VecDeque::new(),
            asked: (0, false),
            position: 0,
            barrier: 0,
            input_ended: false,
            to_stage: VecDeque::new(),
            to_sink: VecDeque::new(),
            came: 0,
            written: 0,
            prepared: None,
            epoch: 1,
            sink_ended: false,
            sink_is_over: false,
            announced: 0,
            manifest: None,
            creating: None,
            visible: Vec::new(),
            stored_parts: Vec::new(),
            dues,
            stops,
            crashes,
            over: false,
        };
        world.started()
    }

    /// The flow starts, from the manifest if there is one.
    fn started(mut self) -> World {
        let stage = |node: &str| StageAt { node: node.to_owned(), ..StageAt::default() };
        let plan = Plan {
            flow: "flow".to_owned(),
            attempt: 0,
            inputs: vec!["input".to_owned()],
            outputs: vec!["output".to_owned()],
            stages: vec![stage("~input"), stage("stage")],
            tasks: vec![(0, 0), (1, 0)],
        };
        let epoch = self.manifest.as_ref().map_or(0, |manifest| manifest.epoch);
        self.coordinator = Coordinator::new(plan, self.manifest.as_ref(), epoch + 1);
        self.events.clear();
        (self.asked, self.barrier, self.announced, self.creating) = ((epoch, false), epoch, epoch, None);
        self.position = self.manifest.as_ref().map_or(0, |manifest| manifest.inputs[0].position);
        self.came = self.manifest.as_ref().map_or(0, |manifest| manifest.outputs[0].records);
        (self.written, self.prepared, self.epoch) = (0, None, epoch + 1);
        (self.input_ended, self.sink_ended, self.sink_is_over) = (false, false, false);
        self.to_stage.clear();
        self.to_sink.clear();
        // The sink commits what it had prepared for the epoch, and lets go of the rest.
        if let Some(prepared) = self.manifest.as_ref().map(|manifest| manifest.outputs[0].prepared.clone())
            && let Ok(bytes) = <[u8; 8]>::try_from(prepared)
        {
            self.commit(u64::from_le_bytes(bytes));
        }
        self.stored_parts.clear();
        self
    }

    fn commit(&mut self, part: u64) {
        if self.visible.iter().any(|&(visible, _)| visible == part) {
            return;
        }
        let stored = self.stored_parts.iter().position(|&(stored, _)| stored == part);
        let stored = stored.expect("what is committed was prepared");
        self.visible.push(self.stored_parts.remove(stored));
    }

    /// Each way to go on.
    fn next(&self) -> Vec<World> {
        let mut all = Vec::new();
        let mut with = |change: &dyn Fn(&mut World) -> bool| {
            let mut next = self.clone();
            if change(&mut next) {
                all.push(next);
            }
        };
        with(&World::coordinate);
        with(&World::create);
        with(&World::read);
        with(&World::end_input);
        with(&World::put_barrier);
        with(&World::stage);
        with(&World::sink);
        with(&World::sink_commits);
        with(&|world| {
            world.events.push_back(Event::Due);
            let left = world.dues;
            world.dues = left.saturating_sub(1);
            left > 0
        });
        with(&|world| {
            world.events.push_back(Event::StopAsked);
            let left = world.stops;
            world.stops = left.saturating_sub(1);
            left > 0
        });
        if self.crashes > 0 {
            let mut crashed = self.clone();
            crashed.crashes -= 1;
            if let Some(creating) = crashed.creating.clone() {
                // It may have been created, although nobody has heard of it.
                let mut created = crashed.clone();
                created.manifest = Some(creating);
                all.push(created.started());
            }
            all.push(crashed.started());
        }
        all
    }

    fn coordinate(&mut self) -> bool {
        let Some(event) = self.events.pop_front() else { return false };
        for action in self.coordinator.on(event) {
            match action {
                Action::Begin { epoch, last } => {
                    assert!(self.creating.is_none() && epoch > self.asked.0, "one epoch at a time");
                    self.asked = (epoch, last);
                }
                Action::Create(manifest) => {
                    let (input, output) = (&manifest.inputs[0], &manifest.outputs[0]);
                    assert_eq!(input.position, output.records, "a cut has what came in and what came of it");
                    self.creating = Some(manifest);
                }
                Action::Announce { epoch } => {
                    self.announced = epoch;
                    if self.prepared.is_none() {
                        self.events.push_back(Event::Acknowledged { output: 0 });
                    }
                }
                Action::Tidy => assert!(self.prepared.is_none_or(|(epoch, _)| epoch > self.announced)),
                Action::Finish => self.over = true,
            }
        }
        true
    }

    fn create(&mut self) -> bool {
        let Some(manifest) = self.creating.take() else { return false };
        self.manifest = Some(manifest);
        self.events.push_back(Event::Created);
        true
    }

    fn is_parked(&self) -> bool {
        self.input_ended || (self.asked.1 && self.barrier == self.asked.0)
    }

    fn read(&mut self) -> bool {
        if self.is_parked() || self.position == RECORDS {
            return false;
        }
        self.position += 1;
        self.to_stage.push_back(Item::Record);
        true
    }

    fn end_input(&mut self) -> bool {
        if self.is_parked() || self.position < RECORDS {
            return false;
        }
        self.input_ended = true;
        self.to_stage.push_back(Item::End);
        self.events.push_back(Event::ShardEnded {
            task: 0,
            at: ShardAt { ended: true, ..ShardAt::default() },
            inputs: vec![(0, self.position)],
        });
        true
    }

    fn put_barrier(&mut self) -> bool {
        if self.input_ended || self.barrier == self.asked.0 {
            return false;
        }
        self.barrier = self.asked.0;
        self.to_stage.push_back(Item::Barrier(self.barrier));
        self.events.push_back(shard(0, self.barrier, vec![(0, self.position)]));
        true
    }

    fn stage(&mut self) -> bool {
        let Some(item) = self.to_stage.pop_front() else { return false };
        match item {
            Item::Barrier(epoch) => self.events.push_back(shard(1, epoch, Vec::new())),
            Item::End => self.events.push_back(Event::ShardEnded {
                task: 1,
                at: ShardAt { ended: true, ..ShardAt::default() },
                inputs: Vec::new(),
            }),
            Item::Record => {}
        }
        self.to_sink.push_back(item);
        true
    }

    fn sink(&mut self) -> bool {
        let Some(&item) = self.to_sink.front() else {
            if self.sink_ended && !self.sink_is_over && self.prepared.is_none() {
                self.sink_is_over = true;
                self.prepare(self.epoch, true);
                return true;
            }
            return false;
        };
        match item {
            Item::Record => (self.came, self.written) = (self.came + 1, self.written + 1),
            Item::Barrier(epoch) => {
                assert!(self.prepared.is_none(), "no epoch begins before the last is committed everywhere");
                self.prepare(epoch, false);
                self.epoch = epoch + 1;
            }
            Item::End => self.sink_ended = true,
        }
        self.to_sink.pop_front();
        true
    }

    fn prepare(&mut self, epoch: u64, ended: bool) {
        // Each attempt's parts have names of their own, as files have.
        let part = epoch << 8 | u64::from(self.crashes);
        self.stored_parts.push((part, std::mem::take(&mut self.written)));
        self.prepared = Some((epoch, part));
        let prepared = part.to_le_bytes().to_vec();
        let at = OutputAt { name: "output".to_owned(), records: self.came, prepared, held: None };
        self.events.push_back(Event::Output { output: 0, epoch, at, ended });
    }

    fn sink_commits(&mut self) -> bool {
        let Some((epoch, part)) = self.prepared.filter(|(epoch, _)| self.announced >= *epoch) else {
            return false;
        };
        let _ = epoch;
        self.prepared = None;
        self.commit(part);
        self.events.push_back(Event::Acknowledged { output: 0 });
        true
    }
}

fn shard(task: usize, epoch: u64, inputs: Vec<(usize, u64)>) -> Event {
    Event::Shard { task, epoch, at: ShardAt::default(), segments: Vec::new(), whole: None, inputs }
}

/// Goes every way from there; how many worlds there are, and how many of them are ends.
fn explore(first: World) -> (usize, usize) {
    let (mut seen, mut open, mut ends) = (HashSet::new(), vec![first], 0);
    while let Some(world) = open.pop() {
        if !seen.insert(crate::hash::fingerprint(&format!("{world:?}"))) {
            continue;
        }
        if world.over {
            ends += 1;
            let visible: u64 = world.visible.iter().map(|(_, records)| records).sum();
            let manifest = world.manifest.as_ref().expect("an end is committed");
            assert_eq!(visible, manifest.outputs[0].records, "what is committed is visible, once");
            assert!(
                visible == RECORDS || !manifest.finished,
                "a flow that has come to its end lacks nothing"
            );
            continue;
        }
        let next = world.next();
        assert!(!next.is_empty(), "somebody can go on: {world:#?}");
        open.extend(next);
    }
    (seen.len(), ends)
}

#[test]
fn whatever_happens_in_whatever_order_each_record_is_visible_once() {
    let (worlds, ends) = explore(World::new(2, 0, 0));
    assert!(worlds > 1000 && ends > 0, "{worlds} worlds, {ends} ends");
}

#[test]
fn a_crash_between_any_two_steps_loses_and_doubles_nothing() {
    let (worlds, ends) = explore(World::new(2, 0, 2));
    assert!(worlds > 10_000 && ends > 0, "{worlds} worlds, {ends} ends");
}

#[test]
fn a_flow_that_is_asked_to_stop_stops_with_all_it_gave() {
    let (worlds, ends) = explore(World::new(1, 1, 1));
    assert!(worlds > 1000 && ends > 0, "{worlds} worlds, {ends} ends");
}

/// The segments that the next manifest names, if each of two shards says that, and has so much anew.
fn named(coordinator: &mut Coordinator, said: [(&str, Option<(u8, u8)>); 2]) -> Vec<String> {
    let began = coordinator.on(Event::Due);
    let Some(&Action::Begin { epoch, .. }) = began.last() else { panic!("an epoch begins: {began:?}") };
    let mut actions = Vec::new();
    for (task, (name, whole)) in said.into_iter().enumerate() {
        let segments = vec![segment(name, [(0, 127), (128, 255)][task])];
        let (at, inputs) = (ShardAt::default(), Vec::new());
        actions = coordinator.on(Event::Shard { task, epoch, at, segments, whole, inputs });
    }
    let [Action::Create(manifest)] = &actions[..] else { panic!("it is complete: {actions:?}") };
    let names = manifest.stages[0].segments.iter().map(|segment| segment.object.name.clone()).collect();
    coordinator.on(Event::Created);
    names
}

fn segment(name: &str, groups: (u8, u8)) -> SegmentRef {
    let object = ObjectRef { name: name.to_owned(), ..ObjectRef::default() };
    SegmentRef { object, groups, ..SegmentRef::default() }
}

#[test]
fn what_is_stored_anew_as_a_whole_needs_nothing_from_before() {
    let segments = vec![segment("merged", (0, 255)), segment("left", (0, 100)), segment("right", (128, 255))];
    let stages = vec![StageAt { node: "stage".to_owned(), segments, ..StageAt::default() }];
    let plan = Plan { stages, tasks: vec![(0, 0), (0, 1)], ..Plan::default() };
    let mut coordinator = Coordinator::new(plan, None, 1);
    let (left, right) = (Some((0, 127)), Some((128, 255)));
    assert_eq!(named(&mut coordinator, [("a", left), ("b", None)]), ["merged", "right", "a", "b"]);
    assert_eq!(named(&mut coordinator, [("c", left), ("d", right)]), ["c", "d"]);
    assert_eq!(named(&mut coordinator, [("e", None), ("f", right)]), ["c", "e", "f"]);
}
