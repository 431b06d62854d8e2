//! Runs the web-traffic example as its users do: on real logs against published results, on dirty ones against an oracle.

#[path = "support/dirty_log.rs"]
mod dirty_log;
#[path = "support/web_traffic_oracle.rs"]
mod oracle;

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;

use crate::dirty_log::{cut, dirty_log};
use crate::oracle::{Files, Log};

const RESULTS: [&str; 10] = [
    "views_per_hour_page.csv",
    "views_per_hour.csv",
    "top10_pages_per_day.csv",
    "sessions.csv",
    "sessions_per_visitor_day.csv",
    "sessions_per_day.csv",
    "spikes.csv",
    "page_spikes.csv",
    "rejects.csv",
    "summary.csv",
];

const NOTHING_LATE: &[u8] = b"line,time,seconds_late\n";

// ---- Real logs.

#[test]
fn semicomplete_gives_its_published_results() {
    published_results("semicomplete_2015-05_10k", &["1", "2", "4"]);
}

#[test]
fn torn_semicomplete_gives_its_published_results() {
    published_results("semicomplete_torn", &["1", "2", "4"]);
}

#[test]
fn secrepo_2015_gives_its_published_results() {
    published_results("secrepo_2015", if cfg!(debug_assertions) { &["2"] } else { &["1", "2", "4"] });
}

#[test]
fn secrepo_2016_gives_its_published_results() {
    published_results("secrepo_2016", if cfg!(debug_assertions) { &["2"] } else { &["1", "2", "4"] });
}

fn published_results(name: &str, shards: &[&str]) {
    let Some(data) = data() else { return };
    let expected = expected(&data, name);
    let zipped = data.join(format!("logs/{name}.log.gz"));
    let plain = unzip(&zipped);
    assert_same("the oracle", &Log::read([&plain[..]]).results(), &expected);
    for shards in shards {
        let directory = scratch(&format!("published_{name}_{shards}"));
        let from_file =
            example(&[zipped.as_ref(), "--shards".as_ref(), shards.as_ref()]).csv(&directory, b"");
        assert_same(&format!("{name}, {shards} shards"), &from_file, &expected);
        let from_stdin =
            example(&["-".as_ref(), "--shards".as_ref(), shards.as_ref()]).csv(&directory, &plain);
        assert_same(&format!("{name} from standard input, {shards} shards"), &from_stdin, &expected);
        assert_eq!(read(&directory.join("late.csv")), NOTHING_LATE);
    }
}

#[test]
fn requests_later_than_the_lateness_are_those_published() {
    let Some(data) = data() else { return };
    for name in ["semicomplete_2015-05_10k", "secrepo_2015"] {
        let zipped = data.join(format!("logs/{name}.log.gz"));
        let log = unzip(&zipped);
        let log = Log::read([&log[..]]);
        let table =
            String::from_utf8(read(&data.join(format!("expected/{name}/lateness.csv")))).expect("ASCII");
        for row in table.lines().skip(1).step_by(if cfg!(debug_assertions) { 4 } else { 1 }) {
            let cells: Vec<usize> = row.split(',').map(|cell| cell.parse().expect("a number")).collect();
            let [bound, _, expected] = cells[..] else { panic!("three columns: {row}") };
            let directory = scratch(&format!("late_{name}"));
            let lateness = format!("{bound}s");
            example(&[zipped.as_ref(), "--lateness".as_ref(), lateness.as_ref()]).csv(&directory, b"");
            let late = read(&directory.join("late.csv"));
            let rows = late.iter().filter(|byte| **byte == b'\n').count() - 1;
            assert_eq!(rows, expected, "{name}, lateness {bound} s");
            assert_eq!(shown(&late), shown(&log.late(bound as i64)), "{name}, lateness {bound} s");
        }
    }
}

// ---- Dirty logs.

#[test]
fn dirty_logs_agree_with_the_oracle() {
    for seed in 0..12 {
        let bytes = dirty_log(seed, 2500);
        let log = Log::read([&bytes[..]]);
        let directory = scratch("dirty");
        let lateness = format!("{}s", log.max_seconds_behind());
        let shards = ["1", "2", "3"][seed as usize % 3];
        let arguments = ["-", "--shards", shards, "--lateness", &lateness].map(AsRef::as_ref);
        let results = example(&arguments).csv(&directory, &bytes);
        assert_same(&format!("seed {seed}, lateness {lateness}"), &results, &log.results());
        assert_eq!(read(&directory.join("late.csv")), NOTHING_LATE, "seed {seed}");
    }
}

