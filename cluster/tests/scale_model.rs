//! What a checkpoint of a cluster costs, by the model of `docs/scale.md`, against a simulation of it.
//!
//! The simulation has the real coordinator, segments, merges and manifests; the tasks, the processes and the network between
//! them are played here: an input of many partitions, stages with a key one after the other, a sink. Messages arrive in an
//! order that a seed decides.

#![allow(clippy::unwrap_used)]

use psdf_runtime::checkpoint::coordinator::{Action, Coordinator, Event, Plan};
use psdf_runtime::checkpoint::manifest::{self, OutputAt, SenderAt, ShardAt, StageAt};
use psdf_runtime::checkpoint::segment::{SegmentOf, encode};
use psdf_runtime::checkpoint::storage::{MemoryStorage, Storage};
use psdf_runtime::checkpoint::{Delta, merge, names};
use psdf_runtime::hash::KEY_GROUPS;
use psdf_runtime::testing::Rng;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

/// How large a job is.
#[derive(Clone, Copy, Debug)]
struct Shape {
    processes: u64,
    /// In each process.
    workers: u64,
    partitions: u64,
    /// Stages with a key, each fed by the one before.
    stages: u64,
}

/// What one epoch costs in all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Cost {
    /// Batches that carry a barrier.
    barriers: u64,
    /// What other processes tell the one that commits.
    letters: u64,
    /// What it tells them.
    orders: u64,
    /// Segments that shards store.
    segments: u64,
    /// Senders of which a manifest holds what shards have heard of them.
    senders: u64,
    /// Segments that the committing process reads, to make one of many.
    merged: u64,
}

impl Shape {
    fn all_workers(self) -> u64 {
        self.processes * self.workers
    }

    /// The shards of a stage with a key: on each worker one, while there are key groups for them.
    fn shards(self) -> u64 {
        self.all_workers().min(u64::from(KEY_GROUPS))
    }

    /// The model.
    fn cost(self) -> Cost {
        let (shards, stages) = (self.shards(), self.stages);
        let between = self.partitions * shards + (stages - 1) * shards * shards;
        let near = on_first(self.partitions, self) + stages * on_first(shards, self);
        let segments = stages * shards;
        Cost {
            barriers: between + shards,
            letters: self.partitions + stages * shards - near,
            orders: 2 * (self.processes - 1),
            segments,
            senders: between,
            // All new ones, and what was made of those before.
            merged: if shards > merge::SEGMENTS as u64 { segments + stages } else { 0 },
        }
    }
}

/// How many of so many tasks the workers of the first process have.
fn on_first(tasks: u64, shape: Shape) -> u64 {
    (0..tasks).filter(|task| task % shape.all_workers() < shape.workers).count() as u64
}

/// A task, by its place among those of its stage. Stage 0 reads the input; behind the last is the sink.
#[derive(Clone, Copy, Debug)]
struct Task {
    stage: u64,
    place: u64,
}

enum Message {
    /// An order to a process, to have its readers send a barrier.
    Ask { process: u64 },
    /// An order that tells that an epoch is committed.
    Committed,
    /// A barrier to a task.
    Barrier { to: Task },
    /// What a shard has to say, on its way to the process that commits.
    Letter(Box<Event>),
}

/// Counts what is read.
struct Counted(MemoryStorage, AtomicU64);

impl Storage for Counted {
    fn put(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.0.put(name, bytes)
    }
    fn create(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.0.create(name, bytes)
    }
    fn get(&self, name: &str) -> io::Result<Vec<u8>> {
        self.0.get(name)
    }
    fn get_range(&self, name: &str, from: u64, len: u64) -> io::Result<Vec<u8>> {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.get_range(name, from, len)
    }
    fn list(&self, prefix: &str) -> io::Result<Vec<String>> {
        self.0.list(prefix)
    }
    fn delete(&self, name: &str) -> io::Result<()> {
        self.0.delete(name)
    }
}

struct Simulation {
    shape: Shape,
    rng: Rng,
    storage: Counted,
    coordinator: Coordinator,
    under_way: Vec<Message>,
    /// For each task, the barriers it waits for.
    waits_for: Vec<Vec<u64>>,
    epoch: u64,
    cost: Cost,
    manifest_bytes: u64,
    over: bool,
}

impl Simulation {
    fn new(shape: Shape, seed: u64) -> Simulation {
        let stage = |stage| StageAt { node: node(stage), ..StageAt::default() };
        let tasks = (0..=shape.stages).flat_map(|stage| {
            let tasks = tasks_of(shape, stage);
            (0..tasks).map(move |task| (usize::try_from(stage).unwrap(), usize::try_from(task).unwrap()))
        });
        let plan = Plan {
            flow: "Traffic".into(),
            attempt: 1,
            inputs: (0..shape.partitions).map(|partition| format!("lines/{partition}")).collect(),
            outputs: vec!["hourly".into()],
            stages: (0..=shape.stages).map(stage).collect(),
            tasks: tasks.collect(),
        };
        Simulation {
            shape,
            rng: Rng::new(seed),
            storage: Counted(MemoryStorage::new(), AtomicU64::new(0)),
            coordinator: Coordinator::new(plan, None, 1),
            under_way: Vec::new(),
            waits_for: Vec::new(),
            epoch: 0,
            cost: Cost::default(),
            manifest_bytes: 0,
            over: false,
        }
    }

