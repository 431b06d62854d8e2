use psdf::dataflow;

dataflow! {
    flow Words {
        input words: String;
        sums = words -> key_by(all: () = |_| ()) -> aggregate { most: u64 = Greatest(|w| w.len() as u64) } keep forever;
        output sums;
    }
}

fn main() {}
