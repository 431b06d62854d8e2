//! A flow gives the same on one worker, on several, and in the embedded host.

#[path = "support/together.rs"]
mod together;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use psdf::{Sink, SinkError, Timestamp, dataflow, sources};
use psdf_cluster::{ClusterError, Job};
use serde::{Deserialize, Serialize};

use crate::together::together;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Sale {
    at: u64,
    shop: String,
    cents: u64,
}

/// A shop's sales of one minute.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Minute {
    shop: String,
    start: i64,
    sales: u64,
    cents: u64,
}

dataflow! {
    flow Shops {
        param lateness: Duration = Duration::from_secs(30);

        input sales: Sale;

        timed = sales -> filter(|s| s.cents > 0) -> event_time(|s| Timestamp::from_secs(s.at as i64), lateness lateness);

        by_minute = timed
            -> key_by(shop: String = |s| s.shop.clone())
            -> tumbling(1 min) else late
            -> aggregate { sales: u64 = count(), cents: u64 = sum(|s| s.cents) };

        minutes: Minute = by_minute -> map(|m| Minute {
            shop: m.shop, start: m.window.start.0, sales: m.sales, cents: m.cents,
        });

        visits: (String, u64) = timed
            -> key_by(shop: String = |s| s.shop.clone())
            -> session(20 s)
            -> aggregate { sales: u64 = count() }
            -> map(|v| (v.shop, v.sales));

        overall = timed -> tumbling(5 min) -> aggregate { cents: u64 = sum(|s| s.cents) };
        all_shops: (i64, u64) = overall -> map(|o| (o.window.start.0, o.cents));

        large = timed -> filter(|s| s.cents > 900);
        small = timed -> filter(|s| s.cents < 100);
        keyed_small = small -> key_by(shop: String = |s| s.shop.clone());
        pairs: (Sale, Sale) = large
            -> key_by(shop: String = |s| s.shop.clone())
            -> join(keyed_small, within 5 s);

        merged = merge(large, small) -> key_by(shop: String = |s| s.shop.clone())
            -> aggregate { odd: u64 = count() } keep forever;
        odd: (String, u64) = merged -> map(|m| (m.shop, m.odd));

        output minutes: Minute;
        output visits: (String, u64);
        output all_shops: (i64, u64);
        output pairs: (Sale, Sale);
        output odd: (String, u64);
        output late;
    }
}

/// Sales of one till, in about the order in which they were made.
fn till(number: u64) -> Vec<Sale> {
    let mut random = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = move || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random
    };
    let sale = |n: u64, next: &mut dyn FnMut() -> u64| Sale {
        at: 1_000_000 + n / 20 + next() % 20,
        shop: format!("shop {}", next() % 50),
        cents: next() % 1000,
    };
    (0..10_000).map(|n| sale(n, &mut next)).collect()
}

const TILLS: usize = 3;

#[derive(Clone)]
struct Gather<T>(Arc<Mutex<Vec<T>>>);

impl<T> Default for Gather<T> {
    fn default() -> Self {
        Gather(Arc::default())
    }
}

impl<T: Ord> Gather<T> {
    fn sorted(&self) -> Vec<T> {
        let mut all = std::mem::take(&mut *self.0.lock().expect("no sink panics"));
        all.sort();
        all
    }
}

