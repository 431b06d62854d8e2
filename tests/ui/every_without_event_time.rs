use psdf::dataflow;

dataflow! {
    flow Words {
        input words: String;
        counts = words
            -> key_by(word: String = |w| w.clone())
            -> aggregate { n: u64 = count() } every 1 min keep forever;
        output counts;
    }
}

fn main() {}
