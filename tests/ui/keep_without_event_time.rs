use psdf::dataflow;

dataflow! {
    flow Words {
        input words: String;
        counts = words -> key_by(word: String = |w| w.clone()) -> aggregate { n: u64 = count() } keep 7 days;
        output counts;
    }
}

fn main() {}
