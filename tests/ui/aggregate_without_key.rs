use psdf::dataflow;

dataflow! {
    flow Words {
        input words: String;
        counts = words -> aggregate { n: u64 = count() } keep forever;
        output counts;
    }
}

fn main() {}
