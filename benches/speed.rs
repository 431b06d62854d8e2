//! What the engine costs, against what one would write by hand: `cargo bench --bench speed`.
//!
//! Every round runs each contestant once, in turn, on the same input; ratios are taken within a round, so that a
//! machine whose speed drifts treats all alike. `-- --rounds N --records N` change the defaults, `--only WORD` runs
//! the contests whose titles have that word.

use psdf::{SinkError, SourceError, Timestamp, dataflow};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// 32 bytes, as in the table of the peers.
#[derive(Clone, Copy, Debug)]
pub struct Click {
    user: u64,
    at: i64,
    page: u32,
    status: u32,
    bytes: u64,
}

/// Numbers that look random and are the same each time (SplitMix64, Steele et al. 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}

/// The records of a batch: the flow's default limit.
const BATCH: usize = 4096;
const KEYS: u64 = 1_000_000;

fn clicks(records: usize, users: u64, batch: usize) -> Vec<Vec<Click>> {
    let mut random = Random(7);
    let click = |i: usize, random: &mut Random| Click {
        user: random.next() % users,
        at: (i as i64) * 10 + (random.next() % 1000) as i64,
        page: (random.next() % 10_000) as u32,
        status: if random.next().is_multiple_of(10) { 404 } else { 200 },
        bytes: random.next() % 5000,
    };
    let all: Vec<Click> = (0..records).map(|i| click(i, &mut random)).collect();
    all.chunks(batch).map(<[Click]>::to_vec).collect()
}

/// Batches that are in memory already.
struct Memory(std::vec::IntoIter<Vec<Click>>);

impl psdf::Source for Memory {
    type Item = Click;
    async fn next_batch(&mut self, _: usize) -> Result<Option<Vec<Click>>, SourceError> {
        Ok(self.0.next())
    }
}

/// Adds up what comes, so that nothing can be left out.
struct Add<T, F>(Arc<AtomicU64>, F, std::marker::PhantomData<fn(T)>);

impl<T: Send + 'static, F: Fn(&T) -> u64 + Send + 'static> psdf::Sink for Add<T, F> {
    type Item = T;
    async fn write(&mut self, records: Vec<T>) -> Result<(), SinkError> {
        let sum = records.iter().map(&self.1).fold(0u64, u64::wrapping_add);
        self.0.fetch_add(sum, Ordering::Relaxed);
        Ok(())
    }
}

fn add<T, F: Fn(&T) -> u64>(sum: &Arc<AtomicU64>, f: F) -> Add<T, F> {
    Add(Arc::clone(sum), f, std::marker::PhantomData)
}

dataflow! {
    flow Chain {
        input clicks: Click;
        kept = clicks
            -> filter(|c| c.status == 200)
            -> map(|c| (c.page, c.bytes + 40))
            -> filter(|(page, _)| !page.is_multiple_of(7))
            -> map(|(page, bytes)| u64::from(page).wrapping_mul(31) ^ bytes)
            -> filter_map(|hash| (hash % 5 != 0).then_some(hash.rotate_left(9)));
        output kept: u64;
    }
}

fn chain_by_hand(clicks: Vec<Vec<Click>>) -> u64 {
    let mut sum = 0u64;
    for click in clicks.into_iter().flatten() {
        if click.status != 200 {
            continue;
        }
        let (page, bytes) = (click.page, click.bytes + 40);
        if page.is_multiple_of(7) {
            continue;
        }
        let hash = u64::from(page).wrapping_mul(31) ^ bytes;
        if hash % 5 != 0 {
            sum = sum.wrapping_add(hash.rotate_left(9));
        }
    }
    sum
}

/// As the flow does it: results go on in batches, to be added up by whoever reads them.
fn chain_by_hand_in_batches(clicks: Vec<Vec<Click>>) -> u64 {
    let mut sum = 0u64;
    for batch in clicks {
        let mut kept = Vec::with_capacity(batch.len());
        for click in batch {
            if click.status != 200 {
                continue;
            }
            let (page, bytes) = (click.page, click.bytes + 40);
            if page.is_multiple_of(7) {
                continue;
            }
            let hash = u64::from(page).wrapping_mul(31) ^ bytes;
            if hash % 5 != 0 {
                kept.push(hash.rotate_left(9));
            }
        }
        sum = std::hint::black_box(kept).iter().fold(sum, |sum, hash| sum.wrapping_add(*hash));
    }
    sum
}

