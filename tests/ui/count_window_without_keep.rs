use psdf::dataflow;

dataflow! {
    flow Words {
        input words: String;
        hundreds = words -> key_by(word: String = |w| w.clone()) -> count_window(100) -> aggregate { n: u64 = count() };
        output hundreds;
    }
}

fn main() {}
