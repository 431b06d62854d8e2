//! The web-traffic example as a durable flow: killed anywhere and started again with other shards, it tells of a site what
//! it tells undisturbed.
#![allow(dead_code, reason = "the example uses what its tests do not")]

#[path = "../examples/web_traffic/calendar.rs"]
mod calendar;
#[path = "../examples/web_traffic/disorder.rs"]
mod disorder;
#[path = "../examples/web_traffic/flow.rs"]
mod flow;
#[path = "../examples/web_traffic/generate.rs"]
mod generate;
#[path = "../examples/support/gzip.rs"]
mod gzip;
#[path = "../examples/web_traffic/hours.rs"]
mod hours;
#[path = "../examples/web_traffic/line.rs"]
mod line;
#[path = "../examples/web_traffic/log_format.rs"]
mod log_format;
#[path = "../examples/web_traffic/path.rs"]
mod path;
#[path = "../examples/web_traffic/random.rs"]
mod random;
#[path = "../examples/web_traffic/request.rs"]
mod request;
#[path = "../examples/web_traffic/server.rs"]
mod server;
#[path = "../examples/web_traffic/session.rs"]
mod session;
#[path = "../examples/web_traffic/site.rs"]
mod site;
#[path = "../examples/web_traffic/size.rs"]
mod size;
#[path = "../examples/web_traffic/spikes.rs"]
mod spikes;
#[path = "../examples/web_traffic/text.rs"]
mod text;

use flow::{WebTraffic, web_traffic};
use line::Line;
use psdf::Late;
use psdf::testing::{Simulated, Simulation, simulate};
use request::{Reject, Request};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::io::{Cursor, Read};
use std::time::Duration;

/// One line in so many of a made-up log of six days, and some that are none.
fn lines() -> Vec<Line> {
    let mut log = Vec::new();
    generate::MadeUpLog::new().read_to_end(&mut log).expect("it is made up in memory");
    let mut sampled: Vec<&[u8]> = log.split(|byte| *byte == b'\n').step_by(150).collect();
    sampled.insert(300, b"what is this?");
    sampled.insert(700, b"");
    let input = line::Input::Made(Box::new(Cursor::new(sampled.join(&b'\n'))));
    let lines = line::Lines::new(vec![input], std::sync::Arc::default());
    lines.map(|line| line.expect("it is read from memory")).collect()
}

/// All that is told, in an order of its own.
fn all<T: Clone + Debug + Send + 'static>(outcome: &Simulated, output: &str) -> String {
    let mut told: Vec<String> =
        outcome.output::<T>(output).iter().map(|record| format!("{record:?}")).collect();
    told.sort();
    format!("{output}\n{}\n", told.join("\n"))
}

/// The last that is told of each key.
fn last<T: Clone + Debug + Send + 'static, K: Ord + Debug>(
    outcome: &Simulated,
    output: &str,
    key: impl Fn(&T) -> K,
) -> String {
    let told = outcome.output::<T>(output);
    let last: BTreeMap<K, &T> = told.iter().map(|record| (key(record), record)).collect();
    format!("{output}\n{last:#?}\n")
}

fn collected(simulation: Simulation<WebTraffic>) -> Simulation<WebTraffic> {
    simulation
        .collect::<web_traffic::LineCounts>("line_counts")
        .collect::<web_traffic::Totals>("totals")
        .collect::<web_traffic::SessionTotals>("session_totals")
        .collect::<web_traffic::PageHourCount>("page_hour_count")
        .collect::<web_traffic::SpikeCount>("spike_count")
        .collect::<web_traffic::PageSpikeCount>("page_spike_count")
        .collect::<web_traffic::Statuses>("statuses")
        .collect::<web_traffic::Clock>("clock")
        .collect::<web_traffic::Days>("days")
        .collect::<web_traffic::VisitorDays>("visitor_days")
        .collect::<web_traffic::PageTotals>("page_totals")
        .collect::<web_traffic::RejectSamples>("reject_samples")
        .collect::<session::Session>("sessions")
        .collect::<hours::SiteHour>("hours")
        .collect::<web_traffic::PageHours>("page_hours")
        .collect::<web_traffic::TopPages>("top_pages")
        .collect::<spikes::Spike>("spikes")
        .collect::<spikes::PageSpike>("page_spikes")
        .collect::<Reject>("rejects")
        .collect::<Late<Request>>("late")
        .collect::<Late<Request>>("late_for_sessions")
}

fn report(outcome: &Simulated) -> String {
    [
        last(outcome, "line_counts", |_: &web_traffic::LineCounts| ()),
        last(outcome, "totals", |_: &web_traffic::Totals| ()),
        last(outcome, "session_totals", |_: &web_traffic::SessionTotals| ()),
        last(outcome, "page_hour_count", |_: &web_traffic::PageHourCount| ()),
        last(outcome, "spike_count", |_: &web_traffic::SpikeCount| ()),
        last(outcome, "page_spike_count", |_: &web_traffic::PageSpikeCount| ()),
        last(outcome, "statuses", |row: &web_traffic::Statuses| row.status),
        last(outcome, "clock", |row: &web_traffic::Clock| row.hour),
        last(outcome, "days", |row: &web_traffic::Days| row.day),
        last(outcome, "visitor_days", |row: &web_traffic::VisitorDays| (row.day, row.visitor.clone())),
        last(outcome, "page_totals", |row: &web_traffic::PageTotals| row.path.clone()),
        last(outcome, "reject_samples", |row: &web_traffic::RejectSamples| row.reason),
        all::<session::Session>(outcome, "sessions"),
        all::<hours::SiteHour>(outcome, "hours"),
        all::<web_traffic::PageHours>(outcome, "page_hours"),
        all::<web_traffic::TopPages>(outcome, "top_pages"),
        all::<spikes::Spike>(outcome, "spikes"),
        all::<spikes::PageSpike>(outcome, "page_spikes"),
        all::<Reject>(outcome, "rejects"),
        all::<Late<Request>>(outcome, "late"),
        all::<Late<Request>>(outcome, "late_for_sessions"),
    ]
    .concat()
}

#[test]
fn what_is_told_of_a_site_is_the_same_whenever_the_flow_is_killed() {
    let lines = lines();
    let make = || WebTraffic { max_delay: Duration::from_secs(3600) };
    let simulation = || collected(simulate(make).input("lines", lines.clone()));
    let expected = RefCell::new(String::new());
    simulation().seeds(0..1).shards(1..2).check(|outcome| *expected.borrow_mut() = report(outcome));
    let expected = expected.into_inner();
    assert!(expected.lines().count() > lines.len(), "something is told:\n{expected}");
    let crashes = RefCell::new(0);
    simulation().seeds(0..6).crash_anywhere().check(|outcome| {
        *crashes.borrow_mut() += outcome.crashes;
        assert!(report(outcome) == expected, "something else is told after {} crashes", outcome.crashes);
    });
    assert!(*crashes.borrow() > 0, "the flow was killed");
}
