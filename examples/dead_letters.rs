//! What cannot be read is not lost: it goes to a stream of its own, with the reason.

use psdf::{dataflow, sinks, sources};

#[derive(Debug, PartialEq)]
pub struct Dead {
    line: String,
    reason: String,
}

fn parse(line: String) -> Result<u64, Dead> {
    line.trim().parse().map_err(|error: std::num::ParseIntError| Dead { reason: error.to_string(), line })
}

dataflow! {
    flow Numbers {
        input lines: String;

        numbers = lines -> try_map(parse) else dead;
        doubled = numbers -> map(|n| 2 * n);

        output doubled: u64;
        /// For somebody to look at: one line each.
        output letters: String = dead -> map(|dead| format!("{}\t{}", dead.reason, dead.line));
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::temp_dir().join(format!("psdf_dead_letters_{}.txt", std::process::id()));
    let lines = ["21", "twenty", "", " 4 "].map(String::from);
    let flow = Numbers
        .builder()
        .lines_from(sources::iter(lines))
        .letters_to(sinks::FileSink::create(&path)?)
        .spawn()?;
    assert_eq!(flow.finish().await?.doubled, [42, 8]);
    let letters = std::fs::read_to_string(&path)?;
    std::fs::remove_file(&path)?;
    print!("{letters}");
    assert_eq!(letters.lines().count(), 2);
    assert!(letters.starts_with("invalid digit found in string\ttwenty\n"));
    Ok(())
}
