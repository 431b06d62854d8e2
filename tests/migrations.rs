//! State that outlives the version of the flow that stored it: renamed nodes, renamed and migrated fields.

use psdf::testing::MemoryStorage;
use psdf::{Inline, StartError, Timestamp, dataflow};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

mod first {
    use super::*;

    dataflow! {
        pub flow Traffic {
            input views: (String, u32);
            timed = views -> event_time(|view| Timestamp::from_secs(i64::from(view.1)), lateness 1 s);
            pages = timed -> key_by(page: String = |view| view.0.clone());
            views_per_hour = pages -> tumbling(1 hour) -> aggregate { n: u64 = count() };
            totals = pages -> stateful((String, u64)) {
                state { hours: u32 = 0, gone: bool = true, seconds: u64 = 0 } keep forever;
                |state, view, out| {
                    state.hours += 1;
                    state.gone = !state.gone;
                    state.seconds += u64::from(view.1);
                    out.emit((view.0, u64::from(state.hours)))
                }
            };
            output views_per_hour;
            output totals: (String, u64);
        }
    }
}

mod second {
    use super::*;

    dataflow! {
        pub flow Traffic {
            input views: (String, u32);
            timed = views -> event_time(|view| Timestamp::from_secs(i64::from(view.1)), lateness 1 s);
            pages = timed -> key_by(page: String = |view| view.0.clone());
            /// Views of each page in each hour.
            #[formerly(views_per_hour)]
            hourly = pages -> tumbling(1 hour) -> aggregate {
                #[formerly(n, views)]
                count: u64 = count(),
            };
            #[formerly(sums, totals)]
            seen = pages -> stateful((String, String)) {
                state {
                    new: u64 = 7,
                    #[formerly(seconds)]
                    sum: u64 = 0,
                    #[formerly(hours)]
                    #[migrate(from = u32, |hours| format!("{hours} seen"))]
                    text: String = String::from("none seen"),
                }
                keep forever;
                |state, view, out| {
                    state.sum += u64::from(view.1);
                    out.emit((view.0, format!("{}, {} s, {}", state.text, state.sum, state.new)))
                }
            };
            output hourly;
            output seen: (String, String);
        }
    }
}

fn start_first(storage: &MemoryStorage) -> Result<(first::traffic::Handle, Inline), StartError> {
    first::Traffic.builder().shards(2).durable_in(storage.clone()).checkpoint_every(SECOND).inline()
}

fn start_second(
    storage: &MemoryStorage,
    shards: usize,
) -> Result<(second::traffic::Handle, Inline), StartError> {
    second::Traffic.builder().shards(shards).durable_in(storage.clone()).checkpoint_every(SECOND).inline()
}

/// A store of the first version: two views of `a`, one of `b`, and a window that is open.
fn stored() -> MemoryStorage {
    let storage = MemoryStorage::new();
    let (flow, mut inline) = start_first(&storage).expect("the store is empty");
    for view in [("a", 10), ("a", 20), ("b", 30)] {
        inline.block_on(flow.views.send((view.0.to_owned(), view.1))).expect("the flow takes it");
    }
    inline.run();
    inline.block_on(flow.stop_with_checkpoint()).expect("the flow stops");
    storage
}

fn send(flow: &second::traffic::Handle, inline: &mut Inline, page: &str, second: u32) {
    inline.block_on(flow.views.send((page.to_owned(), second))).expect("the flow takes it");
    inline.run();
}

fn seen(flow: &mut second::traffic::Handle) -> Vec<String> {
    std::iter::from_fn(|| flow.seen.next_now()).map(|(page, text)| format!("{page}: {text}")).collect()
}