#[test]
fn report_that_is_killed_goes_on_where_it_was() {
    let log = dirty_log(30, 6000);
    let undisturbed = example(&["-".as_ref()]).csv(&scratch("undisturbed"), &log);
    let store = scratch("killed");
    let told = || {
        let files = fs::read_dir(store.join("told")).into_iter().flatten().flatten();
        files.map(|file| file.metadata().map_or(0, |metadata| metadata.len())).sum::<u64>()
    };
    let arguments = |shards: &'static str| {
        ["-".as_ref(), "--store".as_ref(), &*store, "--shards".as_ref(), shards.as_ref()]
    };
    for (part, shards) in (1..=4).zip(["1", "3", "2", "4"]) {
        let before = told();
        let mut child = example(&arguments(shards)).spawn();
        let mut stdin = child.stdin.take().expect("piped");
        // It waits for the rest when it is killed.
        stdin.write_all(&log[..log.len() * part / 5]).expect("it reads on");
        let deadline = Instant::now() + Duration::from_secs(60);
        while told() == before {
            assert!(Instant::now() < deadline, "nothing was committed");
            thread::sleep(Duration::from_millis(5));
        }
        child.kill().expect("it is at work");
        child.wait().expect("it was killed");
    }
    let killed = example(&arguments("2")).csv(&scratch("killed_csv"), &log);
    assert_same("after four kills", &killed, &undisturbed);
}

#[test]
fn several_files_are_one_log_wherever_they_are_cut() {
    for seed in 20..26 {
        let bytes = dirty_log(seed, 600);
        let parts = cut(seed, &bytes, 5);
        let log = Log::read(parts.iter().copied());
        let directory = scratch("several_files");
        let mut arguments = vec!["--lateness=30d".into()];
        for (index, part) in parts.iter().enumerate() {
            let (name, content) =
                if index % 2 == 0 { ("log", part.to_vec()) } else { ("log.gz", gzip(part)) };
            let path = directory.join(format!("{index}.{name}"));
            fs::write(&path, content).expect("scratch can be written");
            arguments.push(path);
        }
        // The last one comes in a pipe, zipped or not.
        let last = arguments.pop().expect("there are five");
        arguments.push("-".into());
        let arguments: Vec<&Path> = arguments.iter().map(PathBuf::as_path).collect();
        let results = example(&arguments).csv(&directory.join("results"), &read(&last));
        assert_same(&format!("seed {seed}"), &results, &log.results());
    }
}

#[test]
fn late_requests_of_dirty_logs_agree_with_the_oracle() {
    for (seed, lateness) in [(40, 0), (41, 1800), (42, 7000), (43, 14_999)] {
        let bytes = dirty_log(seed, 2500);
        let log = Log::read([&bytes[..]]);
        let directory = scratch("dirty_late");
        example(&["-".as_ref(), format!("--lateness={lateness}s").as_ref()]).csv(&directory, &bytes);
        let late = read(&directory.join("late.csv"));
        assert_eq!(shown(&late), shown(&log.late(lateness)), "seed {seed}, lateness {lateness} s");
    }
}

#[test]
fn requests_missing_from_sessions_are_listed_though_their_hour_is_open() {
    // The log has come to 10:55. The session that line 3 would open ended at 10:31; that of line 4 goes on, and so
    // does the hour of both. The hour of line 6 has ended and the session it goes on with has not.
    let mut bytes = Vec::new();
    for (host, clock) in [
        ("a", "10:29:00"),
        ("b", "10:55:00"),
        ("c", "10:01:00"),
        ("a", "10:40:00"),
        ("d", "11:05:00"),
        ("b", "10:59:00"),
    ] {
        let line = shown(&log_line(&format!("17/May/2015:{clock}"), "/")).replace("10.0.0.1", host);
        bytes.extend(line.into_bytes());
    }
    let directory = scratch("late_for_sessions");
    let arguments = ["-", "--lateness", "0s"].map(AsRef::as_ref);
    let results = example(&arguments).csv(&directory, &bytes);
    let listed = |name: &str| shown(&read(&directory.join(name)));
    assert_eq!(listed("late.csv"), "line,time,seconds_late\n6,2015-05-17T10:59:00Z,360\n");
    assert_eq!(listed("late_for_sessions.csv"), "line,time,seconds_late\n3,2015-05-17T10:01:00Z,3240\n");
    let sessions = shown(&results["sessions.csv"]);
    assert!(!sessions.contains(",c,") && sessions.contains("10:59:00Z,2,"), "{sessions}");

    let report = shown(&example(&arguments).run(&bytes).stdout);
    assert!(report.contains("1  came after the end of their session"), "{report}");
}

