use psdf::{Timestamp, dataflow};

dataflow! {
    flow Words {
        input ticks: Timestamp;
        timed = ticks -> event_time(|tick| *tick);
        output timed;
    }
}

fn main() {}
