psdf::dataflow! {
    flow Forum {
        input lines: String;
        view kept = lines -> filter(|line| !line.is_empty()) keep forever;
    }
}


fn main() {}
