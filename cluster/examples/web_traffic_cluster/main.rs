//! The traffic of a web site, from its access logs, computed by several processes on this machine.
//!
//! `cargo run --release -p psdf-cluster --example web_traffic_cluster -- --processes 3 --csv results access.log.2.gz`
//!
//! The flow is that of the example `web_traffic`, as it stands there: nothing of it knows how many workers it has. The log
//! is one stream, in which lines are numbered and the order of requests is told of, so one worker reads it; parsing and
//! what has no key runs there too, and all that has a key on every worker.

#![allow(dead_code, reason = "the single-process example uses more of its files")]

mod args;
#[path = "../../../examples/web_traffic/calendar.rs"]
mod calendar;
#[path = "../../../examples/web_traffic/chart.rs"]
mod chart;
#[path = "../../../examples/web_traffic/csv.rs"]
mod csv;
#[path = "../../../examples/web_traffic/disorder.rs"]
mod disorder;
#[path = "../../../examples/web_traffic/flow.rs"]
mod flow;
mod gathered;
#[path = "../../../examples/web_traffic/generate.rs"]
mod generate;
#[path = "../../../examples/support/gzip.rs"]
mod gzip;
#[path = "../../../examples/web_traffic/hours.rs"]
mod hours;
#[path = "../../../examples/web_traffic/line.rs"]
mod line;
#[path = "../../../examples/web_traffic/log_format.rs"]
mod log_format;
#[path = "../../../examples/web_traffic/path.rs"]
mod path;
#[path = "../../../examples/web_traffic/progress.rs"]
mod progress;
#[path = "../../../examples/web_traffic/random.rs"]
mod random;
#[path = "../../../examples/web_traffic/report.rs"]
mod report;
#[path = "../../../examples/web_traffic/request.rs"]
mod request;
#[path = "../../../examples/web_traffic/results.rs"]
mod results;
#[path = "../../../examples/web_traffic/server.rs"]
mod server;
#[path = "../../../examples/web_traffic/session.rs"]
mod session;
#[path = "../../../examples/web_traffic/site.rs"]
mod site;
#[path = "../../../examples/web_traffic/size.rs"]
mod size;
#[path = "../../../examples/web_traffic/spikes.rs"]
mod spikes;
#[path = "../../../examples/web_traffic/text.rs"]
mod text;

use std::error::Error;
use std::io::{self, BufWriter, ErrorKind, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use psdf::sources;
use psdf_cluster::Job;
use psdf_cluster::config::Config;
use psdf_cluster::exit::Failure;
use psdf_cluster::restarts::Restarts;
use psdf_cluster::seat::Seat;
use psdf_cluster::supervise::supervise;

use crate::args::{HELP, Options};
use crate::flow::WebTraffic;
use crate::gathered::Gathered;
use crate::generate::MadeUpLog;
use crate::line::{Input, Lines};
use crate::progress::Progress;
use crate::report::Report;
use crate::results::Results;

type AnyError = Box<dyn Error + Send + Sync>;

fn main() -> ExitCode {
    let options = match Options::parse(std::env::args_os().skip(1)) {
        Ok(Some(options)) => options,
        Ok(None) => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("web_traffic_cluster: {error}");
            return ExitCode::from(2);
        }
    };
    let config = Config::new("web_traffic").processes(options.processes).workers(options.workers);
    supervise(config, Restarts::default(), |seat| work(seat, options))
}

/// What each process does.
fn work(seat: Seat, options: Options) -> Result<(), Failure> {
    let is_first = seat.config.own_index() == 0;
    let (gathered, bytes_read) = (Gathered::default(), Arc::default());
    let (files, read) = (options.files.clone(), Arc::clone(&bytes_read));
    let lines = move |_| sources::blocking(Lines::new(inputs(&files), Arc::clone(&read)));
    let job = Job::new(WebTraffic { max_delay: options.lateness }).source("lines", 1, lines);
    let job = gathered.attach(job);
    // The bar has a thread of its own, as the flow has.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_time().build()?;
    let entered = runtime.enter();
    let progress = is_first.then(|| Progress::of(bytes_read, total(&options.files)));
    job.run(seat)?;
    drop((progress, entered));
    if !is_first {
        return Ok(());
    }
    tell(&gathered.results(), &options).map_err(Failure::GiveUp)
}

fn inputs(files: &[PathBuf]) -> Vec<Input> {
    if files.is_empty() {
        return vec![Input::Made(Box::new(MadeUpLog::new()))];
    }
    files.iter().cloned().map(Input::File).collect()
}

/// The bytes of all files, if there are any.
fn total(files: &[PathBuf]) -> Option<u64> {
    let sizes = files.iter().map(|file| std::fs::metadata(file).map(|metadata| metadata.len()).ok());
    sizes.sum::<Option<u64>>().filter(|&total| total > 0)
}

/// The report, and the files if they are asked for.
fn tell(results: &Results, options: &Options) -> Result<(), AnyError> {
    if let Some(directory) = &options.csv {
        std::fs::create_dir_all(directory)
            .map_err(|cause| format!("cannot create {}: {cause}", directory.display()))?;
        csv::write_all(results, directory)?;
    }
    let colour = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let mut out = BufWriter::new(io::stdout().lock());
    match Report::to(&mut out, colour).print(results).and_then(|()| out.flush()) {
        // Whoever reads our output may have seen enough.
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(format!("cannot write the report: {error}").into())
        }
        _ => Ok(()),
    }
}
