use psdf::dataflow;

dataflow! {
    flow Words {
        input words: String;
        lengths = words
            -> key_by(word: String = |w| w.clone())
            -> aggregate { letters: u64 = sum(|w| w.len()) } keep forever;
        output lengths;
    }
}

fn main() {}
