use psdf::{Timestamp, dataflow};

dataflow! {
    flow Words {
        input ticks: Timestamp;
        counts = ticks -> event_time(|tick| *tick, lateness 1 s) -> tumbling(1 hour) -> fold(u64 = 0, |n, _| *n += 1);
        output counts;
    }
}

fn main() {}
