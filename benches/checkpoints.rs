//! What it costs to be durable: `cargo bench --bench checkpoints`.
//!
//! - `cost`: the keyed count of a million keys, with a checkpoint every second and without, in turn.
//! - `pause`: how long records wait while a checkpoint is taken of ten million keys of which one in a hundred changes
//!   between two; and how long the stage itself stands still, for its barriers and each time it copies some of what changed.
//! - `recovery`: how long a flow with ten million keys takes to start.
//!
//! `-- --only WORD`, `--rounds N`, `--seconds N`, `--keys N`, `--dir DIR` (the store lies on that disk; default the target
//! directory).

use psdf::testing::Rng;
use psdf::{SinkError, SourceError, Timestamp, dataflow};
use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

const BATCH: usize = 4096;

fn argument<T: std::str::FromStr>(name: &str, default: T) -> T {
    let mut arguments = std::env::args().skip_while(|argument| argument != name);
    arguments.nth(1).and_then(|value| value.parse().ok()).unwrap_or(default)
}

/// From one checkpoint to the next: a second, or `--interval SECONDS`.
fn interval() -> Duration {
    Duration::from_secs_f64(argument("--interval", 1.0))
}

/// A directory of this bench's, made anew.
fn empty_dir(name: &str) -> PathBuf {
    let root: PathBuf = argument("--dir", PathBuf::from(env!("CARGO_TARGET_TMPDIR")));
    let dir = root.join("checkpoints").join(name);
    let _ = std::fs::remove_dir_all(&dir);
    dir
}

dataflow! {
    /// Counts by key, in a window that does not end before the input does.
    flow Counts {
        input keys: u64;
        counts = keys
            -> event_time(|_| Timestamp::from_secs(0), lateness 0 s)
            -> key_by(key: u64 = |key| *key)
            -> tumbling(1 hour)
            -> aggregate { n: u64 = count() };
        output counts;
    }
}

dataflow! {
    /// Counts by key, and says so for each record, with when it was sent.
    flow Paced {
        input sent: (u64, Instant);
        counted = sent
            -> key_by(key: u64 = |sent| sent.0)
            -> stateful(Instant) {
                state { n: u64 = 0 }
                keep forever;
                |state, sent, out| {
                    state.n += 1;
                    out.emit(sent.1);
                }
            };
        output counted: Instant;
    }
}

/// Random keys, for some time or up to some number.
struct Keys {
    rng: Rng,
    keys: u64,
    left: u64,
    given: u64,
}

impl psdf::Source for Keys {
    type Item = u64;
    async fn next_batch(&mut self, _: usize) -> Result<Option<Vec<u64>>, SourceError> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        self.given += BATCH as u64;
        Ok(Some((0..BATCH).map(|_| self.rng.below(self.keys)).collect()))
    }
    fn position(&self) -> Option<u64> {
        Some(self.given)
    }
}

/// All keys once, and then a part of them each second, in batches of a millisecond's worth.
struct Pace {
    keys: u64,
    given: u64,
    a_second: u64,
    seconds: u64,
    begun: Option<Instant>,
}

impl psdf::Source for Pace {
    type Item = (u64, Instant);
    async fn next_batch(&mut self, _: usize) -> Result<Option<Vec<Self::Item>>, SourceError> {
        let given = self.given;
        if given < self.keys {
            self.given = self.keys.min(given + BATCH as u64);
            let now = Instant::now();
            return Ok(Some((given..self.given).map(|key| (key, now)).collect()));
        }
        let begun = *self.begun.get_or_insert_with(Instant::now);
        let paced = given - self.keys;
        if paced >= self.a_second * self.seconds {
            return Ok(None);
        }
        let due = begun + Duration::from_secs_f64(paced as f64 / self.a_second as f64);
        tokio::time::sleep_until(due.into()).await;
        let batch = (self.a_second / 1000).max(1);
        self.given += batch;
        // When it was due, so that what waits to be sent counts too.
        Ok(Some((paced..paced + batch).map(|n| (n.wrapping_mul(0x9E37_79B9) % self.keys, due)).collect()))
    }
    fn position(&self) -> Option<u64> {
        Some(self.given)
    }
    async fn seek(&mut self, position: u64) -> Result<(), SourceError> {
        self.given = position;
        Ok(())
    }
}

