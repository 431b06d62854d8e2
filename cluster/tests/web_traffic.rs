//! Runs the example as its users do: its results are the published ones, on however many processes and workers.
#![cfg(unix)]

use flate2::read::MultiGzDecoder;
use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Processes and workers of each.
const SHAPES: [(u32, u32); 4] = [(1, 2), (2, 1), (2, 2), (3, 1)];

/// What each file of a directory has in it.
type Files = BTreeMap<String, Vec<u8>>;

fn files(directory: &Path) -> Files {
    let read = |path: PathBuf| {
        let zipped = path.extension().is_some_and(|extension| extension == "gz");
        let (mut bytes, mut plain) = (fs::read(&path).expect("it was just listed"), Vec::new());
        if zipped {
            MultiGzDecoder::new(&bytes[..]).read_to_end(&mut plain).expect("gzip");
            bytes = plain;
        }
        let name = path.file_name().expect("it is a file").to_string_lossy().into_owned();
        (name.trim_end_matches(".gz").to_owned(), bytes)
    };
    let listed = fs::read_dir(directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    listed.map(|entry| read(entry.expect("it can be listed").path())).collect()
}

/// The result files of a run.
fn run(name: &str, (processes, workers): (u32, u32), logs: &[PathBuf]) -> Files {
    let test = std::env::current_exe().expect("a test has a path");
    let profile = test.parent().and_then(Path::parent).expect("tests lie in target/PROFILE/deps");
    let directory =
        Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("cluster_{name}_{processes}_{workers}"));
    let _ = fs::remove_dir_all(&directory);
    let mut command = Command::new(profile.join("examples/web_traffic_cluster"));
    command.args(["--processes", &processes.to_string(), "--workers", &workers.to_string(), "--csv"]);
    command.arg(&directory).args(logs).stdin(Stdio::null()).stdout(Stdio::null());
    let output = command.output().expect("`cargo test` builds the examples");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    files(&directory)
}

#[test]
fn a_made_up_site_has_the_same_results_on_one_process_and_on_several() {
    let one = run("made_up", (1, 1), &[]);
    assert!(one.len() >= 10, "{:?}", one.keys());
    for shape in SHAPES {
        let several = run("made_up", shape, &[]);
        let differ = one.iter().find(|(name, content)| several.get(*name) != Some(content));
        assert!(differ.is_none(), "{shape:?}: {:?}", differ.map(|(name, _)| name));
    }
}

#[test]
fn real_logs_have_their_published_results_on_any_number_of_processes() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    if !data.is_dir() {
        eprintln!("skipped: there is no {}", data.display());
        return;
    }
    let logs = if cfg!(debug_assertions) {
        &["semicomplete_2015-05_10k"][..]
    } else {
        &["semicomplete_2015-05_10k", "semicomplete_torn", "secrepo_2015", "secrepo_2016"]
    };
    for log in logs {
        let expected = files(&data.join("expected").join(log));
        for shape in SHAPES {
            let results = run(log, shape, &[data.join(format!("logs/{log}.log.gz"))]);
            for (name, content) in &results {
                let Some(expected) = expected.get(name) else { continue };
                assert!(content == expected, "{log}, {shape:?}: {name}");
            }
            let compared = results.keys().filter(|name| expected.contains_key(*name)).count();
            assert!(compared >= 10, "only {compared} files of {:?} are published", results.keys());
        }
    }
}
