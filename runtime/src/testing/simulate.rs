//! Runs a durable flow on one thread, in an order that a seed decides, and crashes it.

use super::ports::{
    CollectingSink, Fault, FaultyStorage, FaultyTables, GivenSource, Point, SharedStore, lock,
};
use super::rng::Rng;
use crate::checkpoint::storage::{Fate, MemoryStorage};
use crate::embedded::{Builder, Stepped};
use crate::error::FlowError;
use crate::flow::Flow;
use crate::tables::{MemoryTables, StoredRow};
use std::any::Any;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

/// Attaches a port, for one run of the flow.
type Attach<F> = Box<dyn Fn(Builder<F>, &mut Rng, Failures) -> Builder<F>>;

/// The same, for an output, with where its records go.
type AttachTo<F> = Box<dyn Fn(Builder<F>, &dyn Any, &mut Rng, Failures) -> Builder<F>>;

/// A test of a flow by simulation: see [`simulate`].
pub struct Simulation<F: Flow> {
    make: Box<dyn Fn() -> F>,
    seeds: Range<u64>,
    crashes: bool,
    /// Where the first, the second .. run of the flow fails.
    faults: Vec<Point>,
    shards: Range<usize>,
    inputs: Vec<(&'static str, Attach<F>)>,
    outputs: Vec<Collected<F>>,
}

/// An output whose records are collected.
struct Collected<F: Flow> {
    name: &'static str,
    /// For each seed anew.
    new_store: Box<dyn Fn() -> Box<dyn Any>>,
    attach: AttachTo<F>,
}

/// What is to go wrong.
#[derive(Clone)]
struct Failures {
    sinks: bool,
    fault: Fault,
}

/// What came of one run of a simulation, with all its crashes.
pub struct Simulated {
    /// The seed, which gives the same run again.
    pub seed: u64,
    /// How often the flow was started again.
    pub crashes: u32,
    /// The shards that it ran with, each time.
    pub shards: Vec<usize>,
    outputs: HashMap<&'static str, Box<dyn Any>>,
    /// The epochs that were seen to be committed, and where the inputs stood then.
    epochs: Vec<(u64, Vec<u64>)>,
    inputs: Vec<&'static str>,
    tables: MemoryTables,
    table_names: Vec<&'static str>,
}

/// What was visible when an epoch had been committed.
pub struct SimulatedEpoch<'a> {
    /// The number of the epoch.
    pub epoch: u64,
    positions: &'a [u64],
    outcome: &'a Simulated,
}

impl SimulatedEpoch<'_> {
    /// How many records of an input are part of it.
    ///
    /// # Panics
    /// If the flow has no such input.
    #[must_use]
    pub fn position(&self, input: &str) -> usize {
        let place = self.outcome.inputs.iter().position(|name| *name == input);
        let place = place.unwrap_or_else(|| panic!("the flow has no input `{input}`"));
        usize::try_from(self.positions[place]).unwrap_or(usize::MAX)
    }

    /// What was committed to an output up to then, in order.
    ///
    /// # Panics
    /// As [`Simulated::output`].
    #[must_use]
    pub fn output<T: Clone + Send + 'static>(&self, name: &str) -> Vec<T> {
        let stored = lock(self.outcome.store::<T>(name));
        let length = stored.lengths.iter().rev().find(|(epoch, _)| *epoch <= self.epoch);
        stored.visible[..length.map_or(0, |(_, length)| *length)].to_vec()
    }
}

impl Simulated {
    /// Each epoch that was seen to be committed, in order: what had come in and what had come out is one whole.
    pub fn epochs(&self) -> impl Iterator<Item = SimulatedEpoch<'_>> {
        self.epochs.iter().map(|(epoch, positions)| SimulatedEpoch {
            epoch: *epoch,
            positions,
            outcome: self,
        })
    }

    /// All that was committed to an output, in order.
    ///
    /// # Panics
    /// If that output was not [collected](Simulation::collect), or not as records of that type.
    #[must_use]
    pub fn output<T: Clone + Send + 'static>(&self, name: &str) -> Vec<T> {
        lock(self.store::<T>(name)).visible.clone()
    }

    /// The rows of a table at the end, in the order of their keys.
    ///
    /// # Panics
    /// If the flow has no such table, or its rows are of another type.
    #[must_use]
    pub fn rows<R: StoredRow>(&self, table: &str) -> Vec<R> {
        assert!(self.table_names.contains(&table), "the flow has no table `{table}`");
        let rows = self.tables.rows(table);
        rows.unwrap_or_else(|error| {
            panic!("table `{table}` does not hold the rows that are asked for: {error}")
        })
    }

    fn store<T: Send + 'static>(&self, name: &str) -> &SharedStore<T> {
        let store = self.outputs.get(name).and_then(|store| store.downcast_ref());
        store.unwrap_or_else(|| {
            let record = std::any::type_name::<T>();
            panic!("the output `{name}` was not collected as `{record}`: say `.collect::<..>(\"{name}\")`")
        })
    }
}

