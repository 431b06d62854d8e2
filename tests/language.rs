//! What the language lets one write: programs that must compile without a warning, and do what they say.

#![deny(warnings)]

use psdf::{Inline, Timestamp, dataflow};
use serde::{Deserialize, Serialize};
use std::num::ParseIntError;
use std::time::Duration;

/// Sends records into an input, lets the flow drain, and gives what its outputs hold.
macro_rules! run {
    ($flow:expr, $($input:ident: $records:expr),+) => {{
        let (handle, mut inline): (_, Inline) = $flow.builder().inline().unwrap();
        $(inline.block_on(handle.$input.send_batch($records.into_iter().map(Into::into).collect())).unwrap();)+
        inline.block_on(handle.finish()).unwrap()
    }};
}

mod inference {
    use super::*;

    pub struct Order {
        pub at: i64,
        pub items: Vec<(String, u32)>,
    }

    dataflow! {
        // No closure has an annotation: what flows in is known from what stands before it, whatever that is.
        pub flow Inferred {
            input orders: Order;
            input texts: String;

            timed = orders -> event_time(|o| Timestamp::from_secs(o.at), lateness 1 s);
            items = timed -> flat_map(|o| o.items) -> filter(|(_, n)| *n > 0) -> map(|(name, n)| (name, n * 2));
            counts = items
                -> key_by(name: String = |i| i.0.clone())
                -> fold(Vec<u32> = Vec::new(), |seen, i| seen.push(i.1)) keep forever;
            long = counts -> filter_map(|c| c.value.last().copied().map(|last| (c.name, last)));
            names = long -> map(|l| l.0.to_uppercase());

            // A type written at a node is known to the closures before it ...
            numbers: u64 = texts -> filter_map(|t| t.trim().parse().ok());
            // ... as is one written at what `else` names, or some way downstream in the same chain.
            parsed = texts -> try_map(|t| Ok(t.trim().parse()?)) else failed: ParseIntError;
            small: i8 = parsed -> inspect(|n| assert!(*n < 100));
            // Part of a type is enough.
            pairs: Option<_> = small -> map(|n| n.checked_mul(2));
            // A merge knows the type from any of its streams, and so does what follows it.
            sizes = names -> map(|n| n.len() as u64);
            both = merge(numbers, sizes) -> map(|n| n.leading_zeros());
            // Functions by their paths, generic ones too.
            wrapped = numbers -> map(Some) -> filter(Option::is_some) -> filter_map(std::convert::identity);

            output names;
            output failed;
            output pairs: Option<i8>;
            output both: u32;
            output wrapped: u64;
        }
    }
}

#[test]
fn closures_need_no_annotations() {
    let orders = [inference::Order { at: 1, items: vec![("a".into(), 1), ("b".into(), 0), ("a".into(), 3)] }];
    let unread = run!(inference::Inferred, orders: orders, texts: ["7", " 8", "x"]);
    let mut names = unread.names.typed::<String>().unwrap();
    assert_eq!(names.next_now().as_deref(), Some("A"));
    assert_eq!(unread.pairs, [Some(14), Some(16)]);
    assert_eq!(unread.wrapped, [7, 8]);
    assert!(unread.both.contains(&61));
    assert!(unread.failed.len() == 1);
}

mod hygiene {
    use super::*;

    dataflow! {
        // Params, nodes, fields and closures that are called what generated code might call its own.
        pub flow Names {
            param flow: u64 = 1;
            param host: u64 = 2;
            param local: u64 = 3;
            param outs: String = "outs".to_string();
            param state: u64 = 5;
            param key: u64 = 6;
            param record1: u64 = 7;

            input host_in: u64;
            record = host_in -> map(|item| item + flow + host + local);
            record2 = record -> filter(|record| *record > state && outs.len() == 4) -> map(|record1| record1 + key);
            record3 = record2 -> flat_map(|given| [given, record1]);
            out0 = record3
                -> event_time(|at| Timestamp::from_secs(*at as i64), lateness 0 s)
                -> key_by(key: u64 = |record| record % 2)
                -> stateful(u64) {
                    state { state: u64 = record1, record: u64 = 0 }
                    keep forever;
                    |local, outs, out| {
                        let (key, at, watermark, mark, item, input0) = (1, 2, 3, 4, 5, 6);
                        local.record += outs + key + at + watermark + mark + item + input0;
                        out.emit(local.record + local.state + host);
                    }
                };
            payload = out0
                -> key_by(edge0_0: u64 = |payload| payload % 3)
                -> aggregate { state: u64 = sum(|record| *record + flow), at: u64 = max(|input0| *input0) } keep forever;
            output out0;
            output inputs = payload -> map(|function1| function1.state + function1.at + function1.edge0_0);
        }
    }
}

