//! What keeps a flow from starting is an error that says what to do.

use psdf::{StartError, Timestamp, dataflow};
use std::time::Duration;
use tokio::runtime::Builder;

dataflow! {
    flow Hourly {
        param width: Duration = Duration::from_secs(3600);
        param every: Duration = Duration::from_secs(3600);
        param gap: Duration = Duration::from_secs(60);
        param early: Duration = Duration::from_secs(60);

        input times: i64;
        keyed = times -> event_time(|at| Timestamp(*at), lateness 0 s) -> key_by(unit: () = |_| ());
        counts = keyed -> tumbling(width) -> aggregate { count: u64 = count() };
        hops = keyed -> hopping(width, every every) -> aggregate { count: u64 = count() };
        soon = keyed -> tumbling(1 hour, early every early) -> aggregate { count: u64 = count() };
        visits = keyed -> session(gap) -> aggregate { count: u64 = count() };
        output counts;
        output hops;
        output visits;
        output soon;
    }
}

#[test]
fn without_a_runtime_a_flow_does_not_start() {
    let error = Hourly::default().spawn().unwrap_err();
    assert_eq!(error, StartError::NoRuntime { flow: "Hourly" });
    let text = "flow `Hourly` cannot start: there is no tokio runtime here; call `spawn` inside `#[tokio::main]` or \
                after `Runtime::enter`";
    assert_eq!(error.to_string(), text);
}

#[test]
fn without_a_timer_a_flow_does_not_start() {
    let runtime = Builder::new_current_thread().build().unwrap();
    let _entered = runtime.enter();
    assert_eq!(Hourly::default().spawn().unwrap_err(), StartError::NoTimer { flow: "Hourly" });
}

#[test]
fn settings_out_of_their_bounds_are_named() {
    let flow = || Hourly::default().builder();
    let error = |what| StartError::Setting { flow: "Hourly", what };
    assert_eq!(flow().shards(0).inline().unwrap_err(), error("`shards` must be from 1 to 256"));
    assert_eq!(flow().shards(257).inline().unwrap_err(), error("`shards` must be from 1 to 256"));
    assert_eq!(flow().capacity(0).inline().unwrap_err(), error("`capacity` must be above 0"));
    assert_eq!(flow().batch_limit(0).inline().unwrap_err(), error("`batch_limit` must be above 0"));
    let text = "flow `Hourly` cannot start: `capacity` must be above 0";
    assert_eq!(flow().capacity(0).inline().unwrap_err().to_string(), text);
}

#[test]
fn settings_at_their_bounds_are_good() {
    let (flow, mut inline) =
        Hourly::default().builder().shards(256).capacity(1).batch_limit(usize::MAX).inline().unwrap();
    inline.block_on(flow.times.send_batch(vec![1, 2])).unwrap();
    let unread = inline.block_on(flow.finish()).unwrap();
    assert_eq!(unread.counts.len(), 1);
    let (flow, mut inline) = Hourly::default().builder().idle_after(Duration::MAX).inline().unwrap();
    inline.block_on(flow.times.send_batch(vec![1, 2])).unwrap();
    inline.advance(Duration::from_secs(1));
    assert_eq!(inline.block_on(flow.finish()).unwrap().counts.len(), 1);
}

#[tokio::test]
async fn a_flow_that_never_goes_idle_runs_on_tokio_too() {
    let flow = Hourly::default().builder().idle_after(Duration::MAX).spawn().unwrap();
    flow.times.send_batch(vec![1, 2]).await.unwrap();
    assert_eq!(flow.finish().await.unwrap().counts.len(), 1);
}

/// What keeps a flow from starting: the node, and what is wrong with it.
fn wrong(flow: Hourly) -> (&'static str, &'static str) {
    match flow.builder().shards(2).inline().expect_err("it cannot run") {
        StartError::Node { flow: "Hourly", node, what } => (node, what),
        other => panic!("{other}"),
    }
}

#[test]
fn windows_without_a_width_do_not_start() {
    // A nanosecond is no width either: time goes by in microseconds.
    for width in [Duration::ZERO, Duration::from_nanos(1)] {
        let (node, what) = wrong(Hourly { width, ..Hourly::default() });
        assert_eq!((node, what), ("counts", "a window needs a width of at least a microsecond"));
        let (node, what) = wrong(Hourly { every: width, ..Hourly::default() });
        assert_eq!(node, "hops", "{what}");
        let (node, what) = wrong(Hourly { gap: width, ..Hourly::default() });
        assert_eq!((node, what), ("visits", "a session needs a gap of at least a microsecond"));
        let (node, what) = wrong(Hourly { early: width, ..Hourly::default() });
        assert_eq!(node, "soon", "{what}");
    }
}

#[test]
fn windows_that_leave_gaps_do_not_start() {
    let every = Duration::from_secs(3601);
    let error = Hourly { every, ..Hourly::default() }.builder().inline().unwrap_err();
    let text = "flow `Hourly` cannot start: node `hops`: its `every` is longer than its windows, and what falls between \
                two would be lost; make it no longer";
    assert_eq!(error.to_string(), text);
}

dataflow! {
    flow Around {
        input times: i64;
        hours = Hourly { every: Duration::from_secs(7200), ..Hourly::default() }(times = times);
        output hops: u64 = hours.hops -> map(|hop| hop.count);
    }
}

#[test]
fn a_node_of_a_flow_inside_is_named_with_the_way_to_it() {
    let error = Around.builder().inline().unwrap_err();
    let StartError::Node { flow: "Around", node, .. } = error else { panic!("{error}") };
    assert_eq!(node, "hours.hops");
}
