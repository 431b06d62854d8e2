use psdf::dataflow;

dataflow! {
    flow Ticks {
        input ticks: u64;
        ticks_per_minute = ticks
            -> event_time(|tick| *tick, lateness 1 s)
            -> key_by(all: () = |_| ())
            -> tumbling(1 min)
            -> aggregate { n: u64 = count() };
        output ticks_per_minute;
    }
}

fn main() {}
