use psdf::dataflow;

#[derive(serde::Serialize, serde::Deserialize)]
pub struct Order { id: u64, at: psdf::Timestamp }

dataflow! {
    flow Paid {
        input orders: Order;
        input payments: (u64, i64);
        by_order = payments -> event_time(|p| psdf::Timestamp(p.1), lateness 1 s) -> key_by(id: u64 = |p| p.0);
        paid = orders -> event_time(|o| o.at, lateness 1 s) -> key_by(id: u64 = |o| o.id)
            -> join(by_order, within 1 hour);
        output paid;
    }
}

fn main() {}
