//! What a service sees of a durable flow: what is committed, how it stops and goes on, and why it does not start.

use psdf::storage::{SavepointError, Storage, export_savepoint, import_savepoint};
use psdf::testing::{Fate, MemoryStorage};
use psdf::{Delivery, FlowError, Inline, Late, Refusal, StartError, Timestamp, dataflow, sinks, sources};
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

dataflow! {
    flow Words {
        input words: String;
        counts = words
            -> key_by(word: String = |word| word.clone())
            -> stateful((String, u64)) {
                state { n: u64 = 0 }
                keep forever;
                |state, word, out| {
                    state.n += 1;
                    out.emit((word, state.n));
                }
            };
        output counts: (String, u64);
    }
}

fn start(storage: &MemoryStorage, shards: usize) -> Result<(words::Handle, Inline), StartError> {
    Words.builder().shards(shards).durable_in(storage.clone()).checkpoint_every(SECOND).inline()
}

fn send(flow: &words::Handle, inline: &mut Inline, words: &str) {
    for word in words.split(' ') {
        inline.block_on(flow.words.send(word.to_owned())).expect("the flow takes it");
    }
    inline.run();
}

fn counts(flow: &mut words::Handle) -> String {
    let mut counts: Vec<String> =
        std::iter::from_fn(|| flow.counts.next_now()).map(|(w, n)| format!("{w}{n}")).collect();
    counts.sort();
    counts.join(" ")
}

#[test]
fn what_is_committed_is_there_after_a_crash_and_the_rest_is_to_be_sent_again() {
    let storage = MemoryStorage::new();
    let (mut flow, mut inline) = start(&storage, 1).unwrap();
    send(&flow, &mut inline, "a b a");
    assert_eq!(counts(&mut flow), "a1 a2 b1");
    assert_eq!(flow.words.committed(), 0);
    inline.advance(SECOND);
    // An output that has not been read up to the barrier holds the epoch up.
    assert_eq!(counts(&mut flow), "");
    inline.run();
    assert_eq!((flow.words.committed(), flow.control.committed_epoch()), (3, 1));
    send(&flow, &mut inline, "a b");
    assert_eq!(counts(&mut flow), "a3 b2");
    drop((flow, inline));

    for shards in [3, 2, 4] {
        let (mut flow, mut inline) = start(&storage, shards).unwrap();
        assert_eq!(flow.words.committed(), 3);
        send(&flow, &mut inline, "a b");
        assert_eq!(counts(&mut flow), "a3 b2", "with {shards} shards");
    }
}

#[test]
fn a_flow_that_is_stopped_with_a_checkpoint_goes_on_where_it_was() {
    let storage = MemoryStorage::new();
    let (flow, mut inline) = start(&storage, 2).unwrap();
    send(&flow, &mut inline, "a b a");
    let unread = inline.block_on(flow.stop_with_checkpoint()).unwrap();
    assert_eq!(unread.counts.len(), 3, "what nobody had read is not lost");
    let (mut flow, mut inline) = start(&storage, 1).unwrap();
    assert_eq!(flow.words.committed(), 3);
    send(&flow, &mut inline, "a");
    assert_eq!(counts(&mut flow), "a3");
    let dropped = inline.block_on(flow.shutdown(SECOND)).unwrap();
    assert!(dropped.is_empty(), "{dropped:?}");
    let (flow, _) = start(&storage, 1).unwrap();
    assert_eq!(flow.words.committed(), 4);
}

#[test]
fn a_flow_that_was_finished_says_so_when_it_is_started_again() {
    let storage = MemoryStorage::new();
    let (flow, mut inline) = start(&storage, 2).unwrap();
    send(&flow, &mut inline, "a b a");
    inline.block_on(flow.finish()).unwrap();
    let error = start(&storage, 2).map(drop).unwrap_err();
    assert_eq!(error, StartError::Finished { flow: "Words" });
}

#[test]
fn a_flow_with_sources_that_was_finished_has_nothing_more_to_do() {
    let storage = MemoryStorage::new();
    let run = || {
        let source = sources::iter(["a", "b", "a"].map(str::to_owned));
        let builder = Words.builder().words_from(source).durable_in(storage.clone());
        let (flow, mut inline) = builder.inline().unwrap();
        inline.block_on(flow.finish()).unwrap().counts.len()
    };
    assert_eq!([run(), run(), run()], [3, 0, 0]);
}

