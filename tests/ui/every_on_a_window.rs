use psdf::dataflow;

dataflow! {
    flow Hours {
        input seconds: i64;
        hours = seconds
            -> event_time(|s| psdf::Timestamp::from_secs(*s), lateness 0 s)
            -> key_by(all: () = |_| ())
            -> tumbling(1 hour)
            -> aggregate { n: u64 = count() } every 1 min;
        output hours;
    }
}

fn main() {}
