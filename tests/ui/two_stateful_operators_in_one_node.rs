use psdf::dataflow;

dataflow! {
    flow Words {
        input words: String;
        lengths = words
            -> key_by(word: String = |word| word.clone())
            -> aggregate { n: u64 = count() } keep forever
            -> key_by(n: u64 = |count| count.n)
            -> aggregate { words: u64 = count() } keep forever;
        output lengths;
    }
}

fn main() {}
