//! Flows with parameters of types.

use psdf::{Timestamp, Window, dataflow};
use std::fmt::Debug;

/// What happened, and when: a second.
#[derive(Clone, Debug, PartialEq)]
struct Click {
    page: String,
    at: i64,
}

fn clicks(of: &[(&str, i64)]) -> Vec<Click> {
    of.iter().map(|&(page, at)| Click { page: page.to_string(), at }).collect()
}

fn minute(n: i64) -> Window {
    Window { start: Timestamp::from_secs(60 * n), end: Timestamp::from_secs(60 * (n + 1)) }
}

dataflow! {
    /// Counts anything by anything, in minutes.
    pub flow Counts<T, K>
    where
        T: psdf::Record + Clone,
        K: psdf::Key,
    {
        /// What is counted together.
        param key: fn(&T) -> K;
        /// When it happened.
        param at: fn(&T) -> Timestamp;
        input records: T;
        counts = records
            -> event_time(|r| at(r), lateness 10 s)
            -> key_by(key: K = key)
            -> tumbling(1 min) else late
            -> aggregate { n: u64 = count() };
        output counts;
        output late;
    }
}

/// What is said of `Counts` in a program is said of its records too, and asks nothing of the key.
fn sorted<K: Ord + Clone>(counts: Vec<counts::Counts<K>>) -> Vec<(Window, K, u64)> {
    let mut all: Vec<_> = counts.into_iter().map(|c| (c.window, c.key, c.n)).collect();
    all.sort_by(|a, b| (a.0.start, &a.1).cmp(&(b.0.start, &b.1)));
    all
}

#[test]
fn one_flow_serves_two_types_in_one_program() {
    for shards in [1, 2, 4] {
        let by_page = Counts { key: |c: &Click| c.page.clone(), at: |c| Timestamp::from_secs(c.at) };
        let (flow, mut inline) = by_page.builder().shards(shards).inline().unwrap();
        let sent = clicks(&[("a", 1), ("b", 2), ("a", 59), ("a", 61), ("b", 100), ("a", 3)]);
        inline.block_on(flow.records.send_batch(sent)).unwrap();
        let unread = inline.block_on(flow.finish()).unwrap();
        let expected = [
            (minute(0), "a".to_string(), 2),
            (minute(0), "b".to_string(), 1),
            (minute(1), "a".to_string(), 1),
            (minute(1), "b".to_string(), 1),
        ];
        assert_eq!(sorted(unread.counts), expected, "{shards} shards");
        assert_eq!(unread.late.len(), 1);
        assert_eq!(unread.late[0].record, Click { page: "a".into(), at: 3 });

        let by_parity = Counts { key: |n: &u32| n % 2, at: |n| Timestamp::from_secs(i64::from(*n)) };
        let (flow, mut inline) = by_parity.builder().shards(shards).inline().unwrap();
        inline.block_on(flow.records.send_batch(vec![1, 2, 3])).unwrap();
        let unread = inline.block_on(flow.finish()).unwrap();
        assert_eq!(sorted(unread.counts), [(minute(0), 0, 1), (minute(0), 1, 2)], "{shards} shards");
    }
}

#[test]
fn the_graph_says_the_types_as_they_are_written() {
    let graph = Counts::<Click, String>::GRAPH;
    let counts = graph.node("counts").expect("it is declared");
    assert_eq!((graph.flow, counts.key[0].name, counts.key[0].ty), ("Counts", "key", "K"));
    assert_eq!(Counts::<u32, u32>::GRAPH.to_mermaid(), graph.to_mermaid());
}

