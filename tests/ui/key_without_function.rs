use psdf::dataflow;

dataflow! {
    flow Words {
        input words: String;
        output n = words -> key_by(word: String) -> aggregate { n: u64 = count() } keep forever;
    }
}

fn main() {}
