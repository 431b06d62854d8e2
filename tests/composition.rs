//! Flows that stand in others.

use psdf::graph::NodeKind;
use psdf::{FlowError, Inline, Timestamp, Window, dataflow};
use std::time::Duration;

mod parts {
    use super::*;

    dataflow! {
        /// Adds something to numbers, and tells large ones apart.
        pub flow Adder {
            param more: u64;
            input numbers: u64;
            sums = numbers -> map(|n| n + more);
            sums -> route { large: |n| *n >= 100 } else small;
            output large: u64;
            output small: u64;
        }

        /// Counts words in minutes of event time.
        #[derive(Debug)]
        pub flow Counter {
            param shout: bool = false;
            input words: (i64, String);
            counts = words
                -> event_time(|w| Timestamp::from_secs(w.0), lateness 10 s)
                -> filter(|w| assert_no_bang(&w.1))
                -> key_by(word: String = |w| if shout { w.1.to_uppercase() } else { w.1.clone() })
                -> tumbling(1 min)
                -> aggregate { n: u64 = count() };
            output counts;
        }
    }

    fn assert_no_bang(word: &str) -> bool {
        assert!(!word.contains('!'), "a bang");
        true
    }
}

dataflow! {
    flow Outer {
        param more: u64 = 90;
        input numbers: u64;
        input others: u64;

        tens = numbers -> map(|n| n * 10);
        adder = parts::Adder { more: more }(numbers = tens);
        twice = parts::Adder { more: more + 1 }(numbers = adder.small).large;
        all = merge(adder.large, twice, others);

        output all: u64;
    }
}

#[test]
fn a_flow_stands_in_another_and_another_of_its_kind_beside_it() {
    let (flow, mut inline): (_, Inline) = Outer::default().builder().inline().unwrap();
    inline.block_on(flow.numbers.send_batch(vec![0, 1, 2])).unwrap();
    inline.block_on(flow.others.send(7)).unwrap();
    let mut all = inline.block_on(flow.finish()).unwrap().all;
    all.sort_unstable();
    // 90 is small, and 181 the second time; 100 and 110 are large at once.
    assert_eq!(all, [7, 100, 110, 181]);
}

#[test]
fn the_graph_tells_of_the_flows_inside() {
    let graph = Outer::GRAPH;
    let names: Vec<_> = graph.subflows.iter().map(|subflow| (subflow.name, subflow.graph.flow)).collect();
    assert_eq!(names, [("adder", "Adder"), ("adder_2", "Adder")]);
    let large = graph.node("adder.large").expect("it is read");
    assert_eq!((large.kind, large.operators), (NodeKind::Flow, &["parts::Adder"][..]));
    assert_eq!(graph.nodes[large.reads[0]].name, "tens");
    assert!(graph.to_mermaid().contains("adder.large"));
    assert!(graph.to_dot().contains("adder.large"));
}

dataflow! {
    flow Busiest {
        input words: (i64, String);
        minutes = parts::Counter { shout: true }(words = words);
        // No lateness: the watermark is that of the flow inside.
        busiest = minutes.counts
            -> event_time(|c| c.window.last())
            -> key_by(all: () = |_| ())
            -> tumbling(1 min) else late
            -> aggregate { most: u64 = max(|c| c.n), words: u64 = count() };
        output busiest;
        output late: psdf::Late<parts::counter::Counts>;
    }
}

fn words(of: &[(i64, &str)]) -> Vec<(i64, String)> {
    of.iter().map(|&(at, word)| (at, word.to_string())).collect()
}

#[test]
fn a_watermark_goes_on_through_a_flow_inside() {
    for (shards, limit) in [(1, 4096), (1, 1), (2, 2), (4, 1), (4, 4096)] {
        let builder = Busiest.builder().shards(shards).batch_limit(limit).capacity(1);
        let (mut flow, mut inline) = builder.inline().unwrap();
        let input =
            words(&[(5, "a"), (70, "b"), (65, "b"), (10, "late"), (61, "c"), (8, "lost"), (200, "d")]);
        let sender = flow.words.clone();
        inline.block_on(async move { sender.send_batch(input).await }).unwrap();
        inline.run();
        let first = flow.busiest.next_now().expect("the first minute is over, inside and outside");
        assert_eq!((first.window, first.most, first.words), (minute(0), 1, 1));
        let unread = inline.block_on(flow.finish()).unwrap();
        let rest: Vec<_> = unread.busiest.iter().map(|m| (m.window, m.most, m.words)).collect();
        assert_eq!(rest, [(minute(1), 2, 2), (minute(3), 1, 1)], "{shards} shards, batches of {limit}");
        assert_eq!(unread.late.len(), 0);
    }
}

