//! A stream that leads into a table on disk: what it costs that its rows are in the flow's epochs.
//!
//! `cargo bench --features tables --bench tables_fed [-- --rounds N] [--rows N]` prints thousands of rows a second with
//! `.durable`, an epoch each second, and without; rounds are interleaved.

use psdf::{dataflow, sources};
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};

const KEYS: u64 = 200_000;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, psdf::Row)]
struct Account {
    id: u64,
    branch: u64,
    balance: u64,
}

dataflow! {
    flow Balances {
        input booked: Account;
        booked -> into accounts;
        table accounts: Account { key id; index by_branch: branch; }
        view of_branch = accounts -> rekey(by_branch) keep forever, memory 1 MiB;
    }
}

fn rows(number: u64) -> impl Iterator<Item = Account> {
    (0..number).map(|row| {
        let id = row.wrapping_mul(0x9e37_79b9_7f4a_7c15) % KEYS;
        Account { id, branch: id % 1000, balance: row }
    })
}

/// Thousands of rows a second.
async fn run(number: u64, durable: bool) -> f64 {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let builder =
        Balances.builder().tables(dir.path().join("tables")).booked_from(sources::iter(rows(number)));
    let builder = if durable {
        builder.durable(dir.path().join("epochs")).checkpoint_every(Duration::from_secs(1))
    } else {
        builder
    };
    let begun = Instant::now();
    let flow = builder.spawn().expect("it can start");
    flow.finish().await.expect("it can finish");
    number as f64 / begun.elapsed().as_secs_f64() / 1000.0
}

fn argument(name: &str, default: u64) -> u64 {
    let mut arguments = std::env::args().skip_while(|argument| argument != name);
    arguments.nth(1).and_then(|value| value.parse().ok()).unwrap_or(default)
}

fn median(mut of: Vec<f64>) -> String {
    of.sort_by(f64::total_cmp);
    format!("{:.1} ({:.1} to {:.1})", of[of.len() / 2], of[0], of[of.len() - 1])
}

#[tokio::main]
async fn main() {
    let (rounds, number) = (argument("--rounds", 3), argument("--rows", 400_000));
    let (mut without, mut with, mut times) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        without.push(run(number, false).await);
        with.push(run(number, true).await);
        times.push(without[without.len() - 1] / with[with.len() - 1]);
    }
    println!("{number} rows of {KEYS} keys, thousands a second:");
    println!("  not durable: {}", median(without));
    println!("  durable, an epoch each second: {}", median(with));
    println!("  time, as a multiple: {}", median(times));
}
