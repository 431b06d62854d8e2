//! Counts the words of some lines.

use psdf::{dataflow, sources};

dataflow! {
    pub flow WordCount {
        input lines: String;

        words = lines -> flat_map(|line| line.split_whitespace().map(str::to_lowercase).collect::<Vec<_>>());
        counts = words
            -> key_by(word: String = |word| word.clone())
            -> aggregate { n: u64 = count() } keep forever;

        output counts;
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let lines = ["to be or not to be", "that is the question", "To be"].map(String::from);
    let flow = WordCount.builder().lines_from(sources::iter(lines)).shards(2).spawn()?;
    // A running aggregate gives the new count of each word that a batch changed: the greatest is the last.
    let mut counts = std::collections::BTreeMap::new();
    for count in flow.finish().await?.counts {
        let most = counts.entry(count.word).or_insert(0);
        *most = count.n.max(*most);
    }
    println!("{counts:?}");
    assert_eq!((counts["to"], counts["be"], counts["question"], counts.len()), (3, 3, 1, 8));
    Ok(())
}
