use psdf::dataflow;

dataflow! {
    flow Counts<T: psdf::Record, K: Clone + Eq> {
        param key: fn(&T) -> K;
        input records: T;
        counts = records -> key_by(key: K = key) -> aggregate { n: u64 = count() } keep forever;
        output counts;
    }
}

fn main() {}
