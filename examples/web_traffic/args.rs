//! The command line. It is small enough to be read by hand, and the example gets by without another crate.

use std::error::Error;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

pub(crate) const HELP: &str = "\
Reports the traffic of a web site from its access logs.

Usage: web_traffic [FILES.. | -] [--csv DIR] [--lateness DURATION] [--shards N] [--store DIR]
                   [--graph mermaid|dot]

  FILES                logs in Common or Combined Log Format, plain or gzip, read in this order as one log;
                       `-` is standard input; without any, the log of a made-up site is reported
  --csv DIR            also write the results as CSV files into DIR
  --lateness DURATION  how far out of order the log may be [default: 12 h]; what comes later still is listed
                       in late.csv (missing from hours, pages and spikes) and in
                       late_for_sessions.csv (missing from sessions)
  --shards N           tasks for each part of the flow that has a key [default: one per processor]
  --store DIR          keep the report's state in DIR: one that was killed goes on where it was when it is called
                       again with the same FILES, also with other shards
  --graph FORMAT       print the flow's graph, `mermaid` or `dot`, and do nothing else
  --help               print this

DURATION is a number with a unit: 500ms, 30s, 5min, 12h, \"1 day\".
";

/// The longest lateness, so that no log's time less the lateness leaves what a timestamp can hold.
const MOST_LATENESS: Duration = Duration::from_secs(1_000_000 * 86_400);

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Help,
    Graph(GraphFormat),
    Report(Options),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GraphFormat {
    Mermaid,
    Dot,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Options {
    /// Files in order; `-` is standard input.
    pub(crate) files: Vec<PathBuf>,
    pub(crate) csv: Option<PathBuf>,
    pub(crate) lateness: Duration,
    pub(crate) shards: usize,
    pub(crate) store: Option<PathBuf>,
}

/// A command line that cannot be followed, told to whoever wrote it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct UsageError(String);

impl Command {
    /// Reads the arguments that follow the program's name.
    pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Command, UsageError> {
        let mut options = Options {
            files: Vec::new(),
            csv: None,
            lateness: Duration::from_secs(12 * 3600),
            shards: thread::available_parallelism().map_or(1, usize::from),
            store: None,
        };
        let mut graph = None;
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            let (option, inline) = split_option(&argument);
            let mut value = || {
                inline
                    .clone()
                    .or_else(|| arguments.next())
                    .ok_or_else(|| UsageError(format!("{option} needs a value")))
            };
            match option.as_ref() {
                "--help" | "-h" => return Ok(Command::Help),
                "--csv" => options.csv = Some(directory("--csv", value()?)?),
                "--lateness" => options.lateness = lateness(&value()?)?,
                "--shards" => options.shards = shards(&value()?)?,
                "--store" => options.store = Some(directory("--store", value()?)?),
                "--graph" => graph = Some(graph_format(&value()?)?),
                "--" => options.files.extend(arguments.by_ref().map(PathBuf::from)),
                unknown if unknown.starts_with('-') && unknown != "-" => {
                    return Err(UsageError(format!("there is no option {unknown}; --help lists them")));
                }
                _ => options.files.push(argument.into()),
            }
        }
        Ok(graph.map_or(Command::Report(options), Command::Graph))
    }
}

/// `--option=value` in its two parts. A file's name is not split.
fn split_option(argument: &OsStr) -> (String, Option<OsString>) {
    let text = argument.to_string_lossy();
    match text.split_once('=') {
        Some((option, value)) if option.starts_with("--") => (option.to_owned(), Some(value.into())),
        _ => (text.into_owned(), None),
    }
}

fn directory(option: &str, value: OsString) -> Result<PathBuf, UsageError> {
    if value.is_empty() {
        return Err(UsageError(format!("{option} takes a directory, not \"\"; `.` is this one")));
    }
    Ok(value.into())
}

fn shards(value: &OsStr) -> Result<usize, UsageError> {
    let text = value.to_string_lossy();
    let shards = text.parse().ok().filter(|shards| (1..=256).contains(shards));
    shards.ok_or_else(|| UsageError(format!("--shards takes a number from 1 to 256, not {text:?}")))
}

fn graph_format(value: &OsStr) -> Result<GraphFormat, UsageError> {
    match value.to_string_lossy().as_ref() {
        "mermaid" => Ok(GraphFormat::Mermaid),
        "dot" => Ok(GraphFormat::Dot),
        other => Err(UsageError(format!("--graph takes mermaid or dot, not {other:?}"))),
    }
}

fn lateness(value: &OsStr) -> Result<Duration, UsageError> {
    let text = value.to_string_lossy();
    let lateness = duration(&text).ok_or_else(|| {
        UsageError(format!("--lateness takes a duration such as 30s, 5min, 12h or \"1 day\", not {text:?}"))
    })?;
    if lateness > MOST_LATENESS {
        return Err(UsageError(format!("--lateness {text:?} is more than a million days")));
    }
    Ok(lateness)
}

/// A whole number, perhaps a space, and a unit. What is too long to be held is as long as can be.
fn duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
    if number.is_empty() {
        return None;
    }
    let unit_millis = match unit.trim_start() {
        "ms" => 1,
        "s" | "sec" | "second" | "seconds" => 1000,
        "m" | "min" | "minute" | "minutes" => 60 * 1000,
        "h" | "hour" | "hours" => 3600 * 1000,
        "d" | "day" | "days" => 86_400 * 1000,
        _ => return None,
    };
    let count = number.parse().unwrap_or(u64::MAX);
    Some(Duration::from_millis(count.saturating_mul(unit_millis)))
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
        let Ok(Command::Report(options)) =
            parse(&["a", "--lateness=1 day", "-", "--csv", "out", "--shards", "3", "--", "--b"])
        else {
            panic!("a report")
        };
        assert_eq!(options.files, ["a", "-", "--b"].map(PathBuf::from));
        assert_eq!(options.csv, Some("out".into()));
        assert_eq!((options.lateness, options.shards), (Duration::from_secs(86_400), 3));
        assert_eq!(parse(&["--graph", "dot"]), Ok(Command::Graph(GraphFormat::Dot)));
        assert_eq!(parse(&["--help", "--nonsense"]), Ok(Command::Help));
    }

    #[test]
    fn durations_have_units() {
        let seconds =
            [("12h", 43_200), ("30s", 30), ("5min", 300), ("1 day", 86_400), ("0s", 0), ("90 min", 5400)];
        for (text, expected) in seconds {
            assert_eq!(duration(text), Some(Duration::from_secs(expected)), "{text}");
        }
        assert_eq!(duration("500ms"), Some(Duration::from_millis(500)));
        for wrong in ["", "5", "h", "-5s", "1.5h", "5 parsecs", "5s s"] {
            assert_eq!(duration(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn mistakes_are_named() {
        for (arguments, word) in [
            (&["--shards", "0"][..], "\"0\""),
            (&["--shards"][..], "--shards"),
            (&["--lateness", "soon"][..], "\"soon\""),
            (&["--lateness", "99999999999999999999d"][..], "million days"),
            (&["--graph", "png"][..], "\"png\""),
            (&["--csv="][..], "directory"),
            (&["--store="][..], "--store"),
            (&["--cvs", "out"][..], "--cvs"),
        ] {
            let error = parse(arguments).expect_err("a mistake");
            assert!(error.to_string().contains(word), "{error}");
        }
    }
}
