use psdf::{Timestamp, dataflow};

dataflow! {
    flow Words {
        input ticks: Timestamp;
        hours = ticks
            -> event_time(|tick| *tick, lateness 1 s)
            -> key_by(all: () = |_| ())
            -> tumbling(1 hour);
        output hours;
    }
}

fn main() {}
