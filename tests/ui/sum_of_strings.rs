use psdf::dataflow;

dataflow! {
    flow Words {
        input words: String;
        sums = words -> key_by(all: () = |_| ()) -> aggregate { sum: String = sum(|w| w.clone()) } keep forever;
        output sums;
    }
}

fn main() {}
