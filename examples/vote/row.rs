//! The table that is printed. Each row is measured in a process of its own, so that what is resident is its own, too.

use crate::AnyError;
use crate::forum::{Forum, budgets};
use crate::load::{Load, Measured};
use std::str::FromStr;

/// The row that this process is to measure.
pub(crate) struct Row {
    /// What is measured, for a program that knows more than one.
    #[allow(dead_code, reason = "the example measures psdf alone")]
    pub(crate) what: String,
    /// The budget.
    pub(crate) bytes: u64,
    /// What all of it takes in memory.
    full: u64,
}

fn argument<T: FromStr>(name: &str) -> Option<T> {
    std::env::args().skip_while(|argument| argument != name).nth(1)?.parse().ok()
}

/// The load as the arguments have it.
pub(crate) fn load() -> Load {
    Load {
        articles: argument("--articles").unwrap_or(1_000_000),
        warm_up: argument("--warm-up").unwrap_or(5.0),
        seconds: argument("--seconds").unwrap_or(10.0),
        exponent: argument("--zipf").unwrap_or(1.15),
        reads_a_write: argument("--reads-a-write").unwrap_or(99),
    }
}

pub(crate) fn asked_for() -> Option<Row> {
    Some(Row { what: argument("--run")?, bytes: argument("--bytes")?, full: argument("--full")? })
}

/// Measures and prints every row.
pub(crate) async fn print_all(load: &Load, programs: &[&str]) -> Result<(), AnyError> {
    println!(
        "{} articles, Zipf {}, a write for {} reads, writes sent every 10 ms",
        load.articles, load.exponent, load.reads_a_write
    );
    println!(
        "| | budget | reads/s | p50 us | p95 us | p99 us | longest ms | hits | hits' p99 us | hits/s alone | resident MiB |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|");
    let budgets = budgets(load.articles);
    // As psdf counts it: budgets are parts of that.
    let full = Forum::open(load.articles, budgets[0]).await?.full_bytes(load.articles).await?;
    for bytes in budgets {
        for program in programs {
            let mut row = std::process::Command::new(std::env::current_exe()?);
            row.args(std::env::args().skip(1)).args(["--run", program, "--full", &full.to_string()]);
            row.args(["--bytes", &bytes.to_string()]).status()?;
        }
    }
    Ok(())
}

impl Row {
    /// The budget in percent of what all of it takes.
    pub(crate) fn percent(&self) -> f64 {
        100.0 * (self.bytes as f64 / self.full as f64).min(1.0)
    }

    pub(crate) fn print(&self, name: &str, measured: &Measured) {
        println!(
            "| {name} | {:.1} % | {:.0} | {:.2} | {:.2} | {:.2} | {:.1} | {:.2} % | {:.2} | {:.0} | {:.0} |",
            self.percent(),
            measured.reads_a_second,
            measured.p50,
            measured.p95,
            measured.p99,
            measured.longest / 1000.0,
            100.0 * measured.hits,
            measured.hit_p99,
            measured.hits_a_second,
            measured.resident as f64 / 1_048_576.0
        );
    }
}
