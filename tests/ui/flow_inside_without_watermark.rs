use psdf::dataflow;

dataflow! {
    flow Doubler { input numbers: i64; output doubled: i64 = numbers -> map(|n| n * 2); }
}

dataflow! {
    flow Outer {
        input n: i64;
        output minutes = Doubler(numbers = n).doubled
            -> event_time(|n| psdf::Timestamp(*n))
            -> key_by(n: i64 = |n| *n)
            -> tumbling(1 min)
            -> aggregate { count: u64 = count() };
    }
}

fn main() {}
