use psdf::dataflow;

dataflow! {
    flow Pairs {
        input a: i64;
        input b: i64;
        bs = b -> event_time(|n| psdf::Timestamp(*n), lateness 1 s) -> key_by(n: i64 = |n| *n);
        output pairs = a
            -> event_time(|n| psdf::Timestamp(*n), lateness 1 s)
            -> key_by(n: i64 = |n| *n)
            -> tumbling(1 min, early every 10 s)
            -> join(bs);
    }
}

fn main() {}
