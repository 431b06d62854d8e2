//! A ledger that can be killed at any moment: money moves between accounts, and every entry is booked once.
//!
//! ```text
//! cargo run --release --example ledger -- --dir DIR [--transfers N] [--shards N] [--pause MICROSECONDS]
//! ```
//!
//! It goes on where it was killed, and leaves `booked.csv`, `turnover.csv` and `dormant.csv` in the directory: the same,
//! however often that happened. `tests/kill.rs` does so two hundred times.

use psdf::sinks::TransactionalFileSink;
use psdf::{Timestamp, dataflow, sources};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

const ACCOUNTS: u64 = 100;

/// Money that moves from one account to another.
#[derive(Clone, Debug)]
struct Transfer {
    at: Timestamp,
    from: u64,
    to: u64,
    cents: i64,
}

/// One side of a transfer.
#[derive(Clone, Debug)]
struct Entry {
    at: Timestamp,
    account: u64,
    cents: i64,
}

/// An entry as it was booked, with its number among those of its account.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Booked {
    account: u64,
    number: u64,
    balance: i64,
}

/// An account to which nothing has happened for a minute.
#[derive(Clone, Debug)]
struct Dormant {
    account: u64,
    since: Timestamp,
}

dataflow! {
    /// Entries of accounts, and what follows from them.
    flow Ledger {
        input transfers: Transfer;

        entries: Entry = transfers
            -> event_time(|transfer| transfer.at, lateness 1 s)
            -> flat_map(|transfer| {
                let Transfer { at, from, to, cents } = transfer;
                [Entry { at, account: from, cents: -cents }, Entry { at, account: to, cents }]
            });

        booked = entries
            -> key_by(account: u64 = |entry| entry.account)
            -> stateful(Booked) {
                state { balance: i64 = 0, entries: u64 = 0 }
                keep forever;
                |state, entry, out| {
                    state.balance += entry.cents;
                    state.entries += 1;
                    out.emit(Booked { account: entry.account, number: state.entries, balance: state.balance });
                }
            };

        turnover = entries
            -> key_by(account: u64 = |entry| entry.account)
            -> tumbling(1 min)
            -> aggregate { cents: i64 = sum(|entry| entry.cents.abs()), entries: u64 = count() };

        dormant = entries
            -> key_by(account: u64 = |entry| entry.account)
            -> stateful(Dormant) {
                state { last: Timestamp = Timestamp::MIN }
                keep forever;
                |state, entry, out| {
                    state.last = state.last.max(entry.at);
                    out.set_timer(state.last + Duration::from_secs(60));
                }
                on timer |state, at, out| {
                    if state.last + Duration::from_secs(60) == at {
                        let (account, since) = (*out.key(), state.last);
                        out.emit(Dormant { account, since });
                    }
                }
            };

        output booked_lines: String = booked -> map(|booked: Booked| booked.to_string());
        output turnover_lines: String = turnover -> map(|t| format!("{},{},{},{}", t.account, t.window, t.cents, t.entries));
        output dormant_lines: String = dormant -> map(|d: Dormant| format!("{},{}", d.account, d.since));
    }
}

impl fmt::Display for Booked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{},{},{}", self.account, self.number, self.balance)
    }
}

/// The transfer of that number: the same, whenever it is asked for.
fn transfer(number: u64) -> Transfer {
    let mixed = (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let (from, to) = (mixed >> 7, mixed >> 23);
    // About ten a second, a little out of order. The accounts at hand change slowly, so that some fall asleep.
    let millis =
        i64::try_from(number).unwrap_or(i64::MAX) * 100 - i64::try_from(mixed >> 40 & 0xff).unwrap_or(0);
    let base = number / 500 * 7;
    Transfer {
        at: Timestamp::from_millis(1_700_000_000_000 + millis),
        from: (base + from % 20) % ACCOUNTS,
        to: (base + to % 20) % ACCOUNTS,
        cents: i64::try_from(mixed >> 50).unwrap_or(0) + 1,
    }
}

struct Args {
    dir: PathBuf,
    transfers: u64,
    shards: usize,
    pause: Duration,
}

fn args() -> Result<Args, String> {
    let mut args = Args { dir: PathBuf::new(), transfers: 20_000, shards: 2, pause: Duration::ZERO };
    let mut given = std::env::args().skip(1);
    while let Some(name) = given.next() {
        let value = given.next().ok_or_else(|| format!("{name} needs a value"))?;
        let number = || value.parse::<u64>().map_err(|_| format!("{name} {value}: not a number"));
        match name.as_str() {
            "--dir" => args.dir = value.into(),
            "--transfers" => args.transfers = number()?,
            "--shards" => args.shards = usize::try_from(number()?).map_err(|error| error.to_string())?,
            "--pause" => args.pause = Duration::from_micros(number()?),
            _ => return Err(format!("{name}: unknown")),
        }
    }
    if args.dir.as_os_str().is_empty() {
        return Err("--dir DIR is missing: where the ledger is kept".to_owned());
    }
    Ok(args)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let Args { dir, transfers, shards, pause } = args()?;
    std::fs::create_dir_all(&dir)?;
    let source = (0..transfers).map(move |number| {
        if number.is_multiple_of(16) {
            std::thread::sleep(pause);
        }
        Ok::<_, std::io::Error>(transfer(number))
    });
    let ledger = Ledger
        .builder()
        .shards(shards)
        .durable(dir.join("store"))
        .checkpoint_every(Duration::from_millis(20))
        .transfers_from(sources::blocking(source))
        .booked_lines_to(TransactionalFileSink::open(dir.join("booked.csv"))?)
        .turnover_lines_to(TransactionalFileSink::open(dir.join("turnover.csv"))?)
        .dormant_lines_to(TransactionalFileSink::open(dir.join("dormant.csv"))?);
    for guarantee in ledger.guarantees() {
        println!("{guarantee}");
    }
    ledger.spawn()?.finish().await?;
    Ok(())
}
