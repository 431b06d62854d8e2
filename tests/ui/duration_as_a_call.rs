use psdf::{Timestamp, dataflow};

dataflow! {
    flow Words {
        input ticks: Timestamp;
        output n = ticks
            -> event_time(|tick| *tick, lateness 1 min)
            -> key_by(all: () = |_| ())
            -> tumbling(std::time::Duration::from_secs(60))
            -> aggregate { n: u64 = count() };
    }
}

fn main() {}
