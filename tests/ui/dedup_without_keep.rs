use psdf::dataflow;

dataflow! {
    flow Words {
        input words: String;
        fresh = words -> key_by(word: String = |w| w.clone()) -> dedup;
        output fresh;
    }
}

fn main() {}
