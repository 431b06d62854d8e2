//! What several workers cost, against the host of one process: CPU for each record, the latency of a result whose key is of
//! another process, and what idle processes and workers take.
//!
//! `cargo bench -p psdf-cluster --bench cost [-- --records N] [--rounds N] [--only cpu,latency,idle,ticks]`
//!
//! Each measurement is a process of its own, with the processes that it starts; rounds are interleaved.

use psdf::{Sink, SinkError, Source, SourceError, Timestamp, dataflow, sources};
use psdf_cluster::Job;
use psdf_cluster::config::Config;
use psdf_cluster::restarts::Restarts;
use psdf_cluster::supervise::supervise;
use serde::{Deserialize, Serialize};
use std::process::{Command, ExitCode};
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const KEYS: u64 = 100_000;

#[derive(Clone, Serialize, Deserialize)]
struct View {
    at: i64,
    page: u64,
    bytes: u64,
}

dataflow! {
    /// A count by key and minute, behind a filter that leaves nine records of ten.
    flow Views {
        input views: View;
        pages = views -> filter(|view| view.page % 10 != 0) -> event_time(|view| Timestamp::from_millis(view.at), lateness 1 s);
        minutes = pages
            -> key_by(page: u64 = |view| view.page)
            -> tumbling(1 min)
            -> aggregate { views: u64 = count(), bytes: u64 = sum(|view| view.bytes) };
        output minutes;
    }
}

dataflow! {
    /// Each record is answered as soon as the task of its key has seen it.
    flow Echo {
        input sent: u64;
        echo: u64 = sent
            -> key_by(at: u64 = |at| *at)
            -> stateful(u64) {
                state { seen: u64 = 0 } keep forever;
                |state, at, out| {
                    state.seen += 1;
                    out.emit(at);
                }
            }
            -> map(|at: u64| at);
        output echo;
    }
}

fn argument<T: FromStr>(name: &str) -> Option<T> {
    std::env::args().skip_while(|argument| argument != name).nth(1)?.parse().ok()
}

/// The records of one of so many partitions: ten thousand to a second.
fn views(partition: usize, of: usize, records: u64) -> impl Iterator<Item = View> {
    (partition as u64..records).step_by(of).map(|number| {
        let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
        View { at: i64::try_from(number / 10).unwrap_or(i64::MAX), page: mixed % KEYS, bytes: mixed & 0xfff }
    })
}

/// Drops what comes.
struct Dropped;

impl Sink for Dropped {
    type Item = views::Minutes;

    async fn write(&mut self, _: Vec<views::Minutes>) -> Result<(), SinkError> {
        Ok(())
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |passed| passed.as_nanos() as u64)
}

/// A thousand records a second, each the time at which it was sent.
struct Clock(u64);

impl Source for Clock {
    type Item = u64;

    async fn next_batch(&mut self, _: usize) -> Result<Option<Vec<u64>>, SourceError> {
        if self.0 == 0 {
            return Ok(None);
        }
        self.0 -= 1;
        tokio::time::sleep(Duration::from_millis(1)).await;
        Ok(Some(vec![now()]))
    }
}

/// Says at the end how long records were on their way.
#[derive(Default)]
struct Latencies(Vec<u64>);

impl Sink for Latencies {
    type Item = u64;

    async fn write(&mut self, sent: Vec<u64>) -> Result<(), SinkError> {
        let now = now();
        self.0.extend(sent.into_iter().map(|at| now.saturating_sub(at)));
        Ok(())
    }

    async fn close(&mut self) -> Result<(), SinkError> {
        self.0.sort_unstable();
        let at = |of: f64| {
            self.0.get((self.0.len() as f64 * of) as usize).map_or(f64::NAN, |nanos| *nanos as f64 / 1000.0)
        };
        println!("    {} records: p50 {:.0} us, p99 {:.0} us", self.0.len(), at(0.5), at(0.99));
        Ok(())
    }
}

/// Gives nothing for so long, and ends.
struct Silence(Duration);

impl Source for Silence {
    type Item = View;

    async fn next_batch(&mut self, _: usize) -> Result<Option<Vec<View>>, SourceError> {
        tokio::time::sleep(self.0).await;
        Ok(None)
    }
}

/// The CPU of this process and of those it has waited for, in seconds.
fn cpu_of_children() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let behind_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks = behind_name.split_whitespace().skip(13).take(2);
    ticks.filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}

