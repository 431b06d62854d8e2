use psdf::dataflow;

dataflow! {
    flow Words {
        input words: String;
        counts = words
            -> key_by(letter: char = |w| w.clone())
            -> aggregate { n: u64 = count() } keep forever;
        output counts;
    }
}

fn main() {}
