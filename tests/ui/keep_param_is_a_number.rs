use psdf::{Timestamp, dataflow};

dataflow! {
    flow Words {
        param days: u64 = 7;
        input words: (i64, String);
        counts = words
            -> event_time(|w| Timestamp::from_secs(w.0), lateness 1 s)
            -> key_by(word: String = |w| w.1.clone())
            -> aggregate { n: u64 = count() } keep days;
        output counts;
    }
}

fn main() {}
