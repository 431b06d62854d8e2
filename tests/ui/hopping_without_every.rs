use psdf::{Timestamp, dataflow};

dataflow! {
    flow Words {
        input ticks: Timestamp;
        counts = ticks
            -> event_time(|tick| *tick, lateness 1 s)
            -> key_by(all: () = |_| ())
            -> hopping(1 hour)
            -> aggregate { n: u64 = count() };
        output counts;
    }
}

fn main() {}
