use psdf::dataflow;

dataflow! {
    flow Prices {
        input prices: f64;
        counts = prices -> key_by(price: f64 = |p| *p) -> aggregate { n: u64 = count() } keep forever;
        output counts;
    }
}

fn main() {}