/// Simulates a flow: `make` gives it, with its params, each time it starts.
///
/// For each seed the flow runs on this thread: which task goes on next, how the input is cut into batches, how many shards
/// there are, when the clock moves and when epochs are committed is decided by the seed. With
/// [`crash_anywhere`](Simulation::crash_anywhere) it is killed at moments that the seed decides too, between any two steps
/// of any task and in the middle of each write to the store, which may then be whole, torn or lost; sinks are slow and
/// fail; and it is started again, with another number of shards, until it comes to its end. The check sees what was
/// committed to the outputs, and what streams have led into tables. If it panics the seed is printed, and `.seeds(N..N + 1)` gives that run again.
///
/// ```text
/// simulate(|| WebTraffic { threshold: 3.0 })
///     .input("lines", lines)
///     .collect::<Hourly>("hourly")
///     .seeds(0..1000)
///     .crash_anywhere()
///     .check(|outcome| assert_eq!(sorted(outcome.output("hourly")), expected));
/// ```
pub fn simulate<F: Flow>(make: impl Fn() -> F + 'static) -> Simulation<F> {
    Simulation {
        make: Box::new(make),
        seeds: 0..100,
        crashes: false,
        faults: Vec::new(),
        shards: 1..5,
        inputs: Vec::new(),
        outputs: Vec::new(),
    }
}

impl<F: Flow> Simulation<F> {
    /// What an input is given. Each input of the flow needs it.
    ///
    /// # Panics
    /// If the flow has no such input.
    #[must_use]
    pub fn input<T: Clone + Send + Sync + 'static>(mut self, name: &str, records: Vec<T>) -> Self {
        let name = port(F::GRAPH.inputs, "input", name);
        let records = Arc::new(records);
        let attach = move |builder: Builder<F>, rng: &mut Rng, failures: Failures| {
            let (records, rng) = (Arc::clone(&records), Rng::new(rng.number()));
            builder.source(name, GivenSource { records, given: 0, rng, fault: failures.fault })
        };
        self.inputs.push((name, Box::new(attach)));
        self
    }

    /// Collects the records of an output. Those of the others are let go.
    ///
    /// # Panics
    /// If the flow has no such output.
    #[must_use]
    pub fn collect<T: Send + 'static>(mut self, name: &str) -> Self {
        let name = port(F::GRAPH.outputs, "output", name);
        self.outputs.push(Collected {
            name,
            new_store: Box::new(|| Box::new(SharedStore::<T>::default())),
            attach: Box::new(move |builder, store, rng, failures| {
                let Some(store) = store.downcast_ref::<SharedStore<T>>() else { return builder };
                let fails_one_in = if failures.sinks { 20 + rng.below(200) } else { 0 };
                let (stored, rng) = (Arc::clone(store), Rng::new(rng.number()));
                let fault = failures.fault;
                builder.sink(name, CollectingSink { stored, written: Vec::new(), rng, fails_one_in, fault })
            }),
        });
        self
    }

    /// The seeds to run with. Default `0..100`.
    #[must_use]
    pub fn seeds(self, seeds: Range<u64>) -> Self {
        Simulation { seeds, ..self }
    }

    /// The numbers of shards to choose from. Default `1..5`.
    #[must_use]
    pub fn shards(self, shards: Range<usize>) -> Self {
        Simulation { shards, ..self }
    }

    /// Crashes the flow at moments of the seed's choice, a few times in each run.
    #[must_use]
    pub fn crash_anywhere(self) -> Self {
        Simulation { crashes: true, ..self }
    }

    /// Makes the first run of the flow fail at the first of these points, the second at the second, and so on; how often it
    /// has come by there before is the seed's choice. After that it runs to its end.
    #[must_use]
    pub fn fail_at(self, points: &[Point]) -> Self {
        Simulation { faults: points.to_vec(), ..self }
    }

    /// Runs each seed and checks what came of it.
    ///
    /// # Panics
    /// If the check does, if the flow does not come to its end, or if an input is given nothing. The message names the seed.
    pub fn check(self, check: impl Fn(&Simulated)) {
        for input in F::GRAPH.inputs {
            let given = self.inputs.iter().any(|(name, _)| *name == input.name);
            assert!(
                given,
                "the input `{}` is given nothing: say `.input(\"{}\", ..)`",
                input.name, input.name
            );
        }
        for seed in self.seeds.clone() {
            let told = Told { flow: F::GRAPH.flow, seed };
            let outcome = self.run(seed);
            check(&outcome);
            std::mem::forget(told);
        }
    }

    fn run(&self, seed: u64) -> Simulated {
        let mut rng = Rng::new(seed);
        let (storage, tables) = (MemoryStorage::new(), MemoryTables::new());
        let stores: Vec<Box<dyn Any>> = self.outputs.iter().map(|output| (output.new_store)()).collect();
        let (mut crashes, mut shards, mut epochs) = (0, Vec::new(), Vec::new());
        let (fault, mut faults) = (Fault::default(), self.faults.iter());
        loop {
            let planned = faults.next();
            fault.plan(planned.map(|&point| (point, rng.below(4))));
            // So many crashes, and then to the end.
            let crashing = self.crashes && crashes < 8 && !rng.one_in(4);
            let failures = Failures { sinks: crashing && rng.one_in(3), fault: fault.clone() };
            let of = self.shards.start + rng.place(self.shards.end.saturating_sub(self.shards.start));
            shards.push(of);
            let faulty =
                FaultyStorage { storage: storage.clone(), fault: fault.clone(), kept: rng.one_in(2) };
            let mut builder = Builder::new((self.make)()).durable_in(faulty).set(|settings| {
                settings.shards = of;
                settings.capacity = 1 + rng.place(3);
                settings.batch_limit = 1 + rng.place(12);
                settings.idle_after = Duration::from_secs(1 << 30);
                settings.checkpoint_every = Duration::from_millis(1 + rng.below(20));
                settings.store_patience = Duration::from_millis(rng.below(500));
            });
            builder = builder.forced_eviction(rng.number());
            if !F::GRAPH.tables.is_empty() {
                let (tables, storage, fault) = (tables.clone(), storage.clone(), fault.clone());
                let kept = rng.one_in(2);
                builder = builder.simulated_tables(FaultyTables { tables, storage, fault, kept });
            }
            for (_, attach) in &self.inputs {
                builder = attach(builder, &mut rng, failures.clone());
            }
            for (output, store) in self.outputs.iter().zip(&stores) {
                builder = (output.attach)(builder, &**store, &mut rng, failures.clone());
            }
            let mut flow = match builder.stepped(rng.number()) {
                Ok(flow) => flow,
                // Tables are written to while they start.
                Err(_) if storage.crashed() => {
                    storage.restart();
                    crashes += 1;
                    continue;
                }
                Err(error) => panic!("{error}"),
            };
            let longest = 1 << (3 + rng.below(9));
            let steps = crashing.then(|| 1 + rng.below(longest));
            if crashing && rng.one_in(2) {
                let fate = match rng.below(3) {
                    0 => Fate::Kept,
                    1 => Fate::Lost,
                    _ => Fate::Torn(u16::try_from(rng.below(1000)).unwrap_or(0)),
                };
                storage.crash_at(storage.writes() + rng.below(30), fate);
            }
            let end = drive(&mut flow, &storage, steps, &mut rng, &mut epochs);
            drop(flow);
            storage.restart();
            match end {
                End::Drained => break,
                End::Crashed => crashes += 1,
                End::Failed(
                    FlowError::Source { .. } | FlowError::Sink { .. } | FlowError::Checkpoint { .. },
                ) if crashing || planned.is_some() => {
                    crashes += 1;
                }
                End::Failed(error) => panic!("{error}"),
                End::Stuck => panic!("no task can go on, and the flow has not come to its end"),
            }
        }
        let outputs = self.outputs.iter().map(|output| output.name).zip(stores).collect();
        let inputs = F::GRAPH.inputs.iter().map(|input| input.name).collect();
        let table_names = F::GRAPH.tables.iter().map(|table| table.name).collect();
        Simulated { seed, crashes, shards, outputs, epochs, inputs, tables, table_names }
    }
}

