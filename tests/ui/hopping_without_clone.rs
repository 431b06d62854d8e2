use psdf::{Timestamp, dataflow};

pub struct Order { at: Timestamp, total: u64 }

dataflow! {
    flow Shop {
        input orders: Order;
        sums = orders
            -> event_time(|order| order.at, lateness 1 s)
            -> key_by(all: () = |_| ())
            -> hopping(1 min, every 10 s) else late
            -> fold(u64 = 0, |sum, order| *sum += order.total);
        output sums;
        output late;
    }
}

fn main() {}
