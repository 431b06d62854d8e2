use psdf::dataflow;

dataflow! {
    flow Shop {
        input orders: String;
        small = orders -> map(|order| order.parse().unwrap());
        output small;
    }
}

fn main() {}