#[test]
fn a_renamed_node_goes_on_from_its_state_with_renamed_migrated_and_new_fields() {
    let storage = stored();
    let (mut flow, mut inline) = start_second(&storage, 2).expect("all that changed is declared");
    send(&flow, &mut inline, "a", 40);
    send(&flow, &mut inline, "c", 50);
    assert_eq!(seen(&mut flow), ["a: 2 seen, 70 s, 7", "c: none seen, 50 s, 7"]);
    let unread = inline.block_on(flow.finish()).expect("the flow ends");
    let mut hours: Vec<_> = unread.hourly.into_iter().map(|hour| (hour.page, hour.count)).collect();
    hours.sort();
    assert_eq!(hours, [("a".to_owned(), 3), ("b".to_owned(), 1), ("c".to_owned(), 1)]);
}

#[test]
fn what_was_renamed_is_stored_under_its_new_name_and_goes_on_from_there() {
    let storage = stored();
    for (shards, expected) in
        [(1, "b: 1 seen, 70 s, 7"), (3, "b: 1 seen, 110 s, 7"), (2, "b: 1 seen, 150 s, 7")]
    {
        let (mut flow, mut inline) = start_second(&storage, shards).expect("it was stored by this version");
        send(&flow, &mut inline, "b", 40);
        assert_eq!(seen(&mut flow), [expected]);
        inline.block_on(flow.stop_with_checkpoint()).expect("the flow stops");
    }
    let error = start_first(&storage).map(drop).expect_err("the first version knows nothing of `hourly`");
    assert!(error.to_string().contains("node `hourly`"), "{error}");
}

mod panicking {
    use super::*;

    dataflow! {
        pub flow Traffic {
            input views: (String, u32);
            totals = views -> key_by(page: String = |view| view.0.clone()) -> stateful(u32) {
                state { #[migrate(from = u32, |hours| u8::try_from(hours - 2).expect("hours"))] hours: u8 = 0 }
                keep forever;
                |state, _, out| out.emit(u32::from(state.hours))
            };
            output totals: u32;
        }
    }
}

#[test]
fn a_migration_that_panics_is_an_error_that_names_node_and_field() {
    let storage = stored();
    let builder = panicking::Traffic.builder().durable_in(storage).forget_state_of("views_per_hour");
    let error = builder.inline().map(drop).expect_err("`b` was seen once").to_string();
    assert!(error.contains("node `totals`") && error.contains("`hours` panicked"), "{error}");
}

#[test]
fn what_a_node_was_called_is_part_of_its_graph() {
    let node = second::Traffic::GRAPH.node("seen").expect("there is such a node");
    assert_eq!(node.formerly, ["sums", "totals"]);
    let text = node.state.iter().find(|field| field.name == "text").expect("there is such a field");
    let migrated = text.migrated.expect("it has a migration");
    assert_eq!((text.formerly, migrated.from), (&["hours"][..], "u32"));
    let converted = (migrated.convert)(&[5]).expect("5 is a `u32`");
    assert_eq!(converted, [&[6][..], b"5 seen"].concat());
}

mod generic {
    use super::*;

    dataflow! {
        pub flow Traffic<T: psdf::Record, K: psdf::Key> {
            param key: fn(&T) -> K;
            param seconds: fn(&T) -> u64;
            input views: T;
            #[formerly(totals)]
            seen = views -> key_by(page: K = key) -> stateful(String) {
                state {
                    #[formerly(seconds)]
                    #[migrate(from = u64, |sum| sum.to_string())]
                    sum: String = String::new(),
                    #[migrate(from = Option<K>, |first| first.into_iter().collect())]
                    firsts: Vec<K> = Vec::new(),
                }
                keep forever;
                |state, view, out| {
                    state.sum.push_str(&format!("+{}", seconds(&view)));
                    out.emit(state.sum.clone());
                }
            };
            output seen;
        }
    }
}

#[test]
fn a_generic_flow_goes_on_from_what_another_stored() {
    let flow =
        generic::Traffic { key: |view: &(String, u32)| view.0.clone(), seconds: |view| u64::from(view.1) };
    let builder = flow.builder().durable_in(stored()).forget_state_of("views_per_hour");
    let (mut flow, mut inline) = builder.inline().expect("all that changed is declared");
    inline.block_on(flow.views.send(("a".to_owned(), 5))).expect("the flow takes it");
    inline.run();
    assert_eq!(flow.seen.next_now().as_deref(), Some("30+5"));
}

mod kinds {
    use super::*;

