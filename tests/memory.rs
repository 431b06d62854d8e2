//! Budgets of memory: what is over them leaves memory, and nothing else changes.

use psdf::storage::{DirStorage, MemoryCounts, MemoryTier};
use psdf::testing::{Rng, simulate};
use psdf::{FlowError, Timestamp, dataflow};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Event {
    at: Timestamp,
    key: u64,
}

dataflow! {
    flow Counts {
        input events: Event;
        output counts = events
            -> key_by(key: u64 = |e| e.key)
            -> aggregate { n: u64 = count() } keep forever, memory 100 keys;
    }
}

dataflow! {
    flow Hours {
        input events: Event;
        output hours = events
            -> event_time(|e| e.at, lateness 1 min)
            -> key_by(key: u64 = |e| e.key)
            -> tumbling(1 hour) memory 3 keys
            -> aggregate { n: u64 = count() };
    }
}

dataflow! {
    flow Everything {
        input events: Event;
        timed = events -> event_time(|e| e.at, lateness 1 min) -> key_by(key: u64 = |e| e.key);
        output first = timed -> dedup keep 1 hour, memory 1 key;
        output visits = timed -> session(10 min) memory 64 KiB -> aggregate { n: u64 = count() };
        output pairs = timed -> join(timed, keep 5 min, memory 2 keys) -> map(|(a, b)| (a.at, b.at));
        output alarms = timed -> stateful(u64) {
            state { seen: u64 = 0 }
            keep 1 hour, memory 1 MiB;
            |state, event, out| {
                state.seen += 1;
                out.set_timer(out.time() + std::time::Duration::from_secs(60));
                let _ = event;
            }
            on timer |state, _, out| out.emit(state.seen)
        };
    }
}

fn events(n: u64, keys: u64) -> Vec<Event> {
    let mut rng = Rng::new(7);
    let event = |second: u64| Event {
        at: Timestamp::from_secs(i64::try_from(second * 20).expect("it is small")),
        key: rng.below(keys),
    };
    (0..n).map(event).collect()
}

#[test]
fn budgets_are_part_of_the_graph_and_of_its_picture() {
    let memory = |name| <Everything as psdf::Flow>::GRAPH.node(name).and_then(|node| node.memory);
    assert_eq!(memory("first"), Some(psdf::graph::Budget::Keys(1)));
    assert_eq!(memory("visits"), Some(psdf::graph::Budget::Bytes(64 << 10)));
    assert_eq!(memory("timed"), None);
    let listing = Everything::GRAPH.to_string();
    assert!(listing.contains("session(10 min), memory 64 KiB"), "{listing}");
    assert!(listing.contains("keep 1 hour, memory 1 key"), "{listing}");
}

#[test]
fn a_budget_without_a_place_for_what_is_over_it_is_refused() {
    let refused = Counts {}.builder().inline().err().unwrap().to_string();
    assert_eq!(
        refused,
        "flow `Counts` cannot start: node `counts` has a budget of memory, and what is over it goes to disk, which only a \
         durable flow can have: start it with `.durable(path)`, or remove `memory`"
    );
    let folder = Folder::new("refused");
    let storage = DirStorage::open(&folder.0).unwrap();
    let refused = Counts {}.builder().durable_in(storage).inline().err().unwrap().to_string();
    assert!(refused.contains("give the builder a directory on a local disk with `.tier(path)`"), "{refused}");
}

#[test]
fn windows_give_the_same_with_a_budget() {
    let events = events(2_000, 50);
    let mut expected = BTreeMap::new();
    for event in &events {
        let hour = event.at.0.div_euclid(3_600_000_000) * 3_600_000_000;
        *expected.entry((hour, event.key)).or_insert(0u64) += 1;
    }
    simulate(|| Hours {})
        .input("events", events)
        .collect::<hours::Hours>("hours")
        .seeds(0..20)
        .crash_anywhere()
        .check(|outcome| {
            let hours = outcome.output::<hours::Hours>("hours");
            let given: BTreeMap<_, _> =
                hours.iter().map(|hour| ((hour.window.start.0, hour.key), hour.n)).collect();
            assert_eq!(given.len(), hours.len());
            assert_eq!(given, expected);
        });
}

