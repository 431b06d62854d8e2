use psdf::{Timestamp, dataflow};

dataflow! {
    flow Words {
        input ticks: Timestamp;
        timed = ticks -> event_time(|tick| *tick, lateness 30 mniutes);
        output timed;
    }
}

fn main() {}
