//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

pub(crate) const HELP: &str = "\
Reports the traffic of a web site from its access logs, by several processes on this machine.

Usage: web_traffic_cluster [LOGS..] [--processes N] [--workers N] [--csv DIR] [--lateness DURATION]

  LOGS                 logs in Common or Combined Log Format, plain or gzip, read in this order as one log;
                       without any, the log of a made-up site is reported
  --processes N        how many processes [default: 3]
  --workers N          how many workers, each a thread, in each process [default: 1]
  --csv DIR            also write the results as CSV files into DIR
  --lateness DURATION  how far out of order the log may be [default: 12h]
  --help               print this

DURATION is a number with a unit: 30s, 5min, 12h, 1d.
";

/// What is to be done.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) files: Vec<PathBuf>,
    pub(crate) processes: usize,
    pub(crate) workers: usize,
    pub(crate) csv: Option<PathBuf>,
    pub(crate) lateness: Duration,
}

impl Options {
    /// Reads the arguments that follow the program's name; `None` if help is asked for.
    pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Option<Options>, String> {
        let mut options = Options {
            files: Vec::new(),
            processes: 3,
            workers: 1,
            csv: None,
            lateness: Duration::from_secs(12 * 3600),
        };
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or(format!("{} needs a value", argument.display()));
            match argument.to_string_lossy().as_ref() {
                "--help" | "-h" => return Ok(None),
                "--processes" => options.processes = number(&value()?)?,
                "--workers" => options.workers = number(&value()?)?,
                "--csv" => options.csv = Some(value()?.into()),
                "--lateness" => options.lateness = duration(&value()?)?,
                unknown if unknown.starts_with('-') => {
                    return Err(format!("there is no option {unknown}; --help lists them"));
                }
                _ => options.files.push(argument.into()),
            }
        }
        Ok(Some(options))
    }
}

fn number(value: &OsString) -> Result<usize, String> {
    let text = value.to_string_lossy();
    let number = text.parse().ok().filter(|number| (1..=64).contains(number));
    number.ok_or_else(|| format!("a number from 1 to 64 is needed, not {text:?}"))
}

fn duration(value: &OsString) -> Result<Duration, String> {
    let text = value.to_string_lossy();
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let seconds = match unit.trim() {
        "s" => 1,
        "min" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return Err(format!("a duration such as 30s, 5min, 12h or 1d is needed, not {text:?}")),
    };
    let number: u64 =
        number.parse().map_err(|_| format!("a duration such as 30s is needed, not {text:?}"))?;
    Ok(Duration::from_secs(number.saturating_mul(seconds)))
}