/// Lets go of what comes.
struct Void<T>(PhantomData<fn(T)>);

impl<T: Send + 'static> psdf::Sink for Void<T> {
    type Item = T;
    async fn write(&mut self, _: Vec<T>) -> Result<(), SinkError> {
        Ok(())
    }
}

/// How long each batch was on its way, and when it came.
struct Waits(Arc<Mutex<Vec<(Instant, Duration)>>>);

impl psdf::Sink for Waits {
    type Item = Instant;
    async fn write(&mut self, sent: Vec<Instant>) -> Result<(), SinkError> {
        let now = Instant::now();
        let longest = sent.iter().map(|sent| now.saturating_duration_since(*sent)).max();
        if let (Some(longest), Ok(mut waits)) = (longest, self.0.lock()) {
            waits.push((now, longest));
        }
        Ok(())
    }
}

/// Takes down how long stages with state stood still, and when.
#[derive(Clone, Default)]
struct Pauses(Arc<Mutex<Vec<Pause>>>);

#[derive(Clone, Debug, Default)]
struct Pause {
    node: String,
    step: String,
    took: Duration,
    at: Option<Instant>,
}

impl Subscriber for Pauses {
    fn enabled(&self, of: &Metadata<'_>) -> bool {
        of.target() == "psdf::pause"
    }
    fn event(&self, event: &Event<'_>) {
        let mut pause = Pause { at: Some(Instant::now()), ..Pause::default() };
        event.record(&mut pause);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(pause);
    }
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

impl Visit for Pause {
    fn record_u64(&mut self, _: &Field, nanos: u64) {
        self.took = Duration::from_nanos(nanos);
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "node" => self.node = value.to_owned(),
            "step" => self.step = value.to_owned(),
            _ => {}
        }
    }
    fn record_debug(&mut self, _: &Field, _: &dyn std::fmt::Debug) {}
}

impl Pauses {
    /// Prints those of a node since then, by step, and of each checkpoint all together.
    fn print(&self, node: &str, since: Instant) {
        let all = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        let mut of_node = all.iter().filter(|pause| pause.node == node && pause.at > Some(since)).peekable();
        let (mut barriers, mut copies, mut whole) = (Vec::new(), Vec::new(), Vec::new());
        // Of a checkpoint that had begun before, only a part is seen.
        while of_node.next_if(|pause| pause.step != "barrier").is_some() {}
        for pause in of_node {
            if pause.step == "barrier" {
                barriers.push(pause.took);
                whole.push(Duration::ZERO);
            } else {
                copies.push(pause.took);
            }
            if let Some(whole) = whole.last_mut() {
                *whole += pause.took;
            }
        }
        for (what, mut took) in
            [("barrier", barriers), ("copy of some", copies), ("checkpoint in all", whole)]
        {
            took.sort();
            if let Some(longest) = took.last() {
                println!(
                    "  the stage stands still, each {what} ({}): p50 {:?}, p99 {:?}, longest {longest:?}",
                    took.len(),
                    percentile(&took, 0.5),
                    percentile(&took, 0.99),
                );
            }
        }
    }
}

/// The time that all threads of this process have worked: what others do on the machine disturbs it less than a clock.
fn worked() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks = after_name.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok());
    // A hundred a second, wherever Linux runs.
    ticks.sum::<f64>() / 100.0
}

/// What a run took: on the clock, and of all cores together, in seconds.
async fn count(batches: u64, keys: u64, store: Option<&Path>) -> (f64, f64) {
    let source = Keys { rng: Rng::new(7), keys, left: batches, given: 0 };
    let builder = Counts.builder().keys_from(source).counts_to(Void(PhantomData));
    let builder = match store {
        Some(store) => builder.durable(store).checkpoint_every(interval()),
        None => builder,
    };
    let (begun, worked_before) = (Instant::now(), worked());
    builder.spawn().expect("it starts").finish().await.expect("it drains");
    (begun.elapsed().as_secs_f64(), worked() - worked_before)
}

