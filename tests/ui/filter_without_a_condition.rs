use psdf::dataflow;

dataflow! {
    flow Words {
        input words: String;
        sums = words -> key_by(all: () = |_| ()) -> aggregate { long: u64 = count(where) } keep forever;
        output sums;
    }
}

fn main() {}