#[test]
fn spikes_need_a_whole_day_before_them() {
    // The site opens at 00:40 with something that is no page; pages are first viewed in the last hour of the day.
    let mut bytes = log_line("17/May/2015:00:40:00", "/robots.txt");
    bytes.extend(log_line("17/May/2015:23:59:59", "/early").repeat(50));
    bytes.extend(log_line("18/May/2015:00:00:00", "/late").repeat(400));
    let directory = scratch("spikes");
    let results = example(&["-".as_ref()]).csv(&directory, &bytes);
    assert_same("spikes", &results, &Log::read([&bytes[..]]).results());
    let spikes = shown(&results["page_spikes.csv"]);
    assert!(spikes.contains("2015-05-18T00:00:00Z,/late,400,") && !spikes.contains("/early"), "{spikes}");
}

fn log_line(time: &str, path: &str) -> Vec<u8> {
    format!("10.0.0.1 - - [{time} +0000] \"GET {path} HTTP/1.1\" 200 5\n").into_bytes()
}

#[test]
fn logs_with_nothing_in_them_have_results_too() {
    for bytes in [&b""[..], b"\n", b" \t\r\n\r\n", b"nonsense", b"nonsense\n\n\"\"\n"] {
        let directory = scratch("nothing");
        let run = example(&["-".as_ref(), "--csv".as_ref(), directory.as_ref()]).run(bytes);
        assert_success(&run);
        assert!(shown(&run.stdout).contains("No requests"), "{}", shown(&run.stdout));
        assert_same(&shown(bytes), &results_in(&directory), &Log::read([bytes]).results());
    }
}

// ---- The program.

#[test]
fn made_up_log_shows_off_every_part_of_the_report() {
    let run = example(&[]).run(b"");
    assert_success(&run);
    let report = shown(&run.stdout);
    for part in [
        "made-up site",
        "Traffic",
        "Top pages",
        "Traffic by hour",
        "Visits by day",
        "Spikes",
        "Malformed lines",
        "/login",
    ] {
        assert!(report.contains(part), "{part} is missing in:\n{report}");
    }
    let widest = report.lines().map(|line| line.chars().count()).max();
    assert!(widest <= Some(100), "{widest:?} columns");
    assert!(!report.contains('\x1b'), "colours are for terminals");
}

#[test]
fn report_does_not_let_visitors_write_to_the_terminal() {
    let bytes = b"h - - [17/May/2015:10:05:03 +0000] \"GET /\x1b[2J\x9b\xc2\x9b HTTP/1.1\" 200 5\n\x1b[31mnot a request\n";
    let run = example(&["-".as_ref()]).run(bytes);
    assert_success(&run);
    assert!(!shown(&run.stdout).contains(|c: char| c.is_control() && c != '\n'), "{}", shown(&run.stdout));
}

#[test]
fn mistakes_in_the_arguments_are_named() {
    for (arguments, named) in [
        (&["--lateness", "soon"][..], "soon"),
        (&["--lateness"], "--lateness"),
        (&["--shards", "none"], "none"),
        (&["--graph", "png"], "png"),
        (&["--csv="], "directory"),
        (&["--no-such-option"], "--no-such-option"),
    ] {
        let arguments: Vec<&Path> = arguments.iter().map(Path::new).collect();
        assert_failure(&example(&arguments).run(b""), 2, named);
    }
}

#[test]
fn what_cannot_be_read_is_named() {
    let directory = scratch("unreadable");
    let good = directory.join("good.log");
    fs::write(&good, dirty_log(60, 50)).expect("scratch can be written");
    let torn = directory.join("torn.log.gz");
    let zipped = gzip(&dirty_log(61, 5000));
    fs::write(&torn, &zipped[..zipped.len() / 2]).expect("scratch can be written");
    assert_failure(&example(&[&good, &directory.join("missing.log")]).run(b""), 1, "missing.log");
    assert_failure(&example(&[&good, &directory]).run(b""), 1, "unreadable");
    assert_failure(&example(&[&good, &torn]).run(b""), 1, "torn.log.gz");
}

#[test]
fn what_cannot_be_written_is_named() {
    let file = scratch("unwritable").join("a_file");
    fs::write(&file, "").expect("scratch can be written");
    assert_failure(&example(&["-".as_ref(), "--csv".as_ref(), &file.join("results")]).run(b""), 1, "a_file");
}

