use psdf::dataflow;

dataflow! {
    flow Sums {
        input seconds: i64;
        sums = seconds
            -> event_time(|s| psdf::Timestamp::from_secs(*s), lateness 0 s)
            -> key_by(all: () = |_| ())
            -> fold(i64 = 0, |sum, s| *sum += *s) every 1 min keep forever;
        output sums;
    }
}

fn main() {}
