use psdf::dataflow;

dataflow! {
    flow Words {
        input words: String;
        word_count = words -> key_by(word: String = |w| w.clone()) -> aggregate { n: u64 = count() } keep forever;
        word__count = words -> key_by(len: usize = |w| w.len()) -> aggregate { n: u64 = count() } keep forever;
        output word_count;
        output word__count;
    }
}

fn main() {}
