//! A keyed count of which an eighth of the keys fits into the memory that its node may have, against one that has all there.
//!
//! Keys are drawn by Zipf's law (exponent 1). Prints records per second of both, their ratio, what is resident, and what became
//! of the keys: `cargo bench --bench larger_than_memory`.

use psdf::dataflow;
use psdf::testing::Rng;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Of these about 120,000 fit into the budget, beside what is known in memory of those on the disk.
const KEYS: usize = 1_000_000;
const RECORDS: usize = 4_000_000;
const BUDGET: f64 = 16.0 * 1024.0 * 1024.0;

dataflow! {
    flow Budgeted {
        input keys: u64;
        output counts = keys
            -> key_by(key: u64 = |key| *key)
            -> aggregate { n: u64 = count(), sum: u64 = sum(|key| *key), last: u64 = last(|key| *key) } keep forever, memory 16 MiB
            -> filter(|count| count.n == u64::MAX);
    }
}

dataflow! {
    flow InMemory {
        input keys: u64;
        output counts = keys
            -> key_by(key: u64 = |key| *key)
            -> aggregate { n: u64 = count(), sum: u64 = sum(|key| *key), last: u64 = last(|key| *key) } keep forever
            -> filter(|count| count.n == u64::MAX);
    }
}

/// Keys by Zipf's law: the first most often. Inverted approximately, by the integral of 1/x; scrambled, so that neighbours
/// are strangers.
struct Zipf(Rng);

impl Zipf {
    fn next(&mut self) -> u64 {
        let unit = self.0.below(1 << 52) as f64 / (1u64 << 52) as f64;
        let rank = (KEYS as f64).powf(unit) as u64;
        rank.wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }
}

fn resident() -> u64 {
    let pages = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    pages.split_whitespace().nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * 4096
}

fn folder(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("psdf-bench-{name}-{}", std::process::id()));
    drop(fs::remove_dir_all(&path));
    path
}

macro_rules! measure {
    ($flow:ident, $name:literal) => {{
        let folder = folder($name);
        let before = resident();
        let builder = $flow {}.builder().durable(&folder).checkpoint_every(Duration::from_secs(2));
        let mut flow = builder.spawn().expect("the flow starts");
        // Nothing comes out, and nobody waits for it.
        drop(flow.counts.take());
        let mut zipf = Zipf(Rng::new(1));
        // Every key once, and then by Zipf's law: the working set is all of them.
        for first in (1..=KEYS as u64).step_by(4096) {
            let batch = (first..(first + 4096).min(KEYS as u64 + 1))
                .map(|rank| rank.wrapping_mul(0x9e37_79b9_7f4a_7c15));
            flow.keys.send_batch(batch.collect()).await.expect("the flow runs");
        }
        let mut most = 0;
        let begin = Instant::now();
        for batch in 0..RECORDS / 4096 {
            flow.keys.send_batch((0..4096).map(|_| zipf.next()).collect()).await.expect("the flow runs");
            if batch % 64 == 0 {
                most = resident().max(most);
            }
        }
        let watch = flow.control.watch();
        flow.control.stop_with_checkpoint(&mut []).await.expect("the flow stops");
        let rate = RECORDS as f64 / begin.elapsed().as_secs_f64();
        let counts = watch.counts().into_iter().find(|counts| counts.node == "counts").expect("it is a node");
        println!(
            "{:>10}: {rate:>10.0} records/s, {:.1} MiB resident above the {:.1} MiB before; {:?}",
            $name,
            most.saturating_sub(before) as f64 / 1048576.0,
            before as f64 / 1048576.0,
            counts.memory
        );
        drop(fs::remove_dir_all(&folder));
        (rate, most.saturating_sub(before))
    }};
}

#[tokio::main]
async fn main() {
    let (tiered, resident) = measure!(Budgeted, "budgeted");
    let (all, _) = measure!(InMemory, "in memory");
    println!("throughput: {:.0} % of all in memory", 100.0 * tiered / all);
    println!("resident: {:.2} times the budget", resident as f64 / BUDGET);
}