/// A directory that goes when the test does.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("psdf-memory-{name}-{}", std::process::id()));
        drop(std::fs::remove_dir_all(&path));
        Folder(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

/// Runs some events through; what is counted of each key afterwards.
fn count(
    builder: counts::Builder,
    events: &[Event],
) -> (Result<BTreeMap<u64, u64>, FlowError>, MemoryCounts) {
    let (mut flow, mut inline) = builder.inline().expect("it starts");
    let watch = flow.control.watch();
    let mut counted = BTreeMap::new();
    for event in events {
        if inline.block_on(flow.events.send(event.clone())).is_err() {
            break;
        }
        inline.run();
        while let Some(count) = flow.counts.next_now() {
            counted.insert(count.key, count.n);
        }
    }
    let memory =
        watch.counts().iter().find(|counts| counts.node == "counts").expect("the node is there").memory;
    let stopped = inline.block_on(flow.control.stop_with_checkpoint(&mut [&mut flow.counts]));
    (stopped.map(|_| counted), memory)
}

fn expected(events: &[Event]) -> BTreeMap<u64, u64> {
    let mut counts = BTreeMap::new();
    events.iter().for_each(|event| *counts.entry(event.key).or_insert(0) += 1);
    counts
}

#[test]
fn keys_leave_memory_come_back_and_are_counted() {
    let (folder, tier, events) = (Folder::new("counted"), MemoryTier::new(), events(3_000, 1_000));
    let (counted, memory) = count(Counts {}.builder().durable(&folder.0).tier_in(tier.clone()), &events);
    assert_eq!(counted.unwrap(), expected(&events));
    assert!(memory.misses > 500 && memory.evictions > 1_000 && memory.hits > 100, "{memory:?}");
    assert_eq!(memory.keys_on_disk, expected(&events).len() as u64 - 100);
    assert_eq!(memory.bytes_on_disk, tier.bytes());
    assert!(memory.bytes_in_memory > 1_000, "{memory:?}");
}

#[test]
fn a_flow_goes_on_with_more_keys_than_its_memory_holds() {
    let (folder, events) = (Folder::new("restarted"), events(3_000, 1_000));
    let (first, second) = events.split_at(1_500);
    let start = |tier| Counts {}.builder().durable(&folder.0).tier_in(tier);
    assert_eq!(count(start(MemoryTier::new()), first).0.unwrap(), expected(first));
    let tier = MemoryTier::new();
    let (counted, memory) = count(start(tier.clone()), second);
    let of_all = expected(&events);
    assert!(counted.unwrap().iter().all(|(key, n)| of_all[key] == *n));
    assert_eq!(memory.keys_on_disk, of_all.len() as u64 - 100);
}

#[test]
fn a_disk_that_is_full_ends_the_flow_and_loses_nothing() {
    let (folder, events) = (Folder::new("full"), events(1_000, 500));
    let start = |tier| {
        let builder = Counts {}.builder().durable(&folder.0).tier_in(tier);
        builder.store_patience(Duration::ZERO)
    };
    let (first, second) = events.split_at(50);
    assert_eq!(count(start(MemoryTier::new()), first).0.unwrap(), expected(first));
    let full = MemoryTier::new();
    full.set_full(true);
    let failed = count(start(full), second).0.unwrap_err();
    assert!(matches!(failed, FlowError::Memory { flow: "Counts", node: "counts", .. }), "{failed}");
    assert!(failed.to_string().contains("a larger `memory`"), "{failed}");
    // What is not in a checkpoint is sent again.
    let (counted, _) = count(start(MemoryTier::new()), second);
    let of_all = expected(&events);
    assert!(counted.unwrap().iter().all(|(key, n)| of_all[key] == *n));
}

#[test]
fn keys_come_back_from_a_disk() {
    let (folder, events) = (Folder::new("disk"), events(3_000, 1_000));
    let (counted, memory) = count(Counts {}.builder().durable(&folder.0), &events);
    assert_eq!(counted.unwrap(), expected(&events));
    assert_eq!(memory.keys_on_disk, expected(&events).len() as u64 - 100);
    assert!(folder.0.join("tier").is_dir());
}

#[test]
fn a_disk_that_fails_now_and_then_loses_nothing() {
    let (folder, tier, events) = (Folder::new("failing"), MemoryTier::new(), events(2_000, 500));
    let builder = Counts {}.builder().durable(&folder.0).tier_in(tier.clone());
    let (mut flow, mut inline) = builder.inline().expect("it starts");
    let mut counted = BTreeMap::new();
    for (n, event) in events.iter().enumerate() {
        // Full for a while, and then every other thing that it is asked for fails.
        match n {
            500 => tier.set_full(true),
            508 => tier.set_full(false),
            1_000.. => tier.fail(u32::from(n % 2 == 0)),
            _ => {}
        }
        inline.block_on(flow.events.send(event.clone())).expect("the flow runs");
        inline.run();
        while let Some(count) = flow.counts.next_now() {
            counted.insert(count.key, count.n);
        }
    }
    inline.block_on(flow.control.stop_with_checkpoint(&mut [&mut flow.counts])).expect("it stops");
    assert_eq!(counted, expected(&events));
}
