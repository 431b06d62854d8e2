//! The vote benchmark of Noria (Gjengset et al., OSDI 2018; Gjengset's thesis, 2020, chapter 7) in one process: articles
//! are read with their number of votes, by Zipf's law, while votes come in.
//!
//! Three programs answer the same reads from the same embedded store (fjall): psdf's partial view; a cache by hand (moka)
//! in front of the store, invalidated by each write; and Redis as that cache. `bash benches/peers/vote.sh` runs them.

mod by_hand;
mod load;
mod partial;

use load::{Load, Measured};
use std::error::Error;

pub(crate) type AnyError = Box<dyn Error + Send + Sync>;

/// An article: its number and its title.
pub(crate) fn title(article: u64) -> String {
    format!("Article number {article}, which has a title of a usual length")
}

fn argument<T: std::str::FromStr>(name: &str, default: T) -> T {
    let mut arguments = std::env::args().skip_while(|argument| argument != name);
    arguments.nth(1).and_then(|value| value.parse().ok()).unwrap_or(default)
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), AnyError> {
    let load = Load {
        articles: argument("--articles", 1_000_000),
        warm_up: argument("--warm-up", 5.0),
        seconds: argument("--seconds", 10.0),
        exponent: argument("--zipf", 1.15),
        reads_a_write: argument("--reads-a-write", 99),
    };
    let only: String = argument("--only", String::new());
    let budgets: String = argument("--budgets", "100,7,5,3.6,1.8,0.9".to_owned());
    println!(
        "{} articles, Zipf {}, a write for {} reads, writes sent every 10 ms",
        load.articles, load.exponent, load.reads_a_write
    );
    println!("| | budget | reads/s | p50 us | p95 us | p99 us | longest ms | hits | resident MiB |");
    println!("|---|---|---|---|---|---|---|---|---|");
    // What everything in memory takes, as psdf counts it: budgets are parts of that.
    let full = partial::full_bytes(load.articles).await?;
    for budget in budgets.split(',') {
        let part: f64 = budget.parse()?;
        let bytes = (full as f64 * part / 100.0) as u64;
        if only.is_empty() || only == "psdf" {
            print("psdf", budget, &load.run(partial::Forum::open(load.articles, bytes).await?).await?);
        }
        if only.is_empty() || only == "moka" {
            print("moka", budget, &load.run(by_hand::Forum::with_moka(load.articles, bytes)?).await?);
        }
        if only.is_empty() || only == "redis" {
            match by_hand::Forum::with_redis(load.articles, bytes)? {
                Some(forum) => print("Redis", budget, &load.run(forum).await?),
                None => println!("| Redis | {budget} % | not here: install redis-server | | | | | | |"),
            }
        }
    }
    Ok(())
}

fn print(name: &str, budget: &str, measured: &Measured) {
    println!(
        "| {name} | {budget} % | {:.0} | {:.2} | {:.2} | {:.2} | {:.1} | {:.2} % | {:.0} |",
        measured.reads_a_second,
        measured.p50,
        measured.p95,
        measured.p99,
        measured.longest / 1000.0,
        100.0 * measured.hits,
        measured.resident as f64 / 1_048_576.0
    );
}