fn embedded(records: u64) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let run = async {
        let source = sources::iter(views(0, 1, records));
        Views.builder().views_from(source).minutes_to(Dropped).spawn()?.finish().await?;
        Ok::<_, Box<dyn std::error::Error>>(())
    };
    match runtime.map_err(Into::into).and_then(|runtime| runtime.block_on(run)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// One measurement, in processes of its own.
fn run(what: &str, processes: usize, workers: usize) -> ExitCode {
    let records = argument("--records").unwrap_or(8_000_000);
    if processes == 0 {
        return embedded(records);
    }
    let config = Config::new("cost").processes(processes).workers(workers);
    let partitions = processes * workers;
    supervise(config, Restarts::default(), |seat| match what {
        "cpu" => {
            let source = move |number| sources::iter(views(number, partitions, records));
            Ok(Job::new(Views).source("views", partitions, source).sink("minutes", || Dropped).run(seat)?)
        }
        // One record a millisecond from each, so that of two half of the keys are of the other.
        "latency" => Ok(Job::new(Echo)
            .source("sent", partitions, |_| Clock(5_000))
            .sink("echo", Latencies::default)
            .run(seat)?),
        _ => Ok(Job::new(Views)
            .source("views", partitions, |_| Silence(Duration::from_secs(10)))
            .sink("minutes", || Dropped)
            .run(seat)?),
    })
}

/// Runs a measurement; the CPU that it took, in seconds.
fn measure(what: &str, processes: usize, workers: usize) -> f64 {
    let before = cpu_of_children();
    let program = std::env::current_exe().expect("a program has a path");
    let mut command = Command::new(program);
    command.args(std::env::args().skip(1).filter(|argument| argument != "--bench"));
    command.args(["--run", what, "--processes", &processes.to_string(), "--workers", &workers.to_string()]);
    let status = command.status().expect("it can be started again");
    assert!(status.success(), "{what} on {processes} processes: {status}");
    cpu_of_children() - before
}

fn median(mut of: Vec<f64>) -> String {
    of.sort_by(f64::total_cmp);
    format!("{:.2} ({:.2}-{:.2})", of[of.len() / 2], of[0], of[of.len() - 1])
}

fn main() -> ExitCode {
    if let Some(what) = argument::<String>("--run") {
        return run(&what, argument("--processes").unwrap_or(0), argument("--workers").unwrap_or(1));
    }
    let only: String = argument("--only").unwrap_or_else(|| "cpu,latency,idle,ticks".to_owned());
    let rounds: usize = argument("--rounds").unwrap_or(5);
    if only.contains("cpu") {
        let records: u64 = argument("--records").unwrap_or(8_000_000);
        println!("CPU of {records} records, as a multiple of the host of one process with one shard:");
        let shapes = [(1, 1), (1, 2), (2, 1), (3, 1)];
        let mut ratios = vec![Vec::new(); shapes.len()];
        let mut alone = Vec::new();
        for _ in 0..rounds {
            let base = measure("cpu", 0, 1);
            alone.push(base * 1e9 / records as f64);
            for (ratios, (processes, workers)) in ratios.iter_mut().zip(shapes) {
                ratios.push(measure("cpu", processes, workers) / base);
            }
        }
        println!("    one process, no cluster: {} ns a record", median(alone));
        for (ratios, (processes, workers)) in ratios.into_iter().zip(shapes) {
            println!("    processes: {processes}, workers of each: {workers}: {}", median(ratios));
        }
    }
    if only.contains("latency") {
        for (processes, workers) in [(1, 1), (2, 1), (3, 1)] {
            println!(
                "latency, {processes} processes with {workers} worker each, 1,000 records a second from each:"
            );
            measure("latency", processes, workers);
        }
    }
    if only.contains("idle") {
        for processes in [1, 2, 3] {
            let cpu = measure("idle", processes, 1) / 10.0 / processes as f64;
            println!(
                "idle, {processes} processes: {:.2} % of a processor each, start and end within",
                100.0 * cpu
            );
        }
    }
    if only.contains("ticks") {
        // Ten seconds without a record are a hundred ticks; what starts and ends is in it, too.
        for workers in [1, 10, 50, 100] {
            let cpu = measure("idle", 1, workers);
            let each = cpu * 1e6 / 100.0 / workers as f64;
            println!(
                "idle, {workers} workers of one process: {each:.0} us of a processor for a tick of each"
            );
        }
    }
    ExitCode::SUCCESS
}
