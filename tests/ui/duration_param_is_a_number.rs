use psdf::{Timestamp, dataflow};

dataflow! {
    flow Ticks {
        param lateness: u64 = 5;
        input ticks: u64;
        ticks_per_minute = ticks
            -> event_time(|tick| Timestamp::from_secs(*tick as i64), lateness lateness)
            -> key_by(all: () = |_| ())
            -> tumbling(1 min)
            -> aggregate { n: u64 = count() };
        output ticks_per_minute;
    }
}

fn main() {}
