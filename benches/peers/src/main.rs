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
    let (run, full): (String, u64) = (argument("--run", String::new()), argument("--full", 0));
    if !run.is_empty() {
        // One row, in a process of its own, so that what is resident is its own, too.
        let bytes = argument("--bytes", partial::BUDGETS[0]);
        let budget = format!("{:.1}", 100.0 * (bytes as f64 / full as f64).min(1.0));
        match run.as_str() {
            "psdf" => {
                print("psdf", &budget, &load.run(partial::Forum::open(load.articles, bytes).await?).await?)
            }
            "moka" => {
                print("moka", &budget, &load.run(by_hand::Forum::with_moka(load.articles, bytes)?).await?)
            }
            _ => match by_hand::Forum::with_redis(load.articles, bytes)? {
                Some(forum) => print("Redis", &budget, &load.run(forum).await?),
                None => println!("| Redis | {budget} % | not here: install redis-server | | | | | | |"),
            },
        }
        return Ok(());
    }
    println!(
        "{} articles, Zipf {}, a write for {} reads, writes sent every 10 ms",
        load.articles, load.exponent, load.reads_a_write
    );
    println!("| | budget | reads/s | p50 us | p95 us | p99 us | longest ms | hits | resident MiB |");
    println!("|---|---|---|---|---|---|---|---|---|");
    // What everything in memory takes, as psdf counts it: budgets are parts of that.
    let full =
        partial::Forum::open(load.articles, partial::BUDGETS[0]).await?.full_bytes(load.articles).await?;
    let only: String = argument("--only", "psdf,moka,redis".to_owned());
    for bytes in partial::BUDGETS {
        for run in only.split(',') {
            let mut row = std::process::Command::new(std::env::current_exe()?);
            row.args(std::env::args().skip(1)).args(["--run", run, "--full", &full.to_string()]);
            row.args(["--bytes", &bytes.to_string()]).status()?;
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
