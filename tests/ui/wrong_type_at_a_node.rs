use psdf::dataflow;

dataflow! {
    flow Pages {
        input lines: String;
        lengths: String = lines -> map(|line| line.len());
        output lengths;
    }
}

fn main() {}
