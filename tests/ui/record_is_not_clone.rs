use psdf::dataflow;

pub struct Order { total: u64 }

dataflow! {
    flow Shop {
        input orders: Order;
        small = orders -> filter(|order| order.total < 10);
        large = orders -> filter(|order| order.total >= 10);
        output small;
        output large;
    }
}

fn main() {}
