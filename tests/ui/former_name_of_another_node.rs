use psdf::dataflow;

dataflow! {
    flow Words {
        input words: String;
        by_word = words -> key_by(word: String = |word| word.clone());
        counts = by_word -> aggregate { n: u64 = count() } keep forever;
        #[formerly(counts)]
        totals = by_word -> aggregate { n: u64 = count() } keep forever;
        output counts;
        output totals;
    }
}

fn main() {}
