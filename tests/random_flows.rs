//! Flows out of all operators, drawn at random, against an interpreter that is obviously right.
//!
//! A flow is compiled, so it cannot be drawn when the test runs: `random_flows/flows.rs` holds the text of those that some
//! seeds give, and a test makes sure that it is that. Their plans are drawn anew from the seeds.

#[path = "support/cases.rs"]
#[allow(dead_code)]
mod cases;
#[path = "support/events.rs"]
#[allow(dead_code)]
mod events;
#[rustfmt::skip]
#[path = "random_flows/flows.rs"]
mod flows;
#[path = "support/interpreter.rs"]
mod interpreter;
#[path = "support/plan.rs"]
mod plan;
#[path = "support/random_flows.rs"]
mod random_flows;

use cases::cases;
use events::Feeding;
use interpreter::evaluate;
use plan::{Op, Order, Plan, Rec, Reduce};
use proptest::prelude::*;
use proptest::test_runner::{TestCaseResult, TestRunner};
use random_flows::{LATENESS, file, outputs, plan, text};
use std::collections::BTreeMap;
use std::ops::Range;

/// One for each flow. Others give other flows: write them anew then.
const SEEDS: Range<u64> = 2354..2380;

/// What came out of each node that is led out.
type Outcome = Vec<(usize, Vec<Rec>)>;

/// A flow that runs to its end, fed in so many rounds.
pub(crate) type Run = fn(&Feeding, usize, &Inputs) -> Outcome;

/// The records of the two inputs, in the order of arrival.
type Inputs = [Vec<Rec>; 2];

/// `runs! { run = Flow => 3 n3_to, .. }` makes a [`Run`].
#[macro_export]
macro_rules! runs {
    ($run:ident = $flow:ident => $($place:literal $to:ident,)+) => {
        fn $run(feeding: &$crate::events::Feeding, rounds: usize, inputs: &[Vec<Rec>; 2]) -> Vec<(usize, Vec<Rec>)> {
            let flow =
                $flow.builder().shards(feeding.shards).capacity(feeding.capacity).batch_limit(feeding.batch_limit);
            $(let $to = $crate::events::Gather::default(); let flow = flow.$to($to.clone());)+
            let (handle, mut inline) = flow.inline().unwrap();
            $crate::feed(feeding, rounds, &mut inline, [&handle.left, &handle.right], inputs);
            inline.block_on(handle.finish()).unwrap();
            vec![$(($place, $to.take()),)+]
        }
    };
}

/// Feeds both inputs in turn, the same share of their records each time.
fn feed(
    feeding: &Feeding,
    rounds: usize,
    inline: &mut psdf::Inline,
    to: [&psdf::Input<Rec>; 2],
    inputs: &Inputs,
) {
    for round in 0..rounds {
        for (to, records) in to.iter().zip(inputs) {
            let share = |round| records.len() * round / rounds;
            feeding.feed(inline, to, &records[share(round)..share(round + 1)]);
        }
    }
}

/// A record, and for how long it was held up on its two ways.
type Drawn = (Rec, [i64; 2]);

/// Records, at most as much out of order as the flows allow for at the inputs.
fn drawn(most: usize) -> impl Strategy<Value = [Vec<Drawn>; 2]> {
    let of = move |lateness: i64| {
        let record = (0u8..4, -40i64..160, -5i64..20).prop_map(|(key, at, value)| Rec { key, at, value });
        prop::collection::vec((record, [0..=lateness, 0..=lateness]), 0..most)
    };
    LATENESS.map(of)
}

fn arrived(drawn: &[Vec<Drawn>; 2], way: usize) -> Inputs {
    [0, 1].map(|side| {
        let mut records = drawn[side].clone();
        records.sort_by_key(|(record, held_up)| record.at + held_up[way]);
        records.into_iter().map(|(record, _)| record).collect()
    })
}

/// What is promised of the records that come out of a node.
fn promised(plan: &Plan, place: usize, mut records: Vec<Rec>) -> Vec<Rec> {
    let node = &plan.nodes[place];
    if node.last_of_key {
        return records
            .into_iter()
            .map(|record| (record.key, record))
            .collect::<BTreeMap<_, _>>()
            .into_values()
            .collect();
    }
    match node.order {
        Order::Sent => {}
        Order::OfKey => records.sort_by_key(|record| record.key),
        Order::Unknown => records.sort(),
    }
    records
}

fn outcome(plan: &Plan, outcome: Outcome) -> BTreeMap<usize, Vec<Rec>> {
    outcome.into_iter().map(|(place, records)| (place, promised(plan, place, records))).collect()
}

