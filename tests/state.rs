//! State is where the graph says, nowhere else, and no more than its bound.

use psdf::graph::{Field, NodeKind};
use psdf::{Inline, Timestamp, dataflow};
use std::mem::size_of;
use std::time::Duration;

dataflow! {
    /// Every operator without memory.
    pub flow Stateless {
        input lines: String;
        input more: String;
        both = merge(lines, more);
        numbers = both -> try_map(|l| l.parse::<u64>()) else failed;
        timed = numbers -> event_time(|n| Timestamp(*n as i64), lateness 1 s);
        spread = timed -> filter(|n| *n > 1) -> flat_map(|n| 0..n) -> filter_map(|n| n.checked_sub(1));
        seen = spread -> inspect(|_| ()) -> map(|n| n + 1);
        seen -> route { even: |n| n % 2 == 0 } else odd;
        output even: u64;
        output odd: u64;
        output failed;
    }
}

dataflow! {
    /// State of every kind.
    pub flow Stateful {
        input numbers: u64;
        timed = numbers -> event_time(|n| Timestamp(*n as i64), lateness 1 s);
        keyed = timed -> key_by(n: u64 = |n| *n);
        counts = keyed -> aggregate { count: u64 = count(), sum: u64 = sum(|n| *n) } keep 1 hour;
        hours = keyed -> tumbling(1 hour) -> aggregate { mean: f64 = mean(|n| *n) };
        folds = keyed -> fold(Vec<u64> = Vec::new(), |all, n| all.push(*n)) keep forever;
        steps = keyed -> stateful(u64) {
            state { first: Option<u64> = None, seen: u32 = 0 } keep 7 days;
            |state, n, out| { state.seen += 1; out.emit(*state.first.get_or_insert(n)) }
        };
        plain = steps -> map(|n| n + 1);
        output counts;
        output hours;
        output folds;
        output plain: u64;
    }
}

#[test]
fn a_stateless_flow_has_no_state_and_no_stage_with_a_key() {
    let graph = Stateless::GRAPH;
    assert!(graph.nodes.iter().all(|node| node.kind != NodeKind::Stateful));
    assert!(
        graph.nodes.iter().all(|node| node.state.is_empty() && node.key.is_empty() && node.bound.is_none())
    );
    assert!(graph.stages.iter().all(|stage| !stage.keyed));
    // What is fused needs no task: there is one for each input and one for the merge.
    assert_eq!(graph.stages.len(), 3);
    assert_eq!(size_of::<Stateless>(), 0);
}

#[test]
fn the_graph_shows_the_state_of_each_node_with_its_bound() {
    let graph = Stateful::GRAPH;
    let state = |name: &str| {
        let node = graph.node(name).unwrap();
        (
            node.kind,
            node.bound,
            node.state.iter().map(|Field { name, ty, .. }| (*name, *ty)).collect::<Vec<_>>(),
        )
    };
    assert_eq!(state("numbers"), (NodeKind::Input, None, vec![]));
    for name in ["timed", "keyed", "plain"] {
        assert_eq!(state(name), (NodeKind::Stateless, None, vec![]), "{name}");
    }
    assert_eq!(
        state("counts"),
        (NodeKind::Stateful, Some("keep 1 hour"), vec![("count", "u64"), ("sum", "u64")])
    );
    assert_eq!(state("hours"), (NodeKind::Stateful, Some("tumbling(1 hour)"), vec![("mean", "f64")]));
    assert_eq!(state("folds"), (NodeKind::Stateful, Some("keep forever"), vec![("value", "Vec<u64>")]));
    let steps = vec![("first", "Option<u64>"), ("seen", "u32")];
    assert_eq!(state("steps"), (NodeKind::Stateful, Some("keep 7 days"), steps));
}

/// Nothing is read, parsed or built when a program starts: this is computed while it is compiled.
#[test]
fn the_graph_is_a_constant() {
    const STATEFUL_NODES: usize = {
        let (nodes, mut stateful, mut i) = (Stateful::GRAPH.nodes, 0, 0);
        while i < nodes.len() {
            if matches!(nodes[i].kind, NodeKind::Stateful) {
                stateful += 1;
            }
            i += 1;
        }
        stateful
    };
    static NAMES: [&str; STATEFUL_NODES] = ["counts", "hours", "folds", "steps"];
    assert!(NAMES.iter().all(|name| Stateful::GRAPH.node(name).is_some_and(|node| !node.state.is_empty())));
}

/// Types of the names that the flows below would generate if every node had state.
mod elsewhere {
    pub(super) struct NumbersState;
    pub(super) struct TimedState;
    pub(super) struct SpreadState;
    pub(super) struct SeenState;
    pub(super) struct KeyedState;
    pub(super) struct PlainState;
}

/// This compiles because each of these names stands for one type: the flows' modules have none of them.
#[test]
fn only_nodes_with_state_have_a_state_struct() {
    mod seen_from_stateless {
        use super::elsewhere::*;
        #[allow(unused_imports)]
        use super::stateless::*;
        pub(super) const NONE: (TimedState, SpreadState, SeenState) = (TimedState, SpreadState, SeenState);
    }
    mod seen_from_stateful {
        use super::elsewhere::*;
        #[allow(unused_imports)]
        use super::stateful::*;
        pub(super) const NONE: (NumbersState, TimedState, KeyedState, PlainState) =
            (NumbersState, TimedState, KeyedState, PlainState);
    }
    assert_eq!(size_of_val(&seen_from_stateless::NONE) + size_of_val(&seen_from_stateful::NONE), 0);
    // And the others are no larger than what they hold.
    assert_eq!(size_of::<stateful::CountsState>(), size_of::<(u64, u64)>());
    assert_eq!(size_of::<stateful::HoursState>(), size_of::<(f64, u64)>());
    assert_eq!(size_of::<stateful::FoldsState>(), size_of::<Vec<u64>>());
    assert_eq!(size_of::<stateful::StepsState>(), size_of::<(Option<u64>, u32)>());
}