fn minute(n: i64) -> Window {
    Window { start: Timestamp::from_secs(60 * n), end: Timestamp::from_secs(60 * (n + 1)) }
}

#[test]
fn counts_and_panics_inside_bear_the_names_that_lead_there() {
    let (flow, mut inline) = Busiest.builder().inline().unwrap();
    inline.block_on(flow.words.send_batch(words(&[(500, "a"), (1, "late")]))).unwrap();
    inline.run();
    let late: Vec<_> = flow.control.counts().into_iter().filter(|counts| counts.late > 0).collect();
    assert_eq!(
        late.iter().map(|counts| (counts.node, counts.late)).collect::<Vec<_>>(),
        [("minutes.counts", 1)]
    );
    inline.block_on(flow.words.send_batch(words(&[(500, "bang!")]))).unwrap();
    match inline.block_on(flow.finish()) {
        Err(FlowError::Panicked { flow, node, message }) => {
            assert_eq!((flow, node, message.as_str()), ("Busiest", "minutes.counts", "a bang"));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_flow_inside_slows_whoever_feeds_it() {
    let (flow, mut inline) = Outer::default().builder().capacity(1).batch_limit(1).inline().unwrap();
    let mut sent = 0;
    while flow.numbers.try_send(1).is_ok() {
        sent += 1;
        inline.run();
        assert!(sent < 100, "nobody reads, so this must fill up");
    }
    assert_eq!(inline.block_on(flow.finish()).unwrap().all.len(), sent);
}

mod three_levels {
    use super::*;

    dataflow! {
        pub flow Inmost { input n: u64; half = n -> map(|n| n / 2); output half: u64; }
        pub flow Middle { input n: u64; output quarter: u64 = Inmost(n = Inmost(n = n).half).half -> inspect(|n| assert!(*n < 9)); }
        pub flow Outmost { input n: u64; m = Middle(n = n); output eighth: u64 = Inmost(n = m.quarter).half; }
    }

    #[test]
    fn flows_stand_in_flows_that_stand_in_flows() {
        let (flow, mut inline) = Outmost.builder().inline().unwrap();
        inline.block_on(flow.n.send_batch(vec![8, 32])).unwrap();
        inline.run();
        inline.block_on(flow.n.send(64)).unwrap();
        match inline.block_on(flow.finish()) {
            Err(FlowError::Panicked { node, .. }) => assert_eq!(node, "m.quarter"),
            other => panic!("{:?}", other.map(|unread| unread.eighth)),
        }
    }
}

#[tokio::test]
async fn a_flow_inside_runs_on_tokio_and_stops_with_its_outer() {
    let mut flow = Outer::default().builder().shards(2).spawn().unwrap();
    flow.numbers.send_batch((0..1000).collect()).await.unwrap();
    assert!(flow.all.next().await.is_some());
    let dropped = flow.shutdown(Duration::from_secs(60)).await.unwrap();
    assert_eq!(dropped.iter().map(|dropped| dropped.node).collect::<Vec<_>>(), ["all"]);
}

#[test]
fn what_a_node_inside_waits_for_is_explained_by_the_name_that_leads_there() {
    let (flow, mut inline) = Busiest.builder().inline().unwrap();
    inline.block_on(flow.words.send_batch(words(&[(5, "a")]))).unwrap();
    inline.run();
    let why = flow.control.explain("minutes.counts");
    assert!(why.starts_with("`minutes.counts` waits for its watermark"), "{why}");
    assert!(why.contains("`words`"), "{why}");
    let why = flow.control.explain("minutes.count");
    assert!(why.contains("did you mean `minutes.counts`?"), "{why}");
}
