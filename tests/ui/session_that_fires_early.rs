use psdf::dataflow;

dataflow! {
    flow Visits {
        input seconds: i64;
        visits = seconds
            -> event_time(|s| psdf::Timestamp::from_secs(*s), lateness 0 s)
            -> key_by(all: () = |_| ())
            -> session(30 min, early every 5 min)
            -> aggregate { n: u64 = count() };
        output visits;
    }
}

fn main() {}
