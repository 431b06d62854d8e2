use psdf::dataflow;

#[derive(Clone)]
pub struct Quote {
    symbol: u64,
}

dataflow! {
    flow Quotes {
        input quotes: Quote;
        current = quotes -> key_by(symbol: u64 = |q| q.symbol) -> latest keep forever;
        output current;
    }
}

fn main() {}
