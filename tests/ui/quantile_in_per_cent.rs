use psdf::dataflow;

dataflow! {
    flow Words {
        input words: String;
        sums = words -> key_by(all: () = |_| ()) -> aggregate { long: f64 = quantile(99, |w| w.len()) } keep forever;
        output sums;
    }
}

fn main() {}