#[test]
fn reader_who_has_seen_enough_is_no_error() {
    let mut child = example(&["-".as_ref()]).spawn();
    // Its standard output is closed before it has a line to report on.
    drop(child.stdout.take());
    child.stdin.take().expect("piped").write_all(&dirty_log(70, 500)).expect("it reads all");
    let run = child.wait_with_output().expect("it ends");
    assert_success(&run);
}

#[test]
fn graph_can_be_printed() {
    for (format, word) in [("mermaid", "page_hours"), ("dot", "digraph")] {
        let run = example(&["--graph".as_ref(), format.as_ref()]).run(b"");
        assert_success(&run);
        assert!(shown(&run.stdout).contains(word), "{}", shown(&run.stdout));
    }
}

// ---- Tools.

struct Example(Command);

/// The built example; Cargo puts it beside the tests that it builds.
fn example(arguments: &[&Path]) -> Example {
    let test = std::env::current_exe().expect("a test has a path");
    let profile = test.parent().and_then(Path::parent).expect("tests lie in target/PROFILE/deps");
    let path = profile.join("examples").join(format!("web_traffic{}", std::env::consts::EXE_SUFFIX));
    assert!(path.exists(), "{} is not built; `cargo build --example web_traffic` does it", path.display());
    let mut command = Command::new(path);
    command.args(arguments);
    Example(command)
}

impl Example {
    fn spawn(mut self) -> std::process::Child {
        let command = self.0.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().expect("the example starts")
    }

    fn run(self, input: &[u8]) -> Output {
        let mut child = self.spawn();
        let mut stdin = child.stdin.take().expect("piped");
        thread::scope(|scope| {
            // It may end without having read its input.
            scope.spawn(move || stdin.write_all(input).ok());
            child.wait_with_output().expect("it ends")
        })
    }

    /// Its result files.
    fn csv(mut self, directory: &Path, input: &[u8]) -> Files {
        self.0.arg("--csv").arg(directory);
        assert_success(&self.run(input));
        results_in(directory)
    }
}

fn results_in(directory: &Path) -> Files {
    RESULTS.into_iter().map(|name| (name, read(&directory.join(name)))).collect()
}

/// The published data lie beside the repository where we work, and nowhere else.
fn data() -> Option<PathBuf> {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    if data.is_dir() {
        return Some(data);
    }
    eprintln!("skipped: there is no {}", data.display());
    None
}

fn expected(data: &Path, log: &str) -> Files {
    let directory = data.join("expected").join(log);
    let content = |name: &str| {
        let zipped = directory.join(format!("{name}.gz"));
        if zipped.exists() { unzip(&zipped) } else { read(&directory.join(name)) }
    };
    RESULTS.into_iter().map(|name| (name, content(name))).collect()
}

/// An empty directory of this test's own.
fn scratch(name: &str) -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("web_traffic").join(name);
    if directory.exists() {
        fs::remove_dir_all(&directory).expect("scratch can be removed");
    }
    fs::create_dir_all(&directory).expect("scratch can be made");
    directory
}

fn read(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn unzip(path: &Path) -> Vec<u8> {
    let mut plain = Vec::new();
    MultiGzDecoder::new(&read(path)[..]).read_to_end(&mut plain).expect("gzip");
    plain
}

/// As two members, as `cat a.gz b.gz` would have it.
fn gzip(bytes: &[u8]) -> Vec<u8> {
    let (first, second) = bytes.split_at(bytes.len() / 2);
    [first, second]
        .map(|half| {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
            encoder.write_all(half).expect("memory does not fail");
            encoder.finish().expect("memory does not fail")
        })
        .concat()
}

fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Names the first line that differs, for the files may be long.
fn assert_same(what: &str, actual: &Files, expected: &Files) {
    for (name, expected) in expected {
        let actual = &actual[name];
        if actual == expected {
            continue;
        }
        let (mut ours, mut theirs) =
            (actual.split(|byte| *byte == b'\n'), expected.split(|byte| *byte == b'\n'));
        for number in 1.. {
            let (our, their) = (ours.next().map(shown), theirs.next().map(shown));
            assert_eq!(our, their, "{what}: line {number} of {name}, actual on the left");
        }
    }
}

fn assert_success(run: &Output) {
    assert!(run.status.success(), "{}: {}", run.status, shown(&run.stderr));
    assert_eq!(shown(&run.stderr), "");
}

fn assert_failure(run: &Output, code: i32, named: &str) {
    let message = shown(&run.stderr);
    assert_eq!(run.status.code(), Some(code), "{message}");
    assert!(message.starts_with("web_traffic: ") && message.contains(named), "{message}");
    assert!(!message.contains("panicked"), "{message}");
    assert_eq!(message.lines().count(), 1, "{message}");
}
