//! Runs the Nexmark example as its users do: on the published events against published results, and on made up ones
//! against plain loops.

#[path = "support/nexmark_oracle.rs"]
mod oracle;

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use flate2::read::MultiGzDecoder;

use crate::oracle::House;

const PUBLISHED: [&str; 8] = ["q0", "q1", "q2", "q3", "q4", "q5", "q7", "q8"];

// ---- The published events.

#[test]
fn events_in_order_give_the_published_results() {
    published_results("events_inorder.jsonl.gz");
}

#[test]
fn events_out_of_order_give_the_published_results() {
    published_results("events_ooo.jsonl.gz");
}

fn published_results(events: &str) {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/nexmark");
    if !data.is_dir() {
        eprintln!("skipped: there is no {}", data.display());
        return;
    }
    let input = data.join(events);
    // What is not optimized takes seconds for each run, most of them to read the events.
    let shards: &[usize] = if cfg!(debug_assertions) { &[2] } else { &[1, 2, 4] };
    for query in PUBLISHED {
        let expected = published(&data.join("expected"), query);
        for shards in shards {
            let actual = results(query, &input, *shards, &format!("published_{events}"));
            assert_same(&format!("{query} of {events}, {shards} shards"), &actual, &expected);
        }
    }
}

fn published(directory: &Path, query: &str) -> String {
    let plain = directory.join(format!("{query}.csv"));
    if plain.exists() {
        return read(&plain);
    }
    let mut text = String::new();
    let zipped = fs::File::open(directory.join(format!("{query}.csv.gz"))).expect("it is published");
    MultiGzDecoder::new(zipped).read_to_string(&mut text).expect("gzip");
    text
}

// ---- Made up events.

#[test]
fn disordered_events_give_what_plain_loops_compute() {
    for (seed, shards) in [(1, 1), (2, 2), (3, 4)] {
        let house = House::new(seed, 4000);
        let input = scratch(&format!("seed_{seed}")).join("events.jsonl");
        fs::write(&input, house.lines()).expect("scratch can be written");
        for (query, expected) in house.results() {
            let actual = results(query, &input, shards, &format!("seed_{seed}_{query}"));
            assert_same(&format!("{query}, seed {seed}, {shards} shards"), &actual, &expected);
        }
    }
}

#[test]
fn files_of_q10_have_every_bid_in_its_minute() {
    let house = House::new(4, 3000);
    let directory = scratch("q10");
    let input = directory.join("events.jsonl");
    fs::write(&input, house.lines()).expect("scratch can be written");
    let files = directory.join("log");
    assert_success(&example(&["q10".as_ref(), "--input".as_ref(), &input, "--out".as_ref(), &files]));
    let expected = house.log();
    assert!(expected.len() > 1, "it is about several files");
    for (name, mut lines) in expected {
        let mut actual: Vec<String> = read(&files.join(&name)).lines().map(str::to_owned).collect();
        assert_eq!(actual.remove(0), "auction,bidder,price,date_time,extra");
        actual.sort();
        lines.sort();
        assert_eq!(actual, lines, "{name}");
    }
    let again = example(&["q10".as_ref(), "--input".as_ref(), &input, "--out".as_ref(), &files]);
    assert_failure(&again, 1, "not empty");
}

// ---- The program.

#[test]
fn every_query_runs_on_events_that_are_made_up() {
    for number in 0..23 {
        let query = format!("q{number}");
        let run = example(&[query.as_ref(), "--events".as_ref(), "2_000".as_ref()]);
        assert_success(&run);
        let summary = String::from_utf8_lossy(&run.stdout).into_owned();
        for part in [format!("{query}: "), "2,000".to_owned(), "100,000".to_owned(), "per core".to_owned()] {
            assert!(summary.contains(&part), "{part} is missing in:\n{summary}");
        }
        assert!(!summary.contains("late"), "{summary}");
    }
}

#[test]
fn mistakes_in_the_arguments_are_named() {
    for (arguments, named) in [
        (&["q23"][..], "q23"),
        (&[], "which query"),
        (&["q1", "--shards", "none"], "none"),
        (&["q1", "--no-such-option"], "--no-such-option"),
    ] {
        let arguments: Vec<&Path> = arguments.iter().map(Path::new).collect();
        assert_failure(&example(&arguments), 2, named);
    }
}

#[test]
fn what_cannot_be_read_or_written_is_named() {
    let directory = scratch("unreadable");
    let input = directory.join("events.jsonl");
    fs::write(&input, format!("{}{{\"type\":\"bid\"}}\n", House::new(5, 10).lines())).expect("scratch");
    assert_failure(&example(&["q0".as_ref(), "--input".as_ref(), &directory.join("none")]), 1, "none");
    assert_failure(&example(&["q0".as_ref(), "--input".as_ref(), &input]), 1, "line 11");
    let out = directory.join("none/q0.csv");
    assert_failure(&example(&["q0".as_ref(), "--events=9".as_ref(), "--out".as_ref(), &out]), 1, "q0.csv");
}

// ---- Tools.

/// What the built example says; Cargo puts it beside the tests that it builds.
fn example(arguments: &[&Path]) -> Output {
    let test = std::env::current_exe().expect("a test has a path");
    let profile = test.parent().and_then(Path::parent).expect("tests lie in target/PROFILE/deps");
    let path = profile.join("examples").join(format!("nexmark{}", std::env::consts::EXE_SUFFIX));
    assert!(path.exists(), "{} is not built; `cargo build --example nexmark` does it", path.display());
    Command::new(path).args(arguments).output().expect("the example starts")
}

/// What a query writes.
fn results(query: &str, input: &Path, shards: usize, name: &str) -> String {
    let out = scratch(&format!("results_{name}")).join(format!("{query}.csv"));
    let shards = shards.to_string();
    assert_success(&example(&[
        query.as_ref(),
        "--input".as_ref(),
        input,
        "--shards".as_ref(),
        shards.as_ref(),
        "--out".as_ref(),
        &out,
    ]));
    read(&out)
}

/// An empty directory of this test's own.
fn scratch(name: &str) -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("nexmark").join(name);
    if directory.exists() {
        fs::remove_dir_all(&directory).expect("scratch can be removed");
    }
    fs::create_dir_all(&directory).expect("scratch can be made");
    directory
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Names the first line that differs, for the files may be long.
fn assert_same(what: &str, actual: &str, expected: &str) {
    if actual == expected {
        return;
    }
    let (mut ours, mut theirs) = (actual.split('\n'), expected.split('\n'));
    for number in 1.. {
        assert_eq!(ours.next(), theirs.next(), "{what}: line {number}, actual on the left");
    }
}

fn assert_success(run: &Output) {
    let message = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{}: {message}", run.status);
    assert_eq!(message, "");
}

fn assert_failure(run: &Output, code: i32, named: &str) {
    let message = String::from_utf8_lossy(&run.stderr);
    assert_eq!(run.status.code(), Some(code), "{message}");
    assert!(message.starts_with("nexmark: ") && message.contains(named), "{message}");
    assert_eq!(message.lines().count(), 1, "{message}");
}
