use psdf::dataflow;

pub struct Order { total: u64 }

dataflow! {
    flow Shop {
        input orders: Order;
        large = orders -> filter(|order| order.total > 100);
        output large: String;
    }
}

fn main() {}
