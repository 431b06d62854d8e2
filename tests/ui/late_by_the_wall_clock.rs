use psdf::dataflow;

dataflow! {
    flow Words {
        input words: String;
        counts = words -> tumbling(10 s, processing_time) else late -> aggregate { n: u64 = count() };
        output counts;
        output late;
    }
}

fn main() {}
