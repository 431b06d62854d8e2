//! The Nexmark benchmark: 23 queries over the bids, auctions and people of an auction house.
//!
//! `cargo run --release --example nexmark -- q5`
//!
//! Each query is a flow in a file of its name; the other files are what feeds them and what writes their results.

mod args;
mod calendar;
mod closed;
mod csv;
mod digits;
mod event;
mod generate;
#[path = "../support/gzip.rs"]
mod gzip;
mod input;
mod money;
mod partitions;
mod q0;
mod q1;
mod q10;
mod q11;
mod q12;
mod q13;
mod q14;
mod q15;
mod q16;
mod q17;
mod q18;
mod q19;
mod q2;
mod q20;
mod q21;
mod q22;
mod q3;
mod q4;
mod q5;
mod q6;
mod q7;
mod q8;
mod q9;
mod queries;
mod rank;
mod summary;
mod tables;

use std::env;
use std::error::Error;
use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;

use tokio::runtime;

use crate::args::{Command, Options};
use crate::input::Events;
use crate::queries::Run;
use crate::summary::Summary;

type AnyError = Box<dyn Error + Send + Sync>;

fn main() -> ExitCode {
    let options = match Command::parse(env::args_os().skip(1)) {
        Ok(Command::Help) => return done(to_stdout(args::HELP)),
        Ok(Command::Run(options)) if queries::title(&options.query).is_some() => options,
        Ok(Command::Run(options)) => {
            complain(&*AnyError::from(format!("there is no query {:?}; they are q0 to q22", options.query)));
            return ExitCode::from(2);
        }
        Err(error) => {
            complain(&error);
            return ExitCode::from(2);
        }
    };
    done(run(options).and_then(|summary| to_stdout(&summary.to_string())))
}

fn done(result: Result<(), AnyError>) -> ExitCode {
    result.map_or_else(
        |error| {
            complain(&*error);
            ExitCode::FAILURE
        },
        |()| ExitCode::SUCCESS,
    )
}

fn run(options: Options) -> Result<Summary, AnyError> {
    let Options { query, events, rate, input, out, shards } = options;
    let events = match &input {
        Some(path) => Events::read(path, events.unwrap_or(usize::MAX))?,
        None => Events::made_up(events.unwrap_or(1_000_000), rate),
    };
    let (count, per_second) = (events.count, events.per_second);
    // Not on this thread, which would be one more than was asked for.
    let runtime = runtime::Builder::new_multi_thread().worker_threads(shards).enable_all().build()?;
    let run = queries::run(query.clone(), Run { events, shards, out });
    let outcome = runtime.block_on(runtime.spawn(run))??;
    Ok(Summary { query, events: count, per_second, input, shards, outcome })
}

/// Whoever reads our output may have seen enough (`| head`): that is no error.
fn to_stdout(text: &str) -> Result<(), AnyError> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(format!("cannot write the summary: {error}").into())
        }
        _ => Ok(()),
    }
}

/// An error and what caused it, on one line.
fn complain(error: &dyn Error) {
    let mut text = format!("nexmark: {error}");
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