#[test]
fn names_of_the_users_do_not_meet_ours() {
    let unread = run!(hygiene::Names::default(), host_in: [10_u64]);
    // 10 + 1 + 2 + 3 + 6 = 22; then 22 and 7, each with 21 on top.
    assert_eq!(unread.out0, [22 + 21 + 7 + 2, 7 + 21 + 7 + 2]);
}

mod spelling {
    use super::*;

    /// Of the user's.
    #[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
    pub struct Word(pub String);

    dataflow! {
        /** Docs stand everywhere,
            in both forms. */
        #[derive(Clone, Debug)]
        pub(crate) flow Spelt {
            /// On params,
            param delay: Duration = Duration::from_secs(5);
            /// that are expressions in durations too,
            param factor: u32 = 2;
            /// on inputs,
            input r#type: (u64, Word);

            /// on outputs,
            output r#match = last -> map(|n: u64| n + 1);
            /// without a chain too,
            output last: u64;
            output also_last = last;
            output copy = r#type;

            // Nodes may stand in any order; commas may trail; units may touch their number.
            /// on nodes,
            last = three -> map(|(n, _)| n,);
            three: (u64, Word) = merge(second, third, fourth,);
            timed -> route { zero: |(n, _)| *n == 0, } else rest;
            zero -> route { nil: |_| true } else skip;
            second = rest -> filter(|_| true);
            third = nil -> filter(|_| true);
            fourth = r#type -> filter(|_| false);
            timed = r#type -> event_time(|(n, _)| Timestamp::from_secs(*n as i64), lateness delay,);
            counts = timed
                -> key_by(r#fn: u64 = |(n, _)| *n, word: Word = |w| w.1.clone(),)
                -> tumbling((delay * factor), allow 30s,) else r#late
                -> aggregate {
                    /// and on fields.
                    r#struct: u64 = count(),
                    r#enum: Vec<Word,> = collect(|w| w.1.clone(),),
                };
            /// Keyed once, read by several.
            by_word = timed -> key_by(word: Word = |w| w.1.clone());
            hours = by_word -> hopping(10s, every 5 s) -> fold(u64 = 0, |n, _| *n += 1,);
            visits = by_word -> session(1 min) -> aggregate { n: u64 = count(), };
            deep = by_word -> flat_map(|w| vec![w; 2]) -> flat_map(|w| [w.0, 1]) -> flat_map(Some);
            output counts;
            output late;
            output hours;
            output visits;
            output deep;
        }

        flow Nothing {
            input ticks: ();
            output copy = ticks;
        }
    }
}

#[test]
fn what_may_be_written_in_several_ways_means_the_same() {
    let word = |n: u64| (n, spelling::Word(n.to_string()));
    let unread = run!(spelling::Spelt::default(), r#type: [word(0), word(1), word(1)]);
    assert_eq!(unread.last.iter().sum::<u64>(), 2);
    assert_eq!(unread.also_last.len(), 3);
    assert_eq!(unread.copy.len(), 3);
    assert_eq!(unread.counts.iter().map(|count| count.r#struct).sum::<u64>(), 3);
    assert_eq!(unread.visits.len(), 2);
    assert_eq!(unread.hours.iter().map(|hour| hour.value).sum::<u64>(), 6);
    let mut deep = unread.deep.typed::<u64>().unwrap();
    assert_eq!(std::iter::from_fn(|| deep.next_now()).count(), 3 * 2 * 2);
    let names: Vec<&str> = spelling::Spelt::GRAPH.inputs.iter().map(|port| port.name).collect();
    assert_eq!(names, ["type"], "names are shown as they are");
    assert_eq!(run!(spelling::Nothing, ticks: [()]).copy.len(), 1);
}

mod scopes {
    use super::*;

    /// A flow sees what the module around it sees, private or not, by the paths one would write there.
    mod inner {
        use super::*;

        #[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub(super) struct Outer(pub(super) u64);

        pub(super) mod deep {
            #[derive(Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
            struct Private(u64);
            pub(in super::super) struct Handle(pub(in super::super) u64);

            psdf::dataflow! {
                pub(in super::super) flow Deep {
                    input outers: super::Outer;
                    input handles: Handle;
                    privates: self::Private = handles -> map(|h| Private(h.0));
                    by_outer = outers
                        -> key_by(outer: super::Outer = |o| o.clone())
                        -> aggregate { all: Vec<super::Outer> = collect(|o| o.clone()) } keep forever;
                    by_private = privates
                        -> key_by(private: Private = |p| p.clone())
                        -> aggregate { first: self::Private = first(|p| p.clone()) } keep forever;
                    output outer = by_outer -> map(|o| o.outer.0 + o.all.len() as u64);
                    output private = by_private -> map(|p| p.private.0 + p.first.0);
                }
            }
        }
    }

    #[test]
    fn types_are_found_where_the_flow_stands() {
        let flow = inner::deep::Deep;
        let unread = run!(flow, outers: [inner::Outer(1)], handles: [inner::deep::Handle(2)]);
        assert_eq!(unread.outer.typed::<u64>().unwrap().next_now(), Some(2));
        assert_eq!(unread.private.typed::<u64>().unwrap().next_now(), Some(4));
    }

    #[test]
    fn flow_may_stand_in_a_function() {
        dataflow! {
            flow Local {
                input numbers: u64;
                sums = numbers -> key_by(odd: bool = |n| n % 2 == 1) -> aggregate { sum: u64 = sum(|n| *n) } keep forever;
                output sums;
            }
        }
        let unread = run!(Local, numbers: [1_u64, 3]);
        let last: &local::Sums = unread.sums.last().unwrap();
        assert_eq!((last.odd, last.sum), (true, 4));
    }
}

/// The facade under another name, where `psdf` is something else, and so are the names of the prelude.
mod renamed {
    extern crate psdf as streams;

    #[allow(dead_code)]
    mod psdf {}
    #[allow(dead_code)]
    #[derive(Clone)]
    pub struct Option;
    #[allow(dead_code)]
    pub struct Result;
    #[allow(dead_code)]
    pub trait Clone {}
    #[allow(dead_code)]
    pub fn drop() {}
    #[allow(non_upper_case_globals, dead_code)]
    pub const state: u64 = 3;

    streams::dataflow! {
        pub flow Renamed {
            input numbers: u64;
            even = numbers -> try_map(|n| if n % 2 == 0 { Ok(n) } else { Err(n) }) else odd;
            counts = even -> key_by(n: u64 = |n| *n) -> aggregate { n2: u64 = count() } keep forever;
            output odd: u64;
            output counts;
        }
    }
}

#[test]
fn macro_finds_its_runtime_by_whatever_name() {
    let unread = run!(renamed::Renamed, numbers: [1_u64, 2]);
    assert_eq!((unread.odd, unread.counts.len()), (vec![1], 1));
}

/// What a macro of the user's writes is as good as what the user writes.
macro_rules! counter {
    ($flow:ident, $type:ty, $f:expr) => {
        dataflow! {
            flow $flow {
                input records: $type;
                counts = records -> key_by(key: $type = $f) -> aggregate { n: u64 = count() } keep forever;
                output counts;
            }
        }
    };
}

counter!(Chars, char, |c| *c);
counter!(Wide, (u64, std::string::String), |c| c.clone());

#[test]
fn macros_may_write_flows() {
    assert_eq!(run!(Chars, records: ['a', 'a']).counts.len(), 1);
    assert_eq!(run!(Wide, records: [(1_u64, String::new())]).counts[0].key.0, 1);
}
