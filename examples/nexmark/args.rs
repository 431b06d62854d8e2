//! The command line.

use std::error::Error;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::PathBuf;
use std::thread;

pub(crate) const HELP: &str = "\
Runs a query of the Nexmark benchmark over the bids, auctions and people of an auction house.

Usage: nexmark qN [--events N] [--rate N] [--input FILE] [--out FILE] [--shards N]

  qN            the query, q0 to q22
  --events N    how many events to make up before the clock starts, or to read of FILE at most
                [default: 1000000, or all]
  --rate N      how many made up events happen in a second of event time [default: 100000]; what a window
                costs depends on it
  --input FILE  events from JSON Lines, plain or gzip, instead of made up ones
  --out FILE    write the results as CSV; q10 writes files into a directory of that name
  --shards N    tasks for each part of the flow that has a key, and threads [default: one per processor]
  --help        print this
";

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Help,
    Run(Options),
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) query: String,
    /// How many, if that was said.
    pub(crate) events: Option<usize>,
    pub(crate) rate: usize,
    pub(crate) input: Option<PathBuf>,
    pub(crate) out: Option<PathBuf>,
    pub(crate) shards: usize,
}

/// A command line that cannot be followed, told to whoever wrote it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct UsageError(String);

impl Command {
    /// Reads the arguments that follow the program's name.
    pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Command, UsageError> {
        let mut options = Options {
            query: String::new(),
            events: None,
            rate: 100_000,
            input: None,
            out: None,
            shards: thread::available_parallelism().map_or(1, usize::from),
        };
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            let (option, inline) = split_option(&argument);
            let mut value = || {
                inline
                    .clone()
                    .or_else(|| arguments.next())
                    .ok_or_else(|| UsageError(format!("{option} needs a value")))
            };
            match option.as_str() {
                "--help" | "-h" => return Ok(Command::Help),
                "--events" => options.events = Some(number(&option, &value()?, 0..=usize::MAX)?),
                "--rate" => options.rate = number(&option, &value()?, 1..=1_000_000_000)?,
                "--input" => options.input = Some(value()?.into()),
                "--out" => options.out = Some(value()?.into()),
                "--shards" => options.shards = number(&option, &value()?, 1..=256)?,
                unknown if unknown.starts_with('-') => {
                    return Err(UsageError(format!("there is no option {unknown}; --help lists them")));
                }
                query if options.query.is_empty() => query.clone_into(&mut options.query),
                second => {
                    return Err(UsageError(format!(
                        "one query at a time, not {} and {second}",
                        options.query
                    )));
                }
            }
        }
        if options.query.is_empty() {
            return Err(UsageError("which query? `nexmark q5` runs one; --help tells more".to_owned()));
        }
        Ok(Command::Run(options))
    }
}

/// `--option=value` in its two parts.
fn split_option(argument: &OsStr) -> (String, Option<OsString>) {
    let text = argument.to_string_lossy();
    match text.split_once('=') {
        Some((option, value)) if option.starts_with("--") => (option.to_owned(), Some(value.into())),
        _ => (text.into_owned(), None),
    }
}

fn number(
    option: &str,
    value: &OsStr,
    allowed: std::ops::RangeInclusive<usize>,
) -> Result<usize, UsageError> {
    let text = value.to_string_lossy();
    // As people write large numbers.
    let number = text.replace('_', "").parse().ok().filter(|number| allowed.contains(number));
    number.ok_or_else(|| {
        let (least, most) = allowed.into_inner();
        let range = if most == usize::MAX {
            "a number".to_owned()
        } else {
            format!("a number from {least} to {most}")
        };
        UsageError(format!("{option} takes {range}, not {text:?}"))
    })
}

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for UsageError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Command, UsageError> {
        Command::parse(arguments.iter().map(OsString::from))
    }

    #[test]
    fn options_may_stand_anywhere() {
        let Ok(Command::Run(options)) =
            parse(&["--events", "1_000", "q5", "--rate=7", "--input=a.gz", "--out", "b", "--shards", "3"])
        else {
            panic!("a run")
        };
        assert_eq!((options.query.as_str(), options.events, options.rate), ("q5", Some(1000), 7));
        assert_eq!((options.input, options.out), (Some("a.gz".into()), Some("b".into())));
        assert_eq!(options.shards, 3);
        assert_eq!(parse(&["--help", "--nonsense"]), Ok(Command::Help));
    }

    #[test]
    fn mistakes_are_named() {
        for (arguments, word) in [
            (&[][..], "q5"),
            (&["q1", "q2"][..], "q1 and q2"),
            (&["q1", "--shards", "0"][..], "\"0\""),
            (&["q1", "--shards"][..], "--shards"),
            (&["q1", "--events", "many"][..], "\"many\""),
            (&["q1", "--outt", "x"][..], "--outt"),
        ] {
            let error = parse(arguments).expect_err("a mistake");
            assert!(error.to_string().contains(word), "{error}");
        }
    }
}
