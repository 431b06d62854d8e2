//! A keyed count whose state is larger than the memory that its node may have, against one that has all there.
//!
//! A million keys are drawn by Zipf's law (exponent 1). Every measurement has a process of its own, and they take turns. Prints
//! medians with the least and the most: records a second and how many of those that the flow with all in memory does; what
//! is resident at the peak, beyond the start; and what became of the keys: `cargo bench --bench larger_than_memory [rounds]`.

use psdf::dataflow;
use psdf::testing::Rng;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

const KEYS: usize = 1_000_000;
/// Of these, before anything is measured, so that the keys that come often are in memory.
const WARM_UP: usize = 1_000_000;
const RECORDS: usize = 4_000_000;
const BATCH: usize = 4096;
/// So few that their state is nothing: what else a flow takes while it does the same.
const FEW_KEYS: usize = 1_000;

macro_rules! count {
    ($flow:ident $($memory:tt)*) => {
        dataflow! {
            flow $flow {
                input keys: u64;
                output counts = keys
                    -> key_by(key: u64 = |key| *key)
                    -> aggregate { n: u64 = count(), sum: u64 = sum(|key| *key), last: u64 = last(|key| *key) } keep forever $($memory)*
                    -> filter(|count| count.n == u64::MAX);
            }
        }
    };
}

count!(Sixteen, memory 16 MiB);
count!(TwentyEight, memory 28 MiB);
count!(InMemory);

/// What is measured: a name, the bytes of its budget, and the number of its keys.
const MEASURED: [(&str, f64, usize); 4] = [
    ("16 MiB", 16.0 * MIB, KEYS),
    ("28 MiB", 28.0 * MIB, KEYS),
    ("in memory", 0.0, KEYS),
    ("few keys", 0.0, FEW_KEYS),
];
const MIB: f64 = 1048576.0;

/// Keys by Zipf's law: the first most often. Inverted approximately, by the integral of 1/x; scrambled, so that neighbours
/// are strangers.
struct Zipf(Rng, f64);

impl Zipf {
    fn next(&mut self) -> u64 {
        let unit = self.0.below(1 << 52) as f64 / (1u64 << 52) as f64;
        scrambled(self.1.powf(unit) as u64)
    }
}

fn scrambled(rank: u64) -> u64 {
    rank.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// Of this process: what is resident, now (`VmRSS`) or at the peak (`VmHWM`).
fn resident(which: &str) -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(which));
    let kib = line.and_then(|line| line.split_whitespace().nth(1)).and_then(|kib| kib.parse().ok());
    kib.unwrap_or(0.0) / 1024.0
}

/// What this process has had of the processors, in seconds.
fn processor_time() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace().skip(11).take(2);
    fields.filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}

macro_rules! measure {
    ($flow:ident, $keys:expr) => {{
        let keys: usize = $keys;
        let folder = folder();
        let before = resident("VmRSS");
        let builder = $flow {}.builder().durable(&folder).checkpoint_every(Duration::from_secs(2));
        let mut flow = builder.spawn().expect("the flow starts");
        // Nothing comes out, and nobody waits for it.
        drop(flow.counts.take());
        let mut zipf = Zipf(Rng::new(1), keys as f64);
        // Every key once, and then by Zipf's law: the working set is all of them.
        for first in (1..=keys).step_by(BATCH) {
            let batch = (first..(first + BATCH).min(keys + 1)).map(|rank| scrambled(rank as u64));
            flow.keys.send_batch(batch.collect()).await.expect("the flow runs");
        }
        let mut send = async |records: usize| {
            for _ in 0..records / BATCH {
                let batch = (0..BATCH).map(|_| zipf.next()).collect();
                flow.keys.send_batch(batch).await.expect("the flow runs");
            }
        };
        send(WARM_UP).await;
        let (begin, busy) = (Instant::now(), processor_time());
        send(RECORDS).await;
        let watch = flow.control.watch();
        flow.control.stop_with_checkpoint(&mut []).await.expect("the flow stops");
        let rate = RECORDS as f64 / begin.elapsed().as_secs_f64();
        let busy = (processor_time() - busy) / RECORDS as f64 * 1e9;
        let counts = watch.counts().into_iter().find(|counts| counts.node == "counts").expect("it is a node");
        println!("{rate} {} {busy} {:?}", resident("VmHWM") - before, counts.memory);
        drop(fs::remove_dir_all(&folder));
    }};
}

fn folder() -> PathBuf {
    let path = std::env::temp_dir().join(format!("psdf-bench-tier-{}", std::process::id()));
    drop(fs::remove_dir_all(&path));
    path
}

#[tokio::main]
async fn measure(name: &str) {
    match name {
        "16 MiB" => measure!(Sixteen, KEYS),
        "28 MiB" => measure!(TwentyEight, KEYS),
        "in memory" => measure!(InMemory, KEYS),
        _ => measure!(InMemory, FEW_KEYS),
    }
}

/// Records a second, MiB, and nanoseconds of a processor for a record, of one measurement; and what became of the keys.
fn in_a_process(name: &str) -> ([f64; 3], String) {
    let this = std::env::current_exe().expect("this program has a path");
    let output = Command::new(this).args(["--measure", name]).output().expect("it runs again");
    let output = String::from_utf8(output.stdout).expect("it prints text");
    let mut parts = output.trim().splitn(4, ' ');
    let numbers =
        [(); 3].map(|()| parts.next().and_then(|part| part.parse().ok()).expect("it prints a number"));
    (numbers, parts.next().unwrap_or_default().to_owned())
}

/// The median, the least and the most.
fn spread(mut of: Vec<f64>) -> [f64; 3] {
    of.sort_by(f64::total_cmp);
    [of[of.len() / 2], of[0], of[of.len() - 1]]
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    if let Some(at) = args.iter().position(|arg| arg == "--measure") {
        return measure(&args[at + 1]);
    }
    let rounds = args.iter().find_map(|arg| arg.parse().ok()).unwrap_or(3);
    let mut taken: Vec<Vec<([f64; 3], String)>> = vec![Vec::new(); MEASURED.len()];
    for _ in 0..rounds {
        for (taken, (name, _, _)) in taken.iter_mut().zip(MEASURED) {
            taken.push(in_a_process(name));
        }
    }
    let of = |which: usize, number: usize| taken[which].iter().map(|(numbers, _)| numbers[number]).collect();
    let all: Vec<f64> = of(2, 0);
    for (which, (name, budget, keys)) in MEASURED.into_iter().enumerate() {
        let [rate, least, most] = spread(of(which, 0));
        println!("{name:>10}, {keys} keys: {rate:.0} records/s ({least:.0} to {most:.0})");
        let [share, least, most] =
            spread(all.iter().zip(of(which, 0)).map(|(all, of)| of / all * 100.0).collect());
        println!("            {share:.0} % of all in memory ({least:.0} to {most:.0})");
        let [mib, least, most] = spread(of(which, 1));
        println!("            {mib:.1} MiB resident at the peak, beyond the start ({least:.1} to {most:.1})");
        let [busy, least, most] = spread(of(which, 2));
        println!("            {busy:.0} ns of a processor for a record ({least:.0} to {most:.0})");
        if budget > 0.0 {
            let times = 1.3 * budget / MIB;
            println!(
                "            that is 1.3 times the budget, {times:.1} MiB, and {:.1} MiB more",
                mib - times
            );
            println!("            {}", taken[which].last().map_or("", |(_, counts)| counts));
        }
    }
}
