use psdf::{Timestamp, dataflow};

dataflow! {
    flow Words {
        input ticks: Timestamp;
        counts = ticks
            -> event_time(|tick| *tick, lateness 1 s)
            -> key_by(all: () = |_| ())
            -> tumbling(1 hour)
            -> aggregate { n: u64 = count() } keep 7 days;
        output counts;
    }
}

fn main() {}
