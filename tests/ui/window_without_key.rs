use psdf::{Timestamp, dataflow};

dataflow! {
    flow Words {
        input ticks: Timestamp;
        counts = ticks
            -> event_time(|tick| *tick, lateness 1 s)
            -> count_window(100)
            -> aggregate { n: u64 = count() } keep forever;
        output counts;
    }
}

fn main() {}