/// Whether what a node gives hangs on the order of arrival among records of different times.
fn goes_by_arrival(plan: &Plan, place: usize) -> bool {
    let node = &plan.nodes[place];
    let reduces_in_order = |reduce: &Reduce| matches!(reduce, Reduce::Fold);
    let itself = match &node.op {
        Op::CountWindow { .. } | Op::Stateful { .. } | Op::Dedup { .. } | Op::Latest { .. } => true,
        Op::Window { reduce, .. } | Op::Running { reduce, .. } => reduces_in_order(reduce),
        _ => false,
    };
    itself || node.from.iter().any(|from| goes_by_arrival(plan, *from))
}

/// Tries a property on so many drawn inputs and feedings for each flow; a case that fails is shown with its flow.
fn for_each_flow<S: Strategy>(
    most: u32,
    strategy: S,
    property: impl Fn(u64, &Plan, Run, S::Value) -> TestCaseResult,
) {
    for (seed, run) in SEEDS.zip(flows::RUNS) {
        let plan = plan(seed);
        let tested = TestRunner::new(cases(most)).run(&strategy, |value| property(seed, &plan, *run, value));
        if let Err(failed) = tested {
            panic!("{}\n{failed}", text(&format!("F{seed}"), &plan));
        }
    }
}

#[test]
fn the_flows_are_those_of_their_seeds() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/random_flows/flows.rs");
    if std::env::var_os("PSDF_WRITE").is_some() {
        std::fs::write(path, file(SEEDS)).unwrap();
    }
    assert!(std::fs::read_to_string(path).unwrap() == file(SEEDS), "write it anew, with `PSDF_WRITE=1`");
}

/// So that the seeds are not ones that leave something out.
#[test]
fn every_operator_stands_in_some_flow() {
    let flows = file(SEEDS);
    let forms = [
        "map(",
        "filter(",
        "filter_map(",
        "flat_map(",
        "inspect(",
        "try_map(",
        "map_async(",
        ", ordered",
        ", unordered",
        "event_time(",
        "key_by(",
        "route {",
        "merge(",
        "Sums(",
        "-> tumbling(",
        "-> hopping(",
        "-> session(",
        " us, early every",
        " allow ",
        "count_window(",
        "aggregate {",
        "-> fold(",
        "-> top(",
        "us keep forever",
        "keep 1000 us",
        "stateful(",
        "on timer",
        "dedup keep",
        "latest keep",
        "-> join(",
        "-> left_join(",
        "-> full_join(",
        ", within",
        ", until",
        ") keep",
        ", keep forever)",
        "-> lookup(",
        "count()",
        "sum(",
        "min(",
        "max(",
        "mean(",
        "first(",
        "last(|",
        "distinct(",
        "approx_distinct(",
        "collect(",
        "= top(",
        "= fold(",
        "Spread(",
        ", where",
        "us) -> join(",
        "us) -> left_join(",
        "us) -> full_join(",
    ];
    let missing: Vec<&str> = forms.into_iter().filter(|form| !flows.contains(form)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn every_flow_gives_what_the_interpreter_says() {
    let strategy = (drawn(50), 1usize..6, Feeding::any());
    for_each_flow(20, strategy, |_, plan, run, (drawn, rounds, feeding)| {
        let inputs = arrived(&drawn, 0);
        let expected = evaluate(plan, [&inputs[0], &inputs[1]]);
        let seen = outcome(plan, run(&feeding, rounds, &inputs));
        for place in outputs(plan) {
            let expected = promised(plan, place, expected[place].clone());
            prop_assert_eq!(&seen[&place], &expected, "n{} of {:?}", place, plan.nodes[place]);
        }
        Ok(())
    });
}

#[test]
fn splitting_batches_and_adding_shards_changes_nothing() {
    let strategy = (drawn(50), 1usize..6, 1usize..6, Feeding::any(), Feeding::any());
    for_each_flow(5, strategy, |_, plan, run, (drawn, rounds, other_rounds, feeding, mut other)| {
        other.shards = feeding.shards + 1;
        let inputs = arrived(&drawn, 0);
        let seen = outcome(plan, run(&feeding, rounds, &inputs));
        prop_assert_eq!(seen, outcome(plan, run(&other, other_rounds, &inputs)));
        Ok(())
    });
}

#[test]
fn permuting_records_within_the_lateness_changes_nothing() {
    let strategy = (drawn(50), 1usize..6, Feeding::any());
    for_each_flow(5, strategy, |_, plan, run, (mut drawn, rounds, feeding)| {
        // Equal times go by arrival, as they should.
        for records in &mut drawn {
            records.sort_by_key(|(record, _)| record.at);
            records.dedup_by_key(|(record, _)| record.at);
        }
        let [mut seen, mut permuted] =
            [0, 1].map(|way| outcome(plan, run(&feeding, rounds, &arrived(&drawn, way))));
        for seen in [&mut seen, &mut permuted] {
            seen.retain(|place, _| !goes_by_arrival(plan, *place));
            seen.values_mut().for_each(|records| records.sort());
        }
        prop_assert_eq!(seen, permuted);
        Ok(())
    });
}
