use psdf::dataflow;

dataflow! {
    flow Pages {
        input lines: String;
        lengths: u64 = lines -> map(|line| line.len());
        short = lengths -> filter(|n| *n < 10);
        long = lengths -> filter(|n| *n >= 10);
        output short;
        output long;
    }
}

fn main() {}
