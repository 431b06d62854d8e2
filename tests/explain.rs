//! `explain` says in words why a node gives nothing, and idle sources among several hold nobody back.

use psdf::{Inline, Source, SourceError, Timestamp, dataflow};
use std::future::pending;
use std::time::Duration;

fn second(second: &u64) -> Timestamp {
    Timestamp::from_secs(*second as i64)
}

dataflow! {
    flow Hours {
        input lines: u64;
        views = lines -> filter(|n| *n != 7) -> event_time(second, lateness 10 s);
        even = views -> filter(|n| n % 2 == 0);
        hourly = even -> key_by(all: () = |_| ()) -> tumbling(1 hour) -> aggregate { n: u64 = count() };
        visits = views -> key_by(all: () = |_| ()) -> session(30 min) -> aggregate { n: u64 = count() };
        totals = views -> key_by(all: () = |_| ()) -> aggregate { n: u64 = count() } keep forever;
        alarms = views -> key_by(n: u64 = |n| *n) -> stateful(u64) {
            state { seen: bool = false } keep forever;
            |state, n, out| { state.seen = true; out.set_timer(Timestamp::from_secs(n as i64 + 60)) }
            on timer |state, _at, out| { if state.seen { out.emit(1) } }
        };
        output hourly;
        output visits;
        output totals;
        output alarms;
        output plain: u64 = even -> map(|n| n);
    }
}

fn hours() -> (hours::Handle, Inline) {
    Hours.builder().inline().expect("the settings are in their bounds")
}

#[test]
fn an_unknown_node_is_told_with_the_nearest_name() {
    let (flow, _inline) = hours();
    assert_eq!(flow.explain("hourli"), "flow `Hours` has no node `hourli`; did you mean `hourly`?");
    assert_eq!(flow.explain("banana"), "flow `Hours` has no node `banana`");
}

#[test]
fn a_window_that_no_record_has_come_to_says_so() {
    let (flow, mut inline) = hours();
    inline.run();
    assert_eq!(flow.explain("hourly"), "no record has come to `hourly` yet; `lines` has sent nothing yet");
    flow.lines.try_send(7).unwrap();
    inline.run();
    assert_eq!(
        flow.explain("hourly"),
        "no record has come to `hourly` yet; what `lines` sent has not got past the nodes between, or is still on its \
         way"
    );
}

#[test]
fn an_open_window_says_which_end_it_waits_for_and_who_holds_it() {
    let (flow, mut inline) = hours();
    flow.lines.try_send(100).unwrap();
    inline.run();
    inline.advance(Duration::from_millis(2500));
    let held = "The times of `views` hold it there, which come from `lines`: `lines` has been silent for 2.5 s; a record \
                with a later time moves it on, and after 10 s of silence what it is merged with goes on without it";
    assert_eq!(
        flow.explain("visits"),
        format!(
            "`visits` waits for its watermark to pass 1900.000000, the earliest end of a session unless a record \
             prolongs it; it is at 90.000000. {held}"
        )
    );
    let even = held.replace("views", "even");
    assert_eq!(
        flow.control.watch().explain("hourly"),
        format!(
            "`hourly` waits for its watermark to reach 3600.000000, the end of its earliest open window; it is at \
             90.000000. {even}"
        )
    );
    assert!(flow.explain("alarms").starts_with(
        "`alarms` waits for its watermark to reach 160.000000, when its earliest timer is due; it is at 90.000000. "
    ));
    inline.advance(Duration::from_millis(7500));
    assert!(flow.explain("hourly").ends_with(
        "`lines` is idle: it has been silent for 10 s; a record with a later time, or its end, moves it on"
    ));
}

#[test]
fn a_window_that_has_fired_says_that_it_holds_none() {
    let (mut flow, mut inline) = hours();
    flow.lines.try_send(100).unwrap();
    flow.lines.try_send(4001).unwrap(); // odd: it moves the time on, and opens no window
    inline.run();
    assert_eq!(flow.hourly.next_now().map(|hour| hour.n), Some(1));
    assert_eq!(
        flow.explain("hourly"),
        "`hourly` has no open window: all that it had have fired, at the watermark 3991.000000"
    );
}

#[test]
fn nodes_without_a_window_say_what_they_do() {
    let (flow, mut inline) = hours();
    flow.lines.try_send(100).unwrap();
    inline.run();
    inline.advance(Duration::from_secs(3));
    assert_eq!(
        flow.explain("totals"),
        "`totals` has no window and no timer: it works on each record as it comes"
    );
    assert_eq!(
        flow.explain("plain"),
        "`plain` has no window: it waits for nothing, and hands its records on as they come"
    );
    assert_eq!(
        flow.explain("lines"),
        "`lines` is an input, and hands its records on as they come; `lines` has been silent for 3 s"
    );
}

#[test]
fn a_flow_that_has_ended_says_how() {
    let (flow, mut inline) = hours();
    let watch = flow.control.watch();
    inline.block_on(flow.finish()).unwrap();
    assert_eq!(watch.explain("hourly"), "flow `Hours` has ended, and `hourly` has given all its results");
    let (flow, mut inline) = hours();
    let watch = flow.control.watch();
    drop(flow);
    inline.run();
    assert!(watch.explain("hourly").starts_with("flow `Hours` was stopped before it had drained"));
}