async fn chain_by_psdf(clicks: Vec<Vec<Click>>) -> u64 {
    let sum = Arc::new(AtomicU64::new(0));
    let flow = Chain
        .builder()
        .batch_limit(argument("--batch", BATCH))
        .clicks_from(Memory(clicks.into_iter()))
        .kept_to(add(&sum, |n| *n));
    flow.spawn().expect("there is a runtime").finish().await.expect("it drains");
    sum.load(Ordering::Relaxed)
}

/// An operator as a task of its own: a channel, a send for each record.
fn task<T: Send + 'static, R: Send + 'static>(
    mut input: mpsc::Receiver<T>,
    f: impl Fn(T) -> Option<R> + Send + 'static,
) -> mpsc::Receiver<R> {
    let (sender, output) = mpsc::channel(BATCH);
    tokio::spawn(async move {
        while let Some(record) = input.recv().await {
            if let Some(result) = f(record)
                && sender.send(result).await.is_err()
            {
                return;
            }
        }
    });
    output
}

fn feed(clicks: Vec<Vec<Click>>) -> mpsc::Receiver<Click> {
    let (sender, output) = mpsc::channel(BATCH);
    tokio::spawn(async move {
        for click in clicks.into_iter().flatten() {
            if sender.send(click).await.is_err() {
                return;
            }
        }
    });
    output
}

async fn chain_by_tasks(clicks: Vec<Vec<Click>>) -> u64 {
    let clicks = task(feed(clicks), |c: Click| (c.status == 200).then_some(c));
    let pages = task(clicks, |c| Some((c.page, c.bytes + 40)));
    let pages = task(pages, |(page, bytes)| (!page.is_multiple_of(7)).then_some((page, bytes)));
    let hashes = task(pages, |(page, bytes)| Some(u64::from(page).wrapping_mul(31) ^ bytes));
    let mut hashes = task(hashes, |hash| (hash % 5 != 0).then_some(hash.rotate_left(9)));
    let mut sum = 0u64;
    while let Some(hash) = hashes.recv().await {
        sum = sum.wrapping_add(hash);
    }
    sum
}

dataflow! {
    flow Windowed {
        input clicks: Click;
        users = clicks
            -> event_time(|c| Timestamp(c.at), lateness 1 ms)
            -> key_by(user: u64 = |c| c.user)
            -> tumbling(1 day)
            -> aggregate { clicks: u64 = count() };
        output users;
    }
}

dataflow! {
    flow Running {
        input clicks: Click;
        users = clicks -> key_by(user: u64 = |c| c.user) -> aggregate { clicks: u64 = count() } keep forever;
        output users;
    }
}

fn mix(user: u64, clicks: u64) -> u64 {
    user.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ clicks
}

fn count_by_hand(clicks: Vec<Vec<Click>>) -> u64 {
    let mut counts: hashbrown::HashMap<u64, u64> = hashbrown::HashMap::new();
    for click in clicks.into_iter().flatten() {
        *counts.entry(click.user).or_insert(0) += 1;
    }
    counts.into_iter().map(|(user, clicks)| mix(user, clicks)).fold(0, u64::wrapping_add)
}

/// As most would write it: with the standard library's map and its hash.
fn count_by_hand_with_std(clicks: Vec<Vec<Click>>) -> u64 {
    let mut counts: std::collections::HashMap<u64, u64> = std::collections::HashMap::new();
    for click in clicks.into_iter().flatten() {
        *counts.entry(click.user).or_insert(0) += 1;
    }
    counts.into_iter().map(|(user, clicks)| mix(user, clicks)).fold(0, u64::wrapping_add)
}

async fn count_by_psdf(clicks: Vec<Vec<Click>>, shards: usize) -> u64 {
    let sum = Arc::new(AtomicU64::new(0));
    let flow = Windowed
        .builder()
        .batch_limit(argument("--batch", BATCH))
        .shards(shards)
        .clicks_from(Memory(clicks.into_iter()));
    let flow = flow.users_to(add(&sum, |u: &windowed::Users| mix(u.user, u.clicks)));
    flow.spawn().expect("there is a runtime").finish().await.expect("it drains");
    sum.load(Ordering::Relaxed)
}