impl<T: Send + 'static> Sink for Gather<T> {
    type Item = T;

    async fn write(&mut self, records: Vec<T>) -> Result<(), SinkError> {
        self.0.lock().expect("no test panics here").extend(records);
        Ok(())
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Results {
    minutes: Vec<Minute>,
    visits: Vec<(String, u64)>,
    all_shops: Vec<(i64, u64)>,
    pairs: Vec<(Sale, Sale)>,
    odd: BTreeMap<String, u64>,
}

#[derive(Clone, Default)]
struct Sinks {
    minutes: Gather<Minute>,
    visits: Gather<(String, u64)>,
    all_shops: Gather<(i64, u64)>,
    pairs: Gather<(Sale, Sale)>,
    odd: Gather<(String, u64)>,
}

impl Sinks {
    fn results(&self) -> Results {
        Results {
            minutes: self.minutes.sorted(),
            visits: self.visits.sorted(),
            all_shops: self.all_shops.sorted(),
            pairs: self.pairs.sorted(),
            // Of a running count the last is the largest.
            odd: self.odd.sorted().into_iter().collect(),
        }
    }
}

fn job(sinks: &Sinks) -> Job<Shops> {
    let Sinks { minutes, visits, all_shops, pairs, odd } = sinks.clone();
    Job::new(Shops::default())
        .source("sales", TILLS, |partition| sources::iter(till(partition as u64)))
        .sink("minutes", move || minutes.clone())
        .sink("visits", move || visits.clone())
        .sink("all_shops", move || all_shops.clone())
        .sink("pairs", move || pairs.clone())
        .sink("odd", move || odd.clone())
        .let_go("late")
}

/// The embedded host reads one source: the tills in turns, by time.
async fn embedded() -> Results {
    let sinks = Sinks::default();
    let tills: Vec<Vec<Sale>> = (0..TILLS).map(|number| till(number as u64)).collect();
    let all =
        (0..tills[0].len()).flat_map(move |n| tills.iter().map(|till| till[n].clone()).collect::<Vec<_>>());
    let mut handle = Shops::default()
        .builder()
        .shards(2)
        .sales_from(sources::iter(all.collect::<Vec<_>>()))
        .minutes_to(sinks.minutes.clone())
        .visits_to(sinks.visits.clone())
        .all_shops_to(sinks.all_shops.clone())
        .pairs_to(sinks.pairs.clone())
        .odd_to(sinks.odd.clone())
        .spawn()
        .expect("the flow starts");
    drop(handle.late.take());
    handle.finish().await.expect("the flow drains");
    sinks.results()
}

#[tokio::test]
async fn any_number_of_workers_gives_what_the_embedded_host_gives() {
    let expected = embedded().await;
    assert!(expected.minutes.len() > 300 && expected.pairs.len() > 1000, "there is something to compare");
    for workers in [1, 2, 3, 4] {
        let results = tokio::task::spawn_blocking(move || {
            let sinks = Sinks::default();
            job(&sinks).run_here(workers).expect("the flow drains");
            sinks.results()
        });
        let results = results.await.expect("no worker panics");
        assert!(results == expected, "{workers} workers");
    }
}

#[test]
fn a_port_that_nothing_is_attached_to_is_named() {
    let error = Job::new(Shops::default()).let_go("late").run_here(2).expect_err("nothing feeds it");
    assert!(matches!(error, ClusterError::Start(_)));
    assert_eq!(
        error.to_string(),
        "flow `Shops` cannot start on several workers: nothing feeds the input `sales`: give it a source"
    );
}

#[tokio::test]
async fn several_processes_give_what_the_embedded_host_gives() {
    let expected = embedded().await;
    for (processes, workers) in [(2, 1), (3, 1), (2, 2), (3, 2)] {
        let results = tokio::task::spawn_blocking(move || {
            let sinks = Sinks::default();
            together(processes, workers, || job(&sinks));
            sinks.results()
        });
        let results = results.await.expect("no process panics");
        assert!(results == expected, "{processes} processes of {workers} workers");
    }
}

/// A record that cannot be written down.
struct Opaque;

dataflow! {
    flow Locked {
        input sales: Sale;
        locked = sales -> map(|s| (s.shop, Opaque));
        first = locked -> key_by(shop: String = |(shop, _)| shop.clone())
            -> stateful(u64) {
                state { seen: u64 = 0 } keep forever;
                |state, _record, out| {
                    state.seen += 1;
                    out.emit(state.seen);
                }
            };
        output first: u64;
    }
}

#[test]
fn records_that_are_no_data_go_wherever_they_need_not_cross() {
    let first = Gather::<u64>::default();
    let job = Job::new(Locked).source("sales", 1, |_| sources::iter(till(1)));
    let to = first.clone();
    job.sink("first", move || to.clone()).run_here(3).expect("nothing leaves the process");
    assert_eq!(first.sorted().len(), till(1).len());
}

dataflow! {
    /// Its records are data that can be written, and not be read.
    flow Lent {
        input sales: Sale;
        output kinds: &'static str = sales -> map(|s| if s.cents > 500 { "large" } else { "small" });
    }
}

#[test]
fn records_that_are_lent_for_ever_stay_in_their_process() {
    let kinds = Gather::<&'static str>::default();
    let to = kinds.clone();
    let job = Job::new(Lent).source("sales", 2, |_| sources::iter(till(1)));
    job.sink("kinds", move || to.clone()).run_here(2).expect("nothing leaves the process");
    assert_eq!(kinds.sorted().len(), 2 * till(1).len());
}

dataflow! {
    flow Broken {
        input sales: Sale;
        output shops: String = sales -> map(|s| {
            assert!(s.cents != 500, "half a coin");
            s.shop
        });
    }
}

#[test]
fn a_panic_in_a_closure_ends_the_flow_with_the_name_of_its_node() {
    let shops = Gather::<String>::default();
    let job = Job::new(Broken).source("sales", TILLS, |partition| sources::iter(till(partition as u64)));
    let error = job.sink("shops", move || shops.clone()).run_here(3).expect_err("it panics");
    assert_eq!(error.to_string(), "flow `Broken` ended: the closure of node `shops` panicked: half a coin");
}
