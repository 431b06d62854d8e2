use psdf::{Timestamp, dataflow};

dataflow! {
    flow Words {
        input ticks: Timestamp;
        output n = ticks
            -> event_time(|tick| *tick, lateness 1 min)
            -> key_by(all: () = |_| ())
            -> tumbling(1.5 hours)
            -> aggregate { n: u64 = count() };
    }
}

fn main() {}
