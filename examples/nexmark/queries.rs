//! Runs one of the queries, and measures how long that takes.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use psdf::{FlowWatch, Output, sources};

use crate::AnyError;
use crate::csv;
use crate::input::Events;
use crate::partitions::Partitions;
use crate::q0::Q0;
use crate::q1::Q1;
use crate::q2::Q2;
use crate::q3::Q3;
use crate::q4::Q4;
use crate::q5::Q5;
use crate::q6::Q6;
use crate::q7::Q7;
use crate::q8::Q8;
use crate::q9::Q9;
use crate::q10::Q10;
use crate::q11::Q11;
use crate::q12::Q12;
use crate::q13::{Q13, SIDE_ROWS, Side};
use crate::q14::Q14;
use crate::q15::Q15;
use crate::q16::Q16;
use crate::q17::Q17;
use crate::q18::Q18;
use crate::q19::Q19;
use crate::q20::Q20;
use crate::q21::Q21;
use crate::q22::Q22;

const QUERIES: [(&str, &str); 23] = [
    ("q0", "bids as they are"),
    ("q1", "bids in euros"),
    ("q2", "bids on some of the auctions"),
    ("q3", "who sells things of category 10 in Oregon, Idaho or California"),
    ("q4", "average prices of each category"),
    ("q5", "the auctions with the most bids in the last 10 s, every 2 s"),
    ("q6", "average prices of the last ten auctions of each seller"),
    ("q7", "the highest bids of each 10 s"),
    ("q8", "who joined and opened an auction in the same 10 s"),
    ("q9", "the bid that wins each auction"),
    ("q10", "bids in files by day and minute"),
    ("q11", "bids of each bidder in a row"),
    ("q12", "bids of each bidder in 10 s"),
    ("q13", "bids with what a second stream says of their auction"),
    ("q14", "large bids, by the time of day"),
    ("q15", "bids, bidders and auctions of each day"),
    ("q16", "bids, bidders and auctions of each day and channel"),
    ("q17", "bids on each auction of each day"),
    ("q18", "the last bid of each bidder on each auction"),
    ("q19", "the ten highest bids on each auction"),
    ("q20", "bids on things of category 10, with their auction"),
    ("q21", "bids with the id of their channel"),
    ("q22", "bids with the directories of their URL"),
];

/// What the query computes; `None` if there is none of that name.
pub(crate) fn title(query: &str) -> Option<&'static str> {
    QUERIES.iter().find(|(name, _)| *name == query).map(|(_, title)| *title)
}

/// What a query is run on.
pub(crate) struct Run {
    pub(crate) events: Events,
    pub(crate) shards: usize,
    pub(crate) out: Option<PathBuf>,
}

/// What became of it.
pub(crate) struct Outcome {
    /// Results, each of those that replace an earlier one counted too.
    pub(crate) results: u64,
    /// From the first event to the last result, without the writing of files (q10's apart: that is the query).
    pub(crate) time: Duration,
    /// Events that came too late to be in a result.
    pub(crate) late: u64,
}

/// Runs a flow whose results are read at one output, with other inputs than `events` fed by sources of their own.
macro_rules! run {
    ($run:ident, $flow:ident . $output:ident $(, $attach:ident($port:expr))*) => {{
        let Run { events, shards, out } = $run;
        let start = Instant::now();
        let mut flow = $flow.builder().shards(shards).events_from(events)$(.$attach($port))*.spawn()?;
        let watch = flow.control.watch();
        let (results, rows) = read(&mut flow.$output, out.is_some()).await;
        flow.finish().await?;
        let time = start.elapsed();
        if let Some(path) = &out {
            csv::write::<$flow>(rows, path)?;
        }
        Ok(Outcome { results, time, late: late(&watch) })
    }};
}

pub(crate) async fn run(query: String, run: Run) -> Result<Outcome, AnyError> {
    match query.as_str() {
        "q0" => run!(run, Q0.bids),
        "q1" => run!(run, Q1.bids),
        "q2" => run!(run, Q2.bids),
        "q3" => run!(run, Q3.sales),
        "q4" => run!(run, Q4.prices),
        "q5" => run!(run, Q5.hot),
        "q6" => run!(run, Q6.recent),
        "q7" => run!(run, Q7.winners),
        "q8" => run!(run, Q8.newcomers),
        "q9" => run!(run, Q9.winners),
        "q10" => log(run).await,
        "q11" => run!(run, Q11.sessions),
        "q12" => run!(run, Q12.counts),
        "q13" => run!(run, Q13.bids, side_from(sources::iter(side()))),
        "q14" => run!(run, Q14.bids),
        "q15" => run!(run, Q15.days),
        "q16" => run!(run, Q16.days),
        "q17" => run!(run, Q17.days),
        "q18" => run!(run, Q18.bids),
        "q19" => run!(run, Q19.highest),
        "q20" => run!(run, Q20.bids),
        "q21" => run!(run, Q21.bids),
        "q22" => run!(run, Q22.bids),
        unknown => Err(format!("there is no query {unknown}").into()),
    }
}

/// q10: into files, if they have a place, and else nowhere.
async fn log(run: Run) -> Result<Outcome, AnyError> {
    let written = Arc::new(AtomicU64::new(0));
    let flow = Q10.builder().shards(run.shards);
    let flow = match run.out {
        Some(directory) => flow.log_to(Partitions::into(directory, Arc::clone(&written))?),
        None => flow,
    };
    let start = Instant::now();
    let mut flow = flow.events_from(run.events).spawn()?;
    let watch = flow.control.watch();
    let (read, _) = read(&mut flow.log, false).await;
    flow.finish().await?;
    let (results, time) = (read + written.load(Ordering::Relaxed), start.elapsed());
    Ok(Outcome { results, time, late: late(&watch) })
}

/// The second stream of q13. As published, a key's value is the key.
fn side() -> impl Iterator<Item = Side> {
    (0..SIDE_ROWS).map(|key| Side { key, value: key.to_string() })
}

/// How many results there are, and if they are wanted the results.
async fn read<R>(output: &mut Output<R>, wanted: bool) -> (u64, Vec<R>) {
    let (mut count, mut rows) = (0, Vec::new());
    while let Some(batch) = output.next_batch().await {
        count += batch.len() as u64;
        if wanted {
            rows.extend(batch);
        }
    }
    (count, rows)
}

fn late(watch: &FlowWatch) -> u64 {
    watch.counts().iter().map(|node| node.late).sum()
}
