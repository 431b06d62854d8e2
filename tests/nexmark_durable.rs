//! Every Nexmark query as a durable flow: killed anywhere and started again with other shards, it gives what it gives
//! undisturbed. (Not q12, whose windows go by the clock on the wall, nor q10, which is its sink, nor q2, which gives nothing of so
//! few.)
#![allow(dead_code, reason = "the example uses what its tests do not")]

#[path = "../examples/nexmark/tables/bids.rs"]
mod bids;
#[path = "../examples/nexmark/calendar.rs"]
mod calendar;
#[path = "../examples/nexmark/closed.rs"]
mod closed;
#[path = "../examples/nexmark/csv.rs"]
mod csv;
#[path = "../examples/nexmark/digits.rs"]
mod digits;
#[path = "../examples/nexmark/event.rs"]
mod event;
#[path = "../examples/nexmark/generate.rs"]
mod generate;
#[path = "../examples/nexmark/tables/joins.rs"]
mod joins;
#[path = "../examples/nexmark/money.rs"]
mod money;
#[path = "../examples/nexmark/rank.rs"]
mod rank;
#[path = "../examples/nexmark/tables/tops.rs"]
mod tops;
#[path = "../examples/nexmark/tables/windows.rs"]
mod windows;

#[path = "../examples/nexmark/q0.rs"]
mod q0;
#[path = "../examples/nexmark/q1.rs"]
mod q1;
#[path = "../examples/nexmark/q11.rs"]
mod q11;
#[path = "../examples/nexmark/q12.rs"]
mod q12;
#[path = "../examples/nexmark/q13.rs"]
mod q13;
#[path = "../examples/nexmark/q14.rs"]
mod q14;
#[path = "../examples/nexmark/q15.rs"]
mod q15;
#[path = "../examples/nexmark/q16.rs"]
mod q16;
#[path = "../examples/nexmark/q17.rs"]
mod q17;
#[path = "../examples/nexmark/q18.rs"]
mod q18;
#[path = "../examples/nexmark/q19.rs"]
mod q19;
#[path = "../examples/nexmark/q2.rs"]
mod q2;
#[path = "../examples/nexmark/q20.rs"]
mod q20;
#[path = "../examples/nexmark/q21.rs"]
mod q21;
#[path = "../examples/nexmark/q22.rs"]
mod q22;
#[path = "../examples/nexmark/q3.rs"]
mod q3;
#[path = "../examples/nexmark/q4.rs"]
mod q4;
#[path = "../examples/nexmark/q5.rs"]
mod q5;
#[path = "../examples/nexmark/q6.rs"]
mod q6;
#[path = "../examples/nexmark/q7.rs"]
mod q7;
#[path = "../examples/nexmark/q8.rs"]
mod q8;
#[path = "../examples/nexmark/q9.rs"]
mod q9;

use csv::Table;
use psdf::testing::simulate;
use psdf::{Flow, testing::Simulation};
use std::path::PathBuf;

/// The results as the example writes them: of those that change, the last.
fn written<Q: Table>(rows: Vec<Q::Row>, name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("nexmark-durable-{name}.csv"));
    csv::write::<Q>(rows, &path).expect("the directory of tests can be written");
    let mut lines: Vec<String> =
        std::fs::read_to_string(&path).expect("it was just written").lines().map(str::to_owned).collect();
    // Rows of one place may stand in any order.
    lines.sort();
    lines.join("\n")
}

fn survives<Q: Flow + Table>(
    make: fn() -> Q,
    name: &str,
    output: &str,
    more: fn(Simulation<Q>) -> Simulation<Q>,
) where
    Q::Row: Clone,
{
    // Slow enough that windows of seconds close, and days do not.
    let events: Vec<event::Event> = generate::events(1_500, 50).collect();
    let simulation = || more(simulate(make).input("events", events.clone())).collect::<Q::Row>(output);
    let expected = std::cell::RefCell::new(String::new());
    simulation().seeds(0..1).shards(1..2).check(|outcome| {
        *expected.borrow_mut() = written::<Q>(outcome.output(output), name);
    });
    let expected = expected.into_inner();
    assert!(expected.lines().count() > 1, "{name} gives something");
    simulation().seeds(0..4).crash_anywhere().check(|outcome| {
        assert!(written::<Q>(outcome.output(output), name) == expected, "{name} gives something else");
    });
}

macro_rules! survive {
    ($($name:ident: $flow:ident . $output:ident $(, $side:expr)?;)*) => {
        $(#[test]
        fn $name() {
            #[allow(unused_variables, unused_mut)]
            survives(
                || $name::$flow,
                stringify!($name),
                stringify!($output),
                |mut simulation| {
                    $(simulation = simulation.input("side", $side);)?
                    simulation
                },
            );
        })*
    };
}

survive! {
    q0: Q0.bids;
    q1: Q1.bids;
    q3: Q3.sales;
    q4: Q4.prices;
    q5: Q5.hot;
    q6: Q6.recent;
    q7: Q7.winners;
    q8: Q8.newcomers;
    q9: Q9.winners;
    q11: Q11.sessions;
    q13: Q13.bids, (1_000..1_300).map(|key| q13::Side { key, value: key.to_string() }).collect::<Vec<_>>();
    q14: Q14.bids;
    q15: Q15.days;
    q16: Q16.days;
    q17: Q17.days;
    q18: Q18.bids;
    q19: Q19.highest;
    q20: Q20.bids;
    q21: Q21.bids;
    q22: Q22.bids;
}
