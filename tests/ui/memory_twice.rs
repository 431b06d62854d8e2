use psdf::dataflow;

dataflow! {
    flow Words {
        input words: String;
        keyed = words -> key_by(word: String = |w| w.clone());
        output n = keyed -> count_window(100) memory 64 MiB -> aggregate { n: u64 = count() } keep forever, memory 1 MiB;
    }
}

fn main() {}
