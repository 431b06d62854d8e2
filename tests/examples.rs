//! Runs the short examples: each asserts what it shows.

use std::path::PathBuf;
use std::process::Command;

/// Cargo puts the built examples beside the tests that it builds.
fn run(example: &str) {
    let test = std::env::current_exe().expect("a test is a program");
    let profile = test.ancestors().nth(2).expect("it is two folders deep");
    let path: PathBuf = profile.join("examples").join(example);
    assert!(path.exists(), "{} is not built; `cargo build --examples` does it", path.display());
    let output = Command::new(path).output().expect("it was built, so it runs");
    assert!(output.status.success(), "{example}: {}", String::from_utf8_lossy(&output.stderr));
}

macro_rules! examples {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            run(stringify!($name));
        })*
    };
}

examples! { dead_letters dedup late_data own_source sessions top_k word_count }
