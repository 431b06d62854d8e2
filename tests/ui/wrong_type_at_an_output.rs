use psdf::dataflow;

dataflow! {
    flow Pages {
        input lines: String;
        output lengths: u64 = lines -> map(|line| line.trim().to_string());
    }
}

fn main() {}
