psdf::dataflow! {
    flow Forum {
        table points: Point { key at; }
        view all = points keep forever;
    }
}

#[derive(Clone, PartialEq, serde::Serialize, serde::Deserialize, psdf::Row)]
struct Point {
    at: f64,
}

fn main() {}
