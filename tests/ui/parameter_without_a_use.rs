use psdf::dataflow;

dataflow! {
    flow Lines<T: psdf::Record, K: psdf::Key> {
        input lines: T;
        output all: T = lines -> filter(|_| true);
    }
}

fn main() {
    let _ = Lines::<String, u64>::default().builder();
}
