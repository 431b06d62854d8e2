use psdf::dataflow;

#[derive(Clone)]
pub struct Payment { order: u64, at: psdf::Timestamp }

dataflow! {
    flow Paid {
        input orders: (u64, i64);
        input payments: Payment;
        by_order = payments -> event_time(|p| p.at, lateness 1 s) -> key_by(id: u64 = |p| p.order);
        paid = orders -> event_time(|o| psdf::Timestamp(o.1), lateness 1 s) -> key_by(id: u64 = |o| o.0)
            -> tumbling(1 hour) -> join(by_order);
        output paid;
    }
}

fn main() {}
