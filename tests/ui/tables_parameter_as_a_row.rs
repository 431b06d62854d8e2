psdf::dataflow! {
    flow Kept<R: Clone + Send + 'static> {
        table rows: R { key id; }
        view all = rows keep forever;
    }
}


fn main() {}
