use psdf::dataflow;

dataflow! {
    flow Words {
        input words: (String, f64);
        best = words -> key_by(all: () = |_| ()) -> aggregate { n: u64 = distinct(|w| w.1) } keep forever;
        output best;
    }
}

fn main() {}