/// Counts, and says after each batch how often each of its users has come.
fn running_by_hand(clicks: Vec<Vec<Click>>) -> u64 {
    let mut counts: hashbrown::HashMap<u64, (u64, bool)> = hashbrown::HashMap::new();
    let mut sum = 0u64;
    for batch in clicks {
        let mut changed = Vec::new();
        for click in batch {
            let (count, seen) = counts.entry(click.user).or_insert((0, false));
            *count += 1;
            if !std::mem::replace(seen, true) {
                changed.push(click.user);
            }
        }
        for user in changed {
            let (count, seen) = counts.get_mut(&user).expect("it was just counted");
            *seen = false;
            sum = sum.wrapping_add(mix(user, *count));
        }
    }
    sum
}

async fn running_by_psdf(
    clicks: Vec<Vec<Click>>,
    batch: usize,
    weigh: impl Fn(&running::Users) -> u64 + Send + 'static,
) -> u64 {
    let sum = Arc::new(AtomicU64::new(0));
    let flow = Running.builder().batch_limit(batch).clicks_from(Memory(clicks.into_iter()));
    let flow = flow.users_to(add(&sum, weigh));
    flow.spawn().expect("there is a runtime").finish().await.expect("it drains");
    sum.load(Ordering::Relaxed)
}

async fn count_by_tasks(clicks: Vec<Vec<Click>>) -> u64 {
    let clicks = task(feed(clicks), |c: Click| Some(c));
    let mut users = task(clicks, |c| Some(c.user));
    let mut counts: hashbrown::HashMap<u64, u64> = hashbrown::HashMap::new();
    while let Some(user) = users.recv().await {
        *counts.entry(user).or_insert(0) += 1;
    }
    counts.into_iter().map(|(user, clicks)| mix(user, clicks)).fold(0, u64::wrapping_add)
}

dataflow! {
    flow Echo {
        input sent: Instant;
        received = sent -> map(|at| at) -> inspect(|_| ());
        output received: Instant;
    }
}

dataflow! {
    flow KeyedEcho {
        input sent: Instant;
        received = sent
            -> key_by(all: () = |_| ())
            -> stateful(Instant) { state { n: u64 = 0 } keep forever; |state, at, out| { state.n += 1; out.emit(at) } };
        output received;
    }
}

/// Sends at a fixed rate and reports how long each record took, in microseconds, sorted.
async fn latencies(
    input: psdf::Input<Instant>,
    mut output: psdf::Output<Instant>,
    records: usize,
) -> Vec<f64> {
    let reader = tokio::spawn(async move {
        let mut took = Vec::with_capacity(records);
        while let Some(sent) = output.next().await {
            took.push(sent.elapsed().as_secs_f64() * 1e6);
        }
        took
    });
    // A thread of its own keeps the beat: tokio's timer ticks in milliseconds.
    let beat = std::thread::spawn(move || {
        let begin = Instant::now();
        for i in 0..records {
            let due = begin + Duration::from_micros(100) * i as u32;
            while let Some(wait) = due.checked_duration_since(Instant::now()) {
                std::thread::sleep(wait);
            }
            if input.try_send(Instant::now()).is_err() {
                continue;
            }
        }
    });
    tokio::task::spawn_blocking(move || beat.join()).await.expect("joined").expect("the beat ends");
    let mut took = reader.await.expect("the reader ends");
    took.sort_by(f64::total_cmp);
    took
}

fn quantile(sorted: &[f64], q: f64) -> f64 {
    sorted[((sorted.len() - 1) as f64 * q) as usize]
}

/// Median, least and greatest.
fn spread(mut values: Vec<f64>) -> (f64, f64, f64) {
    values.sort_by(f64::total_cmp);
    (quantile(&values, 0.5), values[0], values[values.len() - 1])
}

/// A name, a fraction of the records, and the code.
type Contestant = (&'static str, usize, Box<dyn FnMut(Vec<Vec<Click>>) -> u64>);

struct Contest {
    name: &'static str,
    /// How many times fewer records this one gets: it would take all day.
    fraction: usize,
    ns: Vec<f64>,
    cpu_ns: Vec<f64>,
}

/// The processor time of this process so far, in seconds, where Linux tells it.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks = after_name.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<f64>().ok());
    ticks.sum::<f64>() / 100.0
}

