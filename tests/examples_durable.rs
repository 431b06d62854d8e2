//! The small examples that hold state, as durable flows: killed anywhere and started again with other shards, each gives
//! what it gives undisturbed.
#![allow(dead_code, unreachable_pub, reason = "the examples use what their tests do not")]

#[path = "../examples/dedup.rs"]
mod dedup;
#[path = "../examples/enrichment.rs"]
mod enrichment;
#[path = "../examples/flow_in_flow.rs"]
mod flow_in_flow;
#[path = "../examples/generic_flow.rs"]
mod generic_flow;
#[path = "../examples/interval_join.rs"]
mod interval_join;
#[path = "../examples/late_data.rs"]
mod late_data;
#[path = "../examples/own_aggregate.rs"]
mod own_aggregate;
#[path = "../examples/sessions.rs"]
mod sessions;
#[path = "../examples/top_k.rs"]
mod top_k;
#[path = "../examples/word_count.rs"]
mod word_count;

use psdf::Flow;
use psdf::testing::{Rng, Simulated, Simulation, simulate};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Debug;

const RECORDS: i64 = 400;

/// All that an output gave, in an order of its own.
fn all<T: Clone + Debug + Send + 'static>(outcome: &Simulated, output: &str) -> String {
    let mut given: Vec<String> =
        outcome.output::<T>(output).iter().map(|record| format!("{record:?}")).collect();
    given.sort();
    given.join("\n")
}

/// The last that it gave of each key.
fn last<T: Clone + Debug + Send + 'static, K: Ord + Debug>(
    outcome: &Simulated,
    output: &str,
    key: impl Fn(&T) -> K,
) -> String {
    let given = outcome.output::<T>(output);
    format!("{:#?}", given.iter().map(|record| (key(record), record)).collect::<BTreeMap<K, &T>>())
}

fn survives<F: Flow>(simulation: impl Fn() -> Simulation<F>, result: impl Fn(&Simulated) -> String) {
    let expected = RefCell::new(String::new());
    simulation().seeds(0..1).shards(1..2).check(|outcome| *expected.borrow_mut() = result(outcome));
    let expected = expected.into_inner();
    assert!(expected.lines().count() > 5, "something comes out:\n{expected}");
    let crashes = RefCell::new(0);
    simulation().seeds(0..20).crash_anywhere().check(|outcome| {
        *crashes.borrow_mut() += outcome.crashes;
        let given = result(outcome);
        assert!(given == expected, "it gives\n{given}\nand undisturbed\n{expected}");
    });
    assert!(*crashes.borrow() > 0, "the flow was killed");
}

/// Made by a function from the number of the record and random numbers, always the same.
fn records<T>(make: impl Fn(i64, &mut Rng) -> T) -> Vec<T> {
    let mut rng = Rng::new(7);
    (0..RECORDS).map(|n| make(n, &mut rng)).collect()
}

#[test]
fn words_are_counted() {
    let lines = records(|_, rng| format!("{} b {}", rng.below(9), rng.below(30)));
    survives(
        || {
            simulate(|| word_count::WordCount)
                .input("lines", lines.clone())
                .collect::<word_count::word_count::Counts>("counts")
        },
        |outcome| last(outcome, "counts", |count: &word_count::word_count::Counts| count.word.clone()),
    );
}

#[test]
fn hours_fire_again_for_what_is_late_and_allowed() {
    // At most an hour late.
    let readings = records(|n, rng| (rng.below(3) as u32, 3 * n - rng.below(60) as i64, 1 + rng.below(9)));
    survives(
        || {
            simulate(|| late_data::Readings)
                .input("readings", readings.clone())
                .collect::<late_data::readings::Hourly>("hourly")
        },
        |outcome| last(outcome, "hourly", |hour: &late_data::readings::Hourly| (hour.meter, hour.window)),
    );
}

#[test]
fn payments_are_taken_once() {
    let payment =
        |n, rng: &mut Rng| dedup::Payment { id: rng.below(50), second: 60 * n, cents: 100 + n as u64 };
    let payments = records(payment);
    survives(
        || simulate(|| dedup::Payments).input("payments", payments.clone()).collect::<dedup::Payment>("once"),
        |outcome| all::<dedup::Payment>(outcome, "once"),
    );
}

