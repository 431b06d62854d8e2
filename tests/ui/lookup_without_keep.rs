use psdf::dataflow;

dataflow! {
    flow Priced {
        input orders: (u64, i64);
        input prices: (u64, i64);
        by_item = prices -> event_time(|p| psdf::Timestamp(p.1), lateness 1 s) -> key_by(item: u64 = |p| p.0);
        priced = orders -> event_time(|o| psdf::Timestamp(o.1), lateness 1 s) -> key_by(item: u64 = |o| o.0)
            -> lookup(by_item);
        output priced;
    }
}

fn main() {}
