use psdf::dataflow;

dataflow! {
    flow Words {
        input words: String;
        keyed = words -> key_by(word: String = |w| w.clone());
        output n = keyed -> aggregate { n: u64 = count() } keep forever, memory 0 keys;
    }
}

fn main() {}
