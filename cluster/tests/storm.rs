//! Kills processes of a job with SIGKILL and at chosen points, and starts it on another number of them each time: what it
//! has written in the end is what it writes when nothing happens.
//!
//! This program is all of them: with a part in its environment it is one process of the job.

#[path = "support/shops.rs"]
mod shops;

use std::fs::File;
use std::io;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use psdf::storage::{DirStorage, Storage};
use psdf::testing::Rng;
use psdf_cluster::Job;
use psdf_cluster::config::Config;
use psdf_cluster::exit::Failure;
use psdf_cluster::seat::{Seat, alone};

use crate::shops::{Sales, Shops, lines, till, written};

const SCRATCH: &str = "PSDF_TEST_SCRATCH";
const POINT: &str = "PSDF_TEST_POINT";
const SALES: u64 = 40_000;
const PARTITIONS: usize = 2;
/// So long a frontier may stand still: longer than a loaded machine takes for anything here.
const PATIENCE_SECONDS: u32 = 8;
/// Nothing here takes as long, unless it hangs.
const LONG: Duration = Duration::from_secs(120);

fn main() -> ExitCode {
    match std::env::var_os(SCRATCH) {
        Some(scratch) => process(Path::new(&scratch)),
        None => {
            let wanted = std::env::args().nth(1).filter(|argument| !argument.starts_with('-'));
            for (name, test) in TESTS {
                if wanted.as_ref().is_none_or(|wanted| name.contains(wanted.as_str())) {
                    println!("test {name} ...");
                    test();
                }
            }
            ExitCode::SUCCESS
        }
    }
}

type Test = fn();

const TESTS: &[(&str, Test)] = &[
    ("whoever_is_killed_and_whenever_each_record_is_written_once", storms),
    ("a_process_that_was_thought_dead_commits_nothing_when_it_goes_on", zombies),
    ("a_process_that_dies_at_any_point_of_an_epoch_loses_and_doubles_nothing", points),
];

// ---- a process

/// A place in the life of an epoch at which a process dies, the `n`th time that it comes there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Point {
    AfterPiece,
    BeforeManifest,
    AfterManifest,
    InRestore,
}

const POINTS: [(&str, Point); 4] = [
    ("after-piece", Point::AfterPiece),
    ("before-manifest", Point::BeforeManifest),
    ("after-manifest", Point::AfterManifest),
    ("in-restore", Point::InRestore),
];

/// A directory in which the process that uses it dies.
struct Deadly {
    directory: DirStorage,
    at: Option<(Point, u64)>,
    passed: AtomicU64,
}

impl Deadly {
    fn pass(&self, point: Point) {
        if let Some((at, nth)) = self.at
            && at == point
            && self.passed.fetch_add(1, Ordering::SeqCst) + 1 == nth
        {
            std::process::abort();
        }
    }
}

impl Storage for Deadly {
    fn put(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.directory.put(name, bytes)?;
        self.pass(Point::AfterPiece);
        Ok(())
    }

    fn create(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.pass(Point::BeforeManifest);
        self.directory.create(name, bytes)?;
        self.pass(Point::AfterManifest);
        Ok(())
    }

    fn get(&self, name: &str) -> io::Result<Vec<u8>> {
        self.directory.get(name)
    }

    fn get_range(&self, name: &str, from: u64, len: u64) -> io::Result<Vec<u8>> {
        self.pass(Point::InRestore);
        self.directory.get_range(name, from, len)
    }

    fn list(&self, prefix: &str) -> io::Result<Vec<String>> {
        self.directory.list(prefix)
    }

    fn delete(&self, name: &str) -> io::Result<()> {
        self.directory.delete(name)
    }
}

fn process(scratch: &Path) -> ExitCode {
    let config = Config::from_env().expect("the test says who this process is");
    alone(config, |seat| work(seat, scratch))
}

fn work(seat: Seat, scratch: &Path) -> Result<(), Failure> {
    let point = std::env::var(POINT).ok().and_then(|text| {
        let (name, nth) = text.split_once(':')?;
        let (_, point) = POINTS.into_iter().find(|(known, _)| *known == name)?;
        Some((point, nth.parse().ok()?))
    });
    let directory = DirStorage::open(scratch.join("store"))?;
    let storage = Deadly { directory, at: point, passed: AtomicU64::new(0) };
    let to = scratch.to_path_buf();
    let job = Job::new(Shops {})
        .durable_in(storage)
        .tier(scratch.join(format!("tier-{}", std::process::id())))
        .checkpoint_every(Duration::from_millis(20))
        .source("sales", PARTITIONS, |number| Sales {
            sales: till(number, PARTITIONS, SALES),
            at: 0,
            halt: None,
            pace: Some(Duration::from_millis(2)),
        })
        .sink("lines", move || lines(&to));
    job.run(seat)?;
    std::fs::write(scratch.join("finished"), "")?;
    Ok(())
}

