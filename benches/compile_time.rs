//! What `dataflow!` costs rustc: `cargo bench --bench compile_time`.
//!
//! Crates with flows of growing size are written below the target directory, their dependencies are built once, and
//! then `cargo check` of each crate alone is timed, in turn, several times. The flows are of two sorts: stateless
//! operators only, and every fifth node stateful.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

const ROUNDS: usize = 5;

fn main() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let target = target_dir();
    let crates: Vec<(&str, String)> = vec![
        ("empty", "pub use psdf::Timestamp;\n".into()),
        ("60 nodes, stateless and stateful", mixed_flow(60)),
        ("80 operators, stateless", stateless_flow(80)),
        ("160 operators, stateless", stateless_flow(160)),
        ("80 operators, every fifth stateful", mixed_flow(80)),
        ("160 operators, every fifth stateful", mixed_flow(160)),
    ];
    let folders: Vec<PathBuf> =
        crates.iter().enumerate().map(|(i, (_, code))| write_crate(root, &target, i, code)).collect();
    folders.iter().for_each(|folder| {
        check(folder, &target);
    });
    let mut seconds = vec![Vec::new(); crates.len()];
    for _ in 0..ROUNDS {
        for (folder, seconds) in folders.iter().zip(&mut seconds) {
            seconds.push(check(folder, &target));
        }
    }
    let medians: Vec<(f64, f64, f64)> = seconds.into_iter().map(spread).collect();
    println!("cargo check of the crate alone, its dependencies built: median of {ROUNDS} (least–most)");
    for ((name, _), (median, least, most)) in crates.iter().zip(&medians) {
        let more = median - medians[0].0;
        println!("  {name:<38} {median:>6.2} s ({least:.2}–{most:.2})   {more:>+6.2} s over the empty crate");
    }
    for (name, of_80, of_160) in [("stateless", 2, 3), ("every fifth stateful", 4, 5)] {
        let whole = medians[of_160].0 / medians[of_80].0;
        let more = (medians[of_160].0 - medians[0].0) / (medians[of_80].0 - medians[0].0);
        println!(
            "  160 operators to 80, {name}: {whole:.2} times in all, {more:.2} times over the empty crate"
        );
    }
    println!("  crates in the default build of a user's crate: {}", dependencies(&folders[0], &target));
}

/// `a = x -> map(..); b = a -> filter(..); ..`: a node for each operator.
fn stateless_flow(operators: usize) -> String {
    let mut code = String::from("psdf::dataflow! {\n    pub flow Big {\n        input n0: u64;\n");
    for i in 1..=operators {
        let operator = match i % 4 {
            0 => "map(|n| n.wrapping_mul(31) ^ 7)".into(),
            1 => format!("filter(|n| n % {} != 0)", i + 1),
            2 => "filter_map(|n| n.checked_add(3))".into(),
            _ => "inspect(|n| { std::hint::black_box(n); })".to_string(),
        };
        writeln!(code, "        n{i} = n{} -> {operator};", i - 1).expect("it is a String");
    }
    writeln!(code, "        output n{operators}: u64;\n    }}\n}}").expect("it is a String");
    code
}

/// Every fifth node keeps state: in turn a window, a running aggregate, and state of its own.
fn mixed_flow(operators: usize) -> String {
    let mut code = String::from("psdf::dataflow! {\n    pub flow Big {\n        input n0: u64;\n");
    code.push_str("        t = n0 -> event_time(|n| psdf::Timestamp(*n as i64), lateness 1 s);\n");
    let mut from = "t".to_string();
    for i in 1..=operators {
        let chain = match (i % 5, i % 3) {
            (0, 0) => {
                "key_by(k: u64 = |n| n % 10) -> tumbling(1 min) -> aggregate { n: u64 = count() } -> map(|r| r.n)"
            }
            (0, 1) => {
                "key_by(k: u64 = |n| n % 10) -> aggregate { n: u64 = sum(|n| *n) } keep 1 hour -> map(|r| r.n)"
            }
            (0, _) => {
                "key_by(k: u64 = |n| n % 10) -> stateful(u64) { state { last: u64 = 0 } keep 1 hour; \
                 |state, n, out| { out.emit(n ^ state.last); state.last = n; } }"
            }
            (1 | 3, _) => "map(|n| n.wrapping_mul(31) ^ 7)",
            _ => "filter(|n| n % 7 != 0)",
        };
        writeln!(code, "        n{i} = {from} -> {chain};").expect("it is a String");
        from = format!("n{i}");
    }
    writeln!(code, "        output {from}: u64;\n    }}\n}}").expect("it is a String");
    code
}

fn target_dir() -> PathBuf {
    let exe = std::env::current_exe().expect("a process has a path");
    exe.ancestors()
        .find(|path| path.ends_with("release"))
        .and_then(Path::parent)
        .unwrap_or(&exe)
        .join("compile_time")
}

fn write_crate(root: &Path, target: &Path, number: usize, code: &str) -> PathBuf {
    let folder = target.join(format!("crate{number}"));
    fs::create_dir_all(folder.join("src")).expect("the target directory can be written");
    let manifest = format!(
        "[package]\nname = \"crate{number}\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[dependencies]\npsdf = {{ path = \
         {root:?} }}\n\n[workspace]\n"
    );
    fs::write(folder.join("Cargo.toml"), manifest).expect("the target directory can be written");
    fs::write(folder.join("src/lib.rs"), code).expect("the target directory can be written");
    // The same versions as ours, and nothing to download.
    fs::copy(root.join("Cargo.lock"), folder.join("Cargo.lock")).expect("the lock file is there");
    folder
}

/// The seconds that `cargo check` takes when only the crate itself has changed.
fn check(folder: &Path, target: &Path) -> f64 {
    let source = folder.join("src/lib.rs");
    let code = fs::read_to_string(&source).expect("it was written");
    fs::write(&source, format!("{}\n", code.trim_end())).expect("it was written");
    let touched = fs::File::options().append(true).open(&source).expect("it was written");
    touched.set_modified(std::time::SystemTime::now()).expect("files have times");
    let begin = Instant::now();
    let output =
        cargo(target).arg("check").arg("--offline").current_dir(folder).output().expect("cargo runs");
    let seconds = begin.elapsed().as_secs_f64();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    seconds
}

fn cargo(target: &Path) -> Command {
    let mut cargo = Command::new(std::env::var("CARGO").unwrap_or_else(|_| "cargo".into()));
    cargo
        .env("CARGO_TARGET_DIR", target.join("target"))
        .env_remove("RUSTFLAGS")
        .env("CARGO_INCREMENTAL", "0");
    cargo
}

fn dependencies(folder: &Path, target: &Path) -> usize {
    let mut tree = cargo(target);
    tree.args(["tree", "--offline", "--edges", "normal,build", "--prefix", "none", "--no-dedupe"]);
    let output = tree.current_dir(folder).output().expect("cargo runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut lines: Vec<_> = text.lines().skip(1).map(|line| line.replace(" (*)", "")).collect();
    lines.sort();
    lines.dedup();
    lines.len()
}

fn spread(mut values: Vec<f64>) -> (f64, f64, f64) {
    values.sort_by(f64::total_cmp);
    (values[values.len() / 2], values[0], values[values.len() - 1])
}