#[test]
fn one_can_wait_for_a_record_to_be_committed() {
    let storage = MemoryStorage::new();
    let (mut flow, mut inline) = start(&storage, 1).unwrap();
    send(&flow, &mut inline, "a b");
    counts(&mut flow);
    let words = flow.words.clone();
    let mut waiting = std::pin::pin!(words.until_committed(2));
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(std::future::Future::poll(waiting.as_mut(), &mut cx).is_pending());
    inline.advance(SECOND);
    counts(&mut flow);
    inline.block_on(waiting).unwrap();
    drop(flow);
    let refused = inline.block_on(words.until_committed(3)).unwrap_err();
    assert!(matches!(refused, Refusal::Failed(FlowError::Stopped { .. })), "{refused:?}");
}

#[test]
fn records_that_are_held_come_out_when_their_epoch_is_committed_and_once_more_after_a_crash() {
    let storage = MemoryStorage::new();
    let start = || {
        let builder = Words.builder().durable_in(storage.clone()).checkpoint_every(SECOND);
        builder.counts_on_commit().inline().unwrap()
    };
    let (mut flow, mut inline) = start();
    send(&flow, &mut inline, "a b");
    assert_eq!(counts(&mut flow), "", "nothing is committed yet");
    inline.advance(SECOND);
    assert_eq!(counts(&mut flow), "");
    inline.run();
    assert_eq!(flow.counts.number().sequence, 0);
    assert_eq!(counts(&mut flow), "a1 b1");
    assert_eq!(flow.counts.number().sequence, 2);
    send(&flow, &mut inline, "a");
    drop((flow, inline));

    // Whether it had been read nobody knows; by its number it can be told that it had.
    let (mut flow, mut inline) = start();
    let number = flow.counts.number();
    assert_eq!((number.epoch, number.sequence), (1, 0));
    assert_eq!(counts(&mut flow), "a1 b1");
    send(&flow, &mut inline, "a");
    inline.advance(SECOND);
    counts(&mut flow);
    inline.run();
    assert_eq!((flow.counts.number().sequence, counts(&mut flow)), (2, "a2".to_owned()));
}

#[test]
fn an_output_that_waits_for_a_commit_ends_when_the_store_fails_for_good() {
    let storage = MemoryStorage::new();
    let builder = Words.builder().durable_in(storage.clone()).checkpoint_every(SECOND);
    let (mut flow, mut inline) = builder.store_patience(SECOND).counts_on_commit().inline().unwrap();
    send(&flow, &mut inline, "a b");
    (0..1000).for_each(|write| storage.fail_at(write, io::ErrorKind::StorageFull, false));
    for _ in 0..100 {
        assert_eq!(counts(&mut flow), "", "what is not committed does not come out");
        inline.advance(SECOND / 10);
    }
    let error = inline.block_on(flow.counts.try_next()).unwrap_err();
    assert!(matches!(error, FlowError::Checkpoint { .. }), "{error}");
    assert!(inline.block_on(flow.finish()).is_err());
}

#[test]
fn what_a_finished_flow_held_to_its_end_comes_out_once_more_after_a_crash() {
    let storage = MemoryStorage::new();
    let start = || Words.builder().durable_in(storage.clone()).counts_on_commit().inline();
    let (flow, mut inline) = start().unwrap();
    send(&flow, &mut inline, "a b");
    assert_eq!(inline.block_on(flow.finish()).unwrap().counts.len(), 2);
    // Nobody may have got them.
    let (mut flow, mut inline) = start().unwrap();
    assert_eq!(flow.counts.number().sequence, 0);
    assert_eq!(counts(&mut flow), "a1 b1");
    inline.run();
    let refused = inline.block_on(flow.words.send("c".to_owned())).unwrap_err();
    assert!(matches!(refused.reason, Refusal::Closed), "{refused:?}");
    assert!(inline.block_on(flow.finish()).unwrap().counts.is_empty());
    assert_eq!(start().map(drop).unwrap_err(), StartError::Finished { flow: "Words" });
}

