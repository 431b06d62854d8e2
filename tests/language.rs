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

    pub(super) struct Order {
        pub(super) at: i64,
        pub(super) items: Vec<(String, u32)>,
    }

    dataflow! {
        // No closure has an annotation: what flows in is known from what stands before it, whatever that is.
        pub(super) flow Inferred {
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

/// Programs whose closures dfir could not type (issues of hydro-project/hydro): here each compiles without annotations.
mod known_elsewhere {
    use super::*;

    #[derive(Clone, Debug, Serialize, Deserialize)]
    pub(super) struct Max<T>(T);

    impl<T> Max<T> {
        fn new(value: T) -> Self {
            Max(value)
        }

        fn into_reveal(self) -> T {
            self.0
        }
    }

    dataflow! {
        // Issue 980: nothing but the input stands before the closure.
        flow FirstClosure {
            input received: Result<(), ()>;
            output seen = received -> inspect(|v| assert!(v.is_ok()));
        }

        // Issue 985: what is folded has its type from the stream, the accumulator its own.
        flow Fold {
            input items: String;
            lengths = items -> key_by(all: () = |_| ()) -> fold(usize = 0, |old, s| *old += s.len()) keep forever;
            output total: usize = lengths -> map(|l| l.value);
        }

        // Issue 1149: results of a stateful node are read twice, once together with another stream.
        flow ReadTwice {
            input stream1: u64;
            input stream2: u64;
            greatest = stream2
                -> map(Max::new)
                -> key_by(all: () = |_| ())
                -> fold(Max<u64> = Max::new(0), |max, x| max.0 = x.0.max(max.0)) keep forever;
            sum_of_stream2 = greatest -> map(|g| g.value);
            boxed = stream1 -> map(Max::new);
            both = merge(sum_of_stream2, boxed) -> filter(|max| max.0 > 0);
            output filtered: u64 = both -> map(|max| max.into_reveal());
            output revealed: u64 = sum_of_stream2 -> map(|x| x.into_reveal());
        }

        // Issue 1857: stateful nodes in a row, each of which also reads a projection of what it reads.
        flow TwoAntiJoins {
            input inp: (usize, usize);
            pos = inp -> map(|x| (x.0, Some(x)));
            neg = inp -> map(|x| (x.0 + 1, None));
            diff = merge(pos, neg)
                -> key_by(id: usize = |side| side.0)
                -> stateful((usize, usize)) {
                    state { excluded: bool = false }
                    keep forever;
                    |state, side, out| match side.1 {
                        Some(x) if !state.excluded => out.emit(x),
                        Some(_) => {}
                        None => state.excluded = true,
                    }
                };
            pos2 = diff -> map(|x| (x.0, Some(x)));
            neg2 = diff -> filter(|x| x.1 > 100) -> map(|x| (x.0, None));
            diff2 = merge(pos2, neg2)
                -> key_by(id: usize = |side| side.0)
                -> stateful((usize, usize)) {
                    state { excluded: bool = false }
                    keep forever;
                    |state, side, out| match side.1 {
                        Some(x) if !state.excluded => out.emit(x),
                        Some(_) => {}
                        None => state.excluded = true,
                    }
                };
            output diff2;
        }
    }

    #[test]
    fn closure_right_after_an_input_knows_its_record() {
        assert_eq!(run!(FirstClosure, received: [Ok(())]).seen, [Ok(())]);
    }

    #[test]
    fn closure_of_a_fold_knows_its_record() {
        assert_eq!(run!(Fold, items: ["ab", "c"]).total, [3]);
    }

    #[test]
    fn readers_of_one_node_each_know_its_record() {
        let unread = run!(ReadTwice, stream1: [0_u64, 7], stream2: [3_u64, 5]);
        assert_eq!(unread.revealed, [5]);
        assert_eq!(unread.filtered.iter().sum::<u64>(), 12);
    }

    #[test]
    fn stateful_nodes_in_a_row_know_each_others_records() {
        // The first of a key passes the first node before its projection excludes the next key.
        let unread = run!(TwoAntiJoins, inp: [(1_usize, 1_usize), (5, 2)]);
        assert_eq!(unread.diff2, [(1, 1), (5, 2)]);
    }
}

mod hygiene {
    use super::*;

    dataflow! {
        // Params, nodes, fields and closures that are called what generated code might call its own.
        pub(super) flow Names {
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

mod ports {
    use super::*;

    dataflow! {
        // Flows and ports that are called what every flow has.
        pub(super) flow Handle {
            param builder: u64 = 1;
            param shards: u64 = 2;
            param item: u64 = 3;
            input host: u64;
            input inputs: u64;
            input parts: u64;
            input this: u64;
            wire = merge(host, inputs, parts, this) -> map(|n| n + builder + shards + item);
            control_ = wire -> key_by(window: u64 = |n| *n) -> aggregate { n: u64 = count() } keep forever;
            output graph = control_;
            output flow: u64 = wire;
            output spawn: u64 = wire;
            output finish: u64 = wire;
            output outputs: u64 = wire;
        }

        pub(super) flow Flow {
            input host_: u64;
            output host: u64 = host_;
        }
    }
}

#[test]
fn ports_may_be_called_what_every_flow_has() {
    let unread =
        run!(ports::Handle::default(), host: [1_u64], inputs: [2_u64], parts: [3_u64], this: [4_u64]);
    assert_eq!(unread.flow.iter().sum::<u64>(), 10 + 4 * 6);
    assert_eq!(
        (unread.spawn.len(), unread.finish.len(), unread.outputs.len(), unread.graph.len()),
        (4, 4, 4, 4)
    );
    assert_eq!(run!(ports::Flow, host_: [1_u64]).host, [1]);
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
    pub(crate) struct Word(pub(crate) String);

    dataflow! {
        /** Docs stand everywhere,
            in both forms. */
        #[derive(Clone, Debug)]
        pub(crate) flow Spelt {
            /// On params,
            param delay: Duration = Duration::from_secs(5);
            /// that are expressions in durations too,
            param factor: u32 = 2;
            param r#where: u64 = 0;
            /// on inputs,
            input r#type: (u64, Word);

            /// on outputs,
            output r#match = last -> map(|n: u64| n + 1);
            /// without a chain too,
            output last: u64;
            output also_last: u64 = last;
            output copy = r#type;

            // Nodes may stand in any order; commas may trail; units may touch their number.
            /// on nodes,
            last = three -> map(|(n, _)| n,);
            three: (u64, Word) = merge(second, third, fourth,);
            timed -> route { zero: |(n, _)| *n == 0, r#if: |_| false } else rest;
            r#loop = r#if
                -> key_by(r#in: u64 = |(n, _)| *n)
                -> stateful(u64) { state { r#ref: u64 = r#where } keep forever; |r#mut, _, out| out.emit(r#mut.r#ref) };
            output r#loop;
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

        pub(super) flow Nothing {
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

mod generics {
    use super::*;
    use std::collections::BTreeMap;
    use std::marker::PhantomData;
    use std::sync::Arc;

    #[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
    pub(super) struct Id<T> {
        pub(super) number: u64,
        pub(super) of: PhantomData<T>,
    }

    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
    pub(super) struct Shop;

    #[derive(Clone, Debug, PartialEq)]
    pub(super) struct Grid<const W: usize, const H: usize>(pub(super) [[u8; W]; H]);

    pub(super) trait Unit {
        type Number;
    }

    impl Unit for Shop {
        type Number = u64;
    }

    pub(super) type Sold = (Id<Shop>, BTreeMap<String, Vec<Option<u64>>>);

    dataflow! {
        pub(super) flow Generic {
            input sold: Sold;
            input grids: Grid<{ 1 + 1 }, 2>;
            input codes: Arc<dyn Fn(u64) -> <Shop as Unit>::Number + Send + Sync>;

            shops = sold
                -> key_by(shop: Id<Shop> = |s| s.0.clone(), few: bool = |s| s.1.len() < 2)
                -> aggregate {
                    all: Vec<BTreeMap<String, Vec<Option<u64>>>> = collect(|s| s.1.clone()),
                    most: Option<<Shop as Unit>::Number> = max(|s| s.1.values().flatten().copied().max().flatten()),
                } keep forever;
            first: <[u8; 2] as IntoIterator>::Item = grids -> filter_map(|grid| grid.0.into_iter().flatten().next());
            called: <Shop as self::Unit>::Number = codes -> map(|code| code(1) >> 1);
            output shops;
            output first;
            output called;
        }
    }
}

#[test]
fn types_may_be_as_generic_as_rust_has_them() {
    use generics::{Generic, Grid, Id, Shop};
    let id = Id::<Shop> { number: 1, of: std::marker::PhantomData };
    let sold = (id.clone(), [("tea".to_string(), vec![None, Some(4)])].into());
    let code: std::sync::Arc<dyn Fn(u64) -> u64 + Send + Sync> = std::sync::Arc::new(|n| n + 9);
    let unread = run!(Generic, sold: [sold], grids: [Grid([[3, 4], [5, 6]])], codes: [code]);
    assert_eq!((&unread.shops[0].shop, unread.shops[0].few, unread.shops[0].most), (&id, true, Some(4)));
    assert_eq!((unread.first, unread.called), (vec![3], vec![5]));
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

/// What flows in functions see: the items of the function, where closures name them; the types of their own records are
/// those of the module.
mod functions {
    use super::*;

    #[derive(Clone, Debug, Serialize, Deserialize)]
    struct Beat {
        host: u64,
    }

    fn first() -> Vec<u64> {
        const FACTOR: u64 = 10;
        struct Scaled(u64);
        fn scaled(n: u64) -> Scaled {
            Scaled(n * FACTOR)
        }

        dataflow! {
            /// One in a function,
            flow Local {
                param more: u64 = FACTOR;
                input beats: Beat;
                output hosts: u64 = beats -> map(|b| b.host) -> map(scaled) -> map(|s| s.0 + more);
            }
        }
        run!(Local::default(), beats: [Beat { host: 1 }]).hosts
    }

    fn second() -> Vec<u64> {
        dataflow! {
            // and one of the same name in another.
            flow Local {
                input beats: Beat;
                output hosts: u64 = beats -> map(|b| b.host);
            }
        }
        run!(Local, beats: [Beat { host: 1 }]).hosts
    }

    #[test]
    fn each_function_has_flows_of_its_own() {
        assert_eq!((first(), second()), (vec![20], vec![1]));
    }

    #[test]
    fn types_of_a_function_reach_a_flow_in_a_module_beside_them() {
        mod of_this_test {
            pub(super) struct Reading(pub(super) u64);

            psdf::dataflow! {
                pub(super) flow Local {
                    input readings: Reading;
                    output numbers: u64 = readings -> map(|r| r.0);
                }
            }
        }
        use of_this_test::{Local, Reading};
        assert_eq!(run!(Local, readings: [Reading(1)]).numbers, [1]);
    }
}

/// The facade under another name, where `psdf` is something else, and so are the names of the prelude.
mod renamed {
    extern crate psdf as streams;

    #[allow(dead_code)]
    mod psdf {}
    #[allow(dead_code)]
    #[derive(Clone)]
    struct Option;
    #[allow(dead_code)]
    struct Result;
    #[allow(dead_code)]
    trait Clone {}
    #[allow(dead_code)]
    fn drop() {}

    streams::dataflow! {
        pub(super) flow Renamed {
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

/// Every kind of fragment, and several flows at once.
macro_rules! flows {
    ($(#[$doc:meta])* $vis:vis $plain:ident, $windowed:ident, $node:ident: $record:ty, $at:path,
     $size:literal min, $key:expr, $keep:tt $unit:ident, $init:expr, $step:expr, $list:ty, $by:expr, $init_param:expr) => {
        dataflow! {
            $(#[$doc])*
            $vis flow $plain {
                param scale: u64 = $init_param;
                input records: $record;
                $node: $record = records -> filter(|_| scale > 0);
                kept = $node
                    -> event_time($at, lateness $keep $unit)
                    -> key_by(key: u64 = $key)
                    -> stateful($record) {
                        state { last: $record = $init, n: u64 = $init_param }
                        keep $keep $unit;
                        |state, record, out| {
                            let before = std::mem::replace(&mut state.last, record);
                            state.n += scale;
                            if state.n > $init_param { out.emit(before); }
                        }
                    };
                output kept;
            }

            $vis flow $windowed {
                input $node: $record;
                windows = $node
                    -> event_time($at, lateness 0 s)
                    -> key_by(key: u64 = $key)
                    -> tumbling($size min) else late
                    -> aggregate {
                        top: $list = top(1, by $by),
                        all: $list = collect(|r| r.clone()),
                        folded: $record = fold($init, $step),
                    };
                folds = $node -> key_by(key: u64 = $key) -> fold($record = $init, $step) keep forever;
                output windows;
                output folds;
                output late;
            }
        }
    };
}

fn second_of(record: &(u64, u64)) -> Timestamp {
    Timestamp::from_secs(record.1 as i64)
}

flows! {
    /// Two flows.
    pub(crate) Plain, Windowed, node: (u64, u64), second_of,
    5 min, |r| r.0, 1 hour, (0, 0), (|acc, r| acc.1 += r.1), Vec<(u64, u64)>, |r| r.1, 1 + 1
}
flows! {
    Plain2, Windowed2, r#type: (u64, u64), self::second_of,
    1 min, |r| r.0, 2 days, Default::default(), |acc, r| { *acc = *r }, std::vec::Vec<(u64, u64)>, |r| r.1, 2
}

#[test]
fn macros_may_write_flows() {
    assert_eq!(run!(Chars, records: ['a', 'a']).counts.len(), 1);
    assert_eq!(run!(Wide, records: [(1_u64, String::new())]).counts[0].key.0, 1);

    assert_eq!(run!(Plain::default(), records: [(1_u64, 1_u64), (1, 2)]).kept, [(0, 0), (1, 1)]);
    let unread = run!(Windowed, node: [(1_u64, 1_u64), (1, 2), (1, 301)]);
    assert_eq!((&unread.windows[0].top, unread.windows[0].all.len()), (&vec![(1, 2)], 2));
    assert_eq!((unread.windows[0].folded, unread.windows[1].folded), ((0, 3), (0, 301)));
    assert_eq!(unread.folds[0].value, (0, 304));
    assert!(unread.late.is_empty());

    assert_eq!(run!(Plain2::default(), records: [(1_u64, 1_u64)]).kept, [(0, 0)]);
    assert_eq!(run!(Windowed2, r#type: [(1_u64, 1_u64), (1, 2)]).windows[0].folded, (1, 2));
}

mod params_after_state {
    use super::*;

    dataflow! {
        // What an aggregate makes is known to the closures after it, those too that read params.
        pub flow Busy {
            param least: u64;
            input numbers: u64;
            totals = numbers -> key_by(n: u64 = |n| *n) -> aggregate { count: u64 = count() } keep forever;
            busy = totals -> filter(|t| t.count >= least) -> map(|t| t.n);
            output busy: u64;
        }
    }
}

#[test]
fn closures_after_an_aggregate_may_read_params() {
    assert_eq!(run!(params_after_state::Busy { least: 2 }, numbers: [7u64, 8, 7]).busy, [7]);
}

#[test]
fn a_param_is_read_behind_state_too_and_in_the_text_of_a_format() {
    dataflow! {
        flow Named {
            param least: u64 = 3;
            param prefix: String = "n".into();
            input numbers: u64;
            counted = numbers
                -> key_by(number: u64 = |n| *n)
                -> aggregate { times: u64 = count() } keep forever
                -> filter(|counted| counted.number >= least)
                -> map(|counted| format!("{prefix}{}", counted.number));
            output counted: String;
        }
    }
    let (named, mut inline) = Named::default().builder().inline().unwrap();
    inline.block_on(named.numbers.send_batch((0..6).collect())).unwrap();
    let mut counted = inline.block_on(named.finish()).unwrap().counted;
    counted.sort();
    assert_eq!(counted, ["n3", "n4", "n5"]);
}
