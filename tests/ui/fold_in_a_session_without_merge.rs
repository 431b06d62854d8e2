use psdf::{Timestamp, dataflow};

dataflow! {
    flow Words {
        input ticks: Timestamp;
        visits = ticks
            -> event_time(|tick| *tick, lateness 1 s)
            -> key_by(all: () = |_| ())
            -> session(30 min)
            -> fold(u64 = 0, |n, _| *n += 1);
        output visits;
    }
}

fn main() {}