// ---- the test

/// Processes of a job, and what a test did to them. They are killed when it is dropped.
struct Run(Vec<Child>);

impl Run {
    fn start(scratch: &Path, processes: usize, workers: usize, dies: Option<(usize, String)>) -> Run {
        Run::patient(scratch, (processes, workers), dies, 60)
    }

    fn patient(
        scratch: &Path,
        (processes, workers): (usize, usize),
        dies: Option<(usize, String)>,
        patience: u32,
    ) -> Run {
        let listeners: Vec<TcpListener> =
            (0..processes).map(|_| TcpListener::bind("127.0.0.1:0").expect("a port is free")).collect();
        let address = |listener: &TcpListener| listener.local_addr().expect("it is bound").to_string();
        let addresses: Vec<String> = listeners.iter().map(address).collect();
        drop(listeners);
        let start = |index: usize| {
            let mut command = Command::new(std::env::current_exe().expect("this program is a file"));
            command
                .env(SCRATCH, scratch)
                .env("PSDF_JOB", "storm")
                .env("PSDF_PROCESSES", processes.to_string())
                .env("PSDF_WORKERS", workers.to_string())
                .env("PSDF_INDEX", index.to_string())
                .env("PSDF_ADDRESSES", addresses.join(","))
                .env("PSDF_ASSEMBLY_SECONDS", "20")
                .env("PSDF_PATIENCE_SECONDS", patience.to_string())
                .env("RUST_BACKTRACE", "0")
                .stdin(Stdio::null())
                .stderr(said(scratch));
            if let Some((_, point)) = dies.as_ref().filter(|(victim, _)| *victim == index) {
                command.env(POINT, point);
            }
            command.spawn().expect("this program can be started")
        };
        Run((0..processes).map(start).collect())
    }

    /// Whether none of them is left.
    fn is_over(&mut self) -> bool {
        self.0.iter_mut().all(|child| child.try_wait().expect("it is ours").is_some())
    }

