//! The traffic of a web site, from its access logs: a report for the terminal and exact results as CSV.
//!
//! `cargo run --release --example web_traffic -- access.log.1 access.log.2.gz --csv results`
//!
//! The flow is declared in `flow.rs`; the other files are what it computes with, what feeds it, what shows its results.

mod args;
mod calendar;
mod chart;
mod csv;
mod disorder;
mod flow;
mod generate;
#[path = "../support/gzip.rs"]
mod gzip;
mod hours;
mod kept;
mod line;
mod log_format;
mod path;
mod progress;
mod random;
mod report;
mod request;
mod results;
mod server;
mod session;
mod site;
mod size;
mod spikes;
mod text;

use std::env;
use std::error::Error;
use std::fs;
use std::io::{self, BufWriter, ErrorKind, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use psdf::sources;

use crate::args::{Command, GraphFormat, Options};
use crate::flow::WebTraffic;
use crate::generate::MadeUpLog;
use crate::kept::Kept;
use crate::line::{Input, Lines};
use crate::progress::Progress;
use crate::report::Report;
use crate::results::Results;

type AnyError = Box<dyn Error + Send + Sync>;

#[tokio::main]
async fn main() -> ExitCode {
    let command = match Command::parse(env::args_os().skip(1)) {
        Ok(command) => command,
        Err(error) => {
            complain(&error);
            return ExitCode::from(2);
        }
    };
    match follow(command).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&*error);
            ExitCode::FAILURE
        }
    }
}

async fn follow(command: Command) -> Result<(), AnyError> {
    match command {
        Command::Help => to_stdout(|out| write!(out, "{}", args::HELP)),
        Command::Graph(GraphFormat::Mermaid) => {
            to_stdout(|out| writeln!(out, "{}", WebTraffic::GRAPH.to_mermaid()))
        }
        Command::Graph(GraphFormat::Dot) => to_stdout(|out| writeln!(out, "{}", WebTraffic::GRAPH.to_dot())),
        Command::Report(options) => report(options).await,
    }
}

async fn report(options: Options) -> Result<(), AnyError> {
    let total = bytes_of(&options.files)?;
    if let Some(directory) = &options.csv {
        fs::create_dir_all(directory)
            .map_err(|cause| format!("cannot create {}: {cause}", directory.display()))?;
    }
    let bytes_read = Arc::default();
    let made_up = options.files.is_empty();
    let lines = Lines::new(inputs(options.files), Arc::clone(&bytes_read));
    let progress = Progress::of(bytes_read, total);
    let (lines, lateness, shards) = (sources::blocking(lines), options.lateness, options.shards);
    let results = match &options.store {
        Some(store) => Kept::in_directory(store)?.results_of(lines, lateness, shards).await?,
        None => Results::of(lines, lateness, shards).await?,
    };
    drop(progress);

    if let Some(directory) = &options.csv {
        csv::write_all(&results, directory)?;
    }
    let colour = io::stdout().is_terminal() && env::var_os("NO_COLOR").is_none();
    to_stdout(|out| {
        if made_up {
            writeln!(
                out,
                "\nNo FILES were given: this is a made-up site. `--help` tells how to report on yours."
            )?;
        }
        Report::to(out, colour).print(&results)
    })
}

/// The size of all files, if there are only files. One that is missing is told before anything is done.
fn bytes_of(files: &[PathBuf]) -> Result<Option<u64>, AnyError> {
    let mut total = (!files.is_empty()).then_some(0);
    for file in files {
        if is_stdin(file) {
            total = None;
            continue;
        }
        let metadata =
            fs::metadata(file).map_err(|cause| format!("cannot read {}: {cause}", file.display()))?;
        total = total.filter(|_| metadata.is_file()).map(|total: u64| total.saturating_add(metadata.len()));
    }
    Ok(total)
}

fn inputs(files: Vec<PathBuf>) -> Vec<Input> {
    if files.is_empty() {
        return vec![Input::Made(Box::new(MadeUpLog::new()))];
    }
    files.into_iter().map(|file| if is_stdin(&file) { Input::Stdin } else { Input::File(file) }).collect()
}

fn is_stdin(file: &Path) -> bool {
    file.as_os_str() == "-"
}

/// Whoever reads our output may have seen enough (`| head`): that is no error.
fn to_stdout(
    write: impl FnOnce(&mut BufWriter<io::StdoutLock<'static>>) -> io::Result<()>,
) -> Result<(), AnyError> {
    let mut out = BufWriter::new(io::stdout().lock());
    match write(&mut out).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(format!("cannot write the report: {error}").into())
        }
        _ => Ok(()),
    }
}

/// An error and what caused it, on one line.
fn complain(error: &dyn Error) {
    let mut text = format!("web_traffic: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        // Some errors already end with their cause.
        let message = error.to_string();
        if !text.ends_with(&message) {
            text = format!("{text}: {message}");
        }
        cause = error.source();
    }
    // Nobody is left to be told that standard error is closed.
    let _ = writeln!(io::stderr(), "{text}");
}
