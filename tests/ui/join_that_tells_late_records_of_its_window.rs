use psdf::dataflow;

dataflow! {
    flow Paid {
        input orders: (u64, i64);
        keyed = orders -> event_time(|o| psdf::Timestamp(o.1), lateness 1 s) -> key_by(id: u64 = |o| o.0);
        paid = keyed -> tumbling(1 hour) -> join(keyed) else skip;
        output paid;
    }
}

fn main() {}
