psdf::dataflow! {
    flow Forum {
        table points: Point { key at; }
        view all = points keep forever;
    }
}

#[derive(Clone, PartialEq, psdf::Row)]
struct Point {
    at: u64,
}

fn main() {}