    /// One epoch, from its beginning to its end, and what it cost.
    fn epoch(&mut self) -> Cost {
        self.cost = Cost::default();
        self.over = false;
        self.waits_for = (0..=self.shape.stages + 1)
            .map(|stage| {
                let senders = if stage == 0 { 0 } else { tasks_of(self.shape, stage - 1) };
                vec![senders; usize::try_from(tasks_of(self.shape, stage)).unwrap()]
            })
            .collect();
        self.tell(Event::Due);
        while !self.under_way.is_empty() {
            let next = self.rng.place(self.under_way.len());
            let message = self.under_way.swap_remove(next);
            self.take(message);
        }
        assert!(self.over, "the epoch waits for {:?}", self.coordinator.waits_for());
        self.cost
    }

    fn take(&mut self, message: Message) {
        match message {
            Message::Ask { process } => self.read(process),
            Message::Committed => {}
            Message::Barrier { to } => {
                let (stage, place) = (usize::try_from(to.stage).unwrap(), usize::try_from(to.place).unwrap());
                self.waits_for[stage][place] -= 1;
                if self.waits_for[stage][place] == 0 {
                    self.snapshot(to);
                }
            }
            Message::Letter(event) => self.tell(*event),
        }
    }

    /// The tasks of a process that read partitions put a barrier behind what they have read.
    fn read(&mut self, process: u64) {
        for place in 0..self.shape.partitions {
            if self.process_of(place) == process {
                self.snapshot(Task { stage: 0, place });
            }
        }
    }

    fn process_of(&self, place: u64) -> u64 {
        place % self.shape.all_workers() / self.shape.workers
    }

    /// A task has the barrier from all that feed it.
    fn snapshot(&mut self, task: Task) {
        let Task { stage, place } = task;
        if stage > self.shape.stages {
            let at = OutputAt { name: "hourly".into(), records: self.epoch, ..OutputAt::default() };
            return self.tell(Event::Output { output: 0, epoch: self.epoch, at, ended: false });
        }
        let before: u64 = (0..stage).map(|stage| tasks_of(self.shape, stage)).sum();
        let senders = if stage == 0 { 1 } else { tasks_of(self.shape, stage - 1) };
        let senders = (0..senders).map(|_| SenderAt {
            from: if stage == 0 {
                format!("input:lines/{place}")
            } else {
                format!("{}:views", node(stage - 1))
            },
            watermark: 1_700_000_000_000_000,
            status: 0,
        });
        let at =
            ShardAt { watermark: 1_700_000_000_000_000, senders: senders.collect(), ..ShardAt::default() };
        if stage > 0 {
            self.cost.senders += at.senders.len() as u64;
        }
        let event = Event::Shard {
            task: usize::try_from(before + place).unwrap(),
            epoch: self.epoch,
            at,
            segment: (stage > 0).then(|| self.store(task)),
            inputs: if stage == 0 { vec![(usize::try_from(place).unwrap(), self.epoch)] } else { vec![] },
        };
        for place in 0..tasks_of(self.shape, stage + 1) {
            self.cost.barriers += 1;
            self.under_way.push(Message::Barrier { to: Task { stage: stage + 1, place } });
        }
        if self.process_of(place) == 0 {
            self.tell(event);
        } else {
            self.cost.letters += 1;
            self.under_way.push(Message::Letter(Box::new(event)));
        }
    }

    /// A shard changes one key in each epoch.
    fn store(&mut self, Task { stage, place }: Task) -> manifest::SegmentRef {
        let shard = usize::try_from(place).unwrap();
        let owner = |group: &u64| group * self.shape.shards() / u64::from(KEY_GROUPS);
        let groups: Vec<u64> = (0..u64::from(KEY_GROUPS)).filter(|group| owner(group) == place).collect();
        let first = u8::try_from(groups[0]).unwrap();
        let last = u8::try_from(groups[groups.len() - 1]).unwrap();
        let mut delta = Delta::default();
        delta.written.push(first, 0, |to| to.push(7), |to| to.extend(self.epoch.to_le_bytes()));
        let of = SegmentOf {
            flow: "Traffic".into(),
            node: node(stage),
            epochs: (self.epoch, self.epoch),
            groups: (first, last),
        };
        let (bytes, segment) = encode(names::segment(self.epoch, &node(stage), shard, 1), of, delta);
        self.storage.put(&segment.object.name, &bytes).unwrap();
        self.cost.segments += 1;
        segment
    }