#[test]
fn a_stateless_flow_holds_no_key_whatever_it_has_seen() {
    let (mut flow, mut inline) = Stateless.builder().inline().unwrap();
    drop((flow.even.take(), flow.odd.take()));
    for n in 0..100 {
        inline.block_on(flow.lines.send(n.to_string())).unwrap();
        inline.run();
    }
    assert!(flow.control.counts().iter().all(|counts| counts.keys == 0));
}

dataflow! {
    /// Everything that bounds state, over keys that never come again.
    flow Bounded {
        input visits: i64;
        timed = visits -> event_time(|at| Timestamp::from_secs(*at), lateness 10 s);
        keyed = timed -> key_by(visit: i64 = |at| *at);
        kept = keyed -> aggregate { count: u64 = count() } keep 10 min;
        stepped = keyed -> stateful(i64) {
            state { seen: u32 = 0 } keep 10 min; |state, at, out| { state.seen += 1; out.emit(at) }
        };
        timed_out = keyed -> stateful(i64) {
            state { at: i64 = 0 } keep 1 min;
            |state, at, out| { state.at = at; out.set_timer(Timestamp::from_secs(at + 300)) }
            on timer |state, _at, out| { out.emit(state.at) }
        };
        tumbled = keyed -> tumbling(10 min) -> aggregate { count: u64 = count() };
        allowed = keyed -> tumbling(5 min, allow 5 min) -> aggregate { count: u64 = count() };
        hopped = keyed -> hopping(10 min, every 5 min) -> aggregate { count: u64 = count() };
        sessions = keyed -> session(10 min) -> aggregate { count: u64 = count() };
        forever = keyed -> fold(u64 = 0, |n, _| *n += 1) keep forever;
        output kept;
        output stepped;
        output timed_out;
        output tumbled;
        output allowed;
        output hopped;
        output sessions;
        output forever;
    }
}

/// The keys that a node holds.
fn keys(flow: &bounded::Handle, inline: &mut Inline, node: &str) -> u64 {
    inline.run();
    flow.control.counts().into_iter().find(|counts| counts.node == node).expect("there is such a node").keys
}

const BOUNDED: [&str; 7] = ["kept", "stepped", "timed_out", "tumbled", "allowed", "hopped", "sessions"];

#[test]
fn hours_of_keys_that_never_come_again_leave_no_more_than_a_bound_of_them() {
    for shards in [1, 3] {
        let (mut flow, mut inline) = Bounded.builder().shards(shards).inline().unwrap();
        drop((flow.kept.take(), flow.stepped.take(), flow.timed_out.take(), flow.forever.take()));
        drop((flow.tumbled.take(), flow.allowed.take(), flow.hopped.take(), flow.sessions.take()));
        let watch = flow.control.watch();
        let mut most = [0; BOUNDED.len()];
        // A key a second, for three hours.
        for minute in 0..180 {
            inline.block_on(flow.visits.send_batch((minute * 60..(minute + 1) * 60).collect())).unwrap();
            for (node, most) in BOUNDED.iter().zip(&mut most) {
                *most = keys(&flow, &mut inline, node).max(*most);
            }
        }
        // Ten minutes and the lateness, and what came since the watermark moved; two windows where they overlap.
        let bounds = [700, 700, 400, 700, 700, 1300, 700];
        for ((node, most), bound) in BOUNDED.iter().zip(most).zip(bounds) {
            assert!((60..bound).contains(&most), "`{node}` held {most} keys, with {shards} shards");
        }
        assert_eq!(keys(&flow, &mut inline, "forever"), 180 * 60);

        inline.block_on(flow.finish()).unwrap();
        for counts in watch.counts() {
            let left = if counts.node == "forever" { 180 * 60 } else { 0 };
            assert_eq!(counts.keys, left, "`{}` still holds keys at the end", counts.node);
        }
    }
}

#[test]
fn a_key_that_comes_again_is_kept() {
    let (mut flow, mut inline) = Bounded.builder().inline().unwrap();
    drop((flow.stepped.take(), flow.timed_out.take(), flow.forever.take(), flow.sessions.take()));
    drop((flow.tumbled.take(), flow.allowed.take(), flow.hopped.take()));
    // The key `0` comes late each time, but within the lateness.
    let counts: Vec<u64> = (0..20)
        .map(|_| {
            inline.block_on(flow.visits.send(0)).unwrap();
            inline.run();
            flow.kept.next_now().unwrap().count
        })
        .collect();
    assert_eq!(counts, (1..=20).collect::<Vec<_>>());
    assert_eq!(keys(&flow, &mut inline, "kept"), 1);
    inline.advance(Duration::from_secs(3600));
    assert_eq!(keys(&flow, &mut inline, "kept"), 1, "`keep` counts in event time");
}