#[test]
fn the_guarantee_of_each_way_is_told() {
    let dir = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"));
    let guarantee = |builder: words::Builder| {
        let all = builder.guarantees();
        assert_eq!((all.len(), all[0].input, all[0].output), (1, "words", "counts"));
        (all[0].delivery, all[0].to_string())
    };
    assert_eq!(
        guarantee(Words.builder()),
        (Delivery::AtMostOnce, "words -> counts: at most once".to_owned())
    );
    let durable = Words.builder().durable_in(MemoryStorage::new());
    let (delivery, text) = guarantee(durable);
    assert_eq!(delivery, Delivery::AtLeastOnce);
    assert_eq!(text, "words -> counts: at least once, if what is not committed is sent again");
    let sink = sinks::TransactionalFileSink::open(dir.join("guarantee.csv")).unwrap();
    dataflow! {
        flow Lines {
            input lines: String;
            output kept: String = lines -> filter(|line| !line.is_empty());
        }
    }
    let lines = sources::iter(Vec::<String>::new());
    let builder = Lines.builder().durable_in(MemoryStorage::new()).lines_from(lines).kept_to(sink);
    assert_eq!(builder.guarantees()[0].to_string(), "lines -> kept: exactly once");
}

fn refused(start: Result<(words::Handle, Inline), StartError>) -> String {
    start.map(drop).expect_err("it is refused").to_string()
}

#[test]
fn a_source_that_cannot_begin_again_is_refused() {
    dataflow! {
        flow Lines {
            input lines: Vec<u8>;
            output kept: Vec<u8> = lines -> filter(|line| !line.is_empty());
        }
    }
    let builder = Lines.builder().durable_in(MemoryStorage::new()).lines_from(sources::stdin());
    let error = builder.inline().map(drop).unwrap_err();
    assert_eq!(error, StartError::NotReplayable { flow: "Lines", input: "lines" });
}

#[test]
fn the_store_of_another_flow_is_refused() {
    let storage = committed("a b");
    dataflow! {
        flow Other {
            input words: String;
            output long: String = words -> filter(|word| word.len() > 3);
        }
    }
    let error = Other.builder().durable_in(storage).inline().map(drop).unwrap_err();
    assert!(error.to_string().contains("it is that of flow `Words`"), "{error}");
}

/// A store in which these words are committed.
fn committed(words: &str) -> MemoryStorage {
    let storage = MemoryStorage::new();
    let (flow, mut inline) = start(&storage, 1).expect("it starts");
    send(&flow, &mut inline, words);
    inline.block_on(flow.stop_with_checkpoint()).expect("it stops");
    storage
}

#[test]
fn a_damaged_epoch_gives_way_to_the_one_before_and_damage_to_both_is_an_error() {
    let storage = committed("a b");
    let (flow, mut inline) = start(&storage, 1).unwrap();
    send(&flow, &mut inline, "a");
    inline.block_on(flow.stop_with_checkpoint()).unwrap();
    let manifests = storage.list("manifests/").unwrap();
    assert_eq!(manifests.len(), 2);
    let damage = |name: &str| {
        let mut bytes = storage.get(name).unwrap();
        bytes[20] ^= 1;
        storage.put(name, &bytes).unwrap();
    };
    let newest = manifests.iter().max().unwrap();
    damage(newest);
    let (mut flow, mut inline) = start(&storage, 1).unwrap();
    assert_eq!(flow.words.committed(), 2);
    send(&flow, &mut inline, "a");
    assert_eq!(counts(&mut flow), "a2");
    // It goes on, past the damaged one.
    inline.block_on(flow.stop_with_checkpoint()).unwrap();
    let (flow, inline) = start(&storage, 1).unwrap();
    assert_eq!((flow.words.committed(), flow.control.committed_epoch()), (3, 3));
    drop((flow, inline));
    storage.list("manifests/").unwrap().iter().filter(|name| *name != newest).for_each(|name| damage(name));
    let error = refused(start(&storage, 1));
    assert!(error.contains("no epoch that is stored is whole"), "{error}");
}

/// A store of two epochs, in which this folder's newest object is damaged: the first has `a b`, the second `a` more.
fn newest_damaged(folder: &str) -> MemoryStorage {
    let storage = committed("a b");
    let (flow, mut inline) = start(&storage, 1).expect("it starts");
    send(&flow, &mut inline, "a");
    inline.block_on(flow.stop_with_checkpoint()).expect("it stops");
    damage_newest(&storage, folder);
    storage
}

fn damage_newest(storage: &MemoryStorage, folder: &str) {
    let newest = storage.list(folder).expect("it can be listed").into_iter().max().expect("there is one");
    let mut bytes = storage.get(&newest).expect("it is there");
    bytes[20] ^= 1;
    storage.put(&newest, &bytes).expect("it is kept");
}

