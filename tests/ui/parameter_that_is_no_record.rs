use psdf::dataflow;

dataflow! {
    flow Sieve<T: Clone> {
        input records: T;
        output good = records -> filter(|_| true);
    }
}

fn main() {}
