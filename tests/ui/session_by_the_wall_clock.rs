use psdf::dataflow;

dataflow! {
    flow Words {
        input words: String;
        counts = words -> session(10 s, processing_time) -> aggregate { n: u64 = count() };
        output counts;
    }
}

fn main() {}