#[test]
fn an_epoch_that_was_passed_over_is_not_kept_in_place_of_one_that_is_whole() {
    for folder in ["manifests/", "segments/"] {
        let storage = newest_damaged(folder);
        let (mut flow, mut inline) = start(&storage, 1).unwrap();
        send(&flow, &mut inline, "a");
        counts(&mut flow);
        inline.advance(SECOND);
        counts(&mut flow);
        inline.run();
        assert_eq!((flow.control.committed_epoch(), flow.words.committed()), (3, 3));
        drop((flow, inline));
        damage_newest(&storage, "manifests/");
        let (flow, _) = start(&storage, 1).unwrap_or_else(|error| panic!("{folder}: {error}"));
        assert_eq!((flow.control.committed_epoch(), flow.words.committed()), (1, 2), "{folder}");
    }
}

/// Notes for which epochs it prepares something, and which it commits.
#[derive(Clone, Default)]
struct Noting {
    prepared: Arc<Mutex<Vec<u64>>>,
    committed: Arc<Mutex<Vec<u64>>>,
}

fn lock(noted: &Mutex<Vec<u64>>) -> std::sync::MutexGuard<'_, Vec<u64>> {
    noted.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl psdf::Sink for Noting {
    type Item = (String, u64);
    async fn write(&mut self, _: Vec<Self::Item>) -> Result<(), psdf::SinkError> {
        Ok(())
    }
    async fn prepare(&mut self, epoch: u64) -> Result<Vec<u8>, psdf::SinkError> {
        lock(&self.prepared).push(epoch);
        Ok(vec![1])
    }
    async fn commit(&mut self, epoch: u64, _: Vec<u8>) -> Result<(), psdf::SinkError> {
        lock(&self.committed).push(epoch);
        Ok(())
    }
}

#[test]
fn what_a_sink_prepared_for_the_end_is_committed_although_the_flow_was_finished() {
    let storage = MemoryStorage::new();
    let start = |sink| Words.builder().durable_in(storage.clone()).counts_to(sink).inline();
    let (flow, mut inline) = start(Noting::default()).unwrap();
    send(&flow, &mut inline, "a b");
    inline.block_on(flow.finish()).unwrap();
    // It may have died before its sink had committed.
    let sink = Noting::default();
    let (flow, mut inline) = start(sink.clone()).unwrap();
    inline.run();
    inline.block_on(flow.finish()).unwrap();
    assert_eq!((&*lock(&sink.prepared), &*lock(&sink.committed)), (&vec![], &vec![1]));
    let again = start(Noting::default()).map(drop).unwrap_err();
    assert_eq!(again, StartError::Finished { flow: "Words" });
}

#[test]
fn the_number_of_a_damaged_epoch_is_given_to_no_other() {
    let (mut flow, mut inline) = start(&newest_damaged("manifests/"), 1).unwrap();
    assert_eq!(flow.counts.number().epoch, 3);
    send(&flow, &mut inline, "a");
    assert_eq!(counts(&mut flow), "a2");
    drop((flow, inline));

    // It may have committed its part of the damaged one, and would take the new one for that.
    let sink = Noting::default();
    let builder = Words.builder().durable_in(newest_damaged("manifests/"));
    let source = sources::iter(["a", "b", "a"].map(str::to_owned));
    let builder = builder.words_from(source).counts_to(sink.clone());
    let (flow, mut inline) = builder.inline().unwrap();
    inline.block_on(flow.finish()).unwrap();
    assert_eq!(*lock(&sink.prepared), [3]);
}

#[test]
fn of_two_processes_with_one_store_the_older_stops() {
    let storage = MemoryStorage::new();
    let (mut first, mut inline) = start(&storage, 1).unwrap();
    send(&first, &mut inline, "a");
    counts(&mut first);
    inline.advance(SECOND);
    counts(&mut first);
    inline.run();
    let (second, mut other) = start(&storage, 1).unwrap();
    send(&second, &mut other, "b");
    other.block_on(second.stop_with_checkpoint()).unwrap();
    send(&first, &mut inline, "c");
    counts(&mut first);
    inline.advance(SECOND);
    counts(&mut first);
    inline.run();
    let error = first.control.error().map(|error| error.to_string()).unwrap_or_default();
    assert!(error.contains("another process runs the same flow"), "{error}");
}