enum End {
    Drained,
    Crashed,
    Failed(FlowError),
    Stuck,
}

/// Runs a flow, step by step, to its end or up to a crash.
fn drive(
    flow: &mut Stepped,
    storage: &MemoryStorage,
    steps: Option<u64>,
    rng: &mut Rng,
    epochs: &mut Vec<(u64, Vec<u64>)>,
) -> End {
    let mut taken = 0;
    loop {
        let (epoch, positions) = flow.committed();
        if epochs.last().map_or(0, |(last, _)| *last) < epoch {
            epochs.push((epoch, positions));
        }
        if steps.is_some_and(|steps| taken >= steps) || storage.crashed() {
            return End::Crashed;
        }
        taken += 1;
        if flow.is_finished() {
            return flow.error().map_or(End::Drained, End::Failed);
        }
        // The clock moves now and then although somebody could go on.
        let stepped = !rng.one_in(16) && flow.step();
        if !stepped && !flow.advance_to_next() && !flow.step() {
            return if storage.crashed() { End::Crashed } else { End::Stuck };
        }
    }
}

/// The port of that name.
fn port(ports: &'static [crate::graph::PortMeta], kind: &str, name: &str) -> &'static str {
    let found = ports.iter().find(|port| port.name == name);
    found.map(|port| port.name).unwrap_or_else(|| {
        let names: Vec<_> = ports.iter().map(|port| format!("`{}`", port.name)).collect();
        panic!("the flow has no {kind} `{name}`; it has {}", names.join(", "))
    })
}

/// Says which seed it was, if it is dropped: when something panicked.
struct Told {
    flow: &'static str,
    seed: u64,
}

impl Drop for Told {
    fn drop(&mut self) {
        let Told { flow, seed } = self;
        let next = *seed + 1;
        eprintln!(
            "simulation of flow `{flow}`: seed {seed} failed; `.seeds({seed}..{next})` gives this run again"
        );
    }
}
