use psdf::{Timestamp, dataflow};

dataflow! {
    flow Words {
        input words: (i64, String);
        counts = words
            -> event_time(|w| Timestamp::from_secs(w.0), lateness delay)
            -> key_by(word: String = |w| w.1.clone())
            -> tumbling(1 min)
            -> aggregate { n: u64 = count() };
        output counts;
    }
}

fn main() {}