#[test]
fn a_store_that_fails_for_a_while_is_tried_again_and_one_that_goes_on_failing_ends_the_flow() {
    for (failures, survives) in [(3, true), (1000, false)] {
        let storage = MemoryStorage::new();
        let builder = Words.builder().durable_in(storage.clone()).checkpoint_every(SECOND);
        let (mut flow, mut inline) = builder.store_patience(5 * SECOND).inline().unwrap();
        send(&flow, &mut inline, "a b");
        counts(&mut flow);
        let next = storage.writes();
        (next..next + failures).for_each(|write| storage.fail_at(write, io::ErrorKind::StorageFull, false));
        for _ in 0..100 {
            inline.advance(SECOND / 10);
            counts(&mut flow);
        }
        inline.run();
        let error = flow.control.error().map(|error| error.to_string());
        assert_eq!(error.is_none(), survives, "{error:?}");
        if survives {
            assert!(flow.words.committed() > 0);
        } else {
            assert!(error.unwrap().contains("could not store a segment"));
        }
        // Nothing is lost: what is not committed comes again.
        drop((flow, inline));
        storage.restart();
        let (mut flow, mut inline) = start(&storage, 1).unwrap();
        if flow.words.committed() == 0 {
            send(&flow, &mut inline, "a b");
        }
        counts(&mut flow);
        send(&flow, &mut inline, "a");
        assert_eq!(counts(&mut flow), "a2");
    }
}

#[test]
fn a_torn_or_lost_write_at_any_place_costs_nothing_that_was_committed() {
    for fate in [Fate::Kept, Fate::Lost, Fate::Torn(500)] {
        for write in 0..12 {
            let storage = committed("a b");
            storage.crash_at(storage.writes() + write, fate);
            let (mut flow, mut inline) = start(&storage, 1).unwrap();
            send(&flow, &mut inline, "a b c");
            for _ in 0..4 {
                counts(&mut flow);
                inline.advance(SECOND);
            }
            drop((flow, inline));
            storage.restart();
            let (flow, _) = start(&storage, 1).unwrap();
            let committed = flow.words.committed();
            assert!(committed == 2 || committed == 5, "{committed} after a crash at write {write}, {fate:?}");
        }
    }
}

#[test]
fn a_savepoint_begins_a_flow_elsewhere() {
    let mut file = Vec::new();
    let nothing = export_savepoint(Arc::new(MemoryStorage::new()), &mut file);
    assert!(matches!(nothing, Err(SavepointError::Nothing)), "{nothing:?}");
    let storage = committed("a b a");
    assert_eq!(export_savepoint(Arc::new(storage.clone()), &mut file).unwrap(), 1);
    let full = import_savepoint(&storage, file.as_slice());
    assert!(matches!(full, Err(SavepointError::NotEmpty)), "{full:?}");
    let elsewhere = MemoryStorage::new();
    assert_eq!(import_savepoint(&elsewhere, file.as_slice()).unwrap(), 1);
    let (mut flow, mut inline) = start(&elsewhere, 3).unwrap();
    assert_eq!(flow.words.committed(), 3);
    send(&flow, &mut inline, "a b");
    assert_eq!(counts(&mut flow), "a3 b2");
}

#[test]
fn a_damaged_savepoint_begins_nothing() {
    let mut file = Vec::new();
    export_savepoint(Arc::new(committed("a b a")), &mut file).unwrap();
    let refused = |bytes: &[u8]| {
        let elsewhere = MemoryStorage::new();
        let error = import_savepoint(&elsewhere, bytes).expect_err("it is damaged");
        assert!(elsewhere.list("manifests/").unwrap().is_empty(), "{error}");
    };
    (0..file.len()).for_each(|len| refused(&file[..len]));
    for place in 0..file.len() {
        for bit in 0..8 {
            let mut flipped = file.clone();
            flipped[place] ^= 1 << bit;
            refused(&flipped);
        }
    }
}

/// Versions of one flow.
#[allow(unreachable_pub, dead_code)]
mod versions {
    use super::*;