fn contest(title: &str, rounds: usize, clicks: &[Vec<Click>], contestants: &mut [Contestant]) {
    if !is_wanted(title) {
        return;
    }
    let mut contests: Vec<Contest> = contestants
        .iter()
        .map(|(name, fraction, _)| Contest { name, fraction: *fraction, ns: Vec::new(), cpu_ns: Vec::new() })
        .collect();
    for round in 0..=rounds {
        let mut expected = None;
        for (contest, (name, fraction, run)) in contests.iter_mut().zip(contestants.iter_mut()) {
            if std::env::args()
                .skip_while(|argument| argument != "--contestant")
                .nth(1)
                .is_some_and(|c| c != *name)
            {
                continue;
            }
            let input = clicks[..clicks.len() / *fraction].to_vec();
            let records: usize = input.iter().map(Vec::len).sum();
            let (begin, cpu) = (Instant::now(), cpu_seconds());
            let result = run(input);
            let ns = begin.elapsed().as_secs_f64() * 1e9 / records as f64;
            let cpu = (cpu_seconds() - cpu) * 1e9 / records as f64;
            if *fraction == 1 {
                assert_eq!(
                    *expected.get_or_insert(result),
                    result,
                    "{} computes something else",
                    contest.name
                );
            }
            // The first round warms up.
            if round > 0 {
                contest.ns.push(ns);
                contest.cpu_ns.push(cpu);
            }
        }
    }
    println!("\n{title}");
    println!("  {:<44} {:>10} {:>10}   ratio to the first (spread)", "", "ns/record", "cpu ns");
    for contest in &contests {
        let (ns, ..) = spread(contest.ns.clone());
        let ratios = contest.ns.iter().zip(&contests[0].ns).map(|(a, b)| a / b).collect();
        let (ratio, least, most) = spread(ratios);
        let (cpu, ..) = spread(contest.cpu_ns.clone());
        println!("  {:<44} {ns:>10.1} {cpu:>10.1} {ratio:>10.2} ({least:.2}–{most:.2})", contest.name);
        debug_assert!(contest.fraction > 0);
    }
}

/// A running count whose keys are ever more, in batches so small that few of them change in each: what a record costs
/// must not grow with the keys that there are, and only those that have changed may come out.
fn contest_of_keys(rounds: usize, records: usize, runtime: &tokio::runtime::Runtime) {
    const BATCH: usize = 256;
    const TITLE: &str = "Running count by key, ever more keys, batches of 256";
    if !is_wanted(TITLE) {
        return;
    }
    let keys = [1_000, 10_000, 100_000];
    let inputs = keys.map(|keys| clicks(records, keys, BATCH));
    let by_psdf =
        |clicks, weigh: fn(&running::Users) -> u64| runtime.block_on(running_by_psdf(clicks, BATCH, weigh));
    let results = inputs.each_ref().map(|input| by_psdf(input.clone(), |_| 1));
    let (mut ns, mut by_hand_ns) = ([const { Vec::new() }; 3], [const { Vec::new() }; 3]);
    for _ in 0..rounds {
        for (i, input) in inputs.iter().enumerate() {
            let ours = |clicks| by_psdf(clicks, |u| mix(u.user, u.clicks));
            let (ours, result) = ns_per_record(records, input.clone(), ours);
            let (by_hand, expected) = ns_per_record(records, input.clone(), running_by_hand);
            assert_eq!(result, expected, "with {} keys", keys[i]);
            ns[i].push(ours);
            by_hand_ns[i].push(by_hand);
        }
    }
    println!("\n{TITLE}");
    println!(
        "  {:<44} {:>10} {:>10}   results a record   ratio to the first (spread)",
        "", "ns/record", "by hand"
    );
    for (i, keys) in keys.iter().enumerate() {
        let ratios = ns[i].iter().zip(&ns[0]).map(|(a, b)| a / b).collect();
        let (ratio, least, most) = spread(ratios);
        let ((ns, ..), (by_hand, ..)) = (spread(ns[i].clone()), spread(by_hand_ns[i].clone()));
        let results = results[i] as f64 / records as f64;
        let name = format!("psdf, {keys} keys");
        println!(
            "  {name:<44} {ns:>10.1} {by_hand:>10.1} {results:>18.2} {ratio:>10.2} ({least:.2}–{most:.2})"
        );
    }
}

fn ns_per_record<T>(
    records: usize,
    clicks: Vec<Vec<Click>>,
    run: impl FnOnce(Vec<Vec<Click>>) -> T,
) -> (f64, T) {
    let begin = Instant::now();
    let result = run(clicks);
    (begin.elapsed().as_secs_f64() * 1e9 / records as f64, result)
}

