use psdf::{Timestamp, dataflow};

dataflow! {
    flow Words {
        input ticks: Timestamp;
        output times = ticks -> event_time(|tick| *tick, lateness = 1 min);
    }
}

fn main() {}
