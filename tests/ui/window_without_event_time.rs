use psdf::dataflow;

dataflow! {
    flow Words {
        input words: String;
        counts = words
            -> key_by(word: String = |word| word.clone())
            -> tumbling(1 hour)
            -> aggregate { n: u64 = count() };
        output counts;
    }
}

fn main() {}