/// Whether `--only` names a contest, or none.
fn is_wanted(title: &str) -> bool {
    let only = std::env::args().skip_while(|argument| argument != "--only").nth(1);
    only.is_none_or(|word| title.to_lowercase().contains(&word))
}

fn argument(name: &str, default: usize) -> usize {
    let mut arguments = std::env::args().skip_while(|argument| argument != name);
    arguments.nth(1).and_then(|value| value.parse().ok()).unwrap_or(default)
}

fn main() {
    let (records, rounds) = (argument("--records", 8_000_000), argument("--rounds", 7));
    let workers = argument("--workers", 2);
    let runtime = || tokio::runtime::Builder::new_multi_thread().worker_threads(workers).enable_all().build();
    let runtime = Arc::new(runtime().expect("tokio starts"));
    println!("{records} records of {} bytes in batches of {BATCH}, {rounds} rounds", size_of::<Click>());
    let batch = argument("--batch", BATCH);
    let clicks = clicks(records, KEYS, batch);
    let on = |runtime: &Arc<tokio::runtime::Runtime>| Arc::clone(runtime);
    let (a, b, c, d, e, f) =
        (on(&runtime), on(&runtime), on(&runtime), on(&runtime), on(&runtime), on(&runtime));
    contest(
        "Stateless chain of five operators",
        rounds,
        &clicks,
        &mut [
            ("hand-fused loop, one thread", 1, Box::new(chain_by_hand)),
            ("hand-fused loop, results in batches", 1, Box::new(chain_by_hand_in_batches)),
            ("psdf", 1, Box::new(move |clicks| a.block_on(chain_by_psdf(clicks)))),
            (
                "a task for each operator, a send a record",
                20,
                Box::new(move |c| b.block_on(chain_by_tasks(c))),
            ),
        ],
    );
    contest(
        "Count by key in a window, 1 M keys",
        rounds,
        &clicks,
        &mut [
            ("hand-written loop, std's HashMap", 1, Box::new(count_by_hand_with_std)),
            ("hand-written loop, hashbrown and foldhash", 1, Box::new(count_by_hand)),
            ("psdf, 1 shard", 1, Box::new(move |clicks| c.block_on(count_by_psdf(clicks, 1)))),
            ("psdf, 2 shards", 1, Box::new(move |clicks| d.block_on(count_by_psdf(clicks, 2)))),
            (
                "a task for each operator, a send a record",
                10,
                Box::new(move |c| e.block_on(count_by_tasks(c))),
            ),
        ],
    );
    contest(
        "Running count by key, 1 M keys, changed keys out",
        rounds,
        &clicks,
        &mut [
            ("hand-written hash loop, one thread", 1, Box::new(running_by_hand)),
            (
                "psdf, 1 shard",
                1,
                Box::new(move |clicks| f.block_on(running_by_psdf(clicks, batch, |u| mix(u.user, u.clicks)))),
            ),
        ],
    );
    contest_of_keys(rounds, records / 4, &runtime);
    if std::env::args().any(|argument| argument == "--only") {
        return;
    }
    println!("\nAdded latency from send to next at 10,000 records a second, µs");
    runtime.block_on(async {
        let stateless = Echo.spawn().expect("there is a runtime");
        let keyed = KeyedEcho.spawn().expect("there is a runtime");
        let mut flows = [
            ("stateless, one stage", stateless.sent.clone(), {
                let mut s = stateless;
                let o = s.received.take();
                s.sent.close();
                (o, Box::new(s.control))
            }),
            ("stateful, two stages", keyed.sent.clone(), {
                let mut s = keyed;
                let o = s.received.take();
                s.sent.close();
                (o, Box::new(s.control))
            }),
        ];
        for (name, input, (output, _control)) in &mut flows {
            let took = latencies(input.clone(), output.take(), 50_000);
            input.close();
            let took = took.await;
            println!(
                "  {name:<44} p50 {:>6.1}   p99 {:>6.1}   p99.9 {:>6.1}   max {:>7.1}   ({} records)",
                quantile(&took, 0.5),
                quantile(&took, 0.99),
                quantile(&took, 0.999),
                took[took.len() - 1],
                took.len()
            );
        }
    });
}
