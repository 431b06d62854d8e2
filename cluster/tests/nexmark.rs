//! The stateful Nexmark queries give the same on several processes as in the embedded host.

#![allow(dead_code, reason = "the example uses more of its files")]

#[path = "../../examples/nexmark/calendar.rs"]
mod calendar;
#[path = "../../examples/nexmark/closed.rs"]
mod closed;
#[path = "../../examples/nexmark/event.rs"]
mod event;
#[path = "../../tests/support/nexmark_oracle.rs"]
mod oracle;
#[path = "../../examples/nexmark/q11.rs"]
mod q11;
#[path = "../../examples/nexmark/q12.rs"]
mod q12;
#[path = "../../examples/nexmark/q15.rs"]
mod q15;
#[path = "../../examples/nexmark/q16.rs"]
mod q16;
#[path = "../../examples/nexmark/q17.rs"]
mod q17;
#[path = "../../examples/nexmark/q3.rs"]
mod q3;
#[path = "../../examples/nexmark/q4.rs"]
mod q4;
#[path = "../../examples/nexmark/q5.rs"]
mod q5;
#[path = "../../examples/nexmark/q6.rs"]
mod q6;
#[path = "../../examples/nexmark/q7.rs"]
mod q7;
#[path = "../../examples/nexmark/q8.rs"]
mod q8;
#[path = "../../examples/nexmark/q9.rs"]
mod q9;
#[path = "../../examples/nexmark/rank.rs"]
mod rank;
#[path = "support/together.rs"]
mod together;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use psdf::{Sink, SinkError, sources};
use psdf_cluster::Job;
use serde::Serialize;

use crate::event::Event;
use crate::oracle::House;
use crate::together::together;

/// What comes out at an output, as text.
struct Gather<T> {
    rows: Arc<Mutex<Vec<String>>>,
    show: fn(&T) -> String,
}

impl<T: Send + 'static> Sink for Gather<T> {
    type Item = T;

    async fn write(&mut self, records: Vec<T>) -> Result<(), SinkError> {
        self.rows.lock().expect("no sink panics").extend(records.iter().map(self.show));
        Ok(())
    }
}

fn json<T: Serialize>(row: &T) -> String {
    serde_json::to_string(row).expect("results are data")
}

fn events() -> Vec<Event> {
    let house = House::new(5, 6_000);
    house.lines().lines().map(|line| serde_json::from_str(line).expect("the house writes JSON")).collect()
}

/// What is to be compared: all rows, or the last of each key, in order.
type Compared = fn(Vec<String>) -> Vec<String>;

fn all(mut rows: Vec<String>) -> Vec<String> {
    rows.sort_unstable();
    rows
}

/// Of results that change the last of each key counts. A row begins with its key.
fn last(rows: Vec<String>) -> Vec<String> {
    let key = |row: &String| row.split(',').next().unwrap_or_default().to_owned();
    let last: BTreeMap<String, String> = rows.into_iter().map(|row| (key(&row), row)).collect();
    last.into_values().collect()
}

/// Runs a query in the embedded host and on several processes, and compares.
macro_rules! compare {
    ($flow:ident . $output:ident, $method:ident, $compared:expr) => {{
        let (compared, name): (Compared, _) = ($compared, stringify!($flow));
        let rows: Arc<Mutex<Vec<String>>> = Arc::default();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async {
            let builder = $flow.builder().shards(2).events_from(sources::iter(events()));
            let sink = Gather { rows: Arc::clone(&rows), show: json };
            builder.$method(sink).spawn().expect("it starts").finish().await.expect("it drains");
        });
        let expected = compared(std::mem::take(&mut *rows.lock().expect("no sink panics")));
        assert!(!expected.is_empty(), "{name}: there is something to compare");
        for (processes, workers) in [(1, 1), (2, 1), (3, 2)] {
            let job = || {
                let rows = Arc::clone(&rows);
                Job::new($flow).source("events", 1, |_| sources::iter(events())).sink(
                    stringify!($output),
                    move || Gather { rows: Arc::clone(&rows), show: json_of($flow) },
                )
            };
            together(processes, workers, job);
            let actual = compared(std::mem::take(&mut *rows.lock().expect("no sink panics")));
            assert!(actual == expected, "{name}: {processes} processes of {workers} workers");
        }
    }};
}

/// How rows of a query are shown: the type of an output is not written everywhere.
trait Shown {
    type Row: Serialize + Send + 'static;
}

fn json_of<F: Shown>(_: F) -> fn(&F::Row) -> String {
    json
}

macro_rules! rows {
    ($($flow:ty: $row:ty;)*) => { $(impl Shown for $flow { type Row = $row; })* };
}

use crate::event::{Auction, Bid, Person};
use crate::q3::Q3;
use crate::q4::Q4;
use crate::q5::Q5;
use crate::q6::Q6;
use crate::q7::Q7;
use crate::q8::Q8;
use crate::q9::Q9;
use crate::q11::Q11;
use crate::q12::Q12;
use crate::q15::Q15;
use crate::q16::Q16;
use crate::q17::Q17;

rows! {
    Q3: (Auction, Person);
    Q4: q4::q4::Prices;
    Q5: q5::q5::Counts;
    Q6: q6::q6::Recent;
    Q7: (q7::q7::Highest, Bid);
    Q8: (psdf::Window, Person, q8::q8::Sellers);
    Q9: (Auction, Bid);
    Q11: q11::q11::Sessions;
    Q12: q12::q12::Counts;
    Q15: q15::q15::Days;
    Q16: q16::q16::Days;
    Q17: q17::q17::Days;
}

#[test]
fn joins_give_what_the_embedded_host_gives() {
    compare!(Q3.sales, sales_to, all);
    compare!(Q8.newcomers, newcomers_to, all);
    compare!(Q9.winners, winners_to, all);
}

#[test]
fn windows_give_what_the_embedded_host_gives() {
    compare!(Q5.hot, hot_to, all);
    compare!(Q7.winners, winners_to, all);
    compare!(Q11.sessions, sessions_to, all);
    compare!(Q12.counts, counts_to, all);
    compare!(Q15.days, days_to, all);
    compare!(Q16.days, days_to, all);
    compare!(Q17.days, days_to, all);
}

#[test]
fn results_that_change_come_to_what_they_come_to_in_the_embedded_host() {
    compare!(Q4.prices, prices_to, last);
    compare!(Q6.recent, recent_to, last);
}
