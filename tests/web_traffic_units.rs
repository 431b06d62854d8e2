//! Runs the unit tests that stand in the web-traffic example's own files: Cargo builds examples and does not test them.
#![allow(dead_code, reason = "the example uses what its tests do not")]

#[path = "../examples/web_traffic/args.rs"]
mod args;
#[path = "../examples/web_traffic/calendar.rs"]
mod calendar;
#[path = "../examples/web_traffic/chart.rs"]
mod chart;
#[path = "../examples/web_traffic/disorder.rs"]
mod disorder;
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