dataflow! {
    flow Sites {
        input a: u64;
        input b: u64;
        times_of_a = a -> event_time(second, lateness 0 s);
        times_of_b = b -> event_time(second, lateness 0 s);
        minutes = merge(times_of_a, times_of_b)
            -> key_by(last: u64 = |n| n % 5) -> tumbling(1 min) else late
            -> aggregate { n: u64 = count() };
        output minutes;
        output late;
    }
}

#[test]
fn an_idle_source_among_several_does_not_hold_the_others_back() {
    for shards in [1, 4] {
        let (mut flow, mut inline) = Sites.builder().shards(shards).inline().unwrap();
        flow.a.try_send(5).unwrap();
        flow.b.try_send(10).unwrap();
        inline.run();
        flow.a.try_send(200).unwrap();
        inline.run();
        assert!(flow.minutes.next_now().is_none(), "`b` may still send what is older");
        inline.advance(Duration::from_secs(4));
        assert_eq!(
            flow.explain("minutes"),
            "`minutes` waits for its watermark to reach 60.000000, the end of its earliest open window; it is at \
             10.000000. The times of `times_of_b` hold it there, which come from `b`: `b` has been silent for 4 s; a \
             record with a later time moves it on, and after 10 s of silence what it is merged with goes on without it"
        );
        flow.a.try_send(205).unwrap();
        inline.run();
        inline.advance(Duration::from_secs(6));
        assert_eq!(flow.minutes.next_now().map(|minute| minute.n), Some(2), "`b` is idle now");
        let told = flow.explain("minutes");
        assert!(
            told.starts_with("`minutes` waits for its watermark to reach 240.000000"),
            "the watermark is that of `a`: {told}"
        );
        assert!(told.contains("The times of `times_of_a` hold it there, which come from `a`"), "{told}");
        assert!(
            told.ends_with(". `b` is idle: it has been silent for 10 s, and does not hold it back"),
            "the idle one is named: {told}"
        );
        flow.b.try_send(206).unwrap();
        flow.b.try_send(11).unwrap();
        inline.run();
        assert_eq!(flow.late.next_now().map(|late| late.record), Some(11), "it spoke too late");
        let unread = inline.block_on(flow.finish()).unwrap();
        assert_eq!(unread.minutes.iter().map(|minute| minute.n).sum::<u64>(), 3);
    }
}

/// A source that never gives anything, and never ends.
struct Silent;

impl Source for Silent {
    type Item = u64;

    async fn next_batch(&mut self, _: usize) -> Result<Option<Vec<u64>>, SourceError> {
        pending().await
    }
}

#[test]
fn a_source_that_gives_nothing_is_idle_too_and_is_named() {
    let (mut flow, mut inline) = Sites.builder().b_from(Silent).inline().unwrap();
    inline.block_on(flow.a.send_batch(vec![5, 100])).unwrap();
    inline.run();
    let told = flow.explain("minutes");
    assert!(told.contains("hold it there, which come from `b`: `b` has sent nothing yet; "), "{told}");
    inline.advance(Duration::from_secs(10));
    assert_eq!(flow.minutes.next_now().map(|minute| minute.n), Some(1));
    let told = flow.explain("minutes");
    assert!(told.ends_with(". `b` has sent nothing, and is idle, and does not hold it back"), "{told}");
}

dataflow! {
    flow Asked {
        input questions: u64;
        answers: u64 = questions -> event_time(second, lateness 0 s)
            -> map_async(|n| async move {
                if n == 13 {
                    pending::<()>().await;
                }
                Ok::<_, String>(n)
            }, unordered) else fail;
        minutes = answers -> key_by(all: () = |_| ()) -> tumbling(1 min) -> aggregate { n: u64 = count() };
        output minutes;
        output raw: u64 = answers;
    }
}

#[test]
fn a_call_in_flight_that_holds_the_watermark_is_named() {
    let (flow, mut inline) = Asked.builder().inline().unwrap();
    inline.block_on(flow.questions.send_batch(vec![1, 13])).unwrap();
    inline.run();
    inline.block_on(flow.questions.send_batch(vec![100])).unwrap();
    inline.run();
    assert_eq!(
        flow.explain("minutes"),
        "`minutes` waits for its watermark to reach 60.000000, the end of its earliest open window; it has none yet. \
         `answers` holds it back: it waits for 2 calls that are in flight"
    );
    assert_eq!(
        flow.explain("answers"),
        "`answers` has no window; it waits for 2 of its calls, which are in flight"
    );
}

#[test]
fn an_output_that_nobody_reads_is_named_as_the_reason() {
    let (flow, mut inline) = Asked.builder().capacity(1).batch_limit(1).inline().unwrap();
    for n in 0..12 {
        let _ = flow.questions.try_send(n);
        inline.run();
    }
    let told = flow.explain("minutes");
    let held = "`answers` holds it back: what it has made waits for room, because something that reads it takes no more";
    assert!(told.ends_with(held), "{told}");
    assert!(flow.explain("raw").ends_with("because what reads it takes no more"));
}