    /// What happens in the process that commits.
    fn tell(&mut self, event: Event) {
        for action in self.coordinator.on(event) {
            match action {
                Action::Begin { epoch, .. } => {
                    self.epoch = epoch;
                    for process in 1..self.shape.processes {
                        self.cost.orders += 1;
                        self.under_way.push(Message::Ask { process });
                    }
                    self.read(0);
                }
                Action::Create(manifest) => {
                    self.manifest_bytes = manifest.encode().unwrap().len() as u64;
                    manifest::commit(&self.storage, &manifest).unwrap();
                    self.tell(Event::Created);
                }
                Action::Announce { .. } => {
                    for _ in 1..self.shape.processes {
                        self.cost.orders += 1;
                        self.under_way.push(Message::Committed);
                    }
                    self.tell(Event::Acknowledged { output: 0 });
                }
                Action::Tidy => self.tidy(),
                Action::Finish => unreachable!("nobody has asked for an end"),
            }
        }
    }

    fn tidy(&mut self) {
        self.over = true;
        for (stage, at) in self.coordinator.stages().to_vec().iter().enumerate() {
            let Some(range) = merge::what_to_merge(&at.segments) else { continue };
            self.cost.merged += range.len() as u64;
            let epochs = (at.segments[range.start].epochs.0, self.epoch);
            let name = names::merged(self.epoch + 1, &at.node, epochs, 1);
            let merged = merge::merge(&self.storage, &at.segments, range, name).unwrap();
            self.tell(Event::Merged { stage, merged });
        }
    }
}

fn node(stage: u64) -> String {
    if stage == 0 { "~lines".into() } else { format!("stage{stage}") }
}

fn tasks_of(shape: Shape, stage: u64) -> u64 {
    match stage {
        0 => shape.partitions,
        stage if stage <= shape.stages => shape.shards(),
        stage if stage == shape.stages + 1 => 1,
        _ => 0,
    }
}

const SMALL: Shape = Shape { processes: 5, workers: 2, partitions: 10, stages: 1 };
const MIDDLE: Shape = Shape { processes: 25, workers: 4, partitions: 100, stages: 1 };
const LARGE: Shape = Shape { processes: 125, workers: 8, partitions: 1000, stages: 1 };

#[test]
fn an_epoch_costs_what_the_model_says() {
    let odd = [
        Shape { processes: 1, workers: 1, partitions: 1, stages: 1 },
        Shape { processes: 3, workers: 1, partitions: 2, stages: 2 },
        Shape { processes: 2, workers: 3, partitions: 17, stages: 3 },
        Shape { processes: 30, workers: 10, partitions: 40, stages: 1 },
    ];
    for shape in [SMALL, MIDDLE].into_iter().chain(odd) {
        for seed in 0..3 {
            let mut simulation = Simulation::new(shape, seed);
            // There is nothing to unite with yet.
            let first = simulation.epoch();
            assert_eq!(Cost { merged: 0, ..first }, Cost { merged: 0, ..shape.cost() }, "{shape:?}");
            let second = simulation.epoch();
            assert_eq!(Cost { merged: 0, ..second }, Cost { merged: 0, ..shape.cost() }, "{shape:?}");
            if shape.shards() > merge::SEGMENTS as u64 {
                assert!(second.merged.abs_diff(shape.cost().merged) <= shape.stages * merge::SEGMENTS as u64);
            }
        }
    }
}

#[test]
fn whatever_the_order_of_messages_the_manifest_is_the_same() {
    let manifests = [1, 2, 3].map(|seed| {
        let mut simulation = Simulation::new(SMALL, seed);
        simulation.epoch();
        simulation.epoch();
        simulation.storage.get(&names::manifest(2)).unwrap()
    });
    assert!(manifests.iter().all(|manifest| *manifest == manifests[0]));
}

/// The rows of the table in the documentation whose first cell begins so: their numbers at 10, 100 and 1,000 workers.
fn documented(row: &str) -> [u64; 3] {
    let page = include_str!("../../docs/scale.md");
    let line = page.lines().find(|line| line.starts_with(&format!("| {row}"))).unwrap();
    let cells: Vec<u64> =
        line.split('|').filter_map(|cell| cell.trim().replace(',', "").parse().ok()).collect();
    cells.try_into().unwrap()
}

#[test]
fn the_table_in_the_documentation_is_that_of_the_model() {
    let costs = [SMALL, MIDDLE, LARGE].map(Shape::cost);
    for (row, number) in [
        ("barriers", costs.map(|cost| cost.barriers)),
        ("reports to process 0", costs.map(|cost| cost.letters)),
        ("orders of process 0", costs.map(|cost| cost.orders)),
        ("segments stored", costs.map(|cost| cost.segments)),
        ("segments read by process 0", costs.map(|cost| cost.merged)),
        ("senders in the manifest", costs.map(|cost| cost.senders)),
    ] {
        assert_eq!(documented(row), number, "{row}");
    }
}

#[test]
fn a_manifest_grows_with_the_product_of_shards_and_those_that_feed_them() {
    let documented = documented("bytes of the manifest");
    for (shape, documented) in [SMALL, MIDDLE, LARGE].into_iter().zip(documented) {
        let mut simulation = Simulation::new(shape, 1);
        simulation.epoch();
        let bytes = simulation.manifest_bytes;
        assert!(bytes.abs_diff(documented) * 10 <= documented, "{shape:?}: {bytes}, not {documented}");
    }
}
