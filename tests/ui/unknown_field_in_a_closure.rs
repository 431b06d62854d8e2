use psdf::dataflow;

pub struct Order { total: u64 }

dataflow! {
    flow Shop {
        input orders: Order;
        small = orders -> filter(|order| order.totl < 10);
        output small;
    }
}

fn main() {}