    macro_rules! version {
        ($name:ident, $key:ty, $sum:ty, $of:expr, { $($state:tt)* }) => {
            pub mod $name {
                use super::*;
                dataflow! {
                    pub flow Totals {
                        input numbers: u32;
                        totals = numbers
                            -> key_by(key: $key = $of)
                            -> stateful(String) {
                                state { $($state)* }
                                keep forever;
                                |state, number, out| {
                                    state.sum += number as $sum;
                                    out.emit(format!("{state:?}", state = state.sum));
                                }
                            };
                        output totals: String;
                    }
                }
                pub fn run(storage: &MemoryStorage, numbers: &[u32]) -> Result<Vec<String>, StartError> {
                    let (flow, mut inline) = Totals.builder().durable_in(storage.clone()).inline()?;
                    for number in numbers {
                        inline.block_on(flow.numbers.send(*number)).expect("the flow takes it");
                    }
                    Ok(inline.block_on(flow.stop_with_checkpoint()).expect("it stops").totals)
                }
            }
        };
    }
    version!(first, u32, i64, |n| n % 10, { sum: i64 = 0, n: u32 = 0 });
    version!(with_more, u32, i64, |n| n % 10, { n: u32 = 0, greatest: Option<u32> = None, sum: i64 = 0 });
    version!(with_less, u32, i64, |n| n % 10, { sum: i64 = 0 });
    version!(of_other_type, u32, f64, |n| n % 10, { sum: f64 = 0.0, n: u32 = 0 });
    version!(by_other_key, u64, i64, |n| u64::from(*n % 10), { sum: i64 = 0, n: u32 = 0 });
}

#[test]
fn fields_come_and_go_and_what_changes_is_refused() {
    let storage = MemoryStorage::new();
    assert_eq!(versions::first::run(&storage, &[1, 2, 11]).unwrap(), ["1", "2", "12"]);
    assert_eq!(versions::with_more::run(&storage, &[21]).unwrap(), ["33"]);
    assert_eq!(versions::with_less::run(&storage, &[2]).unwrap(), ["4"]);
    assert_eq!(versions::first::run(&storage, &[1]).unwrap(), ["34"]);
    let error = versions::of_other_type::run(&storage, &[]).unwrap_err().to_string();
    assert!(
        error.contains("the field `sum` of the state of node `totals` is stored as `i64`, and is `f64` now"),
        "{error}"
    );
    let error = versions::by_other_key::run(&storage, &[]).unwrap_err().to_string();
    assert!(error.contains("is stored by the key (key: u32), and its key is (key: u64) now"), "{error}");
    // A refused start changes nothing.
    assert_eq!(versions::first::run(&storage, &[1]).unwrap(), ["35"]);
}

#[allow(unreachable_pub, dead_code)]
mod removed {
    use super::*;
    dataflow! {
        pub flow Words {
            input words: String;
            output counts: (String, u64) = words -> map(|word: String| (word, 0));
        }
    }
}

#[test]
fn the_state_of_a_node_that_is_gone_is_let_go_only_when_told_to() {
    let storage = committed("a b");
    let error = removed::Words.builder().durable_in(storage.clone()).inline().map(drop).unwrap_err();
    assert!(error.to_string().contains("`.forget_state_of(\"counts\")`"), "{error}");
    let builder = removed::Words.builder().durable_in(storage).forget_state_of("counts");
    assert!(builder.inline().is_ok());
}

#[test]
fn time_goes_on_where_it_was() {
    dataflow! {
        flow Hours {
            input seconds: i64;
            hours = seconds
                -> event_time(|s| Timestamp::from_secs(*s), lateness 10 s)
                -> key_by(all: () = |_| ())
                -> tumbling(1 hour) else late
                -> aggregate { n: u64 = count() };
            output hours; output late: Late<i64>;
        }
    }
    let storage = MemoryStorage::new();
    let start = || Hours.builder().durable_in(storage.clone()).inline().unwrap();
    let (flow, mut inline) = start();
    for second in [3_590, 3_612] {
        inline.block_on(flow.seconds.send(second)).unwrap();
    }
    let unread = inline.block_on(flow.stop_with_checkpoint()).unwrap();
    assert_eq!(unread.hours.len(), 1, "the first hour had fired before, and no other for the stop");
    let (mut flow, mut inline) = start();
    // It is as late as it would have been.
    for second in [3_599, 3_601] {
        inline.block_on(flow.seconds.send(second)).unwrap();
    }
    inline.run();
    let late: Vec<i64> = std::iter::from_fn(|| flow.late.next_now()).map(|late| late.record).collect();
    assert_eq!(late, [3_599]);
    let unread = inline.block_on(flow.finish()).unwrap();
    assert_eq!(unread.hours.iter().map(|hour| hour.n).collect::<Vec<_>>(), [2]);
}
