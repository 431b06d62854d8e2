use psdf::{Timestamp, dataflow};

dataflow! {
    flow Words {
        input ticks: Timestamp;
        output times = ticks -> event_time(|tick| *tick, latenes 1 min);
    }
}

fn main() {}