    dataflow! {
        pub flow Kinds {
            input numbers: u32;
            timed = numbers -> event_time(|n| Timestamp::from_secs(i64::from(*n)), lateness 1 s);
            odd = timed -> key_by(odd: bool = |n| n % 2 == 1);
            visits = odd -> session(1 hour) -> aggregate { n: u64 = count() };
            early = odd -> tumbling(1 hour, early every 1 min) -> aggregate { n: u64 = count() };
            firsts = odd -> dedup keep forever;
            pairs = odd -> join(odd, within 1 hour);
            whole = timed -> tumbling(1 hour) -> aggregate { n: u64 = count(), most: u32 = max(|n| *n) };
            output visits; output early; output firsts; output pairs; output whole;
        }
    }
}

mod kinds_renamed {
    use super::*;

    dataflow! {
        pub flow Kinds {
            input numbers: u32;
            timed = numbers -> event_time(|n| Timestamp::from_secs(i64::from(*n)), lateness 1 s);
            odd = timed -> key_by(odd: bool = |n| n % 2 == 1);
            #[formerly(visits)]
            visits_now = odd -> session(1 hour) -> aggregate { #[formerly(n)] so_many: u64 = count() };
            #[formerly(early)]
            early_now = odd -> tumbling(1 hour, early every 1 min) -> aggregate { #[formerly(n)] so_many: u64 = count() };
            #[formerly(firsts)]
            firsts_now = odd -> dedup keep forever;
            #[formerly(pairs)]
            pairs_now = odd -> join(odd, within 1 hour);
            #[formerly(whole)]
            whole_now = timed -> tumbling(1 hour) -> aggregate { #[formerly(n)] so_many: u64 = count(), most: u32 = max(|n| *n) };
            output visits_now; output early_now; output firsts_now; output pairs_now; output whole_now;
        }
    }
}

#[test]
fn nodes_of_every_kind_can_be_renamed() {
    let storage = MemoryStorage::new();
    let (flow, mut inline) = kinds::Kinds.builder().durable_in(storage.clone()).inline().expect("it is new");
    inline.block_on(flow.numbers.send_batch(vec![1, 3, 5])).expect("the flow takes them");
    inline.run();
    inline.block_on(flow.stop_with_checkpoint()).expect("the flow stops");

    // Twice: what was renamed is then stored under its new name.
    for number in [7, 9] {
        let builder = kinds_renamed::Kinds.builder().durable_in(storage.clone());
        let (flow, mut inline) = builder.inline().expect("every name is declared");
        inline.block_on(flow.numbers.send(number)).expect("the flow takes it");
        inline.run();
        let unread = inline.block_on(flow.stop_with_checkpoint()).expect("the flow stops");
        assert!(unread.firsts_now.is_empty(), "one has been there before");
    }
    let builder = kinds_renamed::Kinds.builder().durable_in(storage);
    let (flow, mut inline) = builder.inline().expect("it was stored by this version");
    inline.block_on(flow.numbers.send(11)).expect("the flow takes it");
    let unread = inline.block_on(flow.finish()).expect("the flow ends");
    assert_eq!(unread.visits_now.iter().map(|visit| visit.so_many).collect::<Vec<_>>(), [6]);
    assert_eq!(unread.early_now.last().map(|hour| hour.so_many), Some(6));
    assert_eq!(unread.whole_now.iter().map(|hour| (hour.so_many, hour.most)).collect::<Vec<_>>(), [(6, 11)]);
    assert!(!unread.pairs_now.is_empty(), "11 meets those before it");
}
