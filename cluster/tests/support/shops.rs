//! A flow with state of many kinds, its records, and a source of them that can halt.

use std::fmt::Write as _;
use std::future::pending;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use psdf::sinks::TransactionalFileSink;
use psdf::{Source, SourceError, Timestamp, dataflow};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Sale {
    pub(crate) at: i64,
    pub(crate) shop: String,
    pub(crate) cents: u64,
}

/// How far a shop has come.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Milestone {
    pub(crate) shop: String,
    pub(crate) hundreds: u64,
}

dataflow! {
    pub(crate) flow Shops {
        input sales: Sale;

        timed = sales -> filter(|s| s.cents > 0) -> event_time(|s| Timestamp::from_secs(s.at), lateness 30 s);

        by_minute = timed
            -> key_by(shop: String = |s| s.shop.clone())
            -> tumbling(1 min)
            -> aggregate { sales: u64 = count(), cents: u64 = sum(|s| s.cents) };

        visits = timed
            -> key_by(shop: String = |s| s.shop.clone())
            -> session(20 s)
            -> aggregate { sales: u64 = count(), first: u64 = min(|s| s.cents) };

        overall = timed -> tumbling(5 min) -> aggregate { cents: u64 = sum(|s| s.cents) };

        large = timed -> filter(|s| s.cents > 900);
        small = timed -> filter(|s| s.cents < 100);
        keyed_small = small -> key_by(shop: String = |s| s.shop.clone());
        pairs = large
            -> key_by(shop: String = |s| s.shop.clone())
            -> join(keyed_small, within 5 s);

        milestones = timed
            -> key_by(shop: String = |s| s.shop.clone())
            -> stateful(Milestone) {
                state { cents: u64 = 0 } keep forever, memory 9 keys;
                |state, sale, out| {
                    let before = state.cents / 100_000;
                    state.cents += sale.cents;
                    if state.cents / 100_000 > before {
                        out.emit(Milestone { shop: sale.shop, hundreds: state.cents / 100_000 });
                    }
                }
            };

        minute_lines = by_minute -> map(|m| format!("minute {} {} {} {}", m.shop, m.window.start.0, m.sales, m.cents));
        visit_lines = visits -> map(|v| format!("visit {} {} {} {}", v.shop, v.window.start.0, v.sales, v.first));
        overall_lines = overall -> map(|o| format!("overall {} {}", o.window.start.0, o.cents));
        pair_lines = pairs -> map(|(l, r)| format!("pair {} {} {} {} {}", l.shop, l.at, l.cents, r.at, r.cents));
        milestone_lines = milestones -> map(|m| format!("milestone {} {}", m.shop, m.hundreds));
        all = merge(minute_lines, visit_lines, overall_lines, pair_lines, milestone_lines);

        output lines: String = all;
    }
}

/// So many sales, in about the order in which they were made: those of one of so many tills.
pub(crate) fn till(number: usize, of: usize, sales: u64) -> Vec<Sale> {
    let mut random = 0x9e37_79b9_7f4a_7c15u64;
    let mut next = move || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random
    };
    let mut sale = |n: u64| Sale {
        at: i64::try_from(1_000_000 + n / 20 + next() % 20).expect("it is small"),
        shop: format!("shop {}", next() % 40),
        cents: next() % 1000,
    };
    let all: Vec<Sale> = (0..sales).map(&mut sale).collect();
    all.into_iter().skip(number).step_by(of).collect()
}

/// Told when a source has come so far.
pub(crate) type Halt = Arc<dyn Fn() + Send + Sync>;

/// Gives sales, and halts where it is told to.
pub(crate) struct Sales {
    pub(crate) sales: Vec<Sale>,
    pub(crate) at: usize,
    pub(crate) halt: Option<(usize, Halt)>,
    /// How long it takes to give the next ones.
    pub(crate) pace: Option<Duration>,
}

impl Source for Sales {
    type Item = Sale;

    async fn next_batch(&mut self, _: usize) -> Result<Option<Vec<Sale>>, SourceError> {
        let end = self.halt.as_ref().map_or(self.sales.len(), |(end, _)| *end);
        if let Some((_, halt)) = self.halt.as_ref().filter(|_| self.at >= end) {
            halt();
            return pending().await;
        }
        if let Some(pace) = self.pace {
            tokio::time::sleep(pace).await;
        }
        let batch: Vec<Sale> = self.sales[self.at..end].iter().take(100).cloned().collect();
        self.at += batch.len();
        Ok((!batch.is_empty()).then_some(batch))
    }

    fn position(&self) -> Option<u64> {
        Some(self.at as u64)
    }

    async fn seek(&mut self, position: u64) -> Result<(), SourceError> {
        self.at = usize::try_from(position).map_err(SourceError::new)?;
        Ok(())
    }
}

/// A sink into `lines.txt` of a directory, in which each record is once.
pub(crate) fn lines(directory: &Path) -> TransactionalFileSink<String> {
    TransactionalFileSink::open(directory.join("lines.txt")).expect("the directory can be written")
}

/// What is in that file, sorted.
pub(crate) fn written(directory: &Path) -> String {
    let text = std::fs::read_to_string(directory.join("lines.txt")).unwrap_or_default();
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    lines.into_iter().fold(String::new(), |mut all, line| {
        let _ = writeln!(all, "{line}");
        all
    })
}
