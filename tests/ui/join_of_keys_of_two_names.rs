use psdf::dataflow;

dataflow! {
    flow Paid {
        input orders: (u64, i64);
        input payments: (u64, i64);
        by_order = payments -> event_time(|p| psdf::Timestamp(p.1), lateness 1 s) -> key_by(order: u64 = |p| p.0);
        paid = orders -> event_time(|o| psdf::Timestamp(o.1), lateness 1 s) -> key_by(id: u64 = |o| o.0)
            -> join(by_order, within 1 hour);
        output paid;
    }
}

fn main() {}
