use psdf::dataflow;

dataflow! {
    flow Words {
        input words: String;
        output n = words -> key_by(word: String = |w| w.clone()) -> aggregate { n: u64 = count } keep forever;
    }
}

fn main() {}