    /// Waits until none is left, or something else has happened; whether none is left.
    fn wait(&mut self, or: impl Fn() -> bool) -> bool {
        let begun = Instant::now();
        while !self.is_over() {
            if or() {
                return false;
            }
            assert!(begun.elapsed() < LONG, "the processes hang");
            std::thread::park_timeout(Duration::from_millis(5));
        }
        true
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// What processes say, for whoever looks why a test failed.
fn said(scratch: &Path) -> Stdio {
    let file = File::options().create(true).append(true).open(scratch.join("said"));
    file.map_or_else(|_| Stdio::null(), Stdio::from)
}

/// The last that processes have said.
fn last_said(scratch: &Path) -> String {
    let said = std::fs::read_to_string(scratch.join("said")).unwrap_or_default();
    let lines: Vec<&str> = said.lines().collect();
    lines[lines.len().saturating_sub(12)..].join("\n")
}

/// An empty directory.
fn scratch(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("psdf-cluster-storm-{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&path);
    std::fs::create_dir_all(&path).expect("a place for files");
    path
}

/// The last committed epoch; 0 if there is none.
fn committed(scratch: &Path) -> u64 {
    let names = std::fs::read_dir(scratch.join("store/manifests")).into_iter().flatten().flatten();
    names.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).max().unwrap_or(0)
}

fn is_finished(scratch: &Path) -> bool {
    scratch.join("finished").exists()
}

/// What is written when nothing happens.
fn expected() -> Arc<str> {
    let directory = scratch("expected");
    let to = directory.clone();
    let sales = |_| Sales { sales: till(0, 1, SALES), at: 0, halt: None, pace: None };
    let job = Job::new(Shops {})
        .durable(directory.join("store"))
        .tier(directory.join("tier"))
        .source("sales", 1, sales);
    job.sink("lines", move || lines(&to)).run_here(1).expect("nothing happens");
    let text = written(&directory);
    std::fs::remove_dir_all(&directory).expect("it was ours");
    assert!(text.lines().count() > 3_000, "there is something to compare: {}", text.lines().count());
    text.into()
}

fn storms() {
    let expected = expected();
    for seed in [11, 2024] {
        storm(seed, &expected);
    }
}

fn storm(seed: u64, expected: &str) {
    let (scratch, mut rng) = (scratch(&format!("seed-{seed}")), Rng::new(seed));
    let (mut kills, mut restores, mut counts) = (0, 0, Vec::new());
    while kills < 8 {
        let (processes, workers) = (1 + rng.place(3), 1 + rng.place(2));
        let (before, more) = (committed(&scratch), 1 + rng.below(4));
        let victim = rng.place(processes);
        let mut run = Run::start(&scratch, processes, workers, None);
        if run.wait(|| committed(&scratch) >= before + more) {
            let said = last_said(&scratch);
            assert!(is_finished(&scratch), "seed {seed}: nobody was killed, and yet they died: {said}");
            break;
        }
        run.0[victim].kill().expect("it is ours");
        kills += 1;
        counts.push(processes);
        // The others see it by themselves.
        assert!(run.wait(|| false));
        restores += usize::from(before > 0 && committed(&scratch) > before);
    }
    finish(&scratch, &mut rng);
    assert!(written(&scratch) == expected, "seed {seed}: processes {counts:?}");
    assert!(restores >= 4, "seed {seed}: of {kills} kills {restores} were of a run that had been restored");
    println!(
        "  seed {seed}: {kills} kills, {restores} restored, processes {counts:?}, epoch {}",
        committed(&scratch)
    );
    std::fs::remove_dir_all(&scratch).expect("it was ours");
}

/// Runs the job to its end.
fn finish(scratch: &Path, rng: &mut Rng) {
    let mut run = Run::start(scratch, 1 + rng.place(3), 1, None);
    assert!(run.wait(|| false));
    let said = last_said(scratch);
    assert!(is_finished(scratch), "nobody is killed any more, and it does not come to its end: {said}");
}

fn points() {
    let expected = expected();
    for (seed, (name, point)) in (1..).zip(POINTS) {
        let (scratch, mut rng) = (scratch(name), Rng::new(seed));
        let mut deaths = 0;
        for round in 0..4u64 {
            let processes = 1 + rng.place(3);
            // Who commits is process 0; pieces and what is restored are everywhere.
            let commits = matches!(point, Point::BeforeManifest | Point::AfterManifest);
            let victim = if commits { 0 } else { rng.place(processes) };
            let before = committed(&scratch);
            if point == Point::InRestore && before == 0 {
                let mut run = Run::start(&scratch, processes, 1, None);
                assert!(!run.wait(|| committed(&scratch) >= 3));
                continue;
            }
            let mut run =
                Run::start(&scratch, processes, 1, Some((victim, format!("{name}:{}", 1 + round * 3))));
            assert!(run.wait(|| false));
            if is_finished(&scratch) {
                break;
            }
            deaths += 1;
        }
        finish(&scratch, &mut rng);
        assert!(written(&scratch) == *expected, "{point:?}");
        assert!(deaths >= 2, "{point:?}: there were {deaths} deaths");
        println!("  {name}: {deaths} deaths");
        std::fs::remove_dir_all(&scratch).expect("it was ours");
    }
}

fn signal(child: &Child, signal: &str) {
    let command = format!("kill -{signal} {}", child.id());
    let status = Command::new("sh").args(["-c", &command]).status().expect("there is a shell");
    assert!(status.success(), "{command}");
}

fn zombies() {
    let expected = expected();
    for victim in 0..2 {
        let scratch = scratch(&format!("zombie-{victim}"));
        let mut run = Run::patient(&scratch, (2, 1), None, PATIENCE_SECONDS);
        assert!(!run.wait(|| committed(&scratch) >= 2), "they came to their end: {}", last_said(&scratch));
        let mut zombie = Run(vec![run.0.remove(victim)]);
        signal(&zombie.0[0], "STOP");
        // The other sees by its watchdog that nothing goes on.
        assert!(run.wait(|| false));
        assert!(last_said(&scratch).contains("has not become complete"), "{}", last_said(&scratch));
        let before = committed(&scratch);
        let mut next = Run::start(&scratch, 2, 1, None);
        next.wait(|| committed(&scratch) >= before + 2);
        signal(&zombie.0[0], "CONT");
        assert!(zombie.wait(|| false));
        assert!(next.wait(|| false));
        assert!(is_finished(&scratch), "{}", last_said(&scratch));
        assert!(written(&scratch) == *expected, "process {victim} went on");
        println!("  process {victim}: taken for dead after epoch {before}");
        std::fs::remove_dir_all(&scratch).expect("it was ours");
    }
}