#[test]
fn a_result_is_shown_and_copied_as_far_as_its_parameters_can_be() {
    #[derive(Clone)]
    struct Hidden;
    let count = counts::Counts { key: "a".to_string(), window: minute(0), n: 1 };
    assert_eq!(count.clone(), count);
    assert!(format!("{count:?}").starts_with(r#"Counts { key: "a", window: "#));
    let hidden = counts::Counts { key: Hidden, window: minute(0), n: 1 };
    assert_eq!(hidden.clone().n, 1);
}

mod parts {
    use psdf::{Timestamp, dataflow};

    dataflow! {
        /// Passes what a closure lets through, and tells what it does not.
        pub flow Sieve<T: psdf::Record, F>
        where
            F: Fn(&T) -> bool + Clone + Send + Sync + 'static,
        {
            param passes: F;
            input records: T;
            records -> route { good: |r| passes(r) } else bad;
            output good: T;
            output bad: T;
        }

        /// The last `N` records of each key, as soon as there are so many; with a number of the last.
        pub flow Runs<K: psdf::Key, V: psdf::StateData, const N: usize> {
            /// What the first of all is numbered.
            param first: u64 = 1;
            input pairs: (K, V);
            runs: (K, Vec<V>, u64) = pairs
                -> event_time(|_| Timestamp::from_secs(0), lateness 1 s)
                -> key_by(key: K = |p| p.0.clone())
                -> stateful((K, Vec<V>, u64)) {
                    state { last: Vec<V> = Vec::new(), number: u64 = 0 }
                    keep forever;
                    |state, pair, out| {
                        state.last.push(pair.1);
                        state.number += 1;
                        if state.last.len() == N {
                            out.emit((pair.0, std::mem::take(&mut state.last), first + state.number - 1));
                        }
                    }
                };
            output runs;
        }

        /// What lies between the two largest of some `H`s.
        pub flow Largest<H> where H: psdf::StateData + Ord {
            input values: H;
            two = values -> key_by(all: () = |_| ()) -> top(2, by |v| v.clone()) keep forever;
            largest = values -> key_by(all: () = |_| ()) -> aggregate { value: H = max(|v| v.clone()) } keep forever;
            output two;
            output largest;
        }
    }
}

use parts::{Largest, Runs, Sieve};

#[test]
fn a_param_can_be_a_closure_of_any_type() {
    let least = 3;
    let (flow, mut inline) = Sieve { passes: move |n: &i32| *n >= least }.builder().inline().unwrap();
    inline.block_on(flow.records.send_batch(vec![1, 5, 2, 3])).unwrap();
    let unread = inline.block_on(flow.finish()).unwrap();
    assert_eq!((unread.good, unread.bad), (vec![5, 3], vec![1, 2]));
}

#[test]
fn state_is_made_of_parameters_and_so_is_the_number_of_records_it_takes() {
    for shards in [1, 2, 4] {
        let (flow, mut inline) = Runs::<_, _, 2> { first: 10 }.builder().shards(shards).inline().unwrap();
        let pairs = [("a", 'x'), ("b", 'q'), ("a", 'y'), ("a", 'z'), ("a", 'w')];
        let pairs = pairs.map(|(key, value)| (key.to_string(), value));
        inline.block_on(flow.pairs.send_batch(pairs.into())).unwrap();
        let runs = inline.block_on(flow.finish()).unwrap().runs;
        let a = "a".to_string();
        assert_eq!(runs, [(a.clone(), vec!['x', 'y'], 11), (a, vec!['z', 'w'], 13)], "{shards} shards");
    }
}

#[test]
fn a_flow_without_params_is_its_default() {
    let (flow, mut inline) = Largest::<u8>::default().builder().inline().unwrap();
    inline.block_on(flow.values.send_batch(vec![3, 9, 4])).unwrap();
    let unread = inline.block_on(flow.finish()).unwrap();
    assert_eq!(unread.two.last().map(|top| top.top.clone()), Some(vec![9, 4]));
    assert_eq!(unread.largest.last().map(|l| l.value), Some(9));
}

dataflow! {
    /// Orders and what was paid for them, both of any type.
    flow Paid<O, P, K>
    where
        O: psdf::StateData,
        P: psdf::StateData,
        K: psdf::Key,
    {
        param order: fn(&O) -> (K, Timestamp);
        param payment: fn(&P) -> (K, Timestamp);
        input orders: O;
        input payments: P;
        placed = orders -> event_time(|o| order(o).1, lateness 1 min) -> key_by(id: K = |o| order(o).0);
        made = payments -> event_time(|p| payment(p).1, lateness 1 min) -> key_by(id: K = |p| payment(p).0);
        paid = placed -> join(made, within 1 hour);
        output paid: (O, P);
    }
}

#[test]
fn records_of_two_parameters_are_joined() {
    for shards in [1, 2, 4] {
        let paid = Paid {
            order: |o: &(u32, String)| (o.0, Timestamp::from_secs(0)),
            payment: |p: &(u32, i64)| (p.0, Timestamp::from_secs(p.1)),
        };
        let (flow, mut inline) = paid.builder().shards(shards).inline().unwrap();
        inline.block_on(flow.orders.send_batch(vec![(1, "tea".into()), (2, "milk".into())])).unwrap();
        inline.block_on(flow.payments.send_batch(vec![(2, 30), (1, 9000), (3, 1)])).unwrap();
        let paid = inline.block_on(flow.finish()).unwrap().paid;
        assert_eq!(paid, [((2, "milk".to_string()), (2, 30))], "{shards} shards");
    }
}

dataflow! {
    /// The sites of a company, of which each counts what is not from a robot.
    flow Sites<T>
    where
        T: psdf::Record + Clone + Page,
    {
        input office: T;
        input shop: (String, i64);
        human = parts::Sieve::<T, fn(&T) -> bool> { passes: |c| c.page() != "robots" }(records = office);
        of_office = Counts<T, String> { key: |c| c.page(), at: |c| c.at() }(records = human.good);
        of_shop = Counts::<(String, i64), String> {
            key: |c| c.0.clone(),
            at: |c| Timestamp::from_secs(c.1),
        }(records = shop);
        all = merge(of_office.counts, of_shop.counts);
        // No lateness: the watermark is that of the flow inside.
        pages = of_office.counts
            -> event_time(|c| c.window.last())
            -> key_by(all: () = |_| ())
            -> tumbling(1 hour)
            -> aggregate { pages: u64 = count() };
        robots = human.bad -> map(|c| c.page());
        output all: counts::Counts<String>;
        output pages;
        output robots: String;
    }
}

trait Page {
    fn page(&self) -> String;
    fn at(&self) -> Timestamp;
}

impl Page for Click {
    fn page(&self) -> String {
        self.page.clone()
    }

    fn at(&self) -> Timestamp {
        Timestamp::from_secs(self.at)
    }
}

#[test]
fn generic_flows_stand_in_generic_flows() {
    for shards in [1, 2, 4] {
        let (flow, mut inline) = Sites::<Click>::default().builder().shards(shards).inline().unwrap();
        inline.block_on(flow.office.send_batch(clicks(&[("a", 1), ("robots", 2), ("a", 61)]))).unwrap();
        inline.block_on(flow.shop.send_batch(vec![("b".into(), 5), ("b".into(), 6)])).unwrap();
        let unread = inline.block_on(flow.finish()).unwrap();
        let expected = [
            (minute(0), "a".to_string(), 1),
            (minute(0), "b".to_string(), 2),
            (minute(1), "a".to_string(), 1),
        ];
        assert_eq!(sorted(unread.all), expected, "{shards} shards");
        assert_eq!(unread.pages.iter().map(|p| p.pages).collect::<Vec<_>>(), [2]);
        assert_eq!(unread.robots, ["robots"]);
    }
    let subflows = Sites::<Click>::GRAPH.subflows;
    assert_eq!(subflows.iter().map(|s| s.name).collect::<Vec<_>>(), ["human", "of_office", "of_shop"]);
}

dataflow! {
    /// Shows whatever can be shown, after it was looked up; a number unless something else is said.
    flow Shown<T = u32> where T: Debug + Clone + psdf::Record {
        input values: T;
        asked = values -> map_async(|v| async move { Ok::<_, std::convert::Infallible>(v) }, concurrency 2) else skip;
        shown = asked -> map(|v| format!("{v:?}"));
        same = values -> map(|v| format!("{v:?}"));
        output shown: String;
        output same: String;
    }
}

#[tokio::test]
async fn a_parameter_has_its_default_and_runs_on_tokio() {
    let flow: Shown = Shown::default();
    let mut flow = flow.builder().shards(2).values_from(psdf::sources::iter([7_u32])).spawn().unwrap();
    assert_eq!(flow.shown.next().await.as_deref(), Some("7"));
    assert_eq!(flow.same.next().await.as_deref(), Some("7"));
    flow.finish().await.unwrap();
}

#[test]
fn a_flow_can_be_started_where_its_types_are_parameters() {
    fn count<T: psdf::Record + Clone>(of: Vec<T>, at: fn(&T) -> Timestamp) -> u64 {
        let (flow, mut inline) = Counts { key: |_| (), at }.builder().inline().unwrap();
        inline.block_on(flow.records.send_batch(of)).unwrap();
        let flow: counts::Handle<T, ()> = flow;
        inline.block_on(flow.finish()).unwrap().counts.iter().map(|c| c.n).sum()
    }
    assert_eq!(count(vec![1, 2, 3], |_| Timestamp::from_secs(0)), 3);
}