#[test]
fn orders_get_the_rate_of_their_time() {
    let currency = |rng: &mut Rng| ["USD", "CHF", "SEK"][rng.place(3)].to_owned();
    let orders = records(|n, rng| enrichment::Order {
        second: 7 * n - rng.below(10) as i64,
        currency: currency(rng),
        amount: n as f64,
    });
    // No two of a currency at one time: the later to arrive would hold.
    let rates = records(|n, rng| enrichment::Rate {
        second: 20 * n + rng.below(20) as i64,
        currency: currency(rng),
        euros: 0.5 + n as f64 / 1024.0,
    });
    survives(
        || {
            simulate(|| enrichment::Exchange)
                .input("orders", orders.clone())
                .input("rates", rates.clone())
                .collect::<(i64, Option<f64>)>("priced")
        },
        |outcome| all::<(i64, Option<f64>)>(outcome, "priced"),
    );
}

#[test]
fn orders_meet_their_payments() {
    type Settled = (interval_join::Order, Option<interval_join::Payment>);
    let orders =
        records(|n, rng| interval_join::Order { id: n as u64, minute: n - rng.below(5) as i64, cents: 100 });
    let payments = records(|n, rng| interval_join::Payment {
        order: (n as u64 + rng.below(20)).saturating_sub(10),
        minute: n + rng.below(5) as i64,
        cents: 50 * (1 + rng.below(2)),
    });
    survives(
        || {
            simulate(|| interval_join::Payments)
                .input("orders", orders.clone())
                .input("payments", payments.clone())
                .collect::<Settled>("paid")
                .collect::<Settled>("open")
        },
        |outcome| [all::<Settled>(outcome, "paid"), all::<Settled>(outcome, "open")].join("\n\n"),
    );
}

#[test]
fn prices_are_weighted() {
    let trades = records(|n, rng| own_aggregate::Trade {
        second: 100 * n - rng.below(60) as i64,
        stock: format!("S{}", rng.below(4)),
        shares: (1 + rng.below(2000)) as f64,
        price: (1 + rng.below(100)) as f64,
    });
    survives(
        || {
            simulate(|| own_aggregate::Prices)
                .input("trades", trades.clone())
                .collect::<own_aggregate::prices::Hourly>("hourly")
        },
        |outcome| all::<own_aggregate::prices::Hourly>(outcome, "hourly"),
    );
}

#[test]
fn visits_end_after_a_pause() {
    let clicks = records(|n, rng| sessions::Click {
        visitor: ["ann", "bob", "eve", "joe", "kim", "lea"][rng.place(6)],
        minute: 6 * n - rng.below(5) as i64,
        page: ["/a", "/b"][rng.place(2)],
    });
    survives(
        || {
            simulate(|| sessions::Visits)
                .input("clicks", clicks.clone())
                .collect::<sessions::visits::Visits>("visits")
        },
        |outcome| all::<sessions::visits::Visits>(outcome, "visits"),
    );
}

#[test]
fn shops_keep_their_dearest_sales() {
    let sales = records(|n, rng| top_k::Sale {
        shop: rng.below(3) as u32,
        minute: 2 * n,
        article: format!("a{n}"),
        cents: 100 * rng.below(40),
    });
    survives(
        || {
            simulate(|| top_k::Shops)
                .input("sales", sales.clone())
                .collect::<top_k::shops::Hourly>("hourly")
                .collect::<top_k::shops::Best>("best")
        },
        |outcome| {
            let best = last(outcome, "best", |best: &top_k::shops::Best| best.shop);
            all::<top_k::shops::Hourly>(outcome, "hourly") + &best
        },
    );
}

#[test]
fn often_traded_shares_are_told() {
    let quotes = records(|n, rng| generic_flow::Quote {
        share: ["A", "B", "C", "D"][rng.place(4)],
        cents: 90 + rng.below(90),
        at: 5 * n - rng.below(10) as i64,
    });
    survives(
        || {
            simulate(generic_flow::Traded::default)
                .input("quotes", quotes.clone())
                .collect::<(String, u64)>("often")
        },
        |outcome| all::<(String, u64)>(outcome, "often"),
    );
}

#[test]
fn flows_inside_a_flow_keep_what_they_know() {
    let lines = |name: &'static str| {
        records(move |n, rng| -> &'static str {
            format!("{name}{} {} {}", rng.below(4), 9 * n - rng.below(10) as i64, rng.below(120)).leak()
        })
    };
    let (office, foundry) = (lines("desk"), lines("oven"));
    survives(
        || {
            simulate(|| flow_in_flow::Sites)
                .input("office", office.clone())
                .input("foundry", foundry.clone())
                .collect::<flow_in_flow::sites::Hottest>("hottest")
        },
        |outcome| last(outcome, "hottest", |hot: &flow_in_flow::sites::Hottest| hot.sensor.clone()),
    );
}
