//! What keys that get most of the records cost, with one shard and with two: `cargo bench --bench hot_keys`.
//!
//! Every round runs each contestant once, in turn; ratios are taken within a round, to the same records with one shard.
//! `-- --rounds N --records N` change the defaults,
//! `--only ROW` runs the row of that name.

use psdf::{SinkError, SourceError, Timestamp, dataflow};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// 32 bytes, as in the other benchmarks.
#[derive(Clone, Copy, Debug)]
pub struct Click {
    user: u64,
    at: i64,
    page: u64,
    bytes: u64,
}

dataflow! {
    /// From an input to a window.
    flow Direct {
        input clicks: Click;
        users = clicks
            -> event_time(|c| Timestamp(c.at), lateness 1 ms)
            -> key_by(user: u64 = |c| c.user)
            -> tumbling(1 s)
            -> aggregate { clicks: u64 = count(), bytes: u64 = sum(|c| c.bytes) };
        output users;
    }
}

dataflow! {
    /// From the tasks of one key to those of another.
    flow Rekeyed {
        input clicks: Click;
        numbered = clicks
            -> event_time(|c| Timestamp(c.at), lateness 1 ms)
            -> key_by(page: u64 = |c| c.page)
            -> stateful(Click) { state { n: u64 = 0 } keep 1 s; |state, click, out| { state.n += 1; out.emit(click) } };
        users = numbered
            -> key_by(user: u64 = |c| c.user)
            -> tumbling(1 s)
            -> aggregate { clicks: u64 = count(), bytes: u64 = sum(|c| c.bytes) };
        output users;
    }
}

dataflow! {
    /// Without a key.
    flow All {
        input clicks: Click;
        all = clicks
            -> event_time(|c| Timestamp(c.at), lateness 1 ms)
            -> tumbling(1 s)
            -> aggregate { clicks: u64 = count(), bytes: u64 = sum(|c| c.bytes) };
        output all;
    }
}

dataflow! {
    /// Without a key, and with more to do for each record.
    flow AllDistinct {
        input clicks: Click;
        all = clicks
            -> event_time(|c| Timestamp(c.at), lateness 1 ms)
            -> tumbling(10 s)
            -> aggregate { clicks: u64 = count(), users: u64 = distinct(|c| c.user), pages: u64 = distinct(|c| c.page) };
        output all;
    }
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

/// How often each key comes.
#[derive(Clone, Copy)]
enum Keys {
    Uniform(u64),
    /// By Zipf's law with the exponent 1.
    Zipf(u64),
}

fn clicks(records: usize, keys: Keys) -> Vec<Vec<Click>> {
    let mut random = Random(7);
    let user = |random: &mut Random| match keys {
        Keys::Uniform(keys) => random.next() % keys,
        // The density 1 / x over [1, keys], by its inverse.
        Keys::Zipf(keys) => {
            let drawn = random.next() as f64 / u64::MAX as f64;
            (keys as f64).powf(drawn) as u64
        }
    };
    let click = |i: usize, random: &mut Random| Click {
        user: user(random),
        at: (i as i64) + (random.next() % 1000) as i64,
        page: random.next() % 100_000,
        bytes: random.next() % 5000,
    };
    let all: Vec<Click> = (0..records).map(|i| click(i, &mut random)).collect();
    all.chunks(4096).map(<[Click]>::to_vec).collect()
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

/// Runs a flow to its end: the sum of its results.
macro_rules! run {
    ($flow:ident, $to:ident, $weigh:expr) => {
        |clicks: Vec<Vec<Click>>, shards: usize| {
            let sum = Arc::new(AtomicU64::new(0));
            let flow = $flow
                .builder()
                .batch_limit(4096)
                .shards(shards)
                .clicks_from(Memory(clicks.into_iter()))
                .$to(Add(Arc::clone(&sum), $weigh, std::marker::PhantomData));
            let workers = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
            workers.expect("a runtime can be made").block_on(async {
                flow.spawn().expect("there is a runtime").finish().await.expect("it drains");
            });
            sum.load(Ordering::Relaxed)
        }
    };
}

fn argument(name: &str, default: usize) -> usize {
    let value = std::env::args().skip_while(|argument| argument != name).nth(1);
    value.and_then(|value| value.parse().ok()).unwrap_or(default)
}

/// Median, least and greatest.
fn spread(mut values: Vec<f64>) -> (f64, f64, f64) {
    values.sort_by(f64::total_cmp);
    (values[(values.len() - 1) / 2], values[0], values[values.len() - 1])
}

fn contest(
    title: &str,
    rounds: usize,
    records: usize,
    keys: Keys,
    run: impl Fn(Vec<Vec<Click>>, usize) -> u64,
) {
    let wanted = std::env::args().skip_while(|argument| argument != "--only").nth(1);
    if wanted.is_some_and(|wanted| wanted != title) {
        return;
    }
    let clicks = clicks(records, keys);
    let (mut one, mut two) = (Vec::new(), Vec::new());
    for round in 0..=rounds {
        let mut sums = Vec::new();
        for shards in [1, 2] {
            let input = clicks.clone();
            let begin = Instant::now();
            sums.push(run(input, shards));
            let ns = begin.elapsed().as_secs_f64() * 1e9 / records as f64;
            // The first round warms up.
            if round > 0 {
                if shards == 1 { one.push(ns) } else { two.push(ns) }
            }
        }
        assert_eq!(sums[0], sums[1], "two shards give something else");
    }
    let (ratio, least, most) = spread(two.iter().zip(&one).map(|(two, one)| two / one).collect());
    let (one, two) = (spread(one), spread(two));
    let (ones, twos) = (format!("{:.1} ({:.1})", one.0, one.1), format!("{:.1} ({:.1})", two.0, two.1));
    println!("| {title} | {ones} | {twos} | {ratio:.2} ({least:.2}–{most:.2}) | {:.2} |", two.1 / one.1);
}

fn main() {
    let (rounds, records) = (argument("--rounds", 7), argument("--records", 4_000_000));
    println!(
        "| keys | ns a record (least), 1 shard | 2 shards | ratio (spread) | of the least |\n|---|---|---|---|---|"
    );
    let direct = run!(Direct, users_to, |u: &direct::Users| u.user ^ (u.clicks << 20) ^ (u.bytes << 40));
    let rekeyed = run!(Rekeyed, users_to, |u: &rekeyed::Users| u.user ^ (u.clicks << 20) ^ (u.bytes << 40));
    let distributions = [
        ("1 M, uniform", Keys::Uniform(1_000_000)),
        ("1 M, by Zipf's law", Keys::Zipf(1_000_000)),
        ("10", Keys::Uniform(10)),
        ("1", Keys::Uniform(1)),
    ];
    for (name, keys) in distributions {
        contest(name, rounds, records, keys, direct);
    }
    for (name, keys) in distributions {
        contest(&format!("{name}, behind another key"), rounds, records, keys, rekeyed);
    }
    let all = run!(All, all_to, |w: &all::All| w.clicks ^ (w.bytes << 20));
    contest("none", rounds, records, Keys::Uniform(1), all);
    let distinct =
        run!(AllDistinct, all_to, |w: &all_distinct::All| w.clicks ^ (w.users << 20) ^ (w.pages << 40));
    contest("none, distinct values", rounds, records, Keys::Uniform(100_000), distinct);
}
