//! The small examples: each runs, finds what it asserts, and is short enough to be read at once.

use std::path::Path;
use std::process::Command;

/// Those that are programs of their own, with tests of their own.
const LARGE: &[&str] = &["embed"];

#[test]
fn every_small_example_runs_and_has_at_most_60_lines() {
    let test = std::env::current_exe().unwrap();
    let profile = test.parent().and_then(Path::parent).expect("tests lie in target/PROFILE/deps");
    let mut seen = 0;
    for entry in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().and_then(|name| name.to_str()).expect("a plain name");
        if path.extension().is_none_or(|extension| extension != "rs") || LARGE.contains(&name) {
            continue;
        }
        seen += 1;
        let lines = std::fs::read_to_string(&path).unwrap().lines().count();
        assert!(lines <= 60, "{name} has {lines} lines");
        let program = profile.join("examples").join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
        let run = Command::new(program).output().expect("`cargo test` builds the examples");
        assert!(run.status.success(), "{name}: {}", String::from_utf8_lossy(&run.stderr));
    }
    assert!(seen > 0, "there are small examples");
}
