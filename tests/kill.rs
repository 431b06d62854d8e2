//! A real process that is killed at random moments, again and again, and goes on where it was.

use psdf::testing::{Rng, assert_in_sequence, assert_sum};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// How often it is killed: `PSDF_KILLS`, or 200 times.
fn kills() -> u32 {
    std::env::var("PSDF_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(200)
}

fn start(dir: &Path, shards: u64, pause: u64) -> Child {
    let test = std::env::current_exe().expect("tests have a path");
    let profile = test.parent().and_then(Path::parent).expect("tests lie in target/PROFILE/deps");
    let program = profile.join("examples").join(format!("ledger{}", std::env::consts::EXE_SUFFIX));
    let mut command = Command::new(program);
    command.arg("--dir").arg(dir).args(["--transfers", "20000"]);
    command.args(["--shards", &shards.to_string(), "--pause", &pause.to_string()]);
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    command.spawn().expect("`cargo test` builds the examples")
}

fn wait(child: Child) {
    let done = child.wait_with_output().expect("it was started");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

fn lines(dir: &Path, name: &str) -> Vec<String> {
    let text = std::fs::read_to_string(dir.join(name)).expect("the ledger made it");
    text.lines().map(str::to_owned).collect()
}

fn sorted(mut lines: Vec<String>) -> Vec<String> {
    lines.sort();
    lines
}

fn empty(name: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&dir);
    dir
}

/// Account, number, balance.
fn booked(dir: &Path) -> Vec<[i64; 3]> {
    let parse = |line: &String| {
        let mut fields = line.split(',').map(|field| field.parse().expect("a number"));
        std::array::from_fn(|_| fields.next().expect("three fields"))
    };
    lines(dir, "booked.csv").iter().map(parse).collect()
}

#[test]
fn a_ledger_that_is_killed_two_hundred_times_has_every_entry_once() {
    let undisturbed = empty("ledger-undisturbed");
    wait(start(&undisturbed, 1, 0));
    let names = ["booked.csv", "turnover.csv", "dormant.csv"];
    let expected = names.map(|name| sorted(lines(&undisturbed, name)));
    assert_eq!(expected[0].len(), 40_000);
    assert!(expected.iter().all(|lines| lines.len() > 100), "every output has something to lose");

    let (mut rng, mut killed, mut round) = (Rng::new(7), 0, 0);
    while killed < kills() {
        let dir = empty(&format!("ledger-killed-{}", round % 2));
        round += 1;
        loop {
            let mut child = start(&dir, 1 + rng.below(4), 500);
            std::thread::sleep(Duration::from_millis(15 + rng.below(120)));
            if child.try_wait().unwrap().is_some() || killed >= kills() {
                wait(child);
                break;
            }
            child.kill().unwrap();
            child.wait().unwrap();
            killed += 1;
        }
        let booked = booked(&dir);
        assert_in_sequence(&booked, |entry| entry[0], |entry| entry[1].cast_unsigned());
        assert_sum(&booked, |entry| entry[0], |entry| entry[2], 0);
        for (name, expected) in names.iter().zip(&expected) {
            assert!(sorted(lines(&dir, name)) == *expected, "{name} differs in {}", dir.display());
        }
    }
}
