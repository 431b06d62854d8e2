use psdf::dataflow;

pub struct Order { total: u64 }

dataflow! {
    flow Shop {
        input orders: Order;
        small: String = orders -> filter(|order| order.total < 10);
        output small;
    }
}

fn main() {}