async fn cost(rounds: usize) {
    let keys = argument("--keys", 1_000_000);
    let seconds: f64 = argument("--seconds", 8.0);
    let (batches, (probe, _)) = (2_000, count(2_000, keys, None).await);
    let batches = (seconds / probe * batches as f64) as u64;
    println!(
        "cost: {} M records, {keys} keys, a checkpoint every {:?}",
        batches * BATCH as u64 / 1_000_000,
        interval()
    );
    let (mut clocks, mut cpus) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        let without = count(batches, keys, None).await;
        let with = count(batches, keys, Some(&empty_dir("cost"))).await;
        clocks.push(with.0 / without.0);
        cpus.push(with.1 / without.1);
        println!(
            "  round {round}: {:.2} s without, {:.2} s with: {:.3}; cpu {:.2} s, {:.2} s: {:.3}",
            without.0, with.0, clocks[round], without.1, with.1, cpus[round]
        );
    }
    for (what, mut ratios) in [("time", clocks), ("cpu time", cpus)] {
        ratios.sort_by(f64::total_cmp);
        println!(
            "  {what} with checkpoints, as a multiple: {:.3} ({:.3} to {:.3})",
            ratios[rounds / 2],
            ratios[0],
            ratios[rounds - 1]
        );
    }
}

fn percentile(sorted: &[Duration], of: f64) -> Duration {
    sorted[((sorted.len() - 1) as f64 * of) as usize]
}

async fn pause() {
    let pauses = Pauses::default();
    tracing::subscriber::set_global_default(pauses.clone()).expect("it is the only one");
    let keys: u64 = argument("--keys", 10_000_000);
    let seconds = argument("--seconds", 20);
    for durable in [false, true] {
        let waits = Arc::new(Mutex::new(Vec::new()));
        let source = Pace { keys, given: 0, a_second: keys / 100, seconds, begun: None };
        let builder = Paced.builder().sent_from(source).counted_to(Waits(Arc::clone(&waits)));
        let dir = empty_dir("pause");
        let builder = if durable { builder.durable(&dir).checkpoint_every(interval()) } else { builder };
        let flow = builder.spawn().expect("it starts");
        let control = flow.control.watch();
        let loaded = Instant::now();
        flow.finish().await.expect("it drains");
        let (end, _) = (Instant::now(), control);
        let waits = std::mem::take(&mut *waits.lock().expect("nobody panicked"));
        // The paced part; without its first three seconds, in which all of ten million keys are stored.
        let paced = waits.iter().filter(|(at, _)| *at + Duration::from_secs(seconds.saturating_sub(3)) > end);
        let mut paced: Vec<Duration> = paced.map(|(_, wait)| *wait).collect();
        paced.sort();
        println!(
            "pause: {keys} keys, {} changes a second, {}: p50 {:?}, p99 {:?}, p99.9 {:?}, longest {:?} (loaded and run in {:?})",
            keys / 100,
            if durable { "a checkpoint every second" } else { "no checkpoints" },
            percentile(&paced, 0.5),
            percentile(&paced, 0.99),
            percentile(&paced, 0.999),
            percentile(&paced, 1.0),
            loaded.elapsed(),
        );
        pauses.print("counted", end - Duration::from_secs(seconds.saturating_sub(3)));
    }
}

async fn recovery() {
    let keys: u64 = argument("--keys", 10_000_000);
    let dir = empty_dir("recovery");
    let start = |seconds| {
        let source = Pace { keys, given: 0, a_second: keys / 100, seconds, begun: None };
        let builder =
            Paced.builder().sent_from(source).counted_to(Void(PhantomData)).shards(argument("--shards", 1));
        builder.durable(&dir).checkpoint_every(interval())
    };
    let flow = start(1_000).spawn().expect("it starts");
    while flow.control.counts().iter().map(|counts| counts.keys).sum::<u64>() < keys {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    tokio::time::sleep(Duration::from_secs(3)).await;
    flow.stop_with_checkpoint().await.expect("it stops");
    let begun = Instant::now();
    let flow = start(1_000).spawn().expect("it starts");
    let started = begun.elapsed();
    while flow.control.counts().iter().map(|counts| counts.keys).sum::<u64>() < keys {
        tokio::task::yield_now().await;
    }
    println!(
        "recovery: {keys} keys, the flow runs after {started:?}, and all keys are there after {:?}",
        begun.elapsed()
    );
    drop(flow);
}

fn main() {
    let only: String = argument("--only", String::new());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime").block_on(async {
        if "cost".contains(&only) {
            cost(argument("--rounds", 3)).await;
        }
        if "pause".contains(&only) {
            pause().await;
        }
        if "recovery".contains(&only) {
            recovery().await;
        }
    });
}
