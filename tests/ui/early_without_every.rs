use psdf::dataflow;

dataflow! {
    flow Hours {
        input seconds: i64;
        hours = seconds
            -> event_time(|s| psdf::Timestamp::from_secs(*s), lateness 0 s)
            -> key_by(all: () = |_| ())
            -> tumbling(1 hour, early 5 min)
            -> aggregate { n: u64 = count() };
        output hours;
    }
}

fn main() {}
