use psdf::dataflow;

dataflow! {
    flow Words {
        input words: String;
        hundreds = words
            -> key_by(word: String = |w| w.clone())
            -> count_window(100) allow 1 min
            -> aggregate { n: u64 = count() } keep forever;
        output hundreds;
    }
}

fn main() {}
